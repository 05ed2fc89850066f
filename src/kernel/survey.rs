//! What a link carries: read when something is there already.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::RouteMessage;

use super::socket::{attributes, ip, number};
use super::{KernelError, Request, RouteSocket};
use crate::spec::OwnAddress;

/// Bytes of `struct ifaddrmsg` and of `struct rtmsg`.
const ADDRESS_HEADER: usize = 8;
const ROUTE_HEADER: usize = 12;
// IFA_*, include/uapi/linux/if_addr.h.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const FLAGS: u16 = 8;
/// `IFA_F_PERMANENT`: set by somebody, not learned from a router.
const PERMANENT: u32 = 0x80;
/// `IFA_F_DADFAILED`: somebody else has it (RFC 4862 5.4).
const DAD_FAILED: u32 = 0x08;
/// `RT_SCOPE_UNIVERSE`, and `RT_SCOPE_LINK` of the link-local addresses that the kernel adds.
const LINK_SCOPE: u8 = 253;
// RTA_*, include/uapi/linux/rtnetlink.h.
const DESTINATION: u16 = 1;
const OUTPUT: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const TABLE: u16 = 15;
/// `RT_TABLE_MAIN` and `RT_TABLE_LOCAL`; `RTPROT_KERNEL`.
const MAIN: u32 = 254;
const LOCAL_TABLE: u32 = 255;
const BY_KERNEL: u8 = 2;

/// A route that somebody has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRoute {
    /// Where it leads; `None` for a default route.
    pub net: Option<IpNet>,
    /// Whether it is one of IPv4.
    pub v4: bool,
    /// Its next hop.
    pub gateway: Option<IpAddr>,
    /// Its metric.
    pub metric: u32,
    /// Its table, unless that is the main one.
    pub table: Option<u32>,
}

/// The addresses of a link that somebody has set, with the number of that link; all links where none is named. Equal to
/// `ip address show permanent`.
///
/// # Errors
/// The kernel's refusal.
pub fn addresses(
    socket: &mut RouteSocket,
    index: Option<u32>,
) -> Result<Vec<(u32, OwnAddress)>, KernelError> {
    let permanent = |payload: &[u8]| read_address(payload).filter(|(_, _, permanent)| *permanent);
    let found = socket.dump(&all_addresses(), permanent)?;
    let of_link = |(at, _): &(u32, OwnAddress)| index.is_none_or(|index| *at == index);
    Ok(found.into_iter().map(|(at, net, _)| (at, net)).filter(of_link).collect())
}

/// The addresses of all links, those that somebody has set and those that were learned, each with the number of its
/// link. Those that the kernel gives every link are left out. Equal to `ip address show`.
///
/// # Errors
/// The kernel's refusal.
pub fn every_address(socket: &mut RouteSocket) -> Result<Vec<(u32, OwnAddress)>, KernelError> {
    socket.dump(&all_addresses(), |payload| read_address(payload).map(|(at, net, _)| (at, net)))
}

/// The addresses that the kernel does not use because somebody else was found to have them, with the number of their
/// link. Equal to `ip address show dadfailed`.
///
/// # Errors
/// The kernel's refusal.
pub fn refused_addresses(socket: &mut RouteSocket) -> Result<Vec<(u32, IpNet)>, KernelError> {
    let refused = |payload: &[u8]| {
        let wide = attributes(payload, ADDRESS_HEADER).find(|it| it.kind() == FLAGS)?;
        let failed = number(wide.value())? & DAD_FAILED != 0;
        read_address(payload).filter(|_| failed).map(|(at, own, _)| (at, own.net))
    };
    socket.dump(&all_addresses(), refused)
}

fn all_addresses() -> Request {
    Request::new(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0)
}

/// The link, the address, and whether somebody has set it for good.
pub(super) fn read_address(payload: &[u8]) -> Option<(u32, OwnAddress, bool)> {
    let [family, len, flags, scope, at @ ..] = *payload.first_chunk::<ADDRESS_HEADER>()?;
    let v4 = family == 2;
    let (mut wide, mut own, mut peer) = (u32::from(flags), None, None);
    for attribute in attributes(payload, ADDRESS_HEADER) {
        match attribute.kind() {
            FLAGS => wide = number(attribute.value())?,
            LOCAL => own = ip(attribute.value(), v4),
            ADDRESS => peer = ip(attribute.value(), v4),
            _ => {}
        }
    }
    let by_kernel = !v4 && scope == LINK_SCOPE;
    let net = IpNet::new(own.or(peer)?, len).ok()?;
    // Without a peer the kernel says the same in both, or only one of them.
    let own = OwnAddress { net, peer: peer.filter(|peer| *peer != net.addr()) };
    (!by_kernel).then_some((u32::from_ne_bytes(at), own, wide & PERMANENT != 0))
}

/// The routes over a link that somebody has set, of all tables. Equal to `ip route show table all dev …`, without those
/// of `proto kernel` and of the table `local`.
///
/// # Errors
/// The kernel's refusal.
pub fn routes(socket: &mut RouteSocket, index: Option<u32>) -> Result<Vec<(u32, SeenRoute)>, KernelError> {
    let request = Request::new(&RouteNetlinkMessage::GetRoute(RouteMessage::default()), 0);
    let mut found = socket.dump(&request, read_route)?;
    found.retain(|(at, _)| index.is_none_or(|index| *at == index));
    Ok(found)
}

fn read_route(payload: &[u8]) -> Option<(u32, SeenRoute)> {
    let header: &[u8; ROUTE_HEADER] = payload.first_chunk()?;
    let (v4, len) = (header[0] == 2, header[1]);
    if header[5] == BY_KERNEL {
        return None;
    }
    let (mut output, mut net, mut table) = (None, None, u32::from(header[4]));
    let mut route = SeenRoute { net: None, v4, gateway: None, metric: 0, table: None };
    for attribute in attributes(payload, ROUTE_HEADER) {
        match attribute.kind() {
            DESTINATION => net = ip(attribute.value(), v4),
            OUTPUT => output = number(attribute.value()),
            GATEWAY => route.gateway = ip(attribute.value(), v4),
            PRIORITY => route.metric = number(attribute.value())?,
            TABLE => table = number(attribute.value())?,
            _ => {}
        }
    }
    if table == LOCAL_TABLE {
        return None;
    }
    route.table = Some(table).filter(|table| *table != MAIN);
    route.net = net.and_then(|net| IpNet::new(net, len).ok());
    Some((output?, route))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let payload = [2, 24, 0x80, 0, 3, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 2, 8, 0, 8, 0, 0x80, 0, 0, 0];
        assert_eq!(read_address(&payload), Some((3, "10.0.0.2/24".parse().unwrap(), true)));
        let peer = [payload.as_slice(), &[8, 0, 1, 0, 10, 0, 0, 1]].concat();
        assert_eq!(read_address(&peer), Some((3, "10.0.0.2=10.0.0.1/24".parse().unwrap(), true)));
        let route = [2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1, 8, 0, 4, 0, 3, 0, 0, 0];
        let gateway = Some("10.0.0.1".parse().unwrap());
        let seen = SeenRoute { net: None, v4: true, gateway, metric: 0, table: None };
        assert_eq!(read_route(&route), Some((3, seen)));
        let elsewhere = [route.as_slice(), &[8, 0, 15, 0, 100, 0, 0, 0]].concat();
        assert_eq!(read_route(&elsewhere), Some((3, SeenRoute { table: Some(100), ..seen })));
        for end in 0..payload.len() {
            let _ = (read_address(&payload[..end]), read_route(&route[..end]));
        }
    }
}
