//! ARP probes: the question to a network whether somebody has an IPv4 address, asked without one (RFC 5227 2.1).

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, recvfrom, sendto};
use rustix::net::{AddressFamily, SocketFlags, SocketType, eth, socket_with};

use super::KernelError;

/// Bytes of an Ethernet header and of the ARP packet behind it.
const ETHERNET: usize = 14;
const ARP: usize = 28;
/// `ETH_P_ARP`.
const TYPE: [u8; 2] = [0x08, 0x06];
/// The start of an ARP packet: hardware Ethernet, protocol IPv4, six and four bytes of address (RFC 826).
const START: [u8; 6] = [0, 1, 8, 0, 6, 4];
/// A request.
const REQUEST: [u8; 2] = [0, 1];

/// What an ARP packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// The MAC address of who sent it.
    pub mac: [u8; 6],
    /// The address of who sent it: all zeros from one that probes.
    pub sender: Ipv4Addr,
    /// The address that it asks for.
    pub target: Ipv4Addr,
}

/// A packet socket that probes over one interface.
#[derive(Debug)]
pub struct Prober {
    socket: OwnedFd,
    to: LinkAddr,
    mac: [u8; 6],
}

impl Prober {
    /// Opens one for an interface of the current namespace. Only here rpipe needs a packet socket, which takes the kernel a
    /// dozen milliseconds to close.
    ///
    /// It hears the ARP of all interfaces and drops what is not of this one: to bind it takes an address that can be made only
    /// by unsafe code. That of the interface itself can be had from the list of all.
    ///
    /// # Errors
    /// `ENODEV` when there is no such interface, `EAFNOSUPPORT` when the kernel has no packet sockets.
    pub fn open(index: u32) -> Result<Self, KernelError> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(eth::ARP))
            .map_err(std::io::Error::from)?;
        let of_index = |address: &LinkAddr| u32::try_from(address.ifindex()) == Ok(index);
        let links = getifaddrs()?.filter_map(|link| link.address?.as_link_addr().copied());
        let to = links.into_iter().find(of_index).ok_or(Errno::ENODEV)?;
        let mac = to.addr().filter(|_| to.halen() == 6).ok_or(Errno::EOPNOTSUPP)?;
        Ok(Self { socket, to, mac })
    }

    /// Asks everybody who has this address.
    ///
    /// # Errors
    /// `ENETDOWN` when the interface is down.
    pub fn ask(&self, ip: Ipv4Addr) -> Result<(), KernelError> {
        let frame = probe(self.mac, ip);
        sendto(self.socket.as_raw_fd(), &frame, &self.to, MsgFlags::empty())?;
        Ok(())
    }

    /// The next packet that was heard on the interface, if there is one; what is no ARP is passed over.
    ///
    /// # Errors
    /// `ENETDOWN` when the interface went down.
    pub fn hear(&self) -> Result<Option<Arp>, KernelError> {
        let mut frame = [0; ETHERNET + ARP];
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
                Ok((length, Some(from))) if from.ifindex() == self.to.ifindex() => {
                    if let Some(arp) = frame.get(..length).and_then(read) {
                        return Ok(Some(arp));
                    }
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Whether this says that somebody else has the address, or is about to take it (RFC 5227 2.1.1).
    #[must_use]
    pub fn is_conflict(&self, arp: &Arp, ip: Ipv4Addr) -> bool {
        // Our own probes can come back to us.
        let probe = arp.sender.is_unspecified() && arp.target == ip && arp.mac != self.mac;
        arp.sender == ip || probe
    }
}

impl AsFd for Prober {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Everybody on the network, from an address that nobody has.
fn probe(mac: [u8; 6], ip: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    frame.extend(TYPE);
    frame.extend(START);
    frame.extend(REQUEST);
    frame.extend(mac);
    frame.extend([0; 4]);
    frame.extend([0; 6]);
    frame.extend(ip.octets());
    frame
}

fn read(frame: &[u8]) -> Option<Arp> {
    let packet = frame.get(ETHERNET..)?.first_chunk::<ARP>()?;
    if frame.get(12..14)? != TYPE || packet[..6] != START {
        return None;
    }
    let ip = |at: usize| packet.get(at..)?.first_chunk::<4>().map(|ip| Ipv4Addr::from(*ip));
    Some(Arp { mac: *packet.get(8..)?.first_chunk()?, sender: ip(14)?, target: ip(24)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_reads_as_it_was_written() {
        let (mac, ip) = ([2, 0, 0, 0, 0, 1], Ipv4Addr::new(10, 0, 0, 5));
        let frame = probe(mac, ip);
        assert_eq!(frame.len(), ETHERNET + ARP);
        assert_eq!(read(&frame), Some(Arp { mac, sender: Ipv4Addr::UNSPECIFIED, target: ip }));
        for end in 0..frame.len() {
            assert_eq!(read(&frame[..end]), None);
        }
        let other = [&frame[..12], &[8, 0], &frame[14..]].concat();
        assert_eq!(read(&other), None);
    }
}
