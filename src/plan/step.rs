//! The steps: one closed list of everything that can be done to a machine.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::spec::{EntryName, IfName, Mac, Mode, Route};

use super::OldDefault;

/// Which of the two namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one rpipe runs in.
    Host,
    /// The container's.
    Target,
}

/// One change. Links go by name: their index is known only when they exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the namespace known to `ip netns` under a name.
    LinkNamespace {
        /// The name in `/var/run/netns`.
        entry: EntryName,
        /// The process whose namespace it is.
        pid: i32,
    },
    /// Take that name away again.
    UnlinkNamespace {
        /// The name in `/var/run/netns`.
        entry: EntryName,
        /// The process that it leads to.
        pid: i32,
    },
    /// Create a bridge on the host, up, with a MAC address that stays.
    CreateBridge {
        /// Its name.
        name: IfName,
        /// Its MAC address.
        mac: Mac,
    },
    /// Create a veth pair: one end up in a bridge of the host, the other in the target, down.
    CreateVeth {
        /// The host's end.
        host_ifname: IfName,
        /// The bridge.
        bridge: IfName,
        /// The MAC address that the bridge has; one that is created keeps its own.
        bridge_mac: Option<Mac>,
        /// The target's end.
        ifname: IfName,
        /// The largest packet in bytes of the host's end. Smaller than the bridge's, it would shrink the bridge's own.
        host_mtu: u32,
        /// The largest packet in bytes of the target's end.
        mtu: u32,
        /// The MAC address of the target's end.
        mac: Option<Mac>,
    },
    /// Create a macvlan in the target, down.
    CreateMacvlan {
        /// The host interface that carries it.
        parent: IfName,
        /// Its name.
        ifname: IfName,
        /// How it deals with others on the same parent.
        mode: Mode,
        /// The largest packet in bytes.
        mtu: u32,
        /// Its MAC address.
        mac: Option<Mac>,
    },
    /// Rename a link of the target that is down.
    Rename {
        /// The name it has.
        from: IfName,
        /// The name it gets.
        to: IfName,
    },
    /// Set a link up or down.
    SetLink {
        /// Where the link is.
        side: Side,
        /// Its name.
        ifname: IfName,
        /// Up or down.
        up: bool,
    },
    /// Let a link of the target speak IPv6 although new ones there do not.
    EnableIpv6 {
        /// Its name.
        ifname: IfName,
    },
    /// Have the kernel tell the neighbours when the link comes up, or stop that.
    ArpNotify {
        /// A link of the target.
        ifname: IfName,
        /// On or off.
        on: bool,
    },
    /// Give a link of the target an address.
    AddAddress {
        /// Its name.
        ifname: IfName,
        /// The address with its prefix.
        net: IpNet,
    },
    /// Make a gateway reachable that none of the addresses' prefixes covers.
    AddHostRoute {
        /// The link it is reached by.
        ifname: IfName,
        /// The gateway.
        host: IpAddr,
    },
    /// Add a route over a link of the target.
    AddRoute {
        /// The link.
        ifname: IfName,
        /// Where to, and over which gateway.
        route: Route,
        /// Its metric; `None` leaves the kernel's own.
        metric: Option<u32>,
    },
    /// Make a gateway the target's default route.
    SetDefault {
        /// The link it is reached by.
        ifname: IfName,
        /// The gateway.
        gateway: IpAddr,
        /// Its metric.
        metric: u32,
        /// The route that is replaced.
        old: Option<OldDefault>,
    },
    /// Give a bridge that has lost its last port, and with it its MAC address, the one it had before.
    RestoreMac {
        /// The bridge.
        bridge: IfName,
        /// What it had.
        mac: Mac,
    },
    /// Put the replaced default route back.
    RestoreDefault {
        /// Its family.
        v4: bool,
        /// What it was.
        old: OldDefault,
    },
    /// Delete a link, and with it its peer, its addresses and its routes.
    DeleteLink {
        /// Where the link is.
        side: Side,
        /// Its name.
        ifname: IfName,
    },
    /// Delete a bridge unless somebody else uses it by now.
    DeleteBridge {
        /// Its name.
        name: IfName,
    },
}

impl Step {
    /// The steps that take this one back, in their order. None where something else does it: a link takes its
    /// addresses, routes and settings along when it is deleted, and an undo needs no undo.
    #[must_use]
    pub fn undo(&self) -> Vec<Self> {
        let delete = |side, ifname: &IfName| Self::DeleteLink { side, ifname: ifname.clone() };
        match self {
            Self::LinkNamespace { entry, pid } => {
                vec![Self::UnlinkNamespace { entry: entry.clone(), pid: *pid }]
            }
            Self::CreateBridge { name, .. } => vec![Self::DeleteBridge { name: name.clone() }],
            Self::CreateVeth { host_ifname, bridge, bridge_mac, .. } => {
                let restore = bridge_mac.map(|mac| Self::RestoreMac { bridge: bridge.clone(), mac });
                std::iter::once(delete(Side::Host, host_ifname)).chain(restore).collect()
            }
            Self::CreateMacvlan { ifname, .. } => vec![delete(Side::Target, ifname)],
            // The link goes by its new name from here on, so the undo of its creation no longer finds it.
            Self::Rename { to, .. } => vec![delete(Side::Target, to)],
            Self::SetLink { side: Side::Host, ifname, up } => {
                vec![Self::SetLink { side: Side::Host, ifname: ifname.clone(), up: !up }]
            }
            Self::SetDefault { gateway, old: Some(old), .. } => {
                vec![Self::RestoreDefault { v4: gateway.is_ipv4(), old: old.clone() }]
            }
            Self::SetDefault { old: None, .. }
            | Self::SetLink { side: Side::Target, .. }
            | Self::EnableIpv6 { .. }
            | Self::ArpNotify { .. }
            | Self::AddAddress { .. }
            | Self::AddHostRoute { .. }
            | Self::AddRoute { .. }
            | Self::RestoreDefault { .. }
            | Self::RestoreMac { .. }
            | Self::DeleteLink { .. }
            | Self::DeleteBridge { .. }
            | Self::UnlinkNamespace { .. } => Vec::new(),
        }
    }

