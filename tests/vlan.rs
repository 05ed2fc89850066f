//! VLANs: 802.1Q interfaces on a parent, and access ports of a bridge.
mod support;

use serde_json::Value;
use support::{Called, Container, World, assert_same, container_with_routes, flag, names, snapshot};

/// A world with a card whose other end is in a namespace of its own, which knows VLANs 10 and 20.
fn world_with_card() -> World {
    let world = World::new();
    world
        .sh("ip link add card mtu 1400 type veth peer name other
             for link in card other; do ip link set $link addrgenmode none; done")
        .ok();
    world
}

fn router(world: &World) -> Container<'_> {
    let router = world.container();
    world.ip(&format!("link set other netns {}", router.pid));
    router
        .sh("ip link set other up
             for vlan in 10 20; do
                 ip link add link other name other.$vlan type vlan id $vlan
                 ip addr add 10.0.$vlan.1/24 dev other.$vlan
                 ip link set other.$vlan up
             done")
        .ok();
    router
}

#[test]
#[ignore = "needs the guest's kernel"]
fn on_a_parent_an_8021q_interface_is_made_and_carries_the_macvlan() {
    for called in [Called::Rpipe, Called::Pipework] {
        let world = world_with_card();
        let (_router, container) = (router(&world), world.container());
        world.called(called, &format!("card {} 10.0.10.2/24@10.0.10.1 @10", container.target())).ok();

        let vlan = world.link("card.10");
        assert_eq!(vlan["linkinfo"]["info_kind"], "vlan");
        assert_eq!(vlan["linkinfo"]["info_data"]["id"], 10);
        assert_eq!((&vlan["link"], &vlan["mtu"]), (&"card".into(), &1400.into()));
        assert_eq!(vlan["ifalias"], "rpipe 1 vlan", "gc must know it again");
        assert!(flag(&vlan, "UP") && flag(&world.link("card"), "UP"));

        let inside = container.link("eth1");
        assert_eq!(inside["linkinfo"]["info_kind"], "macvlan");
        assert_eq!(inside["linkinfo"]["info_data"]["mode"], "bridge");
        assert_eq!(inside["mtu"], 1400);
        container.pings("10.0.10.1");
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_that_is_there_is_used_again() {
    let world = world_with_card();
    world.ip("link set other up");
    let (a, b, c) = (world.container(), world.container(), world.container());
    world.line(&format!("card {} 10.0.10.2/24 @10", a.target())).ok();
    world.line(&format!("card {} 10.0.10.3/24 @10", b.target())).ok();
    assert_eq!(names(&world.ip_json("link show type vlan")), ["card.10"]);
    a.pings("10.0.10.3");

    // By whatever name somebody else made it, and down.
    world.ip("link add link card name office type vlan id 20");
    world.line(&format!("card {} 10.0.20.2/24 @20", c.target())).ok();
    assert_eq!(names(&world.ip_json("link show type vlan")), ["card.10", "office"]);
    let office = world.link("office");
    assert!(flag(&office, "UP"));
    assert_eq!(office["ifalias"], Value::Null, "not ours, so not marked");
    assert!(!c.run("ping -n -q -c 1 -w 1 10.0.10.2").status.success(), "another VLAN");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_name_that_something_else_has_is_an_error() {
    for (other, made) in [
        ("a bridge", "ip link add card.10 type bridge"),
        ("another VLAN", "ip link add link card name card.10 type vlan id 11"),
        (
            "a VLAN of another parent",
            "ip link add x type dummy; ip link add link x name card.10 type vlan id 10",
        ),
    ] {
        let world = world_with_card();
        world.sh(made).ok();
        let container = container_with_routes(&world);
        let before = snapshot(&world, &[&container]);
        let said = world.line(&format!("card {} 10.0.10.2/24 @10", container.target())).refused(1);
        assert!(said.contains("card.10") && said.contains("VLAN 10"), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), other);
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_name_that_would_be_too_long_is_shortened() {
    let world = World::new();
    world.sh("ip link add enp0s31f6longer type dummy").ok();
    let container = world.container();
    for _ in 0..2 {
        world.line(&format!("enp0s31f6longer {} 10.0.10.2/24 @4094 -i lan0", container.target())).ok();
        assert_eq!(world.ip_json("link show type vlan").as_array().unwrap().len(), 1);
        container.ip("link del lan0");
    }
    assert_eq!(world.ip_json("link show type vlan")[0]["linkinfo"]["info_data"]["id"], 4094);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_failure_takes_the_vlan_along() {
    let world = world_with_card();
    world.sh("ip link set card up; ip link set card down").ok();
    let container = container_with_routes(&world);
    container.ip("addr add fd00::1/64 dev eth0 nodad");
    let before = snapshot(&world, &[&container]);
    for words in ["", "--type ipvlan", "--direct-phys"] {
        let line = format!("card {words} {} 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1 @10", container.target());
        let said = world.line(&line).refused(1);
        assert!(said.contains("fd00::1"), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), words);
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn with_direct_phys_the_vlan_itself_moves() {
    for called in [Called::Rpipe, Called::Pipework] {
        let world = world_with_card();
        let (_router, container) = (router(&world), world.container());
        world.called(called, &format!("--direct-phys card {} 10.0.20.2/24 @20", container.target())).ok();
        assert_eq!(names(&world.ip_json("link show type vlan")), [""; 0]);
        assert_eq!(container.link("eth1")["linkinfo"]["info_data"]["id"], 20);
        container.pings("10.0.20.1");
    }
}

/// A bridge that tells VLANs apart, with a trunk port for VLANs 10 and 20.
fn filtering_bridge(world: &World) {
    world.bridge("br0", "10.0.0.1/24");
    world
        .sh("ip link set br0 type bridge vlan_filtering 1
             bridge vlan add dev br0p vid 10
             bridge vlan add dev br0p vid 20")
        .ok();
}

/// The VLANs of a port as `bridge vlan` tells them: number and flags.
fn vlans(world: &World, port: &str) -> Vec<(u64, String)> {
    let json = world.run(&format!("bridge -j vlan show dev {port}")).ok();
    let ports: Value = serde_json::from_str(&json).unwrap();
    let list = ports[0]["vlans"].as_array().unwrap().iter();
    let flags = |vlan: &Value| {
        let flags = vlan["flags"].as_array().map(Vec::as_slice).unwrap_or_default();
        flags.iter().map(|flag| flag.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    list.map(|vlan| (vlan["vlan"].as_u64().unwrap(), flags(vlan))).collect()
}

#[test]
#[ignore = "needs the guest's kernel"]
fn on_a_bridge_the_port_is_untagged_in_its_vlan() {
    let world = World::new();
    filtering_bridge(&world);
    let (a, b, c, d) = (world.container(), world.container(), world.container(), world.container());
    world.line(&format!("br0 -l a {} 10.0.10.2/24 @10", a.target())).ok();
    world.line(&format!("br0 -l b {} 10.0.10.3/24 @10", b.target())).ok();
    world.line(&format!("br0 -l c {} 10.0.10.4/24 @20", c.target())).ok();
    world.line(&format!("br0 -l d {} 10.0.10.5/24", d.target())).ok();
    assert_eq!(vlans(&world, "a"), [(10, "PVID Egress Untagged".to_owned())]);
    assert_eq!(vlans(&world, "c"), [(20, "PVID Egress Untagged".to_owned())]);
    assert_eq!(vlans(&world, "d"), [(1, "PVID Egress Untagged".to_owned())]);
    a.pings("10.0.10.3");
    for other in [&c, &d] {
        assert!(!other.run("ping -n -q -c 1 -w 1 10.0.10.2").status.success(), "another VLAN");
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn the_vlan_that_new_ports_are_in_is_fine_too() {
    // None at all is another usual choice.
    for default in [10, 0] {
        let world = World::new();
        filtering_bridge(&world);
        world.ip(&format!("link set br0 type bridge vlan_default_pvid {default}"));
        let (a, b) = (world.container(), world.container());
        world.line(&format!("br0 -l a {} 10.0.10.2/24 @10", a.target())).ok();
        world.line(&format!("br0 -l b {} 10.0.10.3/24 @10", b.target())).ok();
        assert_eq!(vlans(&world, "a"), [(10, "PVID Egress Untagged".to_owned())]);
        a.pings("10.0.10.3");
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_bridge_that_does_not_tell_vlans_apart_is_not_switched() {
    for called in [Called::Rpipe, Called::Pipework] {
        let world = World::new();
        world.bridge("br0", "10.0.0.1/24");
        let container = container_with_routes(&world);
        let before = snapshot(&world, &[&container]);
        let output = world.called(called, &format!("br0 {} 10.0.10.2/24 @10", container.target()));
        assert_eq!(output.code(), 1, "{output:?}");
        let remedy = "ip link set dev br0 type bridge vlan_filtering 1";
        assert!(output.stderr.contains(remedy), "{output:?}");
        assert_same(&before, &snapshot(&world, &[&container]), &output.stderr);
        // The remedy is one.
        world.run(remedy).ok();
        assert_eq!(world.called(called, &format!("br0 {} 10.0.10.2/24 @10", container.target())).code(), 0);
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_bridge_that_is_made_for_it_tells_vlans_apart() {
    for called in [Called::Rpipe, Called::Pipework] {
        let world = World::new();
        let (a, b) = (world.container(), world.container());
        assert_eq!(world.called(called, &format!("br7 -l a {} 10.0.10.2/24 @10", a.target())).code(), 0);
        assert_eq!(world.called(called, &format!("br7 -l b {} 10.0.10.3/24 @10", b.target())).code(), 0);
        assert_eq!(world.link("br7")["linkinfo"]["info_data"]["vlan_filtering"], 1);
        assert_eq!(world.link("br7")["ifalias"], "rpipe 1 bridge");
        assert_eq!(vlans(&world, "a"), [(10, "PVID Egress Untagged".to_owned())]);
        a.pings("10.0.10.3");
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_that_leads_nowhere_is_told() {
    let world = World::new();
    filtering_bridge(&world);
    let container = world.container();
    let line = |words: &str, n: u8| format!("{words} br0 -i eth{n} {} 10.0.10.{n}/24", container.target());
    let output = world.line(&format!("{} @30", line("", 3)));
    assert_eq!((output.code(), output.stdout.as_str()), (0, ""), "{output:?}");
    assert!(output.stderr.contains("warning") && output.stderr.contains("VLAN 30"), "{output:?}");
    world.line(&format!("{} @30", line("-q", 4))).ok();
    // By now another port is in it.
    world.line(&format!("{} @30", line("", 5))).ok();
    world.line(&format!("{} @10", line("", 6))).ok();
    world.called(Called::Pipework, &format!("{} @31", line("", 7))).ok();
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_failure_on_a_filtering_bridge_changes_nothing() {
    let world = World::new();
    filtering_bridge(&world);
    let container = container_with_routes(&world);
    container.ip("addr add fd00::1/64 dev eth0 nodad");
    let before = snapshot(&world, &[&container]);
    let line = format!("br0 {} 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1 @10", container.target());
    world.line(&line).refused(1);
    assert_same(&before, &snapshot(&world, &[&container]), "undone");
}
