//! Gateways: which there are, and whether they answer. The kernel itself asks, by ARP or neighbour discovery.

use std::net::{IpAddr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::path::Path;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::RouteMessage;

use super::socket::{attributes, ip, number};
use super::{KernelError, Request, RouteSocket};

/// Bytes of `struct ifaddrmsg`, `struct rtmsg`, `struct rtnexthop` and `struct ndmsg`.
const ADDRESS_HEADER: usize = 8;
const ROUTE_HEADER: usize = 12;
const HOP_HEADER: usize = 8;
const NEIGHBOUR_HEADER: usize = 12;
// RTA_*, include/uapi/linux/rtnetlink.h.
const OUTPUT: u16 = 4;
const GATEWAY: u16 = 5;
const MULTIPATH: u16 = 9;
const VIA: u16 = 18;
/// `RTM_NEWNEIGH` and `RTM_GETNEIGH`.
const NEW: u16 = 28;
const GET: u16 = 30;
// NDA_* and NTF_*, include/uapi/linux/neighbour.h.
const DESTINATION: u16 = 1;
const USE: u8 = 1;
const PROXY: u8 = 8;
// NUD_*: what a neighbour can be.
const INCOMPLETE: u16 = 0x01;
const REACHABLE: u16 = 0x02;
const STALE: u16 = 0x04;
const DELAY: u16 = 0x08;
const PROBE: u16 = 0x10;
const NOARP: u16 = 0x40;
const PERMANENT: u16 = 0x80;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;
/// `RT_SCOPE_LINK`.
const LINK_SCOPE: u8 = 253;
/// The port whose datagrams everybody throws away (RFC 863).
const DISCARD: u16 = 9;

/// What the kernel knows of a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// It has answered within the last half minute.
    Reachable,
    /// Nobody asks it: its address was set by hand, or the link has none.
    Fixed,
    /// It is being asked.
    Asked,
    /// It once answered.
    Stale,
    /// It did not answer, or nobody has asked.
    Silent,
}

/// The gateways of the routes over a link, in any table: those of default routes, or where there is none of a family,
/// those of all its routes. Each once. Equal to `ip route show table all dev …`.
///
/// # Errors
/// The kernel's refusal.
pub fn gateways(socket: &mut RouteSocket, index: u32) -> Result<Vec<IpAddr>, KernelError> {
    let request = Request::new(&RouteNetlinkMessage::GetRoute(RouteMessage::default()), 0);
    let found = socket.dump(&request, |payload| read_route(payload, index))?;
    let mut gateways = Vec::new();
    for v4 in [true, false] {
        let of_family = |(_, gateway): &&(bool, IpAddr)| gateway.is_ipv4() == v4;
        let any_default = found.iter().filter(of_family).any(|(default, _)| *default);
        let chosen = found.iter().filter(of_family).filter(|(default, _)| *default || !any_default);
        gateways.extend(chosen.map(|(_, gateway)| *gateway));
    }
    gateways.sort_unstable();
    gateways.dedup();
    Ok(gateways)
}

/// Whether it is a default route, and its gateway over that link.
fn read_route(payload: &[u8], index: u32) -> Option<(bool, IpAddr)> {
    let header: &[u8; ROUTE_HEADER] = payload.first_chunk()?;
    let v4 = header[0] == INET;
    let (mut output, mut gateway, mut hop) = (None, None, None);
    for attribute in attributes(payload, ROUTE_HEADER) {
        let value = attribute.value();
        match attribute.kind() {
            OUTPUT => output = number(value),
            GATEWAY => gateway = ip(value, v4),
            VIA => gateway = via(value),
            MULTIPATH => hop = hops(value, v4).find(|(over, _)| *over == index).map(|(_, gateway)| gateway),
            _ => {}
        }
    }
    let gateway = hop.or(gateway.filter(|_| output == Some(index)))?;
    Some((header[1] == 0, gateway))
}

/// The gateways of a route over several links, each with its link.
fn hops(mut value: &[u8], v4: bool) -> impl Iterator<Item = (u32, IpAddr)> {
    std::iter::from_fn(move || {
        while let Some([a, b, _, _, index @ ..]) = value.first_chunk::<HOP_HEADER>() {
            let length = usize::from(u16::from_ne_bytes([*a, *b]));
            let index = u32::from_ne_bytes(*index);
            let own = value.get(HOP_HEADER..length)?;
            value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
            let gateway = NlasIterator::new(own).flatten().find_map(|attribute| match attribute.kind() {
                GATEWAY => ip(attribute.value(), v4),
                VIA => via(attribute.value()),
                _ => None,
            });
            if let Some(gateway) = gateway {
                return Some((index, gateway));
            }
        }
        None
    })
}

/// `struct rtvia`: a gateway of the other family.
fn via(value: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(*value.first_chunk()?);
    ip(value.get(2..)?, family == u16::from(INET))
}

/// The neighbours of the namespace that it was opened in.
#[derive(Debug)]
pub struct Neighbours {
    socket: RouteSocket,
    /// Where the kernel speaks IPv6.
    datagrams: Option<UdpSocket>,
}

