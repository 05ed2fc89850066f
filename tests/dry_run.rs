//! `--dry-run` changes nothing, and the script that it prints does what the attach does.
mod support;

use serde_json::Value;
use support::{Container, World, assert_same, snapshot};

/// What differs from one world to the next: numbers and addresses that the kernel or chance picks.
const CHANCE: [&str; 8] = [
    "ifindex",
    "link_index",
    "link_netnsid",
    "address",
    "bridge_id",
    "root_id",
    "designated_bridge",
    "operstate",
];

/// A snapshot without what differs by chance; IPv6's link-local addresses are made of the MAC.
fn comparable(world: &World, container: &Container) -> String {
    let text = snapshot(world, &[container]);
    let mut kept: Vec<_> =
        text.lines().filter(|line| !line.contains("\"dst\":\"fe80")).map(without_chance).collect();
    kept.sort_unstable();
    kept.join("\n")
}

fn without_chance(line: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    strip(&mut value);
    value.to_string()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !CHANCE.contains(&key.as_str()));
            // Marks name the number of the namespace.
            if let Some(Value::String(mark)) = map.get_mut("ifalias") {
                let words = mark.split(' ').filter(|word| !word.starts_with("netns="));
                *mark = words.collect::<Vec<_>>().join(" ");
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => {
            list.retain(|entry| entry["scope"] != "link" || entry["family"] != "inet6");
            list.iter_mut().for_each(strip);
        }
        _ => {}
    }
}

/// The same world each time: a bridge, a card that is down, a container with a default route.
fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("ip link add card mtu 1400 address 02:00:00:00:00:ca type veth peer name other; ip link set other up").ok();
    // What not every kernel has.
    let filtering = "ip link add brv type bridge vlan_filtering 1 2>/dev/null || exit 0
        ip link set brv addrgenmode none; ip link set brv up";
    world.sh(filtering).ok();
    world
}

fn container(world: &World) -> Container<'_> {
    let container = world.container();
    container
        .sh("ip link add eth0 type veth peer name eth0p
             for link in eth0 eth0p; do ip link set $link addrgenmode none; ip link set $link up; done
             ip addr add 172.17.0.2/16 dev eth0
             ip route add default via 172.17.0.1 dev eth0
             echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6")
        .ok();
    container
}

#[track_caller]
fn script_does_the_same(before: &str, after: &str) {
    let attached = world();
    let first = container(&attached);
    attached.line(&format!("{before} {} {after}", first.target())).ok();

    let scripted = world();
    let second = container(&scripted);
    assert_eq!(first.pid, second.pid, "both worlds count alike");
    let untouched = snapshot(&scripted, &[&second]);
    let script = scripted.line(&format!("--dry-run {before} {} {after}", second.target())).ok();
    assert_same(&untouched, &snapshot(&scripted, &[&second]), "a dry run");
    scripted.sh(&script).ok();

    assert_same(&comparable(&attached, &first), &comparable(&scripted, &second), &script);
}

#[test]
fn on_a_bridge() {
    script_does_the_same("br0 -l h1", "10.0.0.2/24@10.0.0.1 U:web");
}

#[test]
fn on_a_bridge_that_is_made() {
    script_does_the_same(
        "--enable-ipv6 br7 -i x0",
        "10.9.9.9/32@10.0.0.1,fd00::2/64@fd00::1 02:00:00:00:00:07",
    );
}

#[test]
fn on_a_card_that_is_down() {
    script_does_the_same("--enable-ipv6 card", "10.0.0.2/24@10.0.0.1,fd00::2/64");
    script_does_the_same("--enable-ipv6 --no-dad --announce 2 card", "10.0.0.2/24,fd00::2/64");
}

#[test]
fn without_an_address() {
    script_does_the_same("br0", "0/0");
    script_does_the_same("br0", "0/0@10.0.0.1");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn with_other_kinds() {
    for (before, after) in [
        ("card", "10.0.10.2/24 @10"),
        ("card --direct-phys", "10.0.10.2/24 @10"),
        ("card --type ipvlan --mode l3", "10.0.10.2/24"),
        ("br7 -l h", "10.0.10.2/24 @10"),
        ("-q brv -l h", "10.0.10.2/24 @10"),
        ("dummy0 --mtu 1300", "10.0.10.2/24 02:00:00:00:00:07"),
    ] {
        script_does_the_same(before, after);
    }
}

#[test]
fn in_person() {
    script_does_the_same("card --direct-phys --mtu 1300", "10.0.0.2/24@10.0.0.1 02:00:00:00:00:07");
}

#[test]
fn a_name_is_quoted_in_the_script() {
    let world = world();
    let container = container(&world);
    let line = ["--dry-run", "br0", "-i", "$(id)`'\"&;", &container.target(), "10.0.0.2/24"];
    let script = world.rpipe(&line).ok();
    world.sh(&script).ok();
    assert_eq!(container.links(), ["lo", "$(id)`'\"&;", "eth0", "eth0p"]);
}

#[test]
fn as_json_it_is_a_list_of_steps() {
    let world = world();
    let container = container(&world);
    let untouched = snapshot(&world, &[&container]);
    let line = format!("--dry-run --json br7 {} 10.0.0.2/24@10.0.0.1", container.target());
    let plan: Value = serde_json::from_str(&world.line(&line).ok()).unwrap();
    assert!(plan.to_string().contains("create_bridge"), "{plan}");
    assert_same(&untouched, &snapshot(&world, &[&container]), "a dry run");
}
