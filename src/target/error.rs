//! Why a target could not be had.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;

use crate::kernel::KernelError;
use crate::spec::Runtime;

/// What helps when the kernel wants more privilege.
const PRIVILEGE: &str = "needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN";

/// A target that could not be had. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// The one who was asked, or the first who knows the name, says no.
    Refused {
        /// The target as it was asked for.
        target: String,
        /// Who says no.
        runtime: Runtime,
        /// The answer.
        why: Refusal,
        /// Names that it knows and that look like the one asked for.
        near: Vec<String>,
    },
    /// A bare name that nobody knows.
    Unknown {
        /// The target as it was asked for.
        target: String,
        /// Who was asked, and the answers.
        asked: Vec<(Runtime, Refusal)>,
        /// Names that are known and look like the one asked for, each with who knows it.
        near: Vec<String>,
    },
}

impl TargetError {
    /// Whether there is no such container any more, or it has no process: then nothing can be attached to it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let gone = |why: &Refusal| {
            why.verdict() == Verdict::Absent || matches!(why, Refusal::NotRunning { .. } | Refusal::Ended)
        };
        match self {
            Self::Refused { why, .. } => gone(why),
            Self::Unknown { asked, .. } => asked.iter().all(|(_, why)| gone(why)),
        }
    }
}

/// The answer of one runtime that did not lead to a namespace.
///
/// Words of others in here are free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The engine that the environment names is not at a unix socket.
    NotUnix {
        /// The variable.
        variable: &'static str,
        /// Its value.
        host: String,
    },
    /// There is no engine's socket.
    NoSocket {
        /// Its path.
        socket: String,
    },
    /// The engine's socket lets nobody in.
    Connect {
        /// Its path.
        socket: String,
        /// The kernel's words.
        error: KernelError,
    },
    /// The engine is in another process namespace.
    OutOfSight {
        /// Its socket.
        socket: String,
    },
    /// The engine gave no whole answer in time.
    Late {
        /// Its socket.
        socket: String,
        /// How long it had.
        limit: Duration,
    },
    /// The engine gave an answer that nobody understands.
    Garbled {
        /// Its socket.
        socket: String,
        /// What is wrong with the answer.
        fault: String,
    },
    /// The engine reports a trouble of its own.
    Trouble {
        /// Its socket.
        socket: String,
        /// The HTTP status.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// The runtime is not used on this host.
    NotHere {
        /// Where it would keep what it knows.
        path: String,
    },
    /// A file in which a runtime keeps what it knows is not what it should be.
    State {
        /// Its path.
        path: String,
        /// What is wrong with it.
        fault: String,
    },
    /// A place where a runtime keeps what it knows lets nobody in.
    Unreadable {
        /// Its path.
        path: String,
        /// The kernel's words.
        error: KernelError,
    },
    /// Reading what a runtime knows took too long.
    Slow {
        /// What was being read.
        path: String,
        /// How long there was.
        limit: Duration,
    },
    /// A user's engine names a network namespace that is not the user's.
    NotTheirs {
        /// The user's number.
        owner: u32,
    },
    /// The container runs, and its runtime does not tell as which process.
    NoState {
        /// Where it was looked for.
        path: String,
    },
    /// The engine has no such container.
    NoContainer,
    /// Several containers have the name.
    Several {
        /// How each can be named.
        names: Vec<String>,
    },
    /// The ids of several containers start with the name.
    Ambiguous,
    /// The container has no process.
    NotRunning {
        /// What it does instead, in the engine's words.
        state: String,
        /// The container's name.
        name: String,
    },
    /// It has a machine of its own, with a kernel of its own.
    VirtualMachine,
    /// The container runs on another member of its cluster.
    Elsewhere {
        /// The member.
        member: String,
    },
    /// The container got another process during the look-up.
    Restarted,
    /// The process that the engine names is not the container's, or no longer.
    Stranger {
        /// Its number.
        pid: i32,
    },
    /// The container has no network of its own.
    HostNetwork,
    /// There is no process of this number.
    NoProcess,
    /// The number is that of a thread.
    Thread,
    /// The process ended during the look-up.
    Ended,
    /// There is no namespace of this name.
    NoEntry,
    /// There is nothing at this path.
    NoFile,
    /// A bare name is not followed through a link.
    Link {
        /// The name of the link.
        name: String,
    },
    /// The file is something else.
    NotNetns {
        /// Its path.
        path: String,
    },
    /// The file is a namespace, though not one of networks.
    OtherKind {
        /// Its path.
        path: String,
    },
    /// The namespace is the one in which rpipe runs.
    OwnNetns,
    /// The kernel refuses.
    Kernel {
        /// What was tried, on what.
        tried: String,
        /// The kernel's words.
        error: KernelError,
    },
}

