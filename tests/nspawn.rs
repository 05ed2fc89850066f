//! The one line on containers of systemd-nspawn that machined knows.
mod support;

use support::{Container, Nspawn, World, addresses, assert_same, lives_and_dies, snapshot, until};

#[test]
fn a_container_lives_and_dies() {
    let world = World::booted();
    let nspawn = Nspawn::new(&world);
    // A dash has to be written in another way in the name of a unit.
    let web = nspawn.run("web-1", "--private-network");
    let (_, refusal) = lives_and_dies(&world, "nspawn:web-1", &web.pid, || {
        world.run("machinectl kill --signal=KILL web-1").ok();
        until("machined knows", || nspawn.leader("web-1").is_none());
    });
    assert!(refusal.contains("no such container"), "{refusal}");
}

#[test]
fn bare_names_user_namespaces_and_what_cannot_be_wired() {
    let world = World::booted();
    world.bridge("br0", "10.0.0.1/24");
    let nspawn = Nspawn::new(&world);
    let web =
        nspawn.run("web", "--private-network --private-users=196608:65536 --private-users-ownership=chown");
    assert_eq!(world.run(&format!("stat -c %u /proc/{}", web.pid)).ok(), "196608\n");
    world.line("br0 web 10.0.0.2/24").ok();
    assert_eq!(addresses(&web.link("eth1")), ["10.0.0.2/24"]);
    Container::of(&world, "1").pings("10.0.0.2");
    assert_eq!(world.run("ls /run/netns").ok(), "web\n");

    nspawn.run("shared", "");
    // What machined leaves behind when it does not see the end: the number is a stranger's now.
    let stranger = world.container();
    let files = "/run/systemd/machines";
    world
        .sh(&format!(
            "sed 's/^LEADER=.*/LEADER={}/' {files}/web >{files}/stale
             sed 's/^LEADER=.*/LEADER=4194304/' {files}/web >{files}/dead
             sed 's/^CLASS=.*/CLASS=vm/' {files}/web >{files}/vm
             echo nonsense >{files}/odd
             mkdir -p /var/lib/machines/stopped
             mkfifo {files}/pipe",
            stranger.pid
        ))
        .ok();
    let before = snapshot(&world, &[&stranger]);
    for (target, words) in [
        ("shared", "the container shares the host's network"),
        ("nspawn:stale", "the container is not running, it is gone"),
        ("nspawn:dead", "the container is not running, it is gone"),
        ("nspawn:vm", "it is a virtual machine, not a container"),
        ("nspawn:odd", "the state file /run/systemd/machines/odd describes no container"),
        ("nspawn:pipe", "the state file /run/systemd/machines/pipe is no file"),
        ("nspawn:stopped", "the container is not running, it is stopped (machinectl start stopped)"),
        ("nspawn:nobody", "no such container"),
        ("nspawn:.host", "no such container"),
        ("nspawn:unit:machine-web.scope", "no such container"),
    ] {
        let said = world.line(&format!("br0 {target} 10.0.0.4/24")).refused(1);
        assert!(said.starts_with(&format!("rpipe: target \"{target}\": ")) && said.contains(words), "{said}");
        assert_same(&before, &snapshot(&world, &[&stranger]), &said);
    }
}

#[test]
fn without_machined_there_is_nobody_to_ask() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let said = world.line("br0 nspawn:web 10.0.0.2/24").refused(1);
    assert!(said.starts_with("rpipe: target \"nspawn:web\": nothing at /run/systemd/machines"), "{said}");
}
