//! Addresses of every form: several, secondary ones, prefixes for one or two hosts, peers.
mod support;

use serde_json::Value;
use support::{Container, World, addresses, assert_same, container_with_routes, snapshot};

fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
}

#[track_caller]
fn attached<'w>(world: &'w World, words: &str) -> Container<'w> {
    let container = world.container();
    container.sh(NO_DAD).ok();
    world.line(&words.replace("TARGET", &container.target())).ok();
    container
}

/// New links do not wait for duplicate address detection, which takes its seconds.
const NO_DAD: &str = "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad";

/// The entry of one address as `ip -j` tells of it.
#[track_caller]
fn entry(container: &Container, ip: &str) -> Value {
    let link = container.link("eth1");
    let found = link["addr_info"].as_array().unwrap().iter().find(|entry| entry["local"] == ip).cloned();
    found.unwrap_or_else(|| panic!("{ip} is not there: {link:#}"))
}

/// What the route to `to` says under `key`.
#[track_caller]
fn route_get(container: &Container, to: &str, key: &str) -> String {
    let route = container.ip_json(&format!("route get {to}"));
    route[0][key].as_str().unwrap_or("-").to_owned()
}

#[test]
fn the_first_address_of_a_subnet_is_the_one_that_speaks() {
    let world = world();
    let line = "br0 TARGET 10.0.0.7/24,10.0.0.3/24,10.1.0.2/24,10.0.0.5/24,fd00::7/64,fd00::3/64,fd00::5/64";
    let container = attached(&world, line);
    // As the kernel orders them: the first of each subnet, then the secondary ones.
    let all = [
        "10.0.0.7/24",
        "10.1.0.2/24",
        "10.0.0.3/24",
        "10.0.0.5/24",
        "fd00::7/64",
        "fd00::3/64",
        "fd00::5/64",
    ];
    assert_eq!(addresses(&container.link("eth1")), all);
    for (ip, secondary) in [("10.0.0.7", false), ("10.1.0.2", false), ("10.0.0.3", true), ("10.0.0.5", true)]
    {
        assert_eq!(entry(&container, ip)["secondary"] == true, secondary, "{ip}");
    }
    assert_eq!(route_get(&container, "10.0.0.1", "prefsrc"), "10.0.0.7");
    assert_eq!(route_get(&container, "fd00::1", "prefsrc"), "fd00::7");
    container.pings("10.0.0.1");
    // The same words again, and words in another order.
    let line = line.replace("TARGET", &container.target());
    let report: Value = serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap();
    assert_eq!((&report["changed"], &report["addresses"]), (&false.into(), &serde_json::json!(all)));
    // The order says which one speaks.
    for (these, others) in [
        ("10.0.0.7/24,10.0.0.3/24", "10.0.0.3/24,10.0.0.7/24"),
        ("fd00::7/64,fd00::3/64", "fd00::3/64,fd00::7/64"),
    ] {
        let said = world.line(&line.replace(these, others)).refused(1);
        assert!(said.contains("the address is"), "{said}");
    }
}

