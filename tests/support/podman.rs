//! Podman inside a world, as root and as a user.

use std::process::Command;

use super::docker::ROOTFS;
use super::world::{Output, World, finish, words};

/// The user of rootless containers, who exists in the world only.
const USER: &str = "4321";

/// Settings under which Podman starts containers on any machine. Without control groups nothing outlives the world.
const SETTINGS: &str = "
mount -t tmpfs none /var/lib
umount /sys/fs/cgroup/unified 2>/dev/null || true
cat >/run/containers.conf <<'END'
[containers]
default_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]
cgroups = \"disabled\"
[engine]
runtime = \"crun\"
events_logger = \"file\"
cgroup_manager = \"cgroupfs\"
END
chmod 755 /run
";

const LOGIN: &str = "
mkdir -p /run/home /run/user/4321
chown 4321:4321 /run/home /run/user/4321
for file in passwd group subuid subgid; do
    touch /etc/$file
    cp /etc/$file /run/$file
    mount --bind /run/$file /etc/$file
done
echo 'pod:x:4321:4321::/run/home:/bin/sh' >>/run/passwd
echo 'pod:x:4321:' >>/run/group
echo 'pod:200000:65536' >>/run/subuid
echo 'pod:200000:65536' >>/run/subgid
";

/// Podman, root's or the user's.
pub struct Podman<'w> {
    pub world: &'w World,
    /// Whether it is the user's.
    rootless: bool,
}

impl<'w> Podman<'w> {
    pub fn new(world: &'w World) -> Self {
        world.sh(&format!("{ROOTFS}{SETTINGS}")).ok();
        Self { world, rootless: false }.with_image()
    }

    pub fn rootless(world: &'w World) -> Self {
        world.sh(&format!("{ROOTFS}{SETTINGS}{LOGIN}")).ok();
        Self { world, rootless: true }.with_image()
    }

    /// Root's on a machine that a user uses already.
    pub fn new_beside(user: &Self) -> Self {
        Self { world: user.world, rootless: false }.with_image()
    }

    fn with_image(self) -> Self {
        let output = self.podman("import /run/image.tar localhost/bb:1");
        assert_eq!(output.code(), 0, "{output:#?}");
        self
    }

    /// The command, without words yet.
    pub fn command(&self) -> Command {
        let mut command = if self.rootless {
            let mut command = self.world.command("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "podman"]);
            // The overlay of a user's needs more than a plain kernel.
            command.arg("--storage-driver=vfs");
            command.current_dir("/").env("HOME", "/run/home").env("XDG_RUNTIME_DIR", "/run/user/4321");
            command
        } else {
            self.world.command("podman")
        };
        command.env("CONTAINERS_CONF", "/run/containers.conf");
        command
    }

    /// `podman …`, words without quotes.
    pub fn podman(&self, line: &str) -> Output {
        finish(self.command().args(words(line)))
    }

    /// `podman run -d --name NAME OPTIONS …` of a container that sleeps; gives its full id.
    #[track_caller]
    pub fn run(&self, name: &str, options: &str) -> String {
        let output = self.podman(&format!("run -d --name {name} {options} localhost/bb:1 sleep 1000000"));
        assert_eq!(output.code(), 0, "{output:#?}");
        output.stdout.trim_end().to_owned()
    }

    /// The process of a container, as Podman tells it.
    #[track_caller]
    pub fn pid(&self, name: &str) -> String {
        self.podman(&format!("inspect -f {{{{.State.Pid}}}} {name}")).ok().trim_end().to_owned()
    }
}
