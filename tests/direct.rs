//! `--direct-phys`: the interface itself goes into the container, and comes home when the attach fails.
mod support;

use std::process::Command;

use serde_json::Value;
use support::{
    Called, Container, RPIPE, World, addresses, assert_same, container_with_routes, finish, flag, names,
    snapshot,
};

/// A world with an interface as a person has configured it, and its other end in a namespace of its own.
fn world_with_card() -> World {
    let world = World::new();
    world
        .sh("ip link add card mtu 1400 address 02:00:00:00:00:aa type veth peer name other
             for link in card other; do ip link set $link addrgenmode none; ip link set $link up; done
             ip link set card alias 'to the lab'
             ip addr add 10.5.0.2/24 brd + dev card
             ip addr add 10.5.0.3/24 dev card
             ip addr add fd05::2/64 dev card nodad
             ip route add default via 10.5.0.1 dev card
             ip route add 10.77.0.0/16 via 10.5.0.9 dev card metric 7
             ip route add 10.99.0.1 dev card
             ip -6 route add fd77::/16 via fd05::9 dev card")
        .ok();
    world
}

fn far_end(world: &World) -> Container<'_> {
    let peer = world.container();
    world.ip(&format!("link set other netns {}", peer.pid));
    peer.ip("link set other up");
    peer.ip("addr add 192.168.0.1/24 dev other");
    peer
}

#[test]
fn the_interface_is_in_the_container_and_gone_from_the_host() {
    for called in [Called::Rpipe, Called::Pipework] {
        let world = world_with_card();
        let (_peer, container) = (far_end(&world), container_with_routes(&world));
        let line = format!("--direct-phys card {} 192.168.0.5/24@192.168.0.1", container.target());
        world.called(called, &line).ok();
        assert_eq!(names(&world.ip_json("link")), ["lo"], "{called:?}");
        let inside = container.link("eth1");
        assert_eq!((&inside["mtu"], &inside["address"]), (&1400.into(), &"02:00:00:00:00:aa".into()));
        assert!(flag(&inside, "UP"));
        assert_eq!(addresses(&inside), ["192.168.0.5/24"]);
        assert_eq!(container.ip_json("route show default")[0]["gateway"], "192.168.0.1");
        container.pings("192.168.0.1");
    }
}

#[test]
fn the_mark_tells_how_it_was() {
    let world = world_with_card();
    let container = world.container();
    world.line(&format!("card --direct-phys {} 192.168.0.5/24 -i lan0", container.target())).ok();
    let mark = container.link("lan0")["ifalias"].as_str().unwrap().to_owned();
    for field in
        ["rpipe 1 link ", "nic=card", "up=1", "mac=02:00:00:00:00:aa", "mtu=1400", "alias=to%20the%20lab"]
    {
        assert!(mark.contains(field), "{field} in {mark}");
    }
}

#[test]
fn a_mac_address_and_an_mtu_of_its_own() {
    let world = world_with_card();
    let container = world.container();
    let line = "card 192.168.0.5/24 02:00:00:00:00:05 --direct-phys --mtu 1300";
    let line = line.replacen("card ", &format!("card {} ", container.target()), 1);
    let report: Value = serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap();
    assert_eq!(report["kind"], "physical");
    assert_eq!((&report["mac"], &report["mtu"]), (&"02:00:00:00:00:05".into(), &1300.into()));
    let inside = container.link("eth1");
    assert_eq!((&inside["mtu"], &inside["address"]), (&1300.into(), &"02:00:00:00:00:05".into()));
}

