//! A name becomes a live network namespace.
//!
//! IO, read-only: each runtime is asked where its container's process is, the process is pinned by a pidfd, its
//! namespace is opened once, and from then on only the descriptor counts. Never changes anything, never starts a
//! program, and never answers with the namespace rpipe itself runs in.

mod choice;
mod conmon;
mod connection;
mod containerd;
mod cri;
mod docker;
mod engine;
mod error;
mod file;
mod lxc;
mod lxd;
mod netns;
mod nspawn;
mod oci;
mod pid;
mod pin;
mod podman;
mod process;
mod running;
#[cfg(test)]
mod sleeper;

use std::time::Duration;

use crate::kernel::NetNs;
use crate::spec::{EntryName, Runtime, TargetWord};

use engine::Deadline;
use error::Verdict;

pub use connection::Engines;
pub use error::{Refusal, TargetError};
pub use process::Process;
pub use running::running;

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
    /// The container whose network this one shares (`--net=container:NAME`).
    pub shares: Option<String>,
    /// The pinned process; a namespace given by name or path has none.
    pub process: Option<Process>,
    /// The namespace.
    pub netns: NetNs,
    /// The name under which the namespace is to be linked in `/var/run/netns`.
    pub entry: Option<EntryName>,
}

impl Target {
    /// Finds whose namespace is meant and opens it. `home` is the namespace rpipe itself runs in; engines have
    /// `limit` to answer.
    ///
    /// # Errors
    /// When nobody knows the name, nobody can be asked, or there is no namespace of its own to attach to.
    pub fn open(word: &TargetWord, home: &NetNs, limit: Duration) -> Result<Self, TargetError> {
        Self::open_over(None, word, home, limit)
    }

    /// The same over connections to engines that are kept.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_over(
        engines: Option<&Engines>,
        word: &TargetWord,
        home: &NetNs,
        limit: Duration,
    ) -> Result<Self, TargetError> {
        // Of these nobody has to be asked, and nobody need look at the clock.
        let found = match word.runtime.map(|runtime| Self::at_hand(runtime, &word.name, home)) {
            Some(Some(Ok(target))) => Ok(target),
            _ => Self::search(engines, word, home, limit),
        };
        if let Ok(target) = &found {
            let pid = target
                .process
                .as_ref()
                .map_or_else(String::new, |process| format!(", process {}", process.pid()));
            log::info!(
                "target {:?}: {} {:?}{pid}, namespace {}",
                word.to_string(),
                target.runtime,
                target.name,
                target.netns.inode()
            );
        }
        found
    }

    /// Asks whoever may know.
    fn search(
        engines: Option<&Engines>,
        word: &TargetWord,
        home: &NetNs,
        limit: Duration,
    ) -> Result<Self, TargetError> {
        let deadline = Deadline::after(limit).over(engines);
        if let Some(runtime) = word.runtime {
            Self::of(runtime, &word.name, home, deadline).map_err(|why| {
                let mut near = match &why {
                    Refusal::NoContainer | Refusal::NoEntry => near(&word.name, &[runtime], deadline),
                    _ => Vec::new(),
                };
                if why.verdict() == Verdict::Absent && !word.name.starts_with('/') {
                    let elsewhere = Self::elsewhere(runtime, &word.name, home, deadline);
                    near.splice(..0, elsewhere.map(|knower| format!("{knower}:{}", word.name)));
                }
                TargetError::Refused { target: word.to_string(), runtime, why, near }
            })
        } else {
            let ask = |runtime, whose| Self::of_bare(runtime, whose, &word.name, home, deadline);
            first_answer(&word.name, ask, |asked| near(&word.name, asked, deadline))
        }
    }

    /// Who else has a container of exactly that name, when the one who was named has none.
    fn elsewhere(asked: Runtime, name: &str, home: &NetNs, deadline: Deadline) -> Option<Runtime> {
        let knows = |runtime: &Runtime| {
            let answer = Self::of_bare(*runtime, Whose::Root, name, home, deadline);
            match answer {
                Some(Ok(_)) => true,
                Some(Err(why)) => why.verdict() == Verdict::Final,
                None => false,
            }
        };
        // A process's number is no name.
        Runtime::ALL.into_iter().filter(|runtime| ![asked, Runtime::Pid].contains(runtime)).find(knows)
    }

    /// Whether it is still the same live process. A namespace that was given by name or path has none and lives as
    /// long as it is held open.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.as_ref().is_none_or(Process::is_alive)
    }

    /// Asks the one who was named.
    fn of(runtime: Runtime, name: &str, home: &NetNs, deadline: Deadline) -> Result<Self, Refusal> {
        match runtime {
            Runtime::Docker => docker::find(name, home, deadline),
            Runtime::Podman => or_of_users(podman::find(name, home, deadline), || {
                podman::find_of_users(name, home, deadline)
            }),
            Runtime::Containerd => containerd::find(name, home, deadline),
            Runtime::Cri => cri::find(name, home, deadline),
            Runtime::Lxc => lxc::find(name, home, deadline),
            Runtime::Lxd => lxd::find(name, home, deadline),
            Runtime::Nspawn => nspawn::find(name, home),
            Runtime::Oci => or_of_users(oci::find(name, home), || oci::find_of_users(name, home)),
            Runtime::Pid | Runtime::Netns => {
                Self::at_hand(runtime, name, home).unwrap_or(Err(Refusal::NoProcess))
            }
        }
    }

    /// What the kernel itself knows by that name; none where an engine has to be asked.
    fn at_hand(runtime: Runtime, name: &str, home: &NetNs) -> Option<Result<Self, Refusal>> {
        match runtime {
            Runtime::Pid => {
                Some(pid::number(name).ok_or(Refusal::NoProcess).and_then(|pid| pid::find(pid, home)))
            }
            Runtime::Netns => Some(netns::find(name, home)),
            _ => None,
        }
    }

    /// Asks one of several; `None` when the name cannot be one of its.
    fn of_bare(
        runtime: Runtime,
        whose: Whose,
        name: &str,
        home: &NetNs,
        deadline: Deadline,
    ) -> Option<Result<Self, Refusal>> {
        match (runtime, whose) {
            (Runtime::Podman, Whose::Root) => Some(podman::find(name, home, deadline)),
            (Runtime::Podman, Whose::Users) => Some(podman::find_of_users(name, home, deadline)),
            (Runtime::Oci, Whose::Root) => Some(oci::find(name, home)),
            (Runtime::Oci, Whose::Users) => Some(oci::find_of_users(name, home)),
            (_, Whose::Users) => None,
            (Runtime::Pid, _) => pid::find_bare(name, home),
            (Runtime::Netns, _) => netns::find_bare(name, home),
            (runtime, _) => Some(Self::of(runtime, name, home, deadline)),
        }
    }
}

