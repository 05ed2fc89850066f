//! `nspawn:` a container that is registered with machined of systemd, as `systemd-nspawn` does by itself.
//!
//! IO, read-only: machined keeps a file for each. Equal to `machinectl show -p Leader NAME`. The file outlives the
//! container when machined does not see it end, so the process counts only while it is in the container's unit.

use std::path::Path;

use super::engine::Deadline;
use super::error::Refusal;
use super::file::Folder;
use super::pin::{self, Known};
use super::{Process, Target, pid};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// Where machined keeps what it knows; `sd_pid_get_machine_name(3)` and its like read there too.
const MACHINES: &str = "/run/systemd/machines";

/// Where the containers are that can be started by name.
const IMAGES: &str = "/var/lib/machines";

/// A machine as its file describes it.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    /// `container` or `vm`.
    class: String,
    leader: i32,
    /// The scope or service whose processes are the machine's.
    unit: String,
}

/// The namespace of a container.
pub(super) fn find(name: &str, home: &NetNs) -> Result<Target, Refusal> {
    find_in(&Folder::of_root(MACHINES), Path::new(IMAGES), name, home)
}

fn find_in(machines: &Folder, images: &Path, name: &str, home: &NetNs) -> Result<Target, Refusal> {
    if !is_machine_name(name) {
        return Err(Refusal::NoContainer);
    }
    let not_running = |state: &str| Refusal::NotRunning { state: state.to_owned(), name: name.to_owned() };
    let Some(machine) = Machine::open(machines, name)? else {
        let image = images.join(name);
        return Err(if image.is_dir() || images.join(format!("{name}.raw")).exists() {
            not_running("stopped")
        } else if machines.exists() {
            Refusal::NoContainer
        } else {
            Refusal::NotHere { path: machines.shown() }
        });
    };
    if machine.class != "container" {
        return Err(Refusal::VirtualMachine);
    }
    let pinned = pin::recognized(machine.leader, |process| is_in(process, &machine.unit))?
        .ok_or_else(|| not_running("gone"))?;
    // Its first process may have got the number of an earlier one in the same unit.
    if Machine::open(machines, name)?.as_ref() != Some(&machine) {
        return Err(Refusal::Restarted);
    }
    Known { runtime: Runtime::Nspawn, name: name.to_owned(), id: None, owner: machines.owner() }
        .target(pinned, home)
}

/// The names of the machines, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let names = Folder::of_root(MACHINES).names(deadline).unwrap_or_default();
    names.into_iter().filter(|name| is_machine_name(name)).collect()
}

/// The containers among them.
pub(super) fn running(deadline: Deadline) -> Vec<(String, String)> {
    let machines = Folder::of_root(MACHINES);
    let is_container = |name: &String| {
        let machine = Machine::open(&machines, name).ok().flatten();
        machine.is_some_and(|machine| machine.class == "container")
    };
    names(deadline).into_iter().filter(is_container).map(|name| (name, String::new())).collect()
}

/// What machined lets a machine be called: a host name (`hostname_is_valid`). The host itself is `.host` there.
fn is_machine_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl Machine {
    fn open(machines: &Folder, name: &str) -> Result<Option<Self>, Refusal> {
        let Some(text) = machines.text(name)? else { return Ok(None) };
        let machine = Self::read(&text);
        machine.map(Some).ok_or_else(|| Refusal::State {
            path: format!("{}/{name}", machines.shown()),
            fault: "describes no container".to_owned(),
        })
    }

    fn read(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        Some(Self {
            class: value("CLASS")?.to_owned(),
            leader: pid::number(value("LEADER")?)?,
            // A dash in the machine's name is escaped for the unit's, and that once more for the file.
            unit: value("SCOPE").filter(|unit| !unit.is_empty())?.replace("\\\\", "\\"),
        })
    }
}

/// Whether systemd has put the process into the unit.
fn is_in(process: &Process, unit: &str) -> bool {
    let groups = process.read("cgroup").unwrap_or_default();
    String::from_utf8_lossy(&groups).lines().any(|line| is_group(line, unit))
}

/// One line of `/proc/PID/cgroup`, `NUMBER:CONTROLLERS:PATH`. Units are in slices, and in nothing else: what a container
/// has below its own group may have any names.
fn is_group(line: &str, unit: &str) -> bool {
    let mut words = line.splitn(3, ':').skip(1);
    let (Some("" | "name=systemd"), Some(path)) = (words.next(), words.next()) else { return false };
    let mut groups = path.split('/').filter(|group| !group.is_empty());
    groups.find(|group| group.strip_suffix(".slice").is_none()) == Some(unit)
}

#[cfg(test)]
mod tests;
