//! The whole state of host and containers, for `before == after`.

use std::collections::HashSet;

use serde_json::Value;

use super::world::{Container, World, finish};

/// All that rpipe could have changed. `/proc/sys/net` is that of the reader's network namespace.
const SCRIPT: &str = "
for what in 'addr' '-4 route show table all' '-6 route show table all' '-4 rule' '-6 rule'; do
    ip -j -d $what
    echo
done
bridge -j vlan show
echo
echo ---
grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/arp_notify \
    /proc/sys/net/ipv6/conf/*/disable_ipv6 /proc/sys/net/ipv6/conf/*/accept_dad \
    /proc/sys/net/ipv6/conf/*/addr_gen_mode
";

/// What the kernel changes by itself: clocks, counters, the progress of duplicate address detection.
const VOLATILE: [&str; 17] = [
    "operstate",
    "valid_life_time",
    "preferred_life_time",
    "tentative",
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "hold_timer",
    "message_age_timer",
    "forward_delay_timer",
    "topology_change",
    "topology_change_detected",
    "fdb_n_learned",
    "expires",
    "used",
    "age",
];

/// The state of the host of `world` and of `containers` as text, one fact a line.
#[track_caller]
pub fn snapshot(world: &World, containers: &[&Container]) -> String {
    let mut text = String::new();
    let host = finish(world.command("sh").args(["-euc", SCRIPT])).ok();
    text += &readable("host", &host);
    for container in containers {
        let inside = finish(container.command("sh").args(["-euc", SCRIPT])).ok();
        text += &readable(&container.target(), &inside);
    }
    text += "# /run/netns\n";
    text += &world.sh("find /run/netns -mindepth 1 -printf '%f %y %l\\n' | sort").ok();
    text
}

/// Asserts that nothing changed, and shows what did.
#[track_caller]
pub fn assert_same(before: &str, after: &str, why: &str) {
    let only = |a: &str, b: &str| {
        let there: HashSet<_> = b.lines().collect();
        a.lines().filter(|line| !there.contains(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (lost, new) = (only(before, after), only(after, before));
    assert!(before == after, "{why}\nbefore: {lost:#?}\nafter: {new:#?}");
}

/// The line must fail and change nothing; gives the line of the error.
#[track_caller]
pub fn fails_as_before(containers: &[&Container], before: &str, after: &str) -> String {
    let world = containers[0].world;
    let state = snapshot(world, containers);
    let said = world.line(&format!("{before} {} {after}", containers[0].target())).refused(1);
    assert_same(&state, &snapshot(world, containers), &said);
    said
}

fn readable(title: &str, output: &str) -> String {
    let (lists, settings) = output.split_once("---\n").expect("the line between");
    let mut text = format!("# {title}\n");
    for list in lists.lines().filter(|line| !line.is_empty()) {
        let Value::Array(entries) = super::world::json(list) else { panic!("no list: {list}") };
        for mut entry in entries {
            if follows(&entry) {
                continue;
            }
            strip(&mut entry);
            text += &entry.to_string();
            text.push('\n');
        }
    }
    text + settings
}

/// Whether it is a route that the kernel derives from an IPv6 address, in its own time; the address is compared.
fn follows(entry: &Value) -> bool {
    let of_v6 = entry["dst"].as_str().is_some_and(|dst| dst.contains(':'));
    of_v6 && entry["protocol"] == "kernel" && (entry["table"] == "local" || entry["dst"] == "fe80::/64")
}

/// What follows from the state of another link, in the kernel's own time.
const FLAGS: [&str; 5] = ["LOWER_UP", "NO-CARRIER", "M-DOWN", "linkdown", "dead"];

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            // A set, in the order in which the names came.
            if let Some(Value::Array(names)) = map.get_mut("altnames") {
                names.sort_by_key(ToString::to_string);
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => {
            // `ip -j` leaves empty objects where it skips an entry of another family.
            list.retain(|entry| entry.as_object().is_none_or(|map| !map.is_empty()));
            list.retain(|entry| entry.as_str().is_none_or(|flag| !FLAGS.contains(&flag)));
            list.iter_mut().for_each(strip);
        }
        _ => {}
    }
}
