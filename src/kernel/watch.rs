//! Waiting for news of links and addresses, instead of asking again and again.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::KernelError;

// RTNLGRP_*, include/uapi/linux/rtnetlink.h.
const LINK: u32 = 1;
const IPV4_ADDRESS: u32 = 5;
const IPV6_ADDRESS: u32 = 9;
/// `MSG_DONTWAIT`.
const DONT_WAIT: i32 = nix::libc::MSG_DONTWAIT;

/// A subscription to changes of links and addresses of the current namespace. Equal to `ip monitor link address`.
#[derive(Debug)]
pub struct Watch {
    socket: Socket,
}

impl Watch {
    /// Subscribes. What changes from now on is told; what is the case already has to be asked for afterwards.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn open() -> Result<Self, KernelError> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        for group in [LINK, IPV4_ADDRESS, IPV6_ADDRESS] {
            socket.add_membership(group)?;
        }
        Ok(Self { socket })
    }

    /// Waits until something has changed, or until `end`; then it answers no. Without an end it waits for ever.
    ///
    /// What changed is not read: whoever waits asks the kernel for the state, so no news can be missed, not even when
    /// the kernel had to drop some (`ENOBUFS`).
    ///
    /// # Errors
    /// When the socket cannot be waited for.
    pub fn changed(&self, end: Option<Instant>) -> Result<bool, KernelError> {
        self.changed_or(&[], end)
    }

    /// The same, and an end of the waiting also when there is something to be read from one of `others`.
    ///
    /// # Errors
    /// As [`Self::changed`].
    pub fn changed_or(&self, others: &[BorrowedFd<'_>], end: Option<Instant>) -> Result<bool, KernelError> {
        let timeout = match end {
            None => PollTimeout::NONE,
            // Rounded up, or the last millisecond would be waited for in a busy loop.
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now()).as_millis();
                PollTimeout::from(u16::try_from(left + 1).unwrap_or(u16::MAX))
            }
        };
        let all = others.iter().copied().chain([self.socket.as_fd()]);
        let mut all: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let news = match poll(&mut all, timeout) {
            Ok(news) => news > 0,
            Err(Errno::EINTR) => true,
            Err(errno) => return Err(errno.into()),
        };
        let mut buffer = Vec::with_capacity(8192);
        while news && self.socket.recv(&mut buffer, DONT_WAIT).is_ok() {
            buffer.clear();
        }
        Ok(news || end.is_none_or(|end| Instant::now() < end))
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
