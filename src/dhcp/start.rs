//! The attach's side: starts a keeper in the container's network, waits for its report, ends it when all is undone.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};

use crate::kernel::{KernelError, NetNs};
use crate::plan::LeaseRequest;
use crate::signals::Held;
use crate::spec::IfName;
use crate::target::Process;

use super::lease::Lease;
use super::{cage, client};

/// As much as a report can be long.
const MOST_REPORT: u64 = 16 * 1024;

/// With whom a client ends that stays.
#[derive(Debug)]
pub enum Owner<'a> {
    /// With rpipe itself.
    Caller,
    /// With a container's process.
    Process(&'a Process),
    /// When this file no longer leads to the namespace.
    Entry(PathBuf),
}

/// A keeper that was started.
#[derive(Debug)]
pub struct Keeper(Pid);

/// Why there is no lease. Nothing of the client is left.
#[derive(Debug)]
pub enum Failure {
    /// Nobody answered in time.
    Late,
    /// What the keeper has to tell.
    Said(String),
    /// It could not be started or waited for.
    Kernel(KernelError),
    /// A signal came in between.
    Signal(Signal),
}

impl<E: Into<KernelError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Kernel(error.into())
    }
}

/// Has a client get a lease for an interface of `netns`, and waits for it. `replace` says that the default route that is
/// there may be replaced.
///
/// # Errors
/// When there is no lease.
pub fn start(
    (netns, home): (&NetNs, &NetNs),
    owner: &Owner<'_>,
    (ifname, request): (&IfName, &LeaseRequest),
    replace: bool,
    held: &Held,
) -> Result<(Keeper, Lease), Failure> {
    let (report, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    let pinned;
    let (owner, entry) = match owner {
        Owner::Process(process) => (Some(process.as_fd()), None),
        Owner::Caller => {
            pinned = pin(i32::try_from(std::process::id()).map_err(|_| Errno::ERANGE)?)?;
            (Some(pinned.as_fd()), None)
        }
        Owner::Entry(path) => match process_of(path) {
            Some(pid) => {
                pinned = pin(pid)?;
                (Some(pinned.as_fd()), None)
            }
            None => (None, Some(path.as_path())),
        },
    };
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    let words = words(ifname, request, replace, entry)?;
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(owner.unwrap_or(nothing.as_fd()).as_raw_fd(), 0)?;
    actions.add_dup2(theirs.as_raw_fd(), 1)?;
    actions.add_dup2(nothing.as_raw_fd(), 2)?;
    // What a caller had open, a lock for one, must not stay open as long as the client does.
    for entry in fs::read_dir("/proc/self/fd")?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(fd) = number.filter(|fd| *fd > 2) {
            actions.add_close(fd)?;
        }
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let environment = [c_string([&b"PATH="[..], path.as_bytes()].concat())?];
    let spawn = || posix_spawn(Path::new("/proc/self/exe"), &actions, &attributes, &words, &environment);
    let keeper = Keeper(netns.enter(home, spawn)??);
    drop(theirs);
    let outcome = wait(report.into(), held);
    match outcome {
        Ok(lease) => Ok((keeper, lease)),
        Err(failure) => {
            // The report's end is closed: that alone would end it.
            keeper.end()?;
            Err(failure)
        }
    }
}

fn pin(pid: i32) -> Result<Process, KernelError> {
    Process::pin(pid)
}

/// The process whose namespace a path leads to by way of procfs.
fn process_of(path: &Path) -> Option<i32> {
    let of = |path: &Path| path.to_str()?.strip_prefix("/proc/")?.strip_suffix("/ns/net")?.parse().ok();
    of(path).or_else(|| of(&fs::read_link(path).ok()?))
}

fn c_string(bytes: Vec<u8>) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| Errno::EINVAL)
}

/// The words that the keeper understands.
fn words(
    ifname: &IfName,
    request: &LeaseRequest,
    replace: bool,
    entry: Option<&Path>,
) -> Result<Vec<CString>, Errno> {
    let default = match (request.default, replace) {
        (false, _) => "none",
        (true, false) => "add",
        (true, true) => "replace",
    };
    let own = [
        super::KEEPER.to_owned(),
        ifname.to_string(),
        if request.keep { "keep" } else { "once" }.to_owned(),
        request.limit.as_millis().to_string(),
        request.metric.to_string(),
        default.to_owned(),
    ];
    let entry = entry.map_or(&b"-"[..], |path| path.as_os_str().as_bytes());
    let hostname = request.hostname.clone().unwrap_or_default().into_bytes();
    let program = request.client.program.as_os_str().as_bytes().to_vec();
    let client = client::words(request, ifname.as_str(), cage::isc_paths());
    let client = client.into_iter().map(String::into_bytes);
    let own = own.into_iter().map(String::into_bytes);
    own.chain([entry.to_vec(), hostname, program]).chain(client).map(c_string).collect()
}

/// Waits for the report, or for a signal.
fn wait(mut report: File, held: &Held) -> Result<Lease, Failure> {
    loop {
        if let Some(arrived) = held.arrived() {
            return Err(Failure::Signal(arrived.signal));
        }
        let mut fds =
            [PollFd::new(report.as_fd(), PollFlags::POLLIN), PollFd::new(held.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) if fds[0].any().unwrap_or(true) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    // A keeper that stays keeps its end open: one line is all there is to read.
    let mut line = Vec::new();
    let mut byte = [0];
    while (line.len() as u64) < MOST_REPORT && report.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    match line.split_once(' ') {
        Some(("leased", lease)) => lease.parse().map_err(|()| Failure::Said(line)),
        Some(("failed", why)) => Err(Failure::Said(why.to_owned())),
        _ if line == "late" => Err(Failure::Late),
        _ => Err(Failure::Said("the interface or the container is gone".to_owned())),
    }
}

impl Keeper {
    /// Ends it, and with it the client; comes back when both are gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn end(self) -> Result<(), KernelError> {
        // A child that was not waited for, so the number is its own. One that has ended by itself is none to signal.
        let _ = kill(self.0, Signal::SIGTERM);
        loop {
            match waitpid(self.0, None) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(_) => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_through_procfs_is_a_processs() {
        assert_eq!(process_of(Path::new("/proc/4711/ns/net")), Some(4711));
        for other in ["/proc/self/ns/net", "/proc/1/ns/mnt", "/var/run/netns/red", "/"] {
            assert_eq!(process_of(Path::new(other)), None, "{other}");
        }
    }
}
