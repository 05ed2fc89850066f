//! What only a kernel with everything in it can show: uplinks that are bonds, VLANs, bridges with VLANs.
//! tests/run runs these in a virtual machine (tests/guest); elsewhere they are ignored.
mod support;

use support::{World, addresses, flag, names};

/// A veth whose other end is up, so that it has a carrier.
fn card(world: &World, name: &str) {
    world.ip(&format!("link add {name} mtu 1400 type veth peer name {name}p"));
    world.ip(&format!("link set {name}p up"));
}

/// A bond of two cards in mode active-backup, up.
fn bond(world: &World) {
    world.ip("link add bond0 mtu 1400 type bond mode active-backup miimon 20");
    for name in ["card1", "card2"] {
        card(world, name);
        world.ip(&format!("link set {name} master bond0"));
    }
    world.ip("link set bond0 up");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn the_kernel_has_what_the_tests_need() {
    let world = World::new();
    card(&world, "card");
    world.ip("link set card up");
    for (line, name, kind) in [
        ("dummy0 type dummy", "dummy0", "dummy"),
        ("ifb7 type ifb", "ifb7", "ifb"),
        ("vrf0 type vrf table 10", "vrf0", "vrf"),
        ("wg0 type wireguard", "wg0", "wireguard"),
        ("link card card.7 type vlan id 7", "card.7", "vlan"),
        ("link card card.8 type vlan proto 802.1ad id 8", "card.8", "vlan"),
        ("link card vx0 type vxlan id 5 dstport 4789", "vx0", "vxlan"),
        ("link card ipv0 type ipvlan mode l2", "ipv0", "ipvlan"),
        ("bond0 type bond mode active-backup", "bond0", "bond"),
        ("br0 type bridge vlan_filtering 1", "br0", "bridge"),
    ] {
        world.ip(&format!("link add {line}"));
        assert_eq!(world.link(name)["linkinfo"]["info_kind"], kind, "{line}");
    }
    // An ipvlan and a macvlan exclude each other on one parent.
    world.ip("link del ipv0");
    world.ip("link add link card tap0 type macvtap");
    world.run("tc qdisc add dev card root netem delay 1ms").ok();
    world.run("tc qdisc add dev card clsact").ok();
    world.run("ip tuntap add dev tap1 mode tap").ok();
    assert!(world.path("/sys/fs/cgroup/cgroup.controllers").exists(), "control groups of version 2");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_bond_is_a_parent() {
    let world = World::new();
    bond(&world);
    let (a, b) = (world.container(), world.container());
    world.line(&format!("bond0 {} 10.0.0.2/24@10.0.0.1", a.target())).ok();
    world.line(&format!("bond0 {} 10.0.0.3/24", b.target())).ok();
    let inside = a.link("eth1");
    assert_eq!(inside["linkinfo"]["info_kind"], "macvlan");
    assert_eq!(inside["link_index"], world.link("bond0")["ifindex"]);
    assert_eq!(inside["mtu"], 1400);
    assert_eq!(addresses(&inside), ["10.0.0.2/24"]);
    assert!(flag(&inside, "UP"), "{inside}");
    a.pings("10.0.0.3");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn what_is_in_a_bond_is_no_parent() {
    let world = World::new();
    bond(&world);
    let container = world.container();
    let line = world.line(&format!("card1 {} 10.0.0.2/24", container.target())).refused(1);
    assert!(line.contains("port of a bond") && line.contains("name the bond"), "{line}");
    assert_eq!(container.links(), ["lo"]);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_is_a_parent_and_its_frames_are_tagged() {
    let world = World::new();
    card(&world, "card");
    world.ip("link add link card name card.42 type vlan id 42");
    let (peer, container) = (world.container(), world.container());
    world.ip(&format!("link set cardp netns {}", peer.pid));
    peer.sh("ip link set cardp up
             ip link add link cardp name tagged type vlan id 42
             ip link set tagged up
             ip addr add 10.0.0.1/24 dev tagged")
        .ok();
    world.ip("link set card up");
    world.line(&format!("card.42 {} 10.0.0.2/24@10.0.0.1", container.target())).ok();
    assert!(flag(&world.link("card.42"), "UP"), "it was down");
    assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");
    container.pings("10.0.0.1");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_dummy_is_a_parent() {
    let world = World::new();
    world.ip("link add dummy7 type dummy");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("dummy7 {} 10.0.0.2/24", a.target())).ok();
    world.line(&format!("dummy7 {} 10.0.0.3/24", b.target())).ok();
    assert!(flag(&world.link("dummy7"), "UP"));
    a.pings("10.0.0.3");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_parent_of_ipvlans_is_refused_in_the_kernels_words() {
    let world = World::new();
    card(&world, "card");
    world.ip("link add link card ipv0 type ipvlan mode l2");
    let container = world.container();
    let line = world.line(&format!("card {} 10.0.0.2/24", container.target())).refused(1);
    assert!(line.contains("card") && line.contains("busy"), "{line}");
    assert_eq!(container.links(), ["lo"]);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_port_of_a_bridge_with_vlans_is_refused() {
    let world = World::new();
    world.ip("link add br0 type bridge vlan_filtering 1");
    card(&world, "card");
    world.ip("link set card master br0 up");
    let container = world.container();
    let line = world.line(&format!("card {} 10.0.0.2/24", container.target())).refused(1);
    assert!(line.contains("is a port of a bridge"), "{line}");
    assert_eq!(container.links(), ["lo"]);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_port_of_a_bridge_with_vlans_gets_its_default_vlan() {
    let world = World::new();
    world.ip("link add br0 type bridge vlan_filtering 1 vlan_default_pvid 5");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 -l h1 {} 10.0.0.2/24", a.target())).ok();
    world.line(&format!("br0 -l h2 {} 10.0.0.3/24", b.target())).ok();
    let ports = world.run("bridge -j vlan show dev h1").ok();
    let ports: serde_json::Value = serde_json::from_str(&ports).unwrap();
    assert_eq!(ports[0]["vlans"][0]["vlan"], 5, "{ports}");
    a.pings("10.0.0.3");
    world.run("bridge vlan del dev h2 vid 5").ok();
    world.run("bridge vlan add dev h2 vid 6 pvid untagged").ok();
    let lost = a.run("ping -n -q -c 1 -W 1 10.0.0.3");
    assert!(!lost.status.success(), "{lost:?}");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn an_alias_is_refused_and_its_interface_named() {
    let world = World::new();
    bond(&world);
    world.ip("addr add 10.0.0.1/24 dev bond0 label bond0:1");
    let container = world.container();
    let line = world.line(&format!("bond0:1 {} 10.0.0.2/24", container.target())).refused(2);
    assert!(line.contains("bond0:1") && line.contains("alias"), "{line}");
    assert_eq!(names(&world.ip_json("link show type macvlan")), [""; 0]);
}
