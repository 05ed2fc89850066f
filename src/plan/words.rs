//! The steps in words: for messages, for `-v`, and for JSON.

use std::fmt;

use crate::spec::{OwnAddress, Sharing};

use super::Step;

impl Step {
    /// The short name of the step in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::LinkNamespace { .. } => "link_namespace",
            Self::UnlinkNamespace { .. } => "unlink_namespace",
            Self::CreateBridge { .. } => "create_bridge",
            Self::CreateVeth { .. } => "create_veth",
            Self::SetPortVlan { .. } => "set_port_vlan",
            Self::LeaveVlan { .. } => "leave_vlan",
            Self::CreateVlan { .. } => "create_vlan",
            Self::CreateShared { sharing: Sharing::Macvlan(_), .. } => "create_macvlan",
            Self::CreateShared { sharing: Sharing::Ipvlan(_), .. } => "create_ipvlan",
            Self::CreateIpoib { .. } => "create_ipoib",
            Self::CreateDummy { .. } => "create_dummy",
            Self::SetAlias { .. } => "set_alias",
            Self::MoveLink { .. } => "move_link",
            Self::ReturnLink { .. } => "return_link",
            Self::RestoreSettings { .. } => "restore_settings",
            Self::RestoreAddresses { .. } => "restore_addresses",
            Self::SetMac { .. } => "set_mac",
            Self::SetMtu { .. } => "set_mtu",
            Self::Rename { .. } => "rename",
            Self::SetLink { .. } => "set_link",
            Self::EnableIpv6 { .. } => "enable_ipv6",
            Self::ArpNotify { .. } => "arp_notify",
            Self::AddAddress { .. } => "add_address",
            Self::NoOwnAddress { .. } => "no_own_address",
            Self::AwaitLink { .. } => "await_link",
            Self::AwaitDetection { .. } => "await_detection",
            Self::Announce { .. } => "announce",
            Self::AddHostRoute { .. } => "add_host_route",
            Self::AddRoute { .. } => "add_route",
            Self::SetDefault { .. } => "set_default",
            Self::AddRule { .. } => "add_rule",
            Self::DeleteRule { .. } => "delete_rule",
            Self::Lease { .. } => "lease",
            Self::EndLease { .. } => "end_lease",
            Self::RestoreMac { .. } => "restore_mac",
            Self::RestoreDefault { .. } => "restore_default",
            Self::Claim { .. } => "claim_address",
            Self::Release { .. } => "release_address",
            Self::Probe { .. } => "probe",
            Self::Finish { .. } => "finish",
            Self::ClearLink { .. } => "clear_link",
            Self::RefillLink { .. } => "refill_link",
            Self::ReplaceDefault { .. } => "replace_default",
            Self::DeleteLink { .. } => "delete_link",
            Self::DeleteLinks { .. } => "delete_links",
            Self::DeleteVlan { .. } => "delete_vlan",
            Self::DeleteBridge { .. } => "delete_bridge",
            Self::Ovs(change) => change.word(),
        }
    }
}

