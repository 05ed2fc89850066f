//! Other kinds of links: dummy, ipvlan, and parents that are made of others.
mod support;

use serde_json::Value;
use support::{Called, World, addresses, assert_same, container_with_routes, flag, names, snapshot};

#[test]
#[ignore = "needs the guest's kernel"]
fn a_dummy_is_made_in_the_container() {
    for called in [Called::Rpipe, Called::Pipework] {
        for uplink in ["dummy", "dummy0"] {
            let world = World::new();
            let container = container_with_routes(&world);
            let line = format!("{uplink} {} 10.9.9.9/32,fd09::9/128", container.target());
            world.called(called, &line).ok();
            assert_eq!(names(&world.ip_json("link")), ["lo"], "nothing on the host");
            let inside = container.link("eth1");
            assert_eq!(inside["linkinfo"]["info_kind"], "dummy");
            assert_eq!(inside["mtu"], 1500);
            assert!(flag(&inside, "UP"));
            assert_eq!(addresses(&inside), ["10.9.9.9/32", "fd09::9/128"]);
        }
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_dummy_as_it_is_asked_for() {
    let world = World::new();
    let container = container_with_routes(&world);
    let line = format!("--json dummy0 {} -i lo1 --mtu 9000 0/0 02:00:00:00:00:09", container.target());
    let report: Value = serde_json::from_str(&world.line(&line).ok()).unwrap();
    assert_eq!((&report["kind"], &report["uplink"]), (&"dummy".into(), &"dummy0".into()));
    let inside = container.link("lo1");
    assert_eq!((&inside["mtu"], &inside["address"]), (&9000.into(), &"02:00:00:00:00:09".into()));

    let before = snapshot(&world, &[&container]);
    for (words, why) in [
        ("dummy0 TARGET 10.0.0.2/24 @10", "leads nowhere"),
        ("dummy0 --mode vepa TARGET 10.0.0.2/24", "a dummy has none"),
        ("dummy0 -i lo1 TARGET 10.0.0.2/24", "is attached already"),
        ("dummy0 -i x TARGET 10.0.0.2/24@172.17.0.1", "172.17.0.1"),
    ] {
        if words.contains("172.17") {
            container.ip("route add 172.17.0.1/32 dev eth0 metric 0");
        }
        let before = if words.contains("172.17") { snapshot(&world, &[&container]) } else { before.clone() };
        let said = world.line(&words.replace("TARGET", &container.target())).refused(1);
        assert!(said.contains(why), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), &said);
    }
}

/// An uplink of that name that exists is what it is.
#[test]
#[ignore = "needs the guest's kernel"]
fn a_dummy_of_the_host_is_a_parent() {
    let world = World::new();
    world.ip("link add dummy7 type dummy");
    let container = world.container();
    world.line(&format!("dummy7 {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn every_mode_of_an_ipvlan() {
    for mode in ["", "l2", "l3", "l3s"] {
        let world = World::new();
        world.sh("ip link add card mtu 1400 type veth peer name other; ip link set other up").ok();
        let (a, b) = (world.container(), world.container());
        let words = if mode.is_empty() { String::new() } else { format!("--mode {mode}") };
        let line = format!("card --type ipvlan {words} {} 10.0.0.2/24", a.target());
        let report: Value = serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap();
        assert_eq!(report["kind"], "ipvlan");
        world.line(&format!("card --type ipvlan {words} {} 10.0.0.3/24", b.target())).ok();
        let inside = a.link("eth1");
        assert_eq!(inside["linkinfo"]["info_kind"], "ipvlan");
        assert_eq!(inside["linkinfo"]["info_data"]["mode"], if mode.is_empty() { "l2" } else { mode });
        assert_eq!((&inside["mtu"], &inside["address"]), (&1400.into(), &world.link("card")["address"]));
        a.pings("10.0.0.3");
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn an_ipvlan_has_no_mac_address_of_its_own() {
    let world = World::new();
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set card down").ok();
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    let target = container.target();
    let said = world.line(&format!("card --type ipvlan {target} 10.0.0.2/24 U:x")).refused(1);
    assert!(said.contains("MAC address"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
    // One parent cannot carry both kinds: the kernel's own words, and everything undone.
    world.line(&format!("card {target} 10.0.0.2/24 -i mac0")).ok();
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("card --type ipvlan {target} 10.0.0.3/24")).refused(1);
    assert!(said.contains("ipvlan eth1 on card"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn teams_and_vlans_are_parents() {
    for (parent, made) in [
        ("x.7", "ip link add x type dummy; ip link set x up; ip link add link x name x.7 type vlan id 7"),
        ("team0", "ip link add team0 type team; ip link add x type dummy; ip link set x master team0"),
    ] {
        let world = World::new();
        world.sh(made).ok();
        let container = world.container();
        world.line(&format!("{parent} {} 10.0.0.2/24", container.target())).ok();
        assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan", "{parent}");
        assert!(flag(&world.link(parent), "UP"));
        // VLANs can be stacked.
        world.line(&format!("{parent} {} -i eth2 10.0.1.2/24 @11", container.target())).ok();
        assert_eq!(world.link(&format!("{parent}.11"))["link"], parent);
    }
}
