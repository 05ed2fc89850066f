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
    for state in ["link", "carrier", "address"] {
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
}

#[test]
fn words_that_cannot_mean_anything() {
    let world = World::new();
    for words in ["--timeout x", "--timeout -1", "--timeout NaN", "--for ever", "-i eth0:1", "a b"] {
        world.line(&format!("wait {words}")).refused(2);
    }
}
