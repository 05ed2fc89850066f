//! Network namespaces as open descriptors.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{fstat, stat};
use nix::sys::statfs::{FsType, fstatfs};
use rustix::fs::{Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;

use super::KernelError;

/// The file system of namespace files (`NSFS_MAGIC`, include/uapi/linux/magic.h).
const NSFS: FsType = FsType(0x6e73_6673);

/// The namespace this program is in, through procfs. Not `thread-self`, which is twice as far: only the first thread ever
/// enters another, and it comes back.
const OWN: &str = "/proc/self/ns/net";

/// A network namespace, held open: it lives at least as long as this value.
#[derive(Debug)]
pub struct NetNs {
    file: File,
    /// Device and inode of the namespace file: equal for two descriptors of the same namespace.
    id: (u64, u64),
}

/// The C library asks the kernel a second time to close it when another program is started.
fn opened(path: &Path, flags: OFlags) -> std::io::Result<File> {
    Ok(rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())?.into())
}

impl NetNs {
    /// The namespace this process is in.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn own() -> Result<Self, KernelError> {
        Self::in_proc(Path::new(OWN))
    }

    /// A namespace by a path in procfs, where nobody but the kernel can put anything.
    ///
    /// # Errors
    /// `ENOENT` when there is no such process any more, `EACCES` without the privilege to look at it.
    pub fn in_proc(path: &Path) -> Result<Self, KernelError> {
        Self::trusted(opened(path, OFlags::RDONLY)?)
    }

    /// A namespace by path: a bind mount as `ip netns` makes it, or `/proc/PID/ns/net`.
    ///
    /// Opened by `O_PATH` first, so that a path to a pipe or a device neither hangs nor has side effects.
    ///
    /// # Errors
    /// `ENOENT` and its like when there is nothing, `EINVAL` when it is no namespace.
    pub fn open(path: &Path) -> Result<Self, KernelError> {
        let handle = opened(path, OFlags::PATH)?;
        if fstatfs(&handle)?.filesystem_type() != NSFS {
            return Err(Errno::EINVAL.into());
        }
        let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
        Self::from_file(opened(Path::new(&path), OFlags::RDONLY)?)
    }

    /// A namespace by an open descriptor of its file.
    ///
    /// # Errors
    /// `EINVAL` when it is no namespace.
    pub fn from_file(file: File) -> Result<Self, KernelError> {
        if fstatfs(&file)?.filesystem_type() != NSFS {
            return Err(Errno::EINVAL.into());
        }
        Self::trusted(file)
    }

    /// A file that can only be a namespace.
    fn trusted(file: File) -> Result<Self, KernelError> {
        let stat = fstat(&file)?;
        Ok(Self { file, id: (stat.st_dev, stat.st_ino) })
    }

    /// The inode number, which `lsns` and `readlink /proc/PID/ns/net` show.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.id.1
    }

    /// Whether both are one namespace.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    /// Another namespace by path, where there are many: all namespace files are of one file system, so that one question
    /// tells what it is.
    ///
    /// # Errors
    /// `ENOENT` and its like when there is nothing, `EINVAL` when it is no namespace.
    pub fn sibling(&self, path: &Path) -> Result<Self, KernelError> {
        // Not blocking: a pipe would wait for a writer.
        let sibling = Self::trusted(opened(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?)?;
        if sibling.id.0 == self.id.0 { Ok(sibling) } else { Err(Errno::EINVAL.into()) }
    }

    /// Waits for its turn, at most `limit`, or until there is a reason to give up: whoever else works on this namespace has it locked until it ends. Equal to
    /// `flock /proc/PID/ns/net`.
    ///
    /// The lock is one of the namespace's own file, so there is no file to be left behind, and the kernel takes it away
    /// with the process.
    ///
    /// # Errors
    /// `EWOULDBLOCK` when it does not get its turn in time.
    pub fn lock(&self, limit: Duration, give_up: impl Fn() -> bool) -> Result<Flock<File>, KernelError> {
        let mut end = None;
        let mut file = File::from(fcntl_dupfd_cloexec(&self.file, 0).map_err(std::io::Error::from)?);
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(lock),
                // The kernel tells nobody when a lock is free who will not wait for it without end.
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR))
                    if Instant::now() < *end.get_or_insert_with(|| Instant::now() + limit) && !give_up() =>
                {
                    file = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err((_, errno)) => return Err(errno.into()),
            }
        }
    }

    /// Runs `work` inside the namespace and comes back. Equal to `nsenter --net=…`.
    ///
    /// Only for opening sockets and files that belong to the namespace from then on: a process that
    /// stays in the wrong namespace wires the wrong machine, so failing to come back ends the process.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` when it is a namespace of another kind.
    pub fn enter<T>(&self, home: &Self, work: impl FnOnce() -> T) -> Result<T, KernelError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)?;
        let result = work();
        let back = || setns(&home.file, CloneFlags::CLONE_NEWNET);
        // Nothing is known to keep a process from its own namespace; if something does, perhaps only once.
        if let Err(errno) = back().or_else(|_| back()) {
            // Not by a macro that panics when nobody listens.
            let words = format!("rpipe: coming back from the target's network namespace: {}\n", errno.desc());
            let _ = std::io::stderr().write_all(words.as_bytes());
            std::process::abort();
        }
        Ok(result)
    }

    /// Goes into the namespace for good. Only for a process that is about to become another program.
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn join(&self) -> Result<(), KernelError> {
        Ok(setns(&self.file, CloneFlags::CLONE_NEWNET)?)
    }

    /// The user to whom it belongs: who is root in the user namespace that it was made in. 0 when that is the
    /// machine's, or one that has no root yet.
    ///
    /// The kernel has a call that tells (`NS_GET_USERNS`, ioctl_ns(2)); the owner of the files under
    /// `/proc/sys/net`, which are those of the reader's namespace, is the same and needs no ioctl
    /// (`net_ctl_set_ownership`, net/sysctl_net.c).
    ///
    /// # Errors
    /// As [`Self::enter`].
    pub fn owner(&self, home: &Self) -> Result<u32, KernelError> {
        let stat = self.enter(home, || stat("/proc/sys/net/ipv4/ip_forward"))?;
        Ok(stat?.st_uid)
    }

    /// A fresh namespace with nothing but a loopback interface that is down. Equal to `unshare --net`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` at the limit of namespaces.
    pub fn fresh(home: &Self) -> Result<Self, KernelError> {
        home.enter(home, || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Self::own()
        })?
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
