//! What an attach to an interface that is no bridge makes: a macvlan.
mod support;

use support::{World, addresses, assert_same, flag, names, snapshot};

/// A world with one interface, down, as a network card is that nobody configured.
fn world_with_card(name: &str) -> World {
    let world = World::new();
    world.ip(&format!("link add {name} mtu 1400 type veth peer name other"));
    world.ip("link set other up");
    world
}

#[test]
fn a_parent_that_is_down_is_set_up_and_its_mtu_inherited() {
    let world = world_with_card("card");
    let container = world.container();
    world.line(&format!("card {} 192.168.0.123/24@192.168.0.1", container.target())).ok();
    assert!(flag(&world.link("card"), "UP"));
    assert_eq!(names(&world.ip_json("link")), ["lo", "other", "card"], "nothing new on the host");

    let inside = container.link("eth1");
    assert_eq!(inside["linkinfo"]["info_kind"], "macvlan");
    assert_eq!(inside["linkinfo"]["info_data"]["mode"], "bridge");
    assert_eq!(inside["mtu"], 1400);
    assert!(flag(&inside, "UP") && flag(&inside, "LOWER_UP"), "{inside}");
    assert_eq!(addresses(&inside), ["192.168.0.123/24"]);
    assert_eq!(container.ip_json("route show default")[0]["gateway"], "192.168.0.1");
}

#[test]
fn containers_on_one_parent_answer_each_other() {
    let world = world_with_card("card");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("card {} 192.168.0.2/24", a.target())).ok();
    world.line(&format!("card {} 192.168.0.3/24,fd00::3/64 02:00:00:00:00:03", b.target())).ok();
    world.line(&format!("card {} -i eth2 fd00::2/64", a.target())).ok();
    assert_eq!(b.link("eth1")["address"], "02:00:00:00:00:03");
    a.pings("192.168.0.3");
    a.pings("fd00::3");
}

/// Setting it up travels with other changes in one message; the error names it all the same.
#[test]
fn what_the_parent_has_already_is_refused_by_its_own_step() {
    let world = world_with_card("card");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("card {} 192.168.0.2/24 02:00:00:00:00:03", a.target())).ok();
    let before = snapshot(&world, &[&b]);
    let said = world.line(&format!("card {} 192.168.0.3/24 02:00:00:00:00:03", b.target())).refused(1);
    assert_eq!(said, format!("rpipe: setting eth1 up for {:?}: Address already in use", b.pid));
    assert_same(&before, &snapshot(&world, &[&b]), "refused");
}

#[test]
fn a_host_interface_of_the_same_name_is_no_hindrance() {
    let world = world_with_card("eth1");
    let container = world.container();
    world.line(&format!("eth1 {} 192.168.0.2/24", container.target())).ok();
    assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");
    assert_eq!(world.link("eth1")["linkinfo"]["info_kind"], "veth");
}

#[test]
fn the_far_end_of_the_wire_is_reached() {
    let world = world_with_card("card");
    let (peer, container) = (world.container(), world.container());
    world.ip(&format!("link set other netns {}", peer.pid));
    peer.ip("link set other up");
    peer.ip("addr add 192.168.0.1/24 dev other");
    world.line(&format!("card {} 192.168.0.2/24@192.168.0.1", container.target())).ok();
    container.pings("192.168.0.1");
}
