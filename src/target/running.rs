//! All containers that run, for a shell that completes the name of one.
//!
//! IO, read-only. What is written in files is read first; then all engines are asked at the same time, so that one that
//! does not answer takes nothing from the others. Whoever cannot be asked has none.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::time::Duration;

use super::engine::{Deadline, Engine};
use super::{containerd, cri, docker, lxc, lxd, netns, nspawn, oci, podman};
use crate::spec::Runtime;

/// The words for the containers that run, each with a few about it. One that begins with a runtime and a colon is completed
/// with that runtime's only.
#[must_use]
pub fn running(begun: &str, limit: Duration) -> Vec<(String, String)> {
    let (prefix, only) = match begun.split_once(':') {
        Some(("incus", _)) => ("incus", Some(Runtime::Lxd)),
        Some((prefix, _)) => (prefix, Runtime::ALL.into_iter().find(|runtime| runtime.as_str() == prefix)),
        None => ("", None),
    };
    let asked: Vec<_> = Runtime::ALL.into_iter().filter(|one| only.is_none_or(|only| only == *one)).collect();
    let found = look(&asked, only.is_none(), limit);
    let word = |name: &str| format!("{prefix}:{name}");
    if only.is_some() {
        return found.into_iter().map(|(_, name, about)| (word(&name), about)).collect();
    }
    let mut seen = HashSet::new();
    let mut words = Vec::new();
    for (runtime, name, about) in found {
        let about = format!("{runtime} {about}").trim_end().to_owned();
        // A bare name means the first who knows it.
        let bare = !name.contains('/') && seen.insert(name.clone());
        words.push((if bare { name } else { format!("{runtime}:{name}") }, about));
    }
    if !begun.is_empty() {
        words.extend(Runtime::ALL.map(|runtime| (format!("{runtime}:"), String::new())));
    }
    words
}

/// Those of some runtimes, in the order in which these are asked for a bare name.
fn look(asked: &[Runtime], bare: bool, limit: Duration) -> Vec<(Runtime, String, String)> {
    let deadline = Deadline::after(limit);
    // What lies in files must not use up the time of the engines.
    let in_files = Deadline::after(limit / 2);
    let mut found = Vec::new();
    // Both of its runtimes read the same files.
    let once = OnceCell::new();
    let of_containerd =
        || once.get_or_init(|| containerd::containers(in_files).unwrap_or_default()).as_slice();
    let mut engines: Vec<(Runtime, Engine, &'static str)> = Vec::new();
    for runtime in asked.iter().copied() {
        let listed = match runtime {
            Runtime::Docker => {
                engines.extend(docker::lister().map(|engine| (runtime, engine, docker::LIST)));
                continue;
            }
            Runtime::Podman => {
                let (running, engine) = podman::running(in_files);
                engines.extend(engine.map(|engine| (runtime, engine, docker::LIST)));
                running
            }
            Runtime::Containerd => containerd::running(of_containerd(), in_files),
            Runtime::Cri => cri::running(of_containerd(), in_files),
            Runtime::Lxc => lxc::running(in_files),
            Runtime::Lxd => {
                engines.extend(lxd::listers().into_iter().map(|engine| (runtime, engine, lxd::LIST)));
                continue;
            }
            Runtime::Nspawn => nspawn::running(in_files),
            Runtime::Oci => oci::running(in_files),
            Runtime::Netns => netns::running(bare),
            // There are too many, and their numbers say nothing.
            Runtime::Pid => continue,
        };
        found.extend(listed.into_iter().map(|(name, about)| (runtime, name, about)));
    }
    engines.retain(|(_, engine, _)| engine.is_here());
    if !engines.is_empty() {
        let runtimes: Vec<_> = engines.iter().map(|(runtime, ..)| *runtime).collect();
        let questions = engines.into_iter().map(|(_, engine, path)| (engine, path)).collect();
        for (runtime, answer) in runtimes.into_iter().zip(Engine::ask_all(questions, deadline)) {
            let listed = match (runtime, answer) {
                (_, None) => continue,
                (Runtime::Lxd, Some(answer)) => lxd::listed(&answer),
                (_, Some(answer)) => docker::listed(&answer),
            };
            found.extend(listed.into_iter().map(|(name, about)| (runtime, name, about)));
        }
    }
    let place = |runtime: &Runtime| Runtime::ALL.iter().position(|one| one == runtime);
    found.sort_by_cached_key(|(runtime, name, _)| (place(runtime), name.clone()));
    found
}
