//! What the checks must know, as plain values.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::plan::quote;

/// What was looked at.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// All links of the host.
    pub links: Vec<HostLink>,
    /// All attachments.
    pub attachments: Vec<Attachment>,
    /// The default routes of the containers.
    pub defaults: Vec<DefaultRoute>,
    /// The containers with several interfaces whose answers may be dropped.
    pub multihomed: Vec<Multihomed>,
    /// What becomes of frames that a bridge passes on.
    pub firewall: Firewall,
}

/// A link of the host.
#[derive(Debug, Clone, Default)]
pub struct HostLink {
    /// The kernel's number of it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `veth`, `bridge` …; physical interfaces have none.
    pub kind: Option<String>,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a signal from the other end.
    pub carrier: bool,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Its MAC address.
    pub mac: String,
    /// The bridge that it is a port of.
    pub bridge: Option<u32>,
    /// What it does as a port.
    pub port_state: Option<PortState>,
    /// The link of the host that it is on.
    pub lower: Option<u32>,
    /// Whether it is one end of a veth pair whose other end is in a container.
    pub to_container: bool,
    /// Whether a bridge speaks STP.
    pub stp: bool,
    /// How many seconds a port of it waits in each of the two states before it forwards.
    pub forward_delay: u32,
    /// Whether the ports of a bridge can be in different VLANs.
    pub filtering: bool,
    /// The VLANs that it is in, as a port or as the bridge.
    pub vlans: PortVlans,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// What kind of card it is, where a macvlan is on it.
    pub card: Card,
    /// Whether it is an uplink that was asked about.
    pub asked: bool,
}

/// What a port of a bridge does (`BR_STATE_*`, include/uapi/linux/if_bridge.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortState {
    /// Nothing.
    Disabled,
    /// It listens to other bridges.
    Listening,
    /// It learns who is where.
    Learning,
    /// Everything.
    Forwarding,
    /// It is kept closed against a loop.
    Blocking,
}

impl PortState {
    /// By the kernel's number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Disabled,
            1 => Self::Listening,
            2 => Self::Learning,
            3 => Self::Forwarding,
            4 => Self::Blocking,
            _ => return None,
        })
    }
}

/// The VLANs of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortVlans {
    /// First and last of each range.
    pub ranges: Vec<(u16, u16)>,
    /// The one that untagged frames are put into.
    pub untagged: Option<u16>,
}

impl PortVlans {
    /// Whether this VLAN passes.
    #[must_use]
    pub fn carries(&self, vlan: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&vlan))
    }
}

/// What is known of a card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// Whether it is wireless.
    pub wireless: bool,
    /// Its driver, where it has one.
    pub driver: Option<String>,
}

/// An interface in a container that rpipe attached.
#[derive(Debug, Clone, Default)]
pub struct Attachment {
    /// Whose it is, as a word for rpipe.
    pub target: String,
    /// The number of its namespace.
    pub netns: u64,
    /// Its name.
    pub ifname: String,
    /// The kind of link.
    pub kind: String,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a signal from the other end.
    pub carrier: bool,
    /// Whether it is a port of Open vSwitch.
    pub ovs: bool,
    /// The VLAN that it is in there.
    pub vlan: Option<u16>,
    /// Whether it is a macvlan that has its link for itself, and its MAC address.
    pub passthru: bool,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// Its MAC address.
    pub mac: String,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Those of IPv6 that somebody else was found to have.
    pub refused: Vec<IpNet>,
    /// The host's end.
    pub host_end: Option<u32>,
    /// The bridge that the host's end is a port of, or the link that it is on.
    pub uplink: Option<u32>,
    /// The gateways over it, and whether they answer.
    pub gateways: Vec<(IpAddr, Answer)>,
    /// Whether it was asked about.
    pub asked: bool,
}

impl Attachment {
    /// Whose it is and its name.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{} {}", self.target, self.ifname)
    }

    /// A command in its namespace.
    #[must_use]
    pub fn command(&self, words: &str) -> String {
        in_namespace(&self.target, words)
    }

    /// Whether it shares a link of the host, and does not see the host's own packets on it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.kind.as_str(), "macvlan" | "ipvlan")
    }
}

/// A command in the namespace of a target.
pub(super) fn in_namespace(target: &str, words: &str) -> String {
    format!("rpipe exec {} -- {words}", quote(target))
}

/// Whether a gateway answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It could not be asked.
    Unknown,
}

/// A default route of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Whose it is, as a word for rpipe.
    pub target: String,
    /// The number of its namespace.
    pub netns: u64,
    /// Whether it is one of IPv4.
    pub v4: bool,
    /// Its next hop.
    pub gateway: Option<IpAddr>,
    /// Its metric.
    pub metric: u32,
    /// The interface that it leads over.
    pub ifname: String,
}

/// An interface of a container with several, over which no default route leads, which drops what does not come from its
/// own networks (`rp_filter` 1), and for whose addresses there is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multihomed {
    /// Whose it is, as a word for rpipe.
    pub target: String,
    /// The interface.
    pub ifname: String,
    /// One of its addresses.
    pub address: IpAddr,
    /// The interface that the default route leads over.
    pub default_over: String,
}

/// Whose packets a chain sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4's.
    V4,
    /// IPv6's.
    V6,
    /// Both.
    Inet,
    /// Those of bridges, whether they are let through to the other chains or not.
    Bridge,
}

/// A chain of the forward hook that drops what no rule accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppingChain {
    /// Whose packets.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
}

/// What becomes of frames that a bridge passes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewall {
    /// Whether packets of IPv4 that cross a bridge pass the forward chains.
    pub bridged_v4: bool,
    /// The same for IPv6.
    pub bridged_v6: bool,
    /// The chains that drop.
    pub dropping: Vec<DroppingChain>,
    /// Whether there are tables of the old iptables and ip6tables, which tell nobody their policy.
    pub legacy: [bool; 2],
}

impl Facts {
    /// A link of the host.
    #[must_use]
    pub fn link(&self, index: u32) -> Option<&HostLink> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The attachments on a link of the host.
    pub fn on(&self, index: u32) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter().filter(move |attachment| attachment.uplink == Some(index))
    }

    /// The uplinks that were asked about.
    pub fn uplinks(&self) -> impl Iterator<Item = &HostLink> {
        self.links.iter().filter(|link| link.asked)
    }

    /// The attachments that were asked about.
    pub fn asked(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter().filter(|attachment| attachment.asked)
    }

    /// The ports of a bridge.
    #[must_use]
    pub fn ports(&self, bridge: &HostLink) -> Vec<&HostLink> {
        self.links.iter().filter(|link| link.bridge == Some(bridge.index)).collect()
    }

    /// The ports of a bridge that lead somewhere else than into containers.
    #[must_use]
    pub fn ways_out(&self, bridge: &HostLink) -> Vec<&HostLink> {
        self.ports(bridge).into_iter().filter(|port| !port.to_container).collect()
    }

    /// Whether a bridge leads nowhere: it has no way out, and the host has no address on it.
    #[must_use]
    pub fn is_isolated(&self, bridge: &HostLink) -> bool {
        let host_is_on_it = |link: &HostLink| link.lower == Some(bridge.index);
        bridge.is_bridge()
            && bridge.addresses.is_empty()
            && self.ways_out(bridge).is_empty()
            && !self.links.iter().any(host_is_on_it)
    }
}

impl HostLink {
    /// Whether it is a bridge of the kernel's own.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        self.kind.as_deref() == Some("bridge")
    }
}
