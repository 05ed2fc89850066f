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

    /// A signal that has arrived and was not yet asked for.
    #[must_use]
    pub fn arrived(&self) -> Option<Arrived> {
        let info = self.fd.read_signal().ok().flatten()?;
        let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok())?;
        // SI_KERNEL, include/uapi/asm-generic/siginfo.h
        Some(Arrived { signal, by_kernel: info.ssi_code == 0x80 })
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

/// Ends the process by the signal that was held back, as it would have ended without us: a shell must see
/// that a loop was interrupted. Comes back when the signal was ignored from the start (`nohup`).
pub fn end_by(signal: Signal) {
    let _ = nix::sys::signal::raise(signal);
}
