//! Everything that ends rpipe without success, and the exit code each means.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::apply::UndoFailure;
use crate::kernel::KernelError;
use crate::plan::Refusal;
use crate::spec::SpecError;
use crate::target::TargetError;

/// What is missing when the kernel says `EPERM` or `EACCES`.
pub const PRIVILEGE: &str = "needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN";

/// The exit codes of rpipe itself; `run` passes on the command's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// It failed, and nothing was changed.
    Failed = 1,
    /// The words were wrong, and nothing was looked at.
    Usage = 2,
}

/// An error with everything that its one line says.
#[derive(Debug)]
pub enum Error {
    /// The words do not fit the grammar; what is wrong and where help is.
    Usage(String),
    /// A word that means nothing.
    Spec(SpecError),
    /// The target cannot be had.
    Target(TargetError),
    /// The target is the uplink's name, and the uplink is not there.
    Swapped {
        /// The word that was given for the uplink.
        uplink: String,
        /// The word that was given for the target.
        target: String,
    },
    /// It cannot work on this machine as it is.
    Refused(Refusal),
    /// A question to the kernel failed.
    Kernel {
        /// What was tried.
        tried: String,
        /// The kernel's words.
        error: KernelError,
    },
    /// A step failed, and everything before it was undone.
    Step {
        /// What was tried, on what.
        tried: String,
        /// The kernel's words.
        error: KernelError,
        /// The remedy, where there is one.
        remedy: Option<&'static str>,
    },
    /// Somebody has an address, or that nobody has it cannot be known, and everything was undone.
    Taken {
        /// What was tried, on what.
        tried: String,
        /// Who has it.
        why: String,
    },
    /// No lease came, and everything was undone.
    Lease {
        /// What was tried, on what.
        tried: String,
        /// Why there is none.
        why: String,
    },
    /// The container died while it was being attached.
    Died(String),
    /// A signal came in between, and everything was undone.
    Interrupted(Signal),
    /// Something went wrong, and then not everything could be undone.
    Unfinished {
        /// What went wrong first.
        error: Box<Error>,
        /// What is left.
        left: Vec<Left>,
    },
    /// Not everything could be taken back.
    Detach {
        /// The target's name.
        target: String,
        /// What is left.
        left: Vec<Left>,
    },
    /// Not everything that is left over could be put in order.
    Collect(Vec<Left>),
    /// Several attachments, and none is named.
    WhichOne {
        /// The target's name.
        target: String,
        /// Their interfaces.
        names: Vec<String>,
    },
    /// An interface that rpipe has not attached.
    NotOurs {
        /// The target's name.
        target: String,
        /// The interface.
        ifname: String,
    },
    /// An interface that says to come from the host, which a container could have made.
    Doubtful {
        /// The target's name.
        target: String,
        /// The interface.
        ifname: String,
        /// The command that moves it all the same.
        command: String,
    },
    /// A replacement failed, and what was there before could not be made again.
    NotBack {
        /// What went wrong first.
        error: Box<Error>,
        /// What went wrong then.
        why: Box<Error>,
    },
    /// What was waited for did not come.
    TimedOut {
        /// The interface.
        ifname: String,
        /// What is still missing.
        missing: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The container died while it was being waited for.
    Ended {
        /// The interface.
        ifname: String,
        /// The target's name.
        target: String,
    },
    /// A line of a batch.
    Line {
        /// The file and the line's number.
        place: String,
        /// What went wrong.
        error: Box<Error>,
    },
    /// What a batch is to do cannot be read.
    Input {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// A bridge would get more ports than it can have.
    Ports {
        /// The file that asks for them.
        file: String,
        /// The bridge.
        bridge: String,
        /// How many it would have.
        count: usize,
    },
    /// A command that cannot be started.
    Command {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// The output could not be written.
    Output(std::io::Error),
}

/// Something that could not be undone.
#[derive(Debug)]
pub struct Left {
    /// What was tried and why it failed.
    pub failure: UndoFailure,
    /// The command that would do it.
    pub command: String,
    /// Whether it was to take back what had failed, and not what was asked for.
    pub is_undo: bool,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (step, error) = &self.failure;
        write!(
            f,
            "{}{step}: {error} (to finish: {})",
            if self.is_undo { "undo failed: " } else { "" },
            self.command
        )
    }
}

impl Error {
    /// This error, and what its undo left behind.
    pub(crate) fn with(self, left: Vec<Left>) -> Self {
        if left.is_empty() { self } else { Self::Unfinished { error: Box::new(self), left } }
    }

    /// The signal that ended the work, if it was one.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        match self {
            Self::Interrupted(signal) => Some(*signal),
            Self::Unfinished { error, .. } | Self::NotBack { error, .. } | Self::Line { error, .. } => {
                error.signal()
            }
            _ => None,
        }
    }

