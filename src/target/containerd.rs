//! `containerd:` a container of containerd, in any of its namespaces.
//!
//! IO, read-only. containerd keeps a folder for each container that runs, `NAMESPACE/ID`, with the configuration from
//! which it was made; nerdctl's names stand in the annotations there. The process stands in the state of the low-level
//! runtime. No question is put to the daemon. Equal to `ctr -n NAMESPACE task ls`.

use std::collections::HashMap;

use serde::Deserialize;

use super::Target;
use super::choice::{Key, choose};
use super::docker;
use super::engine::Deadline;
use super::error::Refusal;
use super::file::Folder;
use super::oci::{self, Init};
use super::pin::Known;
use crate::kernel::NetNs;
use crate::spec::{EntryName, Runtime};

/// The state folders of containerd: its own, and those of the Kubernetes that bring one with them.
const STATES: [&str; 3] =
    ["/run/containerd", "/run/k3s/containerd", "/var/snap/microk8s/common/run/containerd"];

/// Where the containers are in there.
const TASKS: &str = "io.containerd.runtime.v2.task";

/// Where the low-level runtimes keep the state of containerd's containers unless told otherwise (`RuncRoot`,
/// containerd `pkg/process/init.go`).
const RUNC_ROOT: &str = "/run/containerd/runc";

/// The annotation with nerdctl's name.
const NERDCTL_NAME: &str = "nerdctl/name";

/// A container that runs, or that ended and was not removed.
#[derive(Debug)]
pub(super) struct Container {
    folder: Folder,
    pub(super) namespace: String,
    pub(super) id: String,
    /// What the one who made it wrote down about it.
    pub(super) annotations: HashMap<String, String>,
}

/// `config.json`; what else it tells is ignored.
#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// `options.json`.
#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(default, alias = "Root")]
    root: String,
}

/// The namespace of `NAME` or `NAMESPACE/NAME`.
pub(super) fn find(asked: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let mut all = containers(deadline)?;
    let name = match asked.split_once('/') {
        Some((namespace, name)) => {
            all.retain(|container| container.namespace == namespace);
            name
        }
        None => asked,
    };
    let container = the_one(&choose(&all, name, Container::key)?, |container| {
        format!("containerd:{}/{}", container.namespace, container.id)
    })?;
    container.target(Runtime::Containerd, container.own_name(), home)
}

/// The one of these that runs; it is not said which when several do.
pub(super) fn the_one<'a>(
    found: &[&'a Container],
    word: impl Fn(&Container) -> String,
) -> Result<&'a Container, Refusal> {
    match found {
        [] => Err(Refusal::NoContainer),
        [one] => Ok(one),
        several => {
            let running: Vec<_> = several.iter().filter(|container| container.runs()).collect();
            match running[..] {
                [one] => Ok(one),
                [] => several.first().copied().ok_or(Refusal::NoContainer),
                _ => Err(Refusal::Several { names: running.iter().take(5).map(|one| word(one)).collect() }),
            }
        }
    }
}

/// The names and ids of all containers, for the one who mistyped one. Docker's are known by Docker's names.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let all = containers(deadline).unwrap_or_default();
    let all = all.iter().filter(|container| container.namespace != "moby");
    all.map(Container::own_name).filter(|name| docker::is_container_name(name)).collect()
}

/// The containers that run, each with its namespace; Docker's and those of pods have other names.
pub(super) fn running(all: &[Container], deadline: Deadline) -> Vec<(String, String)> {
    let own = all.iter().filter(|one| !matches!(one.namespace.as_str(), "moby" | "k8s.io"));
    let running = own.filter(|one| one.runs() && deadline.check(String::new).is_ok());
    running.map(|one| (one.own_name(), format!("in namespace {}", one.namespace))).collect()
}

/// All containers of all namespaces.
pub(super) fn containers(deadline: Deadline) -> Result<Vec<Container>, Refusal> {
    let mut all = Vec::new();
    let mut is_here = false;
    for state in STATES {
        let tasks = Folder::of_root(state).below(TASKS);
        is_here |= tasks.exists();
        for namespace in tasks.names(deadline)? {
            let folder = tasks.below(&namespace);
            for id in folder.names(deadline)? {
                deadline.check(|| folder.shown())?;
                let folder = folder.below(&id);
                // A container may go while the folders are read, and one that is broken is not in the way of others.
                let config: Option<Config> = folder.json("config.json").unwrap_or_else(|why| {
                    log::debug!("{why}");
                    None
                });
                let Some(Config { annotations }) = config else { continue };
                all.push(Container { folder, namespace: namespace.clone(), id, annotations });
            }
        }
    }
    if is_here { Ok(all) } else { Err(Refusal::NotHere { path: format!("{}/{TASKS}", STATES[0]) }) }
}

impl Container {
    fn key(&self) -> Key<'_> {
        (&self.id, self.annotations.get(NERDCTL_NAME).map(String::as_str))
    }

    /// The name for people.
    fn own_name(&self) -> String {
        self.key().1.filter(|name| name.parse::<EntryName>().is_ok()).unwrap_or(&self.id).to_owned()
    }

    pub(super) fn target(&self, runtime: Runtime, name: String, home: &NetNs) -> Result<Target, Refusal> {
        match self.init()? {
            Init::Running(pinned) => {
                Known { runtime, name, id: Some(self.id.clone()), owner: 0 }.target(pinned, home)
            }
            Init::Ended => Err(Refusal::NotRunning { state: "stopped".to_owned(), name }),
            Init::Unknown => Err(Refusal::NoState { path: self.runtime_root()?.below(&self.id).shown() }),
        }
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.init(), Ok(Init::Running(_)))
    }

    fn init(&self) -> Result<Init, Refusal> {
        oci::init_at(&self.runtime_root()?, &self.id)
    }

    /// Where the low-level runtime keeps the state of the containers of this namespace.
    fn runtime_root(&self) -> Result<Folder, Refusal> {
        let options: Options = self.folder.json("options.json")?.unwrap_or_default();
        let root = if options.root.is_empty() { RUNC_ROOT } else { &options.root };
        Ok(Folder::of_root(root).below(&self.namespace))
    }
}
