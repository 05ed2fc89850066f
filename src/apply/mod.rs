//! Runs steps, remembers the undo of each that worked, and runs those backwards when one fails.
//!
//! IO. Steps of one side that follow each other travel in one datagram. A step whose outcome is unknown
//! counts as done for the undo: taking back what was never there is no error.

mod batch;
mod message;
mod neighbours;
mod perform;

use log::{info, warn};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::dhcp;
use crate::kernel::{self, EntryState, KernelError};
use crate::machine::Machine;
use crate::ovs;
use crate::plan::{LeaseRequest, OvsChange, Side, Step};
use crate::probe;
use crate::signals::Held;
use crate::spec::IfName;
use crate::survey;

use batch::Batch;
use message::{request, socket_of};
use neighbours::Along;
use perform::perform;

/// The undo of everything that was done, armed until it is dropped.
#[derive(Debug, Default)]
pub struct Armed {
    undo: Vec<Step>,
    /// Whether `/var/run/netns` had to be made.
    directory_made: bool,
    /// Whether taking back is what was asked for.
    asked_for: bool,
    /// What sees to a DHCP client.
    keeper: Option<dhcp::Keeper>,
}

/// Why the steps did not all work.
#[derive(Debug)]
pub enum Cause {
    /// A step failed.
    Step(Box<Step>, KernelError),
    /// There is no lease, and why.
    Lease(Box<Step>, String),
    /// Somebody has an address, or whether somebody has one cannot be said: in words.
    Taken(Box<Step>, String),
    /// A signal arrived between two steps.
    Signal(Signal),
}

/// An undo that did not work: the step and the kernel's words.
pub type UndoFailure = (Step, KernelError);

/// Steps that failed, and what became of the undo.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong.
    pub cause: Cause,
    /// What could not be taken back.
    pub left: Vec<UndoFailure>,
}

/// Does all steps, or none.
///
/// # Errors
/// The first step that failed, or a signal; everything that was done before has then been undone.
pub fn apply(steps: &[Step], machine: &mut Machine<'_>, held: &Held) -> Result<Armed, Failure> {
    let mut armed = Armed::default();
    match run(steps, machine, held, &mut armed) {
        Ok(()) => Ok(armed),
        Err(cause) => Err(Failure { left: armed.take_back(machine), cause }),
    }
}

/// Does steps that take something apart, in their order, and tells which ones did not work. Goes on after a failure: each
/// step that works leaves less behind. What is gone already is no failure.
#[must_use]
pub fn take_apart(steps: &[Step], machine: &mut Machine<'_>) -> Vec<UndoFailure> {
    let undo = steps.iter().rev().cloned().collect();
    Armed { undo, asked_for: true, ..Armed::default() }.take_back(machine)
}

fn run(steps: &[Step], machine: &mut Machine<'_>, held: &Held, armed: &mut Armed) -> Result<(), Cause> {
    // Whoever answers when an address comes must be heard.
    if let Some(step) = steps.iter().find(|step| matches!(step, Step::AwaitDetection { asked: true, .. })) {
        machine.listen().map_err(|error| Cause::Step(Box::new(step.clone()), error))?;
    }
    let mut batch = Batch::default();
    let mut rest = steps;
    while let Some((step, later)) = rest.split_first() {
        let failed = |error| Cause::Step(Box::new(step.clone()), error);
        if let Some((along, requests)) = Along::of(rest, machine) {
            rest = rest.get(along.steps.len()..).unwrap_or_default();
            batch.turn_to(Side::Target, machine, held, armed)?;
            batch.take_along(along, requests);
            continue;
        }
        rest = later;
        let Some(side) = socket_of(step) else {
            batch.send(machine, held, armed)?;
            if let Step::Lease { ifname, request, old } = step {
                // A lease can come and be set, and something fail after that.
                done(step, armed);
                lease((ifname, request), old.is_some(), machine, held, armed).map_err(
                    |failure| match failure {
                        dhcp::Failure::Signal(signal) => Cause::Signal(signal),
                        dhcp::Failure::Kernel(error) => failed(error),
                        dhcp::Failure::Said(why) => Cause::Lease(Box::new(step.clone()), why),
                        dhcp::Failure::Late => {
                            let LeaseRequest { limit, uplink, .. } = &**request;
                            let why =
                                format!("no answer within {limit:?} (is there a DHCP server on {uplink}?)");
                            Cause::Lease(Box::new(step.clone()), why)
                        }
                    },
                )?;
                continue;
            }
            if let Step::Probe { ifname, addresses, full } = step {
                info!("{step}");
                probe::probe(machine, ifname, (addresses, *full), held).map_err(|failure| match failure {
                    probe::Failure::Signal(signal) => Cause::Signal(signal),
                    probe::Failure::Kernel(error) => failed(error),
                    probe::Failure::Said(why) => Cause::Taken(Box::new(step.clone()), why),
                })?;
                continue;
            }
            if let Some(outcome) = neighbours::perform(step, machine, held) {
                outcome.map_err(|stopped| stopped.at(step))?;
                done(step, armed);
                continue;
            }
            match perform(step, machine, armed) {
                Err(error) if error.errno == Errno::EEXIST && is_done(step, machine) => {}
                result => {
                    result.map_err(failed)?;
                    done(step, armed);
                }
            }
            continue;
        };
        let unknown = step.acts_on().is_some_and(|(at, name)| machine.known(at, name).is_none());
        if unknown {
            batch.send(machine, held, armed)?;
        }
        batch.turn_to(side, machine, held, armed)?;
        batch.add(step, request(step, machine).map_err(failed)?);
    }
    batch.send(machine, held, armed)
}

