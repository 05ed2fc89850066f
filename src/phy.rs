//! Wireless interfaces: they move with their whole device, which only nl80211 can do, and `iw` speaks that.
//!
//! IO. The namespace is named to `iw` by a descriptor that rpipe holds open, so it can be no other's.

use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};

use log::debug;
use nix::errno::Errno;

use crate::kernel::{self, KernelError, NetNs};
use crate::machine::Machine;
use crate::plan::Side;
use crate::spec::IfName;

/// The wireless device of an interface, if it has one.
#[must_use]
pub fn of(ifname: &IfName) -> Option<u32> {
    let number = std::fs::read_to_string(format!("/sys/class/net/{ifname}/phy80211/index")).ok()?;
    number.trim_end().parse().ok()
}

/// `iw phy#N set netns …`, then the name inside.
///
/// # Errors
/// `ENOENT` when there is no `iw`, else what it or the kernel said.
pub fn move_in(machine: &mut Machine<'_>, phy: u32, from: &IfName, to: &IfName) -> Result<(), KernelError> {
    iw(phy, machine.netns)?;
    machine.forget(Side::Host, from);
    rename(machine, Side::Target, from, to)
}

/// The same from inside: the old name, then the device.
///
/// # Errors
/// As [`move_in`].
pub fn move_back(machine: &mut Machine<'_>, phy: u32, from: &IfName, to: &IfName) -> Result<(), KernelError> {
    // It may have come in and not got its name.
    let inside = kernel::find_link(&mut machine.target, from.as_str())?;
    if let Some(link) = inside {
        machine.target.execute(kernel::set_link(link.index, false))?;
        rename(machine, Side::Target, from, to)?;
    }
    let home = machine.home;
    machine.netns.enter(home, || iw(phy, home))??;
    machine.forget(Side::Target, to);
    Ok(())
}

fn rename(machine: &mut Machine<'_>, side: Side, from: &IfName, to: &IfName) -> Result<(), KernelError> {
    if from == to {
        return Ok(());
    }
    let index = machine.index(side, from)?;
    machine.socket(side).execute(kernel::rename_link(index, to.as_str()))?;
    machine.forget(side, from);
    Ok(())
}

/// Runs `iw`, without a shell; its words on failure are the error's. The device goes by its number: its name is looked up
/// in a sysfs that may be another namespace's.
fn iw(phy: u32, netns: &NetNs) -> Result<(), KernelError> {
    let missing = || KernelError {
        errno: Errno::ENOENT,
        message: Some("a wireless device is moved by `iw`, which is not installed".into()),
    };
    let program = which::which("iw").map_err(|_| missing())?;
    let file = format!("/proc/{}/fd/{}", std::process::id(), netns.as_fd().as_raw_fd());
    debug!("iw phy#{phy} set netns name {file}");
    let output = Command::new(program)
        .args([&format!("phy#{phy}"), "set", "netns", "name", &file])
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("iw failed");
    let message = line.chars().filter(|c| !c.is_control()).collect();
    Err(KernelError { errno: Errno::EOPNOTSUPP, message: Some(message) })
}
