//! The word for the target: whose network namespace is meant.

use std::fmt;
use std::str::FromStr;

use super::SpecError;

/// Who holds a network namespace. The order is the one in which they are asked for a bare name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `docker:` a container of the Docker engine.
    Docker,
    /// `podman:` a container of Podman, root's or a user's.
    Podman,
    /// `containerd:` a container of containerd in any of its namespaces; nerdctl's names too.
    Containerd,
    /// `cri:` a pod of Kubernetes or a container of one, held by containerd.
    Cri,
    /// `lxc:` a container of LXC, by name or by the path of its folder.
    Lxc,
    /// `lxd:` or `incus:` a container of LXD or Incus, `PROJECT/NAME` outside of the default project.
    Lxd,
    /// `nspawn:` a container registered with machined of systemd.
    Nspawn,
    /// `oci:` a container that runc, crun or youki runs without an engine.
    Oci,
    /// `pid:` a process of this host.
    Pid,
    /// `netns:` a named namespace (`ip netns`) or a path to one.
    Netns,
}

impl Runtime {
    /// All of them, in the order in which a bare name is looked up.
    pub const ALL: [Self; 10] = [
        Self::Docker,
        Self::Podman,
        Self::Containerd,
        Self::Cri,
        Self::Lxc,
        Self::Lxd,
        Self::Nspawn,
        Self::Oci,
        Self::Pid,
        Self::Netns,
    ];

