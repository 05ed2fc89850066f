//! Links: found by one question, made by one request.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoVeth, LinkAttribute, LinkExtentMask, LinkMessage, MacVlanMode,
};
use nix::errno::Errno;
use rtnetlink::{LinkBridge, LinkMacVlan, LinkMessageBuilder, LinkUnspec, LinkVeth};

use super::socket::attributes;
use super::{KernelError, NetNs, Request, RouteSocket};
use crate::spec::Mode;

/// Bytes of `struct ifinfomsg`.
const HEADER: usize = 16;
/// `IFF_UP`.
const UP: u32 = 1;
/// `IFF_LOWER_UP`, include/uapi/linux/if.h.
const LOWER_UP: u32 = 1 << 16;
// IFLA_*, include/uapi/linux/if_link.h.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const INFO_SLAVE_KIND: u16 = 4;

/// What the kernel says of a link, as far as rpipe needs it.
///
/// Read leniently: an attribute that a newer kernel adds or changes must not stop an attach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it, unique in its namespace.
    pub index: u32,
    /// Its name: the real one, also when it was found by an alternative name.
    pub name: String,
    /// `ARPHRD_*`: 1 for Ethernet.
    pub layer: u16,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a signal from the other end.
    pub carrier: bool,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// The hardware address: six bytes for Ethernet.
    pub address: Vec<u8>,
    /// `veth`, `bridge` …; physical interfaces have none.
    pub kind: Option<String>,
    /// The bridge, bond … it is a port of.
    pub master: Option<u32>,
    /// What kind of port it is: `bridge`, `bond` …
    pub port_kind: Option<String>,
}

