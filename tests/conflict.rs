//! A fixed address that somebody on the same network has already is refused, and nothing is changed. What the kernel
//! knows is asked always; `probe.rs` has what the network is asked.
mod support;

use std::process::{Child, Stdio};

use support::{Container, Ovs, RPIPE, World, addresses, container_with_routes, fails_as_before, until};

/// The line must fail; what it changes is not compared, for that takes too long here.
#[track_caller]
fn refused(container: &Container, before: &str, after: &str) -> String {
    container.world.line(&format!("{before} {} {after}", container.target())).refused(1)
}

/// The claims on the host's end of an interface, in order.
fn claims(container: &Container, ifname: &str) -> Vec<String> {
    let port = container.world.link(&format!("v{ifname}pl{}", container.pid));
    let names = port["altnames"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = names.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
}

/// A card that is up, with its other end.
fn card(world: &World, name: &str) {
    world
        .sh(&format!(
            "ip link add {name} type veth peer name {name}p
             for link in {name} {name}p; do ip link set $link addrgenmode none; ip link set $link up; done"
        ))
        .ok();
}

#[test]
fn of_two_containers_on_a_bridge() {
    let world = world();
    world.bridge("br1", "10.1.0.1/24");
    let (a, b) = (world.container(), container_with_routes(&world));
    world.line(&format!("br0 {} 10.0.0.5/24,fd00::5/64", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:br0:10.0.0.5", "rpipe:br0:fd00::5"]);
    for address in ["10.0.0.5/24@10.0.0.1", "10.0.0.5/16", "10.0.0.6/24,10.0.0.5/32"] {
        let said = fails_as_before(&[&b, &a], "br0", address);
        let expected = format!(
            "rpipe: attaching \"{}\" to br0: 10.0.0.5 is already the address of eth1 of pid:{} (choose another address, \
             or detach that one)",
            b.pid, a.pid
        );
        assert_eq!(said, expected);
    }
    assert!(
        fails_as_before(&[&b, &a], "br0", "fd00::5/64")
            .contains("fd00::5 is already the address of eth1 of pid:")
    );
    // Where nothing would be done, it is said as well.
    assert!(fails_as_before(&[&b, &a], "--dry-run br0", "10.0.0.5/24").contains("10.0.0.5"));
    let said = world.line("run br0 10.0.0.5/24 -- true").refused(1);
    assert!(said.contains("attaching \"true\" to br0: 10.0.0.5"), "{said}");
    // Its own words again are fine, on another interface they are not.
    world.line(&format!("br0 {} 10.0.0.5/24,fd00::5/64", a.target())).ok();
    assert!(fails_as_before(&[&a], "br0 -i eth2", "10.0.0.5/24").contains("eth1 of pid:"));
    // Another bridge is another network.
    world.line(&format!("br1 {} 10.0.0.5/24", b.target())).ok();
    world.line(&format!("detach {}", a.target())).ok();
    world.line(&format!("br0 -i eth2 {} 10.0.0.5/24,fd00::5/64", b.target())).ok();
}

#[test]
fn what_the_host_has_itself() {
    let world = world();
    world.ip("address add fd00::1/64 dev br0 nodad");
    card(&world, "card");
    world.sh("ip addr add 10.5.0.1/24 dev card; ip addr add 10.6.0.1/24 dev cardp").ok();
    world.sh("ip link add shim link card type macvlan mode bridge; ip addr add 10.5.0.9/24 dev shim; ip link set shim up").ok();
    let container = world.container();
    let target = container.target();
    for (line, address, ifname) in [
        ("br0", "10.0.0.1", "br0"),
        ("br0", "fd00::1", "br0"),
        ("card", "10.5.0.1", "card"),
        ("card", "10.5.0.9", "shim"),
    ] {
        let said = fails_as_before(&[&container], line, &format!("{address}/24"));
        let expected = format!(
            "rpipe: attaching \"{}\" to {line}: {address} is the address of the host itself, on {ifname} (choose another \
             address)",
            container.pid
        );
        assert_eq!(said, expected);
    }
    // On another network it is no conflict.
    world.line(&format!("card {target} 10.0.0.1/24")).ok();
    world.line(&format!("br0 -i eth2 {target} 10.5.0.1/24,10.6.0.1/24")).ok();
    // An interface that moves takes its own address along.
    world.line(&format!("--direct-phys cardp -i eth3 {target} 10.6.0.1/24")).ok();
}

#[test]
fn of_macvlans_on_one_parent() {
    let world = World::new();
    card(&world, "card");
    card(&world, "other");
    let (a, b) = (world.container(), container_with_routes(&world));
    world.line(&format!("card {} 10.0.0.5/24,fd00::5/64", a.target())).ok();
    let said = fails_as_before(&[&b, &a], "card", "10.0.0.5/24");
    let expected = format!(
        "rpipe: attaching \"{}\" to card: 10.0.0.5 is already the address of eth1 of {} (choose another address, or \
         detach that one)",
        b.pid, a.pid
    );
    assert_eq!(said, expected);
    // While the kernel looks for duplicates itself the address is nobody's yet.
    until("fd00::5 is no longer tentative", || {
        a.ip_json("-6 addr show dev eth1 tentative")
            .as_array()
            .unwrap()
            .iter()
            .all(|link| addresses(link).is_empty())
    });
    assert!(fails_as_before(&[&b, &a], "card", "10.0.0.6/24,fd00::5/64").contains("fd00::5 is already"));
    let said = fails_as_before(&[&a], "card -i eth2", "10.0.0.5/24");
    assert!(said.contains("10.0.0.5 is already the address of eth1 of the same container"), "{said}");
    world.line(&format!("card {} 10.0.0.5/24,fd00::5/64", a.target())).ok();
    world.line(&format!("other {} 10.0.0.5/24", b.target())).ok();
    a.ip("address del 10.0.0.5/24 dev eth1");
    world.line(&format!("card -i eth2 {} 10.0.0.5/24", b.target())).ok();
}

#[test]
fn of_ports_of_open_vswitch() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("ovs0 {} 10.0.0.5/24 @10", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:ovs0:vlan10:10.0.0.5"]);
    let records = ovs.state();
    let said = fails_as_before(&[&b, &a], "ovs0", "10.0.0.5/24 @10");
    assert!(
        said.contains(&format!("to ovs0: 10.0.0.5 is already the address of eth1 of pid:{}", a.pid)),
        "{said}"
    );
    assert!(fails_as_before(&[&b], "ovs0", "10.0.0.1/24").contains("of the host itself, on ovs0"));
    assert_eq!(records, ovs.state());
    // Another VLAN is another network, and so is none.
    world.line(&format!("ovs0 {} 10.0.0.5/24 @20", b.target())).ok();
    world.line(&format!("ovs0 -i eth2 {} 10.0.0.5/24", b.target())).ok();
    world.line(&format!("ovs0 -i eth3 {} 10.0.0.1/24 @20", b.target())).ok();
}

/// Somebody took it away by hand: it is free, and the claim goes over to who has it now.
#[test]
fn an_address_that_its_holder_has_lost_is_free() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 {} 10.0.0.5/24,10.0.0.6/24,10.0.0.7/24", a.target())).ok();
    a.sh("ip address del 10.0.0.6/24 dev eth1; ip address del 10.0.0.7/24 dev eth1").ok();
    // A failure later on gives the claim back.
    b.sh("ip link add x type veth peer name y; ip link set x up; ip route add 10.9.0.1 dev x").ok();
    fails_as_before(&[&b, &a], "br0", "10.0.0.6/24@10.9.0.1,10.0.0.7/24");
    assert_eq!(claims(&a, "eth1"), ["rpipe:br0:10.0.0.5", "rpipe:br0:10.0.0.6", "rpipe:br0:10.0.0.7"]);
    world.line(&format!("br0 {} 10.0.0.6/24,10.0.0.7/24", b.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:br0:10.0.0.5"]);
    assert_eq!(claims(&b, "eth1"), ["rpipe:br0:10.0.0.6", "rpipe:br0:10.0.0.7"]);
    // Who lost it does not get it back while the other one has it.
    let said = fails_as_before(&[&a, &b], "br0 --replace", "10.0.0.5/24,10.0.0.6/24");
    assert!(said.contains(&format!("10.0.0.6 is already the address of eth1 of pid:{}", b.pid)), "{said}");
}

/// A holder that was taken from the bridge is on no network, or on another one.
#[test]
fn a_holder_that_left_the_bridge_has_nothing_on_it() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 {} 10.0.0.5/24", a.target())).ok();
    world.ip(&format!("link set veth1pl{} nomaster", a.pid));
    world.line(&format!("br0 {} 10.0.0.5/24", b.target())).ok();
    assert_eq!(claims(&a, "eth1"), [""; 0]);
}

/// What cannot be found any more, and what is not finished, still has its address.
#[test]
fn a_holder_counts_wherever_it_is() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 {} 10.0.0.5/24", a.target())).ok();
    // Renamed and moved on, without a name in /run/netns: the kernel still knows the way.
    let c = world.container();
    world.sh("rm /run/netns/*").ok();
    a.sh(&format!("ip link set eth1 down; ip link set eth1 name lan; ip link set lan netns {}", c.pid)).ok();
    c.sh("ip link set lan up; ip addr add 10.0.0.5/24 dev lan").ok();
    let said = refused(&b, "br0", "10.0.0.5/24");
    assert!(said.contains("10.0.0.5 is already the address of lan of pid:"), "{said}");
    c.ip("address del 10.0.0.5/24 dev lan");
    c.ip("link set lan group 1919969648");
    let said = refused(&b, "br0", "10.0.0.5/24");
    assert!(said.contains("which is just being attached, or was left half done"), "{said}");
    c.ip("link set lan group 0");
    world.line(&format!("br0 {} 10.0.0.5/24", b.target())).ok();
}

/// What a dead container leaves goes in the kernel's own time; the next one does not have to wait for it.
#[test]
fn a_container_that_is_started_anew_has_its_address_at_once() {
    let world = world();
    let mut container = world.container();
    for _ in 0..12 {
        world.line(&format!("br0 {} 10.0.0.5/24", container.target())).ok();
        world.sh(&format!("kill -KILL {0}; while [ -e /proc/{0}/ns/net ]; do :; done", container.pid)).ok();
        container = world.container();
    }
}

/// Somebody who works on the holder may be about to give the address back.
#[test]
fn a_holder_that_is_being_changed_is_not_robbed() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 {} 10.0.0.5/24", a.target())).ok();
    a.ip("address del 10.0.0.5/24 dev eth1");
    let mut other = a
        .command("flock")
        .args([&format!("/proc/{}/ns/net", a.pid), "sh", "-c", "echo locked; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(support::first_line(&mut other), "locked");
    let said = fails_as_before(&[&b, &a], "br0", "10.0.0.5/24");
    assert!(said.contains("of pid:") && said.contains("which is just being changed"), "{said}");
    drop(other.stdin.take());
    other.wait().unwrap();
    world.line(&format!("br0 {} 10.0.0.5/24", b.target())).ok();
}

#[test]
fn replacing_takes_the_claims_along() {
    let world = world();
    world.bridge("br1", "10.1.0.1/24");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 {} 10.0.0.5/24,10.0.0.6/24", a.target())).ok();
    world.line(&format!("br0 {} 10.0.0.7/24", b.target())).ok();
    // In place.
    world.line(&format!("br0 --replace {} 10.0.0.6/24,10.0.0.8/24", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:br0:10.0.0.6", "rpipe:br0:10.0.0.8"]);
    let said = fails_as_before(&[&a, &b], "br0 --replace", "10.0.0.6/24,10.0.0.7/24");
    assert!(said.contains(&format!("10.0.0.7 is already the address of eth1 of pid:{}", b.pid)), "{said}");
    assert!(fails_as_before(&[&a, &b], "br0 --replace", "10.0.0.1/24").contains("of the host itself"));
    // What it gave up is free.
    world.line(&format!("br0 -i eth2 {} 10.0.0.5/24", b.target())).ok();
    // The same address with another prefix is still its own.
    world.line(&format!("br0 --replace {} 10.0.0.6/16", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:br0:10.0.0.6"]);
    // By a new link.
    world.line(&format!("br1 --replace {} 10.0.0.6/16", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:br1:10.0.0.6"]);
    let rows = world.line("list --json").ok();
    assert!(!rows.contains("altname") && rows.matches("\"state\":\"up\"").count() == 3, "{rows}");
}

fn start(world: &World, line: &str) -> Child {
    let mut command = world.command(RPIPE);
    command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// However many want an address at the same moment, one gets it.
#[test]
fn of_many_at_once_one_wins() {
    let world = world();
    card(&world, "card");
    for uplink in ["br0", "card", "br7"] {
        let containers: Vec<_> = (0..8).map(|_| world.container()).collect();
        let lines = containers.iter().map(|container| format!("{uplink} {} 10.0.0.5/24", container.target()));
        let children: Vec<_> = lines.map(|line| start(&world, &line)).collect();
        let ends: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let done = ends.iter().filter(|end| end.status.success()).count();
        assert_eq!(done, 1, "{uplink}: {ends:#?}");
        let mut wired = 0;
        for (container, end) in containers.iter().zip(&ends) {
            if end.status.success() {
                assert_eq!(addresses(&container.link("eth1")), ["10.0.0.5/24"]);
                wired += 1;
            } else {
                let said = String::from_utf8_lossy(&end.stderr);
                assert!(said.contains("10.0.0.5 is already the address of"), "{said}");
                assert_eq!(container.links(), ["lo"]);
            }
        }
        assert_eq!(wired, 1);
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_is_a_network_of_its_own() {
    let world = World::new();
    card(&world, "card");
    world
        .sh("ip link add brv type bridge vlan_filtering 1; ip link set brv up; ip addr add 10.0.0.1/24 dev brv
             ip link add link brv name brv.10 up type vlan id 10; ip addr add 10.10.0.1/24 dev brv.10
             bridge vlan add dev brv vid 10 self; bridge vlan add dev brv vid 20 self
             ip addr add 10.0.5.1/24 dev card")
        .ok();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("-q brv {} 10.0.0.5/24 @10", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:brv:vlan10:10.0.0.5"]);
    assert!(refused(&b, "brv", "10.0.0.5/24 @10").contains("is already the address of eth1 of pid:"));
    assert!(refused(&b, "brv", "10.10.0.1/24 @10").contains("of the host itself, on brv.10"));
    world.line(&format!("-q brv -i eth2 {} 10.10.0.1/24 @20", b.target())).ok();
    world.line(&format!("-q brv -i eth3 {} 10.0.0.5/24 @20", b.target())).ok();
    // The bridge's usual VLAN and none are the same.
    world.line(&format!("-q brv -i eth4 {} 10.0.0.6/24 @1", b.target())).ok();
    assert_eq!(claims(&b, "eth4"), ["rpipe:brv:10.0.0.6"]);
    assert!(refused(&a, "brv -i eth4", "10.0.0.6/24").contains("eth4 of pid:"));
    assert!(refused(&a, "brv -i eth4", "10.0.0.1/24 @1").contains("of the host itself, on brv"));
    // In place from one VLAN to another.
    world.line(&format!("-q brv --replace {} 10.0.0.5/24 @30", a.target())).ok();
    assert_eq!(claims(&a, "eth1"), ["rpipe:brv:vlan30:10.0.0.5"]);

    // Macvlans in VLANs of a parent.
    world.line(&format!("card -i mac0 {} 10.0.5.5/24 @10", a.target())).ok();
    let said = refused(&b, "card -i mac0", "10.0.5.5/24 @10");
    assert!(said.contains(&format!("10.0.5.5 is already the address of mac0 of {}", a.pid)), "{said}");
    world.ip("addr add 10.0.6.1/24 dev card.10");
    assert!(refused(&b, "card -i mac0", "10.0.6.1/24 @10").contains("of the host itself, on card.10"));
    world.line(&format!("card -i mac0 {} 10.0.5.5/24,10.0.6.1/24", b.target())).ok();
    world.line(&format!("card -i mac1 {} 10.0.5.5/24,10.0.5.1/24 @20", b.target())).ok();
}

#[test]
#[ignore = "needs the guest's kernel"]
fn of_ipvlans_on_one_parent() {
    let world = World::new();
    card(&world, "card");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("--type ipvlan card {} 10.0.0.5/24", a.target())).ok();
    let said = refused(&b, "--type ipvlan card", "10.0.0.5/24");
    assert!(said.contains(&format!("10.0.0.5 is already the address of eth1 of {}", a.pid)), "{said}");
    // Where it cannot be found, the kernel refuses it all the same.
    world.sh("rm /run/netns/*").ok();
    let said = refused(&b, "--type ipvlan card", "10.0.0.5/24");
    assert!(said.contains("(another ipvlan on the same uplink has it: choose another address)"), "{said}");
}
