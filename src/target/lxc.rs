//! `lxc:` a container of LXC, by name or by the path of its folder.
//!
//! IO, read-only. A running container has a monitor, which listens on an abstract socket and tells the container's first
//! process. Equal to `lxc-info -n NAME -pH`. Anybody on the host's network may take such a socket's name, a container too,
//! so the answer counts only with what the kernel says of its sender: it is root or the one to whom the folder belongs, it
//! is in our own process namespace, and the process it names is its child.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials, connect,
    getsockopt, recvmsg, send, setsockopt, socket, sockopt,
};

use super::engine::Deadline;
use super::error::{Refusal, plain};
use super::file::Folder;
use super::pin::Known;
use super::{Process, Target, pid};
use crate::kernel::NetNs;
use crate::spec::{EntryName, Runtime};

/// Where LXC's own settings are.
const SETTINGS: &str = "/etc/lxc";

/// Where the containers are unless the settings say otherwise.
const CONTAINERS: &str = "/var/lib/lxc";

/// `LXC_CMD_GET_INIT_PID` in src/lxc/commands.h, the same since LXC 1.1.
const GET_INIT_PID: u32 = 4;

/// The length of a question and of an answer: two integers and a pointer, in which the number is.
const LENGTH: usize = 16;

/// A container of this name, in this folder of containers.
#[derive(Debug, PartialEq, Eq)]
struct Container {
    folder: PathBuf,
    name: String,
}

/// What a monitor says, and who it is.
#[derive(Debug)]
struct Answer {
    pid: i32,
    sender: UnixCredentials,
}

/// The namespace of a container.
pub(super) fn find(word: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let container = Container::read(word)?;
    match container.ask(deadline)? {
        Some(answer) => container.target(&answer, home),
        None => Err(container.absence()),
    }
}

/// The names of the containers, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let folder = Folder::of_root(containers().unwrap_or_default());
    let names = folder.names(deadline).unwrap_or_default();
    names
        .into_iter()
        .filter(|name| folder.below(name).exists() && name.parse::<EntryName>().is_ok())
        .collect()
}

/// The containers that run: those whose monitor's socket is there. Nobody is asked.
pub(super) fn running(deadline: Deadline) -> Vec<(String, String)> {
    let Ok(folder) = containers() else { return Vec::new() };
    let names = names(deadline);
    // Most hosts have none.
    if names.is_empty() {
        return Vec::new();
    }
    let sockets = fs::read("/proc/net/unix").unwrap_or_default();
    let sockets = String::from_utf8_lossy(&sockets).into_owned();
    let sockets: HashSet<_> =
        sockets.lines().filter_map(|line| line.split_once(" @").map(|(_, name)| name)).collect();
    let runs = |name: &String| {
        sockets.contains(Container { folder: folder.clone(), name: name.clone() }.socket().as_str())
    };
    names.into_iter().filter(runs).map(|name| (name, String::new())).collect()
}

/// The folder of the containers.
fn containers() -> Result<PathBuf, Refusal> {
    let settings = Folder::of_root(SETTINGS).text("lxc.conf")?.unwrap_or_default();
    Ok(setting(&settings, "lxc.lxcpath").unwrap_or(CONTAINERS).into())
}

/// The value of a setting that is a path.
fn setting<'s>(settings: &'s str, key: &str) -> Option<&'s str> {
    let mut lines = settings.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines.find(|(name, _)| name.trim() == key)?;
    let value = value.trim();
    value.starts_with('/').then(|| value.trim_end_matches('/')).filter(|path| !path.is_empty())
}

impl Container {
    fn read(word: &str) -> Result<Self, Refusal> {
        let (folder, name) = match word.rsplit_once('/') {
            Some((folder, name)) => (folder.trim_end_matches('/').into(), name),
            None => (containers()?, word),
        };
        match name.parse::<EntryName>() {
            Ok(_) => Ok(Self { folder, name: name.to_owned() }),
            Err(_) => Err(Refusal::NoContainer),
        }
    }

    /// The name of its monitor's socket (`lxc_make_abstract_socket_name`, src/lxc/commands_utils.c).
    fn socket(&self) -> String {
        /// Longer ones are replaced.
        const MOST: usize = 105;
        let path = format!("{}/{}", self.folder.display(), self.name);
        let name = format!("{path}/command");
        if name.len() <= MOST { name } else { format!("lxc/{:016x}/command", fnv1a(path.as_bytes())) }
    }

    fn garbled(&self, fault: &str) -> Refusal {
        Refusal::Garbled { socket: self.shown(), fault: fault.to_owned() }
    }

    /// The socket for people, as `ss` shows it.
    fn shown(&self) -> String {
        plain(&format!("@{}", self.socket()))
    }

