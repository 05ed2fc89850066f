//! The same words again change nothing and succeed; other words say what differs and change nothing either.
mod support;

use serde_json::Value;
use support::{Called, Container, Ovs, World, assert_same, container_with_routes, snapshot};

fn world() -> World {
    let world = World::new();
    // The kernel's own link-local addresses would come in their own time.
    world.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.bridge("br0", "10.0.0.1/24");
    world.bridge("br1", "10.1.0.1/24");
    world.sh("ip link add card mtu 1400 type veth peer name other; ip link set other up").ok();
    world
}

/// Does the line twice: the second time must be silent, change nothing and send nothing that changes anything.
#[track_caller]
fn nothing_to_do(world: &World, container: &Container, line: &str) {
    let line = line.replace("TARGET", &container.target());
    container.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.line(&format!("-q {line}")).ok();
    let mut words = line.split(' ').skip_while(|word| *word != "-i").skip(1);
    let ifname = words.next().unwrap_or("eth1");
    world.line(&format!("wait {} -i {ifname} --timeout 20", container.target())).ok();
    // The kernel makes up its mind about the operational state in its own time.
    let state = || {
        let text = snapshot(world, &[container]);
        ["UP", "UNKNOWN", "LOWERLAYERDOWN"]
            .iter()
            .fold(text, |text, state| text.replace(&format!("\"{state}\",\"promis"), ""))
    };
    let before = state();
    let args: Vec<_> = line.split(' ').collect();
    let (output, trace) = world.strace(&["-e", "trace=sendto,sendmsg,symlink,symlinkat,unlink"], &args);
    output.ok();
    for request in ["RTM_NEW", "RTM_SET", "RTM_DEL", "symlink", "unlink"] {
        let sent: Vec<_> = trace.iter().filter(|line| line.contains(request)).collect();
        assert!(sent.is_empty(), "{line}: {sent:#?}");
    }
    assert_same(&before, &state(), &line);
    let report: Value = serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap();
    assert_eq!(report["changed"], false, "{report}");
    assert_eq!(world.line(&format!("--dry-run {line}")).ok(), "#!/bin/sh\nset -e\n");
    assert_eq!(world.called(Called::Pipework, &line).ok(), "");
}

#[test]
fn on_each_kind_of_uplink() {
    for line in [
        "br0 TARGET 10.0.0.2/24",
        "br0 -i lan0 -l host0 TARGET 10.0.0.2/24@10.0.0.1 02:00:00:00:00:02",
        "br0 TARGET 10.0.0.2/24@10.0.0.1,10.0.0.3/24,fd00::2/64@fd00::1 U:web",
        "br0 TARGET 10.9.9.9/32@10.0.0.1 --metric 7 --route 10.8.0.0/16 --mtu 1300",
        "br0 TARGET 0/0",
        "br0 TARGET 0/0@10.0.0.1",
        "br7 TARGET 10.0.0.2/24",
        "card TARGET 10.0.0.2/24@10.0.0.1 --mode vepa",
        "card -i other TARGET fd00::2/64",
        "--direct-phys card TARGET 10.0.0.2/24 02:00:00:00:00:02",
    ] {
        let world = world();
        let container = container_with_routes(&world);
        nothing_to_do(&world, &container, line);
    }
}

#[test]
fn on_open_vswitch() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    nothing_to_do(&world, &container, "ovs0 TARGET 10.0.0.2/24@10.0.0.1 @10");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn on_what_needs_more_of_the_kernel() {
    for line in [
        "card TARGET 10.0.0.2/24 @10",
        "card --type ipvlan --mode l3 TARGET 10.0.0.2/24",
        "--direct-phys card TARGET 10.0.0.2/24 @10",
        "dummy0 TARGET 10.0.0.2/32",
        "br7 TARGET 10.0.0.2/24 @10",
    ] {
        let world = world();
        let container = container_with_routes(&world);
        nothing_to_do(&world, &container, line);
    }
}

