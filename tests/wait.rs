//! `rpipe wait`: until an interface is there, told by the kernel's events.
mod support;

use std::process::{Child, Stdio};

use support::{Container, RPIPE, World};

/// Starts a wait under strace, and is sure that it is under way: strace's first line tells that rpipe, which has
/// subscribed before, has been answered that what it waits for is not there. Raw, or its lines fill the pipe that nobody
/// reads any more.
fn waiting(container: &Container, words: &[&str]) -> Child {
    let mut child = container
        .command("strace")
        .args(["-qq", "-e", "trace=recvfrom", "-e", "raw=recvfrom", "-o", "/dev/stdout", RPIPE])
        .args(words)
        .stdout(Stdio::piped())
        .spawn()
        .expect("strace");
    let line = support::first_line(&mut child);
    assert!(line.starts_with("recvfrom"), "{line}");
    child
}

fn ends(mut child: Child, code: i32) {
    assert_eq!(child.wait().expect("strace").code(), Some(code));
}

#[test]
fn what_is_there_is_not_waited_for() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let target = container.target();
    world.line(&format!("br0 {target} 10.0.0.2/24")).ok();
    container.ip("route add default via 10.0.0.1");
    for state in ["link", "carrier", "address", "gateway"] {
        world.line(&format!("wait {target} --for {state} --timeout 10")).ok();
        container.run(&format!("{RPIPE} wait --for {state} --timeout 10")).ok();
    }
    container.run(&format!("{RPIPE} --wait")).ok();
    container.run(&format!("{RPIPE} --wait -i lo")).ok();
}

#[test]
fn a_link_comes_then_its_carrier_then_its_address() {
    let world = World::new();
    let container = world.container();
    let link = waiting(&container, &["wait", "-i", "e1", "--for", "link"]);
    let carrier = waiting(&container, &["--wait", "-i", "e1"]);
    let address = waiting(&container, &["wait", "-i", "e1", "--for", "address"]);
    container.ip("link add e1 type veth peer name e2");
    ends(link, 0);
    container.ip("link set e1 up");
    assert_eq!(container.run(&format!("{RPIPE} wait -i e1 --timeout 0")).code(), 1, "no carrier yet");
    container.ip("link set e2 up");
    ends(carrier, 0);
    assert_eq!(container.run(&format!("{RPIPE} wait -i e1 --for address --timeout 0")).code(), 1);
    container.ip("addr add fd00::1/64 dev e1");
    ends(address, 0);
    let addresses = container.link("e1")["addr_info"].to_string();
    let ours = container.run("ip -6 addr show dev e1 scope global tentative").ok();
    assert_eq!(ours, "", "still tentative: {addresses}");
}

#[test]
fn the_time_runs_out() {
    let world = World::new();
    let container = world.container();
    let target = container.target();
    let says = |words: &str| world.line(&format!("wait {target} --timeout 0.05 {words}")).refused(1);
    assert_eq!(says(""), "rpipe: waiting for eth1: no such interface after 50ms");
    container.ip("link add e1 type veth peer name e2");
    assert_eq!(says("-i e1"), "rpipe: waiting for e1: it is down after 50ms");
    container.ip("link set e1 up");
    assert_eq!(says("-i e1"), "rpipe: waiting for e1: it has no carrier after 50ms");
    container.ip("link set e2 up");
    assert_eq!(says("-i e1 --for address"), "rpipe: waiting for e1: it has no usable address after 50ms");
    assert_eq!(says("-i e1 --for gateway"), "rpipe: waiting for e1: it has no gateway after 50ms");
    container.sh("ip addr add 10.0.0.2/24 dev e1; ip route add default via 10.0.0.1").ok();
    assert_eq!(
        says("-i e1 --for gateway"),
        "rpipe: waiting for e1: its gateway 10.0.0.1 does not answer after 50ms"
    );
}

/// A bridge `br0` without addresses, and a container attached to it with a gateway of each family.
fn with_silent_gateways(world: &World) -> Container<'_> {
    world.sh("ip link add br0 type bridge; ip link set br0 addrgenmode none up").ok();
    let container = world.container();
    let addresses = "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1";
    world.line(&format!("br0 {} {addresses}", container.target())).ok();
    container
}

#[test]
fn a_gateway_that_comes_answers() {
    let world = World::new();
    let container = with_silent_gateways(&world);
    let inside = waiting(&container, &["wait", "--for", "gateway", "--timeout", "20"]);
    world.ip("addr add 10.0.0.1/24 dev br0");
    let line = container.run(&format!("{RPIPE} wait --for gateway --timeout 1.5")).refused(1);
    assert!(line.ends_with("eth1: its gateway fd00::1 does not answer after 1.5s"), "{line}");
    world.ip("addr add fd00::1/64 dev br0 nodad");
    ends(inside, 0);
    let reachable = container.run("ip neigh show nud reachable").ok();
    assert!(reachable.contains("10.0.0.1 dev eth1") && reachable.contains("fd00::1 dev eth1"), "{reachable}");
    world.line(&format!("wait {} --for gateway", container.target())).ok();
}

#[test]
fn a_route_that_comes_brings_its_gateway() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    world.line(&format!("br0 {} 10.0.0.2/24", container.target())).ok();
    let inside = waiting(&container, &["wait", "--for", "gateway", "--timeout", "20"]);
    container.ip("route add 10.9.0.0/16 via 10.0.0.1");
    ends(inside, 0);
    // A gateway of a table of its own is one too, and where there is a default route, only its own counts.
    container.ip("route add 10.8.0.0/16 via 10.0.0.9");
    container.ip("route add default via 10.0.0.1 table 7");
    container.run(&format!("{RPIPE} wait --for gateway --timeout 5")).ok();
}

#[test]
fn what_the_kernel_knew_before_does_not_count() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    world.line(&format!("br0 {} 10.0.0.2/24@10.0.0.1", container.target())).ok();
    container.pings("10.0.0.1");
    world.ip("addr del 10.0.0.1/24 dev br0");
    assert_ne!(container.run("ip neigh show 10.0.0.1 nud reachable nud stale nud delay").ok(), "");
    let line = container.run(&format!("{RPIPE} wait --for gateway --timeout 0.3")).refused(1);
    assert!(line.contains("its gateway 10.0.0.1 does not answer"), "{line}");
    // Nobody asks for an address that was set by hand.
    container.ip("neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth1 nud permanent");
    container.run(&format!("{RPIPE} wait --for gateway --timeout 5")).ok();
}

#[test]
fn a_container_that_ends_is_not_waited_for() {
    let world = World::new();
    let container = world.container();
    let mut wait = world
        .command("strace")
        .args(["-qq", "-e", "trace=recvfrom", "-e", "raw=recvfrom", "-o", "/dev/stdout", RPIPE])
        .args(["wait", &container.target()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace");
    assert!(support::first_line(&mut wait).contains("recvfrom"));
    world.run(&format!("kill -9 {}", container.pid)).ok();
    let output = wait.wait_with_output().expect("strace");
    let said = String::from_utf8_lossy(&output.stderr);
    let target = container.pid;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said, format!("rpipe: waiting for eth1: target \"{target}\" has ended\n"));
    let line = world.line(&format!("wait pid:{target}")).refused(1);
    assert!(line.contains("no such process"), "{line}");
}

#[test]
fn words_that_cannot_mean_anything() {
    let world = World::new();
    for words in
        ["--timeout x", "--timeout -1", "--timeout NaN", "--for ever", "--for gateways", "-i eth0:1", "a b"]
    {
        world.line(&format!("wait {words}")).refused(2);
    }
}
