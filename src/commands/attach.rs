//! `rpipe [attach] UPLINK TARGET ADDRESS …`

use std::fs::File;
use std::time::Duration;

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
use crate::signals::{ENDING, Held};
use crate::spec::{Attach, IfName, UplinkWord, Vlan};
use crate::survey;
use crate::target::{LOOKUP_LIMIT, Target};

use super::again::again;
use super::detach::take_apart;

/// Attaches a running container.
pub fn attach(words: &AttachWords, quiet: bool) -> Result<(), Error> {
    let home = own_namespace()?;
    let target = Target::open(&words.target, &home, words.timeout.unwrap_or(LOOKUP_LIMIT))?;
    let mut machine = open_machine(&home, &target, &words.attach)?;
    let turn = if words.dry_run { None } else { Some(take_turn(&target)?) };
    if !words.dry_run {
        kernel::sweep_entries();
    }
    let mut facts = observe(&words.attach, &target, &mut machine)?;
    if has_come_home(words, &facts, &home) {
        facts = observe(&words.attach, &target, &mut machine)?;
    }
    if facts.ifname_taken
        && let Some(present) = survey::present(&facts.ifname, &mut machine)?
    {
        if present.unfinished && !words.dry_run {
            take_away_unfinished(&target, &facts.ifname, &mut machine)?;
            facts = observe(&words.attach, &target, &mut machine)?;
        } else if present.mark.is_some() {
            return again(words, (&target, &home), (&facts, &present), &mut machine, quiet);
        }
    }
    let steps = plan::attach(&words.attach, &facts)?;
    let warning = if quiet { None } else { checkup::warning(&facts, &mut machine) };
    if words.dry_run {
        warning.iter().for_each(report::tell);
        return report::planned(&steps, &Script::new(&steps, &facts, &namespace_path(&target)), words.json);
    }
    let held = Held::hold(&ENDING).map_err(|error| Error::kernel("holding signals back", error))?;
    carry_out(words, (&target, &facts), &steps, &mut machine, &held, quiet)?;
    warning.iter().for_each(report::tell);
    // The process ends here, and the kernel closes everything at once, faster than we can one by one.
    std::mem::forget((machine, held, turn));
    std::mem::forget((target, home));
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
    quiet: bool,
) -> Result<(), Error> {
    let path = namespace_path(target);
    let script = Script::new(steps, facts, &path);
    let armed = wire(&script, target, machine, held)?;
    let link = machine.known(Side::Target, &facts.ifname);
    let report = report(&words.attach, target, facts, steps, link, machine.lease.as_ref());
    if let Err(error) = report::attached(&report, words.json, quiet) {
        // Whoever asked for the report knows nothing of what was done, so it must not stay.
        return Err(error.with(left(&script, armed.take_back(machine))));
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
pub fn take_turn(target: &Target) -> Result<Flock<File>, Error> {
    target.netns.lock(TURN).map_err(|error| {
        Error::kernel(format!("waiting for another rpipe that works on {:?}", target.name), error)
    })
}

/// Opens both sides for this attach.
pub fn open_machine<'a>(home: &'a NetNs, target: &'a Target, asked: &Attach) -> Result<Machine<'a>, Error> {
    let mut machine = Machine::open(home, &target.netns, asked.speaks(false)).map_err(|error| {
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
    match apply::apply(script.steps(), machine, held) {
        Ok(armed) if target.is_alive() => Ok(armed),
        Ok(armed) => {
            // What is left lies in a namespace that is about to go, and goes with it.
            let _ = armed.take_back(machine);
            Err(Error::Died(target.name.clone()))
        }
        Err(failure) => {
            let error = match failure.cause {
                Cause::Signal(signal) => Error::Interrupted(signal),
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
        (Step::AddHostRoute { .. }, Errno::EEXIST) => {
            Some("another interface has a route to this gateway already")
        }
        _ => None,
    }
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
    let leased = lease.map(|lease| lease.net.into());
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
        addresses: asked.addresses.nets().chain(leased).map(|net| net.to_string()).collect(),
        gateways: asked.defaults().iter().chain(router).map(|gateway| gateway.to_string()).collect(),
        mac: mac.or_else(|| link.map(kernel::Link::mac)),
        mtu: asked.mtu.or(link.map(|link| link.mtu)),
        vlan: facts.vlan.map(Vlan::id),
        changed: true,
    }
}
