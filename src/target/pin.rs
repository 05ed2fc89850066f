//! From the process number that a runtime tells to the container's namespace, and surely no other.
//!
//! IO, read-only. A number is only as good as the moment it was true. Three things make it good for ever, each with the
//! process pinned first: it is as old as the runtime wrote down when it started it; or it is in the control group that
//! the runtime made for the container; or, where there is none, it was there before the question was asked, and the answer
//! named it. The last is the weakest: an engine that is busy may name a process long after it ended.

use std::fs;

use nix::unistd::{Uid, User};

use super::error::Refusal;
use super::{Process, Target, pid, process};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// How much earlier than the question a process must have been started to be beyond doubt: the kernel rounds its
/// start to clock ticks, and so do we.
const CLEARLY: u64 = 2;

/// A process and its network namespace.
pub(super) type Pinned = (Process, NetNs);

/// What an engine says of a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    /// The number of its process.
    pub(super) number: i32,
    /// Its id, after which its control group is called.
    pub(super) id: &'a str,
    /// Whether the engine surely makes a control group.
    pub(super) grouped: bool,
    /// When it was asked, in clock ticks since boot.
    pub(super) asked_at: u64,
}

/// The process that an engine names. `again` asks once more whether it is so.
pub(super) fn answered(
    answer: Answer<'_>,
    again: impl FnOnce() -> Result<bool, Refusal>,
) -> Result<Pinned, Refusal> {
    let (process, netns) = pin(answer.number)?;
    let groups = process.read("cgroup").map_err(|_| Refusal::Ended)?;
    // Engines call the group after the whole id, with words around it that differ.
    if answer.id.len() == 64 && String::from_utf8_lossy(&groups).contains(answer.id) {
        return Ok((process, netns));
    }
    if answer.grouped {
        return Err(Refusal::Stranger { pid: answer.number });
    }
    let started_at = process.started_at().map_err(|_| Refusal::Ended)?;
    // Started before the question and alive after the answer, it is the process that the answer is about. A younger
    // one may be a stranger that got the number in between, so the engine is asked again, now that it is pinned.
    if started_at + CLEARLY >= answer.asked_at {
        match again() {
            Ok(true) if process.is_alive() => {}
            Ok(_) | Err(Refusal::NoContainer | Refusal::NotRunning { .. }) => {
                return Err(Refusal::Restarted);
            }
            Err(why) => return Err(why),
        }
    }
    Ok((process, netns))
}

/// The process of this number that `is_it` recognizes; `None` when that one is no more.
pub(super) fn recognized(
    number: i32,
    is_it: impl FnOnce(&Process) -> bool,
) -> Result<Option<Pinned>, Refusal> {
    match pin(number) {
        Ok((process, netns)) => Ok((is_it(&process) && process.is_alive()).then_some((process, netns))),
        Err(Refusal::Ended) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Pins a process of which somebody said that it lives: when it does not, that is no longer so.
fn pin(number: i32) -> Result<Pinned, Refusal> {
    pid::pin(number).map_err(|why| match why {
        Refusal::NoProcess | Refusal::Thread | Refusal::Ended => Refusal::Ended,
        why => why,
    })
}

/// The present, for [`answered`].
pub(super) fn now() -> Result<u64, Refusal> {
    process::ticks_since_boot().map_err(|error| Refusal::kernel("reading the clock", error))
}

/// What is known of a container besides its process.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) runtime: Runtime,
    pub(super) name: String,
    pub(super) id: Option<String>,
    /// Whose word all this is.
    pub(super) owner: u32,
}

impl Known {
    /// The target, when it is one that may be wired: not the host, and not what the one who named it cannot name.
    pub(super) fn target(self, (process, netns): Pinned, home: &NetNs) -> Result<Target, Refusal> {
        if netns.is(home) {
            return Err(Refusal::HostNetwork);
        }
        if self.owner != 0 {
            let of = netns.owner(home).map_err(|error| {
                Refusal::kernel(format_args!("entering {}", process.netns_path().display()), error)
            })?;
            if of != self.owner && !is_subordinate(of, self.owner) {
                return Err(Refusal::NotTheirs { owner: self.owner });
            }
        }
        Ok(Target {
            entry: self.name.parse().ok(),
            name: self.name,
            runtime: self.runtime,
            id: self.id,
            shares: None,
            process: Some(process),
            netns,
        })
    }
}

/// Whether the user `owner` may map `uid` into user namespaces (subuid(5)).
fn is_subordinate(uid: u32, owner: u32) -> bool {
    let name = User::from_uid(Uid::from_raw(owner)).ok().flatten().map(|user| user.name);
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    ranges.lines().any(|line| covers(line, name.as_deref(), owner, uid))
}

/// One line, `USER:FIRST:COUNT`.
fn covers(line: &str, name: Option<&str>, owner: u32, uid: u32) -> bool {
    let mut words = line.split(':');
    let (user, first, count) = (words.next(), words.next(), words.next());
    let number = |word: Option<&str>| word.and_then(|word| word.trim().parse::<u32>().ok());
    let theirs = user.is_some() && (user == name || number(user) == Some(owner));
    match (number(first), number(count)) {
        (Some(first), Some(count)) => theirs && uid.checked_sub(first).is_some_and(|offset| offset < count),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_subordinate_users_covers_its_own() {
        let ask = |line: &str, uid| covers(line, Some("pod"), 1000, uid);
        for line in ["pod:200000:65536", "1000:200000:65536", "pod:200000:65536\r"] {
            assert!(!ask(line, 199_999), "{line}");
            assert!(ask(line, 200_000), "{line}");
            assert!(ask(line, 265_535), "{line}");
            assert!(!ask(line, 265_536), "{line}");
        }
        for line in ["", "pod", "pod:200000", "pod:x:65536", "web:200000:65536", "100:200000:65536", "::"] {
            assert!(!ask(line, 200_000), "{line}");
        }
        assert!(!covers(":200000:65536", None, 1000, 200_000));
    }
}
