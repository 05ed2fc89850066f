//! `rpipe doctor`: what can be wrong with a container's interfaces. Each fault is made for real, and is silent again when it
//! is mended.
mod support;

use support::{Container, Ovs, World, json, until};

/// What was found, as `CHECK SUBJECT`, hints with their word in front.
#[track_caller]
fn found(world: &World, words: &str) -> Vec<String> {
    let output = world.line(&format!("doctor --json {words}"));
    assert_eq!(output.stderr, "", "{output:?}");
    let list = json(&output.stdout);
    let line = |finding: &serde_json::Value| {
        let hint = if finding["severity"] == "hint" { "hint " } else { "" };
        format!("{hint}{} {}", finding["check"].as_str().unwrap(), finding["subject"].as_str().unwrap())
    };
    list.as_array().unwrap().iter().map(line).collect()
}

/// Two containers on `br0`, which has a way out and is the gateway of the first.
fn two(world: &World) -> [Container<'_>; 2] {
    world.bridge("br0", "10.0.0.1/24");
    let pair = [world.container(), world.container()];
    world.line(&format!("br0 -l h1 {} 10.0.0.2/24@10.0.0.1", pair[0].target())).ok();
    world.line(&format!("br0 -l h2 {} 10.0.0.3/24,fd00::3/64", pair[1].target())).ok();
    pair
}

#[test]
fn an_address_that_two_have() {
    let world = World::new();
    let [a, b] = two(&world);
    assert_eq!(found(&world, ""), [""; 0]);
    b.ip("addr add 10.0.0.2/24 dev eth1");
    let of = |check: &str, one: &Container| format!("{check} {} eth1", one.target());
    for words in ["", "br0"] {
        let found = found(&world, words);
        assert!(
            found == [of("duplicate_address", &a)] || found == [of("duplicate_address", &b)],
            "{found:?}"
        );
    }
    for one in [&a, &b] {
        assert_eq!(found(&world, &one.target()), [of("duplicate_address", one)]);
    }
    // Nobody asked about these.
    let other = world.container();
    world.ip("link add br1 type bridge");
    world.sh("ip addr add 10.1.0.1/24 dev br1; ip link set br1 up").ok();
    world.line(&format!("br1 {} 10.1.0.2/24", other.target())).ok();
    assert_eq!(found(&world, &other.target()), [""; 0]);
    b.ip("addr del 10.0.0.2/24 dev eth1");
    b.ip("addr add 10.0.0.1/24 dev eth1");
    assert_eq!(found(&world, &b.target()), [of("duplicate_address", &b)], "the host's own");
    b.ip("addr del 10.0.0.1/24 dev eth1");
    let mac = a.link("eth1")["address"].as_str().unwrap().to_owned();
    b.ip(&format!("link set eth1 address {mac}"));
    assert!(found(&world, &b.target()).contains(&of("duplicate_mac", &b)), "{:?}", found(&world, ""));
}

#[test]
fn an_ipv6_address_that_was_refused() {
    let world = World::new();
    let [a, b] = two(&world);
    assert_eq!(found(&world, ""), [""; 0]);
    // The other does not answer for it by an attachment that rpipe knows of.
    world.ip("addr add fd00::9/64 dev br0 nodad");
    a.sh("for name in all eth1; do echo 1 >/proc/sys/net/ipv6/conf/$name/accept_dad; done").ok();
    a.ip("addr add fd00::9/64 dev eth1");
    until("the kernel has found out", || !a.run("ip -6 addr show dev eth1 dadfailed").ok().is_empty());
    let said = world.line(&format!("doctor {}", a.target())).stdout;
    assert!(said.contains("eth1 cannot use fd00::9: somebody else on the link has it"), "{said}");
    assert_eq!(found(&world, &b.target()), [""; 0]);
}

#[test]
fn a_gateway_that_does_not_answer() {
    let world = World::new();
    let [a, b] = two(&world);
    world.ip("addr del 10.0.0.1/24 dev br0");
    world.ip("addr add 10.0.0.7/24 dev br0");
    b.ip("-6 route add default via fd00::1");
    let said = world.line("doctor").stdout;
    assert_eq!(
        found(&world, ""),
        [a.target(), b.target()].map(|target| format!("gateway_silent {target} eth1"))
    );
    assert!(said.contains("eth1 has the gateway 10.0.0.1, which does not answer ARP"), "{said}");
    assert!(
        said.contains("eth1 has the gateway fd00::1, which does not answer neighbour discovery"),
        "{said}"
    );
    world.ip("addr add 10.0.0.1/24 dev br0");
    world.ip("addr add fd00::1/64 dev br0 nodad");
    assert_eq!(found(&world, ""), [""; 0]);
}

#[test]
fn an_end_that_is_down() {
    let world = World::new();
    let [a, b] = two(&world);
    let down = [format!("attachment_down {} eth1", a.target())];
    for (fault, mend) in
        [("link set h1 down", "link set h1 up"), ("link set h1 nomaster", "link set h1 master br0")]
    {
        world.ip(fault);
        assert_eq!(found(&world, &a.target()), down, "{fault}");
        assert_eq!(found(&world, &b.target()), [""; 0]);
        world.ip(mend);
        assert_eq!(found(&world, ""), [""; 0], "{mend}");
    }
    a.ip("link set eth1 down");
    let said = world.line("doctor").stdout;
    let target = a.target();
    assert_eq!(said, format!("{target} eth1 is down\n    rpipe exec {target} -- ip link set eth1 up\n"));
}

