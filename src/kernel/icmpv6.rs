//! Neighbour advertisements (RFC 4861): one's own are sent, those of others are heard.

use std::io::IoSlice;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendmsg,
    socket,
};

use super::KernelError;

/// The type of a neighbour advertisement (RFC 4861 4.4), and those of the options for the sender's and the target's MAC.
const ADVERTISEMENT: u8 = 136;
const TARGET_LINK_LAYER: u8 = 2;
/// The flags "router" and "override".
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// Bytes before the options: four of the header, four of flags, the target.
const HEADER: usize = 24;
/// All nodes on the link.
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Nobody takes an advertisement from further away (RFC 4861 7.1.2).
const HOP_LIMIT: i32 = 255;

/// A raw socket for ICMPv6 of the namespace in which it was opened. It hears everything of that protocol from then on.
#[derive(Debug)]
pub struct Icmpv6 {
    fd: OwnedFd,
}

impl Icmpv6 {
    /// Opens it.
    ///
    /// # Errors
    /// `EAFNOSUPPORT` without IPv6, `EMFILE` and its like.
    pub fn open() -> Result<Self, KernelError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Self { fd: socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6)? })
    }

    /// Tells everybody on the link that `ip` is at `mac` from now on (RFC 4861 7.2.6). Equal to what the kernel sends with
    /// `sysctl net.ipv6.conf.IFNAME.ndisc_notify=1`.
    ///
    /// # Errors
    /// `EINVAL` or `EADDRNOTAVAIL` when the address is not there or not yet known to be nobody else's.
    pub fn advertise(&self, index: u32, ip: Ipv6Addr, mac: [u8; 6], router: bool) -> Result<(), KernelError> {
        let flags = OVERRIDE | if router { ROUTER } else { 0 };
        // The kernel puts the checksum in.
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
        message.extend(ip.octets());
        // The length of an option is counted in eights.
        message.extend([TARGET_LINK_LAYER, 1]);
        message.extend(mac);
        let from =
            libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: index };
        let control = [ControlMessage::Ipv6PacketInfo(&from), ControlMessage::Ipv6HopLimit(&HOP_LIMIT)];
        let to = SockaddrIn6::from(SocketAddrV6::new(EVERYBODY, 0, 0, index));
        let message = [IoSlice::new(&message)];
        sendmsg(self.fd.as_raw_fd(), &message, &control, MsgFlags::empty(), Some(&to))?;
        Ok(())
    }

    /// Who has said since it was last asked that an address is theirs: the address and their MAC.
    #[must_use]
    pub fn heard(&self) -> Vec<(Ipv6Addr, [u8; 6])> {
        let mut heard = Vec::new();
        let mut buffer = [0; 1500];
        while let Ok(length) = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            heard.extend(buffer.get(..length).and_then(holder));
        }
        heard
    }
}

impl AsFd for Icmpv6 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The target of a neighbour advertisement, and its MAC.
fn holder(message: &[u8]) -> Option<(Ipv6Addr, [u8; 6])> {
    let header: &[u8; HEADER] = message.first_chunk()?;
    if header[0] != ADVERTISEMENT {
        return None;
    }
    let target: [u8; 16] = *header.last_chunk()?;
    let mut options = message.get(HEADER..)?;
    while let [kind, eights, rest @ ..] = options {
        if *kind == TARGET_LINK_LAYER {
            return Some((target.into(), *rest.first_chunk()?));
        }
        options = options.get(usize::from(*eights).max(1) * 8..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_behind_other_options() {
        let ip: Ipv6Addr = "fd00::2".parse().unwrap();
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0];
        message.extend(ip.octets());
        message.extend([14, 1, 0, 0, 0, 0, 0, 0]);
        message.extend([TARGET_LINK_LAYER, 1, 2, 0, 0, 0, 0, 9]);
        assert_eq!(holder(&message), Some((ip, [2, 0, 0, 0, 0, 9])));
        for end in 0..message.len() {
            assert_eq!(holder(&message[..end]), None);
        }
        message[0] = 135;
        assert_eq!(holder(&message), None, "a solicitation");
    }
}
