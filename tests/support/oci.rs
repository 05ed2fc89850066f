//! Containers of a low-level runtime, without any engine.

use super::docker::ROOTFS;
use super::life::until;
use super::world::{World, finish};

/// A bundle from which runc and crun start containers.
pub struct Bundle<'w> {
    world: &'w World,
}

impl<'w> Bundle<'w> {
    pub fn new(world: &'w World) -> Self {
        // crun does not work where version 2 of control groups lies inside version 1.
        let script = format!(
            "{ROOTFS}
             umount /sys/fs/cgroup/unified 2>/dev/null || true
             mkdir /run/bundle
             cd /run/bundle
             ln -s ../image rootfs
             runc spec
             jq '.process.terminal = false | del(.process.rlimits) | .process.args = [\"sleep\", \"1000000\"]
                 | .root.path = \"/run/image\"' config.json >base.json"
        );
        world.sh(&script).ok();
        Self { world }
    }

    /// `RUNTIME run -d ID`; gives its process. `change` is a jq filter for the configuration.
    #[track_caller]
    pub fn run(&self, runtime: &str, id: &str, change: &str) -> String {
        let group = format!("/{}/{id}", self.world.cgroup());
        // Its output goes nowhere: the container would keep the test's pipe open.
        let script = format!(
            "cd /run/bundle
             jq '.linux.cgroupsPath = \"{group}\" | {change}' base.json >config.json
             {runtime} run -d --pid-file /run/{id}.pid {id} </dev/null >/run/{id}.log 2>&1 || {{ cat /run/{id}.log >&2; exit 1; }}
             cat /run/{id}.pid"
        );
        finish(self.world.command("sh").args(["-euc", &script])).ok().trim().to_owned()
    }

    /// Kills its process and waits until it is one no more.
    pub fn kill(&self, pid: &str) {
        kill(self.world, pid);
    }
}

/// Kills a process of the world and waits until its number is free.
pub fn kill(world: &World, pid: &str) {
    world.run(&format!("kill -KILL {pid}")).ok();
    until("a killed process goes", || !world.path(&format!("/proc/{pid}")).exists());
}
