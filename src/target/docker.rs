//! `docker:` a container of the Docker engine.
//!
//! IO, read-only: one question, `GET /containers/NAME/json`, over the engine's socket. Equal to `docker inspect`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Deserialize;

use super::Target;
use super::engine::{Answer, Deadline, Engine};
use super::error::{Refusal, plain};
use super::pin::{self, Known};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// Where the engine listens unless told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// The question for the containers that run. Equal to `docker ps`.
pub(super) const LIST: &str = "/containers/json";

/// A container as the engine describes it; what else it tells is ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    #[serde(default)]
    name: String,
    state: State,
    #[serde(default)]
    host_config: HostConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    #[serde(default)]
    status: String,
    /// True while paused too, and while restarting, then without a process.
    running: bool,
    pid: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    network_mode: String,
}

/// A line of the engine's list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    host_config: HostConfig,
}

/// Trouble in the engine's own words.
#[derive(Debug, Deserialize)]
struct Trouble {
    message: String,
}

/// The namespace of a container.
pub(super) fn find(name: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    find_at(&engine()?, Runtime::Docker, name, home, deadline)
}

/// The engine that `DOCKER_HOST` names.
fn engine() -> Result<Engine, Refusal> {
    engine_of("DOCKER_HOST", std::env::var_os("DOCKER_HOST").as_deref(), SOCKET)
}

/// The engine that a variable of the environment names, or the usual one.
pub(super) fn engine_of(
    variable: &'static str,
    host: Option<&OsStr>,
    usual: &str,
) -> Result<Engine, Refusal> {
    let host = host.unwrap_or_default().as_bytes();
    match host.strip_prefix(b"unix://") {
        // The docker command takes both for the default as well.
        Some(b"") => Ok(Engine::at(usual)),
        None if host.is_empty() => Ok(Engine::at(usual)),
        Some(path) => Ok(Engine::at(Path::new(OsStr::from_bytes(path)))),
        None => Err(Refusal::NotUnix { variable, host: plain(&String::from_utf8_lossy(host)) }),
    }
}

/// The namespace of a container of an engine that speaks Docker's language.
pub(super) fn find_at(
    engine: &Engine,
    runtime: Runtime,
    name: &str,
    home: &NetNs,
    deadline: Deadline,
) -> Result<Target, Refusal> {
    let asked_at = pin::now()?;
    let (container, owner) = ask(engine, name, deadline)?;
    let number = container.process(name)?;
    // A user's engine may have to do without control groups, and Podman can be told to.
    let grouped = runtime == Runtime::Docker && owner == 0;
    let answer = pin::Answer { number, id: &container.id, grouped, asked_at };
    let pinned = pin::answered(answer, || {
        let (again, _) = ask(engine, name, deadline)?;
        Ok(again.process(name)? == number && again.id == container.id)
    })?;
    // The mode counts too: from inside another namespace the host's is not our own, and still is nobody's to wire.
    if container.host_config.network_mode == "host" {
        return Err(Refusal::HostNetwork);
    }
    let shares = container.host_config.network_mode.strip_prefix("container:").map(|other| {
        // Only for people, and the id is known already.
        let named =
            ask(engine, other, deadline).ok().and_then(|(other, _)| other.own_name().map(str::to_owned));
        named.unwrap_or_else(|| plain(other))
    });
    let name = container.own_name().unwrap_or(name).to_owned();
    let known = Known { runtime, name, id: Some(container.id), owner };
    Ok(Target { shares, ..known.target(pinned, home)? })
}

/// The names of the containers that run, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let answer = engine().and_then(|engine| engine.get(LIST, deadline));
    answer.map(|answer| listed(&answer).into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

/// Whom to ask for the containers that run.
pub(super) fn lister() -> Option<Engine> {
    engine().ok()
}

/// The containers in a list that have a network of their own, with their images.
pub(super) fn listed(answer: &Answer) -> Vec<(String, String)> {
    let listed: Vec<Listed> = serde_json::from_slice(&answer.body).unwrap_or_default();
    let wired = listed.into_iter().filter(|listed| listed.host_config.network_mode != "host");
    let own = |name: &&String| !name.trim_start_matches('/').contains('/');
    let named = wired.filter_map(|listed| {
        let name = listed.names.iter().find(own)?;
        Some((name.strip_prefix('/').unwrap_or(name).to_owned(), listed.image))
    });
    named.filter(|(name, _)| is_container_name(name)).collect()
}

/// One round trip: the container, and whose word it is.
fn ask(engine: &Engine, name: &str, deadline: Deadline) -> Result<(Container, u32), Refusal> {
    if !is_container_name(name) {
        return Err(Refusal::NoContainer);
    }
    let answer = engine.get(&format!("/containers/{name}/json"), deadline)?;
    if answer.status == 200 {
        Ok((Container::read(&answer.body, engine)?, answer.owner))
    } else {
        Err(trouble(&answer, engine))
    }
}

/// What Docker lets a container be called, which ids are as well. Anything else must not get into a URL.
pub(super) fn is_container_name(name: &str) -> bool {
    name.len() <= 4096
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl Container {
    fn read(body: &[u8], engine: &Engine) -> Result<Self, Refusal> {
        let container: Self = serde_json::from_slice(body)
            .map_err(|_| engine.garbled("answers with something that describes no container"))?;
        if container.id.is_empty()
            || container.id.len() > 64
            || !container.id.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Err(engine.garbled("describes a container with an impossible id"));
        }
        if !(0..=4_194_304).contains(&container.state.pid) {
            return Err(engine.garbled("describes a container with an impossible process number"));
        }
        let words = [&container.name, &container.state.status, &container.host_config.network_mode];
        if words.iter().any(|word| word.chars().any(char::is_control)) {
            return Err(engine.garbled("describes a container with control characters"));
        }
        Ok(container)
    }

    /// The name that `docker ps` shows.
    fn own_name(&self) -> Option<&str> {
        let name = self.name.strip_prefix('/').unwrap_or(&self.name);
        is_container_name(name).then_some(name)
    }

    /// The number of its first process.
    fn process(&self, asked: &str) -> Result<i32, Refusal> {
        match i32::try_from(self.state.pid) {
            Ok(pid) if pid > 0 && self.state.running => Ok(pid),
            _ => {
                let state = match self.state.status.as_str() {
                    "" | "running" => "without a process",
                    status => status,
                };
                let name = self.own_name().unwrap_or(asked).to_owned();
                Err(Refusal::NotRunning { state: plain(state), name })
            }
        }
    }
}

/// An answer that is not the description of a container.
fn trouble(answer: &Answer, engine: &Engine) -> Refusal {
    let message = match serde_json::from_slice::<Trouble>(&answer.body) {
        Ok(trouble) => plain(&trouble.message),
        Err(_) => plain(&String::from_utf8_lossy(&answer.body)),
    };
    // Docker sends 500 with the first (seen in 20.10), Podman with the second. The words are the only sign.
    let lower = message.to_ascii_lowercase();
    if lower.contains("multiple ids found with provided prefix") || lower.contains("more than one result") {
        Refusal::Ambiguous
    } else if answer.status == 404 {
        Refusal::NoContainer
    } else {
        Refusal::Trouble { socket: engine.socket(), status: answer.status, message }
    }
}

#[cfg(test)]
mod tests;
