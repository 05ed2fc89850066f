//! `cri:` a pod of Kubernetes, or a container of one.
//!
//! IO, read-only. The kubelet has containerd hold a container for the pod itself, whose network all others of the pod
//! share; the names stand in the annotations of each. Equal to `crictl pods --name POD`.

use super::Target;
use super::containerd::{self, Container};
use super::engine::Deadline;
use super::error::Refusal;
use crate::kernel::NetNs;
use crate::spec::{EntryName, Runtime};

/// `sandbox` for the pod itself, else `container` (containerd `pkg/cri/annotations`).
const TYPE: &str = "io.kubernetes.cri.container-type";
const POD: &str = "io.kubernetes.cri.sandbox-name";
const NAMESPACE: &str = "io.kubernetes.cri.sandbox-namespace";
const CONTAINER: &str = "io.kubernetes.cri.container-name";

impl Container {
    fn says(&self, annotation: &str) -> &str {
        self.annotations.get(annotation).map_or("", String::as_str)
    }

    fn is_sandbox(&self) -> bool {
        self.says(TYPE) == "sandbox"
    }

    fn is_pod(&self, pod: &str) -> bool {
        self.is_sandbox() && self.says(POD) == pod
    }

    fn is_member(&self, pod: &str, container: &str) -> bool {
        !self.is_sandbox() && self.says(POD) == pod && self.says(CONTAINER) == container
    }

    /// The word that means it and nothing else.
    fn word(&self) -> String {
        let pod = format!("cri:{}/{}", self.says(NAMESPACE), self.says(POD));
        if self.is_sandbox() { pod } else { format!("{pod}/{}", self.says(CONTAINER)) }
    }
}

/// The namespace of `POD`, `POD/CONTAINER`, `NAMESPACE/POD` or `NAMESPACE/POD/CONTAINER`.
pub(super) fn find(asked: &str, home: &NetNs, deadline: Deadline) -> Result<Target, Refusal> {
    let all = containerd::containers(deadline)?;
    let found: Vec<_> = all.iter().filter(|container| is_meant(container, asked)).collect();
    let container = containerd::the_one(&found, Container::word)?;
    let name = if container.is_sandbox() { POD } else { CONTAINER };
    let name = container.says(name);
    let name = if name.parse::<EntryName>().is_ok() { name } else { &container.id };
    container.target(Runtime::Cri, name.to_owned(), home)
}

fn is_meant(container: &Container, asked: &str) -> bool {
    let parts: Vec<_> = asked.split('/').collect();
    let of = |namespace: &str| container.says(NAMESPACE) == namespace;
    match parts[..] {
        [pod] => container.is_pod(pod),
        // A namespace and a container may have one name; then two are meant, and that is an error.
        [a, b] => container.is_member(a, b) || (of(a) && container.is_pod(b)),
        [namespace, pod, name] => of(namespace) && container.is_member(pod, name),
        _ => false,
    }
}

/// The names of the pods, for the one who mistyped one.
pub(super) fn names(deadline: Deadline) -> Vec<String> {
    let all = containerd::containers(deadline).unwrap_or_default();
    let pods = all.iter().filter(|container| container.is_sandbox());
    pods.map(|pod| pod.says(POD).to_owned()).filter(|name| name.parse::<EntryName>().is_ok()).collect()
}

/// The pods that run, each with its namespace.
pub(super) fn running(all: &[Container], deadline: Deadline) -> Vec<(String, String)> {
    let pods = all.iter().filter(|one| one.is_sandbox() && one.runs() && deadline.check(String::new).is_ok());
    pods.map(|pod| (pod.says(POD).to_owned(), format!("pod of {}", pod.says(NAMESPACE)))).collect()
}
