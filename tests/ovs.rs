//! Bridges of Open vSwitch: what an attach leaves there, and that a failure leaves nothing.
mod support;

use std::process::Stdio;

use serde_json::json;
use support::{
    Called, Container, Docker, IN_USERSPACE, Ovs, World, addresses, container_with_routes, fails, finish,
    flag, replace_vsctl, rpipe_with_path, unchanged, with_vsctl,
};

#[test]
fn what_pipework_leaves_is_there() {
    for called in [Called::Rpipe, Called::Pipework] {
        let world = World::new();
        let ovs = Ovs::new(&world);
        ovs.bridge("ovs0", "10.0.0.1/24");
        ovs.vsctl("set Interface ovs0 mtu_request=1400").ok();
        let container = container_with_routes(&world);
        world.called(called, &format!("ovs0 {} 10.0.0.2/24@10.0.0.1 @10", container.target())).ok();

        let port = format!("veth1pl{}", container.pid);
        assert_eq!(ovs.ports("ovs0").join(" "), port);
        let host = world.link(&port);
        assert_eq!(host["linkinfo"]["info_kind"], "veth");
        assert_eq!(host["mtu"], 1400);
        assert!(flag(&host, "UP") && flag(&host, "LOWER_UP"), "{host}");

        let inside = container.link("eth1");
        assert_eq!(inside["mtu"], 1400);
        assert!(flag(&inside, "UP"), "{inside}");
        assert_eq!(addresses(&inside), ["10.0.0.2/24"]);
        assert_eq!(container.ip_json("route show default")[0]["gateway"], "10.0.0.1");

        assert_eq!(ovs.find("tag", "Port", &port), 10);
        let mut expected = json!({
            "rpipe.interface": port,
            "rpipe.bridge": "ovs0",
            "rpipe.containername": container.pid,
            "rpipe.nspid": container.pid,
            "rpipe.vlan": "10",
        });
        if called == Called::Pipework {
            // Names are Docker's there, and this is no container of Docker.
            expected = json!({
                "pipework.interface": port,
                "pipework.bridge": "ovs0",
                "pipework.nspid": container.pid,
                "pipework.vlan": "10",
            });
        }
        assert_eq!(json!(ovs.ids("Interface", &port)), expected);
        assert_eq!(world.link("ovs0")["mtu"], 1400, "the bridge is as it was");
    }
}

#[test]
fn the_record_names_the_engines_container() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    let id = docker.run("web", "--network none");
    world.line(&format!("ovs0 -l wire {} 10.0.0.2/24", &id[..12])).ok();
    let ids = ovs.ids("Interface", "wire");
    assert_eq!(ids["rpipe.containerid"], json!(id));
    assert_eq!(ids["rpipe.containername"], "web");
    assert_eq!(ids["rpipe.nspid"], json!(docker.container("web").pid));
}

#[test]
fn containers_answer_each_other_and_the_bridge() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let (a, b) = (world.container(), world.container());
    world.line(&format!("ovs0 {} 10.0.0.2/24", a.target())).ok();
    world.line(&format!("ovs0 {} 10.0.0.3/24,fd00::3/64 02:00:00:00:00:03", b.target())).ok();
    world.line(&format!("ovs0 -i eth2 -l wire {} fd00::2/64", a.target())).ok();
    assert_eq!(b.link("eth1")["address"], "02:00:00:00:00:03");
    assert_eq!(a.links(), ["lo", "eth1", "eth2"]);
    assert_eq!(ovs.ids("Interface", "wire")["rpipe.interface"], "wire");
    assert_eq!(ovs.find("tag", "Port", "wire"), json!(["set", []]));
    a.pings("10.0.0.1");
    a.pings("10.0.0.3");
    a.pings("fd00::3");
}

