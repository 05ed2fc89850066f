//! `rpipe detach TARGET [-i IFNAME | --all]`: what an attach did is taken back.

use crate::apply::{self, UndoFailure};
use crate::cli::DetachWords;
use crate::error::{Error, Left};
use crate::kernel::{self, Link, NetNs};
use crate::leftovers;
use crate::machine::Machine;
use crate::plan::{self, Attachment, Script, Step};
use crate::report::{self, Detached};
use crate::session::{Inside, Session};
use crate::spec::IfName;
use crate::survey::{self, Inventory};
use crate::target::Target;
use crate::voice::Voice;

use super::attach::{namespace_path, take_turn};

/// Takes attachments of a container apart. A container that is gone has none any more, and that is fine.
#[inline(never)]
pub fn detach(words: &DetachWords, session: &mut Session<'_>, voice: Voice<'_>) -> Result<(), Error> {
    let (target, inside) = match session.reach(&words.target, words.timeout) {
        Ok(reached) => reached,
        Err(error) if error.is_gone() => {
            voice.tell(&format_args!("{error}: nothing to detach"));
            if !words.dry_run {
                kernel::sweep_entries();
                leftovers::bring_home(session.home);
            }
            return report::detached(&[], words.json, Voice { quiet: true, ..voice });
        }
        Err(error) => return Err(error.into()),
    };
    let mut machine = open_machine(session, &target, inside)?;
    let outcome = detach_from(words, &target, &mut machine, session, voice);
    let sockets = machine.into_sockets();
    session.leave(&words.target, target, sockets, outcome.is_ok());
    outcome
}

/// Opens both sides for a detach.
pub fn open_machine<'a, 'h: 'a>(
    session: &mut Session<'h>,
    target: &'a Target,
    inside: Option<Inside>,
) -> Result<Machine<'a>, Error> {
    session
        .machine(target, inside, false)
        .map_err(|error| Error::kernel(format!("entering the network namespace of {:?}", target.name), error))
}

fn detach_from(
    words: &DetachWords,
    target: &Target,
    machine: &mut Machine<'_>,
    session: &mut Session<'_>,
    voice: Voice<'_>,
) -> Result<(), Error> {
    let _turn = if words.dry_run { None } else { Some(take_turn(target, session)?) };
    if !words.dry_run {
        session.tidy();
    }
    let inventory = survey::inventory(machine)?;
    let chosen = choose(words, target, &inventory)?;
    let names: Vec<IfName> = chosen.iter().map(|attachment| attachment.ifname.clone()).collect();
    let with_vlan = |attachment| with_vlan(attachment, (&inventory, &names), session.home, target);
    let attachments: Vec<Attachment> = chosen.into_iter().map(with_vlan).collect();
    let steps = steps(target, &attachments, &inventory);
    if words.dry_run {
        let script = Script::of_path(&steps, &namespace_path(target));
        return report::planned(&steps, &script, words.json, voice);
    }
    session.hold()?;
    let outcome = take_apart(&steps, target, machine);
    session.release();
    outcome?;
    let done: Vec<Detached> = attachments.iter().map(|attachment| detached(attachment, target)).collect();
    report::detached(&done, words.json, voice)
}

/// The steps that take these of a container's attachments apart; the name of its namespace goes with the last one.
pub fn steps(target: &Target, going: &[Attachment], inventory: &Inventory) -> Vec<Step> {
    let goes = |it: &Attachment| going.iter().any(|going| going.ifname == it.ifname);
    let staying: Vec<_> = inventory.attachments.iter().filter(|it| !goes(it)).cloned().collect();
    let mut steps = plan::detach_all(going, &staying);
    if let (true, Some(entry), Some(process)) = (staying.is_empty(), &target.entry, &target.process) {
        steps.push(plan::unlink(entry, process.pid()));
    }
    steps
}

/// Does the steps, after which no link is known any more. What could not be done is the error, each with the command that
/// would do it.
pub fn take_apart(steps: &[Step], target: &Target, machine: &mut Machine<'_>) -> Result<(), Error> {
    let failures = apply::take_apart(steps, machine);
    machine.forget_all();
    undone(target, failures)
}

/// What could not be taken apart.
pub fn undone(target: &Target, failures: Vec<UndoFailure>) -> Result<(), Error> {
    if failures.is_empty() {
        return Ok(());
    }
    let script = Script::of_path(&[], &namespace_path(target));
    let left = |failure: UndoFailure| Left { command: script.command(&failure.0), failure, is_undo: false };
    Err(Error::Detach { target: target.name.clone(), left: failures.into_iter().map(left).collect() })
}

/// Which of them: the one that is named, all, or the only one.
pub fn choose(words: &DetachWords, target: &Target, inventory: &Inventory) -> Result<Vec<Attachment>, Error> {
    let chosen = named(words, target, inventory)?;
    match chosen.iter().find(|attachment| attachment.doubtful) {
        None => Ok(chosen),
        Some(doubtful) => Err(Error::Doubtful {
            target: target.name.clone(),
            ifname: doubtful.ifname.to_string(),
            command: Script::of_path(&[], &namespace_path(target)).command(&Step::ReturnLink {
                from: doubtful.ifname.clone(),
                to: doubtful.ifname.clone(),
                phy: None,
            }),
        }),
    }
}

fn named(words: &DetachWords, target: &Target, inventory: &Inventory) -> Result<Vec<Attachment>, Error> {
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

pub fn detached(attachment: &Attachment, target: &Target) -> Detached {
    Detached {
        target: target.name.clone(),
        runtime: target.runtime.as_str(),
        ifname: attachment.ifname.to_string(),
        uplink: attachment.present.uplink.as_ref().map(ToString::to_string),
        kind: attachment.present.kind.clone(),
        changed: true,
    }
}
