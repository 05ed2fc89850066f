//! `lxd:` a container of LXD or Incus, in any project: `NAME` or `PROJECT/NAME`.
//!
//! IO, read-only: two questions over the engine's socket, what it is and which process. Equal to `lxc info NAME`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Target;
use super::engine::{Answer, Deadline, Engine};
use super::error::{Refusal, Verdict, plain};
use super::pin::{self, Known, Pinned};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// Where the engines listen unless told otherwise: LXD, LXD from a snap, Incus.
const SOCKETS: [&str; 4] = [
    "/var/lib/lxd/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/run/incus/unix.socket",
    "/var/lib/incus/unix.socket",
];

/// The project of those who named none.
const DEFAULT: &str = "default";

/// Every answer of the engine; what else it tells is ignored.
#[derive(Debug, Deserialize)]
struct Reply<T> {
    metadata: Option<T>,
}

/// Trouble in the engine's own words.
#[derive(Debug, Deserialize)]
struct Trouble {
    error: String,
}

#[derive(Debug, Deserialize)]
struct Instance {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// The member of the cluster where it is; `none` without a cluster.
    #[serde(default)]
    location: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    project: String,
}

#[derive(Debug, Deserialize)]
struct State {
    /// `Running`, `Stopped`, `Frozen`, `Error`, and others in between.
    #[serde(default)]
    status: String,
    pid: i64,
}

#[derive(Debug, Deserialize)]
struct Server {
    environment: Environment,
}

#[derive(Debug, Deserialize)]
struct Environment {
    server_name: String,
}

/// A container that an engine knows, with the process that it names.
#[derive(Debug)]
struct Found {
    pinned: Pinned,
    /// `NAME`, or outside of the default project `PROJECT/NAME`.
    name: String,
    owner: u32,
}

/// The namespace of a container.
pub(super) fn find(word: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    find_among(engines(), word, deadline)?.target(home)
}

/// A container of the first of these that knows it.
fn find_among(engines: Vec<Engine>, word: &str, deadline: Deadline) -> Result<Found, Refusal> {
    let mut why = None;
    for engine in engines {
        match find_at(&engine, word, deadline) {
            Err(Refusal::NoSocket { .. }) => {}
            // One that cannot be asked must not hide the other's container.
            Err(other) if other.verdict() != Verdict::Final => {
                if matches!(why, None | Some(Refusal::NoContainer)) {
                    why = Some(other);
                }
            }
            answer => return answer,
        }
    }
    let [usual, ..] = SOCKETS;
    Err(why.unwrap_or_else(|| Refusal::NoSocket { socket: usual.to_owned() }))
}

/// The names of the containers, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let names = |engine: Engine| -> Option<Vec<String>> {
        let answer = engine.get("/1.0/instances", deadline).ok()?;
        let list: Reply<Vec<String>> = serde_json::from_slice(&answer.body).ok()?;
        let name = |url: String| url.rsplit('/').next().map(str::to_owned);
        Some(list.metadata?.into_iter().filter_map(name).filter(|name| is_instance_name(name)).collect())
    };
    engines().into_iter().filter_map(names).flatten().collect()
}

/// The question for all containers of all projects. Equal to `lxc list --all-projects`.
pub(super) const LIST: &str = "/1.0/instances?recursion=1&all-projects=true";

/// Whom to ask for them.
pub(super) fn listers() -> Vec<Engine> {
    engines()
}

/// The containers in a list that run.
pub(super) fn listed(answer: &Answer) -> Vec<(String, String)> {
    let list: Option<Reply<Vec<Instance>>> = serde_json::from_slice(&answer.body).ok();
    let list = list.and_then(|list| list.metadata).unwrap_or_default();
    let runs =
        |one: &Instance| one.kind == "container" && one.status == "Running" && is_instance_name(&one.name);
    let name = |one: Instance| match one.project.as_str() {
        "" | DEFAULT => one.name,
        project => format!("{project}/{}", one.name),
    };
    list.into_iter().filter(runs).map(|one| (name(one), String::new())).collect()
}

/// Those that the environment names, as it does to their own commands, or the usual ones.
fn engines() -> Vec<Engine> {
    engines_of(|variable| std::env::var_os(variable))
}

fn engines_of(variable: impl Fn(&str) -> Option<OsString>) -> Vec<Engine> {
    let value = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = [
        value("LXD_DIR").map(|folder| folder.join("unix.socket")),
        value("INCUS_SOCKET").or_else(|| value("INCUS_DIR").map(|folder| folder.join("unix.socket"))),
    ];
    let named: Vec<_> = named.into_iter().flatten().map(Engine::at).collect();
    if named.is_empty() { SOCKETS.map(|socket| Engine::at(Path::new(socket))).into() } else { named }
}