/// Has a DHCP client get a lease.
fn lease(
    what: (&IfName, &LeaseRequest),
    replace: bool,
    machine: &mut Machine<'_>,
    held: &Held,
    armed: &mut Armed,
) -> Result<(), dhcp::Failure> {
    let sides = (machine.netns, machine.home);
    let (keeper, lease) = dhcp::start(sides, &machine.owner, what, replace, held)?;
    info!("leased {lease}");
    armed.keeper = Some(keeper);
    machine.lease = Some(lease);
    Ok(())
}

/// Whether somebody else, most likely another rpipe, has done the same just now. Then it is not ours to undo.
fn is_done(step: &Step, machine: &mut Machine<'_>) -> bool {
    match step {
        Step::LinkNamespace { entry, .. } => {
            kernel::look_up_entry(entry.as_str(), machine.netns) == EntryState::Right
        }
        Step::CreateVlan { parent, name, vlan } => {
            let parent = machine.index(Side::Host, parent).ok();
            let link = kernel::find_link(&mut machine.host, name.as_str()).ok().flatten();
            link.is_some_and(|link| link.vlan == Some(vlan.id()) && link.lower == parent)
        }
        Step::CreateBridge { name, .. } => {
            let link = kernel::find_link(&mut machine.host, name.as_str()).ok().flatten();
            link.is_some_and(|link| link.kind.as_deref() == Some("bridge"))
        }
        // One that outlived a link that somebody else has deleted.
        Step::AddRule { .. } => true,
        Step::Ovs(OvsChange::AddBridge { name, .. }) => ovs::wait_for_link(machine, name).is_ok(),
        _ => false,
    }
}

fn done(step: &Step, armed: &mut Armed) {
    info!("{step}");
    // Taken from the end, so the first one to be done comes last.
    armed.undo.extend(step.undo().into_iter().rev());
}

impl Armed {
    /// Lets everything stay as it is now.
    pub fn keep(self) {}

    /// What is done to get back is told apart from what is asked for.
    fn prefix(&self) -> &'static str {
        if self.asked_for { "" } else { "undo: " }
    }

    /// Undoes everything, last first, and tells what could not be undone. Goes on after a failure: each
    /// undo that works leaves less behind.
    #[must_use]
    pub fn take_back(mut self, machine: &mut Machine<'_>) -> Vec<UndoFailure> {
        let mut left = Vec::new();
        while let Some(step) = self.undo.pop() {
            match take_back(&step, machine, &mut self) {
                Ok(()) => info!("{}{step}", self.prefix()),
                Err(error) => {
                    warn!("{}{step}: {error}", self.prefix());
                    left.push((step, error));
                }
            }
        }
        left
    }
}

fn take_back(step: &Step, machine: &mut Machine<'_>, armed: &mut Armed) -> Result<(), KernelError> {
    use Errno::{ENODEV, ENOENT, ESRCH};
    let Some(side) = socket_of(step) else { return perform(step, machine, armed) };
    if let Step::RestoreMac { bridge, .. } = step {
        let link = kernel::find_link(&mut machine.host, bridge.as_str())?;
        // With another port, or an address that was set, the kernel has seen to it itself
        // (`br_stp_recalculate_bridge_id`, net/bridge/br_stp_if.c).
        if link.is_none_or(|link| link.address != [0; 6]) {
            return Ok(());
        }
    }
    if let Step::DeleteVlan { name } = step {
        let index = match machine.index(Side::Host, name) {
            Err(error) if error.errno == ENODEV => return Ok(()),
            index => index?,
        };
        if survey::is_used(index, machine)? {
            info!("{name} stays: somebody else uses it by now");
            return Ok(());
        }
    }
    if let Step::DeleteBridge { name } = step {
        let bridge = match machine.index(Side::Host, name) {
            Err(error) if error.errno == ENODEV => return Ok(()),
            index => index?,
        };
        if kernel::has_ports(&mut machine.host, bridge)? {
            info!("bridge {name} stays: somebody else uses it by now");
            return Ok(());
        }
    }
    let outcome = request(step, machine).and_then(|request| machine.socket(side).execute(request));
    match outcome {
        // Something has taken its place, or its gateway cannot be reached any more.
        Err(error)
            if matches!(step, Step::ReplaceDefault { .. })
                && matches!(
                    error.errno,
                    Errno::EEXIST
                        | Errno::ENETUNREACH
                        | Errno::EHOSTUNREACH
                        | Errno::ENETDOWN
                        | Errno::EINVAL
                ) =>
        {
            info!("{step}: not done: {error}");
            Ok(())
        }
        Err(_) if matches!(step, Step::Claim { .. } | Step::Release { .. }) => Ok(()),
        Err(error) if matches!(error.errno, ENODEV | ENOENT | ESRCH) => Ok(()),
        outcome => outcome,
    }
}
