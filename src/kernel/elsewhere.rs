//! A link in another namespace, asked for from here by the number that this one has for that namespace: nobody has to
//! find the namespace first.

use std::net::IpAddr;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::LinkUnspec;

use super::link::get;
use super::survey::read_address;
use super::{KernelError, Link, Request, RouteSocket};

/// `IFLA_TARGET_NETNSID`, include/uapi/linux/if_link.h.
const TARGET_NETNS: u16 = 46;

/// The link of that number in the namespace of that number; in the socket's own without one.
///
/// # Errors
/// `ENODEV` when there is none, `EINVAL` when the namespace is gone.
pub fn link_elsewhere(
    socket: &mut RouteSocket,
    netns: Option<i32>,
    index: u32,
) -> Result<Option<Link>, KernelError> {
    socket.ask(&question_elsewhere(netns, index), Link::read)
}

/// The question of [`link_elsewhere`], for a datagram with others. A kernel that does not know it (before 4.15) answers for
/// this namespace.
#[must_use]
pub fn question_elsewhere(netns: Option<i32>, index: u32) -> Request {
    let mut message = LinkUnspec::new_with_index(index).build();
    let number = netns.map(|netns| DefaultNla::new(TARGET_NETNS, netns.to_ne_bytes().to_vec()));
    message.attributes.extend(number.map(LinkAttribute::Other));
    get(message)
}

/// The addresses of one family that this link has. Equal to `ip address show dev …` in there.
///
/// # Errors
/// `ENODEV` when there is no such link. The socket must be a strict one, or the answer is this namespace's.
pub fn addresses_elsewhere(
    socket: &mut RouteSocket,
    netns: Option<i32>,
    index: u32,
    v4: bool,
) -> Result<Vec<IpAddr>, KernelError> {
    let mut message = AddressMessage::default();
    message.header.family = if v4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.index = index;
    message.attributes.extend(netns.map(AddressAttribute::TargetNetNsId));
    let request = Request::new(&RouteNetlinkMessage::GetAddress(message), 0);
    socket.dump(&request, |payload| {
        read_address(payload).filter(|(at, ..)| *at == index).map(|(_, own, _)| own.ip())
    })
}
