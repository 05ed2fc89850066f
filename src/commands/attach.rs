//! `rpipe [attach] UPLINK TARGET ADDRESS …`

use std::cell::Cell;
use std::fs::File;
use std::time::Duration;

use ipnet::IpNet;
use nix::errno::Errno;
use nix::fcntl::Flock;

use crate::apply::{self, Armed, Cause, UndoFailure};
use crate::checkup;
use crate::cli::AttachWords;
use crate::dhcp::{Lease, Owner};
use crate::error::{Error, Left};
use crate::kernel::{self, KernelError, NetNs};
use crate::leftovers;
use crate::machine::Machine;
use crate::observe::observe;
use crate::plan::{self, Facts, Found, OvsChange, Script, Side, Step};
use crate::report::{self, Report};
use crate::session::{Inside, Session};
use crate::signals::Held;
use crate::spec::{Attach, IfName, UplinkWord, Vlan};
use crate::survey;
use crate::target::Target;
use crate::voice::Voice;

use super::again::again;
use super::detach::take_apart;
use super::mistaken;

/// Attaches a running container.
pub fn attach(words: &AttachWords, session: &mut Session<'_>, voice: Voice<'_>) -> Result<(), Error> {
    let (target, inside) = session
        .reach(&words.target, words.timeout)
        .map_err(|error| mistaken::order(error, &words.target, &words.attach))?;
    let mut machine = open_machine(session, &target, inside, &words.attach)?;
    let outcome = attach_to(words, &target, &mut machine, session, voice);
    let sockets = machine.into_sockets();
    session.leave(&words.target, target, sockets, outcome.is_ok());
    outcome
}

fn attach_to(
    words: &AttachWords,
    target: &Target,
    machine: &mut Machine<'_>,
    session: &mut Session<'_>,
    voice: Voice<'_>,
) -> Result<(), Error> {
    let turn = if words.dry_run { None } else { Some(take_turn(target, session)?) };
    if !words.dry_run {
        session.sweep();
    }
    let mut facts = observe(&words.attach, target, machine)?;
    if has_come_home(words, &facts, session.home) {
        facts = observe(&words.attach, target, machine)?;
    }
    if facts.ifname_taken
        && let Some(present) = survey::present(&facts.ifname, machine)?
    {
        if present.unfinished && !words.dry_run {
            take_away_unfinished(target, &facts.ifname, machine)?;
            facts = observe(&words.attach, target, machine)?;
        } else if present.mark.is_some() {
            return again(words, target, (&facts, &present), machine, session, voice);
        }
    }
    if words.dry_run {
        session.imagined.enrich(&words.attach, &mut facts);
    }
    let steps = plan::attach(&words.attach, &facts).map_err(|refusal| mistaken::uplink(refusal, machine))?;
    let warning = if voice.quiet { None } else { checkup::warning(&facts, machine) };
    if words.dry_run {
        if let Some(warning) = &warning {
            voice.tell(warning);
        }
        session.imagined.learn(&steps, &facts);
        return report::planned(
            &steps,
            &Script::new(&steps, &facts, &namespace_path(target)),
            words.json,
            voice,
        );
    }
    let held = session.hold()?;
    carry_out(words, (target, &facts), &steps, machine, held, voice)?;
    if let Some(warning) = &warning {
        voice.tell(warning);
    }
    session.end_turn(turn);
    Ok(())
}

/// Whether the uplink is an interface that came home from a dead container under another name, and has its own again.
fn has_come_home(words: &AttachWords, facts: &Facts, home: &NetNs) -> bool {
    match (&facts.uplink, &words.attach.uplink) {
        (Found::Nothing { .. }, UplinkWord::Name(name)) if !words.dry_run => {
            // Not where a bridge of that name would be made.
            plan::attach(&words.attach, facts).is_err() && leftovers::bring_home_as(name.as_str(), home)
        }
        _ => false,
    }
}

/// Takes away what an attach has left that was ended in the middle, by SIGKILL.
#[cold]
fn take_away_unfinished(target: &Target, ifname: &IfName, machine: &mut Machine<'_>) -> Result<(), Error> {
    log::info!("{ifname} in {:?} was never finished: it is taken away first", target.name);
    let inventory = survey::inventory(machine)?;
    let unfinished = inventory.attachments.iter().find(|attachment| attachment.ifname == *ifname);
    let steps = unfinished.filter(|it| !it.doubtful).map(plan::detach).unwrap_or_default();
    take_apart(&steps, target, machine)
}

