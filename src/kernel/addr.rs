//! Addresses of links.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::AddressMessageBuilder;

use super::socket::{attributes, number};
use super::{KernelError, Request, RouteSocket};

/// Bytes of `struct ifaddrmsg`.
const HEADER: usize = 8;
/// `IFA_FLAGS`, include/uapi/linux/if_addr.h: the flags that no longer fit into the header.
const FLAGS: u16 = 8;
/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`: somebody else has it, or that is not known yet (RFC 4862 5.4).
const NOT_USABLE: u32 = 0x08 | 0x40;
/// `IFA_F_OPTIMISTIC`: to be used while that is not known yet (RFC 4429).
const OPTIMISTIC: u32 = 0x04;
/// `RT_SCOPE_UNIVERSE`.
const UNIVERSE: u8 = 0;

/// `ip address del NET dev …`.
#[must_use]
pub fn delete_address(index: u32, net: IpNet) -> Request {
    Request::new(&RouteNetlinkMessage::DelAddress(message(index, net)), 0)
}

/// `ip address add NET brd + dev …`: the broadcast address is set where the prefix has one (/30 and shorter).
#[must_use]
pub fn add_address(index: u32, net: IpNet) -> Request {
    Request::new(&RouteNetlinkMessage::NewAddress(message(index, net)), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip address add IP peer PEER/LEN dev …`: the prefix is the peer's.
#[must_use]
pub fn add_peer_address(index: u32, net: IpNet, peer: IpAddr) -> Request {
    let mut message = message(index, net);
    message.attributes.retain(|attribute| matches!(attribute, AddressAttribute::Local(_)));
    message.attributes.push(AddressAttribute::Address(peer));
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
    let wide = attributes(payload, HEADER).find(|attribute| attribute.kind() == FLAGS);
    let flags = wide.and_then(|attribute| number(attribute.value())).unwrap_or(flags.into());
    u32::from_ne_bytes(of) == index
        && scope == UNIVERSE
        && (flags & NOT_USABLE == 0 || flags & OPTIMISTIC != 0)
}
