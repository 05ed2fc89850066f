//! Links that are made: one request each, under their final name, in their final namespace.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoVeth, IpVlanMode, LinkAttribute, LinkMessage, MacVlanMode};
use rtnetlink::{
    LinkBridge, LinkDummy, LinkIpVlan, LinkIpoib, LinkMacVlan, LinkMessageBuilder, LinkUnspec, LinkVeth,
    LinkVlan,
};

use super::link::UNFINISHED;
use super::{NetNs, Request};
use crate::spec::{IpvlanMode, Mode, Sharing};

fn create(message: LinkMessage) -> Request {
    Request::new(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// `ip link add NAME address MAC up type bridge [vlan_filtering 1]`. A MAC that is set stays, whatever ports come and go
/// (`br_stp_recalculate_bridge_id`, net/bridge/br_stp_if.c); STP is off by default.
#[must_use]
pub fn create_bridge(name: &str, mac: [u8; 6], vlan_filtering: bool) -> Request {
    let mut bridge = LinkBridge::new(name).address(mac.to_vec()).up();
    if vlan_filtering {
        bridge = bridge.vlan_filtering(true);
    }
    create(bridge.build())
}

/// So many queues a direction. The kernel's default of one a processor costs a quarter of the time of creation.
fn with_queues<T>(builder: LinkMessageBuilder<T>, queues: u32) -> LinkMessageBuilder<T> {
    builder
        .append_extra_attribute(LinkAttribute::NumTxQueues(queues))
        .append_extra_attribute(LinkAttribute::NumRxQueues(queues))
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
    /// The index of its bridge, where it is a port of one.
    pub bridge: Option<u32>,
    /// Its largest packet in bytes.
    pub host_mtu: u32,
    /// The name of the other end.
    pub ifname: &'a str,
    /// The largest packet in bytes of the other end.
    pub mtu: u32,
    /// The MAC address of the other end; without one the kernel picks a random one.
    pub mac: Option<[u8; 6]>,
    /// How many queues each way both ends have.
    pub queues: u32,
}

/// A veth pair in one request: the host end up and a port of the bridge, the peer under its final name in
/// its own namespace, where it is still down. Equal to `ip link add HOST_IFNAME mtu MTU master BRIDGE up type veth
/// peer name IFNAME netns …`.
///
/// The kernel refuses a peer that is to be up at once (`ENOTCONN`).
#[must_use]
pub fn create_veth(veth: &VethLink<'_>, netns: &NetNs) -> Request {
    let peer = LinkUnspec::new_with_name(veth.ifname).mtu(veth.mtu).link_group(UNFINISHED);
    let peer = peer.setns_by_fd(netns.as_fd().as_raw_fd());
    let peer = with_mac(with_queues(peer, veth.queues), veth.mac).build();
    let host = LinkVeth::new(veth.host_ifname, veth.ifname)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .mtu(veth.host_mtu)
        .up();
    let host = match veth.bridge {
        Some(bridge) => host.controller(bridge),
        None => host,
    };
    create(with_queues(host, veth.queues).build())
}

/// A macvlan or an ipvlan to be made.
#[derive(Debug, Clone, Copy)]
pub struct SharedLink<'a> {
    /// The index of the link that carries it.
    pub parent: u32,
    /// Its name.
    pub ifname: &'a str,
    /// What it is.
    pub sharing: Sharing,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Its MAC address; without one the kernel picks a random one. An ipvlan has its parent's.
    pub mac: Option<[u8; 6]>,
    /// How many queues each way it has.
    pub queues: u32,
}

/// A macvlan or an ipvlan, made in its own namespace, where it is still down. Equal to `ip link add IFNAME link PARENT
/// mtu MTU netns … type macvlan mode MODE`.
#[must_use]
pub fn create_shared(link: &SharedLink<'_>, netns: &NetNs) -> Request {
    match link.sharing {
        Sharing::Macvlan(mode) => {
            let mode = match mode {
                Mode::Bridge => MacVlanMode::Bridge,
                Mode::Private => MacVlanMode::Private,
                Mode::Vepa => MacVlanMode::Vepa,
                Mode::Passthru => MacVlanMode::Passthrough,
            };
            in_netns(LinkMacVlan::new(link.ifname, link.parent, mode), link, netns)
        }
        Sharing::Ipvlan(mode) => {
            let mode = match mode {
                IpvlanMode::L2 => IpVlanMode::L2,
                IpvlanMode::L3 => IpVlanMode::L3,
                IpvlanMode::L3s => IpVlanMode::L3S,
            };
            in_netns(LinkIpVlan::new(link.ifname, link.parent, mode), link, netns)
        }
    }
}

fn in_netns<T>(builder: LinkMessageBuilder<T>, link: &SharedLink<'_>, netns: &NetNs) -> Request {
    let builder = builder.mtu(link.mtu).link_group(UNFINISHED).setns_by_fd(netns.as_fd().as_raw_fd());
    create(with_mac(with_queues(builder, link.queues), link.mac).build())
}

/// `ip link add link PARENT name NAME up type vlan id VLAN`: an 802.1Q link on the host. Its parent must be up
/// (`vlan_dev_open`, net/8021q/vlan_dev.c).
#[must_use]
pub fn create_vlan(parent: u32, name: &str, vlan: u16) -> Request {
    create(LinkVlan::new(name, parent, vlan).up().build())
}

/// `ip link add link PARENT name IFNAME netns … type ipoib [pkey KEY]`: a child of an InfiniBand link, still down.
/// Without a key it is in its parent's partition.
#[must_use]
pub fn create_ipoib(parent: u32, ifname: &str, pkey: Option<u16>, netns: &NetNs) -> Request {
    let link = LinkIpoib::new(ifname).link(parent).setns_by_fd(netns.as_fd().as_raw_fd());
    let link = match pkey {
        Some(pkey) => link.pkey(pkey),
        None => link,
    };
    create(link.build())
}

/// `ip link add IFNAME [mtu BYTES] [address MAC] type dummy`, in the namespace of the socket, still down.
#[must_use]
pub fn create_dummy(ifname: &str, mtu: Option<u32>, mac: Option<[u8; 6]>) -> Request {
    let link = LinkDummy::new(ifname).link_group(UNFINISHED);
    let link = match mtu {
        Some(mtu) => link.mtu(mtu),
        None => link,
    };
    create(with_mac(link, mac).build())
}
