//! More than one way out: metrics, further routes, macvlan modes, an MTU of one's own.
mod support;

use support::{Container, World, assert_same, snapshot};

fn routes(container: &Container, family: &str) -> Vec<String> {
    let text = container.run(&format!("ip {family} route")).ok();
    let ours = text.lines().filter(|line| line.contains("proto static"));
    ours.map(|line| line.replace(" pref medium", "").trim_end().to_owned()).collect()
}

#[test]
fn routes_go_over_the_gateway_of_their_family() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let words = "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1";
    let more =
        "--route 10.5.0.0/16 --route 10.6.0.0/16@10.9.9.9 --route fd01::/32 --route 10.9.9.0/24@10.9.9.9";
    world.line(&format!("br0 --metric 50 {more} {} {words}", container.target())).ok();
    assert_eq!(
        routes(&container, "-4"),
        [
            "default via 10.0.0.1 dev eth1 proto static metric 50",
            "10.5.0.0/16 via 10.0.0.1 dev eth1 proto static metric 50",
            "10.6.0.0/16 via 10.9.9.9 dev eth1 proto static metric 50",
            "10.9.9.0/24 via 10.9.9.9 dev eth1 proto static metric 50",
            "10.9.9.9 dev eth1 proto static scope link",
        ]
    );
    assert_eq!(
        routes(&container, "-6"),
        [
            "fd01::/32 via fd00::1 dev eth1 proto static metric 50",
            "default via fd00::1 dev eth1 proto static metric 50",
        ]
    );
}

/// Each gateway is reached over this interface, whatever the container knows of it otherwise.
#[test]
fn gateways_off_the_subnet_and_on_that_of_another_interface() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = support::container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    // The first one is equal to the network of the address, but for its metric.
    let more = "--metric 9 --route 10.0.0.0/24@10.0.0.9 --route 10.20.0.0/16@10.9.9.9 --route 10.30.0.0/16@172.17.0.9 \
                --route fd20::/16@fd09::9 --route fd30::/16@fe80::9 --route 10.40.0.7/32 --route fd40::7/128";
    let line = format!("br0 --no-default {more} {} 10.0.0.2/24@10.0.0.1,fd00::2/64", container.target());
    world.line(&line).ok();
    let ours = |family| {
        let all = routes(&container, family).into_iter();
        all.filter(|line| line.contains("dev eth1")).collect::<Vec<_>>()
    };
    assert_eq!(
        ours("-4"),
        [
            "10.0.0.0/24 via 10.0.0.9 dev eth1 proto static metric 9",
            "10.9.9.9 dev eth1 proto static scope link",
            "10.20.0.0/16 via 10.9.9.9 dev eth1 proto static metric 9",
            "10.30.0.0/16 via 172.17.0.9 dev eth1 proto static metric 9",
            "10.40.0.7 via 10.0.0.1 dev eth1 proto static metric 9",
            "172.17.0.9 dev eth1 proto static scope link",
        ]
    );
    assert_eq!(
        ours("-6"),
        [
            "fd09::9 dev eth1 proto static metric 1024",
            "fd20::/16 via fd09::9 dev eth1 proto static metric 9",
            "fd30::/16 via fe80::9 dev eth1 proto static metric 9",
            "fd40::7 dev eth1 proto static metric 9",
        ]
    );
    let again = world.line(&format!("--json {line}")).ok();
    assert!(again.contains("\"changed\":false"), "{again}");
    // A change that fails puts all of them back, the ways to the gateways first.
    container.ip("addr add fd00::99/128 dev eth0 nodad");
    let state = snapshot(&world, &[&container]);
    let words = format!("{} 10.0.0.3/24,fd00::3/64@fd00::99", container.target());
    let said = world.line(&format!("--replace br0 {words}")).refused(1);
    assert!(said.contains("fd00::99"), "{said}");
    assert_same(&state, &snapshot(&world, &[&container]), &said);
    container.ip("addr del fd00::99/128 dev eth0");
    world.line(&format!("detach {}", container.target())).ok();
    assert_same(&before, &snapshot(&world, &[&container]), "detached");
}