    /// The link whose index the kernel must be told, and where it is; none for what is no link's business or
    /// makes the first one.
    #[must_use]
    pub fn acts_on(&self) -> Option<(Side, &IfName)> {
        match self {
            Self::CreateVeth { bridge: link, .. }
            | Self::RestoreMac { bridge: link, .. }
            | Self::CreateMacvlan { parent: link, .. }
            | Self::DeleteBridge { name: link } => Some((Side::Host, link)),
            Self::SetLink { side, ifname, .. } | Self::DeleteLink { side, ifname } => Some((*side, ifname)),
            Self::Rename { from: ifname, .. }
            | Self::EnableIpv6 { ifname }
            | Self::ArpNotify { ifname, .. }
            | Self::AddAddress { ifname, .. }
            | Self::AddHostRoute { ifname, .. }
            | Self::AddRoute { ifname, .. }
            | Self::SetDefault { ifname, .. } => Some((Side::Target, ifname)),
            Self::LinkNamespace { .. }
            | Self::UnlinkNamespace { .. }
            | Self::CreateBridge { .. }
            | Self::RestoreDefault { .. } => None,
        }
    }

    /// The short name of the step in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::LinkNamespace { .. } => "link_namespace",
            Self::UnlinkNamespace { .. } => "unlink_namespace",
            Self::CreateBridge { .. } => "create_bridge",
            Self::CreateVeth { .. } => "create_veth",
            Self::CreateMacvlan { .. } => "create_macvlan",
            Self::Rename { .. } => "rename",
            Self::SetLink { .. } => "set_link",
            Self::EnableIpv6 { .. } => "enable_ipv6",
            Self::ArpNotify { .. } => "arp_notify",
            Self::AddAddress { .. } => "add_address",
            Self::AddHostRoute { .. } => "add_host_route",
            Self::AddRoute { .. } => "add_route",
            Self::SetDefault { .. } => "set_default",
            Self::RestoreMac { .. } => "restore_mac",
            Self::RestoreDefault { .. } => "restore_default",
            Self::DeleteLink { .. } => "delete_link",
            Self::DeleteBridge { .. } => "delete_bridge",
        }
    }
}

/// What is tried, in the words of an error message and of `-v`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkNamespace { entry, .. } => write!(f, "linking the namespace as /var/run/netns/{entry}"),
            Self::UnlinkNamespace { entry, .. } => write!(f, "removing /var/run/netns/{entry}"),
            Self::CreateBridge { name, .. } => write!(f, "creating bridge {name}"),
            Self::CreateVeth { host_ifname, bridge, ifname, .. } => {
                write!(f, "creating veth pair {host_ifname} (on {bridge}) and {ifname}")
            }
            Self::CreateMacvlan { parent, ifname, .. } => write!(f, "creating macvlan {ifname} on {parent}"),
            Self::Rename { from, to } => write!(f, "renaming {from} to {to}"),
            Self::SetLink { ifname, up, .. } => {
                write!(f, "setting {ifname} {}", if *up { "up" } else { "down" })
            }
            Self::EnableIpv6 { ifname } => write!(f, "enabling IPv6 on {ifname}"),
            Self::ArpNotify { ifname, on } => {
                write!(f, "turning arp_notify {} for {ifname}", if *on { "on" } else { "off" })
            }
            Self::AddAddress { ifname, net } => write!(f, "adding address {net} to {ifname}"),
            Self::AddHostRoute { ifname, host } => {
                write!(f, "adding a route to gateway {host} over {ifname}")
            }
            Self::AddRoute { ifname, route, .. } => {
                write!(f, "adding a route to {} over {ifname}", route.net)?;
                match route.gateway {
                    Some(gateway) => write!(f, " via {gateway}"),
                    None => Ok(()),
                }
            }
            Self::SetDefault { ifname, gateway, .. } => {
                write!(f, "setting the default route via {gateway} over {ifname}")
            }
            Self::RestoreMac { bridge, mac } => write!(f, "giving {bridge} its MAC address {mac} back"),
            Self::RestoreDefault { old, .. } => {
                f.write_str("restoring the default route")?;
                match old.gateway {
                    Some(gateway) => write!(f, " via {gateway}"),
                    None => Ok(()),
                }
            }
            Self::DeleteLink { ifname, .. } => write!(f, "deleting {ifname}"),
            Self::DeleteBridge { name } => write!(f, "deleting bridge {name}"),
        }
    }
}
