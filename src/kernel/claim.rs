//! Claims to addresses, and who has an address: what an attach asks of every address, in one datagram.

use std::net::IpAddr;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, Prop};
use netlink_packet_route::route::RouteFlags;
use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec, RouteMessageBuilder};

use super::link::{OTHER_NAME, get};
use super::socket::{attributes, number};
use super::{KernelError, Link, Request, RouteSocket};

/// Bytes of `struct rtmsg`, and the place of its type.
const HEADER: usize = 12;
const TYPE: usize = 7;
/// `RTN_LOCAL` and `RTA_OIF`, include/uapi/linux/rtnetlink.h.
const LOCAL: u8 = 2;
const OIF: u16 = 4;

/// `ip link property add dev NAME altname CLAIM`: the kernel has each such name once, and refuses it with `EEXIST`
/// otherwise (`netdev_name_node_alt_create`, net/core/dev.c, Linux 5.5). By name, so that it can travel with the
/// creation of the link.
#[must_use]
pub fn claim(name: &str, claim: &str) -> Request {
    Request::new(&RouteNetlinkMessage::NewLinkProp(property(name, claim)), 0)
}

/// `ip link property del dev NAME altname CLAIM`.
#[must_use]
pub fn release(name: &str, claim: &str) -> Request {
    Request::new(&RouteNetlinkMessage::DelLinkProp(property(name, claim)), 0)
}

fn property(name: &str, claim: &str) -> LinkMessage {
    let mut message = LinkUnspec::new_with_name(name).build();
    message.attributes.push(LinkAttribute::PropList(vec![Prop::AltIfName(claim.to_owned())]));
    message
}

/// What a namespace knows of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The link that carries the claim to it.
    pub holder: Option<Link>,
    /// The index of the link that has the address itself.
    pub own: Option<u32>,
}

/// Who has each of these addresses, or a claim to it. Equal to `ip route get ADDRESS fibmatch` and `ip link show dev
/// CLAIM`.
///
/// # Errors
/// When the kernel cannot be asked. A kernel that knows no claims has none.
pub fn known(
    socket: &mut RouteSocket,
    questions: &[(IpAddr, Option<String>)],
) -> Result<Vec<Known>, KernelError> {
    let mut requests = Vec::new();
    for (ip, claim) in questions {
        requests.push(route_to(*ip));
        requests.extend(claim.as_deref().map(by_claim));
    }
    let mut answers = socket.ask_all(&requests)?.into_iter();
    let mut known = Vec::with_capacity(questions.len());
    for (_, claim) in questions {
        let own = answers.next().and_then(Result::ok).and_then(|payload| read_local(&payload));
        let holder = match claim.as_ref().and_then(|_| answers.next()) {
            Some(Ok(payload)) => Link::read(&payload),
            Some(Err(error)) => {
                if error.errno != Errno::ENODEV {
                    log::debug!("looking for a claim: {error}");
                }
                None
            }
            None => None,
        };
        known.push(Known { holder, own });
    }
    Ok(known)
}

/// The link of the socket's namespace that has each of these addresses.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn local(socket: &mut RouteSocket, ips: &[IpAddr]) -> Result<Vec<Option<u32>>, KernelError> {
    let requests: Vec<_> = ips.iter().map(|ip| route_to(*ip)).collect();
    let answers = socket.ask_all(&requests)?;
    Ok(answers.into_iter().map(|answer| read_local(&answer.ok()?)).collect())
}

/// Which route leads to an address (`RTM_F_FIB_MATCH`, Linux 4.13, IPv6 4.18)? To one's own, one of type local.
fn route_to(ip: IpAddr) -> Request {
    let mut question = RouteMessageBuilder::<IpAddr>::new();
    question.get_mut().header.flags = RouteFlags::FibMatch | RouteFlags::LookupTable;
    let len = if ip.is_ipv4() { 32 } else { 128 };
    // The builder refuses only a prefix longer than its family allows.
    let question = question.destination_prefix(ip, len).unwrap_or_default().build();
    Request::new(&RouteNetlinkMessage::GetRoute(question), 0)
}

fn by_claim(claim: &str) -> Request {
    let mut message = LinkMessageBuilder::<LinkUnspec>::default().build();
    let name = claim.bytes().chain([0]).collect();
    message.attributes.push(LinkAttribute::Other(DefaultNla::new(OTHER_NAME, name)));
    get(message)
}

fn read_local(payload: &[u8]) -> Option<u32> {
    if *payload.get(TYPE)? != LOCAL {
        return None;
    }
    let output = attributes(payload, HEADER).find(|attribute| attribute.kind() == OIF)?;
    number(output.value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_local_route_is_ones_own_address() {
        let mut route = vec![2, 32, 0, 0, 255, 2, 254, LOCAL, 0, 0, 0, 0, 8, 0, 4, 0];
        route.extend(7_u32.to_ne_bytes());
        assert_eq!(read_local(&route), Some(7));
        for end in 0..route.len() {
            assert_eq!(read_local(&route[..end]), None);
        }
        route[TYPE] = 1;
        assert_eq!(read_local(&route), None);
    }
}