/// Whose containers are asked for. Users can give theirs any name; for a bare one they are asked when nobody else knows
/// it, so that none of them can take the place of a container of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Root,
    Users,
}

/// The answer of root's runtime, or that of the users' when it knows no such container.
fn or_of_users<T>(
    of_root: Result<T, Refusal>,
    of_users: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    match of_root {
        Err(why) if why.verdict() == Verdict::Absent => match of_users() {
            Err(Refusal::NoContainer) => Err(why),
            answer => answer,
        },
        answer => answer,
    }
}

/// Asks one after the other for a bare name, until one knows it. Knowing it to be impossible counts as knowing;
/// having been unable to look does not, but is told if nobody else knows.
fn first_answer<T>(
    name: &str,
    mut ask: impl FnMut(Runtime, Whose) -> Option<Result<T, Refusal>>,
    near: impl FnOnce(&[Runtime]) -> Vec<String>,
) -> Result<T, TargetError> {
    let mut asked: Vec<(Runtime, Refusal)> = Vec::new();
    for whose in [Whose::Root, Whose::Users] {
        for runtime in Runtime::ALL {
            match ask(runtime, whose) {
                None => {}
                Some(Ok(found)) => return Ok(found),
                Some(Err(why)) if why.verdict() == Verdict::Final => {
                    return Err(TargetError::Refused {
                        target: name.to_owned(),
                        runtime,
                        why,
                        near: Vec::new(),
                    });
                }
                Some(Err(why)) => {
                    log::debug!("target {name:?}: {runtime}: {why}");
                    // That users have none either is not worth a second mention.
                    if whose == Whose::Root || why.verdict() == Verdict::Unasked {
                        asked.push((runtime, why));
                    }
                }
            }
        }
    }
    let runtimes: Vec<_> = asked.iter().map(|(runtime, _)| *runtime).collect();
    Err(TargetError::Unknown { target: name.to_owned(), asked, near: near(&runtimes) })
}