    pub(crate) fn kernel(tried: impl Into<String>, error: KernelError) -> Self {
        Self::Kernel { tried: tried.into(), error }
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Spec(_) | Self::Refused(Refusal::Word(_)) => Exit::Usage as u8,
            Self::Line { error, .. } => error.exit_code(),
            _ => Exit::Failed as u8,
        }
    }
}

/// The kernel's words, and that privilege is missing where it is.
fn kernel_words(f: &mut fmt::Formatter<'_>, error: &KernelError, remedy: Option<&str>) -> fmt::Result {
    write!(f, "{error}")?;
    match remedy.or(error.is_permission().then_some(PRIVILEGE)) {
        Some(remedy) => write!(f, " ({remedy})"),
        None => Ok(()),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::Spec(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
            Self::Swapped { uplink, target } => write!(
                f,
                "target {target:?}: is an interface of this host, and {uplink:?} is none (the order is UPLINK TARGET \
                 ADDRESS)"
            ),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Kernel { tried, error } => {
                write!(f, "{tried}: ")?;
                kernel_words(f, error, None)
            }
            Self::Step { tried, error, remedy } => {
                write!(f, "{tried}: ")?;
                kernel_words(f, error, *remedy)
            }
            Self::Taken { tried, why } | Self::Lease { tried, why } => write!(f, "{tried}: {why}"),
            Self::Died(target) => write!(f, "target {target:?}: ended while it was being attached"),
            Self::Interrupted(signal) => write!(f, "interrupted by {signal}, everything was undone"),
            Self::Unfinished { error, left } => {
                write!(f, "{error}")?;
                left.iter().try_for_each(|left| write!(f, "; {left}"))
            }
            Self::Detach { target, left } => {
                write!(f, "detaching {target:?}: not everything could be taken back")?;
                left.iter().try_for_each(|left| write!(f, "; {left}"))
            }
            Self::Collect(left) => {
                f.write_str("collecting leftovers: not everything could be put in order")?;
                left.iter().try_for_each(|left| write!(f, "; {left}"))
            }
            Self::WhichOne { target, names } => {
                write!(
                    f,
                    "target {target:?}: has several attachments (name one with -i {}, or --all)",
                    names.join(", -i ")
                )
            }
            Self::NotOurs { target, ifname } => write!(
                f,
                "interface {ifname:?} in {target:?}: was not attached by rpipe, so it is left alone (`ip link delete` \
                 removes any)"
            ),
            Self::Doubtful { target, ifname, command } => write!(
                f,
                "interface {ifname:?} in {target:?}: only its own mark says that it came from the host (if it did: {command})"
            ),
            Self::NotBack { error, why } => {
                write!(f, "{error}; the old attachment could not be made again: {why}")
            }
            Self::TimedOut { ifname, missing, limit } => {
                write!(f, "waiting for {ifname}: {missing} after {limit:?}")
            }
            Self::Line { place, error } => match &**error {
                Self::Interrupted(signal) => write!(
                    f,
                    "{place}: interrupted by {signal}: this line and those behind it are not done, those before it are"
                ),
                error => write!(f, "{place}: {error}"),
            },
            Self::Input { file, why } => write!(f, "reading {file}: {why}"),
            Self::Ports { file, bridge, count } => write!(
                f,
                "{file}: {bridge} would have {count} ports: a bridge has at most 1023 (spread them over several)"
            ),
            Self::Ended { ifname, target } => {
                write!(f, "waiting for {ifname}: target {target:?} has ended")
            }
            Self::Command { name, why } => write!(f, "command {name:?}: {why}"),
            Self::Output(error) => write!(f, "writing the output: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
