//! Numbers of dead containers that strangers get: in worlds with few numbers, so that it happens for real.
mod support;

use support::{Bundle, Container, Containerd, Docker, Podman, World, kill, until};

/// The lowest numbers are not given out a second time (`RESERVED_PIDS`, kernel/pid.c).
const RESERVED: u32 = 300;

/// A world in which the numbers from now on come round.
fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh(&format!("for number in $(seq {RESERVED}); do (:); done")).ok();
    world
}

/// Leaves the world so few numbers that they come round at once. A process namespace has a limit of its own since Linux
/// 6.14; before, it would be the machine's, so nothing is written there.
fn few_numbers(world: &World) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|word| word.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    assert!(version >= (6, 14), "Linux 6.14 is needed: on {release} the machine's own limit would change");
    world.sh("echo 700 >/proc/sys/kernel/pid_max").ok();
}

/// Kills the process and starts others, each in a network namespace of its own, until one has its number.
fn replaced<'w>(world: &'w World, pid: &str) -> Container<'w> {
    few_numbers(world);
    kill(world, pid);
    let script = format!(
        "for try in $(seq 5000); do
             unshare --net sleep 1000000 </dev/null >/dev/null 2>&1 &
             [ $! = {pid} ] && exit
             kill -KILL $!
             wait $! 2>/dev/null || true
         done
         echo 'the number does not come round' >&2"
    );
    world.sh(&script).ok();
    let stranger = Container::of(world, pid);
    until("the stranger is in its namespace", || {
        world.run(&format!("readlink /proc/{pid}/ns/net")).ok() != world.run("readlink /proc/1/ns/net").ok()
    });
    stranger
}

/// The container is refused, and the stranger is not touched.
#[track_caller]
fn refused(world: &World, targets: &[&str], stranger: &Container) {
    for target in targets {
        let said = world.line(&format!("br0 {target} 10.0.0.2/24")).refused(1);
        assert!(said.contains("not running"), "{said}");
    }
    assert_eq!(stranger.links(), ["lo"]);
    // Were it asked for, it would be had: it is no dead process.
    world.line(&format!("br0 {} 10.0.0.2/24", stranger.target())).ok();
}

#[test]
fn of_runc_and_crun() {
    for runtime in ["runc", "crun"] {
        let world = world();
        let pid = Bundle::new(&world).run(runtime, "web", ".");
        let stranger = replaced(&world, &pid);
        refused(&world, &["oci:web", "web"], &stranger);
    }
}

#[test]
fn of_containerd() {
    let world = world();
    let containerd = Containerd::new(&world);
    let pid = containerd.cri("default", "web", "s1", None);
    let stranger = replaced(&world, &pid);
    assert_eq!(
        world.run("cat /run/containerd/io.containerd.runtime.v2.task/k8s.io/s1/init.pid").ok(),
        pid,
        "the number stays written down"
    );
    refused(&world, &["containerd:s1", "cri:web", "web"], &stranger);
}

#[test]
fn of_podman() {
    let world = world();
    let podman = Podman::new(&world);
    podman.run("web", "--network=none");
    let pid = podman.pid("web");
    // Its monitor would tidy up.
    world.run("pkill -KILL -x conmon").ok();
    let stranger = replaced(&world, &pid);
    refused(&world, &["podman:web", "web"], &stranger);
}

#[test]
fn of_docker_when_it_has_not_noticed() {
    let world = world();
    let docker = Docker::new(&world);
    docker.run("web", "--net=none");
    let pid = docker.container("web").pid;
    // containerd would tell of the end. Nothing may fail until it goes on, or the world would never end.
    world.run("pkill -STOP -x containerd").ok();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let stranger = replaced(&world, &pid);
        let named = docker.container("web").pid;
        (named, world.line("br0 web 10.0.0.2/24"), stranger.links())
    }));
    world.run("pkill -CONT -x containerd").ok();
    let (named, output, links) = done.unwrap();
    assert_eq!(named, pid, "Docker had not noticed");
    assert_eq!(
        output.refused(1),
        format!(
            "rpipe: target \"web\": process {pid}, which the engine names, is not in the container's control group, \
             it is another's (try again)"
        )
    );
    assert_eq!(links, ["lo"]);
}

/// Strangers come and go as fast as they can, each with a look at whether somebody wired it.
const STRANGERS: &str = "
while :; do
    unshare --net sh -c 'sleep 0.01; ip link show eth1 >/dev/null 2>&1 && echo $$ >>/run/hits' &
    unshare --net sh -c 'sleep 0.01; ip link show eth1 >/dev/null 2>&1 && echo $$ >>/run/hits' &
    wait
done";

#[test]
fn in_a_storm_of_restarts_no_stranger_is_wired() {
    let world = world();
    let bundle = Bundle::new(&world);
    bundle.run("runc", "web", ".");
    few_numbers(&world);
    let restarts = "cd /run/bundle
        while :; do
            kill -KILL $(cat /run/web.pid) || true
            until runc delete -f web 2>/dev/null; do :; done
            runc run -d --pid-file /run/web.pid web </dev/null >/dev/null 2>&1
        done";
    world.daemon(world.command("sh").args(["-c", STRANGERS]));
    world.daemon(world.command("sh").args(["-c", restarts]));
    let (mut wired, mut refused) = (0, 0);
    until("both happen often", || {
        let output = world.line("-q br0 oci:web 10.0.0.2/24");
        match output.code() {
            0 => wired += 1,
            1 => refused += 1,
            _ => panic!("{output:#?}"),
        }
        wired >= 20 && refused >= 20
    });
    assert!(!world.path("/run/hits").exists(), "{:?}", std::fs::read_to_string(world.path("/run/hits")));
}
