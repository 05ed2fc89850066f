//! Telling the neighbours: the kernel does it when a link comes up.

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_route::link::{AfSpecInet, AfSpecUnspec, LinkAttribute};
use rtnetlink::LinkUnspec;

use super::Request;
use super::link::change;

/// `IFLA_INET_CONF`, include/uapi/linux/if_link.h.
const INET_CONF: u16 = 1;
/// `IPV4_DEVCONF_ARP_NOTIFY`, include/uapi/linux/ip.h. A wrong number would be accepted in silence.
const ARP_NOTIFY: u16 = 22;

/// With it on, the kernel sends a gratuitous ARP for every address of the link when it comes up
/// (`inetdev_event`, net/ipv4/devinet.c). Equal to `sysctl net.ipv4.conf.IFNAME.arp_notify=…`.
///
/// An `AF_PACKET` socket could send the same, and cost 14 ms when it is closed.
#[must_use]
pub fn set_arp_notify(index: u32, on: bool) -> Request {
    // One attribute: its length of eight bytes, its number, its value.
    let mut value = 8_u16.to_ne_bytes().to_vec();
    value.extend(ARP_NOTIFY.to_ne_bytes());
    value.extend(u32::from(on).to_ne_bytes());
    // The builder's own DevConfRequest leaves out what is zero, so it cannot turn anything off.
    let conf = AfSpecInet::Other(DefaultNla::new(INET_CONF | NLA_F_NESTED, value));
    let mut message = LinkUnspec::new_with_index(index).build();
    message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![conf])]));
    change(message)
}
