//! A containerd inside a world, without Docker.

use super::docker::ROOTFS;
use super::life::until;
use super::world::{World, finish, words};

const SETTINGS: &str = "
mkdir -p /run/containerd-root
cat >/run/containerd.toml <<'END'
version = 2
root = \"/run/containerd-root\"
state = \"/run/containerd\"
disabled_plugins = [\"io.containerd.grpc.v1.cri\"]
[grpc]
address = \"/run/containerd/containerd.sock\"
END
";

/// A daemon whose files all lie on the world's own `/run`.
pub struct Containerd<'w> {
    pub world: &'w World,
}

impl<'w> Containerd<'w> {
    pub fn new(world: &'w World) -> Self {
        world.sh(&format!("{ROOTFS}{SETTINGS}")).ok();
        let start = "exec containerd -c /run/containerd.toml >/run/containerd.log 2>&1";
        world.daemon(world.command("sh").args(["-c", start]));
        until("containerd answers", || world.run("ctr version").code() == 0);
        Self { world }
    }

    /// `ctr -n NAMESPACE run -d … ID`; gives its process.
    #[track_caller]
    pub fn run(&self, namespace: &str, id: &str, options: &str) -> String {
        let group = format!("/{}/{namespace}-{id}", self.world.cgroup());
        let line = format!(
            "-n {namespace} run -d --null-io --rootfs --cgroup {group} {options} /run/image {id} /bin/sleep 1000000"
        );
        finish(self.world.command("ctr").args(words(&line))).ok();
        self.pid(namespace, id)
    }

    /// The process of a container, as containerd tells it.
    #[track_caller]
    pub fn pid(&self, namespace: &str, id: &str) -> String {
        let list = self.world.run(&format!("ctr -n {namespace} task ls")).ok();
        let line = list.lines().find(|line| words(line).first() == Some(&id)).expect("the container");
        words(line)[1].to_owned()
    }

    /// A container as the kubelet has it made: the pod's own, or one that shares its network.
    #[track_caller]
    pub fn cri(&self, namespace: &str, pod: &str, id: &str, container: Option<(&str, &str)>) -> String {
        let note = |key: &str, value: &str| format!("--annotation io.kubernetes.cri.{key}={value} ");
        let mut options = note("sandbox-name", pod) + &note("sandbox-namespace", namespace);
        match container {
            None => options += &note("container-type", "sandbox"),
            Some((name, sandbox)) => {
                options += &(note("container-type", "container") + &note("container-name", name));
                options.extend(["--with-ns network:/proc/", sandbox, "/ns/net"]);
            }
        }
        self.run("k8s.io", id, &options)
    }
}