/// The kernel takes secondary addresses along with their first one, unless it is told to promote them.
#[test]
fn the_first_address_is_replaced_and_the_others_stay() {
    for promote in [0, 1] {
        let world = world();
        let container = container_with_routes(&world);
        container.sh(&format!("echo {promote} >/proc/sys/net/ipv4/conf/default/promote_secondaries")).ok();
        let target = container.target();
        let first =
            format!("br0 {target} 10.0.0.2/24@10.0.0.1,10.0.0.3/24,10.0.0.4/24,fd00::2/64,fd00::3/64");
        world.line(&first).ok();
        let before = snapshot(&world, &[&container]);
        for (list, all) in [
            ("10.0.0.3/24@10.0.0.1,10.0.0.4/24", vec!["10.0.0.3/24", "10.0.0.4/24"]),
            ("10.0.0.4/24,10.0.0.3/24,10.0.0.2/24", vec!["10.0.0.4/24", "10.0.0.3/24", "10.0.0.2/24"]),
            ("10.0.0.2/24,10.0.0.4/24", vec!["10.0.0.2/24", "10.0.0.4/24"]),
        ] {
            let line = format!("br0 {target} {list}");
            world.line(&line).refused(1);
            world.line(&format!("--replace {line}")).ok();
            assert_eq!(addresses(&container.link("eth1")), all, "promote_secondaries {promote}");
            world.line(&line).ok();
            container.pings("10.0.0.1");
        }
        world.line(&format!("--replace {first}")).ok();
        assert_same(&before, &snapshot(&world, &[&container]), "the first words again");
        // A change that fails puts them back in their order: the gateway is the container's own address.
        container.ip("addr add fd00::99/128 dev eth0 nodad");
        let before = snapshot(&world, &[&container]);
        let line = format!("br0 {target} 10.0.0.4/24,fd00::9/64@fd00::99");
        let said = world.line(&format!("--replace {line}")).refused(1);
        assert!(said.contains("fd00::99"), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), &said);
    }
}

#[test]
fn prefixes_for_one_or_two_hosts() {
    for (host, words, gateway, broadcast) in [
        // Both addresses of a /31 are hosts' (RFC 3021).
        ("10.0.0.0/31", "10.0.0.1/31@10.0.0.0", "10.0.0.0", None),
        ("10.0.0.1/31", "10.0.0.0/31@10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1/30", "10.0.0.2/30@10.0.0.1", "10.0.0.1", Some("10.0.0.3")),
        ("10.0.0.1/24", "10.0.0.2/24@10.0.0.1", "10.0.0.1", Some("10.0.0.255")),
        // The gateway is reached by a host route.
        ("10.0.0.1/24", "10.0.0.50/32@10.0.0.1", "10.0.0.1", None),
        // The same in IPv6 (RFC 6164).
        ("fd00::/127", "fd00::1/127@fd00::", "fd00::", None),
        ("fd00::1/64", "fd00::50/128@fd00::1", "fd00::1", None),
    ] {
        let world = World::new();
        world.sh(NO_DAD).ok();
        world.bridge("br0", host);
        world.sh("ip address add 192.0.2.1/32 dev lo; ip address add 2001:db8::1/128 dev lo nodad").ok();
        let line = format!("br0 TARGET {words}");
        let container = attached(&world, &line);
        let ip = words.split('/').next().unwrap();
        assert_eq!(entry(&container, ip)["broadcast"].as_str(), broadcast, "{words}");
        container.pings(gateway);
        // What is behind the gateway.
        let far = if ip.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        container.pings(far);
        assert_eq!(route_get(&container, far, "gateway"), gateway, "{words}");
        world.line(&line.replace("TARGET", &container.target())).ok();
        world.line(&format!("detach {}", container.target())).ok();
        assert_eq!(container.links(), ["lo"]);
    }
}

