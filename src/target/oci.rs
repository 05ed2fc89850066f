//! `oci:` a container that a low-level runtime runs: runc, crun or youki.
//!
//! IO, read-only. They write down the process when they start it, and nobody strikes it out when it ends. What tells it
//! from a stranger that got its number is the time of its start, or, where youki notes none, its control group. Equal to
//! `runc state ID`.

use std::path::Path;

use serde::Deserialize;

use super::engine::Deadline;
use super::error::Refusal;
use super::file::{self, Folder};
use super::pin::{self, Known, Pinned};
use super::{Process, Target, docker, pid};
use crate::kernel::NetNs;
use crate::spec::{EntryName, Runtime};

/// The runtimes, each the name of its folder in `/run` and in that of a user.
const RUNTIMES: [&str; 3] = ["runc", "crun", "youki"];

/// `state.json` of runc and youki, `status` of crun; what else they tell is ignored.
#[derive(Debug, Deserialize)]
struct State {
    #[serde(rename = "init_process_pid", alias = "pid", default)]
    pid: Option<i64>,
    #[serde(rename = "init_process_start", alias = "process-start-time", default)]
    start: Option<u64>,
}

/// `youki_config.json`.
#[derive(Debug, Deserialize)]
struct Youki {
    cgroup_path: String,
}

/// The namespace of a container of root.
pub(super) fn find(id: &str, home: &NetNs) -> Result<Target, Refusal> {
    find_in(&Folder::of_root("/run"), id, home)
}

/// The namespace of a container of a user.
pub(super) fn find_of_users(id: &str, home: &NetNs) -> Result<Target, Refusal> {
    let mut why = Refusal::NoContainer;
    for folder in file::of_users() {
        match find_in(&folder, id, home) {
            Err(Refusal::NotHere { .. } | Refusal::NoContainer) => {}
            // Whatever is wrong with one user's must not keep another from theirs.
            Err(other) => why = other,
            Ok(found) => return Ok(found),
        }
    }
    Err(why)
}

fn find_in(folder: &Folder, id: &str, home: &NetNs) -> Result<Target, Refusal> {
    let known = Known { runtime: Runtime::Oci, name: id.to_owned(), id: None, owner: folder.owner() };
    match init(folder, id)? {
        Init::Running(pinned) => known.target(pinned, home),
        Init::Ended => Err(Refusal::NotRunning { state: "stopped".to_owned(), name: id.to_owned() }),
        Init::Unknown if RUNTIMES.iter().any(|runtime| folder.below(runtime).exists()) => {
            Err(Refusal::NoContainer)
        }
        Init::Unknown => {
            let path = format!("{}/{{{}}}", folder.shown(), RUNTIMES.join(","));
            Err(Refusal::NotHere { path })
        }
    }
}

/// The first process of a container as a low-level runtime knows it.
#[derive(Debug)]
pub(super) enum Init {
    /// There is no such container.
    Unknown,
    /// The container has no process any more, or not yet.
    Ended,
    /// This one.
    Running(Pinned),
}

/// The first process of a container, where `folder` has those of the runtimes.
pub(super) fn init(folder: &Folder, id: &str) -> Result<Init, Refusal> {
    let mut init = Init::Unknown;
    for runtime in RUNTIMES {
        match init_at(&folder.below(runtime), id)? {
            Init::Running(pinned) => return Ok(Init::Running(pinned)),
            Init::Ended => init = Init::Ended,
            Init::Unknown => {}
        }
    }
    Ok(init)
}

/// The same of one runtime's own folder.
pub(super) fn init_at(folder: &Folder, id: &str) -> Result<Init, Refusal> {
    // Most folders are not there.
    if id.parse::<EntryName>().is_err() || !folder.exists() {
        return Ok(Init::Unknown);
    }
    for file in ["state.json", "status"] {
        let Some(State { pid, start }) = folder.json(&format!("{id}/{file}"))? else { continue };
        let Some(number) = pid.and_then(|pid| pid::number(&pid.to_string())) else { return Ok(Init::Ended) };
        let pinned = if let Some(start) = start {
            pin::recognized(number, |process| process.started_at() == Ok(start))?
        } else {
            let youki: Option<Youki> = folder.json(&format!("{id}/youki_config.json"))?;
            pin::recognized(number, |process| {
                youki.is_some_and(|youki| is_in_cgroup(process, &youki.cgroup_path))
            })?
        };
        return Ok(pinned.map_or(Init::Ended, Init::Running));
    }
    Ok(Init::Unknown)
}

