//! Why a plan cannot be made: known before the first change.

use std::fmt;

use crate::spec::{Client, Sharing, SpecError, Vlan};

use super::{Conflict, Difference};

/// An attach that cannot work on this machine as it is. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No link of that name, and not one that is created on demand.
    NoUplink {
        /// The name.
        name: String,
        /// Interfaces of the host that are called much like it.
        near: Vec<String>,
    },
    /// The uplink is a port of a bridge, a bond …: what arrives there belongs to that.
    UplinkIsPort {
        /// The uplink.
        name: String,
        /// What it is a port of.
        of: &'static str,
    },
    /// The uplink belongs to Open vSwitch and is no bridge of it.
    UplinkIsOvsPort(String),
    /// Open vSwitch knows a bridge of that name, whose interface is not there.
    OvsWithoutLink {
        /// The bridge.
        bridge: String,
        /// What Open vSwitch says of it, perhaps nothing.
        why: String,
    },
    /// Open vSwitch has a port of the name for the veth's host end, which is not a container's.
    OvsPortTaken(String),
    /// A loopback, tunnel or other link that carries no Ethernet.
    UplinkNotEthernet(String),
    /// A VLAN on a bridge that does not tell VLANs apart.
    BridgeNotFiltering(String),
    /// A bridge is to be moved into the container.
    BridgeCannotMove(String),
    /// The target has a link of that name.
    IfnameTaken {
        /// The target's name.
        target: String,
        /// The interface's name.
        ifname: String,
    },
    /// The target has an attachment of that name, and it is not what is asked for.
    Differs {
        /// The target's name.
        target: String,
        /// The interface's name.
        ifname: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// The host has a link of the name for the veth's host end.
    HostIfnameTaken(String),
    /// The host has another link under the name of the 802.1Q interface.
    VlanNameTaken {
        /// The name.
        name: String,
        /// The VLAN that it should carry.
        vlan: Vlan,
        /// The parent that it should be on.
        parent: String,
    },
    /// A macvlan or an ipvlan, on a bridge.
    SharingOnBridge {
        /// What was asked for.
        sharing: Sharing,
        /// The uplink.
        bridge: String,
    },
    /// A macvlan or an ipvlan, on InfiniBand.
    SharingOnIpoib {
        /// What was asked for.
        sharing: Sharing,
        /// The uplink.
        uplink: String,
    },
    /// A macvlan or an ipvlan, on nothing.
    SharingOnDummy(Sharing),
    /// A macvlan or an ipvlan, where the uplink itself is to go into the container.
    SharingOfDirect(Sharing),
    /// A MAC address for an ipvlan.
    MacOfIpvlan,
    /// A MAC address for an InfiniBand link.
    MacOfIpoib(String),
    /// A VLAN for a dummy.
    VlanOfDummy,
    /// A DHCP client that is not installed; none when any would have done.
    NoClient(Option<Client>),
    /// An address that somebody has.
    AddressInUse {
        /// The target's name.
        target: String,
        /// The uplink.
        uplink: String,
        /// The address and who has it.
        conflict: Box<Conflict>,
    },
    /// Probes over something that hears no answers.
    ProbeOnUnfit(&'static str),
    /// New interfaces of the target come without IPv6, and it is asked for.
    Ipv6Disabled(String),
    /// A word that means nothing on this kind of uplink.
    Word(SpecError),
}

impl fmt::Display for Refusal {
    #[expect(clippy::too_many_lines, reason = "a table: one message a refusal")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What older tools call an alias is a label of an address, not an interface.
            Self::NoUplink { name, near } => match name.split_once(':').filter(|_| !name.starts_with("mac:"))
            {
                Some((real, _)) => write!(
                    f,
                    "uplink {name:?}: is an alias, only another label for addresses of {real} (name {real} itself)"
                ),
                None if near.is_empty() => write!(
                    f,
                    "uplink {name:?}: no such interface (`ip link` lists them; a name br… creates a bridge, ovs… \
                     one of Open vSwitch, dummy… a dummy)"
                ),
                None => {
                    write!(f, "uplink {name:?}: no such interface (did you mean {}?)", near.join(" or "))
                }
            },
            Self::UplinkIsPort { name, of } => write!(
                f,
                "uplink {name:?}: is a port of a {of}, which gets all its traffic (name the {of} instead)"
            ),
            Self::UplinkIsOvsPort(name) => write!(
                f,
                "uplink {name:?}: is a port of Open vSwitch, which gets all its traffic (name the bridge instead: \
                 `ovs-vsctl list-br` lists them)"
            ),
            Self::OvsWithoutLink { bridge, why } => {
                write!(
                    f,
                    "uplink {bridge:?}: Open vSwitch knows this bridge, but its interface is not there"
                )?;
                if !why.is_empty() {
                    write!(f, ": {why}")?;
                }
                f.write_str(" (is ovs-vswitchd running? its log says more)")
            }
            Self::OvsPortTaken(name) => write!(
                f,
                "port {name:?} of Open vSwitch: exists already and is no container's (choose another name with -l)"
            ),
            Self::UplinkNotEthernet(name) => write!(f, "uplink {name:?}: is not an Ethernet interface"),
            Self::BridgeNotFiltering(name) => write!(
                f,
                "uplink {name:?}: its ports are all in one network, vlan_filtering is off (`ip link set dev {name} \
                 type bridge vlan_filtering 1` turns it on, for all its ports)"
            ),
            Self::BridgeCannotMove(name) => {
                write!(f, "uplink {name:?}: is a bridge, which cannot move (leave --direct-phys out)")
            }
            Self::IfnameTaken { target, ifname } => {
                write!(f, "interface {ifname:?} in {target:?}: exists already (choose another name with -i)")
            }
            Self::Differs { target, ifname, differences } => {
                write!(f, "interface {ifname:?} in {target:?}: is attached already, but ")?;
                for (i, difference) in differences.iter().enumerate() {
                    write!(f, "{}{difference}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(" (--replace changes it, -i takes another name)")
            }
            Self::HostIfnameTaken(name) => {
                write!(f, "host interface {name:?}: exists already (choose another name with -l)")
            }
            Self::VlanNameTaken { name, vlan, parent } => write!(
                f,
                "host interface {name:?}: exists already and is not VLAN {vlan} of {parent} (rename or delete it)"
            ),
            Self::SharingOnBridge { sharing, bridge } => write!(
                f,
                "{sharing}: is for an uplink that is shared, and {bridge:?} is a bridge, which gets a veth (leave \
                 --type and --mode out)"
            ),
            Self::SharingOnIpoib { sharing, uplink } => write!(
                f,
                "{sharing}: needs Ethernet, and {uplink:?} is InfiniBand, which gets a child of its own kind (leave \
                 --type and --mode out)"
            ),
            Self::SharingOnDummy(sharing) => write!(
                f,
                "{sharing}: is for an uplink that is shared, and a dummy has none (leave --type and --mode out)"
            ),
            Self::SharingOfDirect(sharing) => write!(
                f,
                "{sharing}: is for an uplink that is shared, and --direct-phys gives it away (leave one of them out)"
            ),
            Self::MacOfIpvlan => {
                f.write_str("MAC address: an ipvlan has that of its parent (leave it out, or use a macvlan)")
            }
            Self::MacOfIpoib(uplink) => write!(
                f,
                "MAC address: {uplink:?} is InfiniBand, whose addresses the hardware gives (leave it out)"
            ),
            Self::VlanOfDummy => {
                f.write_str("VLAN: a dummy leads nowhere, with or without one (leave it out)")
            }
            Self::NoClient(None) => f.write_str(
                "DHCP: no client is installed (Debian has udhcpc, busybox, dhcpcd-base and isc-dhcp-client)",
            ),
            Self::NoClient(Some(client)) => {
                let package = match client {
                    Client::Udhcpc => "udhcpc, or busybox",
                    Client::Dhcpcd => "dhcpcd-base",
                    Client::Dhclient => "isc-dhcp-client",
                };
                write!(f, "DHCP client {client}: not installed (Debian: apt-get install {package})")
            }
            Self::AddressInUse { target, uplink, conflict } => {
                write!(f, "attaching {target:?} to {uplink}: {conflict}")
            }
            Self::ProbeOnUnfit(kind) => write!(
                f,
                "--probe: {kind} hears no answers of who has an address already (leave --probe out)"
            ),
            Self::Ipv6Disabled(target) => write!(
                f,
                "IPv6 in {target:?}: is switched off for new interfaces, net.ipv6.conf.default.disable_ipv6 is 1 \
                 (--enable-ipv6 switches it on for this one)"
            ),
            Self::Word(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