#[test]
fn a_tag_keeps_them_apart() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let [a, b, c] = [world.container(), world.container(), world.container()];
    world.line(&format!("ovs0 {} 10.0.0.2/24 @10", a.target())).ok();
    world.line(&format!("ovs0 {} 10.0.0.3/24 U:b@10", b.target())).ok();
    world.line(&format!("ovs0 -l other {} 10.0.0.4/24 @20", c.target())).ok();
    a.pings("10.0.0.3");
    assert!(!a.run("ping -n -q -c 2 -i 0.2 -w 1 10.0.0.4").status.success());
    // It was the tag and nothing else.
    ovs.vsctl("set Port other tag=10").ok();
    a.sh("ip neigh flush dev eth1").ok();
    a.pings("10.0.0.4");
}

#[test]
fn an_mtu_of_its_own_leaves_the_bridge_alone() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = world.container();
    world.line(&format!("ovs0 --mtu 1300 -l wire {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(container.link("eth1")["mtu"], 1300);
    assert_eq!(world.link("wire")["mtu"], 1500);
    assert_eq!(world.link("ovs0")["mtu"], 1500);
}

#[test]
fn the_bridge_by_its_address() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = world.container();
    let mac = world.link("ovs0")["address"].as_str().unwrap().to_uppercase();
    let line = format!("mac:{mac} --json {} 10.0.0.2/24 @7", container.target());
    let report: serde_json::Value = serde_json::from_str(&world.line(&line).ok()).unwrap();
    assert_eq!(report["kind"], "veth");
    assert_eq!(report["uplink"], "ovs0");
    assert_eq!(report["vlan"], 7);
    assert_eq!(report["host_ifname"], json!(ovs.ports("ovs0")[0]));
}

#[test]
fn a_vlan_bridge_of_open_vswitch_is_a_bridge() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    ovs.vsctl("add-br fake0 ovs0 30").ok();
    let [a, b] = [world.container(), world.container()];
    world.line(&format!("fake0 -l wire {} 10.0.0.2/24", a.target())).ok();
    world.line(&format!("ovs0 {} 10.0.0.3/24 @30", b.target())).ok();
    assert_eq!(ovs.find("tag", "Port", "wire"), 30);
    a.pings("10.0.0.3");
}

#[test]
fn the_port_of_a_dead_container_is_replaced() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    ovs.bridge("ovs1", "10.1.0.1/24");
    let [old, new, next] = [world.container(), world.container(), world.container()];
    world.line(&format!("ovs0 -l wire {} 10.0.0.2/24 @10", old.target())).ok();
    // The pair goes as it goes with the container's namespace; the record stays.
    old.ip("link del eth1");
    assert_eq!(ovs.ports("ovs0"), ["wire"]);
    world.line(&format!("ovs0 -l wire {} 10.0.0.2/24", new.target())).ok();
    assert_eq!(ovs.ports("ovs0"), ["wire"]);
    assert_eq!(ovs.find("tag", "Port", "wire"), json!(["set", []]));
    let ids = ovs.ids("Interface", "wire");
    assert_eq!(ids["rpipe.nspid"], json!(new.pid));
    assert!(!ids.contains_key("rpipe.vlan"), "{ids:?}");
    new.pings("10.0.0.1");

    // What pipework left is replaced as well, on whichever bridge it is.
    new.ip("link del eth1");
    ovs.vsctl("clear Interface wire external_ids").ok();
    ovs.vsctl("set Interface wire external_ids:pipework.nspid=1").ok();
    world.line(&format!("ovs1 -l wire {} 10.1.0.2/24", next.target())).ok();
    assert_eq!((ovs.ports("ovs0"), ovs.ports("ovs1")), (vec![], vec!["wire".to_owned()]));
    next.pings("10.1.0.1");
}

