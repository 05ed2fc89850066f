//! A pinned process: a number that can no longer come to mean somebody else.
//!
//! IO, read-only. Process numbers are reused; a pidfd (Linux 5.3) is not. What is read by number from `/proc` is
//! read after the pidfd was opened and believed only if the process is still alive afterwards: then the number was
//! its own all the while.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::kernel::{KernelError, NetNs};

/// A process held by a pidfd.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// Pins the process that has this number now.
    ///
    /// # Errors
    /// `ESRCH` when there is none, `EINVAL` or, on newer kernels, `ENOENT` when it is a thread and not a process,
    /// `ENOSYS` before Linux 5.3.
    pub fn pin(pid: i32) -> Result<Self, KernelError> {
        let raw = Pid::from_raw(pid.max(0)).ok_or(Errno::ESRCH)?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty()).map_err(|e| Errno::from_raw(e.raw_os_error()))?;
        Ok(Self { pid, pidfd })
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs. A zombie does not: its pidfd is readable.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        // A poll that fails says nothing, and nothing must not pass for a sign of life.
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }

    /// Its network namespace.
    ///
    /// # Errors
    /// `ESRCH` when it has ended, `EACCES` when it is somebody else's and rpipe lacks the privilege.
    pub fn netns(&self) -> Result<NetNs, KernelError> {
        self.while_alive(NetNs::in_proc(&self.netns_path()))
    }

    /// Where its network namespace is found as long as it lives.
    #[must_use]
    pub fn netns_path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.pid).into()
    }

    /// When it was started, in clock ticks since boot.
    ///
    /// # Errors
    /// `ESRCH` when it has ended.
    pub fn started_at(&self) -> Result<u64, KernelError> {
        field(&self.read("stat")?, 22).ok_or_else(|| Errno::EINVAL.into())
    }

    /// The number of its parent.
    pub(super) fn parent(&self) -> Result<i32, KernelError> {
        let stat = self.read("stat")?;
        field(&stat, 4).and_then(|pid| i32::try_from(pid).ok()).ok_or_else(|| Errno::EINVAL.into())
    }

    /// A file that `/proc` has about it.
    pub(super) fn read(&self, file: &str) -> Result<Vec<u8>, KernelError> {
        self.while_alive(fs::read(format!("/proc/{}/{file}", self.pid)).map_err(KernelError::from))
    }

    /// What was read by number, if it was read from this process.
    fn while_alive<T>(&self, read: Result<T, KernelError>) -> Result<T, KernelError> {
        if self.is_alive() { read } else { Err(Errno::ESRCH.into()) }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The present, on the clock of [`Process::started_at`].
pub(super) fn ticks_since_boot() -> Result<u64, KernelError> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    let per_second = sysconf(SysconfVar::CLK_TCK)?.and_then(|hz| u64::try_from(hz).ok()).unwrap_or(100);
    let seconds = u64::try_from(now.tv_sec()).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec()).unwrap_or_default();
    Ok(seconds * per_second + nanoseconds * per_second / 1_000_000_000)
}

/// A field of `/proc/PID/stat` from the third on (man 5 `proc_pid_stat`): 4 the parent, 22 the start. Field 2 is the command's name in parentheses and may itself
/// contain blanks and parentheses, so counting starts behind the last one.
fn field(stat: &[u8], number: usize) -> Option<u64> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    fields.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        (child, pid)
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for name in ["sleep", "a b", ") S 1 (", "x) R 9 9 9", ""] {
            assert_eq!(field(format!("17 ({name}) {tail}\n").as_bytes(), 22), Some(4711), "{name:?}");
        }
        let mut bytes = b"17 (\xff\xfe) ".to_vec();
        bytes.extend_from_slice(tail.as_bytes());
        assert_eq!(field(&bytes, 22), Some(4711));
        assert_eq!(field(&bytes, 4), Some(1));
    }

    #[test]
    fn a_broken_stat_has_no_start_time() {
        for stat in [
            "",
            "17",
            "17 (sleep)",
            "17 (sleep) S 1 2",
            "17 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x",
        ] {
            assert_eq!(field(stat.as_bytes(), 22), None, "{stat:?}");
        }
    }

    #[test]
    fn a_process_lives_until_it_is_a_zombie() {
        let (mut child, pid) = sleeper();
        let process = Process::pin(pid).unwrap();
        assert!(process.is_alive());
        assert!(process.netns().unwrap().is(&NetNs::own().unwrap()));
        let (started, now) = (process.started_at().unwrap(), ticks_since_boot().unwrap());
        assert!(started <= now && now - started < 3000, "{started} {now}");
        assert_eq!(process.parent(), Ok(i32::try_from(std::process::id()).unwrap()));

        child.kill().unwrap();
        // Not waited for: whether it is dead must not depend on its parent.
        let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(5000_u16)), Ok(1));
        assert!(!process.is_alive());
        assert_eq!(process.netns().unwrap_err().errno, Errno::ESRCH);
        assert_eq!(process.started_at().unwrap_err().errno, Errno::ESRCH);
        child.wait().unwrap();
        assert!(!process.is_alive());
        assert_eq!(Process::pin(pid).unwrap_err().errno, Errno::ESRCH);
    }

    #[test]
    fn numbers_that_are_no_process_are_refused() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert_eq!(Process::pin(pid).unwrap_err().errno, Errno::ESRCH, "{pid}");
        }
    }
}
