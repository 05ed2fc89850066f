//! `podman:` a container of Podman.
//!
//! IO, read-only. Podman has no daemon: root's containers are listed in a file of its storage, and the process stands in
//! the state of the low-level runtime that Podman started. Its socket is asked only where `CONTAINER_HOST` names one, or
//! where there is a socket and no storage: systemd would start the service for the question. Containers of users are
//! found by their monitors, see [`super::conmon`]. Equal to `podman inspect`.

use serde::Deserialize;

use super::choice::{Key, choose};
use super::docker;
use super::engine::{Deadline, Engine};
use super::error::Refusal;
use super::file::Folder;
use super::oci::{self, Init};
use super::pin::Known;
use super::{Target, conmon};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// Where root's engine listens.
const SOCKET: &str = "/run/podman/podman.sock";

/// Where root's containers are listed (containers-storage.conf(5)): those that stay, and those that go with a reboot.
const STORAGE: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];

/// The list, and since containers/storage 1.43 that of containers started with `--rm`.
const LISTS: [&str; 2] = ["containers.json", "volatile-containers.json"];

/// A line of the list.
#[derive(Debug, Deserialize)]
struct Container {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

impl Container {
    fn key(&self) -> Key<'_> {
        (&self.id, self.names.first().map(String::as_str))
    }
}

/// The namespace of a container of root.
pub(super) fn find(name: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let host = std::env::var_os("CONTAINER_HOST").filter(|host| !host.is_empty());
    if host.is_some() {
        let engine = docker::engine_of("CONTAINER_HOST", host.as_deref(), SOCKET)?;
        return docker::find_at(&engine, Runtime::Podman, name, home, deadline);
    }
    let Some(all) = containers(deadline)? else {
        return match docker::find_at(&Engine::at(SOCKET), Runtime::Podman, name, home, deadline) {
            Err(Refusal::NoSocket { .. }) => Err(Refusal::NotHere { path: STORAGE[0].to_owned() }),
            answer => answer,
        };
    };
    let &container = choose(&all, name, Container::key)?.first().ok_or(Refusal::NoContainer)?;
    let own_name = container.names.iter().find(|name| docker::is_container_name(name));
    let own_name = own_name.unwrap_or(&container.id).to_owned();
    match oci::init(&Folder::of_root("/run"), &container.id)? {
        Init::Running(pinned) => {
            let id = Some(container.id.clone());
            Known { runtime: Runtime::Podman, name: own_name, id, owner: 0 }.target(pinned, home)
        }
        Init::Ended | Init::Unknown => {
            Err(Refusal::NotRunning { state: "stopped".to_owned(), name: own_name })
        }
    }
}

/// The namespace of a container of a user.
pub(super) fn find_of_users(name: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    conmon::find(name, home, deadline)
}

/// The names of all containers, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let own = containers(deadline).ok().flatten().unwrap_or_default();
    let names = own.into_iter().flat_map(|container| container.names).chain(conmon::names(deadline));
    names.filter(|name| docker::is_container_name(name)).collect()
}

/// The containers that run, root's and those of users, and whom to ask for more, where not all of it is written in files.
pub(super) fn running(deadline: Deadline) -> (Vec<(String, String)>, Option<Engine>) {
    let host = std::env::var_os("CONTAINER_HOST").filter(|host| !host.is_empty());
    let (own, engine) = match host {
        Some(_) => (None, docker::engine_of("CONTAINER_HOST", host.as_deref(), SOCKET).ok()),
        None => match containers(deadline) {
            Ok(None) => (None, Some(Engine::at(SOCKET))),
            all => (all.ok().flatten(), None),
        },
    };
    let folder = Folder::of_root("/run");
    let runs = |container: &Container| {
        deadline.check(String::new).is_ok()
            && matches!(oci::init(&folder, &container.id), Ok(Init::Running(_)))
    };
    let own = own.unwrap_or_default().into_iter().filter(runs).flat_map(|container| container.names);
    let all = own.map(|name| (name, String::new())).chain(conmon::running(deadline));
    (all.filter(|(name, _)| docker::is_container_name(name)).collect(), engine)
}

/// All containers of root; `None` when Podman never ran.
fn containers(deadline: Deadline) -> Result<Option<Vec<Container>>, Refusal> {
    let mut all = None;
    for storage in STORAGE.map(Folder::of_root) {
        // One folder for each kind of storage: `overlay-containers`, `vfs-containers` …
        for driver in storage.names(deadline)?.iter().filter(|name| name.ends_with("-containers")) {
            for list in LISTS {
                deadline.check(|| storage.shown())?;
                let listed: Option<Vec<Container>> = storage.json(&format!("{driver}/{list}"))?;
                if let Some(listed) = listed {
                    all.get_or_insert_with(Vec::new).extend(listed.into_iter().filter(is_possible));
                }
            }
        }
    }
    Ok(all)
}

/// Whether the id can be that of a container: it becomes the name of a folder.
fn is_possible(container: &Container) -> bool {
    (1..=64).contains(&container.id.len()) && container.id.bytes().all(|byte| byte.is_ascii_hexdigit())
}