/// What is tried, in the words of an error message and of `-v`.
impl fmt::Display for Step {
    #[expect(clippy::too_many_lines, reason = "a table: one line a step")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkNamespace { entry, .. } => write!(f, "linking the namespace as /var/run/netns/{entry}"),
            Self::UnlinkNamespace { entry, .. } => write!(f, "removing /var/run/netns/{entry}"),
            Self::CreateBridge { name, .. } => write!(f, "creating bridge {name}"),
            Self::CreateVeth { host_ifname, bridge, ifname, .. } => {
                write!(f, "creating veth pair {host_ifname}")?;
                if let Some(bridge) = bridge {
                    write!(f, " (on {bridge})")?;
                }
                write!(f, " and {ifname}")
            }
            Self::SetPortVlan { port, vlan, .. } => write!(f, "putting bridge port {port} into VLAN {vlan}"),
            Self::LeaveVlan { port, vlan } => write!(f, "taking bridge port {port} out of VLAN {vlan}"),
            Self::CreateVlan { parent, name, vlan } => {
                write!(f, "creating {name} for VLAN {vlan} on {parent}")
            }
            Self::CreateShared { parent, ifname, sharing, .. } => {
                write!(f, "creating {} {ifname} on {parent}", sharing.kind())
            }
            Self::CreateIpoib { parent, ifname, .. } => write!(f, "creating ipoib {ifname} on {parent}"),
            Self::CreateDummy { ifname, .. } => write!(f, "creating dummy {ifname}"),
            Self::SetAlias { ifname, .. } => write!(f, "marking {ifname}"),
            Self::MoveLink { from, to, phy, .. } => {
                f.write_str("moving ")?;
                if let Some(phy) = phy {
                    write!(f, "wireless device phy{phy} with ")?;
                }
                write!(f, "{from} into the container as {to}")
            }
            Self::ReturnLink { from, to, .. } => write!(f, "moving {from} back to the host as {to}"),
            Self::RestoreSettings { ifname } => write!(f, "giving {ifname} its settings back"),
            Self::RestoreAddresses { ifname } | Self::RefillLink { ifname } => {
                write!(f, "giving {ifname} its addresses and routes back")
            }
            Self::SetMac { ifname, mac, .. } => write!(f, "giving {ifname} the MAC address {mac}"),
            Self::SetMtu { ifname, mtu, .. } => write!(f, "giving {ifname} the MTU {mtu}"),
            Self::Rename { from, to } => write!(f, "renaming {from} to {to}"),
            Self::SetLink { ifname, up, .. } => {
                write!(f, "setting {ifname} {}", if *up { "up" } else { "down" })
            }
            Self::EnableIpv6 { ifname } => write!(f, "enabling IPv6 on {ifname}"),
            Self::ArpNotify { ifname, on } => {
                write!(f, "turning arp_notify {} for {ifname}", if *on { "on" } else { "off" })
            }
            Self::AddAddress { ifname, net, peer, .. } => {
                write!(f, "adding address {} to {ifname}", OwnAddress { net: *net, peer: *peer })
            }
            Self::NoOwnAddress { ifname } => write!(f, "keeping IPv6 addresses off {ifname}"),
            Self::AwaitLink { ifname, bridge, .. } => {
                let what = if bridge.is_some() { "forwards" } else { "has a carrier" };
                write!(f, "waiting until {ifname} {what}")
            }
            Self::AwaitDetection { ifname, ips, .. } => {
                f.write_str("adding address ")?;
                list(f, ips)?;
                write!(f, " to {ifname}")
            }
            Self::Announce { ifname, .. } => write!(f, "announcing the addresses of {ifname}"),
            Self::AddHostRoute { ifname, host, table } => {
                write!(f, "adding a route to gateway {host} over {ifname}{}", in_table(*table))
            }
            Self::AddRoute { ifname, route, table, .. } => {
                write!(f, "adding a route to {} over {ifname}", route.net)?;
                route.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))?;
                f.write_str(&in_table(*table))
            }
            Self::SetDefault { ifname, gateway, table, .. } => {
                write!(f, "setting the default route via {gateway} over {ifname}{}", in_table(*table))
            }
            Self::AddRule { rule } => write!(f, "adding the rule {rule}"),
            Self::DeleteRule { rule } => write!(f, "removing the rule {rule}"),
            Self::Lease { ifname, request, .. } => {
                write!(f, "getting a lease for {ifname} by {}", request.client.client)
            }
            Self::EndLease { ifname } => write!(f, "ending the DHCP client of {ifname}"),
            Self::RestoreMac { bridge, mac } => write!(f, "giving {bridge} its MAC address {mac} back"),
            Self::RestoreDefault { old, .. } => {
                f.write_str("restoring the default route")?;
                match old.gateway {
                    Some(gateway) => write!(f, " via {gateway}"),
                    None => Ok(()),
                }
            }
            Self::Claim { port, claim } => write!(f, "claiming {} on {} for {port}", claim.ip, claim.uplink),
            Self::Release { port, claim } => {
                write!(f, "giving up the claim of {port} to {} on {}", claim.ip, claim.uplink)
            }
            Self::Probe { ifname, addresses, .. } => {
                let ips: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                write!(f, "probing for {} on {ifname}", ips.join(", "))
            }
            Self::Finish { ifname } => write!(f, "finishing {ifname}"),
            Self::ClearLink { ifname } => write!(f, "taking all addresses and routes from {ifname}"),
            Self::ReplaceDefault { old, dev, .. } => {
                f.write_str("putting the old default route back")?;
                old.gateway.iter().try_for_each(|gateway| write!(f, " via {gateway}"))?;
                write!(f, " over {dev}")
            }
            Self::DeleteLink { ifname, .. } => write!(f, "deleting {ifname}"),
            Self::DeleteLinks { ifnames } => {
                let names: Vec<_> = ifnames.iter().map(ToString::to_string).collect();
                write!(f, "deleting {}", names.join(", "))
            }
            Self::DeleteVlan { name } => write!(f, "deleting {name}"),
            Self::DeleteBridge { name } => write!(f, "deleting bridge {name}"),
            Self::Ovs(change) => change.fmt(f),
        }
    }
}

fn in_table(table: Option<u32>) -> String {
    table.map(|table| format!(" in table {table}")).unwrap_or_default()
}

/// Words with commas between them.
fn list(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
    }
    Ok(())
}
