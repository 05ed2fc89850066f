//! Every form of pipework's grammar, called as rpipe and as pipework, leaves what pipework left; and its bugs are gone.
//!
//! VLANs and dummies are in `vlan.rs` and `kinds.rs`, Open vSwitch and DHCP in files of their own, InfiniBand in
//! `ipoib.rs`, `--direct-phys` in `direct.rs`: each of them by both names too.
mod support;

use support::{
    Called, Container, RPIPE, World, addresses, assert_same, container_with_routes, finish, flag, names,
    snapshot,
};

const BOTH: [Called; 2] = [Called::Rpipe, Called::Pipework];

/// A bridge with an MTU of its own and the gateway 10.0.0.1, and a card.
fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
        .sh("ip addr add fd00::1/64 dev br0 nodad
             for link in br0p br0; do ip link set $link mtu 1420; done
             ip link add card mtu 1400 address 02:00:00:00:00:ca type veth peer name other
             for link in card other; do ip link set $link addrgenmode none; done
             ip link set other up; ip link set card up; ip link set card down")
        .ok();
    world
}

/// Calls the line by both names, each in a world of its own, and looks at what it left. TARGET stands for the container.
#[track_caller]
fn leaves(line: &str, look: impl Fn(&World, &Container)) {
    for called in BOTH {
        let world = world();
        let container = container_with_routes(&world);
        let line = line.replace("TARGET", &container.target());
        let said = world.called(called, &line).ok();
        assert_eq!(said, "", "{called:?} is not silent: {line}");
        look(&world, &container);
        let entries = world.sh("ls /run/netns").ok();
        let expected = if called == Called::Rpipe { format!("{}\n", container.pid) } else { String::new() };
        assert_eq!(entries, expected, "{called:?}: {line}");
    }
}

fn default_gateway(container: &Container, family: &str) -> String {
    let routes = container.ip_json(&format!("{family} route show default"));
    assert_eq!(routes.as_array().unwrap().len(), 1, "{routes}");
    routes[0]["gateway"].as_str().unwrap().to_owned()
}

#[test]
fn a_bridge() {
    leaves("br0 TARGET 10.0.0.2/24", |world, container| {
        let host = world.link(&format!("veth1pl{}", container.pid));
        assert_eq!((&host["master"], &host["mtu"]), (&"br0".into(), &1420.into()));
        assert_eq!(host["linkinfo"]["info_kind"], "veth");
        assert!(flag(&host, "UP"));
        let inside = container.link("eth1");
        assert_eq!(inside["mtu"], 1420);
        assert!(flag(&inside, "UP"));
        assert_eq!(addresses(&inside), ["10.0.0.2/24"]);
        assert_eq!(inside["addr_info"][0]["broadcast"], "10.0.0.255");
        // No gateway was named, so the way out is as it was.
        assert_eq!(default_gateway(container, ""), "172.17.0.1");
        container.pings("10.0.0.1");
    });
}

#[test]
fn names_and_a_family_of_ones_own() {
    leaves("br0 -i lan0 -l host0 -a 4 TARGET 10.0.0.2/24 02:00:00:00:00:02", |world, container| {
        assert_eq!(world.link("host0")["master"], "br0");
        assert_eq!(container.link("lan0")["address"], "02:00:00:00:00:02");
    });
    leaves("br0 TARGET -a 6 fd00::2/64@fd00::1 -i lan0", |_, container| {
        assert_eq!(addresses(&container.link("lan0")), ["fd00::2/64"]);
        assert_eq!(default_gateway(container, "-6"), "fd00::1");
        container.pings("fd00::1");
    });
}

#[test]
fn a_bridge_that_does_not_exist() {
    leaves("br1 TARGET 10.0.0.2/24", |world, container| {
        let bridge = world.link("br1");
        assert_eq!(bridge["linkinfo"]["info_kind"], "bridge");
        assert!(flag(&bridge, "UP"));
        assert_eq!(world.link(&format!("veth1pl{}", container.pid))["master"], "br1");
    });
}

#[test]
fn a_parent() {
    leaves("card TARGET 192.168.0.2/24", |world, container| {
        assert!(flag(&world.link("card"), "UP"));
        let inside = container.link("eth1");
        assert_eq!(inside["linkinfo"]["info_kind"], "macvlan");
        assert_eq!(inside["linkinfo"]["info_data"]["mode"], "bridge");
        assert_eq!(inside["mtu"], 1400);
        assert_eq!(addresses(&inside), ["192.168.0.2/24"]);
    });
}

#[test]
fn an_uplink_by_its_address_in_any_case() {
    for uplink in ["mac:02:00:00:00:00:ca", "mac:02:00:00:00:00:CA"] {
        leaves(&format!("{uplink} TARGET 192.168.0.2/24"), |_, container| {
            assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");
        });
    }
}