fn find_at(engine: &Engine, word: &str, deadline: Deadline) -> Result<Found, Refusal> {
    let (project, name) = word.split_once('/').unwrap_or((DEFAULT, word));
    if !is_instance_name(name) {
        return Err(Refusal::NoContainer);
    }
    let query = encoded(project);
    let asked_at = pin::now()?;
    let path = format!("/1.0/instances/{name}?project={query}");
    let (instance, owner): (Instance, _) = ask(engine, &path, deadline)?;
    if instance.name != name {
        return Err(engine.garbled("describes another container"));
    }
    if instance.kind != "container" {
        return Err(Refusal::VirtualMachine);
    }
    let_be_here(engine, &instance.location, deadline)?;
    let path = format!("/1.0/instances/{name}/state?project={query}");
    let process = || {
        let (state, _): (State, _) = ask(engine, &path, deadline)?;
        state.process(engine, word)
    };
    let number = process()?;
    let answer = pin::Answer { number, id: "", grouped: false, asked_at };
    let pinned = pin::answered(answer, || Ok(process()? == number))?;
    let name = if project == DEFAULT { name } else { word };
    Ok(Found { pinned, name: name.to_owned(), owner })
}

impl Found {
    /// How LXC below the engine knows it.
    fn inner_name(&self) -> String {
        self.name.replacen('/', "_", 1)
    }

    /// The target, when the process surely is the container's.
    fn target(self, home: &NetNs) -> Result<Target, Refusal> {
        let inner = self.inner_name();
        let (process, _) = &self.pinned;
        let groups = process.read("cgroup").map_err(|_| Refusal::Ended)?;
        if !String::from_utf8_lossy(&groups).lines().any(|line| is_payload(line, &inner)) {
            return Err(Refusal::Stranger { pid: process.pid() });
        }
        let known = Known { runtime: Runtime::Lxd, name: self.name, id: None, owner: self.owner };
        Ok(Target { entry: inner.parse().ok(), ..known.target(self.pinned, home)? })
    }
}

/// One line of `/proc/PID/cgroup`, `NUMBER:CONTROLLERS:PATH`. LXC puts a container's processes into `lxc.payload.NAME`, or
/// `lxc.payload.NAME-1` and so on when that one is left over from before. What is below is the container's own.
fn is_payload(line: &str, name: &str) -> bool {
    let mut groups = line.splitn(3, ':').nth(2).unwrap_or_default().split('/');
    let payload = groups.find_map(|group| group.strip_prefix("lxc.payload."));
    let Some(rest) = payload.and_then(|payload| payload.strip_prefix(name)) else { return false };
    let number = rest.strip_prefix('-').unwrap_or_default();
    rest.is_empty() || (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Refuses what runs on another member of a cluster, whose process numbers mean nothing here.
fn let_be_here(engine: &Engine, location: &str, deadline: Deadline) -> Result<(), Refusal> {
    if matches!(location, "" | "none") {
        return Ok(());
    }
    let (server, _): (Server, _) = ask(engine, "/1.0", deadline)?;
    if server.environment.server_name == location {
        Ok(())
    } else {
        Err(Refusal::Elsewhere { member: plain(location) })
    }
}

/// One round trip: the answer, and whose word it is.
fn ask<T: DeserializeOwned>(engine: &Engine, path: &str, deadline: Deadline) -> Result<(T, u32), Refusal> {
    let answer = engine.get(path, deadline)?;
    if answer.status != 200 {
        return Err(trouble(&answer, engine));
    }
    let reply: Option<Reply<T>> = serde_json::from_slice(&answer.body).ok();
    match reply.and_then(|reply| reply.metadata) {
        Some(metadata) => Ok((metadata, answer.owner)),
        None => Err(engine.garbled("answers with something that describes no container")),
    }
}

/// What the engines let an instance be called: a host name. Anything else must not get into a URL.
fn is_instance_name(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A project for a URL: its name may have any letters (RFC 3986, section 2.1).
fn encoded(project: &str) -> String {
    let mut text = String::new();
    for byte in project.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl State {
    /// The number of the container's first process.
    fn process(&self, engine: &Engine, name: &str) -> Result<i32, Refusal> {
        match i32::try_from(self.pid) {
            Ok(pid @ 1..=4_194_304) => Ok(pid),
            // As both write that there is none.
            Ok(-1 | 0) => {
                let state = match plain(&self.status).to_ascii_lowercase().as_str() {
                    "" | "running" => "without a process".to_owned(),
                    state => state.to_owned(),
                };
                Err(Refusal::NotRunning { state, name: name.to_owned() })
            }
            _ => Err(engine.garbled("describes a container with an impossible process number")),
        }
    }
}

/// An answer that is not the description of a container.
fn trouble(answer: &Answer, engine: &Engine) -> Refusal {
    if answer.status == 404 {
        return Refusal::NoContainer;
    }
    let message = match serde_json::from_slice::<Trouble>(&answer.body) {
        Ok(trouble) => plain(&trouble.error),
        Err(_) => plain(&String::from_utf8_lossy(&answer.body)),
    };
    Refusal::Trouble { socket: engine.socket(), status: answer.status, message }
}

#[cfg(test)]
mod tests;