/// Everything that the host had comes back: name, number, alias, MAC address, MTU, addresses, routes.
#[test]
fn after_a_failure_it_is_home_again() {
    for state in ["configured", "as it came"] {
        let world = if state == "configured" { world_with_card() } else { World::new() };
        if state == "as it came" {
            // Never up: that alone changes what the kernel keeps of a link.
            world.ip("link add card type veth peer name other");
        }
        let container = container_with_routes(&world);
        container.ip("addr add fd00::1/64 dev eth0 nodad");
        // Routes and links that were away come last.
        let sorted = || {
            let text = snapshot(&world, &[&container]);
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        let before = sorted();
        let line = format!(
            "--direct-phys card {} 192.168.0.5/24@192.168.0.1,fd00::2/64@fd00::1 02:00:00:00:00:05 --mtu 1300",
            container.target()
        );
        let said = world.line(&line).refused(1);
        assert!(said.contains("fd00::1"), "{said}");
        assert_same(&before, &sorted(), state);
    }
}

#[test]
fn a_name_that_the_container_has_too_is_no_hindrance() {
    let world = World::new();
    world.sh("ip link add eth0 type veth peer name other; ip link set other up").ok();
    let container = container_with_routes(&world);
    world.line(&format!("--direct-phys eth0 {} 192.168.0.5/24", container.target())).ok();
    assert_eq!(container.links(), ["lo", "eth0", "eth0p", "eth1"]);
    assert_eq!(addresses(&container.link("eth0"))[0], "172.17.0.2/16");
    assert_eq!(addresses(&container.link("eth1")), ["192.168.0.5/24"]);
}

#[test]
fn what_cannot_move_is_refused() {
    let world = world_with_card();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    for (uplink, why) in [
        ("br0", "is a bridge"),
        ("br9", "no such interface"),
        ("br0p", "port of a bridge"),
        ("lo", "not an Ethernet"),
        ("dummy0", "no such interface"),
        ("nosuch", "no such interface"),
    ] {
        let line = format!("--direct-phys {uplink} {} 192.168.0.5/24", container.target());
        let said = world.line(&line).refused(1);
        assert!(said.contains(why), "{said}");
    }
    for words in ["--mode vepa", "--type ipvlan"] {
        let line = format!("--direct-phys card {words} {} 192.168.0.5/24", container.target());
        let said = world.line(&line).refused(1);
        assert!(said.contains("--direct-phys"), "{said}");
    }
    assert_same(&before, &snapshot(&world, &[&container]), "refused");
}

#[test]
fn the_script_does_the_same() {
    let world = world_with_card();
    let container = container_with_routes(&world);
    let line = format!("--direct-phys card {} 192.168.0.5/24@192.168.0.1 --mtu 1300", container.target());
    let script = world.line(&format!("--dry-run {line}")).ok();
    world.sh(&script).ok();
    assert_eq!(names(&world.ip_json("link")), ["lo", "other"]);
    let scripted = container.link("eth1");
    // And home by the command that an error would name.
    let home = "nic=card up=1 mac=02:00:00:00:00:aa mtu=1400";
    assert!(scripted["ifalias"].as_str().unwrap().contains(home), "{scripted}");
    assert_eq!(addresses(&scripted), ["192.168.0.5/24"]);
    assert_eq!(scripted["mtu"], 1300);
}

/// A wireless interface goes with its whole device, which `iw` moves.
#[test]
#[ignore = "needs the guest's kernel"]
fn a_wireless_device_moves_as_a_whole() {
    let world = World::new();
    // The simulated device comes up in the guest's first namespace; sysfs must be that of the world.
    let netns = world.path("").parent().unwrap().join("ns/net");
    let outside = format!(
        "[ -d /run/guest ] || exit 1
         until modprobe -r mac80211_hwsim; do sleep 0.1; done
         modprobe mac80211_hwsim radios=1
         iw phy#$(cat /sys/class/net/wlan0/phy80211/index) set netns name {}",
        netns.display()
    );
    finish(Command::new("sh").args(["-euc", &outside])).ok();
    world
        .sh("mount -t sysfs sysfs /sys
             ip link set wlan0 addrgenmode none; ip addr add 10.7.7.7/24 dev wlan0")
        .ok();
    let container = container_with_routes(&world);
    container.ip("addr add fd00::1/64 dev eth0 nodad");
    // Its number is the one thing that nl80211 does not let one choose.
    let comparable = || {
        let number = format!("\"ifindex\":{},\"ifname\":\"wlan0\"", world.link("wlan0")["ifindex"]);
        snapshot(&world, &[&container]).replace(&number, "wlan0")
    };

    let before = comparable();
    let line = format!("--direct-phys wlan0 {} 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1", container.target());
    world.line(&line).refused(1);
    assert_same(&before, &comparable(), "back home");

    let words = ["--direct-phys", "wlan0", &container.target(), "10.0.0.2/24"];
    let said = finish(world.command("env").args(["PATH=/nowhere", RPIPE]).args(words)).refused(1);
    assert!(said.contains("`iw`, which is not installed"), "{said}");
    assert_same(&before, &comparable(), "without iw");

    world.rpipe(&words).ok();
    assert_eq!(names(&world.ip_json("link")), ["lo"]);
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.2/24"]);
}