#[test]
fn an_address_with_a_peer() {
    for (host, words, plain) in [
        ("10.0.0.1 peer 10.0.0.2/32", "10.0.0.2=10.0.0.1/32@10.0.0.1", "10.0.0.2/32@10.0.0.1"),
        ("fd00::1 peer fd00::2/128", "fd00::2=fd00::1/128@fd00::1", "fd00::2/128@fd00::1"),
    ] {
        let world = World::new();
        world.bridge("br0", "172.31.0.1/24");
        world.ip(&format!("addr add {host} dev br0"));
        let container = container_with_routes(&world);
        let line = format!("br0 {} {words}", container.target());
        let (own, rest) = words.split_once('=').unwrap();
        let (with_length, peer) = rest.split_once('@').unwrap();
        let script = world.line(&format!("--dry-run {line}")).ok();
        assert!(script.contains(&format!("address add {own} peer {with_length} dev eth1\n")), "{script}");
        let shown = format!("{own}={with_length}");
        let report = |line: &str| serde_json::from_str::<Value>(&world.line(line).ok()).unwrap();
        let first = report(&format!("--json {line}"));
        assert_eq!((&first["addresses"][0], &first["gateways"][0]), (&shown.as_str().into(), &peer.into()));
        let there = entry(&container, own);
        assert_eq!((&there["address"], &there["broadcast"]), (&peer.into(), &Value::Null), "{there}");
        container.pings(peer);
        // Known for what it is.
        container.sh(&NO_DAD.replace("default", "eth1")).ok();
        let again = report(&format!("--json {line}"));
        assert_eq!((&again["addresses"][0], &again["changed"]), (&shown.as_str().into(), &false.into()));
        assert_eq!(report(&format!("list --json {}", container.target()))[0]["addresses"][0], shown.as_str());
        let other = format!("br0 {} {plain}", container.target());
        let said = world.line(&other).refused(1);
        assert!(said.contains(&format!("the address is {shown}, not")), "{said}");
        world.line(&format!("--replace {other}")).ok();
        assert_eq!(entry(&container, own)["address"], Value::Null);
        world.line(&format!("--replace {line}")).ok();
        container.pings(peer);
    }
}

/// The script of a dry run makes the same.
#[test]
fn the_script_of_a_dry_run_does_the_same() {
    let words = "br0 -l host0 --table 300 --route 10.8.0.0/16 TARGET \
                 10.0.0.2=10.0.0.1/32@10.0.0.1,10.0.0.3/31,fd00::2=fd00::1/128@fd00::1,fd01::2/64,fd01::3/64";
    let state = |by_script: bool| {
        let world = world();
        let container = world.container();
        let line = words.replace("TARGET", &container.target());
        if by_script {
            let script = world.line(&format!("--dry-run {line}")).ok();
            world.sh(&script).ok();
        } else {
            world.line(&line).ok();
        }
        let what = "ip -o addr show dev eth1; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all";
        let text = container.sh(what).ok();
        // An address that is still being probed for has no entry in the table local yet.
        let kept = text
            .lines()
            .filter(|line| !line.contains(" table local "))
            .map(|line| line.replace("tentative ", ""));
        kept.collect::<Vec<_>>()
    };
    assert_eq!(state(false), state(true));
}

#[test]
fn words_that_cannot_mean_anything() {
    let world = World::new();
    for (words, why) in [
        ("10.0.0.2=10.0.0.1", "did you mean 10.0.0.2=10.0.0.1/32?"),
        ("10.0.0.2=fd00::1/128", "another family"),
        ("10.0.0.2=10.0.0.2/32", "own address"),
        ("10.0.0.2=10.0.0.1/32@10.0.0.2", "own address"),
        ("10.0.0.2/24,10.0.0.2=10.0.0.1/32", "given twice"),
        ("--metric 4294967295 10.0.0.2/24@10.0.0.1,10.0.1.2/24@10.0.1.1", "next gateway"),
        ("--table 254 10.0.0.2/24", "main"),
        ("--table 252 10.0.0.2/24@10.0.0.1,10.0.1.2/24@10.0.1.1", "253"),
        ("--table 4294967295 10.0.0.2/24@10.0.0.1,10.0.1.2/24@10.0.1.1", "other gateways"),
        ("--table 0 10.0.0.2/24", "--table"),
        ("--table main 10.0.0.2/24", "--table"),
        ("--table 100 0/0", "there is none"),
        ("--table 100 dhcp", "lease"),
        ("--route default@10.0.0.1 10.0.0.2/24", "is the default route"),
        ("--route ::/0@fd00::1 fd00::2/64", "is the default route"),
    ] {
        let said = world.line(&format!("br0 pid:1 {words}")).refused(2);
        assert!(said.contains(why), "{words}: {said}");
    }
}
