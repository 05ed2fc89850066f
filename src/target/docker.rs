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
use super::{pid, process};
use crate::kernel::NetNs;
use crate::spec::Runtime;

/// Where the engine listens unless told otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// How much earlier than the question a process must have been started to be beyond doubt: the kernel rounds its
/// start to clock ticks, and so do we.
const CLEARLY: u64 = 2;

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

/// Trouble in the engine's own words.
#[derive(Debug, Deserialize)]
struct Trouble {
    message: String,
}

/// The namespace of a container.
pub(super) fn find(name: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let engine = engine(std::env::var_os("DOCKER_HOST").as_deref())?;
    find_at(&engine, name, home, deadline)
}

/// The engine that `DOCKER_HOST` names.
fn engine(host: Option<&OsStr>) -> Result<Engine, Refusal> {
    let host = host.unwrap_or_default().as_bytes();
    match host.strip_prefix(b"unix://") {
        // The docker command takes both for the default as well.
        Some(b"") => Ok(Engine::at(SOCKET)),
        None if host.is_empty() => Ok(Engine::at(SOCKET)),
        Some(path) => Ok(Engine::at(Path::new(OsStr::from_bytes(path)))),
        None => Err(Refusal::NotUnix { host: plain(&String::from_utf8_lossy(host)) }),
    }
}

fn find_at(engine: &Engine, name: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let asked_at =
        process::ticks_since_boot().map_err(|error| Refusal::kernel("reading the clock", error))?;
    let container = ask(engine, name, deadline)?;
    let number = container.process(name)?;
    let (process, netns) = pid::pin(number).map_err(|why| match why {
        // What the engine said is no longer so.
        Refusal::NoProcess | Refusal::Thread | Refusal::Ended => Refusal::Ended,
        why => why,
    })?;
    let started_at = process.started_at().map_err(|_| Refusal::Ended)?;
    // Started before the question and alive after the answer, it is the process that the answer is about. A younger
    // one may be a stranger that got the number in between, so the engine is asked again, now that it is pinned.
    if started_at + CLEARLY >= asked_at {
        let again = ask(engine, name, deadline).and_then(|again| Ok((again.process(name)?, again.id)));
        match again {
            Ok((pid, id)) if pid == number && id == container.id && process.is_alive() => {}
            Ok(_) | Err(Refusal::NoContainer | Refusal::NotRunning { .. }) => {
                return Err(Refusal::Restarted);
            }
            Err(why) => return Err(why),
        }
    }
    // The mode counts too: from inside another namespace the host's is not our own, and still is nobody's to wire.
    if netns.is(home) || container.host_config.network_mode == "host" {
        return Err(Refusal::HostNetwork);
    }
    let own_name = container.own_name().unwrap_or(name).to_owned();
    Ok(Target {
        entry: container.own_name().and_then(|name| name.parse().ok()),
        name: own_name,
        runtime: Runtime::Docker,
        id: Some(container.id),
        process: Some(process),
        netns,
    })
}

/// One round trip.
fn ask(engine: &Engine, name: &str, deadline: Deadline) -> Result<Container, Refusal> {
    if !is_container_name(name) {
        return Err(Refusal::NoContainer);
    }
    let answer = engine.get(&format!("/containers/{name}/json"), deadline)?;
    if answer.status == 200 { Container::read(&answer.body, engine) } else { Err(trouble(&answer, engine)) }
}

/// What Docker lets a container be called, which ids are as well. Anything else must not get into a URL.
fn is_container_name(name: &str) -> bool {
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
