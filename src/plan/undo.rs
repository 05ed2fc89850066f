//! What takes each step back, and the link that it acts on.

use crate::spec::IfName;

use super::{Side, Step};

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
                let restore = bridge.clone().zip(*bridge_mac);
                let restore = restore.map(|(bridge, mac)| Self::RestoreMac { bridge, mac });
                std::iter::once(delete(Side::Host, host_ifname)).chain(restore).collect()
            }
            Self::Ovs(change) => change.undo().into_iter().collect(),
            Self::CreateVlan { name, .. } => vec![Self::DeleteVlan { name: name.clone() }],
            Self::CreateShared { ifname, .. }
            | Self::CreateIpoib { ifname, .. }
            | Self::CreateDummy { ifname, .. } => vec![delete(Side::Target, ifname)],
            Self::SetAlias { side, ifname, alias, old: Some(old) } => {
                let (ifname, alias, old) = (ifname.clone(), old.clone(), Some(alias.clone()));
                vec![Self::SetAlias { side: *side, ifname, alias, old }]
            }
            Self::MoveLink { from, to, up, phy } => {
                let (from, to) = (to.clone(), from.clone());
                let mut undo = vec![
                    Self::ReturnLink { from, to: to.clone(), phy: *phy },
                    // Before it comes up, which is when they count.
                    Self::RestoreSettings { ifname: to.clone() },
                ];
                if *up {
                    undo.push(Self::SetLink { side: Side::Host, ifname: to.clone(), up: true });
                }
                undo.push(Self::RestoreAddresses { ifname: to });
                undo
            }
            Self::SetMac { ifname, mac, old: Some(old) } => {
                vec![Self::SetMac { ifname: ifname.clone(), mac: *old, old: Some(*mac) }]
            }
            Self::SetPortVlan { port, vlan, old: Some(old) } => vec![
                Self::SetPortVlan { port: port.clone(), vlan: *old, old: None },
                Self::LeaveVlan { port: port.clone(), vlan: *vlan },
            ],
            Self::AddRule { rule } => vec![Self::DeleteRule { rule: *rule }],
            Self::DeleteRule { rule } => vec![Self::AddRule { rule: *rule }],
            Self::ClearLink { ifname } => vec![Self::RefillLink { ifname: ifname.clone() }],
            Self::SetMtu { ifname, mtu, old } => {
                vec![Self::SetMtu { ifname: ifname.clone(), mtu: *old, old: *mtu }]
            }
            // The link goes by its new name from here on, so the undo of its creation no longer finds it.
            Self::Rename { to, .. } => vec![delete(Side::Target, to)],
            Self::SetLink { side: Side::Host, ifname, up } => {
                vec![Self::SetLink { side: Side::Host, ifname: ifname.clone(), up: !up }]
            }
            Self::SetDefault { gateway, old: Some(old), .. } => {
                vec![Self::RestoreDefault { v4: gateway.is_ipv4(), old: old.clone() }]
            }
            Self::Lease { ifname, old, .. } => {
                let restore = old.clone().map(|old| Self::RestoreDefault { v4: true, old });
                std::iter::once(Self::EndLease { ifname: ifname.clone() }).chain(restore).collect()
            }
            // Also for a link that goes with all it carries: what was claimed may be another link of its name.
            Self::Claim { port, claim } => {
                vec![Self::Release { port: port.clone(), claim: claim.clone() }]
            }
            Self::Release { port, claim } => {
                vec![Self::Claim { port: port.clone(), claim: claim.clone() }]
            }
            Self::Probe { .. }
            | Self::SetDefault { old: None, .. }
            | Self::EndLease { .. }
            | Self::SetLink { side: Side::Target, .. }
            | Self::EnableIpv6 { .. }
            | Self::ArpNotify { .. }
            | Self::AddAddress { .. }
            | Self::NoOwnAddress { .. }
            | Self::AwaitLink { .. }
            | Self::AwaitDetection { .. }
            | Self::Announce { .. }
            | Self::AddHostRoute { .. }
            | Self::AddRoute { .. }
            | Self::RestoreDefault { .. }
            | Self::ReplaceDefault { .. }
            | Self::RefillLink { .. }
            | Self::Finish { .. }
            | Self::RestoreMac { .. }
            | Self::SetPortVlan { old: None, .. }
            | Self::LeaveVlan { .. }
            | Self::SetAlias { old: None, .. }
            | Self::SetMac { old: None, .. }
            | Self::ReturnLink { .. }
            | Self::RestoreSettings { .. }
            | Self::RestoreAddresses { .. }
            | Self::DeleteLink { .. }
            | Self::DeleteBridge { .. }
            | Self::DeleteVlan { .. }
            | Self::DeleteLinks { .. }
            | Self::UnlinkNamespace { .. } => Vec::new(),
        }
    }

    /// The link whose index the kernel must be told, and where it is; none for what is no link's business or
    /// makes the first one.
    #[must_use]
    pub fn acts_on(&self) -> Option<(Side, &IfName)> {
        match self {
            Self::CreateVeth { bridge, .. } => bridge.as_ref().map(|bridge| (Side::Host, bridge)),
            Self::RestoreMac { bridge: link, .. }
            | Self::CreateVlan { parent: link, .. }
            | Self::CreateShared { parent: link, .. }
            | Self::CreateIpoib { parent: link, .. }
            | Self::SetPortVlan { port: link, .. }
            | Self::LeaveVlan { port: link, .. }
            | Self::MoveLink { from: link, .. }
            | Self::RestoreSettings { ifname: link }
            | Self::RestoreAddresses { ifname: link }
            | Self::DeleteVlan { name: link }
            | Self::DeleteBridge { name: link } => Some((Side::Host, link)),
            Self::SetLink { side, ifname, .. } | Self::DeleteLink { side, ifname } => Some((*side, ifname)),
            Self::Rename { from: ifname, .. }
            | Self::ReturnLink { from: ifname, .. }
            | Self::SetMac { ifname, .. }
            | Self::SetMtu { ifname, .. }
            | Self::ReplaceDefault { dev: ifname, .. }
            | Self::ClearLink { ifname }
            | Self::Finish { ifname }
            | Self::RefillLink { ifname }
            | Self::SetAlias { side: Side::Target, ifname, .. }
            | Self::EnableIpv6 { ifname }
            | Self::Probe { ifname, .. }
            | Self::ArpNotify { ifname, .. }
            | Self::AddAddress { ifname, .. }
            | Self::AddHostRoute { ifname, .. }
            | Self::AddRoute { ifname, .. }
            | Self::SetDefault { ifname, .. }
            | Self::Lease { ifname, .. } => Some((Side::Target, ifname)),
            Self::LinkNamespace { .. }
            | Self::UnlinkNamespace { .. }
            | Self::CreateBridge { .. }
            | Self::CreateDummy { .. }
            | Self::DeleteLinks { .. }
            // By name, for a link that is made in the same datagram.
            | Self::SetAlias { side: Side::Host, .. }
            | Self::AddRule { .. }
            | Self::DeleteRule { .. }
            | Self::Claim { .. }
            | Self::Release { .. }
            | Self::NoOwnAddress { .. }
            | Self::AwaitLink { .. }
            | Self::AwaitDetection { .. }
            | Self::Announce { .. }
            | Self::EndLease { .. }
            | Self::Ovs(_)
            | Self::RestoreDefault { .. } => None,
        }
    }
}
