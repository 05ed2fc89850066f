//! The plan of a detach: an attachment taken apart, and what it had replaced put back.

use crate::spec::{EntryName, IfName, Nic, OldDefault};

use super::{OvsChange, Present, Side, Step};

/// An attachment with what the host knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The container's interface.
    pub ifname: IfName,
    /// How it is.
    pub present: Present,
    /// Whether the host's end is a port of Open vSwitch.
    pub ovs: bool,
    /// Whether it says to come from the host, and nothing but its mark says so. A container could have made it, and would
    /// get an interface on the host that way.
    pub doubtful: bool,
    /// The 802.1Q interface of ours under it, when nobody else uses that.
    pub vlan_link: Option<IfName>,
}

/// The steps that take an attachment apart. What comes later is done even when something before it fails: each step that
/// works leaves less behind.
#[must_use]
pub fn detach(attachment: &Attachment) -> Vec<Step> {
    let Attachment { ifname, present, ovs, vlan_link, .. } = attachment;
    let mut steps = Vec::new();
    let nic = present.mark.as_ref().and_then(|mark| mark.nic.as_ref());
    if let Some(nic) = nic {
        home(&mut steps, ifname, nic);
    } else {
        let port = present.host_ifname.clone().filter(|_| *ovs);
        steps.extend(port.map(|port| Step::Ovs(OvsChange::DeletePort { bridge: None, port })));
        steps.push(Step::DeleteLink { side: Side::Target, ifname: ifname.clone() });
    }
    steps.extend(vlan_link.clone().map(|ifname| Step::DeleteLink { side: Side::Host, ifname }));
    let old = present.mark.as_ref().map(|mark| mark.old.clone()).unwrap_or_default();
    for (v4, old) in [true, false].into_iter().zip(old) {
        steps.extend(old.and_then(|old| replace(v4, old)));
    }
    steps
}

fn replace(v4: bool, old: OldDefault) -> Option<Step> {
    let dev = old.dev.clone()?;
    Some(Step::ReplaceDefault { v4, dev, old })
}

/// An interface that was moved goes home as it came.
fn home(steps: &mut Vec<Step>, ifname: &IfName, nic: &Nic) {
    let inside = || ifname.clone();
    steps.push(Step::SetLink { side: Side::Target, ifname: inside(), up: false });
    steps.extend(nic.mac.map(|mac| Step::SetMac { ifname: inside(), mac, old: None }));
    steps.push(Step::SetMtu { ifname: inside(), mtu: nic.mtu, old: nic.mtu });
    let alias = nic.old_alias().to_owned();
    steps.push(Step::SetAlias { side: Side::Target, ifname: inside(), alias, old: None });
    steps.push(Step::ReturnLink { from: inside(), to: nic.name.clone(), phy: nic.phy });
    if nic.up {
        steps.push(Step::SetLink { side: Side::Host, ifname: nic.name.clone(), up: true });
    }
}

/// The name of the namespace goes with the last attachment.
#[must_use]
pub fn unlink(entry: &EntryName, pid: i32) -> Step {
    Step::UnlinkNamespace { entry: entry.clone(), pid }
}
