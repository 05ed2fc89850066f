//! Runs steps, remembers the undo of each that worked, and runs those backwards when one fails.
//!
//! IO. Steps of one side that follow each other travel in one datagram. A step whose outcome is unknown
//! counts as done for the undo: taking back what was never there is no error.

use log::{info, warn};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::dhcp;
use crate::kernel::{self, EntryState, KernelError, Outcome, Request, SharedLink, VethLink};
use crate::machine::Machine;
use crate::ovs;
use crate::phy;
use crate::plan::{LeaseRequest, OvsChange, Side, Step};
use crate::signals::Held;
use crate::spec::IfName;
use crate::survey;

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
    let mut batch = Batch { side: Side::Host, requests: Vec::new(), steps: Vec::new() };
    for step in steps {
        let failed = |error| Cause::Step(Box::new(step.clone()), error);
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
        if side != batch.side || unknown {
            batch.send(machine, held, armed)?;
        }
        batch.side = side;
        batch.requests.push(request(step, machine).map_err(failed)?);
        batch.steps.push(step);
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
        Step::Ovs(OvsChange::AddBridge { name, .. }) => ovs::wait_for_link(machine, name).is_ok(),
        _ => false,
    }
}

/// Steps of one side that wait to be sent together.
struct Batch<'a> {
    side: Side,
    requests: Vec<Request>,
    steps: Vec<&'a Step>,
}

impl Batch<'_> {
    /// Sends what is waiting and arms the undo of what worked.
    fn send(&mut self, machine: &mut Machine<'_>, held: &Held, armed: &mut Armed) -> Result<(), Cause> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let steps = std::mem::take(&mut self.steps);
        let requests = std::mem::take(&mut self.requests);
        let failed = |step: &Step, error| Cause::Step(Box::new(step.clone()), error);
        let outcomes = match machine.socket(self.side).batch(&requests) {
            Ok(outcomes) => outcomes,
            Err(error) => return Err(failed(steps[0], error)),
        };
        let mut cause = None;
        for (step, outcome) in steps.iter().zip(outcomes) {
            match outcome {
                Outcome::Done => done(step, armed),
                Outcome::Refused(error) if error.errno == Errno::EEXIST && is_done(step, machine) => {}
                Outcome::Refused(error) => {
                    cause.get_or_insert_with(|| failed(step, error));
                }
                Outcome::Unknown(error) => {
                    done(step, armed);
                    cause.get_or_insert_with(|| failed(step, error));
                }
            }
        }
        match (cause, held.arrived()) {
            (Some(cause), _) => Err(cause),
            (None, Some(arrived)) => Err(Cause::Signal(arrived.signal)),
            (None, None) => Ok(()),
        }
    }
}

fn done(step: &Step, armed: &mut Armed) {
    info!("{step}");
    // Taken from the end, so the first one to be done comes last.
    armed.undo.extend(step.undo().into_iter().rev());
}

/// The socket a step travels by; none for what netlink cannot do.
fn socket_of(step: &Step) -> Option<Side> {
    match step {
        Step::CreateBridge { .. }
        | Step::RestoreMac { .. }
        | Step::CreateVeth { .. }
        | Step::SetPortVlan { .. }
        | Step::LeaveVlan { .. }
        | Step::CreateVlan { .. }
        | Step::CreateShared { .. }
        | Step::CreateIpoib { .. }
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
        | Step::RestoreDefault { .. }
        | Step::ReplaceDefault { .. } => Some(Side::Target),
        Step::LinkNamespace { .. }
        | Step::UnlinkNamespace { .. }
        | Step::EnableIpv6 { .. }
        | Step::Lease { .. }
        | Step::EndLease { .. }
        | Step::MoveLink { phy: Some(_), .. }
        | Step::ReturnLink { phy: Some(_), .. }
        | Step::RestoreSettings { .. }
        | Step::RestoreAddresses { .. }
        | Step::ClearLink { .. }
        | Step::RefillLink { .. }
        | Step::Ovs(_) => None,
    }
}

