//! Interfaces that move from one namespace to another, and what they lose on the way.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::route::RouteMessage;
use rtnetlink::LinkUnspec;

use super::link::change;
use super::socket::{attributes, number};
use super::{KernelError, NetNs, Request, RouteSocket, Settings};

/// `RTM_*`, include/uapi/linux/rtnetlink.h.
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
/// `RT_SCOPE_LINK`: the addresses that the kernel adds by itself.
const LINK_SCOPE: u8 = 253;
/// Bytes of `struct rtmsg`; the place of its fields.
const ROUTE_HEADER: usize = 12;
const TABLE: usize = 4;
const PROTOCOL: usize = 5;
/// `RT_TABLE_LOCAL` and `RTPROT_KERNEL`: what the kernel adds by itself with each address.
const LOCAL: u8 = 255;
const BY_KERNEL: u8 = 2;
/// `RTA_OIF` and `RTA_GATEWAY`.
const OUTPUT: u16 = 4;
const GATEWAY: u16 = 5;
/// `AF_INET`.
const INET: u8 = 2;

/// The addresses and routes of a link, in the kernel's own words, and its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongings {
    /// The number of the link.
    pub index: u32,
    /// What stands under `/proc/sys/net`, for one that is to move; empty until somebody reads it.
    pub settings: Settings,
    addresses: Vec<Vec<u8>>,
    routes: Vec<Vec<u8>>,
}

/// Remembers what a link loses when it moves. Equal to `ip addr save dev …` and `ip route save dev …`.
///
/// # Errors
/// The kernel's refusal.
pub fn belongings(socket: &mut RouteSocket, index: u32) -> Result<Belongings, KernelError> {
    let addresses = Request::new(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0);
    let addresses = socket.dump(&addresses, |payload| {
        let at = payload.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        (at == Some(index)).then(|| payload.to_vec())
    })?;
    let routes = Request::new(&RouteNetlinkMessage::GetRoute(RouteMessage::default()), 0);
    let routes = socket.dump(&routes, |payload| leads_over(payload, index).then(|| payload.to_vec()))?;
    Ok(Belongings { index, settings: Settings::default(), addresses, routes })
}

/// Whether it is a route that somebody has set, over that link.
fn leads_over(payload: &[u8], index: u32) -> bool {
    let byte = |at: usize| payload.get(at).copied();
    byte(TABLE).is_some_and(|table| table != LOCAL)
        && byte(PROTOCOL).is_some_and(|protocol| protocol != BY_KERNEL)
        && attributes(payload, ROUTE_HEADER)
            .any(|rta| rta.kind() == OUTPUT && number(rta.value()) == Some(index))
}

/// The same route over the link of that number.
fn over(mut route: Vec<u8>, index: u32) -> Vec<u8> {
    let mut at = ROUTE_HEADER;
    while let Some([a, b, c, d]) = route.get(at..at + 4).and_then(|head| <[u8; 4]>::try_from(head).ok()) {
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        if let (OUTPUT, Some(number)) = (kind, route.get_mut(at + 4..at + 8)) {
            number.copy_from_slice(&index.to_ne_bytes());
        }
        at += length.max(4).next_multiple_of(4);
    }
    route
}

impl Belongings {
    /// The requests that take everything from the link that somebody has set. Equal to `ip route flush dev …` and
    /// `ip address flush dev … scope global`.
    #[must_use]
    pub fn clear(&self) -> Vec<Request> {
        let set = |bytes: &&Vec<u8>| bytes.get(3).is_some_and(|scope| *scope != LINK_SCOPE);
        let routes = self.routes.iter().map(|bytes| Request::raw(DELROUTE, 0, bytes.clone()));
        let addresses = self.addresses.iter().filter(set);
        routes.chain(addresses.map(|bytes| Request::raw(DELADDR, 0, bytes.clone()))).collect()
    }

    /// The requests that give everything back to the link, which may have another number by now: addresses first, or
    /// the routes have nowhere to lead.
    #[must_use]
    pub fn requests(&self, index: u32) -> Vec<Request> {
        let raw = |kind, bytes| Request::raw(kind, NLM_F_CREATE | NLM_F_REPLACE, bytes);
        // The kernel tells of the addresses of IPv6 the last one first (`ipv6_link_dev_addr`, net/ipv6/addrconf.c).
        let is_v4 = |bytes: &&Vec<u8>| bytes.first() == Some(&INET);
        let (v4, v6): (Vec<_>, Vec<_>) = self.addresses.iter().partition(is_v4);
        let addresses = v4.into_iter().chain(v6.into_iter().rev()).map(|bytes| {
            let mut bytes = bytes.clone();
            if let Some(number) = bytes.get_mut(4..8) {
                number.copy_from_slice(&index.to_ne_bytes());
            }
            raw(NEWADDR, bytes)
        });
        // A gateway may be reached by another of the routes, which come first therefore.
        let has_gateway = |bytes: &&Vec<u8>| attributes(bytes, ROUTE_HEADER).any(|rta| rta.kind() == GATEWAY);
        let (over_gateways, on_link): (Vec<_>, Vec<_>) = self.routes.iter().rev().partition(has_gateway);
        let routes = on_link.into_iter().chain(over_gateways);
        addresses.chain(routes.map(|bytes| raw(NEWROUTE, over(bytes.clone(), index)))).collect()
    }
}

/// `ip link set dev … netns … name NAME`. The kernel sets the link down, takes its addresses and tells everybody that it
/// is gone. With `number` it is asked to be that index there, which kernels before 5.13 do not understand.
#[must_use]
pub fn move_link(index: u32, name: &str, netns: &NetNs, group: u32, number: Option<u32>) -> Request {
    let mut message = LinkUnspec::new_with_index(index)
        .name(name)
        .link_group(group)
        .setns_by_fd(netns.as_fd().as_raw_fd())
        .build();
    let number = number.and_then(|number| i32::try_from(number).ok());
    message.attributes.extend(number.map(LinkAttribute::NewIfIndex));
    change(message)
}