/// What an answer means for the search for a bare name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It knows no such name: the next one is asked.
    Absent,
    /// It could not be asked: the next one is, and this is remembered.
    Unasked,
    /// It knows the name, and the answer is no.
    Final,
}

impl Refusal {
    pub(super) fn kernel(tried: impl fmt::Display, error: impl Into<KernelError>) -> Self {
        Self::Kernel { tried: tried.to_string(), error: error.into() }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::NoSocket { .. }
            | Self::NotHere { .. }
            | Self::NoContainer
            | Self::NoProcess
            | Self::Thread
            | Self::NoEntry
            | Self::NoFile
            | Self::Link { .. } => Verdict::Absent,
            Self::NotUnix { .. }
            | Self::Connect { .. }
            | Self::OutOfSight { .. }
            | Self::Late { .. }
            | Self::Garbled { .. }
            | Self::State { .. }
            | Self::Unreadable { .. }
            | Self::Slow { .. }
            | Self::NotTheirs { .. }
            | Self::Trouble { .. } => Verdict::Unasked,
            Self::Ambiguous
            | Self::Several { .. }
            | Self::NoState { .. }
            | Self::Stranger { .. }
            | Self::NotRunning { .. }
            | Self::VirtualMachine
            | Self::Elsewhere { .. }
            | Self::Restarted
            | Self::HostNetwork
            | Self::Ended
            | Self::NotNetns { .. }
            | Self::OtherKind { .. }
            | Self::OwnNetns
            | Self::Kernel { .. } => Verdict::Final,
        }
    }

    /// Whether it means that the runtime is not used on this host.
    fn is_absence(&self) -> bool {
        matches!(self, Self::NoSocket { .. } | Self::NotHere { .. })
    }

    fn remedy(&self, runtime: Runtime) -> Option<String> {
        let remedy = match self {
            Self::Connect { error, .. } | Self::Unreadable { error, .. } | Self::Kernel { error, .. }
                if error.is_permission() =>
            {
                PRIVILEGE
            }
            Self::Connect { .. } | Self::NoSocket { .. } if runtime == Runtime::Docker => {
                "is the Docker engine running?"
            }
            Self::Connect { .. } | Self::NoSocket { .. } => "is it running?",
            Self::Kernel { error, .. } if error.errno == Errno::ENOSYS => "needs Linux 5.3",
            Self::OutOfSight { .. } => "run rpipe where the engine runs",
            Self::Ambiguous => "give more digits of the id",
            Self::NotRunning { state, .. } if state == "restarting" => "try again when it is up",
            Self::NotRunning { state, .. } if state == "gone" => return None,
            Self::Elsewhere { .. } => "run rpipe there",
            Self::NotRunning { name, .. } => return start(runtime, name),
            Self::NoState { .. } => "give it as pid:NUMBER",
            Self::Several { names } => return Some(format!("say which: {}", names.join(", "))),
            Self::NotHere { .. } => "is it installed, and did it run anything yet?",
            Self::Restarted | Self::Ended | Self::Stranger { .. } => "try again",
            Self::NoEntry => "ip netns list shows them",
            _ => return None,
        };
        Some(remedy.to_owned())
    }
}

