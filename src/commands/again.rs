//! An attach of what is attached already: the same words change nothing, other words are told or, with `--replace`, done.

use crate::cli::AttachWords;
use crate::error::Error;
use crate::machine::Machine;
use crate::observe::observe;
use crate::plan::{self, Facts, Present, Refusal, Script, Step};
use crate::report::{self, Report};
use crate::session::Session;
use crate::signals::Held;
use crate::spec::OwnAddress;
use crate::survey;
use crate::target::Target;
use crate::voice::Voice;

use super::attach::{carry_out, namespace_path, report, wire};
use super::detach::{take_apart, with_vlan};

/// Looks at what is there: equal, different, or to be replaced.
#[inline(never)]
pub fn again(
    words: &AttachWords,
    target: &Target,
    (facts, present): (&Facts, &Present),
    machine: &mut Machine<'_>,
    session: &mut Session<'_>,
    voice: Voice<'_>,
) -> Result<(), Error> {
    let differences = plan::differences(&words.attach, facts, present);
    if differences.is_empty() {
        return unchanged(words, target, facts, present, voice);
    }
    if !words.replace {
        let (target, ifname) = (target.name.clone(), facts.ifname.to_string());
        return Err(Refusal::Differs { target, ifname, differences }.into());
    }
    let had: Vec<_> = present.addresses.iter().map(OwnAddress::ip).collect();
    plan::free(&words.attach, facts, &had)?;
    if plan::in_place(&differences, facts) && words.attach.addresses.dhcp().is_none() {
        return in_place(words, target, (facts, present), machine, session, voice);
    }
    by_a_new_link(words, target, (facts, present), machine, session, voice)
}

fn unchanged(
    words: &AttachWords,
    target: &Target,
    facts: &Facts,
    present: &Present,
    voice: Voice<'_>,
) -> Result<(), Error> {
    if words.dry_run {
        return report::planned(&[], &Script::new(&[], facts, &namespace_path(target)), words.json, voice);
    }
    let report = Report {
        host_ifname: present.host_ifname.as_ref().map(ToString::to_string),
        kind: kind(words, present),
        mac: present.mac.map(|mac| mac.to_string()),
        mtu: Some(present.mtu),
        changed: false,
        addresses: present.addresses.iter().map(ToString::to_string).collect(),
        gateways: present.hops.iter().map(|hop| hop.gateway.to_string()).collect(),
        ..report(&words.attach, target, facts, &[], None, None)
    };
    report::attached(&report, words.json, voice)
}

fn kind(words: &AttachWords, present: &Present) -> String {
    if words.attach.direct { "physical".to_owned() } else { present.kind.clone() }
}

/// The link stays up: only what it carries is changed.
fn in_place(
    words: &AttachWords,
    target: &Target,
    (facts, present): (&Facts, &Present),
    machine: &mut Machine<'_>,
    session: &mut Session<'_>,
    voice: Voice<'_>,
) -> Result<(), Error> {
    // Where it speaks IPv6 already, it goes on doing so.
    if !present.addresses.iter().any(|own| own.ip().is_ipv6()) {
        plan::speaks_ipv6(&words.attach, facts)?;
    }
    let steps = plan::replace(&words.attach, facts, present);
    let path = namespace_path(target);
    let script = Script::new(&steps, facts, &path);
    if words.dry_run {
        return report::planned(&steps, &script, words.json, voice);
    }
    let held = session.hold()?;
    wire(&script, target, machine, held)?.keep();
    let report = Report {
        host_ifname: present.host_ifname.as_ref().map(ToString::to_string),
        kind: kind(words, present),
        mac: words
            .attach
            .link_address
            .mac
            .as_ref()
            .map(|word| word.mac().to_string())
            .or_else(|| present.mac.map(|mac| mac.to_string())),
        mtu: words.attach.mtu.or(Some(present.mtu)),
        ..report(&words.attach, target, facts, &steps, None, None)
    };
    report::attached(&report, words.json, voice)
}

/// The old link goes, a new one comes; if it cannot, the old one is made again.
fn by_a_new_link(
    words: &AttachWords,
    target: &Target,
    (facts, present): (&Facts, &Present),
    machine: &mut Machine<'_>,
    session: &mut Session<'_>,
    voice: Voice<'_>,
) -> Result<(), Error> {
    let asked = &words.attach;
    let mut freed = facts.clone();
    freed.ifname_taken = false;
    freed.host_ifname_taken &= asked.host_ifname.as_ref() != present.host_ifname.as_ref();
    // What is known to fail is known before anything is taken away.
    let planned = plan::attach(asked, &freed)?;
    let inventory = survey::inventory(machine)?;
    let attachment = inventory.attachments.iter().find(|attachment| attachment.ifname == facts.ifname);
    let old = attachment.map(|attachment| {
        let going = [attachment.ifname.clone()];
        with_vlan(attachment.clone(), (&inventory, &going), session.home, target)
    });
    let taking = old.as_ref().filter(|old| !old.doubtful).map(plan::detach).unwrap_or_default();
    if words.dry_run {
        let steps: Vec<Step> = taking.into_iter().chain(planned).collect();
        return report::planned(
            &steps,
            &Script::new(&steps, &freed, &namespace_path(target)),
            words.json,
            voice,
        );
    }
    let held = session.hold()?;
    take_apart(&taking, target, machine)?;
    let outcome = observe(asked, target, machine).and_then(|facts| {
        let steps = plan::attach(asked, &facts)?;
        carry_out(words, (target, &facts), &steps, machine, held, voice)
    });
    let Err(error) = outcome else { return Ok(()) };
    machine.forget_all();
    match make_again(words, target, present, machine, held) {
        Ok(()) => Err(error),
        Err(why) => Err(Error::NotBack { error: Box::new(error), why: Box::new(why) }),
    }
}

/// The attachment as it was.
fn make_again(
    words: &AttachWords,
    target: &Target,
    present: &Present,
    machine: &mut Machine<'_>,
    held: &Held,
) -> Result<(), Error> {
    let old = present.as_asked(&words.attach);
    let facts = observe(&old, target, machine)?;
    let steps = plan::attach(&old, &facts)?;
    let path = namespace_path(target);
    wire(&Script::new(&steps, &facts, &path), target, machine, held)?.keep();
    Ok(())
}