#[test]
fn two_default_routes() {
    let world = World::new();
    let [a, _] = two(&world);
    a.sh("ip link add eth0 type veth peer name eth0p
          ip link set eth0 up; ip link set eth0p up
          ip addr add 172.17.0.2/16 dev eth0")
        .ok();
    let target = a.target();
    a.ip("route append default via 172.17.0.1 dev eth0");
    assert_eq!(found(&world, ""), [format!("two_default_routes {target}")]);
    a.ip("route del default via 172.17.0.1");
    a.ip("route add default via 172.17.0.1 dev eth0 metric 50");
    assert_eq!(found(&world, ""), [format!("hint two_default_routes {target}")]);
    a.ip("route del default via 172.17.0.1");
    a.ip("route add default via 10.0.0.1 dev eth1 metric 50");
    assert_eq!(found(&world, ""), [""; 0], "one interface, two metrics");
}

#[test]
fn answers_that_are_dropped() {
    let world = World::new();
    let [a, _] = two(&world);
    let target = a.target();
    a.sh("ip link add eth0 type veth peer name eth0p
          ip link set eth0 up; ip link set eth0p up
          ip addr add 172.17.0.2/16 dev eth0
          echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
          echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter")
        .ok();
    assert_eq!(found(&world, &target), [""; 0]);
    a.run("sysctl -qw net.ipv4.conf.all.rp_filter=1").ok();
    assert_eq!(found(&world, &target), [format!("hint rp_filter {target}")]);
    let said = world.line(&format!("doctor {target}"));
    assert_eq!(said.code(), 0, "it is a hint");
    assert!(said.stdout.contains("eth0 drops what comes from other networks"), "{said:?}");
    a.run("sysctl -qw net/ipv4/conf/eth0/rp_filter=2").ok();
    assert_eq!(found(&world, &target), [""; 0], "loose is enough");
    a.run("sysctl -qw net/ipv4/conf/eth0/rp_filter=1").ok();
    a.ip("rule add from 172.17.0.2 table 100");
    assert_eq!(found(&world, &target), [""; 0], "a rule is enough");
}

#[test]
fn packets_that_are_too_large() {
    let world = World::new();
    let [a, b] = two(&world);
    let target = a.target();
    a.ip("link set eth1 mtu 1400");
    assert_eq!(found(&world, ""), [format!("mtu_mismatch {target} eth1")]);
    world.ip("link set h1 mtu 1400");
    // The bridge follows.
    assert_eq!(found(&world, &target), [""; 0]);
    assert_eq!(found(&world, ""), [format!("hint mtu_mismatch {} eth1", b.target())]);
    world.ip("link set br0 mtu 1500");
    assert_eq!(found(&world, ""), [format!("hint mtu_mismatch {target} eth1")]);
    world.ip("link set h1 mtu 9000");
    a.ip("link set eth1 mtu 9000");
    let said = world.line("doctor").stdout;
    assert!(said.contains("eth1 sends packets of 9000 bytes, and br0p takes 1500"), "{said}");
    assert!(said.contains(&format!("rpipe exec {target} -- ip link set eth1 mtu 1500")), "{said}");
}

#[test]
fn a_macvlan_and_its_host() {
    let world = World::new();
    let (a, b, network) = (world.container(), world.container(), world.container());
    world
        .sh(&format!("ip link add card type veth peer name other netns {}; ip link set card up", network.pid))
        .ok();
    network.ip("link set other up");
    world.line(&format!("card {} 10.0.0.2/24", a.target())).ok();
    assert_eq!(found(&world, ""), [""; 0], "the host has no address there");
    world.ip("addr add 10.0.0.1/24 dev card");
    assert_eq!(found(&world, ""), [format!("hint host_cannot_reach {} eth1", a.target())]);
    world
        .sh("ip link add link card name host0 type macvlan mode bridge
             ip address add 10.0.0.9/32 dev host0; ip link set host0 up; ip route add 10.0.0.2 dev host0")
        .ok();
    assert_eq!(found(&world, ""), [""; 0], "the remedy helps");
    a.pings("10.0.0.9");
    world.line(&format!("card {} 10.0.0.3/24@10.0.0.1", b.target())).ok();
    assert_eq!(found(&world, ""), [""; 0], "the host answers over its own");
    world.ip("link del host0");
    b.ip("neigh flush all");
    assert_eq!(found(&world, &b.target()), [format!("host_cannot_reach {} eth1", b.target())]);
}

#[test]
fn names_of_containers_steer_nothing() {
    let world = World::new();
    let [a, _] = two(&world);
    a.ip("link set eth1 down");
    a.sh("ip link set eth1 name 'a;$(id)'; ip link set 'a;$(id)' up mtu 1600").ok();
    let said = world.line("doctor").stdout;
    assert!(said.contains("-- ip link set 'a;$(id)' mtu 1500"), "{said}");
    a.sh("ip link set 'a;$(id)' name \"$(printf 'a\\033[2J')\"").ok();
    let said = world.line("doctor").stdout + &world.line("doctor --json").stdout;
    assert!(said.contains("mtu") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_port_of_open_vswitch() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.9.9.9/24");
    let container = world.container();
    world.line(&format!("ovs0 -l h1 {} 10.0.0.2/24@10.0.0.1 @10", container.target())).ok();
    let target = container.target();
    // That the bridge's own interface is down keeps nothing from being switched.
    world.ip("link set ovs0 down");
    assert_eq!(found(&world, ""), [format!("gateway_silent {target} eth1")]);
    world.sh("ip link set ovs0 up").ok();
    ovs.vsctl("set port ovs0 tag=10").ok();
    world.ip("addr add 10.0.0.1/24 dev ovs0");
    world.line(&format!("wait {target} --for gateway --timeout 20")).ok();
    assert_eq!(found(&world, ""), [""; 0]);
}