/// The netlink message of a step.
fn request(step: &Step, machine: &mut Machine<'_>) -> Result<Request, KernelError> {
    let index = match step.acts_on() {
        Some((side, name)) => machine.index(side, name)?,
        None => 0,
    };
    Ok(match step {
        Step::CreateBridge { name, mac, filtering } => {
            kernel::create_bridge(name.as_str(), mac.bytes(), *filtering)
        }
        Step::CreateVeth { host_ifname, bridge, ifname, host_mtu, mtu, mac, .. } => {
            let mac = mac.map(crate::spec::Mac::bytes);
            let link = VethLink {
                host_ifname: host_ifname.as_str(),
                bridge: bridge.as_ref().map(|_| index),
                host_mtu: *host_mtu,
                ifname: ifname.as_str(),
                mtu: *mtu,
                mac,
            };
            kernel::create_veth(&link, machine.netns)
        }
        Step::SetPortVlan { vlan, .. } => kernel::set_port_vlan(index, vlan.id()),
        Step::LeaveVlan { vlan, .. } => kernel::leave_vlan(index, vlan.id()),
        Step::CreateVlan { name, vlan, .. } => kernel::create_vlan(index, name.as_str(), vlan.id()),
        Step::CreateShared { ifname, sharing, mtu, mac, .. } => {
            let mac = mac.map(crate::spec::Mac::bytes);
            let link =
                SharedLink { parent: index, ifname: ifname.as_str(), sharing: *sharing, mtu: *mtu, mac };
            kernel::create_shared(&link, machine.netns)
        }
        Step::CreateIpoib { ifname, pkey, .. } => {
            kernel::create_ipoib(index, ifname.as_str(), pkey.map(crate::spec::Pkey::key), machine.netns)
        }
        Step::CreateDummy { ifname, mtu, mac } => {
            kernel::create_dummy(ifname.as_str(), *mtu, mac.map(crate::spec::Mac::bytes))
        }
        Step::SetAlias { ifname, alias, .. } => kernel::set_alias(ifname.as_str(), alias),
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
        Step::Finish { .. } => kernel::finish_link(index),
        Step::Rename { from, to } => {
            machine.rename(from, to);
            kernel::rename_link(index, to.as_str())
        }
        Step::SetLink { up, .. } => kernel::set_link(index, *up),
        Step::ArpNotify { on, .. } => kernel::set_arp_notify(index, *on),
        Step::AddAddress { net, .. } => kernel::add_address(index, *net),
        Step::AddHostRoute { host, .. } => kernel::add_host_route(index, *host),
        Step::AddRoute { route, metric, .. } => kernel::add_route(index, route.net, route.gateway, *metric),
        Step::SetDefault { gateway, metric, old, .. } => {
            kernel::add_default(index, *gateway, *metric, old.is_some())
        }
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
        | Step::RestoreSettings { .. }
        | Step::RestoreAddresses { .. }
        | Step::Lease { .. }
        | Step::EndLease { .. }
        | Step::ClearLink { .. }
        | Step::RefillLink { .. }
        | Step::Ovs(_) => return Err(Errno::EOPNOTSUPP.into()),
    })
}

/// A step that netlink cannot do.
fn perform(step: &Step, machine: &mut Machine<'_>, armed: &mut Armed) -> Result<(), KernelError> {
    match step {
        Step::LinkNamespace { entry, pid } => {
            armed.directory_made |= kernel::link_entry(entry.as_str(), *pid)?;
            Ok(())
        }
        Step::UnlinkNamespace { entry, pid } => {
            kernel::unlink_entry(entry.as_str(), *pid, armed.directory_made)
        }
        Step::EnableIpv6 { ifname } => {
            kernel::set_ipv6_disabled(machine.netns, machine.home, ifname.as_str(), false)
        }
        Step::MoveLink { from, to, phy: Some(phy), .. } => phy::move_in(machine, *phy, from, to),
        Step::ReturnLink { from, to, phy: Some(phy) } => phy::move_back(machine, *phy, from, to),
        Step::RestoreSettings { .. } => {
            machine.belongings.as_ref().map_or(Ok(()), |belongings| belongings.settings.restore())
        }
        Step::Ovs(change) => ovs::perform(change, machine).map_err(|failed| {
            if failed.changed {
                armed.undo.extend(change.undo());
            }
            failed.error
        }),
        Step::EndLease { .. } => match armed.keeper.take() {
            Some(keeper) => keeper.end(),
            None => Ok(()),
        },
        Step::ClearLink { ifname } => {
            let had = clear_link(machine, ifname)?;
            machine.cleared = Some(had);
            Ok(())
        }
        Step::RefillLink { ifname } => refill_link(machine, ifname),
        Step::RestoreAddresses { ifname } => restore_addresses(machine, ifname),
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}

/// Gives an interface that is back what it had. Goes on after a failure, so that as much as possible is there again.
fn restore_addresses(machine: &mut Machine<'_>, ifname: &IfName) -> Result<(), KernelError> {
    let Some(belongings) = machine.belongings.take() else { return Ok(()) };
    let index = machine.index(Side::Host, ifname)?;
    let mut first_error = Ok(());
    for request in belongings.requests(index) {
        first_error = first_error.and(machine.host.execute(request));
    }
    first_error
}

/// Takes all addresses and routes from a link of the target, and tells what they were.
fn clear_link(machine: &mut Machine<'_>, ifname: &IfName) -> Result<kernel::Belongings, KernelError> {
    let index = machine.index(Side::Target, ifname)?;
    let had = kernel::belongings(&mut machine.target, index, ifname.as_str())?;
    for request in had.clear() {
        match machine.target.execute(request) {
            // The kernel takes secondary addresses along with their first one, and routes with their addresses.
            Err(error) if matches!(error.errno, Errno::EADDRNOTAVAIL | Errno::ESRCH) => {}
            outcome => outcome?,
        }
    }
    Ok(had)
}

/// The way back.
fn refill_link(machine: &mut Machine<'_>, ifname: &IfName) -> Result<(), KernelError> {
    let Some(had) = machine.cleared.take() else { return Ok(()) };
    clear_link(machine, ifname)?;
    let index = machine.index(Side::Target, ifname)?;
    let mut first_error = Ok(());
    for request in had.requests(index) {
        first_error = first_error.and(machine.target.execute(request));
    }
    first_error
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
        Err(error) if matches!(error.errno, ENODEV | ENOENT | ESRCH) => Ok(()),
        outcome => outcome,
    }
}
