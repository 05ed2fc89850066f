//! `--replace`: what is attached otherwise is changed, in place where the kernel can; if that fails, the old one is back.
mod support;

use serde_json::Value;
use support::{Container, World, addresses, assert_same, container_with_routes, flag, names, snapshot};

fn world() -> World {
    let world = World::new();
    // The kernel's own link-local addresses would come in their own time.
    world.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.bridge("br0", "10.0.0.1/24");
    world.bridge("br1", "10.1.0.1/24");
    // Or it would be the lowest of its ports', and each veth's is random.
    world.sh("ip link set br0 address 02:00:00:00:0b:00; ip link set br1 address 02:00:00:00:0b:01").ok();
    world
        .sh("ip link add card mtu 1400 type veth peer name other; ip link set other up; ip link set card up")
        .ok();
    world
}

fn attached<'w>(world: &'w World, line: &str) -> Container<'w> {
    let container = container_with_routes(world);
    container.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.line(&line.replace("TARGET", &container.target())).ok();
    container
}

fn gateway(container: &Container, family: &str) -> String {
    let routes = container.ip_json(&format!("{family} route show default"));
    routes
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["gateway"].as_str().unwrap_or("-"))
        .collect::<Vec<_>>()
        .join(" ")
}

const FIRST: &str = "br0 -l host0 TARGET 10.0.0.2/24@10.0.0.1 02:00:00:00:00:02";

#[test]
fn what_the_link_carries_changes_while_it_stays_up() {
    for (line, nets, hop, mac, mtu) in [
        ("br0 TARGET 10.0.0.3/24@10.0.0.1", vec!["10.0.0.3/24"], "10.0.0.1", "02:00:00:00:00:02", 1500),
        (
            "br0 TARGET 10.0.0.2/24,10.0.0.3/24,fd00::2/64@fd00::1",
            vec!["10.0.0.2/24", "10.0.0.3/24", "fd00::2/64"],
            "172.17.0.1",
            "02:00:00:00:00:02",
            1500,
        ),
        ("br0 TARGET 10.0.0.2/24", vec!["10.0.0.2/24"], "172.17.0.1", "02:00:00:00:00:02", 1500),
        ("br0 TARGET 10.9.9.9/32@10.0.0.1", vec!["10.9.9.9/32"], "10.0.0.1", "02:00:00:00:00:02", 1500),
        (
            "br0 TARGET 10.0.0.2/24@10.0.0.1 02:00:00:00:00:03 --mtu 1300",
            vec!["10.0.0.2/24"],
            "10.0.0.1",
            "02:00:00:00:00:03",
            1300,
        ),
        ("br0 TARGET 0/0", vec![], "172.17.0.1", "02:00:00:00:00:02", 1500),
    ] {
        let world = world();
        let container = attached(&world, FIRST);
        let number = container.link("eth1")["ifindex"].clone();
        let line = line.replace("TARGET", &container.target());
        world.line(&line).refused(1);
        let report: Value =
            serde_json::from_str(&world.line(&format!("--replace --json {line}")).ok()).unwrap();
        assert_eq!(report["changed"], true, "{report}");
        let eth1 = container.link("eth1");
        assert_eq!(eth1["ifindex"], number, "the same link: {line}");
        assert_eq!(addresses(&eth1), nets, "{line}");
        assert_eq!((&eth1["address"], &eth1["mtu"]), (&mac.into(), &mtu.into()), "{line}");
        assert_eq!(gateway(&container, "-4"), hop, "{line}");
        // And now it is what is asked for.
        world.line(&line).ok();
        world.line(&format!("--replace {line}")).ok();
        // The first default route is still known.
        world.line(&format!("detach {}", container.target())).ok();
        assert_eq!(
            (gateway(&container, "-4"), gateway(&container, "-6")),
            ("172.17.0.1".into(), "fd17::1".into()),
            "{line}"
        );
        assert_eq!(container.links(), ["lo", "eth0", "eth0p"]);
    }
}

#[test]
fn a_link_that_was_set_down_is_up_again() {
    let world = world();
    let container = attached(&world, FIRST);
    container.ip("link set eth1 down");
    world.line(&format!("--replace {}", FIRST.replace("TARGET", &container.target()))).ok();
    assert!(flag(&container.link("eth1"), "UP"));
    assert_eq!(gateway(&container, "-4"), "10.0.0.1");
    container.pings("10.0.0.1");
}

#[test]
fn another_uplink_takes_another_link() {
    for (line, host) in [
        ("br1 -l host0 TARGET 10.1.0.2/24@10.1.0.1", "br1"),
        ("br1 TARGET 10.1.0.2/24@10.1.0.1", "br1"),
        ("br7 TARGET 10.1.0.2/24@10.1.0.1", "br7"),
        ("card --mode vepa TARGET 10.1.0.2/24@10.1.0.1", "card"),
        ("card --direct-phys TARGET 10.1.0.2/24@10.1.0.1", "card"),
    ] {
        let world = world();
        let container = attached(&world, FIRST);
        let line = line.replace("TARGET", &container.target());
        world.line(&format!("--replace {line}")).ok();
        let report: Value = serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap();
        assert_eq!((&report["uplink"], &report["changed"]), (&host.into(), &false.into()), "{report}");
        assert_eq!(addresses(&container.link("eth1")), ["10.1.0.2/24"]);
        assert_eq!(gateway(&container, "-4"), "10.1.0.1");
        let left = names(&world.ip_json("link show master br0"));
        assert_eq!(left, ["br0p"], "nothing of the old one: {line}");
        world.line(&format!("detach {}", container.target())).ok();
        assert_eq!(gateway(&container, "-4"), "172.17.0.1");
    }
}

