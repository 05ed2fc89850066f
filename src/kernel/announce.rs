//! Telling the neighbours which MAC address has an IPv4 address: the kernel does it, on several occasions.
//!
//! An `AF_PACKET` socket could send the same, and cost 14 ms when it is closed.

use std::net::Ipv4Addr;

use netlink_packet_core::{DefaultNla, NLA_F_NESTED, NLM_F_CREATE};
use netlink_packet_route::link::{AfSpecInet, AfSpecUnspec, LinkAttribute};
use rtnetlink::LinkUnspec;

use super::Request;
use super::link::change;

/// `IFLA_INET_CONF`, include/uapi/linux/if_link.h.
const INET_CONF: u16 = 1;
/// `IPV4_DEVCONF_ARP_NOTIFY`, include/uapi/linux/ip.h. A wrong number would be accepted in silence.
const ARP_NOTIFY: u16 = 22;
// RTM_*, include/uapi/linux/rtnetlink.h.
const NEW_NEIGHBOUR: u16 = 28;
const DELETE_NEIGHBOUR: u16 = 29;
/// `NTF_USE` and `NDA_DST`, include/uapi/linux/neighbour.h.
const USE: u8 = 1;
const DESTINATION: u16 = 1;

/// With it on, the kernel sends a gratuitous ARP for every address of the link when it comes up or gets a MAC address
/// (`inetdev_event`, net/ipv4/devinet.c). Equal to `sysctl net.ipv4.conf.IFNAME.arp_notify=…`.
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

/// A gratuitous ARP for every IPv4 address of a link that is up: it gets the MAC address that it has. Equal to `ip link
/// set dev … address MAC` with arp_notify on.
///
/// Not every kind can: an ipvlan has its parent's address, and old kernels ask the card, which may say `EBUSY`.
#[must_use]
pub fn announce(index: u32, mac: Vec<u8>) -> [Request; 3] {
    let same = change(LinkUnspec::new_with_index(index).address(mac).build());
    [set_arp_notify(index, true), same, set_arp_notify(index, false)]
}

/// The same for one address, on any kind of link: the kernel asks the network for that address, as its own bearer. Equal to
/// `ip neigh add IP dev … use; ip neigh del IP dev …`.
///
/// Of several addresses of one subnet only the first is asked from itself (`arp_solicit`, net/ipv4/arp.c).
#[must_use]
pub fn ask_for_oneself(index: u32, ip: Ipv4Addr) -> [Request; 2] {
    let message = |kind, flags, how: u8| {
        // `struct ndmsg`: the family, three bytes of nothing, the link, the state, flags, the type.
        let mut payload = vec![2, 0, 0, 0];
        payload.extend(index.to_ne_bytes());
        payload.extend([0, 0, how, 0]);
        payload.extend(8_u16.to_ne_bytes());
        payload.extend(DESTINATION.to_ne_bytes());
        payload.extend(ip.octets());
        Request::raw(kind, flags, payload)
    };
    [message(NEW_NEIGHBOUR, NLM_F_CREATE, USE), message(DELETE_NEIGHBOUR, 0, 0)]
}
