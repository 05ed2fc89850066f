//! How one namespace numbers another: the kernel tells of links that lead elsewhere by such numbers.

use std::os::fd::{AsFd, AsRawFd};

use super::socket::attributes;
use super::{KernelError, NetNs, Request, RouteSocket};

/// `RTM_GETNSID`, include/uapi/linux/rtnetlink.h.
const GETNSID: u16 = 90;
/// `NETNSA_NSID` and `NETNSA_FD`, include/uapi/linux/net_namespace.h.
const NSID: u16 = 1;
const FD: u16 = 3;
/// Bytes of `struct rtgenmsg`, aligned.
const HEADER: usize = 4;

/// The number of `netns` as the socket's namespace counts; none when nothing in there leads to it, or it is the same one.
/// Equal to `ip netns list-id`.
///
/// # Errors
/// The kernel's refusal.
pub fn neighbour(socket: &mut RouteSocket, netns: &NetNs) -> Result<Option<i32>, KernelError> {
    let mut payload = vec![0; HEADER];
    payload.extend(8_u16.to_ne_bytes());
    payload.extend(FD.to_ne_bytes());
    payload.extend(netns.as_fd().as_raw_fd().to_ne_bytes());
    let id = socket.ask(&Request::raw(GETNSID, 0, payload), read)?;
    // `NETNSA_NSID_NOT_ASSIGNED`.
    Ok(id.filter(|id| *id >= 0))
}

fn read(payload: &[u8]) -> Option<i32> {
    let id = attributes(payload, HEADER).find(|attribute| attribute.kind() == NSID)?;
    id.value().first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}
