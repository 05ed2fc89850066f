//! What the plan must know of the machine, as plain values.

use crate::spec::{EntryName, IfName, Mac, OldDefault, Runtime, Vlan};

use super::{Conflict, FoundClient, Stale};

/// What was seen, once, before anything is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The target's name for people.
    pub target: String,
    /// Who holds it.
    pub runtime: Runtime,
    /// The engine's full id of it.
    pub id: Option<String>,
    /// The number of its namespace, which `lsns` shows.
    pub netns: u64,
    /// The target's process, where it has one.
    pub pid: Option<i32>,
    /// The name for the container's interface: the one asked for, or the usual one.
    pub ifname: IfName,
    /// What the uplink's word leads to.
    pub uplink: Found,
    /// The VLAN that is asked for, unless the word means something else on this uplink.
    pub vlan: Option<Vlan>,
    /// The 802.1Q interface for a VLAN on a parent, where one is asked for.
    pub vlan_link: Option<VlanLink>,
    /// Whether the bridge has another port in the VLAN that is asked for.
    pub vlan_has_ports: bool,
    /// The name for a veth's host end: the one asked for, or a free one.
    pub host_ifname: IfName,
    /// Whether the host has a link of that name already.
    pub host_ifname_taken: bool,
    /// What Open vSwitch has under that name, where it was asked.
    pub ovs_port: OvsPort,
    /// Whether the host has a link of the name that the container is to get.
    pub host_has_ifname: bool,
    /// Whether the target has a link of that name already.
    pub ifname_taken: bool,
    /// The IPv4 default route that ours would replace.
    pub default_v4: Option<OldDefault>,
    /// The IPv6 default route that ours would replace.
    pub default_v6: Option<OldDefault>,
    /// What an earlier attach of the same interface has replaced, IPv4 and IPv6.
    pub kept_old: [Option<OldDefault>; 2],
    /// Whether new links of the target come without IPv6, as Docker sets it.
    pub ipv6_disabled: bool,
    /// The DHCP client, where one is asked for.
    pub client: Option<FoundClient>,
    /// The entry in `/var/run/netns`.
    pub entry: Entry,
    /// The addresses asked for that are in use on the uplink.
    pub conflicts: Vec<Conflict>,
    /// Claims to addresses asked for, of attachments that no longer have them.
    pub stale: Vec<Stale>,
}

/// What was found under the uplink's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A link.
    Link(Uplink),
    /// No link of that name: a bridge that is created for it gets this address.
    Nothing {
        /// A random local address.
        fresh_mac: Mac,
    },
    /// A bridge that Open vSwitch knows and that is not there: its words about that.
    OvsWithoutLink(String),
}

/// What Open vSwitch has under the name of a veth's host end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OvsPort {
    /// Nothing, or it was not asked.
    Free,
    /// The record of a container's port whose link is gone.
    Stale,
    /// A port of somebody else's.
    Taken,
}

/// The uplink as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// Its real name.
    pub name: IfName,
    /// What it is.
    pub kind: UplinkKind,
    /// Its MAC address, where it has a usable one.
    pub mac: Option<Mac>,
    /// Its largest packet in bytes, inherited by the new links.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a signal from the other end.
    pub carrier: bool,
    /// Its alias, empty when it has none.
    pub alias: String,
    /// The wireless device it belongs to, which is moved as a whole.
    pub phy: Option<u32>,
}

/// The interface that carries one VLAN of a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VlanLink {
    /// There is none: it is to be made under this name.
    Missing(IfName),
    /// It is there.
    There(Uplink),
    /// Something else has that name.
    Taken(IfName),
}

/// What an existing host interface can serve as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UplinkKind {
    /// A Linux bridge: gets a veth.
    Bridge {
        /// Whether its ports can be in different VLANs.
        filtering: bool,
        /// The VLAN that it puts new ports into by itself, where there is one.
        default_vlan: Option<Vlan>,
    },
    /// A bridge of Open vSwitch: gets a veth.
    OpenVswitch,
    /// A port of Open vSwitch, which can carry nothing of its own.
    OvsPort,
    /// An IP over InfiniBand interface: carries children of its own kind.
    Ipoib,
    /// Any other Ethernet interface: carries a macvlan or an ipvlan.
    Parent,
    /// A port of this kind of link, which gets all that arrives: it can carry nothing of its own.
    Port(&'static str),
    /// A loopback or a link of another kind than Ethernet.
    NotEthernet,
}

/// The target's entry in `/var/run/netns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// None is to be made: the namespace was given by name or path, or its name cannot be a file's.
    None,
    /// There is none of that name: it is to be made.
    Missing(EntryName),
    /// It is there and leads to this namespace.
    Right(EntryName),
    /// Something else has that name, which is left alone.
    Foreign(EntryName),
}