impl Neighbours {
    /// Opens the sockets in the current namespace.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn open() -> Result<Self, KernelError> {
        // Where IPv6 is not in the kernel, asking for a socket of it would load it.
        let spoken = Path::new("/proc/sys/net/ipv6").exists();
        let datagrams = spoken.then(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()).flatten();
        Ok(Self { socket: RouteSocket::open()?, datagrams })
    }

    /// What the kernel knows of a neighbour over a link. Equal to `ip neighbour show ADDRESS dev …`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn find(&mut self, index: u32, address: IpAddr) -> Result<Neighbour, KernelError> {
        let mut payload = vec![family(address)];
        payload.resize(NEIGHBOUR_HEADER, 0);
        let of_it =
            |payload: &[u8]| read_neighbour(payload).filter(|(at, who, _)| (*at, *who) == (index, address));
        let found = self.socket.dump(&Request::raw(GET, 0, payload), of_it)?;
        Ok(found.first().map_or(Neighbour::Silent, |(_, _, state)| match *state {
            PERMANENT | NOARP => Neighbour::Fixed,
            REACHABLE => Neighbour::Reachable,
            STALE | DELAY => Neighbour::Stale,
            PROBE | INCOMPLETE => Neighbour::Asked,
            _ => Neighbour::Silent,
        }))
    }

    /// Has the kernel ask a neighbour at once: one that has never answered as for a first packet
    /// (`ip neighbour replace ADDRESS dev … use`), one that has whether it is still there (`… nud probe`). How often, and
    /// how long it waits for an answer, are the kernel's own settings: three times a second apart.
    ///
    /// # Errors
    /// The kernel's refusal: `ENETDOWN`, `EINVAL` on a link that is down.
    pub fn ask(&mut self, index: u32, address: IpAddr, known: Neighbour) -> Result<(), KernelError> {
        let (state, flags) = match known {
            Neighbour::Reachable | Neighbour::Stale => (PROBE, 0),
            Neighbour::Silent => (0, USE),
            Neighbour::Fixed | Neighbour::Asked => return Ok(()),
        };
        let bytes = match address {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => {
                // Without a packet that it is for, the kernel asks from the link-local address, and where there is none,
                // not at all (`ndisc_send_ns`, net/ipv6/ndisc.c).
                if let Some(datagrams) = self.datagrams.as_ref()
                    && !has_link_local(&mut self.socket, index)?
                {
                    datagrams.send_to(&[], SocketAddrV6::new(ip, DISCARD, 0, index))?;
                    return Ok(());
                }
                ip.octets().to_vec()
            }
        };
        let mut payload = vec![family(address), 0, 0, 0];
        payload.extend(index.to_ne_bytes());
        payload.extend(state.to_ne_bytes());
        // The kind is that of a neighbour with one address: `RTN_UNICAST`.
        payload.extend([flags, 1]);
        payload.extend(u16::try_from(bytes.len() + 4).unwrap_or_default().to_ne_bytes());
        payload.extend(DESTINATION.to_ne_bytes());
        payload.extend(bytes);
        self.socket.execute(Request::raw(NEW, NLM_F_CREATE | NLM_F_REPLACE, payload))
    }
}

fn has_link_local(socket: &mut RouteSocket, index: u32) -> Result<bool, KernelError> {
    let request = Request::new(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0);
    let link_local = |payload: &[u8]| {
        let [of, _, _, scope, at @ ..] = *payload.first_chunk::<ADDRESS_HEADER>()?;
        (of == INET6 && scope == LINK_SCOPE && u32::from_ne_bytes(at) == index).then_some(())
    };
    Ok(!socket.dump(&request, link_local)?.is_empty())
}

/// The link, the address and its state.
fn read_neighbour(payload: &[u8]) -> Option<(u32, IpAddr, u16)> {
    let header: &[u8; NEIGHBOUR_HEADER] = payload.first_chunk()?;
    let [of, _, _, _, i0, i1, i2, i3, s0, s1, flags, _] = *header;
    let destination = attributes(payload, NEIGHBOUR_HEADER).find(|it| it.kind() == DESTINATION)?;
    let address = ip(destination.value(), of == INET).filter(|_| flags & PROXY == 0)?;
    Some((u32::from_ne_bytes([i0, i1, i2, i3]), address, u16::from_ne_bytes([s0, s1])))
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { INET } else { INET6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let route = [2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1, 8, 0, 4, 0, 3, 0, 0, 0];
        assert_eq!(read_route(&route, 3), Some((true, [10, 0, 0, 1].into())));
        assert_eq!(read_route(&route, 4), None);
        let hops = [
            2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0, 36, 0, 9, 0, 16, 0, 0, 0, 3, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0,
            1, 16, 0, 0, 0, 4, 0, 0, 0, 8, 0, 5, 0, 10, 0, 1, 1,
        ];
        assert_eq!(read_route(&hops, 4), Some((true, [10, 0, 1, 1].into())));
        let neighbour = [2, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 1, 8, 0, 1, 0, 10, 0, 0, 1];
        assert_eq!(read_neighbour(&neighbour), Some((3, [10, 0, 0, 1].into(), REACHABLE)));
        for end in 0..hops.len() {
            let _ = (read_route(&hops[..end], 4), route.get(..end).map(|part| read_route(part, 3)));
            let _ = neighbour.get(..end).map(read_neighbour);
        }
        // A hop that says to be shorter than its own header.
        let mut broken = hops;
        broken[16] = 0;
        assert_eq!(read_route(&broken, 4), None);
    }
}
