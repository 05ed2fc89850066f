//! A name becomes a live network namespace.
//!
//! IO, read-only: each runtime is asked where its container's process is, the process is pinned by a pidfd, its
//! namespace is opened once, and from then on only the descriptor counts. Never changes anything, never starts a program,
//! and never answers with the namespace rpipe itself runs in.

mod docker;
mod error;
mod netns;
mod process;

use std::time::Duration;

use crate::kernel::NetNs;
use crate::spec::{EntryName, Runtime, TargetWord};

pub use error::TargetError;
pub use process::Process;

/// How long all look-ups of one target together may take.
pub const LOOKUP_LIMIT: Duration = Duration::from_secs(2);

/// A live network namespace, held open, and what is known of its owner.
#[derive(Debug)]
pub struct Target {
    /// The name for people: the container's own where it has one.
    pub name: String,
    /// Who answered for it.
    pub runtime: Runtime,
    /// The engine's full id.
    pub id: Option<String>,
    /// The pinned process; a namespace given by name or path has none.
    pub process: Option<Process>,
    /// The namespace.
    pub netns: NetNs,
    /// The name under which the namespace is to be linked in `/var/run/netns`.
    pub entry: Option<EntryName>,
}

// TEMPORARY until the room is merged
impl Target {
    pub fn open(word: &TargetWord, _home: &NetNs, _limit: Duration) -> Result<Target, TargetError> {
        let pid: i32 = word.name.parse().map_err(|_| TargetError)?;
        let netns =
            NetNs::open(std::path::Path::new(&format!("/proc/{pid}/ns/net"))).map_err(|_| TargetError)?;
        Ok(Target {
            name: word.name.clone(),
            runtime: Runtime::Pid,
            id: None,
            process: Some(Process(pid)),
            netns,
            entry: word.name.parse().ok(),
        })
    }
    pub fn is_alive(&self) -> bool {
        true
    }
}
