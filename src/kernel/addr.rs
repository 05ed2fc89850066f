//! Addresses of links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use rtnetlink::AddressMessageBuilder;

use super::socket::{attributes, ip, number};
use super::{KernelError, Request, RouteSocket};

/// Bytes of `struct ifaddrmsg`.
const HEADER: usize = 8;
/// `IFA_FLAGS`, include/uapi/linux/if_addr.h: the flags that no longer fit into the header.
const FLAGS: u16 = 8;
/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`: somebody else has it, or that is not known yet (RFC 4862 5.4).
const NOT_USABLE: u32 = 0x08 | 0x40;
/// `IFA_F_OPTIMISTIC`: to be used while that is not known yet (RFC 4429).
const OPTIMISTIC: u32 = 0x04;
/// `IFA_F_DADFAILED`: somebody else has it.
const FAILED: u32 = 0x08;
/// `AF_INET6`.
const INET6: u8 = 10;
/// `IFA_ADDRESS` and `IFA_LOCAL`.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
// `RTM_GETROUTE`, `RTA_DST`, the place of the type in `struct rtmsg` and `RTN_LOCAL`, include/uapi/linux/rtnetlink.h.
const GET_ROUTE: u16 = 26;
const ROUTE_DESTINATION: u16 = 1;
const ROUTE_TYPE: usize = 7;
const LOCAL_ROUTE: u8 = 2;
/// `RT_SCOPE_UNIVERSE`.
const UNIVERSE: u8 = 0;

/// `ip address del NET dev …`.
#[must_use]
pub fn delete_address(index: u32, net: IpNet) -> Request {
    Request::new(&RouteNetlinkMessage::DelAddress(message(index, net)), 0)
}

/// `ip address add NET brd + dev …`: the broadcast address is set where the prefix has one (/30 and shorter). With a peer
/// `ip address add IP peer PEER/LEN dev …`: the prefix is the peer's. `unasked`, an address of IPv6 is used without asking
/// whether somebody else has it (`nodad`).
#[must_use]
pub fn add_address(index: u32, net: IpNet, peer: Option<IpAddr>, unasked: bool) -> Request {
    let mut message = message(index, net);
    if let Some(peer) = peer {
        message.attributes.retain(|attribute| matches!(attribute, AddressAttribute::Local(_)));
        message.attributes.push(AddressAttribute::Address(peer));
    }
    if unasked {
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    Request::new(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

fn message(index: u32, net: IpNet) -> AddressMessage {
    match net.addr() {
        IpAddr::V4(ip) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(ip, net.prefix_len()).build()
        }
        IpAddr::V6(ip) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(ip, net.prefix_len()).build()
        }
    }
}

/// Whether a link has an address that other hosts can reach: of global scope, duplicate address detection over.
/// Equal to `ip address show dev … scope global -tentative`.
///
/// # Errors
/// The kernel's refusal.
pub fn has_usable_address(socket: &mut RouteSocket, index: u32) -> Result<bool, KernelError> {
    let request = Request::new(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0);
    let usable = socket.dump(&request, |payload| is_usable(payload, index).then_some(()))?;
    Ok(!usable.is_empty())
}

fn is_usable(payload: &[u8], index: u32) -> bool {
    let Some(header) = payload.first_chunk::<HEADER>() else { return false };
    let [_family, _len, flags, scope, of @ ..] = *header;
    let flags = all_flags(payload, flags);
    u32::from_ne_bytes(of) == index
        && scope == UNIVERSE
        && (flags & NOT_USABLE == 0 || flags & OPTIMISTIC != 0)
}

/// The flags, also those that do not fit into the header.
fn all_flags(payload: &[u8], flags: u8) -> u32 {
    let wide = attributes(payload, HEADER).find(|attribute| attribute.kind() == FLAGS);
    wide.and_then(|attribute| number(attribute.value())).unwrap_or(flags.into())
}

/// What duplicate address detection has found out (RFC 4862 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// It is not known yet.
    Running,
    /// Nobody else has them.
    Passed,
    /// Somebody else has this one.
    Duplicate(Ipv6Addr),
    /// This one is not there any more.
    Gone(Ipv6Addr),
}

/// What is known by now of these addresses of a link. Equal to `ip -6 address show dev …`.
///
/// # Errors
/// The kernel's refusal.
pub fn detection(
    socket: &mut RouteSocket,
    index: u32,
    addresses: &[Ipv6Addr],
) -> Result<Detection, KernelError> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    let request = Request::new(&RouteNetlinkMessage::GetAddress(message), 0);
    let found = socket.dump(&request, |payload| flags_of(payload, index))?;
    let mut detection = Detection::Passed;
    for address in addresses {
        let Some((_, flags)) = found.iter().find(|(ip, _)| ip == address) else {
            return Ok(Detection::Gone(*address));
        };
        if flags & FAILED != 0 {
            return Ok(Detection::Duplicate(*address));
        }
        if flags & NOT_USABLE != 0 {
            detection = Detection::Running;
        }
    }
    Ok(detection)
}

/// Whether the kernel takes what is sent to an IPv6 address for its own: it begins with that a moment after it was given
/// the address. Equal to `ip -6 route get IP`, which then says `local`.
///
/// # Errors
/// The kernel's refusal.
pub fn is_own(socket: &mut RouteSocket, ip: Ipv6Addr) -> Result<bool, KernelError> {
    // `struct rtmsg`, and one attribute.
    let mut payload = vec![INET6, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    payload.extend(20_u16.to_ne_bytes());
    payload.extend(ROUTE_DESTINATION.to_ne_bytes());
    payload.extend(ip.octets());
    let kind = |payload: &[u8]| payload.get(ROUTE_TYPE).copied();
    match socket.ask(&Request::raw(GET_ROUTE, 0, payload), kind) {
        Ok(kind) => Ok(kind == Some(LOCAL_ROUTE)),
        Err(error) if matches!(error.errno, Errno::ENETUNREACH | Errno::EHOSTUNREACH) => Ok(false),
        Err(error) => Err(error),
    }
}

/// An IPv6 address of that link, and its flags.
fn flags_of(payload: &[u8], index: u32) -> Option<(Ipv6Addr, u32)> {
    let [family, _len, flags, _scope, of @ ..] = *payload.first_chunk::<HEADER>()?;
    if family != INET6 || u32::from_ne_bytes(of) != index {
        return None;
    }
    let value = |kind: u16| {
        let found = attributes(payload, HEADER).find(|attribute| attribute.kind() == kind)?;
        ip(found.value(), false)
    };
    // With a peer, the own one is `IFA_LOCAL`.
    match value(LOCAL).or_else(|| value(ADDRESS))? {
        IpAddr::V6(ip) => Some((ip, all_flags(payload, flags))),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let mut payload = vec![INET6, 64, 0x80, 0, 3, 0, 0, 0, 20, 0, 1, 0];
        payload.extend([0xfd; 16]);
        payload.extend([8, 0, 8, 0, 0xc0, 1, 0, 0]);
        assert_eq!(flags_of(&payload, 3), Some(([0xfd; 16].into(), 0x1c0)));
        for end in 0..payload.len() {
            let _ = (flags_of(&payload[..end], 3), is_usable(&payload[..end], 3));
        }
    }
}
