//! Routes: the default route of a namespace, and the way to a gateway off the subnet.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NlasIterator};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteProtocol, RouteScope,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use rtnetlink::RouteMessageBuilder;

use super::socket::{attributes, ip, number};
use super::{KernelError, Request, RouteSocket};
use crate::spec::OldDefault;

/// Bytes of `struct rtmsg`.
const HEADER: usize = 12;
/// `RTM_NEWROUTE`, include/uapi/linux/rtnetlink.h.
const NEWROUTE: u16 = 24;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
// RTA_*, include/uapi/linux/rtnetlink.h.
const OIF: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const PREFSRC: u16 = 7;
const METRICS: u16 = 8;
const MULTIPATH: u16 = 9;
const CACHEINFO: u16 = 12;
const TABLE: u16 = 15;
const PREF: u16 = 20;
/// `RTAX_MTU`.
const METRIC_MTU: u16 = 2;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
const VIA: u16 = 18;
const ENCAP_TYPE: u16 = 21;
const ENCAP: u16 = 22;
const NEXTHOP_ID: u16 = 30;

/// An address that only a default route leads to: the IPv4 dummy address (RFC 7600).
const NOWHERE_V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 0, 8));
/// The same for IPv6: the discard prefix (RFC 6666).
const NOWHERE_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1));

/// A default route of the main table, with the bytes that put it back as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRoute {
    /// What it is, but for the name of its outgoing link, which only another question tells.
    pub words: OldDefault,
    /// The index of the outgoing link; a route over several has none of its own.
    pub oif: Option<u32>,
    /// `struct rtmsg` and attributes as the kernel gave them, ready to be sent back.
    bytes: Vec<u8>,
}

struct Found {
    len: u8,
    table: u32,
    kind: u8,
    route: DefaultRoute,
}

fn read(payload: &[u8]) -> Option<Found> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let v4 = header[0] == 2;
    let mut found = Found {
        len: header[1],
        table: header[4].into(),
        kind: header[7],
        route: DefaultRoute {
            words: OldDefault {
                protocol: header[5],
                // The type of service; then a blackhole or its like.
                partial: header[3] != 0 || header[7] != UNICAST,
                ..OldDefault::default()
            },
            oif: None,
            bytes: header.to_vec(),
        },
    };
    // Flags report the state of the link (dead, linkdown, offload): only `onlink` is a wish.
    let onlink =
        u32::from_ne_bytes([header[8], header[9], header[10], header[11]]) & RouteFlags::Onlink.bits();
    found.route.bytes[8..].copy_from_slice(&onlink.to_ne_bytes());
    found.route.words.onlink = onlink != 0;
    for attribute in attributes(payload, HEADER) {
        let value = attribute.value();
        match attribute.kind() {
            OIF => found.route.oif = number(value),
            PRIORITY => found.route.words.metric = number(value)?,
            TABLE => found.table = number(value)?,
            GATEWAY => found.route.words.gateway = ip(value, v4),
            PREFSRC => found.route.words.source = ip(value, v4),
            METRICS => found.route.read_metrics(value),
            // The usual preference among routers, which the kernel reports of every IPv6 route (RFC 4191).
            PREF if value == [0] => {}
            CACHEINFO => {}
            _ => found.route.words.partial = true,
        }
    }
    let by_id = attributes(payload, HEADER).any(|attribute| attribute.kind() == NEXTHOP_ID);
    for attribute in attributes(payload, HEADER) {
        match attribute.kind() {
            // Only reported, never taken.
            CACHEINFO => continue,
            // A route by next hop id is reported with its hops spelled out, but taken only without.
            OIF | GATEWAY | MULTIPATH | VIA | ENCAP_TYPE | ENCAP if by_id => continue,
            _ => {}
        }
        let bytes = &mut found.route.bytes;
        bytes.extend_from_slice(&attribute.length().to_ne_bytes());
        bytes.extend_from_slice(&attribute.kind().to_ne_bytes());
        bytes.extend_from_slice(attribute.value());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Some(found)
}

impl DefaultRoute {
    fn read_metrics(&mut self, value: &[u8]) {
        for metric in NlasIterator::new(value).flatten() {
            match (metric.kind(), metric.value().first_chunk()) {
                (METRIC_MTU, Some(bytes)) => self.words.mtu = Some(u32::from_ne_bytes(*bytes)),
                _ => self.words.partial = true,
            }
        }
    }
}

/// The default route that a new one of `metric` would replace. Equal to `ip route show default`, but one
/// question instead of the whole table: which route leads to an address that nothing else leads to
/// (`RTM_F_FIB_MATCH`, Linux 4.13, IPv6 4.18)?
///
/// Where the answer is not clear – a more specific route, policy rules, a blackhole, a better metric – the
/// main table is read.
///
/// # Errors
/// The kernel's refusal.
pub fn find_default(
    socket: &mut RouteSocket,
    v4: bool,
    metric: u32,
) -> Result<Option<DefaultRoute>, KernelError> {
    let nowhere = if v4 { NOWHERE_V4 } else { NOWHERE_V6 };
    let mut question = RouteMessageBuilder::<IpAddr>::new();
    question.get_mut().header.flags = RouteFlags::FibMatch | RouteFlags::LookupTable;
    let question = to(question, nowhere.into()).build();
    match socket.ask(&Request::new(&RouteNetlinkMessage::GetRoute(question), 0), read) {
        Ok(Some(Found { len: 0, table: MAIN, route, .. })) if route.words.metric >= metric => {
            // Lookups answer with the best one, so a worse metric means that none has ours.
            return Ok(Some(route).filter(|route| route.words.metric == metric));
        }
        Err(error) if error.errno == Errno::ENETUNREACH => return Ok(None),
        _ => {}
    }
    let mut message = RouteMessage::default();
    message.header.address_family = if v4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let all = socket.dump(&Request::new(&RouteNetlinkMessage::GetRoute(message), 0), read)?;
    let defaults = all.into_iter().filter(|found| found.len == 0 && found.table == MAIN && found.kind != 0);
    Ok(defaults.map(|found| found.route).find(|route| route.words.metric == metric))
}

