//! `pid:` a process of this host.
//!
//! IO, read-only.

use nix::errno::Errno;

use super::error::Refusal;
use super::{Process, Target};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// The namespace of a process.
pub(super) fn find(pid: i32, home: &NetNs) -> Result<Target, Refusal> {
    let (process, netns) = pin(pid)?;
    if netns.is(home) {
        return Err(Refusal::OwnNetns);
    }
    let name = pid.to_string();
    let entry = name.parse().ok();
    Ok(Target { name, runtime: Runtime::Pid, id: None, shares: None, process: Some(process), netns, entry })
}

/// The namespace of a bare name; `None` when it is not the number of a process.
pub(super) fn find_bare(name: &str, home: &NetNs) -> Option<Result<Target, Refusal>> {
    Some(find(number(name)?, home))
}

/// A process number, as it is asked for after `pid:` too.
pub(super) fn number(name: &str) -> Option<i32> {
    if !name.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // PID_MAX_LIMIT, include/linux/threads.h
    name.parse().ok().filter(|pid| (1..=4_194_304).contains(pid))
}

/// A process and its network namespace, each surely of the other.
pub(super) fn pin(pid: i32) -> Result<(Process, NetNs), Refusal> {
    let process = Process::pin(pid).map_err(|error| match error.errno {
        Errno::ESRCH => Refusal::NoProcess,
        Errno::EINVAL | Errno::ENOENT => Refusal::Thread,
        _ => Refusal::kernel(format_args!("pinning process {pid}"), error),
    })?;
    if !process.is_alive() {
        return Err(Refusal::NoProcess);
    }
    let netns = process.netns().map_err(|error| match error.errno {
        // A process on its way out gives its namespaces back before its pidfd tells of the end (do_exit, kernel/exit.c).
        Errno::ESRCH | Errno::ENOENT => Refusal::Ended,
        _ => Refusal::kernel(process.netns_path().display(), error),
    })?;
    Ok((process, netns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_numbers_are_processes() {
        assert_eq!(number("1"), Some(1));
        assert_eq!(number("4194304"), Some(4_194_304));
        for word in ["", "0", "4194305", "99999999999999999999", "+1", "1a", "web"] {
            assert_eq!(number(word), None, "{word:?}");
        }
    }

    #[test]
    fn the_dead_and_the_own_namespace_are_refused() {
        let home = NetNs::own().unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert_eq!(find(pid, &home).unwrap_err(), Refusal::OwnNetns);
        // Any other namespace stands in for a home from which the child's is a foreign one.
        let elsewhere = NetNs::open("/proc/self/ns/user".as_ref()).unwrap();
        let target = find(pid, &elsewhere).unwrap();
        assert_eq!(target.name, pid.to_string());
        assert_eq!(target.entry.as_ref().map(ToString::to_string), Some(pid.to_string()));
        assert!(target.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!target.is_alive());
        assert_eq!(find(pid, &home).unwrap_err(), Refusal::NoProcess);
    }

    #[test]
    fn a_thread_is_not_a_process() {
        let tid = std::thread::spawn(|| {
            // On a thread of its own: the main thread's number is the process's.
            let home = NetNs::own().unwrap();
            find(nix::unistd::gettid().as_raw(), &home).unwrap_err()
        });
        assert_eq!(tid.join().unwrap(), Refusal::Thread);
    }
}
