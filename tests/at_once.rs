//! Several rpipe at the same time: for one container they take turns, for different ones they do not disturb each other.
mod support;

use std::process::{Child, Stdio};

use serde_json::Value;
use support::{Container, RPIPE, World, addresses, container_with_routes, names};

/// Starts the line and leaves it running.
fn start(world: &World, line: &str) -> Child {
    let mut command = world.command(RPIPE);
    command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code, what it said, and the report where there is one.
fn end(child: Child) -> (i32, String, Value) {
    let output = child.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap(), report)
}

fn wired(container: &Container, ifname: &str) -> Vec<String> {
    addresses(&container.link(ifname))
}

#[test]
fn of_identical_calls_one_changes_something() {
    for uplink in ["br7", "card", "--direct-phys card"] {
        let world = World::new();
        world.sh("ip link add card type veth peer name other; ip link set other up").ok();
        let container = container_with_routes(&world);
        let line = format!("--json {uplink} {} 10.0.0.2/24@10.0.0.1", container.target());
        let children: Vec<_> = (0..6).map(|_| start(&world, &line)).collect();
        let ends: Vec<_> = children.into_iter().map(end).collect();
        assert!(ends.iter().all(|(code, said, _)| (*code, said.as_str()) == (0, "")), "{ends:#?}");
        let changed = ends.iter().filter(|(_, _, report)| report["changed"] == true).count();
        assert_eq!(changed, 1, "{ends:#?}");
        assert_eq!(wired(&container, "eth1"), ["10.0.0.2/24"]);
        world.line(&format!("detach {}", container.target())).ok();
        let routes = container.ip_json("-4 route show default");
        assert_eq!(routes[0]["gateway"], "172.17.0.1", "the first default route is not lost: {routes}");
    }
}

/// Different words: one is done, the others are told that it is done otherwise.
#[test]
fn of_different_calls_one_wins() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let lines = (2..8).map(|host| format!("--json br0 {} 10.0.0.{host}/24@10.0.0.1", container.target()));
    let children: Vec<_> = lines.map(|line| start(&world, &line)).collect();
    let ends: Vec<_> = children.into_iter().map(end).collect();
    let done: Vec<_> = ends.iter().filter(|(code, ..)| *code == 0).collect();
    assert_eq!(done.len(), 1, "{ends:#?}");
    assert_eq!(wired(&container, "eth1"), [done[0].2["addresses"][0].as_str().unwrap()]);
    for (_, said, _) in ends.iter().filter(|(code, ..)| *code != 0) {
        assert!(said.contains("is attached already"), "{said}");
    }
}

#[test]
fn a_hundred_containers_on_a_bridge_that_is_made_meanwhile() {
    let world = World::new();
    let containers: Vec<_> = (0..100).map(|_| world.container()).collect();
    let attach = |host: usize, container: &Container| {
        start(&world, &format!("-q br7 {} 10.0.{}.{}/16", container.target(), host / 200, host % 200 + 1))
    };
    let children: Vec<_> =
        containers.iter().enumerate().map(|(host, container)| attach(host, container)).collect();
    let ends: Vec<_> = children.into_iter().map(end).collect();
    let failed: Vec<_> = ends.iter().filter(|(code, said, _)| *code != 0 || !said.is_empty()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(names(&world.ip_json("link show master br7")).len(), 100);
    containers[0].pings("10.0.0.100");

    let children: Vec<_> = containers
        .iter()
        .map(|container| start(&world, &format!("-q detach {}", container.target())))
        .collect();
    assert!(children.into_iter().map(end).all(|(code, said, _)| code == 0 && said.is_empty()));
    assert_eq!(names(&world.ip_json("link show master br7")), [""; 0]);
}

/// An attach and a detach of the same: whoever comes last decides, and nothing is half done.
#[test]
fn attach_and_detach_take_turns() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let attach = format!("-q br0 {} 10.0.0.2/24@10.0.0.1", container.target());
    let detach = format!("-q detach {}", container.target());
    let children: Vec<_> =
        (0..20).map(|i| start(&world, if i % 2 == 0 { &attach } else { &detach })).collect();
    for (code, said, _) in children.into_iter().map(end) {
        assert_eq!((code, said.as_str()), (0, ""));
    }
    world.line(&detach).ok();
    assert_eq!(container.links(), ["lo", "eth0", "eth0p"]);
    assert_eq!(names(&world.ip_json("link show master br0")), ["br0p"]);
    assert_eq!(container.ip_json("-4 route show default")[0]["gateway"], "172.17.0.1");
}
