//! Addresses of links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::AddressMessageBuilder;

use super::Request;

/// `ip address add NET brd + dev …`: the broadcast address is set where the prefix has one (/30 and shorter).
#[must_use]
pub fn add_address(index: u32, net: IpNet) -> Request {
    let message = match net.addr() {
        IpAddr::V4(ip) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(ip, net.prefix_len()).build()
        }
        IpAddr::V6(ip) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(ip, net.prefix_len()).build()
        }
    };
    Request::new(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}
