//! `--dry-run` prints a script: run by a shell in a world of its own, it leaves what rpipe itself leaves.
mod support;

use serde_json::Value;
use support::{World, finish, snapshot};

/// A world with a bridge, a parent that is down, a namespace `red` with a default route and without IPv6 on new
/// links, and a process for `pid:`.
fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
        .sh("ip link add card type veth peer name other; ip link set other up
             ip link add eth9 type veth peer name eth9p
             ip netns add red
             ip -n red link add eth0 type veth peer name eth0p
             for link in eth0 eth0p; do ip -n red link set $link addrgenmode none up; done
             ip -n red addr add 172.17.0.2/16 dev eth0
             ip -n red route add default via 172.17.0.1 dev eth0
             ip netns exec red sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'")
        .ok();
    world
}

/// All of host and container but for what is different each time: indexes, random addresses, identifiers made of them.
fn state(world: &World, target: &str) -> String {
    let inside = if let Some(pid) = target.strip_prefix("pid:") {
        snapshot(world, &[&support::Container::of(world, pid)])
    } else {
        let questions = ["addr", "-4 route", "-6 route"].map(|what| format!("ip -n red -j -d {what}; echo"));
        let settings = "ip netns exec red sh -c 'grep . /proc/sys/net/ipv4/conf/*/arp_notify'";
        world.sh(&format!("{}; {settings}", questions.join("; "))).ok()
    };
    let all = snapshot(world, &[]) + &inside;
    all.lines().map(|line| stable(line) + "\n").collect()
}

fn stable(line: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    strip(&mut value);
    value.to_string()
}

fn strip(value: &mut Value) {
    const RANDOM: [&str; 18] = [
        "ifindex",
        "link_index",
        "link",
        "link_netnsid",
        "address",
        "designated_bridge",
        "designated_root",
        "bridge_id",
        "root_id",
        "valid_life_time",
        "preferred_life_time",
        "tentative",
        "hold_timer",
        "forward_delay_timer",
        "operstate",
        "flags",
        "gc_timer",
        "hello_timer",
    ];
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !RANDOM.contains(&key.as_str()));
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => {
            list.retain(|entry| {
                let local = entry["local"].as_str().or(entry["dst"].as_str()).unwrap_or_default();
                !local.starts_with("fe80::") && entry["type"] != "multicast"
            });
            list.iter_mut().for_each(strip);
        }
        _ => {}
    }
}

#[track_caller]
fn same(before: &str, after: &str) {
    let (by_rpipe, by_script) = (world(), world());
    let mut states = Vec::new();
    for (world, script) in [(&by_rpipe, false), (&by_script, true)] {
        let container;
        let target = if before.contains("PID") {
            container = world.container();
            container.sh("ip link set lo up").ok();
            container.target()
        } else {
            "netns:red".to_owned()
        };
        let line = format!("{} {target} {after}", before.replace("PID", ""));
        if script {
            let text = world.line(&format!("--dry-run {line}")).ok();
            let mut shell = world.command("sh");
            shell.args(["-c", &text]);
            finish(&mut shell).ok();
        } else {
            world.line(&line).ok();
        }
        states.push(state(world, &target));
    }
    let [rpipe, script] = &states[..] else { unreachable!() };
    support::assert_same(rpipe, script, "by rpipe (before) and by the script (after)");
}

#[test]
fn a_bridge() {
    same("br0 -l h1", "10.0.0.2/24@10.0.0.1");
    same("br0 -l h1 --no-default", "10.0.0.2/24@10.0.0.1");
    same("PID br0 -l h1", "10.0.0.2/24@10.0.0.1 02:00:00:00:00:01");
}

#[test]
fn a_new_bridge_and_both_families() {
    same("br7 -l h1 --mtu 1400", "10.0.0.2/24@10.9.9.9,fd00::2/64@fe80::1,10.1.0.2/31 U:web");
}

#[test]
fn a_macvlan_and_routes() {
    same("card --metric 5 --route 10.5.0.0/16 --route fd01::/32@fd00::9", "10.0.0.2/24@10.0.0.1,fd00::2/64");
    same("card -i eth9 --mode private", "0/0@10.0.0.1");
}

#[test]
fn nothing_is_changed_by_looking() {
    let world = world();
    let dead = "/proc/4194304/ns/net";
    world.sh(&format!("ln -s {dead} /run/netns/old")).ok();
    let before = snapshot(&world, &[]);
    let script = world.line("--dry-run br7 netns:red 10.0.0.2/24").ok();
    assert!(script.starts_with("#!/bin/sh\n"), "{script}");
    let steps = world.line("--dry-run --json br7 netns:red 10.0.0.2/24").ok();
    let steps: Value = serde_json::from_str(&steps).unwrap();
    assert_eq!(steps[0]["step"], "create_bridge");
    assert!(steps.as_array().unwrap().iter().all(|step| step["command"].is_string()));
    support::assert_same(&before, &snapshot(&world, &[]), "--dry-run");
}