/// The command that starts a stopped container.
fn start(runtime: Runtime, name: &str) -> Option<String> {
    match runtime {
        Runtime::Docker | Runtime::Podman => Some(format!("{runtime} start {name}")),
        Runtime::Lxc => Some(match name.rsplit_once('/') {
            Some((folder, name)) => format!("lxc-start -P {folder} -n {name}"),
            None => format!("lxc-start -n {name}"),
        }),
        Runtime::Lxd => Some(match name.split_once('/') {
            Some((project, name)) => format!("lxc or incus start {name} --project {project}"),
            None => format!("lxc or incus start {name}"),
        }),
        Runtime::Nspawn => Some(format!("machinectl start {name}")),
        _ => None,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUnix { variable, host } => write!(f, "{variable} {host:?}: only unix:// is understood"),
            Self::NoSocket { socket } => write!(f, "no socket at {socket}"),
            Self::Connect { socket, error } => write!(f, "connecting to {socket}: {error}"),
            Self::OutOfSight { socket } => write!(
                f,
                "the engine at {socket} is in another process namespace, its process numbers mean nothing here"
            ),
            Self::Late { socket, limit } => {
                write!(f, "the engine at {socket} gave no answer within {limit:?}")
            }
            Self::Garbled { socket, fault } => write!(f, "the engine at {socket} {fault}"),
            Self::Trouble { socket, status, message } if message.is_empty() => {
                write!(f, "the engine at {socket} says nothing but HTTP status {status}")
            }
            Self::Trouble { socket, status, message } => {
                write!(f, "the engine at {socket} says: {message}, HTTP status {status}")
            }
            Self::NotHere { path } => write!(f, "nothing at {path}"),
            Self::State { path, fault } => write!(f, "the state file {path} {fault}"),
            Self::Unreadable { path, error } => write!(f, "{path}: {error}"),
            Self::Slow { path, limit } => write!(f, "reading {path} took longer than {limit:?}"),
            Self::NotTheirs { owner } => write!(
                f,
                "an engine of user {owner} names a network namespace that does not belong to that user"
            ),
            Self::NoState { path } => {
                write!(f, "its runtime does not tell which process it is, there is nothing at {path}")
            }
            Self::Several { .. } => f.write_str("it is the name of several"),
            Self::NoContainer => f.write_str("no such container"),
            Self::Ambiguous => f.write_str("the ids of several containers start with it"),
            Self::NotRunning { state, .. } => write!(f, "the container is not running, it is {state}"),
            Self::VirtualMachine => f.write_str("it is a virtual machine, not a container"),
            Self::Elsewhere { member } => write!(f, "the container runs on cluster member {member}"),
            Self::Restarted => f.write_str("the container was restarted while it was being looked up"),
            Self::Stranger { pid } => write!(
                f,
                "process {pid}, which the engine names, is not in the container's control group, it is another's"
            ),
            Self::HostNetwork => f.write_str(
                "the container shares the host's network (--net=host), there is nothing to attach to",
            ),
            Self::NoProcess => f.write_str("no such process"),
            Self::Thread => f.write_str("is the number of a thread, not of a process"),
            Self::Ended => f.write_str("the process ended while it was being looked up"),
            Self::NoEntry => f.write_str("no such entry"),
            Self::NoFile => f.write_str("no such file"),
            Self::Link { name } => write!(f, "the entry is only a link, netns:{name} follows it"),
            Self::NotNetns { path } => write!(f, "{path} is not a network namespace"),
            Self::OtherKind { path } => write!(f, "{path} is a namespace of another kind"),
            Self::OwnNetns => f.write_str(
                "its network namespace is the one rpipe itself runs in, there is nothing to attach to",
            ),
            Self::Kernel { tried, error } => write!(f, "{tried}: {error}"),
        }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused { target, near, .. } | Self::Unknown { target, near, .. }) = self;
        // `{:?}` keeps what a hostile word does to the terminal out of it.
        write!(f, "target {target:?}: ")?;
        let mut remedies = Vec::new();
        match self {
            Self::Refused { runtime, why, .. } => {
                write!(f, "{why}")?;
                remedies.extend(why.remedy(*runtime));
            }
            Self::Unknown { asked, .. } => {
                let unasked = asked.iter().position(|(_, why)| why.verdict() == Verdict::Unasked);
                if let Some((runtime, why)) = unasked.and_then(|place| asked.get(place)) {
                    write!(f, "{why}, and nobody else knows the name")?;
                    remedies.extend(why.remedy(*runtime));
                } else {
                    f.write_str("nobody knows it")?;
                }
                let others = || {
                    let others = asked.iter().enumerate().filter(|(place, _)| Some(*place) != unasked);
                    others.map(|(_, answer)| answer)
                };
                let said = others().filter(|(_, why)| !why.is_absence());
                remedies.extend(said.map(|(runtime, why)| format!("{runtime}: {why}")));
                let absent: Vec<_> = others()
                    .filter(|(_, why)| why.is_absence())
                    .map(|(runtime, _)| runtime.as_str())
                    .collect();
                if !absent.is_empty() {
                    remedies.push(format!("not on this host: {}", absent.join(", ")));
                }
            }
        }
        if !near.is_empty() {
            remedies.push(format!("did you mean {}?", near.join(" or ")));
        }
        if remedies.is_empty() { Ok(()) } else { write!(f, " ({})", remedies.join("; ")) }
    }
}

impl std::error::Error for TargetError {}

/// Words of others, fit for one line of a terminal: no control characters, no more than 200 characters.
pub(super) fn plain(words: &str) -> String {
    const MOST: usize = 200;
    let mut rest = words.trim().chars().filter(|letter| !letter.is_control());
    let mut text: String = rest.by_ref().take(MOST).collect();
    if rest.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