    /// Asks the monitor; `None` when there is none.
    fn ask(&self, deadline: Deadline) -> Result<Option<Answer>, Refusal> {
        let trouble = |errno: Errno| Refusal::Connect { socket: self.shown(), error: errno.into() };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(trouble)?;
        let address = UnixAddr::new_abstract(self.socket().as_bytes()).map_err(trouble)?;
        // Before the answer can come: from then on the kernel notes who sends.
        setsockopt(&socket, sockopt::PassCred, &true).map_err(trouble)?;
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => {}
            Err(Errno::ECONNREFUSED) => return Ok(None),
            // So many have asked that it takes no more questions, and it answers none of them.
            Err(Errno::EAGAIN) => return Err(deadline.missed(self.shown())),
            Err(errno) => return Err(trouble(errno)),
        }
        // A user who took the name must not make us wait for an answer that would not count.
        self.check_owner(getsockopt(&socket, sockopt::PeerCredentials).map_err(trouble)?.uid())?;
        let mut question = [0; LENGTH];
        question[..4].copy_from_slice(&GET_INIT_PID.to_ne_bytes());
        match send(socket.as_raw_fd(), &question, MsgFlags::MSG_NOSIGNAL) {
            Ok(LENGTH) => {}
            _ => return Err(self.garbled("broke off its answer")),
        }
        self.wait(&socket, deadline)?;
        self.receive(&socket).map(Some)
    }

    /// Whether this user may have containers here. Root of another user namespace is not root here: the kernel shows it
    /// as the user that it is here.
    fn check_owner(&self, user: u32) -> Result<(), Refusal> {
        if user == 0 || fs::metadata(&self.folder).is_ok_and(|folder| folder.uid() == user) {
            Ok(())
        } else {
            Err(self.garbled(&format!("is served by user {user}, who has no containers there")))
        }
    }

    fn wait(&self, socket: &OwnedFd, deadline: Deadline) -> Result<(), Refusal> {
        loop {
            let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, deadline.left()) {
                Ok(0) => return Err(deadline.missed(self.shown())),
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Refusal::kernel(format_args!("asking {}", self.shown()), errno)),
            }
        }
    }

    fn receive(&self, socket: &OwnedFd) -> Result<Answer, Refusal> {
        // One more than there may be. A message from another sender is not taken into the same piece (unix(7)).
        let mut bytes = [0; LENGTH + 1];
        let mut space = cmsg_space!(UnixCredentials);
        let mut pieces = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let broken = || self.garbled("broke off its answer");
        let message =
            recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut space), flags).map_err(|_| broken())?;
        let length = message.bytes;
        let sender = message.cmsgs().ok().and_then(|mut control| {
            control.find_map(|control| match control {
                ControlMessageOwned::ScmCredentials(sender) => Some(sender),
                _ => None,
            })
        });
        let (Some(sender), false) = (sender, length == 0) else { return Err(broken()) };
        let pid = init_pid(bytes.get(..length).unwrap_or_default())
            .ok_or_else(|| self.garbled("answers with something that is not LXC's"))?;
        Ok(Answer { pid, sender })
    }

    /// The target, when the answer can be believed.
    fn target(self, answer: &Answer, home: &NetNs) -> Result<Target, Refusal> {
        let owner = answer.sender.uid();
        self.check_owner(owner)?;
        if answer.sender.pid() == 0 {
            return Err(Refusal::OutOfSight { socket: self.shown() });
        }
        let gone = |why| match why {
            Refusal::NoProcess | Refusal::Thread | Refusal::Ended => Refusal::Ended,
            why => why,
        };
        let (process, netns) = pid::pin(answer.pid).map_err(gone)?;
        let monitor = Process::pin(answer.sender.pid()).map_err(|_| Refusal::Ended)?;
        let parent = process.parent().map_err(|_| Refusal::Ended)?;
        let levels = monitor.read("status").ok().as_deref().and_then(levels);
        if !monitor.is_alive() || !process.is_alive() {
            return Err(Refusal::Ended);
        }
        // Its numbers are those of a namespace below ours: a container on the host's network that calls itself LXC.
        if levels != Some(1) {
            return Err(Refusal::OutOfSight { socket: self.shown() });
        }
        if parent != monitor.pid() {
            return Err(self.garbled("names a process that is not its own"));
        }
        Known { runtime: Runtime::Lxc, name: self.name, id: None, owner }.target((process, netns), home)
    }

    /// Why nobody listens.
    fn absence(self) -> Refusal {
        let path = self.folder.join(&self.name);
        match (is_there(&path), is_there(&self.folder)) {
            (Err(why), _) | (_, Err(why)) => why,
            (Ok(true), _) => {
                let usual = containers().is_ok_and(|usual| usual == self.folder);
                let name = if usual { self.name } else { path.to_string_lossy().into_owned() };
                Refusal::NotRunning { state: "stopped".to_owned(), name: plain(&name) }
            }
            (_, Ok(true)) => Refusal::NoContainer,
            _ => Refusal::NotHere { path: plain(&self.folder.to_string_lossy()) },
        }
    }
}

fn is_there(path: &Path) -> Result<bool, Refusal> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(Refusal::Unreadable { path: plain(&path.to_string_lossy()), error: error.into() }),
    }
}

/// The number in an answer: an error number that is 0, a length that is 0, and a pointer that is the process.
fn init_pid(answer: &[u8]) -> Option<i32> {
    let answer: &[u8; LENGTH] = answer.try_into().ok()?;
    let (head, number) = answer.split_first_chunk::<8>()?;
    let number = u64::from_ne_bytes(number.try_into().ok()?);
    if *head != [0; 8] {
        return None;
    }
    pid::number(&number.to_string())
}

/// How many process namespaces have a number for it, from ours downwards: `NSpid` in `/proc/PID/status`.
fn levels(status: &[u8]) -> Option<usize> {
    let status = String::from_utf8_lossy(status);
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_whitespace().count())
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