#[test]
fn other_words_are_told_one_by_one() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    world.line(&format!("br0 {target} 10.0.0.2/24@10.0.0.1 02:00:00:00:00:02 -l host0")).ok();
    let before = snapshot(&world, &[&container]);
    let usual = "10.0.0.2/24@10.0.0.1 02:00:00:00:00:02";
    for (line, told) in [
        (format!("br1 {target} {usual}"), "the uplink is br0, not br1"),
        (format!("card {target} {usual}"), "the uplink is br0, not card, the kind is veth, not macvlan"),
        (format!("br0 {target} 10.0.0.3/24@10.0.0.1"), "the address is 10.0.0.2/24, not 10.0.0.3/24"),
        (
            format!("br0 {target} 10.0.0.2/24,10.0.0.3/24@10.0.0.1"),
            "the address is 10.0.0.2/24, not 10.0.0.2/24,10.0.0.3/24",
        ),
        (format!("br0 {target} 10.0.0.2/24"), "the gateway is 10.0.0.1, not none"),
        (format!("br0 {target} 10.0.0.2/24@10.0.0.9"), "the gateway is 10.0.0.1, not 10.0.0.9"),
        (format!("br0 {target} {usual} --metric 7"), "the gateway is 10.0.0.1, not 10.0.0.1 metric 7"),
        (
            format!("br0 {target} 10.0.0.2/24@10.0.0.1 02:00:00:00:00:03"),
            "the MAC address is 02:00:00:00:00:02, not 02:00:00:00:00:03",
        ),
        (format!("br0 {target} {usual} --mtu 1300"), "the MTU is 1500, not 1300"),
        (format!("br0 {target} {usual} -l host1"), "the host's end is host0, not host1"),
        (format!("br0 {target} {usual} --route 10.8.0.0/16"), "a route is none, not 10.8.0.0/16@10.0.0.1"),
    ] {
        let said = world.line(&line).refused(1);
        assert!(said.contains(&format!("is attached already, but {told} (")), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), &line);
    }
}

/// What somebody changed meanwhile is told too.
#[test]
fn what_was_changed_meanwhile_is_told() {
    let world = world();
    let container = container_with_routes(&world);
    let line = format!("br0 {} 10.0.0.2/24@10.0.0.1 -l host0", container.target());
    world.line(&line).ok();
    for (change, told, back) in [
        (
            "ip addr add 10.0.0.9/24 dev eth1",
            "the address is 10.0.0.2/24,10.0.0.9/24",
            "ip addr del 10.0.0.9/24 dev eth1",
        ),
        ("ip route del default", "the gateway is none", "ip route add default via 10.0.0.1 dev eth1"),
        ("ip link set eth1 down", "down", "ip link set eth1 up; ip route add default via 10.0.0.1 dev eth1"),
    ] {
        container.sh(change).ok();
        let said = world.line(&line).refused(1);
        assert!(said.contains(told), "{said}");
        container.sh(back).ok();
        world.line(&line).ok();
    }
    world.ip("link set host0 master br1");
    assert!(world.line(&line).refused(1).contains("the uplink is br1, not br0"));
    world.ip("link set host0 nomaster");
    assert!(world.line(&line).refused(1).contains("the uplink is none, not br0"));
}

/// An interface that nobody marked is not ours, whatever it looks like; a mark that is no mark is none.
#[test]
fn somebody_elses_interface_is_told_to_exist() {
    let world = world();
    let container = world.container();
    let line = format!("br0 {} 10.0.0.2/24", container.target());
    world.line(&line).ok();
    for alias in ["", "rpipe", "rpipe 1 port", "rpipe 2 link", "rpipe 1 link x"] {
        container.sh(&format!("ip link set eth1 alias '{alias}'")).ok();
        let said = world.line(&line).refused(1);
        assert!(said.contains("exists already"), "{alias}: {said}");
    }
}
