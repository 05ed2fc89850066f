//! A real LXD inside a world.

use super::docker::ROOTFS;
use super::world::{Container, Output, World, finish, words};

/// A daemon whose files all lie on the world's own `/run`.
pub struct Lxd<'w> {
    pub world: &'w World,
}

/// Where it listens.
pub const LXD_DIR: &str = "/run/lxd";

/// The image of nothing but busybox, a place for containers, and what all of them have.
const PREPARE: &str = r#"
mkdir -p /run/image/sbin /run/image/proc /run/image/sys /run/image/dev /run/image/etc
printf '#!/bin/sh\nexec /bin/sleep 1000000\n' >/run/image/sbin/init
chmod +x /run/image/sbin/init
mkdir /run/lxd-image
mv /run/image /run/lxd-image/rootfs
echo '{"architecture":"x86_64","creation_date":1,"properties":{"description":"bb"}}' >/run/lxd-image/metadata.yaml
tar -C /run/lxd-image -cf /run/lxd.tar metadata.yaml rootfs
lxc storage create default dir
lxc image import /run/lxd.tar --alias bb
"#;

impl<'w> Lxd<'w> {
    pub fn new(world: &'w World) -> Self {
        let lxd = Self { world };
        // It writes its log there even when it is told another place.
        world.sh("mkdir -p /var/log/lxd; mount -t tmpfs none /var/log/lxd; mkdir /run/lxd").ok();
        let daemon = format!("LXD_DIR={LXD_DIR} exec lxd --logfile /run/lxd.log >/dev/null 2>&1");
        world.daemon(world.command("sh").args(["-c", &daemon]));
        // Asks until it answers, for at most that many seconds.
        lxd.succeed("lxd waitready --timeout 30");
        world.sh(ROOTFS).ok();
        lxd.succeed(PREPARE);
        lxd.prepare_project("default");
        lxd
    }

    /// What every container of a project has.
    fn prepare_project(&self, project: &str) {
        let cgroup = self.world.cgroup();
        self.succeed(&format!(
            "lxc profile device add default root disk path=/ pool=default --project {project}
             lxc profile set default raw.lxc 'lxc.cgroup.dir={cgroup}' --project {project}"
        ));
    }

    /// Another project, with the images of the default one.
    pub fn project(&self, name: &str) {
        self.succeed(&format!("lxc project create {name} -c features.images=false"));
        self.prepare_project(name);
    }

    /// Its commands talk on both outputs.
    #[track_caller]
    fn succeed(&self, script: &str) -> String {
        let output = finish(self.world.command("sh").args(["-euc", script]).env("LXD_DIR", LXD_DIR));
        assert!(output.status.success(), "{script}: {output:#?}");
        output.stdout
    }

    /// `lxc …`, words without quotes.
    #[track_caller]
    pub fn lxc(&self, line: &str) -> String {
        self.succeed(&format!("lxc {line}"))
    }

    /// rpipe as the one who gave LXD its folder starts it.
    pub fn rpipe(&self, line: &str) -> Output {
        finish(self.world.command(super::RPIPE).args(words(line)).env("LXD_DIR", LXD_DIR))
    }

    /// A running container that sleeps, without any network but its own `lo`.
    #[track_caller]
    pub fn run(&self, name: &str, options: &str) -> Container<'w> {
        self.lxc(&format!("launch bb {name} {options}"));
        self.container(name, options)
    }

    /// The namespace of a running container, as LXD's own command tells it.
    #[track_caller]
    pub fn container(&self, name: &str, options: &str) -> Container<'w> {
        let project = options.split_once("--project ").map_or("default", |(_, rest)| rest);
        let info = self.lxc(&format!("info {name} --project {project}"));
        let pid =
            info.lines().find_map(|line| line.strip_prefix("PID: ")).unwrap_or_else(|| panic!("{info}"));
        Container::of(self.world, pid)
    }
}
