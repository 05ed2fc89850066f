//! The netlink message of each step that has one, and the socket that it travels by.

use nix::errno::Errno;

use crate::kernel::{self, KernelError, Request, SharedLink, VethLink};
use crate::machine::Machine;
use crate::plan::{RULE_PRIORITY, Side, Step};

/// The socket a step travels by; none for what netlink cannot do.
pub(super) fn socket_of(step: &Step) -> Option<Side> {
    match step {
        Step::CreateBridge { .. }
        | Step::RestoreMac { .. }
        | Step::CreateVeth { .. }
        | Step::NoOwnAddress { .. }
        | Step::SetPortVlan { .. }
        | Step::LeaveVlan { .. }
        | Step::CreateVlan { .. }
        | Step::CreateShared { .. }
        | Step::CreateIpoib { .. }
        | Step::Claim { .. }
        | Step::Release { .. }
        | Step::MoveLink { phy: None, .. }
        | Step::DeleteVlan { .. }
        | Step::DeleteBridge { .. } => Some(Side::Host),
        Step::SetLink { side, .. } | Step::DeleteLink { side, .. } | Step::SetAlias { side, .. } => {
            Some(*side)
        }
        Step::Rename { .. }
        | Step::CreateDummy { .. }
        | Step::ReturnLink { phy: None, .. }
        | Step::SetMac { .. }
        | Step::SetMtu { .. }
        | Step::Finish { .. }
        | Step::ArpNotify { .. }
        | Step::AddAddress { .. }
        | Step::AddHostRoute { .. }
        | Step::AddRoute { .. }
        | Step::SetDefault { .. }
        | Step::AddRule { .. }
        | Step::DeleteRule { .. }
        | Step::RestoreDefault { .. }
        | Step::ReplaceDefault { .. } => Some(Side::Target),
        Step::LinkNamespace { .. }
        | Step::UnlinkNamespace { .. }
        | Step::EnableIpv6 { .. }
        | Step::Probe { .. }
        | Step::AwaitLink { .. }
        | Step::AwaitDetection { .. }
        | Step::Announce { .. }
        | Step::Lease { .. }
        | Step::EndLease { .. }
        | Step::MoveLink { phy: Some(_), .. }
        | Step::ReturnLink { phy: Some(_), .. }
        | Step::RestoreSettings { .. }
        | Step::RestoreAddresses { .. }
        | Step::ClearLink { .. }
        | Step::DeleteLinks { .. }
        | Step::RefillLink { .. }
        | Step::Ovs(_) => None,
    }
}