fn to(builder: RouteMessageBuilder<IpAddr>, net: IpNet) -> RouteMessageBuilder<IpAddr> {
    // The builder refuses only a prefix longer than its family allows.
    builder.destination_prefix(net.addr(), net.prefix_len()).unwrap_or_default()
}

/// `ip route add NET via GATEWAY dev … table TABLE`; without a gateway whoever is meant is on the link itself.
#[must_use]
pub fn add_route(
    index: u32,
    net: IpNet,
    gateway: Option<IpAddr>,
    metric: Option<u32>,
    table: Option<u32>,
) -> Request {
    let builder = RouteMessageBuilder::<IpAddr>::new().table_id(table.unwrap_or(MAIN));
    let mut builder = to(builder, net).output_interface(index);
    if let Some(metric) = metric {
        builder = builder.priority(metric);
    }
    let mut message = match gateway {
        // Refused only when the families differ, which they do not.
        Some(gateway) => builder.gateway(gateway).map(RouteMessageBuilder::build).unwrap_or_default(),
        None => builder.build(),
    };
    if gateway.is_none() && net.addr().is_ipv4() {
        message.header.scope = RouteScope::Link;
    }
    Request::new(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip route add HOST dev …`: the way to a gateway that no own prefix covers (/32, /128).
#[must_use]
pub fn add_host_route(index: u32, host: IpAddr, table: Option<u32>) -> Request {
    add_route(index, host.into(), None, None, table)
}

/// `ip route add default via GATEWAY dev …`, or `replace` for the one that was found before: a route that
/// nobody looked at is never replaced, because it could not be put back.
#[must_use]
pub fn add_default(index: u32, gateway: IpAddr, metric: u32, table: Option<u32>, replace: bool) -> Request {
    let flags = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
    let message = default_message(index, gateway, metric, table);
    Request::new(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | flags)
}

/// `ip route del default via GATEWAY dev …`.
#[must_use]
pub fn delete_default(index: u32, gateway: IpAddr, metric: u32) -> Request {
    Request::new(&RouteNetlinkMessage::DelRoute(default_message(index, gateway, metric, None)), 0)
}

/// `ip route del NET dev …`, whatever its gateway and its metric.
#[must_use]
pub fn delete_route(index: u32, net: IpNet) -> Request {
    let mut message = to(RouteMessageBuilder::<IpAddr>::new(), net).output_interface(index).build();
    // Any scope (`fib_table_delete`, net/ipv4/fib_trie.c).
    message.header.scope = RouteScope::NoWhere;
    Request::new(&RouteNetlinkMessage::DelRoute(message), 0)
}

fn default_message(index: u32, gateway: IpAddr, metric: u32, table: Option<u32>) -> RouteMessage {
    let builder = RouteMessageBuilder::<IpAddr>::new().table_id(table.unwrap_or(MAIN));
    let mut builder = builder.output_interface(index).priority(metric);
    builder.get_mut().header.address_family =
        if gateway.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    // Refused only when the families differ.
    builder.gateway(gateway).map(RouteMessageBuilder::build).unwrap_or_default()
}

/// `ip route add default …` as it once was, over the link of that index. Whoever took its place meanwhile stays.
#[must_use]
pub fn add_old_default(index: u32, route: &OldDefault, v4: bool) -> Request {
    let mut builder = RouteMessageBuilder::<IpAddr>::new().output_interface(index);
    builder.get_mut().header.address_family = if v4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    if route.metric != 0 {
        builder = builder.priority(route.metric);
    }
    let mut message = match route.gateway {
        Some(gateway) => builder.gateway(gateway).map(RouteMessageBuilder::build).unwrap_or_default(),
        None => builder.build(),
    };
    if route.gateway.is_none() && v4 {
        message.header.scope = RouteScope::Link;
    }
    message.header.protocol = RouteProtocol::from(route.protocol);
    if route.onlink {
        message.header.flags |= RouteFlags::Onlink;
    }
    message.attributes.extend(route.source.map(|source| match source {
        IpAddr::V4(ip) => RouteAttribute::PrefSource(RouteAddress::Inet(ip)),
        IpAddr::V6(ip) => RouteAttribute::PrefSource(RouteAddress::Inet6(ip)),
    }));
    message.attributes.extend(route.mtu.map(|mtu| RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)])));
    Request::new(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip route replace default …`: puts back what was there, to the last attribute.
#[must_use]
pub fn restore_default(route: &DefaultRoute) -> Request {
    Request::raw(NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route.bytes.clone())
}
