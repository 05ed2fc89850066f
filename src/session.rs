//! What is kept from one line of a batch to the next: the sockets, the target of the last line, the word of engines.
//!
//! IO. A single call has one too, and leaves everything to the end of its process. What the kernel says of links is not
//! kept: a question costs microseconds, and the line before may have changed the answer.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::fcntl::Flock;
use nix::sys::signal::Signal;

use crate::error::Error;
use crate::kernel::{self, KernelError, NetNs, RouteSocket};
use crate::leftovers;
use crate::machine::{Machine, Sockets};
use crate::plan::Imagined;
use crate::signals::{ENDING, Held};
use crate::spec::TargetWord;
use crate::target::{Engines, LOOKUP_LIMIT, Target, TargetError};

/// What outlives a line.
#[derive(Debug)]
pub struct Session<'h> {
    /// The namespace rpipe runs in.
    pub home: &'h NetNs,
    /// What earlier lines would have made, where nothing is done.
    pub imagined: Imagined,
    /// Whether another line may come.
    many: bool,
    host: Option<RouteSocket>,
    kept: Option<Kept>,
    held: Option<Held>,
    engines: Engines,
    tidied: bool,
}

/// The target of the last line.
#[derive(Debug)]
struct Kept {
    word: TargetWord,
    target: Target,
    inside: Inside,
}

/// A socket inside a target, and what was learned when it was opened.
#[derive(Debug)]
pub struct Inside {
    socket: RouteSocket,
    /// Whether new links come without IPv6, where that was asked.
    ipv6_disabled: Option<bool>,
}

impl<'h> Session<'h> {
    /// For one line, after which the process ends.
    #[must_use]
    pub fn once(home: &'h NetNs) -> Self {
        Self {
            home,
            imagined: Imagined::default(),
            many: false,
            host: None,
            kept: None,
            held: None,
            engines: Engines::default(),
            tidied: false,
        }
    }

    /// For many lines.
    #[must_use]
    pub fn many(home: &'h NetNs) -> Self {
        Self { many: true, ..Self::once(home) }
    }

    /// Finds the target, which is the one of the last line where that was the same word and still lives.
    ///
    /// # Errors
    /// As [`Target::open`].
    pub fn reach(
        &mut self,
        word: &TargetWord,
        timeout: Option<Duration>,
    ) -> Result<(Target, Option<Inside>), TargetError> {
        if let Some(kept) = self.kept.take().filter(|kept| kept.word == *word && kept.target.is_alive()) {
            return Ok((kept.target, Some(kept.inside)));
        }
        let engines = self.many.then_some(&self.engines);
        Ok((Target::open_over(engines, word, self.home, timeout.unwrap_or(LOOKUP_LIMIT))?, None))
    }

    /// Both sides of a line; with `ipv6` it is known whether IPv6 is off in the target.
    ///
    /// # Errors
    /// `EPERM` without privilege, `EINVAL` when the target is a namespace of another kind.
    pub fn machine<'a>(
        &mut self,
        target: &'a Target,
        inside: Option<Inside>,
        ipv6: bool,
    ) -> Result<Machine<'a>, KernelError>
    where
        'h: 'a,
    {
        let host = self.host()?;
        let (socket, ipv6_disabled) = match inside {
            Some(Inside { socket, ipv6_disabled }) if !ipv6 || ipv6_disabled.is_some() => {
                (Ok(socket), ipv6_disabled)
            }
            _ => target.netns.enter(self.home, || {
                (RouteSocket::open(), ipv6.then(|| kernel::ipv6_is_disabled("default")))
            })?,
        };
        Ok(Machine::with(self.home, &target.netns, Sockets { host, target: socket?, ipv6_disabled }))
    }

    /// A socket of the host, to be given back.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn host(&mut self) -> Result<RouteSocket, KernelError> {
        self.host.take().map_or_else(RouteSocket::open, Ok)
    }

    /// Keeps a socket of the host for the next line.
    pub fn give_back(&mut self, host: RouteSocket) {
        self.host = Some(host);
    }

    /// Ends a line. What it used is kept for the next one, unless it failed; where there is none, the kernel closes
    /// everything when the process ends, faster than we can one by one.
    pub fn leave(&mut self, word: &TargetWord, target: Target, sockets: Sockets, worked: bool) {
        if !self.many {
            std::mem::forget((target, sockets));
        } else if worked {
            let Sockets { host, target: socket, ipv6_disabled } = sockets;
            self.host = Some(host);
            self.kept = Some(Kept { word: word.clone(), target, inside: Inside { socket, ipv6_disabled } });
        }
    }

    /// Ends a turn, as [`Self::leave`] does with all else.
    pub fn end_turn(&self, turn: Option<Flock<File>>) {
        if self.many { drop(turn) } else { std::mem::forget(turn) }
    }

    /// Holds back from now on what asks rpipe to end.
    ///
    /// # Errors
    /// As [`Held::hold`].
    pub fn hold(&mut self) -> Result<&Held, Error> {
        let held = match self.held.take() {
            Some(held) => held,
            None => Held::hold(&ENDING).map_err(|error| Error::kernel("holding signals back", error))?,
        };
        Ok(self.held.insert(held))
    }

    /// Where signals that are held back can be seen to arrive.
    #[must_use]
    pub fn signals(&self) -> Option<BorrowedFd<'_>> {
        self.held.as_ref().map(AsFd::as_fd)
    }

    /// A signal that was held back and has arrived, told once.
    #[must_use]
    pub fn interrupted(&self) -> Option<Signal> {
        Some(self.held.as_ref()?.arrived()?.signal)
    }

    /// Lets signals come again, where no other line needs them held back.
    pub fn release(&mut self) {
        if !self.many {
            self.held = None;
        }
    }

    /// Removes names of dead containers in passing: once, not for each line.
    pub fn sweep(&mut self) {
        if !self.tidied {
            kernel::sweep_entries();
        }
        self.tidied |= self.many;
    }

    /// The same, and brings home what dead containers left.
    pub fn tidy(&mut self) {
        if !self.tidied {
            kernel::sweep_entries();
            leftovers::bring_home(self.home);
        }
        self.tidied |= self.many;
    }
}
