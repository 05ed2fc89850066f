//! `/run/rpipe/INODE-IFNAME-PID`: the one directory that a client shares with the host.
//!
//! IO. Named after the network namespace's inode, the interface, and the keeper that owns it. Only root gets in.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::kernel::KernelError;

/// Where all of them are, and where a client finds its own one.
pub const ROOM: &str = "/run/rpipe";
/// The keeper's socket.
pub const NEWS: &str = "news";
/// What the client starts as its script.
pub const COURIER: &str = super::COURIER;
/// The number of the client's process.
pub const PID_FILE: &str = "client.pid";
/// The configuration for ISC's client.
pub const ISC_CONFIG: &str = "dhclient.conf";

/// A file of the directory as the client sees it.
pub fn inside(name: &str) -> PathBuf {
    Path::new(ROOM).join(name)
}

/// The directory, as long as its keeper lives.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Makes it; what keepers of this interface left that were killed is removed.
    ///
    /// # Errors
    /// `EPERM` when `/run/rpipe` is not root's alone, and the file system's own.
    pub fn make(inode: u64, ifname: &str) -> Result<Self, KernelError> {
        create(Path::new(ROOM), 0o755)?;
        let room = fs::symlink_metadata(ROOM)?;
        if !room.is_dir() || room.uid() != nix::unistd::geteuid().as_raw() || room.mode() & 0o022 != 0 {
            let message = format!("{ROOM} must be a directory that only root can write to");
            return Err(KernelError { errno: Errno::EPERM, message: Some(message) });
        }
        let prefix = format!("{inode}-{ifname}-");
        sweep(&prefix);
        let path = Path::new(ROOM).join(format!("{prefix}{}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            // Of a dead process that had our number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&path)?;
                DirBuilder::new().mode(0o700).create(&path)?;
            }
            other => other?,
        }
        Ok(Self(path))
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// `EEXIST` when it is there, and the file system's own.
    pub fn write(&self, name: &str, text: &str) -> Result<(), KernelError> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(self.file(name))?;
        Ok(std::io::Write::write_all(&mut file, text.as_bytes())?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is of no effect, and the next one of this interface tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn create(path: &Path, mode: u32) -> std::io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn sweep(prefix: &str) {
    let Ok(entries) = fs::read_dir(ROOM) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let ours = pid.is_some_and(|pid| pid.parse::<u32>().is_ok());
        if ours && !has_keeper(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether somebody listens at the directory's socket.
fn has_keeper(path: &Path) -> bool {
    UnixDatagram::unbound().and_then(|socket| socket.connect(path.join(NEWS))).is_ok()
}