/// The netlink message of a step.
pub(super) fn request(step: &Step, machine: &mut Machine<'_>) -> Result<Request, KernelError> {
    let index = match step.acts_on() {
        Some((side, name)) => machine.index(side, name)?,
        None => 0,
    };
    Ok(match step {
        Step::CreateBridge { name, mac, filtering } => {
            kernel::create_bridge(name.as_str(), mac.bytes(), *filtering)
        }
        Step::CreateVeth { host_ifname, bridge, ifname, host_mtu, mtu, mac, queues, .. } => {
            let mac = mac.map(crate::spec::Mac::bytes);
            let link = VethLink {
                host_ifname: host_ifname.as_str(),
                bridge: bridge.as_ref().map(|_| index),
                host_mtu: *host_mtu,
                ifname: ifname.as_str(),
                mtu: *mtu,
                mac,
                queues: *queues,
            };
            kernel::create_veth(&link, machine.netns)
        }
        Step::SetPortVlan { vlan, .. } => kernel::set_port_vlan(index, vlan.id()),
        Step::LeaveVlan { vlan, .. } => kernel::leave_vlan(index, vlan.id()),
        Step::CreateVlan { name, vlan, .. } => kernel::create_vlan(index, name.as_str(), vlan.id()),
        Step::CreateShared { ifname, sharing, mtu, mac, queues, .. } => {
            let mac = mac.map(crate::spec::Mac::bytes);
            let (ifname, queues) = (ifname.as_str(), *queues);
            let link = SharedLink { parent: index, ifname, sharing: *sharing, mtu: *mtu, mac, queues };
            kernel::create_shared(&link, machine.netns)
        }
        Step::CreateIpoib { ifname, pkey, .. } => {
            kernel::create_ipoib(index, ifname.as_str(), pkey.map(crate::spec::Pkey::key), machine.netns)
        }
        Step::CreateDummy { ifname, mtu, mac } => {
            kernel::create_dummy(ifname.as_str(), *mtu, mac.map(crate::spec::Mac::bytes))
        }
        Step::SetAlias { side, ifname, alias, .. } => {
            let known = machine.known(*side, ifname).map(|link| link.index);
            kernel::set_alias(ifname.as_str(), known, alias)
        }
        Step::MoveLink { from, to, .. } => {
            machine.forget(Side::Host, from);
            kernel::move_link(index, to.as_str(), machine.netns, kernel::UNFINISHED, None)
        }
        Step::ReturnLink { from, to, .. } => {
            machine.forget(Side::Target, from);
            let number = machine.belongings.as_ref().map(|belongings| belongings.index);
            kernel::move_link(index, to.as_str(), machine.home, 0, number)
        }
        Step::SetMtu { mtu, .. } => kernel::set_mtu(index, *mtu),
        Step::Finish { .. } => kernel::set_group(index, 0),
        Step::Rename { from, to } => {
            machine.rename(from, to);
            kernel::rename_link(index, to.as_str())
        }
        Step::SetLink { up, .. } => kernel::set_link(index, *up),
        Step::Claim { port, claim } => kernel::claim(port.as_str(), &claim.to_string()),
        Step::Release { port, claim } => kernel::release(port.as_str(), &claim.to_string()),
        Step::NoOwnAddress { ifname } => kernel::no_own_address(ifname.as_str()),
        Step::ArpNotify { on, .. } => kernel::set_arp_notify(index, *on),
        Step::AddAddress { net, peer, no_dad, .. } => {
            kernel::add_address(index, *net, *peer, *no_dad && net.addr().is_ipv6())
        }
        Step::AddHostRoute { host, table, .. } => kernel::add_host_route(index, *host, *table),
        Step::AddRoute { route, metric, table, .. } => {
            kernel::add_route(index, route.net, route.gateway, *metric, *table)
        }
        Step::SetDefault { gateway, metric, table, old, .. } => {
            kernel::add_default(index, *gateway, *metric, *table, old.is_some())
        }
        Step::AddRule { rule } => kernel::add_rule(rule.from, rule.table, RULE_PRIORITY),
        Step::DeleteRule { rule } => kernel::delete_rule(rule.from, rule.table, RULE_PRIORITY),
        Step::RestoreDefault { v4, .. } => {
            let route = machine.defaults[usize::from(!v4)].as_ref();
            kernel::restore_default(route.ok_or(Errno::ENOENT)?)
        }
        Step::ReplaceDefault { v4, old, .. } => kernel::add_old_default(index, old, *v4),
        Step::SetMac { mac, .. } | Step::RestoreMac { mac, .. } => kernel::set_mac(index, mac.bytes()),
        Step::DeleteLink { .. } | Step::DeleteVlan { .. } | Step::DeleteBridge { .. } => {
            kernel::delete_link(index)
        }
        Step::LinkNamespace { .. }
        | Step::UnlinkNamespace { .. }
        | Step::EnableIpv6 { .. }
        | Step::AwaitLink { .. }
        | Step::AwaitDetection { .. }
        | Step::Announce { .. }
        | Step::RestoreSettings { .. }
        | Step::RestoreAddresses { .. }
        | Step::Probe { .. }
        | Step::Lease { .. }
        | Step::EndLease { .. }
        | Step::ClearLink { .. }
        | Step::DeleteLinks { .. }
        | Step::RefillLink { .. }
        | Step::Ovs(_) => return Err(Errno::EOPNOTSUPP.into()),
    })
}
