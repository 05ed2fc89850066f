//! Signals as something to ask for, not something that happens: between two steps nothing interrupts.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::kernel::KernelError;

/// What asks a program to end.
pub const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Holds signals back while it lives.
#[derive(Debug)]
pub struct Held {
    before: SigSet,
    fd: SignalFd,
}

/// A signal that has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Which one.
    pub signal: Signal,
    /// Whether the kernel sent it, as it does to all programs of a terminal on Ctrl-C.
    pub by_kernel: bool,
}

impl Held {
    /// Holds the given signals back from now on.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn hold(signals: &[Signal]) -> Result<Self, KernelError> {
        let set: SigSet = signals.iter().copied().collect();
        let before = set.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
        // On an error the process ends, so the mask needs no way back.
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { before, fd })
    }

    /// A signal that has arrived and was not yet asked for. One that whoever started us has ignored, as nohup does, is none:
    /// the kernel keeps it for us only because it is held back.
    #[must_use]
    pub fn arrived(&self) -> Option<Arrived> {
        loop {
            let info = self.fd.read_signal().ok().flatten()?;
            let signal =
                i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok())?;
            if !is_ignored(signal) {
                // SI_KERNEL, include/uapi/asm-generic/siginfo.h
                return Some(Arrived { signal, by_kernel: info.ssi_code == 0x80 });
            }
        }
    }

    /// Waits until a signal arrives.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    pub fn wait(&self) -> Result<Arrived, KernelError> {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        loop {
            if let Some(arrived) = self.arrived() {
                return Ok(arrived);
            }
            match poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// What was held back before, and will be again.
    #[must_use]
    pub fn before(&self) -> &SigSet {
        &self.before
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

/// Whether the signal was ignored from the start: we never change that ourselves.
#[cold]
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    // The first signal is 1.
    mask >> (signal as i32 - 1) & 1 == 1
}

/// Ends the process by the signal that was held back, as it would have ended without us: a shell must see
/// that a loop was interrupted. Comes back should the signal be ignored.
pub fn end_by(signal: Signal) {
    let _ = nix::sys::signal::raise(signal);
}