#[test]
fn a_default_route_of_another_metric_stays() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    container
        .sh("ip link add eth0 type veth peer name other; ip link set eth0 up; ip link set other up
             ip addr add 172.17.0.2/16 dev eth0
             ip route add default via 172.17.0.1 dev eth0 metric 5")
        .ok();
    let target = container.target();
    world.line(&format!("br0 -i eth1 --metric 7 {target} 10.0.0.2/24@10.0.0.1")).ok();
    world.line(&format!("br0 -i eth2 {target} 10.0.1.2/24@10.0.1.1")).ok();
    world.line(&format!("br0 -i eth3 --no-default {target} 10.0.2.2/24@10.0.2.1")).ok();
    let defaults = container.run("ip -4 route show default").ok();
    assert_eq!(
        defaults.lines().map(str::trim_end).collect::<Vec<_>>(),
        [
            "default via 10.0.1.1 dev eth2 proto static",
            "default via 172.17.0.1 dev eth0 metric 5",
            "default via 10.0.0.1 dev eth1 proto static metric 7",
        ]
    );
    // The one of the same metric is replaced, and only that one.
    world.line(&format!("br0 -i eth4 --metric 5 {target} 10.0.3.2/24@10.0.3.1")).ok();
    let defaults = container.run("ip -4 route show default").ok();
    assert!(defaults.contains("via 10.0.3.1 dev eth4 proto static metric 5"), "{defaults}");
    assert!(!defaults.contains("172.17.0.1"), "{defaults}");
    assert_eq!(defaults.lines().count(), 3, "{defaults}");
}

#[test]
fn a_route_that_is_refused_undoes_the_attach() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    // The kernel makes this route itself with the address, under the same metric.
    let words = "--route 10.0.0.0/24 10.0.0.2/24";
    let said = world.line(&format!("br0 {} {words}", container.target())).refused(1);
    assert!(said.contains("10.0.0.0/24") && said.contains("File exists"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
fn every_mode_of_a_macvlan_and_an_mtu() {
    let world = World::new();
    for mode in ["bridge", "private", "vepa", "passthru"] {
        let card = format!("c{mode}");
        world.ip(&format!("link add {card} type veth peer name p{mode}"));
        let container = world.container();
        world.line(&format!("{card} --mode {mode} --mtu 1400 {} 10.0.0.2/24", container.target())).ok();
        let link = container.link("eth1");
        assert_eq!(link["linkinfo"]["info_data"]["mode"], *mode);
        assert_eq!(link["mtu"], 1400);
    }
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let said = world.line(&format!("br0 --mode vepa {} 10.0.0.2/24", container.target())).refused(1);
    assert!(said.contains("--mode"), "{said}");
    world.line(&format!("br0 --mtu 9000 {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(container.link("eth1")["mtu"], 9000);
    // A smaller one is the container's alone: a bridge is as small as its smallest port.
    world.line(&format!("br0 -i eth2 --mtu 1400 {} 10.0.1.2/24", container.target())).ok();
    assert_eq!(container.link("eth2")["mtu"], 1400);
    assert_eq!(world.link("br0")["mtu"], 1500);
}

#[test]
fn words_that_cannot_mean_anything() {
    let world = World::new();
    for words in [
        "--mode x",
        "--mtu 67",
        "--mtu 65536",
        "--mtu 1000,fd00::2/64",
        "--metric 0",
        "--metric -1",
        "--route 10.0.0.1/8",
        "--route 0.0.0.0/0",
        "--route 10.0.0.0/8@fd00::1",
        "--route 10.0.0.0/8@10.0.0.2",
        "--route nonsense",
    ] {
        let (words, more) = words.split_once(',').unwrap_or((words, "10.0.0.2/24"));
        world.line(&format!("{words} br0 pid:1 {more}")).refused(2);
    }
}