#[test]
fn gateways() {
    leaves("br0 TARGET 10.0.0.2/24@10.0.0.1", |_, container| {
        assert_eq!(default_gateway(container, ""), "10.0.0.1");
    });
    // Off the link: a route to the gateway comes first, of the right length.
    leaves("br0 TARGET 10.9.9.9/32@10.0.0.1", |_, container| {
        assert_eq!(default_gateway(container, ""), "10.0.0.1");
        assert_eq!(container.ip_json("route get 10.0.0.1")[0]["dev"], "eth1");
        assert_eq!(container.ip_json("route show 10.0.0.1/32")[0]["scope"], "link");
    });
    leaves("br0 TARGET fd09::9/128@fd00::1", |_, container| {
        assert_eq!(default_gateway(container, "-6"), "fd00::1");
        assert_eq!(container.ip_json("-6 route show fd00::1/128")[0]["dev"], "eth1");
    });
}

#[test]
fn no_address() {
    leaves("br0 TARGET 0/0", |_, container| {
        let inside = container.link("eth1");
        assert!(flag(&inside, "UP"));
        assert_eq!(addresses(&inside), [""; 0]);
        assert_eq!(default_gateway(container, ""), "172.17.0.1");
    });
    leaves("br0 TARGET 0/0@10.0.0.1", |_, container| {
        assert_eq!(addresses(&container.link("eth1")), [""; 0]);
        assert_eq!(default_gateway(container, ""), "10.0.0.1");
    });
}

#[test]
fn an_address_made_of_a_word() {
    leaves("br0 TARGET 10.0.0.2/24 U:myhost.foo.com", |_, container| {
        assert_eq!(container.link("eth1")["address"], "02:72:6c:cd:9b:8d");
    });
}

#[test]
fn a_second_interface_and_a_second_container() {
    for called in BOTH {
        let world = world();
        let (a, b) = (world.container(), world.container());
        for line in [
            format!("br0 {} 10.0.0.2/24", a.target()),
            format!("br0 -i eth2 {} 10.0.0.3/24", a.target()),
            format!("br0 {} 10.0.0.4/24", b.target()),
        ] {
            world.called(called, &line).ok();
        }
        assert_eq!(a.links(), ["lo", "eth1", "eth2"]);
        b.pings("10.0.0.2");
    }
}

#[test]
fn tools_in_the_container() {
    for called in BOTH {
        let world = world();
        let container = container_with_routes(&world);
        let target = container.target();
        let line = format!("route {target} add 10.8.0.0/16 via 172.17.0.9 dev eth0 metric 5");
        world.called(called, &line).ok();
        assert_eq!(container.ip_json("route show 10.8.0.0/16")[0]["gateway"], "172.17.0.9");
        let shown = world.called(called, &format!("route {target} show 10.8.0.0/16")).ok();
        assert!(shown.contains("via 172.17.0.9"), "{shown}");
        world.called(called, &format!("rule {target} add from 10.8.0.1 table 100")).ok();
        let rules = world.called(called, &format!("rule {target} show")).ok();
        assert!(rules.contains("from 10.8.0.1 lookup 100"), "{rules}");
        let line = format!("tc {target} qdisc add dev eth0 root tbf rate 1mbit burst 10kb latency 50ms");
        world.called(called, &line).ok();
        assert!(container.run("tc qdisc show dev eth0").ok().contains("tbf"));
        // Dashes are the tool's, and so is its exit status.
        let line = format!("tc {target} -s qdisc show dev eth0");
        assert!(world.called(called, &line).ok().contains("Sent"));
        assert_eq!(world.called(called, &format!("route {target} add nonsense")).code(), 1);
        assert_eq!(world.called(called, &format!("tc {target} qdisc show dev nosuch")).code(), 1);
        assert_eq!(world.sh("ip rule show; tc qdisc show").ok().matches("tbf").count(), 0, "not on the host");
    }
}

#[test]
fn waiting_inside_ends_with_the_carrier() {
    for called in BOTH {
        let world = world();
        let container = world.container();
        world.sh(&format!("ln -sf {RPIPE} /run/rpipe; ln -sf {RPIPE} /run/pipework")).ok();
        let name = if called == Called::Rpipe { "rpipe" } else { "pipework" };
        for (words, address) in [("", "10.0.0.2/24"), ("-i eth2", "10.0.0.3/24")] {
            let mut waiting = container
                .command(format!("/run/{name}"))
                .arg("--wait")
                .args(words.split_whitespace())
                .spawn()
                .unwrap();
            let line = format!("br0 {words} {} {address}", container.target());
            world.called(called, &line).ok();
            assert!(waiting.wait().unwrap().success(), "{called:?} {words}");
        }
    }
}

/// pipework prints its grammar and fails when words are missing; nothing is looked at.
#[test]
fn missing_words_as_pipework() {
    let world = world();
    let container = container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    for line in
        ["", "br0", &format!("br0 {}", container.target()), "route", &format!("route {}", container.target())]
    {
        let output = world.called(Called::Pipework, line);
        assert_eq!((output.code(), output.stderr.as_str()), (1, ""), "{line}: {output:?}");
        assert!(output.stdout.starts_with("Syntax:\npipework "), "{line}: {output:?}");
    }
    assert_same(&before, &snapshot(&world, &[&container]), "no words");
}