/// Does the steps and tells of it, or undoes them.
pub fn carry_out(
    words: &AttachWords,
    (target, facts): (&Target, &Facts),
    steps: &[Step],
    machine: &mut Machine<'_>,
    held: &Held,
    voice: Voice<'_>,
) -> Result<(), Error> {
    let path = namespace_path(target);
    let script = Script::new(steps, facts, &path);
    let armed = wire(&script, target, machine, held)?;
    // A script hears nothing of what went well, so there nothing is put together.
    if words.json || voice.is_heard() {
        let link = machine.known(Side::Target, &facts.ifname);
        let report = report(&words.attach, target, facts, steps, link, machine.lease.as_ref());
        if let Err(error) = report::attached(&report, words.json, voice) {
            // Whoever asked for the report knows nothing of what was done, so it must not stay.
            return Err(error.with(left(&script, armed.take_back(machine))));
        }
    }
    armed.keep();
    Ok(())
}

/// The namespace rpipe runs in.
pub fn own_namespace() -> Result<NetNs, Error> {
    NetNs::own().map_err(|error| Error::kernel("opening rpipe's own network namespace", error))
}

/// How long another rpipe may work on the same container before this one gives up.
const TURN: Duration = Duration::from_secs(30);

/// Two calls for the same container come one after the other.
pub fn take_turn(target: &Target, session: &Session<'_>) -> Result<Flock<File>, Error> {
    let signal = Cell::new(None);
    let interrupted = || {
        signal.set(session.interrupted());
        signal.get().is_some()
    };
    target.netns.lock(TURN, interrupted).map_err(|error| match signal.get() {
        Some(signal) => Error::Interrupted(signal),
        None => Error::kernel(format!("waiting for another rpipe that works on {:?}", target.name), error),
    })
}

/// Opens both sides for this attach.
pub fn open_machine<'a, 'h: 'a>(
    session: &mut Session<'h>,
    target: &'a Target,
    inside: Option<Inside>,
    asked: &Attach,
) -> Result<Machine<'a>, Error> {
    let mut machine = session.machine(target, inside, asked.speaks(false)).map_err(|error| {
        Error::kernel(format!("entering the network namespace of {:?}", target.name), error)
    })?;
    machine.owner = match &target.process {
        Some(process) => Owner::Process(process),
        None => Owner::Entry(namespace_path(target).into()),
    };
    Ok(machine)
}

/// Does the steps, and makes sure that it was a living container that got them.
pub fn wire(
    script: &Script<'_>,
    target: &Target,
    machine: &mut Machine<'_>,
    held: &Held,
) -> Result<Armed, Error> {
    let applied = apply::apply(script.steps(), machine, held);
    machine.turns.clear();
    machine.network_turn = None;
    match applied {
        Ok(armed) if target.is_alive() => Ok(armed),
        Ok(armed) => {
            // What is left lies in a namespace that is about to go, and goes with it.
            let _ = armed.take_back(machine);
            Err(Error::Died(target.name.clone()))
        }
        Err(failure) => {
            let error = match failure.cause {
                Cause::Signal(signal) => Error::Interrupted(signal),
                Cause::Taken(step, why) => {
                    let tried = match &*step {
                        Step::Claim { claim, .. } => {
                            format!("attaching {:?} to {}", target.name, claim.uplink)
                        }
                        step => format!("{step} of {:?}", target.name),
                    };
                    Error::Taken { tried, why }
                }
                Cause::Lease(step, why) => {
                    Error::Lease { tried: format!("{step} for {:?}", target.name), why }
                }
                Cause::Step(step, error) => Error::Step {
                    tried: format!("{step} for {:?}", target.name),
                    remedy: remedy(&step, &error),
                    error,
                },
            };
            Err(error.with(left(script, failure.left)))
        }
    }
}

/// What could not be undone, each with the command that would.
pub fn left(script: &Script<'_>, failures: Vec<UndoFailure>) -> Vec<Left> {
    let with_command =
        |failure: UndoFailure| Left { command: script.command(&failure.0), failure, is_undo: true };
    failures.into_iter().map(with_command).collect()
}

/// A file of the target's namespace that another program can open.
pub fn namespace_path(target: &Target) -> String {
    match &target.process {
        Some(process) => process.netns_path().display().to_string(),
        None if target.name.starts_with('/') => target.name.clone(),
        None => format!("{}/{}", kernel::ENTRIES, target.name),
    }
}