/// Names that these know and that look like the one asked for.
fn near(name: &str, runtimes: &[Runtime], deadline: Deadline) -> Vec<String> {
    let names = |runtime| match runtime {
        Runtime::Docker => docker::names(deadline),
        Runtime::Podman => podman::names(deadline),
        Runtime::Containerd => containerd::names(deadline),
        Runtime::Cri => cri::names(deadline),
        Runtime::Lxc => lxc::names(deadline),
        Runtime::Lxd => lxd::names(deadline),
        Runtime::Nspawn => nspawn::names(deadline),
        Runtime::Oci => oci::names(deadline),
        Runtime::Netns => netns::names(),
        Runtime::Pid => Vec::new(),
    };
    let known: Vec<_> = runtimes
        .iter()
        .flat_map(|runtime| names(*runtime).into_iter().map(move |name| (runtime, name)))
        .collect();
    let like = crate::spec::near(name, known.iter().map(|(_, name)| name.as_str()));
    let knower = |name| known.iter().find(|(_, known)| known == name).map(|(runtime, _)| runtime);
    like.into_iter().filter_map(|name| Some(format!("{}:{name}", knower(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches with one answer for each of docker, pid and netns; then these of them must have been asked, with this
    /// outcome. Nobody else is on the host.
    fn search(answers: [Option<Result<(), Refusal>>; 3], who: &str, outcome: &str) {
        let mut answers = answers.into_iter();
        let mut asked = Vec::new();
        let ask = |runtime: Runtime, whose| match runtime {
            Runtime::Docker | Runtime::Pid | Runtime::Netns if whose == Whose::Root => {
                asked.push(runtime.as_str());
                answers.next().unwrap().map(|answer| answer.map(|()| runtime))
            }
            _ => None,
        };
        let found = first_answer("web", ask, |_| Vec::new());
        assert_eq!(asked.join(" "), who);
        assert_eq!(found.map_or_else(|error| error.to_string(), |by| by.to_string()), outcome);
    }

    fn late() -> Refusal {
        Refusal::Late { socket: "/s".into(), limit: Duration::from_secs(2) }
    }

    #[test]
    fn the_first_who_knows_wins() {
        search([Some(Ok(())), Some(Ok(())), Some(Ok(()))], "docker", "docker");
        search([Some(Err(Refusal::NoContainer)), None, Some(Ok(()))], "docker pid netns", "netns");
        search([Some(Err(late())), Some(Ok(())), None], "docker pid", "pid");
    }

    #[test]
    fn a_no_of_one_who_knows_ends_the_search() {
        let stopped = Some(Err(Refusal::NotRunning { state: "exited".into(), name: "web".into() }));
        search(
            [stopped, None, Some(Ok(()))],
            "docker",
            "target \"web\": the container is not running, it is exited (docker start web)",
        );
        search(
            [Some(Err(Refusal::Ambiguous)), None, Some(Ok(()))],
            "docker",
            "target \"web\": the ids of several containers start with it (give more digits of the id)",
        );
        search(
            [Some(Err(Refusal::NoContainer)), Some(Err(Refusal::OwnNetns)), Some(Ok(()))],
            "docker pid",
            "target \"web\": its network namespace is the one rpipe itself runs in, there is nothing to attach to",
        );
    }

    #[test]
    fn when_nobody_knows_all_answers_are_told() {
        let no_entry = || Some(Err(Refusal::NoEntry));
        search(
            [Some(Err(Refusal::NoContainer)), None, no_entry()],
            "docker pid netns",
            "target \"web\": nobody knows it (docker: no such container; netns: no such entry)",
        );
        let no_socket = Some(Err(Refusal::NoSocket { socket: "/var/run/docker.sock".into() }));
        search(
            [no_socket, Some(Err(Refusal::NoProcess)), Some(Err(Refusal::Link { name: "web".into() }))],
            "docker pid netns",
            "target \"web\": nobody knows it (pid: no such process; netns: the entry is only a link, netns:web \
             follows it; not on this host: docker)",
        );
        search(
            [Some(Err(late())), None, no_entry()],
            "docker pid netns",
            "target \"web\": the engine at /s gave no answer within 2s, and nobody else knows the name \
             (netns: no such entry)",
        );
    }

    #[test]
    fn a_namespace_without_a_process_is_always_alive() {
        let target = Target {
            name: "red".into(),
            runtime: Runtime::Netns,
            id: None,
            shares: None,
            process: None,
            netns: NetNs::own().unwrap(),
            entry: None,
        };
        assert!(target.is_alive());
    }

    #[test]
    fn a_named_runtime_is_the_only_one_asked() {
        let home = NetNs::own().unwrap();
        let ask =
            |word: &str| Target::open(&word.parse().unwrap(), &home, LOOKUP_LIMIT).unwrap_err().to_string();
        assert_eq!(
            ask("netns:rpipe-has-no-such-entry"),
            "target \"netns:rpipe-has-no-such-entry\": no such entry (ip netns list shows them)"
        );
        assert_eq!(ask("netns:/nowhere"), "target \"netns:/nowhere\": no such file");
        assert_eq!(
            ask("netns:/dev/null"),
            "target \"netns:/dev/null\": /dev/null is not a network namespace"
        );
        assert_eq!(ask("pid:4194304"), "target \"pid:4194304\": no such process");
        let own = format!("pid:{}", std::process::id());
        assert_eq!(
            ask(&own),
            format!(
                "target \"{own}\": its network namespace is the one rpipe itself runs in, there is nothing to attach to"
            )
        );
    }
}
