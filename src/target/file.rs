//! The files in which runtimes keep what they know, read with care.
//!
//! IO, read-only. Some of these folders belong to users: a file there may be a link to anywhere, a pipe that never
//! answers, or endless. Only a plain file of the expected owner is read, below its folder, without following links
//! and without leaving the file system.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use serde::de::DeserializeOwned;

use super::engine::Deadline;
use super::error::{Refusal, plain};
use crate::kernel::KernelError;

/// The largest file that is read. The list of ten thousand containers of Podman is half of it.
const MOST_BYTES: u64 = 16 << 20;

/// A folder in which a runtime keeps its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Folder {
    path: PathBuf,
    /// The user whose word its content is; 0 for root.
    owner: u32,
}

impl Folder {
    /// A folder that only root can write to.
    pub(super) fn of_root(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), owner: 0 }
    }

    /// A folder of a user.
    pub(super) fn of_user(path: impl Into<PathBuf>, owner: u32) -> Self {
        Self { path: path.into(), owner }
    }

    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    /// The path for people.
    pub(super) fn shown(&self) -> String {
        plain(&self.path.to_string_lossy())
    }

    pub(super) fn below(&self, name: &str) -> Self {
        Self { path: self.path.join(name), owner: self.owner }
    }

    /// Whether it is there at all.
    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// The names in it that are text, in order; none when it is not there. A large folder is read only while there is time.
    pub(super) fn names(&self, deadline: Deadline) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            deadline.check(|| self.shown())?;
            names.extend(entry.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The JSON in `file`, a relative path; `None` when there is no such file.
    pub(super) fn json<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, Refusal> {
        let Some(bytes) = self.bytes(file)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| self.fault(file, "describes no container"))
    }

    /// The text in `file`, a relative path; `None` when there is no such file.
    pub(super) fn text(&self, file: &str) -> Result<Option<String>, Refusal> {
        let Some(bytes) = self.bytes(file)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| self.fault(file, "is not text"))
    }

    fn bytes(&self, file: &str) -> Result<Option<Vec<u8>>, Refusal> {
        self.read(file).map_err(|why| match why {
            Fault::Kernel(error) => Refusal::kernel(format_args!("{}/{}", self.shown(), plain(file)), error),
            Fault::Odd(odd) => self.fault(file, odd),
        })
    }

    fn fault(&self, file: &str, fault: &str) -> Refusal {
        Refusal::State { path: format!("{}/{}", self.shown(), plain(file)), fault: fault.to_owned() }
    }

    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, Fault> {
        let file = match self.open(file) {
            Ok(file) => file,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(Errno::ELOOP | Errno::EXDEV) => {
                return Err(Fault::Odd("is reached through a link or a mount"));
            }
            Err(errno) => return Err(Fault::Kernel(errno.into())),
        };
        let meta = file.metadata().map_err(|error| Fault::Kernel(error.into()))?;
        if !meta.is_file() {
            return Err(Fault::Odd("is no file"));
        }
        if meta.uid() != self.owner && meta.uid() != 0 {
            return Err(Fault::Odd("belongs to somebody else"));
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Fault::Kernel(error.into()))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Fault::Odd("is endless"));
        }
        Ok(Some(bytes))
    }

    /// Never waits: not for the other end of a pipe, and not for a file system that a user mounted.
    fn open(&self, file: &str) -> Result<File, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        if self.owner == 0 {
            return open(&self.path.join(file), flags, Mode::empty()).map(File::from);
        }
        let folder = open(&self.path, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?;
        let below = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS
            | ResolveFlag::RESOLVE_NO_XDEV;
        openat2(folder.as_fd(), file, OpenHow::new().flags(flags).resolve(below)).map(File::from)
    }
}

/// Why a file was not read.
#[derive(Debug)]
enum Fault {
    Kernel(KernelError),
    Odd(&'static str),
}

/// The runtime folders of the users who are logged in: `/run/user/UID` (pam_systemd(8)), each owned by its user.
pub(super) fn of_users() -> Vec<Folder> {
    let mut folders = Vec::new();
    for entry in fs::read_dir("/run/user").into_iter().flatten().flatten() {
        let owner = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(owner) = owner.filter(|owner| *owner != 0) else { continue };
        if fs::symlink_metadata(entry.path()).is_ok_and(|meta| meta.is_dir() && meta.uid() == owner) {
            folders.push(Folder::of_user(entry.path(), owner));
        }
    }
    folders.sort_unstable_by_key(Folder::owner);
    folders
}