/// What to do about a refusal that the kernel does not explain well enough.
fn remedy(step: &Step, error: &KernelError) -> Option<&'static str> {
    match (step, error.errno) {
        (Step::CreateVeth { .. } | Step::CreateShared { .. }, Errno::EEXIST) => {
            Some("a name was taken in the meantime: try again, or choose others with -i and -l")
        }
        (Step::Ovs(_), Errno::ETIMEDOUT) => Some("ovs-vswitchd does not answer: is it running?"),
        (Step::Ovs(OvsChange::AddBridge { .. }), _) => Some(
            "without the kernel module openvswitch there can be no such bridge; the log of ovs-vswitchd says more",
        ),
        (Step::CreateVeth { .. }, Errno::EXFULL) => Some("a bridge has at most 1023 ports: use a second one"),
        (Step::CreateShared { .. }, Errno::EBUSY) => {
            Some("the uplink is in use by a bridge, bond, ipvlan or passthru macvlan: name that one instead")
        }
        (
            Step::CreateVlan { .. }
            | Step::CreateShared { .. }
            | Step::CreateIpoib { .. }
            | Step::CreateDummy { .. },
            Errno::EOPNOTSUPP,
        ) => Some("the running kernel cannot do this kind, or its module cannot be loaded"),
        (Step::MoveLink { phy: None, .. }, Errno::EINVAL) => {
            Some("this kind of interface cannot leave its namespace: leave --direct-phys out")
        }
        (Step::SetDefault { .. }, Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
            Some("the gateway is not reachable from these addresses")
        }
        (Step::AddRoute { table: Some(_), .. } | Step::SetDefault { table: Some(_), .. }, Errno::EEXIST) => {
            Some("the table has this route already: choose another with --table")
        }
        (Step::SetDefault { .. }, Errno::EEXIST) => {
            Some("there is a default route of this metric already: choose others with --metric")
        }
        (Step::AddRule { .. }, Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => {
            Some("the running kernel has no policy routing, which --table needs")
        }
        (Step::AddAddress { net, .. }, Errno::EACCES) if net.addr().is_ipv6() => Some(
            "IPv6 was switched off on it: by a setting, or by the kernel because another host has the same MAC address",
        ),
        (Step::AddAddress { .. }, Errno::EADDRINUSE) => {
            Some("another ipvlan on the same uplink has it: choose another address")
        }
        (Step::AwaitDetection { .. }, Errno::UnknownErrno) => {
            Some("choose another, or --no-dad takes it all the same")
        }
        (Step::AddHostRoute { .. }, Errno::EEXIST) => {
            Some("another interface has a route to this gateway already")
        }
        _ => None,
    }
}

/// The default routes that were replaced, in the words of `ip route`, IPv4 first; none when there were none.
fn replaced(steps: &[Step], leased: bool) -> Option<Vec<String>> {
    let old = |step: &Step| match step {
        Step::SetDefault { old: Some(old), gateway, .. } => {
            Some(old.in_words(plan::usual_metric(gateway.is_ipv4())))
        }
        Step::Lease { old: Some(old), .. } if leased => Some(old.in_words(plan::usual_metric(true))),
        _ => None,
    };
    Some(steps.iter().filter_map(old).collect::<Vec<_>>()).filter(|old| !old.is_empty())
}

pub fn report(
    asked: &Attach,
    target: &Target,
    facts: &Facts,
    steps: &[Step],
    link: Option<&kernel::Link>,
    lease: Option<&Lease>,
) -> Report {
    let created = steps.iter().find_map(|step| match step {
        Step::CreateVeth { host_ifname, .. } => Some(("veth", Some(host_ifname.to_string()))),
        Step::CreateShared { sharing, .. } => Some((sharing.kind(), None)),
        Step::CreateIpoib { .. } => Some(("ipoib", None)),
        Step::CreateDummy { .. } => Some(("dummy", None)),
        Step::MoveLink { .. } => Some(("physical", None)),
        _ => None,
    });
    let (kind, host_ifname) = created.unwrap_or(("none", None));
    let uplink = match &facts.uplink {
        Found::Link(uplink) => uplink.name.to_string(),
        Found::Nothing { .. } | Found::OvsWithoutLink(_) => asked.uplink.to_string(),
    };
    // What was asked for comes after the link was looked at, where it is not made with it.
    let mac = asked.link_address.mac.as_ref().map(|word| word.mac().to_string());
    let leased = lease.map(|lease| IpNet::from(lease.net).into());
    let hops = plan::routing(asked).hops;
    let router = lease.filter(|_| asked.leases_default()).and_then(|lease| lease.router).map(Into::into);
    Report {
        target: target.name.clone(),
        runtime: target.runtime.as_str(),
        id: target.id.clone(),
        shares: target.shares.clone(),
        pid: facts.pid,
        ifname: facts.ifname.to_string(),
        host_ifname,
        uplink,
        kind: kind.to_owned(),
        addresses: asked.addresses.own().chain(leased).map(|own| own.to_string()).collect(),
        gateways: hops
            .iter()
            .map(|hop| hop.gateway)
            .chain(router)
            .map(|gateway| gateway.to_string())
            .collect(),
        replaced_default: replaced(steps, router.is_some()),
        table: asked.table,
        mac: mac.or_else(|| link.map(kernel::Link::mac)),
        mtu: asked.mtu.or(link.map(|link| link.mtu)),
        vlan: facts.vlan.map(Vlan::id),
        changed: true,
    }
}
