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
    /// The container's number of it.
    pub index: u32,
    /// The number of the host's end of a veth pair that carries our mark, where deleting that is enough.
    pub host_end: Option<u32>,
}

/// The steps that take an attachment apart. What comes later is done even when something before it fails: each step that
/// works leaves less behind.
#[must_use]
pub fn detach(attachment: &Attachment) -> Vec<Step> {
    let Attachment { ifname, present, ovs, vlan_link, .. } = attachment;
    // They outlive the link and its routes.
    let mut steps: Vec<Step> = present.rules.iter().map(|rule| Step::DeleteRule { rule: *rule }).collect();
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

/// The steps that take several attachments of one container apart, `others` staying. Links that are deleted go together,
/// which costs the kernel no more time than one of them. Routes come after all links, or one would be put back over a link
/// that is about to go. An attachment that stays and would put one of the routes back that go now inherits what that one
/// had replaced.
#[must_use]
pub fn detach_all(chosen: &[Attachment], others: &[Attachment]) -> Vec<Step> {
    let all: Vec<Step> = chosen.iter().flat_map(detach).collect();
    let (routes, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|step| matches!(step, Step::ReplaceDefault { .. }));
    let mut steps = Vec::new();
    let mut together = Vec::new();
    for step in rest {
        match step {
            Step::DeleteLink { side: Side::Target, ifname } if chosen.len() > 1 => together.push(ifname),
            // What is under a link goes after it.
            Step::DeleteLink { side: Side::Host, .. } if !together.is_empty() => {
                steps.push(Step::DeleteLinks { ifnames: std::mem::take(&mut together) });
                steps.push(step);
            }
            step => steps.push(step),
        }
    }
    if !together.is_empty() {
        steps.push(Step::DeleteLinks { ifnames: together });
    }
    steps.extend(routes);
    steps.extend(others.iter().filter_map(|other| inherit(other, chosen)));
    steps
}

/// The mark of an attachment that stays, when a link that goes has the default route which it would put back.
fn inherit(other: &Attachment, chosen: &[Attachment]) -> Option<Step> {
    let was = other.present.mark.as_ref()?;
    let mut mark = was.clone();
    for family in 0..mark.old.len() {
        // At most one step a link that goes: a mark could be forged to lead in a circle.
        for _ in chosen {
            let dev = mark.old[family].as_ref().and_then(|old| old.dev.as_ref());
            let gone = chosen.iter().find(|gone| Some(&gone.ifname) == dev);
            let Some(gone) = gone else { break };
            mark.old[family] = gone.present.mark.as_ref().and_then(|mark| mark.old[family].clone());
        }
    }
    let (ifname, alias) = (other.ifname.clone(), mark.to_string());
    (mark != *was).then_some(Step::SetAlias { side: Side::Target, ifname, alias, old: None })
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