    /// The word before the colon, and the `runtime` of the JSON report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Cri => "cri",
            Self::Lxc => "lxc",
            Self::Lxd => "lxd",
            Self::Nspawn => "nspawn",
            Self::Oci => "oci",
            Self::Pid => "pid",
            Self::Netns => "netns",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A target as it was asked for: `[RUNTIME:]NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetWord {
    /// Who is asked; nobody in particular means all of [`Runtime::ALL`].
    pub runtime: Option<Runtime>,
    /// The name, id, unique id prefix, process number or path.
    pub name: String,
}

impl FromStr for TargetWord {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refuse = |why: &str| SpecError::new("target", word, why);
        let prefixed = word.split_once(':').and_then(|(prefix, name)| {
            // Incus is LXD's heir and speaks its language.
            let prefix = if prefix == "incus" { Runtime::Lxd.as_str() } else { prefix };
            let runtime = Runtime::ALL.into_iter().find(|runtime| runtime.as_str() == prefix)?;
            Some((runtime, name))
        });
        let (runtime, name) = match prefixed {
            Some((runtime, name)) => (Some(runtime), name),
            None => (None, word),
        };
        if name.is_empty() {
            return Err(refuse("has no name"));
        }
        if name.chars().any(char::is_control) {
            return Err(refuse("contains a control character"));
        }
        if name.starts_with('-') {
            return Err(refuse("starts with a dash"));
        }
        match runtime {
            Some(Runtime::Pid) if !is_pid(name) => return Err(refuse("is not a process number")),
            Some(Runtime::Netns) if !name.starts_with('/') => {
                name.parse::<EntryName>()
                    .map_err(|_| refuse("is neither a name nor a path that starts with a slash"))?;
            }
            Some(Runtime::Lxc) if !is_name_or_folder(name) => {
                return Err(refuse("is neither a name nor the path of a container's folder"));
            }
            Some(Runtime::Lxd) if !has_parts(name, 2) => {
                return Err(refuse("is neither a NAME nor a PROJECT/NAME"));
            }
            Some(Runtime::Nspawn) if name.contains('/') => return Err(refuse("contains a slash")),
            Some(Runtime::Containerd) if !has_parts(name, 2) => {
                return Err(refuse("is neither a NAME nor a NAMESPACE/NAME"));
            }
            Some(Runtime::Cri) if !has_parts(name, 3) => {
                return Err(refuse("is neither a POD nor a POD/CONTAINER nor a NAMESPACE/POD/CONTAINER"));
            }
            Some(Runtime::Docker | Runtime::Podman | Runtime::Oci) if name.contains('/') => {
                return Err(refuse("contains a slash"));
            }
            None if name.contains('/') => {
                return Err(refuse("is a path").hint(format!("did you mean netns:{name}?")));
            }
            _ => {}
        }
        Ok(Self { runtime, name: name.to_owned() })
    }
}

/// Whether it is at most so many names with slashes between, none of which leads elsewhere as a folder.
fn has_parts(word: &str, most: usize) -> bool {
    word.split('/').count() <= most && word.split('/').all(|part| part.parse::<EntryName>().is_ok())
}

/// Whether it is a name, or an absolute path that says whose folder it means without a detour.
fn is_name_or_folder(word: &str) -> bool {
    let path = word.strip_prefix('/').filter(|path| path.contains('/')).unwrap_or(word);
    let named = path.split('/').all(|part| part.parse::<EntryName>().is_ok());
    named && (word.starts_with('/') || !word.contains('/'))
}

/// Process numbers are 1 to 4194304 (`PID_MAX_LIMIT`, include/linux/threads.h).
fn is_pid(word: &str) -> bool {
    word.bytes().all(|digit| digit.is_ascii_digit()) && matches!(word.parse(), Ok(1..=4_194_304_u32))
}

impl fmt::Display for TargetWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.runtime {
            Some(runtime) => write!(f, "{runtime}:{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The name of an entry in `/var/run/netns`: one path component that `ip netns` and people can type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName(String);

impl EntryName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntryName {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refuse = |why: &str| Err(SpecError::new("namespace name", word, why));
        match word {
            "" | "." | ".." => refuse("is no name"),
            // NAME_MAX, include/uapi/linux/limits.h
            _ if word.len() > 255 => refuse("is longer than 255 bytes"),
            _ if word.starts_with('-') => refuse("starts with a dash"),
            _ if word.contains('/') => refuse("contains a slash"),
            _ if word.chars().any(char::is_control) => refuse("contains a control character"),
            _ => Ok(Self(word.to_owned())),
        }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_prints_as_it_was_read() {
        for word in [
            "test01",
            "docker:test01",
            "podman:web",
            "containerd:c1",
            "containerd:default/c1",
            "cri:pod",
            "cri:pod/app",
            "cri:kube-system/pod/app",
            "lxc:c1",
            "lxc:/srv/lxc/c1",
            "lxd:c1",
            "lxd:shop/c1",
            "nspawn:c1",
            "oci:c1",
            "pid:1",
            "netns:red",
            "netns:/run/netns/red",
            "web:80",
        ] {
            assert_eq!(word.parse::<TargetWord>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn incus_is_lxd() {
        assert_eq!("incus:shop/c1".parse::<TargetWord>(), "lxd:shop/c1".parse());
    }

    #[test]
    fn nonsense_is_refused() {
        for word in [
            "",
            "docker:",
            "pid:",
            "pid:0",
            "pid:-1",
            "pid:+1",
            "pid:99999999",
            "pid:x",
            "netns:",
            "netns:a/b",
            "netns:..",
            "a\nb",
            "docker:-v",
            "docker:a/b",
            "podman:a/b",
            "podman:a\u{1b}",
            "oci:../x",
            "oci:a/b",
            "lxc:a/b",
            "lxc:/a",
            "lxc:/a/../b",
            "lxc:/a/b/",
            "lxc:/a/-b",
            "lxd:a/b/c",
            "lxd:../x",
            "lxd:a/-b",
            "nspawn:a/b",
            "incus:",
            "containerd:a/b/c",
            "containerd:../x",
            "containerd:a/",
            "containerd:/a",
            "containerd:a/-b",
            "cri:a/b/c/d",
            "cri:a//b",
            "cri:./b",
            "/proc/1/ns/net",
        ] {
            assert!(word.parse::<TargetWord>().is_err(), "{word:?}");
        }
    }
}