/// Whatever fails: known beforehand, in the middle of a change in place, after the old link is gone.
#[test]
fn after_a_failure_the_old_one_is_back() {
    for (line, why) in [
        ("nosuch TARGET 10.1.0.2/24", "no such interface"),
        ("br0p TARGET 10.1.0.2/24", "port of a bridge"),
        ("br1 -l br1q TARGET 10.1.0.2/24", "exists already"),
        ("br0 TARGET 10.0.0.3/24@10.0.0.1,fd00::3/64@fd00::99", "fd00::99"),
        ("br0 TARGET 10.0.0.3/24@10.9.9.9 --mtu 1300 02:00:00:00:00:09", "10.9.9.9"),
        ("br1 TARGET 10.0.0.3/24@10.0.0.1,fd00::3/64@fd00::99", "fd00::99"),
        ("card TARGET 10.0.0.3/24@10.9.9.9", "10.9.9.9"),
    ] {
        let world = world();
        let container = attached(&world, FIRST);
        container.ip("addr add fd00::99/64 dev eth0 nodad");
        container.ip("route add 10.9.9.9/32 dev eth0");
        // The new link's number is the next one; the bridge's own bookkeeping counts ports.
        let state = || {
            let text = snapshot(&world, &[&container]);
            let kept = text.lines().filter(|line| !line.contains("\"host0\""));
            let mut lines: Vec<_> = kept.map(strip_numbers).collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        let before = state();
        let said =
            world.line(&format!("--replace {}", line.replace("TARGET", &container.target()))).refused(1);
        assert!(said.contains(why) && !said.contains("could not be made again"), "{said}");
        assert_same(&before, &state(), &said);
        assert_eq!(world.link("host0")["master"], "br0", "{line}");
        world.line(&FIRST.replace("TARGET", &container.target())).ok();
        container.pings("10.0.0.1");
    }
}

/// Numbers that a link that is made again has anew.
fn strip_numbers(line: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    if let Some(map) = value.as_object_mut() {
        for key in ["ifindex", "link_index", "operstate", "ifalias"] {
            map.remove(key);
        }
    }
    value.to_string()
}

#[test]
fn a_dry_run_tells_both_ways() {
    let world = world();
    let container = attached(&world, FIRST);
    let before = snapshot(&world, &[&container]);
    let target = container.target();
    let script = world.line(&format!("--replace --dry-run br0 {target} 10.0.0.3/24")).ok();
    assert!(script.contains("address flush") && script.contains("address add 10.0.0.3/24"), "{script}");
    let script = world.line(&format!("--replace --dry-run br1 {target} 10.0.0.3/24")).ok();
    assert!(script.contains("link delete dev eth1") && script.contains("master br1"), "{script}");
    assert_same(&before, &snapshot(&world, &[&container]), "a dry run");
    world.sh(&script).ok();
    world.line(&format!("br1 {target} 10.0.0.3/24")).ok();
}

#[test]
fn somebody_elses_interface_is_not_replaced() {
    let world = world();
    let container = container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    world.line(&format!("--replace br0 -i eth0 {} 10.0.0.3/24", container.target())).refused(1);
    assert_same(&before, &snapshot(&world, &[&container]), "refused");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn the_vlan_of_a_port_changes_in_place() {
    let world = world();
    world
        .sh("ip link set br0 type bridge vlan_filtering 1
             for vlan in 10 20; do bridge vlan add dev br0p vid $vlan; done")
        .ok();
    let container = attached(&world, "br0 -l host0 TARGET 10.0.0.2/24 @10");
    let target = container.target();
    let number = container.link("eth1")["ifindex"].clone();
    let vlans = || world.run("bridge -j vlan show dev host0").ok();
    for (word, vlan) in [("@20", 20), ("@10", 10), ("", 1), ("@20", 20)] {
        let line = format!("br0 {target} 10.0.0.2/24 {word}");
        let said = world.line(&line).refused(1);
        assert!(said.contains("the VLAN is"), "{said}");
        world.line(&format!("--replace {line}")).ok();
        world.line(&line).ok();
        assert!(vlans().contains(&format!("\"vlans\":[{{\"vlan\":{vlan},")), "{}", vlans());
        assert_eq!(vlans().matches("\"vlan\":").count(), 1, "{}", vlans());
        assert_eq!(container.link("eth1")["ifindex"], number, "the same link");
    }
    // A failure puts the port back.
    container.ip("addr add fd00::99/64 dev eth0 nodad");
    let before = (snapshot(&world, &[&container]), vlans());
    let line = format!("--replace br0 {target} 10.0.0.3/24,fd00::3/64@fd00::99 @10");
    world.line(&line).refused(1);
    assert_same(&before.0, &snapshot(&world, &[&container]), "undone");
    assert_eq!(before.1, vlans());
}
