//! `rpipe detach TARGET [-i IFNAME | --all]`: what an attach did is taken back.

use crate::apply::{self, UndoFailure};
use crate::cli::DetachWords;
use crate::error::{Error, Left};
use crate::kernel::{self, Link, NetNs};
use crate::leftovers;
use crate::machine::Machine;
use crate::plan::{self, Attachment, Script, Step};
use crate::report::{self, Detached};
use crate::signals::{ENDING, Held};
use crate::spec::IfName;
use crate::survey::{self, Inventory};
use crate::target::{LOOKUP_LIMIT, Target};

use super::attach::{namespace_path, own_namespace, take_turn};

/// Takes attachments of a container apart. A container that is gone has none any more, and that is fine.
#[inline(never)]
pub fn detach(words: &DetachWords, quiet: bool) -> Result<(), Error> {
    let home = own_namespace()?;
    let target = match Target::open(&words.target, &home, words.timeout.unwrap_or(LOOKUP_LIMIT)) {
        Ok(target) => target,
        Err(error) if error.is_gone() => {
            if !quiet {
                report::tell(&format!("{error}: nothing to detach"));
            }
            kernel::sweep_entries();
            leftovers::bring_home(&home);
            return report::detached(&[], words.json, true);
        }
        Err(error) => return Err(error.into()),
    };
    let mut machine = Machine::open(&home, &target.netns, false).map_err(|error| {
        Error::kernel(format!("entering the network namespace of {:?}", target.name), error)
    })?;
    let _turn = take_turn(&target)?;
    kernel::sweep_entries();
    leftovers::bring_home(&home);
    let inventory = survey::inventory(&mut machine)?;
    let chosen = choose(words, &target, &inventory)?;
    if let Some(doubtful) = chosen.iter().find(|attachment| attachment.doubtful) {
        return Err(Error::Doubtful {
            target: target.name.clone(),
            ifname: doubtful.ifname.to_string(),
            command: Script::of_path(&[], &namespace_path(&target)).command(&Step::ReturnLink {
                from: doubtful.ifname.clone(),
                to: doubtful.ifname.clone(),
                phy: None,
            }),
        });
    }
    let last = inventory.attachments.len() == chosen.len();
    let names: Vec<IfName> = chosen.iter().map(|attachment| attachment.ifname.clone()).collect();
    let with_vlan = |attachment| with_vlan(attachment, (&inventory, &names), &home, &target);
    let attachments: Vec<Attachment> = chosen.into_iter().map(with_vlan).collect();
    let held = Held::hold(&ENDING).map_err(|error| Error::kernel("holding signals back", error))?;
    let mut staying = inventory.attachments.clone();
    staying.retain(|attachment| !names.contains(&attachment.ifname));
    let mut steps = plan::detach_all(&attachments, &staying);
    if let (true, Some(entry), Some(process)) = (last, &target.entry, &target.process) {
        steps.push(plan::unlink(entry, process.pid()));
    }
    let outcome = take_apart(&steps, &target, &mut machine);
    drop(held);
    outcome?;
    let done: Vec<Detached> = attachments.iter().map(|attachment| detached(attachment, &target)).collect();
    report::detached(&done, words.json, quiet)
}

/// Does the steps, after which no link is known any more. What could not be done is the error, each with the command that
/// would do it.
pub fn take_apart(steps: &[Step], target: &Target, machine: &mut Machine<'_>) -> Result<(), Error> {
    let failures = apply::take_apart(steps, machine);
    machine.forget_all();
    if failures.is_empty() {
        return Ok(());
    }
    let path = namespace_path(target);
    let script = Script::of_path(&[], &path);
    let left = |failure: UndoFailure| Left { command: script.command(&failure.0), failure, is_undo: false };
    Err(Error::Detach { target: target.name.clone(), left: failures.into_iter().map(left).collect() })
}

/// Which of them: the one that is named, all, or the only one.
fn choose(words: &DetachWords, target: &Target, inventory: &Inventory) -> Result<Vec<Attachment>, Error> {
    let all = &inventory.attachments;
    if words.all {
        return Ok(all.clone());
    }
    let Some(ifname) = &words.ifname else {
        return match all.as_slice() {
            [] | [_] => Ok(all.clone()),
            several => {
                let ifnames = several.iter().map(|it| it.ifname.to_string()).collect();
                Err(Error::WhichOne { target: target.name.clone(), names: ifnames })
            }
        };
    };
    let found: Vec<_> = all.iter().filter(|it| it.ifname == *ifname).cloned().collect();
    if found.is_empty() && inventory.others.contains(ifname) {
        return Err(Error::NotOurs { target: target.name.clone(), ifname: ifname.to_string() });
    }
    Ok(found)
}

/// Adds the 802.1Q interface under it when nobody but those that go is on that.
pub fn with_vlan(
    mut attachment: Attachment,
    (inventory, going): (&Inventory, &[IfName]),
    home: &NetNs,
    target: &Target,
) -> Attachment {
    let vlan = inventory.vlan_links.iter().find(|(ifname, _)| *ifname == attachment.ifname);
    attachment.vlan_link = vlan.and_then(|(_, link)| {
        let stays = |(ifname, other): &(IfName, Link)| other.index == link.index && !going.contains(ifname);
        let used = inventory.vlan_links.iter().any(stays)
            || survey::is_used_elsewhere(link.index, home, &target.netns);
        (!used).then(|| link.name.parse().ok()).flatten()
    });
    attachment
}

fn detached(attachment: &Attachment, target: &Target) -> Detached {
    Detached {
        target: target.name.clone(),
        runtime: target.runtime.as_str(),
        ifname: attachment.ifname.to_string(),
        uplink: attachment.present.uplink.as_ref().map(ToString::to_string),
        kind: attachment.present.kind.clone(),
        changed: true,
    }
}