/// What fails with 1 or 2 as rpipe fails with 1 as pipework, on one line under that name.
#[test]
fn failures_as_pipework() {
    let world = world();
    let container = container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    for line in [
        "nosuch TARGET 10.0.0.2/24",
        "mac:02:00:00:00:00:99 TARGET 10.0.0.2/24",
        "br0 nosuch 10.0.0.2/24",
        "br0 TARGET 10.0.0.2",
        "br0 TARGET 10.0.0.2/24@10.0.0.0",
        "br0 -i eth0 TARGET 10.0.0.2/24",
        "br0 -i much-too-long-for-a-name TARGET 10.0.0.2/24",
        "br0 TARGET 10.0.0.2/24 zz:00:00:00:00:00",
        "br0 TARGET 10.0.0.2/24 @4095",
        "br0p TARGET 10.0.0.2/24",
        "--no-such-flag br0 TARGET 10.0.0.2/24",
    ] {
        let output = world.called(Called::Pipework, &line.replace("TARGET", &container.target()));
        assert_eq!((output.code(), output.stdout.as_str()), (1, ""), "{line}: {output:?}");
        assert!(
            output.stderr.starts_with("pipework: ") && output.stderr.lines().count() == 1,
            "{line}: {output:?}"
        );
        assert_same(&before, &snapshot(&world, &[&container]), line);
    }
}

/// rpipe's other verbs are interfaces to pipework.
#[test]
fn verbs_of_rpipe_are_interfaces_to_pipework() {
    let world = world();
    let container = world.container();
    for verb in ["attach", "run", "exec", "help", "completions", "wait"] {
        world.ip(&format!("link add name {verb} type bridge"));
        let line = format!("{verb} -i {verb} {} 10.0.0.2/24", container.target());
        world.called(Called::Pipework, &line).ok();
        assert_eq!(container.link(verb)["ifname"], verb);
    }
}

// From here on: pipework's bugs.

#[test]
fn a_failure_leaves_nothing() {
    for called in BOTH {
        let world = world();
        let container = container_with_routes(&world);
        container.ip("addr add fd00::99/64 dev eth0 nodad");
        let before = snapshot(&world, &[&container]);
        for uplink in ["br0", "br7", "card"] {
            let line = format!("{uplink} {} 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::99", container.target());
            assert_eq!(world.called(called, &line).code(), 1);
            assert_same(&before, &snapshot(&world, &[&container]), uplink);
        }
    }
}

/// Also without busybox, without `ip`, without anything: no program is started at all.
#[test]
fn no_program_is_needed() {
    let world = world();
    let container = container_with_routes(&world);
    let line = format!("br0 {} 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1", container.target());
    let args: Vec<_> = line.split(' ').collect();
    finish(world.command("env").args(["-i", "PATH=/nowhere", RPIPE]).args(&args)).ok();
    container.pings("10.0.0.1");
    container.pings("fd00::1");
}

#[test]
fn a_created_bridge_keeps_its_address() {
    for called in BOTH {
        let world = World::new();
        let (a, b) = (world.container(), world.container());
        world.called(called, &format!("br7 {} 10.0.0.2/24 02:00:00:00:00:01", a.target())).ok();
        let address = world.link("br7")["address"].clone();
        world.called(called, &format!("br7 {} 10.0.0.3/24", b.target())).ok();
        a.ip("link del eth1");
        b.ip("link del eth1");
        assert_eq!(world.link("br7")["address"], address, "{called:?}");
    }
}

#[test]
fn long_names_work() {
    for called in BOTH {
        let world = world();
        let container = world.container();
        let line = format!("br0 -i fifteen-letters {} 10.0.0.2/24", container.target());
        world.called(called, &line).ok();
        assert_eq!(addresses(&container.link("fifteen-letters")), ["10.0.0.2/24"]);
    }
}

/// pipework read only the IPv4 default route, and put a /32 before an IPv6 gateway.
#[test]
fn ipv6_is_no_special_case() {
    leaves("br0 TARGET fd00::2/64@fd00::1", |_, container| {
        assert_eq!(default_gateway(container, "-6"), "fd00::1");
        assert_eq!(default_gateway(container, ""), "172.17.0.1", "the other family's is left alone");
    });
}

/// The same name in the same container twice says so and changes nothing.
#[test]
fn a_name_that_is_taken_is_left_alone() {
    for called in BOTH {
        let world = world();
        let container = world.container();
        world.called(called, &format!("br0 {} 10.0.0.2/24", container.target())).ok();
        let before = snapshot(&world, &[&container]);
        let output = world.called(called, &format!("br0 {} 10.0.0.3/24", container.target()));
        assert_eq!(output.code(), 1, "{output:?}");
        assert!(output.stderr.contains("eth1"), "{output:?}");
        assert_same(&before, &snapshot(&world, &[&container]), "taken");
        assert_eq!(names(&container.ip_json("link")), ["lo", "eth1"]);
    }
}