impl Link {
    fn read(payload: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = payload.first_chunk()?;
        let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let mut link = Self {
            layer: u16::from_ne_bytes([header[2], header[3]]),
            index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
            up: flags & UP != 0,
            carrier: flags & LOWER_UP != 0,
            ..Self::default()
        };
        for attribute in attributes(payload, HEADER) {
            let value = attribute.value();
            match attribute.kind() {
                ADDRESS => link.address = value.to_vec(),
                NAME => link.name = text(value),
                MTU => link.mtu = number(value)?,
                MASTER => link.master = number(value),
                LINKINFO => {
                    for info in NlasIterator::new(value).flatten() {
                        match info.kind() {
                            INFO_KIND => link.kind = Some(text(info.value())),
                            INFO_SLAVE_KIND => link.port_kind = Some(text(info.value())),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Some(link)
    }

    /// The MAC address in the usual notation, empty when it has none.
    #[must_use]
    pub fn mac(&self) -> String {
        self.address.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    }
}

fn text(value: &[u8]) -> String {
    let value = value.strip_suffix(&[0]).unwrap_or(value);
    String::from_utf8_lossy(value).into_owned()
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn get(mut message: LinkMessage) -> Request {
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::new(&RouteNetlinkMessage::GetLink(message), 0)
}

fn find(socket: &mut RouteSocket, message: LinkMessage) -> Result<Option<Link>, KernelError> {
    match socket.ask(&get(message), Link::read) {
        Ok(Some(link)) => Ok(Some(link)),
        Ok(None) => Err(Errno::EBADMSG.into()),
        Err(error) if error.errno == Errno::ENODEV => Ok(None),
        Err(error) => Err(error),
    }
}

/// The link of that name, or none. Equal to `ip link show dev NAME`.
///
/// # Errors
/// Whatever the kernel says other than "no such device".
pub fn find_link(socket: &mut RouteSocket, name: &str) -> Result<Option<Link>, KernelError> {
    find(socket, LinkUnspec::new_with_name(name).build())
}

/// The link of that number, or none.
///
/// # Errors
/// Whatever the kernel says other than "no such device".
pub fn link_by_index(socket: &mut RouteSocket, index: u32) -> Result<Option<Link>, KernelError> {
    find(socket, LinkUnspec::new_with_index(index).build())
}

/// The link with that hardware address. Equal to `ip -o link | grep MAC`; there is no question for one.
///
/// Of several, one that is no macvlan and no VLAN: those share or copy the address of the real interface.
///
/// # Errors
/// The kernel's refusal.
pub fn link_by_mac(socket: &mut RouteSocket, mac: [u8; 6]) -> Result<Option<Link>, KernelError> {
    let request = get(LinkMessageBuilder::<LinkUnspec>::default().build());
    let mut links = socket.dump(&request, Link::read)?;
    links.retain(|link| link.address == mac);
    let copies = |link: &Link| {
        matches!(link.kind.as_deref(), Some("macvlan" | "macvtap" | "ipvlan" | "vlan" | "bridge" | "bond"))
    };
    links.sort_by_key(copies);
    Ok(links.into_iter().next())
}

/// Whether the bridge of that index has a port. Equal to `ip link show master BRIDGE`.
///
/// # Errors
/// The kernel's refusal.
pub fn has_ports(socket: &mut RouteSocket, bridge: u32) -> Result<bool, KernelError> {
    let request = get(LinkMessageBuilder::<LinkUnspec>::default().controller(bridge).build());
    let ports =
        socket.dump(&request, |payload| Link::read(payload).filter(|link| link.master == Some(bridge)))?;
    Ok(!ports.is_empty())
}

fn create(message: LinkMessage) -> Request {
    Request::new(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip link add NAME address MAC up type bridge`. A MAC that is set stays, whatever ports come and go
/// (`br_stp_recalculate_bridge_id`, net/bridge/br_stp_if.c); STP is off by default.
#[must_use]
pub fn create_bridge(name: &str, mac: [u8; 6]) -> Request {
    create(LinkBridge::new(name).address(mac.to_vec()).up().build())
}

/// One queue a direction: the default of one a processor costs a quarter of the time of creation.
fn single_queues<T>(builder: LinkMessageBuilder<T>) -> LinkMessageBuilder<T> {
    builder
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
}

fn with_mac<T>(builder: LinkMessageBuilder<T>, mac: Option<[u8; 6]>) -> LinkMessageBuilder<T> {
    match mac {
        Some(mac) => builder.address(mac.to_vec()),
        None => builder,
    }
}

/// A veth pair to be made.
#[derive(Debug, Clone, Copy)]
pub struct VethLink<'a> {
    /// The name of the host's end.
    pub host_ifname: &'a str,
    /// The index of its bridge.
    pub bridge: u32,
    /// Its largest packet in bytes.
    pub host_mtu: u32,
    /// The name of the other end.
    pub ifname: &'a str,
    /// The largest packet in bytes of the other end.
    pub mtu: u32,
    /// The MAC address of the other end; without one the kernel picks a random one.
    pub mac: Option<[u8; 6]>,
}

/// A veth pair in one request: the host end up and a port of the bridge, the peer under its final name in
/// its own namespace, where it is still down. Equal to `ip link add HOST_IFNAME mtu MTU master BRIDGE up type veth
/// peer name IFNAME netns …`.
///
/// The kernel refuses a peer that is to be up at once (`ENOTCONN`).
#[must_use]
pub fn create_veth(veth: &VethLink<'_>, netns: &NetNs) -> Request {
    let peer = LinkUnspec::new_with_name(veth.ifname).mtu(veth.mtu).setns_by_fd(netns.as_fd().as_raw_fd());
    let peer = with_mac(single_queues(peer), veth.mac).build();
    let host = LinkVeth::new(veth.host_ifname, veth.ifname)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .mtu(veth.host_mtu)
        .controller(veth.bridge)
        .up();
    create(single_queues(host).build())
}

/// A macvlan to be made.
#[derive(Debug, Clone, Copy)]
pub struct MacvlanLink<'a> {
    /// The index of the link that carries it.
    pub parent: u32,
    /// Its name.
    pub ifname: &'a str,
    /// How it deals with others on the same parent.
    pub mode: Mode,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Its MAC address; without one the kernel picks a random one.
    pub mac: Option<[u8; 6]>,
}

/// A macvlan, made in its own namespace, where it is still down. Equal to `ip link add IFNAME link PARENT mtu MTU
/// netns … type macvlan mode MODE`.
#[must_use]
pub fn create_macvlan(macvlan: &MacvlanLink<'_>, netns: &NetNs) -> Request {
    let mode = match macvlan.mode {
        Mode::Bridge => MacVlanMode::Bridge,
        Mode::Private => MacVlanMode::Private,
        Mode::Vepa => MacVlanMode::Vepa,
        Mode::Passthru => MacVlanMode::Passthrough,
    };
    let link = LinkMacVlan::new(macvlan.ifname, macvlan.parent, mode)
        .mtu(macvlan.mtu)
        .setns_by_fd(netns.as_fd().as_raw_fd());
    create(with_mac(single_queues(link), macvlan.mac).build())
}

/// A change of a link that is there.
pub(super) fn change(message: LinkMessage) -> Request {
    Request::new(&RouteNetlinkMessage::SetLink(message), 0)
}

/// `ip link set dev … up`, or `down`.
#[must_use]
pub fn set_link(index: u32, up: bool) -> Request {
    let link = LinkUnspec::new_with_index(index);
    change(if up { link.up() } else { link.down() }.build())
}

/// `ip link set dev … address MAC`.
#[must_use]
pub fn set_mac(index: u32, mac: [u8; 6]) -> Request {
    change(LinkUnspec::new_with_index(index).address(mac.to_vec()).build())
}

/// `ip link set dev … name NAME`, for a link that is down.
#[must_use]
pub fn rename_link(index: u32, name: &str) -> Request {
    change(LinkUnspec::new_with_index(index).name(name).build())
}

/// `ip link delete dev …`. A veth takes its peer along; a link takes its addresses and routes along.
#[must_use]
pub fn delete_link(index: u32) -> Request {
    Request::new(&RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(index).build()), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let mut payload = vec![0; HEADER];
        payload.extend([4, 0, 3, 0, 5, 0, 4, 0, 1]);
        for end in 0..payload.len() {
            let _ = Link::read(&payload[..end]);
        }
    }
}