#[test]
fn a_port_of_somebody_elses_is_not_replaced() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    // A tap of a virtual machine that is not running.
    ovs.vsctl("--no-wait add-port ovs0 vm1").ok();
    let container = container_with_routes(&world);
    let said = fails(&ovs, &container, "ovs0 -l vm1", "10.0.0.2/24");
    assert_eq!(
        said,
        "rpipe: port \"vm1\" of Open vSwitch: exists already and is no container's (choose another name with -l)"
    );
    // One that is alive has a link, which is a name that is taken.
    let other = world.container();
    world.line(&format!("ovs0 -l wire {} 10.0.0.3/24", other.target())).ok();
    let said = fails(&ovs, &container, "ovs0 -l wire", "10.0.0.2/24");
    assert!(said.contains("host interface \"wire\": exists already"), "{said}");
}

#[test]
fn a_later_failure_takes_the_port_back() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    container.ip("route add 10.9.9.9/32 dev eth0");
    let said = fails(&ovs, &container, "ovs0", "10.0.0.2/24@10.9.9.9 @10");
    assert!(said.contains("10.9.9.9"), "{said}");
}

#[test]
fn what_a_bridge_cannot_have_is_refused() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let said = fails(&ovs, &container, "ovs0 --mode private", "10.0.0.2/24");
    assert!(said.contains("\"ovs0\" is a bridge"), "{said}");
    let said = fails(&ovs, &container, "ovs0 --direct-phys", "10.0.0.2/24");
    assert!(said.contains("uplink \"ovs0\": is a bridge, which cannot move"), "{said}");
}

#[test]
fn a_port_as_uplink_is_refused() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    ovs.vsctl("add-port ovs0 inner -- set Interface inner type=internal").ok();
    let container = container_with_routes(&world);
    let said = fails(&ovs, &container, "inner", "10.0.0.2/24");
    assert!(said.contains("uplink \"inner\": is a port of Open vSwitch"), "{said}");
    assert!(said.contains("name the bridge instead"), "{said}");
}

#[test]
fn a_tap_of_somebody_elses_is_a_parent() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    world.ip("tuntap add tap0 mode tap");
    let container = world.container();
    world.line(&format!("tap0 {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");
}

#[test]
fn a_bridge_is_made_with_an_address_that_stays() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    let [a, b] = [world.container(), world.container()];
    let attach = |container: &Container, address: &str| {
        finish(with_vsctl(&world, IN_USERSPACE).args(["ovs7", &container.target(), address]))
    };
    attach(&a, "10.0.0.2/24").ok();
    let mac = world.link("ovs7")["address"].clone();
    attach(&b, "10.0.0.3/24").ok();
    assert_eq!(world.link("ovs7")["address"], mac);
    assert_eq!(ovs.find("other_config", "Bridge", "ovs7"), json!(["map", [["hwaddr", mac]]]));
    assert_eq!(json!(ovs.ids("Bridge", "ovs7")), json!({"rpipe.created": "1"}));
    assert_eq!(world.link("ovs7")["ifalias"], "rpipe 1 bridge");
    a.pings("10.0.0.3");
}

#[test]
fn a_bridge_that_was_made_is_gone_again() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    // So that the userspace datapath itself, which is an interface, is there from the start.
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    container.ip("route add 10.9.9.9/32 dev eth0");
    let said = unchanged(
        &ovs,
        &container,
        with_vsctl(&world, IN_USERSPACE).args(["ovs7", &container.target(), "10.0.0.2/24@10.9.9.9"]),
    );
    assert!(said.contains("10.9.9.9"), "{said}");
}

#[test]
fn two_at_once_make_one_bridge() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    // Each asks and makes its bridge in the time of the others.
    replace_vsctl(&world, IN_USERSPACE);
    let containers: Vec<_> = (0..4).map(|_| world.container()).collect();
    let start = |(number, container): (usize, &Container)| {
        let address = format!("10.0.0.{}/24", number + 2);
        let mut command = rpipe_with_path(&world);
        command.args(["ovs7", &container.target(), &address]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = containers.iter().enumerate().map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(ovs.ports("ovs7").len(), 4);
    containers[0].pings("10.0.0.5");
}