/// Whether the process is in the control group that the path means: a path, or for systemd `SLICE:PREFIX:NAME`, which
/// becomes `PREFIX-NAME.scope`.
fn is_in_cgroup(process: &Process, path: &str) -> bool {
    let groups = process.read("cgroup").unwrap_or_default();
    String::from_utf8_lossy(&groups).lines().any(|line| is_group(line, path))
}

/// One line of `/proc/PID/cgroup`, `NUMBER:CONTROLLERS:PATH`.
fn is_group(line: &str, path: &str) -> bool {
    let group = line.splitn(3, ':').nth(2).and_then(|group| Path::new(group).file_name()?.to_str());
    let last = Path::new(path).file_name().and_then(|last| last.to_str());
    let (Some(group), Some(last)) = (group, last) else { return false };
    let scope = match last.rsplit_once(':') {
        Some((before, name)) => {
            let prefix = before.rsplit(':').next().unwrap_or_default();
            if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") }
        }
        None => return group == last,
    };
    group == last || group == scope
}

/// The ids of root's containers, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let folders = RUNTIMES.map(|runtime| Folder::of_root("/run").below(runtime));
    let names = folders.iter().flat_map(|folder| folder.names(deadline).unwrap_or_default());
    names.filter(|name| docker::is_container_name(name)).collect()
}

/// Those that run, but for the ones of engines, which have better names than 64 digits.
pub(super) fn running(deadline: Deadline) -> Vec<(String, String)> {
    let folder = Folder::of_root("/run");
    let is_engines = |id: &str| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let runs = |id: &String| {
        !is_engines(id)
            && deadline.check(String::new).is_ok()
            && matches!(init(&folder, id), Ok(Init::Running(_)))
    };
    names(deadline).into_iter().filter(runs).map(|id| (id, String::new())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_each_runtime_is_read() {
        let read = |text: &str| {
            let state: State = serde_json::from_str(text).unwrap();
            (state.pid, state.start)
        };
        assert_eq!(
            read(r#"{"id":"a","init_process_pid":33,"init_process_start":7,"rootless":false}"#),
            (Some(33), Some(7))
        );
        assert_eq!(read(r#"{"pid":48,"process-start-time":9,"cgroup-path":"/cc"}"#), (Some(48), Some(9)));
        assert_eq!(
            read(r#"{"ociVersion":"v1.0.2","id":"y","status":"running","pid":5,"bundle":"/b"}"#),
            (Some(5), None)
        );
        assert_eq!(
            read(r#"{"ociVersion":"v1.0.2","id":"y","status":"creating","bundle":"/b"}"#),
            (None, None)
        );
    }

    #[test]
    fn a_control_group_is_known_by_its_last_name() {
        for (line, path) in [
            ("0::/:youki:web", ":youki:web"),
            ("0::/system.slice/youki-web.scope", "system.slice:youki:web"),
            ("0::/user.slice/youki-web.scope", ":youki:web"),
            ("4:memory:/pods/web", "/pods/web"),
            ("0::/web.scope", "a.slice::web"),
        ] {
            assert!(is_group(line, path), "{line} {path}");
        }
        for (line, path) in [
            ("0::/", ":youki:web"),
            ("0::/", "/"),
            ("", ""),
            ("0::/youki-web2.scope", ":youki:web"),
            ("0::/youki-we.scope", ":youki:web"),
            ("0::/pods/web/sub", "/pods/web"),
        ] {
            assert!(!is_group(line, path), "{line} {path}");
        }
    }
}
