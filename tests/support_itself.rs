//! The tests' own ground holds: a world is apart from the machine, an engine runs in it.
mod support;

use support::{Docker, World, snapshot};

#[test]
fn a_world_has_nothing_but_loopback_and_dies_with_its_test() {
    let world = World::new();
    let links = world.ip_json("link");
    assert_eq!(links.as_array().unwrap().len(), 1, "{links}");
    assert_eq!(world.sh("ls -A /var/run/netns").ok(), "");
    let a = world.container();
    let before = snapshot(&world, &[&a]);
    assert_eq!(before, snapshot(&world, &[&a]));
    a.ip("link add x type veth peer name y");
    assert_ne!(before, snapshot(&world, &[&a]), "a snapshot sees a new link");
    let proc = world.path("");
    assert!(proc.exists());
    drop(world);
    assert!(!proc.exists(), "process 1 is gone");
}

#[test]
fn an_engine_runs_in_a_world() {
    let world = World::new();
    let docker = Docker::new(&world);
    docker.run("one", "");
    docker.run("two", "");
    let ip = docker.docker("inspect -f {{.NetworkSettings.IPAddress}} two").ok();
    docker.exec("one", &format!("ping -c 1 {}", ip.trim())).ok();
    docker.container("one").pings(ip.trim());
}
