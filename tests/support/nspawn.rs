//! Real containers of systemd-nspawn, registered with a real machined, in a machine inside a world.

use std::path::Path;

use super::docker::ROOTFS;
use super::life::until;
use super::world::{Container, RPIPE, World};

/// A machine whose process 1 is systemd.
pub struct Nspawn<'w> {
    pub world: &'w World,
}

/// Everything that the machine's systemd starts: machined, and the bus on which it is spoken to.
const TARGET: &str = "
[Unit]
DefaultDependencies=no
Wants=dbus.socket systemd-machined.service ready.service
After=dbus.socket systemd-machined.service
";

/// Tells the one who waits for it.
const READY: &str = "
[Unit]
DefaultDependencies=no
After=systemd-machined.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo ready >/run/ready'
";

/// The machine is this one, in namespaces and control groups of its own and with every change only in memory.
fn boot_script(world: &World) -> String {
    let binaries = Path::new(RPIPE).parent().expect("a folder").display();
    let group = world.cgroup();
    format!(
        "for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
             [ -e $root/cgroup.procs ] || continue
             mkdir $root/{group}
             echo $$ >$root/{group}/cgroup.procs
         done
         export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
         exec systemd-nspawn -q -M outer --register=no --keep-unit --private-network -D /run/machine -b \
             --bind=/run/ready --bind-ro={binaries} --console=pipe systemd.unit=rpipe.target >/run/machine.log 2>&1"
    )
}

impl World {
    /// A world in which everything happens in a machine with systemd and machined.
    pub fn booted() -> Self {
        let mut world = Self::new();
        world
            .sh(&format!(
                "mkfifo /run/ready
                 mkdir /run/changes /run/work /run/machine
                 mount -t overlay overlay -o lowerdir=/,upperdir=/run/changes,workdir=/run/work /run/machine
                 cd /run/machine/etc
                 rm -f machine-id
                 echo 0123456789abcdef0123456789abcdef >machine-id
                 cd systemd/system
                 for unit in .service .socket -dev-log.socket -audit.socket; do
                     ln -sf /dev/null systemd-journald$unit
                 done
                 cat >rpipe.target <<'END'\n{TARGET}END\n
                 cat >ready.service <<'END'\n{READY}END\n"
            ))
            .ok();
        world.daemon(world.command("sh").args(["-euc", &boot_script(&world)]));
        let ready = world.run("timeout 30 cat /run/ready");
        assert_eq!(ready.stdout, "ready\n", "{:?}", world.run("cat /run/machine.log"));
        let pid = world.run("pgrep -o -x systemd").ok();
        let quiet = "echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode";
        world.sh(&format!("nsenter -t {} -n sh -c '{quiet}'", pid.trim_end())).ok();
        world.machine = Some(pid.trim_end().to_owned());
        world.sh("mkdir -p /run/netns /run/lock; ip link set lo up").ok();
        world
    }
}

impl<'w> Nspawn<'w> {
    /// In a world that was booted.
    pub fn new(world: &'w World) -> Self {
        world.sh(ROOTFS).ok();
        world.sh("mkdir -p /run/image/etc /run/image/usr; touch /run/image/etc/os-release").ok();
        Self { world }
    }

    /// A running container that sleeps.
    #[track_caller]
    pub fn run(&self, name: &str, options: &str) -> Container<'w> {
        let script = format!(
            "cp -a /run/image /run/{name}
             exec systemd-nspawn -q -D /run/{name} -M {name} {options} --console=pipe /bin/sleep 1000000 >/run/{name}.log 2>&1"
        );
        self.world.daemon(self.world.command("sh").args(["-euc", &script]));
        until(&format!("{name} is registered"), || {
            // Whatever it says on the way up, it says because it fails.
            assert_eq!(self.world.sh(&format!("cat /run/{name}.log 2>/dev/null || true")).stdout, "");
            self.leader(name).is_some()
        });
        let pid = self.leader(name).expect("it is registered");
        // It is registered before it becomes what it shall be.
        until(&format!("{name} sleeps"), || {
            self.world.run(&format!("cat /proc/{pid}/cmdline")).stdout.contains("sleep")
        });
        Container::of(self.world, &pid)
    }

    /// Its first process, as machined's own command tells it.
    pub fn leader(&self, name: &str) -> Option<String> {
        let shown = self.world.run(&format!("machinectl show -p Leader --value {name}"));
        let pid = shown.stdout.trim_end();
        (shown.status.success() && !pid.is_empty()).then(|| pid.to_owned())
    }
}
