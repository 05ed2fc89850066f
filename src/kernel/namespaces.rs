//! All network namespaces that can be found: those of processes, and those that somebody keeps by a file.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::NetNs;

/// Where namespaces are kept by a file: those of `ip netns`, and those of Docker.
const KEPT: [&str; 2] = ["/var/run/netns", "/var/run/docker/netns"];

/// Every namespace but `home`, each once, with a file that led to it. Equal to `lsns -t net`, and more. Those that end
/// meanwhile, or that may not be looked at, are left out.
///
/// One after the other: with a thousand containers, all at once would be more than a process may hold open.
pub fn namespaces(home: &NetNs) -> impl Iterator<Item = (PathBuf, NetNs)> {
    let mut seen = HashSet::from([home.inode()]);
    let paths = processes().chain(KEPT.iter().flat_map(|folder| files(Path::new(folder))));
    paths.filter_map(move |path| {
        // The link tells the number without opening anything; a kept one is no link.
        if inode(&path).is_some_and(|inode| seen.contains(&inode)) {
            return None;
        }
        let netns = NetNs::open(&path).ok()?;
        seen.insert(netns.inode()).then_some((path, netns))
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path()).collect()
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten().filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.bytes().all(|digit| digit.is_ascii_digit()))
    });
    numbers.map(|entry| entry.path().join("ns/net"))
}

/// The number in `net:[4026531840]`.
fn inode(path: &Path) -> Option<u64> {
    let link = fs::read_link(path).ok()?;
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}
