//! The containers of users, found by their monitors.
//!
//! IO, read-only. Podman leaves a process `conmon` with each container, its parent, which lives as long as it does and
//! carries the container's name and id among its arguments. What Podman wrote down lies in the user's home and is the
//! user's to change at any time; who is whose parent is the kernel's word. The user can still lie about the name and run
//! anything as `conmon`, so only a namespace that belongs to that user is taken.

use std::fs;

use super::choice::choose;
use super::docker;
use super::engine::Deadline;
use super::error::Refusal;
use super::pin::{self, Known, Pinned};
use super::{Process, Target};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// A monitor, and the container that it says it watches.
#[derive(Debug)]
struct Monitor {
    process: Process,
    /// Whose it is; never root.
    owner: u32,
    id: String,
    name: Option<String>,
}

/// The namespace of a user's container.
pub(super) fn find(name: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let all = monitors(deadline)?;
    let found = choose(&all, name, |monitor| (&monitor.id, monitor.name.as_deref()))?;
    let [monitor] = found[..] else {
        let ids =
            found.iter().map(|monitor| format!("podman:{} of user {}", short(&monitor.id), monitor.owner));
        return Err(Refusal::Several { names: ids.collect() });
    };
    let pinned = child(&monitor.process, monitor.owner)?;
    let name = monitor.name.clone().unwrap_or_else(|| monitor.id.clone());
    let id = Some(monitor.id.clone());
    Known { runtime: Runtime::Podman, name, id, owner: monitor.owner }.target(pinned, home)
}

/// The names of the users' containers.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let monitors = monitors(deadline).unwrap_or_default();
    monitors.into_iter().filter_map(|monitor| monitor.name).collect()
}

/// The same with whose they are.
pub(super) fn running(deadline: Deadline) -> Vec<(String, String)> {
    let monitors = monitors(deadline).unwrap_or_default();
    monitors.into_iter().filter_map(|one| Some((one.name?, format!("of user {}", one.owner)))).collect()
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// All monitors of users.
fn monitors(deadline: Deadline) -> Result<Vec<Monitor>, Refusal> {
    let mut monitors = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        deadline.check(|| "/proc".to_owned())?;
        let number = entry.file_name().to_str().and_then(super::pid::number);
        let is_one =
            |number: &i32| fs::read(format!("/proc/{number}/comm")).is_ok_and(|comm| comm == b"conmon\n");
        monitors.extend(number.filter(is_one).and_then(monitor));
    }
    Ok(monitors)
}

fn monitor(number: i32) -> Option<Monitor> {
    let process = Process::pin(number).ok()?;
    let status = process.read("status").ok()?;
    let owner = owner(&String::from_utf8_lossy(&status)).filter(|owner| *owner != 0)?;
    let words = process.read("cmdline").ok()?;
    let (id, name) = watched(&words)?;
    Some(Monitor { process, owner, id, name })
}

/// The user of a process that lives among ours, from `/proc/PID/status`. One inside a container, seen from here, has a
/// number in each of several process namespaces; it can call itself what it likes and speaks for nobody.
fn owner(status: &str) -> Option<u32> {
    let line = |key| status.lines().find_map(|line| line.strip_prefix(key));
    let numbers = line("NSpid:")?.split_ascii_whitespace().count();
    // The first is the real user, who cannot be changed by a program that is set-uid.
    let user = line("Uid:")?.split_ascii_whitespace().next()?.parse().ok()?;
    (numbers == 1).then_some(user)
}

/// The id and the name in a monitor's command line; `None` for one that watches a further command in a container.
fn watched(words: &[u8]) -> Option<(String, Option<String>)> {
    let text = String::from_utf8_lossy(words);
    let words: Vec<_> = text.split('\0').collect();
    let after = |option: &str| {
        words
            .iter()
            .zip(words.iter().skip(1))
            .find(|(word, _)| **word == option)
            .map(|(_, value)| (*value).to_owned())
    };
    if words.iter().any(|word| *word == "-e" || word.starts_with("--exec")) {
        return None;
    }
    let id = after("-c")?;
    let possible = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    possible.then(|| (id, after("-n").filter(|name| docker::is_container_name(name))))
}

/// The container's process: the eldest child.
fn child(monitor: &Process, owner: u32) -> Result<Pinned, Refusal> {
    let gone = |_| Refusal::Ended;
    let children = monitor.read(&format!("task/{}/children", monitor.pid())).map_err(gone)?;
    let children = String::from_utf8_lossy(&children).into_owned();
    let number =
        children.split_ascii_whitespace().next().and_then(super::pid::number).ok_or(Refusal::Ended)?;
    let is_child = |process: &Process| process.parent() == Ok(monitor.pid()) && monitor.is_alive();
    log::debug!("conmon {} of user {owner}: process {number}", monitor.pid());
    pin::recognized(number, is_child)?.ok_or(Refusal::Ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_id_are_among_a_monitors_words() {
        let read = |line: &str| watched(line.replace(' ', "\0").as_bytes());
        let found = |id: &str, name: Option<&str>| Some((id.to_owned(), name.map(str::to_owned)));
        assert_eq!(
            read("conmon --api-version 1 -c 6a38 -u 6a38 -n web --exit-dir /x"),
            found("6a38", Some("web"))
        );
        assert_eq!(read("conmon -c 6a38 -u 6a38"), found("6a38", None));
        assert_eq!(read("conmon -c 6a38 -n ../x"), found("6a38", None));
        assert_eq!(read("conmon -c 6a38 -n"), found("6a38", None));
        for line in
            ["", "conmon", "conmon -c", "conmon -c ../x -n web", "conmon -c 6a38 -n web -e --exec-attach"]
        {
            assert_eq!(read(line), None, "{line}");
        }
        assert_eq!(watched(b"conmon\0-c\x006a38\0-n\0\xff\xfe"), found("6a38", None));
    }

    #[test]
    fn a_process_of_another_process_namespace_is_nobodys() {
        assert_eq!(owner("Name:\tconmon\nUid:\t1000\t0\t0\t0\nNSpid:\t17\n"), Some(1000));
        assert_eq!(owner("Uid:\t1000\t1000\t1000\t1000\nNSpid:\t17\t1\n"), None);
        for status in ["", "Uid:\t1000\n", "NSpid:\t1\n", "Uid:\nNSpid:\t1\n"] {
            assert_eq!(owner(status), None, "{status}");
        }
    }
}
