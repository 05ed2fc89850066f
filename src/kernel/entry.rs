//! Named namespaces: the entries of `/var/run/netns`, which `ip netns` reads.
//!
//! Ours are symbolic links to `/proc/PID/ns/net`: they cost nothing, keep nothing alive, and lead nowhere when the
//! container has died. What `ip netns add` makes is a mount, what others put there may be anything: those are never
//! touched.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use log::info;
use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, RawDir};

use super::{KernelError, NetNs};

/// Where `ip netns` looks (`NETNS_RUN_DIR` of iproute2).
pub const ENTRIES: &str = "/var/run/netns";

/// How many links are looked at in passing.
const SWEPT: usize = 16;

/// Bytes for entries that the kernel gives at once: some forty of the length of a process's number.
const ROOM: usize = 1024;

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// Nothing.
    Missing,
    /// Something that leads to the namespace asked about.
    Right,
    /// Something else.
    Foreign,
}

fn path(name: impl AsRef<Path>) -> PathBuf {
    Path::new(ENTRIES).join(name)
}

/// Where a link of ours for that process leads.
fn destination(pid: i32) -> String {
    format!("/proc/{pid}/ns/net")
}

/// Whether a link's destination has the form of ours.
fn is_ours(destination: &Path) -> bool {
    let pid = destination.to_str().and_then(|path| path.strip_prefix("/proc/")?.strip_suffix("/ns/net"));
    pid.is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit()))
}

/// What stands under `name`, seen from `netns`.
#[must_use]
pub fn look_up_entry(name: &str, netns: &NetNs) -> EntryState {
    let path = path(name);
    match fs::symlink_metadata(&path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            EntryState::Missing
        }
        _ => match NetNs::open(&path) {
            Ok(other) if other.is(netns) => EntryState::Right,
            _ => EntryState::Foreign,
        },
    }
}

/// Removes links of our form whose process is gone. What cannot be read or removed is left for the next run, and so is
/// what is beyond the first [`SWEPT`]: an attach must not cost more the more is attached.
pub fn sweep_entries() {
    for path in links(SWEPT).filter(|path| is_stale(path)) {
        if fs::remove_file(&path).is_ok() {
            info!("removed {}: its process is gone", path.display());
        }
    }
}

/// The links of our form whose process is gone.
#[must_use]
pub fn stale_entries() -> Vec<PathBuf> {
    links(usize::MAX).filter(|path| is_stale(path)).collect()
}

/// All entries: what is no directory.
#[must_use]
pub fn entries() -> Vec<PathBuf> {
    read(usize::MAX, |kind| !kind.is_dir())
}

/// That many of the links among the entries.
fn links(most: usize) -> impl Iterator<Item = PathBuf> {
    read(most, FileType::is_symlink).into_iter()
}

/// That many of the entries that are wanted for what they are; none where there is no directory.
///
/// Not by the standard library: its directories get their memory from musl's allocator, which asks the kernel for some
/// first, and every attach comes by here. In a buffer of our own, which nobody fills with zeros first.
fn read(most: usize, wanted: impl Fn(FileType) -> bool) -> Vec<PathBuf> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(directory) = rustix::fs::open(ENTRIES, flags, Mode::empty()) else { return Vec::new() };
    let mut room = Vec::with_capacity(ROOM);
    let mut directory = RawDir::new(directory, room.spare_capacity_mut());
    let mut entries = Vec::new();
    while entries.len() < most
        && let Some(Ok(entry)) = directory.next()
    {
        // Itself and the one above are directories.
        if wanted(entry.file_type()) {
            entries.push(path(OsStr::from_bytes(entry.file_name().to_bytes())));
        }
    }
    entries
}

/// The number of the process that a link of our form leads to.
#[must_use]
pub fn process_of_entry(path: &Path) -> Option<i32> {
    let destination = fs::read_link(path).ok().filter(|destination| is_ours(destination))?;
    destination.to_str()?.strip_prefix("/proc/")?.strip_suffix("/ns/net")?.parse().ok()
}

/// Whether it is a link of our form whose process is gone.
fn is_stale(path: &Path) -> bool {
    // A process that is dead but not yet waited for has no namespaces any more: ENOENT as well.
    let gone = |error: std::io::Error| {
        error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
    };
    fs::metadata(path).is_err_and(gone) && fs::read_link(path).is_ok_and(|destination| is_ours(&destination))
}

/// `ln -s /proc/PID/ns/net /var/run/netns/NAME`. Tells whether the directory had to be made.
///
/// # Errors
/// `EEXIST` when the name was taken meanwhile, `EROFS`, `ENOSPC` …
pub fn link_entry(name: &str, pid: i32) -> Result<bool, KernelError> {
    let made = match symlink(destination(pid), path(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(ENTRIES)?;
            if let Err(error) = symlink(destination(pid), path(name)) {
                let _ = fs::remove_dir(ENTRIES);
                return Err(error.into());
            }
            true
        }
        other => {
            other?;
            false
        }
    };
    Ok(made)
}

/// `rm /var/run/netns/NAME`, if it is still the link that we made; the directory too, if we made it and it
/// is empty.
///
/// # Errors
/// `EROFS` and its like. A link that is gone or was replaced is none.
pub fn unlink_entry(name: &str, pid: i32, directory_too: bool) -> Result<(), KernelError> {
    let path = path(name);
    if fs::read_link(&path).is_ok_and(|destination_now| destination_now == Path::new(&destination(pid))) {
        fs::remove_file(&path)?;
    }
    if directory_too {
        // Fails when somebody else has put an entry there, which is fine.
        let _ = fs::remove_dir(ENTRIES);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_a_process_are_ours() {
        assert!(is_ours(Path::new("/proc/123/ns/net")));
        for other in ["/proc//ns/net", "/proc/self/ns/net", "/proc/1/ns/mnt", "/proc/1/../2/ns/net", "/x", ""]
        {
            assert!(!is_ours(Path::new(other)), "{other}");
        }
    }
}
