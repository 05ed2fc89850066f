//! A real Docker engine inside a world.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::world::{Container, Output, World, finish, words};

/// A daemon whose files all lie on the world's own `/run`.
pub struct Docker<'w> {
    pub world: &'w World,
}

/// Half a minute: the daemon needs 0.3 seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A root file system of nothing but busybox.
pub const ROOTFS: &str = "
mkdir -p /run/image/bin
cp /bin/busybox /run/image/bin/busybox
for applet in sh sleep ping ip cat; do ln -sf busybox /run/image/bin/$applet; done
tar -C /run/image -cf /run/image.tar .
";

impl<'w> Docker<'w> {
    pub fn new(world: &'w World) -> Self {
        Self::with(world, "")
    }

    /// A daemon with further options.
    pub fn with(world: &'w World, options: &str) -> Self {
        let docker = Self { world };
        // Without packet filter rules: Docker's would drop what passes between ports of other bridges.
        let script = format!(
            "exec dockerd --data-root /run/docker-data --exec-root /run/docker -p /run/docker.pid \
             -H unix:///run/docker.sock --cgroup-parent /{} --exec-opt native.cgroupdriver=cgroupfs \
             --iptables=false --ip6tables=false --ip-masq=false {options} >/run/docker.log 2>&1",
            world.cgroup()
        );
        world.daemon(world.command("sh").args(["-c", &script]));
        docker.wait();
        docker.world.sh(&format!("{ROOTFS}docker import /run/image.tar bb:1")).ok();
        docker
    }

    /// Waits until it answers a ping.
    fn wait(&self) {
        let socket = self.world.path("/run/docker.sock");
        let start = Instant::now();
        while !answers(&socket) {
            if start.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.world.path("/run/docker.log")).unwrap_or_default();
                panic!("dockerd does not answer:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `docker …`, words without quotes.
    pub fn docker(&self, line: &str) -> Output {
        finish(self.world.command("docker").args(words(line)))
    }

    /// `docker run -d --name NAME OPTIONS …` of a container that sleeps; gives its full id.
    #[track_caller]
    pub fn run(&self, name: &str, options: &str) -> String {
        self.docker(&format!("run -d --name {name} {options} bb:1 sleep 1000000")).ok().trim_end().to_owned()
    }

    /// `docker exec NAME …`.
    pub fn exec(&self, name: &str, line: &str) -> Output {
        self.docker(&format!("exec {name} {line}"))
    }

    /// The namespace of a running container.
    #[track_caller]
    pub fn container(&self, name: &str) -> Container<'w> {
        let pid = self.docker(&format!("inspect -f {{{{.State.Pid}}}} {name}")).ok();
        Container::of(self.world, pid.trim_end())
    }
}

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        let _ = self.world.sh("docker ps -aq | xargs -r docker rm -f");
    }
}

fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut status = [0; 12];
    stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").is_ok()
        && stream.read_exact(&mut status).is_ok()
        && status.ends_with(b" 200")
}
