//! Real containers of LXC inside a world.

use super::docker::ROOTFS;
use super::world::{Container, Output, World};

/// LXC needs no daemon: only a place for its containers.
pub struct Lxc<'w> {
    pub world: &'w World,
}

/// Where LXC has its containers when nobody says otherwise.
const USUAL: &str = "/var/lib/lxc";

impl<'w> Lxc<'w> {
    pub fn new(world: &'w World) -> Self {
        world.sh(ROOTFS).ok();
        world
            .sh(&format!(
                "mkdir -p /run/image/proc /run/image/sys /run/image/dev; mount -t tmpfs none {USUAL}"
            ))
            .ok();
        Self { world }
    }

    /// A container that sleeps when it is started; `settings` are lines of its `config`.
    pub fn create(&self, folder: &str, name: &str, settings: &str) {
        let common = format!(
            "lxc.rootfs.path = dir:/run/image\nlxc.init.cmd = /bin/sleep 1000000\nlxc.apparmor.profile = unconfined\n\
             lxc.cgroup.dir = {}\n",
            self.world.cgroup()
        );
        let config = format!("{common}{settings}\n");
        self.world
            .sh(&format!("mkdir -p '{folder}/{name}'; cat >'{folder}/{name}/config' <<'END'\n{config}END"))
            .ok();
    }

    /// Starts it; it is in its namespaces when this returns.
    #[track_caller]
    pub fn start(&self, folder: &str, name: &str) {
        let log = format!("/run/{name}.log");
        let started = self.world.run(&format!("lxc-start -P {folder} -n {name} -o {log} -l INFO"));
        assert!(started.status.success(), "{started:?}: {}", self.world.run(&format!("cat {log}")).stdout);
    }

    /// A running container with a network of its own in the usual place.
    #[track_caller]
    pub fn run(&self, name: &str, settings: &str) -> Container<'w> {
        self.create(USUAL, name, &format!("lxc.net.0.type = empty\n{settings}"));
        self.start(USUAL, name);
        self.container(USUAL, name)
    }

    #[track_caller]
    pub fn kill(&self, folder: &str, name: &str) {
        self.world.run(&format!("lxc-stop -k -P {folder} -n {name}")).ok();
    }

    /// The namespace of a running container, as LXC's own command tells it.
    #[track_caller]
    pub fn container(&self, folder: &str, name: &str) -> Container<'w> {
        let pid = self.info(folder, name).ok();
        Container::of(self.world, pid.trim_end())
    }

    fn info(&self, folder: &str, name: &str) -> Output {
        self.world.run(&format!("lxc-info -P {folder} -n {name} -pH"))
    }
}
