//! `netns:` a namespace by the name that `ip netns` gave it, or by path.
//!
//! IO, read-only. Nobody says whose namespace it is, so there is no process to watch.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Target;
use super::error::{Refusal, plain};
use crate::kernel::{ENTRIES, NetNs};
use crate::spec::{EntryName, Runtime};

/// The namespace of a name or path that was asked for as such; links are followed.
pub(super) fn find(name: &str, home: &NetNs) -> Result<Target, Refusal> {
    let (path, absent) = if name.starts_with('/') {
        (PathBuf::from(name), Refusal::NoFile)
    } else {
        (Path::new(ENTRIES).join(name), Refusal::NoEntry)
    };
    let shown = plain(&path.to_string_lossy());
    let netns = NetNs::open(&path).map_err(|error| match error.errno {
        Errno::ENOENT | Errno::ENOTDIR => absent,
        Errno::EINVAL => Refusal::NotNetns { path: shown.clone() },
        _ => Refusal::kernel(&shown, error),
    })?;
    if netns.is(home) {
        return Err(Refusal::OwnNetns);
    }
    // All kinds of namespaces look the same from outside: only entering tells.
    netns.enter(home, || ()).map_err(|error| match error.errno {
        Errno::EINVAL => Refusal::OtherKind { path: shown.clone() },
        _ => Refusal::kernel(format_args!("entering {shown}"), error),
    })?;
    Ok(Target {
        name: name.to_owned(),
        runtime: Runtime::Netns,
        id: None,
        shares: None,
        process: None,
        netns,
        entry: None,
    })
}

/// The namespace of a bare name; `None` when it cannot be a name of one.
///
/// Here links are not followed: those that rpipe makes lead to `/proc/PID/ns/net`, and when the container is gone
/// the number may be a stranger's.
pub(super) fn find_bare(name: &str, home: &NetNs) -> Option<Result<Target, Refusal>> {
    let entry: EntryName = name.parse().ok()?;
    Some(own_entry(Path::new(ENTRIES), &entry).and_then(|()| find(name, home)))
}

/// The names that can be asked for, for the one who mistyped one.
pub(super) fn names() -> Vec<String> {
    let entries = fs::read_dir(ENTRIES).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.parse::<EntryName>().is_ok()).collect()
}

/// Those that can be asked for by a bare name, or with `netns:` before it.
pub(super) fn running(bare: bool) -> Vec<(String, String)> {
    let own = |name: &String| {
        fs::symlink_metadata(Path::new(ENTRIES).join(name)).is_ok_and(|file| !file.is_symlink())
    };
    names().into_iter().filter(|name| !bare || own(name)).map(|name| (name, String::new())).collect()
}

/// Whether the entry is there and is no link.
fn own_entry(entries: &Path, entry: &EntryName) -> Result<(), Refusal> {
    let path = entries.join(entry.as_str());
    match fs::symlink_metadata(&path) {
        Ok(file) if file.is_symlink() => Err(Refusal::Link { name: entry.to_string() }),
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Refusal::NoEntry)
        }
        Err(error) => Err(Refusal::kernel(path.display(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_bare_name_does_not_follow_links() {
        let entries = std::env::temp_dir().join(format!("rpipe-entries-{}", std::process::id()));
        fs::create_dir_all(&entries).unwrap();
        symlink("/proc/self/ns/net", entries.join("live")).unwrap();
        symlink("/nowhere", entries.join("stale")).unwrap();
        fs::write(entries.join("own"), "").unwrap();
        let ask = |name: &str| own_entry(&entries, &name.parse().unwrap());
        assert_eq!(ask("live"), Err(Refusal::Link { name: "live".into() }));
        assert_eq!(ask("stale"), Err(Refusal::Link { name: "stale".into() }));
        assert_eq!(ask("none"), Err(Refusal::NoEntry));
        assert_eq!(ask("own"), Ok(()));
        let nowhere = entries.join("own").join("below");
        assert_eq!(own_entry(&nowhere, &"x".parse().unwrap()), Err(Refusal::NoEntry));
        fs::remove_dir_all(&entries).unwrap();
    }

    #[test]
    fn what_is_no_network_namespace_of_another_is_refused() {
        let home = NetNs::own().unwrap();
        let ask = |name: &str| find(name, &home).unwrap_err();
        assert_eq!(ask("/nowhere/at/all"), Refusal::NoFile);
        assert_eq!(ask("/dev/null/x"), Refusal::NoFile);
        assert_eq!(ask("rpipe-has-no-such-entry"), Refusal::NoEntry);
        assert_eq!(ask("/dev/null"), Refusal::NotNetns { path: "/dev/null".into() });
        assert_eq!(ask("/proc/self/ns/net"), Refusal::OwnNetns);
    }
}
