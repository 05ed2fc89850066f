//! The steps that netlink cannot do, or not with one message.

use nix::errno::Errno;

use crate::kernel::{self, Belongings, KernelError, Outcome, RouteSocket};
use crate::machine::Machine;
use crate::ovs;
use crate::phy;
use crate::plan::{Side, Step};
use crate::spec::IfName;

use super::Armed;

/// A step that netlink cannot do.
pub(super) fn perform(step: &Step, machine: &mut Machine<'_>, armed: &mut Armed) -> Result<(), KernelError> {
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
        Step::DeleteLinks { ifnames } => delete_links(machine, ifnames),
        Step::RefillLink { ifname } => refill_link(machine, ifname),
        Step::RestoreAddresses { ifname } => restore_addresses(machine, ifname),
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}

/// Gives an interface that is back what it had.
fn restore_addresses(machine: &mut Machine<'_>, ifname: &IfName) -> Result<(), KernelError> {
    let Some(belongings) = machine.belongings.take() else { return Ok(()) };
    let index = machine.index(Side::Host, ifname)?;
    give_back(&belongings, index, &mut machine.host)
}

/// Each thing by itself, so that as much as possible is there again; the first error is told.
fn give_back(had: &Belongings, index: u32, socket: &mut RouteSocket) -> Result<(), KernelError> {
    let mut first_error = Ok(());
    for request in had.requests(index) {
        first_error = first_error.and(socket.execute(request));
    }
    first_error
}

/// Takes all addresses and routes from a link of the target, and tells what they were.
fn clear_link(machine: &mut Machine<'_>, ifname: &IfName) -> Result<Belongings, KernelError> {
    let index = machine.index(Side::Target, ifname)?;
    let had = kernel::belongings(&mut machine.target, index)?;
    for request in had.clear() {
        match machine.target.execute(request) {
            // The kernel takes secondary addresses along with their first one, and routes with their addresses.
            Err(error) if matches!(error.errno, Errno::EADDRNOTAVAIL | Errno::ESRCH) => {}
            outcome => outcome?,
        }
    }
    Ok(had)
}

/// Puts the links into one group, which the kernel deletes at once. Whatever else is in that group was never finished.
fn delete_links(machine: &mut Machine<'_>, ifnames: &[IfName]) -> Result<(), KernelError> {
    let mut marks = Vec::new();
    for ifname in ifnames {
        match machine.index(Side::Target, ifname) {
            Err(error) if error.errno == Errno::ENODEV => {}
            index => marks.push(kernel::set_group(index?, kernel::UNFINISHED)),
        }
    }
    if marks.is_empty() {
        return Ok(());
    }
    for outcome in machine.target.batch(&marks)? {
        match outcome {
            Outcome::Refused(error) | Outcome::Unknown(error) if error.errno != Errno::ENODEV => {
                return Err(error);
            }
            _ => {}
        }
    }
    match machine.target.execute(kernel::delete_group(kernel::UNFINISHED)) {
        // All of them are gone by now.
        Err(error) if error.errno == Errno::ENODEV => Ok(()),
        outcome => outcome,
    }
}

/// The way back.
fn refill_link(machine: &mut Machine<'_>, ifname: &IfName) -> Result<(), KernelError> {
    let Some(had) = machine.cleared.take() else { return Ok(()) };
    clear_link(machine, ifname)?;
    let index = machine.index(Side::Target, ifname)?;
    give_back(&had, index, &mut machine.target)
}
