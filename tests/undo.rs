//! Whatever goes wrong, host and container are afterwards exactly as before.
//!
//! Here by causes that happen; `faults.rs` fails each system call in turn.
mod support;

use support::{World, assert_same, container_with_routes, fails_as_before, snapshot};

#[test]
fn a_name_taken_inside() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let said = fails_as_before(&[&container], "br0 -i eth0", "10.0.0.2/24@10.0.0.1");
    assert!(said.contains("\"eth0\"") && said.contains("-i"), "{said}");
    let said = fails_as_before(&[&container], "br0 -i lo", "10.0.0.2/24@10.0.0.1");
    assert!(said.contains("\"lo\""), "{said}");
}

#[test]
fn a_name_taken_on_the_host() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let said = fails_as_before(&[&container], "br0 -l br0q", "10.0.0.2/24@10.0.0.1");
    assert!(said.contains("\"br0q\"") && said.contains("-l"), "{said}");
    let said = fails_as_before(&[&container], "br0 -l br0", "10.0.0.2/24@10.0.0.1");
    assert!(said.contains("\"br0\""), "{said}");
    // The bridge is made first, so its name is taken when the pair is made.
    let said = fails_as_before(&[&container], "br7 -l br7", "10.0.0.2/24@10.0.0.1");
    assert!(said.contains("br7"), "{said}");
}

#[test]
fn a_host_name_for_a_link_without_a_host_end() {
    let world = World::new();
    world.ip("link add card type veth peer name other");
    let container = container_with_routes(&world);
    let state = snapshot(&world, &[&container]);
    let output = world.line(&format!("card -l h1 {} 10.0.0.2/24", container.target()));
    // A macvlan has no end on the host: the name is either refused or of no effect, never half done.
    if output.code() != 0 {
        let said = output.refused(1);
        assert_same(&state, &snapshot(&world, &[&container]), &said);
    } else {
        assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");
    }
}

#[test]
fn an_uplink_that_cannot_be_one() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let said = fails_as_before(&[&container], "br0p", "10.0.0.2/24@10.0.0.1");
    assert!(said.contains("bridge"), "the bridge is what to name: {said}");
    fails_as_before(&[&container], "lo", "10.0.0.2/24@10.0.0.1");
    fails_as_before(&[&container], "eth9", "10.0.0.2/24@10.0.0.1");
    world.ip("tuntap add tun0 mode tun");
    fails_as_before(&[&container], "tun0", "10.0.0.2/24@10.0.0.1");
}

#[test]
fn a_parent_that_was_set_up_is_down_again() {
    let world = World::new();
    world.ip("link add card mtu 1000 type veth peer name other");
    // The first time up changes what the kernel keeps of a link that is down.
    world.sh("ip link set card up; ip link set card down").ok();
    let container = container_with_routes(&world);
    // IPv6 needs an MTU of 1280: the address is refused after the link was made.
    fails_as_before(&[&container], "card", "fd00::2/64");
}

#[test]
fn an_address_the_kernel_refuses() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("ip link set br0p mtu 1000; ip link set br0 mtu 1000").ok();
    let container = container_with_routes(&world);
    let said = fails_as_before(&[&container], "br0", "10.0.0.2/24@10.0.0.1,fd00::2/64");
    assert!(said.contains("fd00::2/64"), "{said}");
}

#[test]
fn a_bridge_that_was_made_is_gone_again() {
    let world = World::new();
    let container = container_with_routes(&world);
    // The gateway is off the subnet, and another interface has the route to it already.
    container.ip("route add 10.9.9.9/32 dev eth0");
    let said = fails_as_before(&[&container], "br7", "10.0.0.2/24@10.9.9.9");
    assert!(said.contains("10.9.9.9"), "{said}");
}

#[test]
fn the_old_default_route_is_back_after_a_later_failure() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    // The IPv4 route is replaced first; that of IPv6 fails, for its gateway is the container's own address.
    container.ip("addr add fd00::1/64 dev eth0 nodad");
    let said = fails_as_before(&[&container], "br0", "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1");
    assert!(said.contains("fd00::1"), "{said}");
}

#[test]
fn every_kind_of_default_route_comes_back() {
    for (family, default) in [
        ("-4", "default via 172.17.0.1 dev eth0 src 172.17.0.2 mtu 1300 advmss 1200 proto 42"),
        ("-4", "default dev eth0 scope link"),
        ("-4", "default via 10.1.2.3 dev eth0 onlink"),
        ("-4", "default nexthop via 172.17.0.1 dev eth0 weight 3 nexthop via 172.17.0.9 dev eth0"),
        ("-4", "default nhid 7"),
        ("-4", "blackhole default"),
        ("-4", "unreachable default"),
        ("-6", "default via fd17::1 dev eth0 proto 42 mtu 1300 pref high"),
        ("-6", "default dev eth0"),
        ("-6", "default nexthop via fd17::1 dev eth0 nexthop via fd17::9 dev eth0"),
        ("-6", "default nhid 8"),
        ("-6", "unreachable default"),
    ] {
        let world = World::new();
        world.bridge("br0", "10.0.0.1/24");
        let container = container_with_routes(&world);
        container.ip("nexthop add id 7 via 172.17.0.1 dev eth0");
        container.ip("nexthop add id 8 via fd17::1 dev eth0");
        container.ip(&format!("{family} route del default"));
        container.ip(&format!("{family} route add {default}"));
        // The other family's gateway is refused. The kernel goes on after that, so this one's is replaced.
        let failing = if family == "-4" {
            container.ip("addr add fd00::1/64 dev eth0 nodad");
            "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1"
        } else {
            container.ip("route add 10.9.9.9/32 dev eth0");
            "10.0.0.2/24@10.9.9.9,fd00::2/64@fd00::3"
        };
        fails_as_before(&[&container], "br0", failing);

        let working = "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::3";
        world.line(&format!("br0 {} {working}", container.target())).ok();
        let routes = container.sh("ip route show default; ip -6 route show default").ok();
        assert!(routes.contains("via 10.0.0.1 ") && routes.contains("via fd00::3 "), "{default}: {routes}");
        let ours = container.run(&format!("ip {family} route show default")).ok();
        assert_eq!(ours.lines().count(), 1, "{default} was replaced: {ours}");
    }
}

#[test]
fn the_directory_of_the_entries_goes_as_it_came() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    world.sh("rmdir /run/netns").ok();
    let line = format!("br0 {} 10.0.0.2/24@10.0.0.1", container.target());
    let (output, _) = world.strace(&["-e", "inject=sendto:error=ENOBUFS:when=5+"], &support::words(&line));
    output.refused(1);
    assert!(!world.path("/run/netns").exists());
    world.line(&line).ok();
    assert!(world.path("/run/netns").exists());
}

#[test]
fn without_privilege() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let state = snapshot(&world, &[&container]);
    let target = container.target();
    let mut command = world.command("setpriv");
    command.args(["--bounding-set=-net_admin,-sys_admin", "--inh-caps=-all", "--", support::RPIPE]);
    let said = support::finish(command.args(["br0", &target, "10.0.0.2/24"])).refused(1);
    assert!(said.contains("needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN"), "{said}");
    assert_same(&state, &snapshot(&world, &[&container]), &said);
}

#[test]
fn a_bridge_that_is_down_is_set_up_and_back_down() {
    let world = World::new();
    world.ip("link add br0 address 02:00:00:00:00:01 type bridge");
    // The first time up and the first port change what the kernel keeps of a bridge that is down.
    world.line("run br0 10.0.0.2/24 -- true").ok();
    world.ip("link set br0 down");
    let container = container_with_routes(&world);
    // The kernel makes this route itself with the address.
    fails_as_before(&[&container], "br0 --route 10.0.0.0/24", "10.0.0.2/24");
    assert!(!support::flag(&world.link("br0"), "UP"));
    world.line(&format!("br0 {} 10.0.0.2/24", container.target())).ok();
    assert!(support::flag(&world.link("br0"), "LOWER_UP"));
}

#[test]
fn a_bridge_without_ports_keeps_its_mac() {
    let world = World::new();
    // No address of its own was set, so the kernel gives it that of its ports, and none after the last.
    world.ip("link add br0 up type bridge");
    let before = world.link("br0")["address"].clone();
    let container = container_with_routes(&world);
    let target = container.target();
    world.line(&format!("br0 --route 10.0.0.0/24 {target} 10.0.0.2/24")).refused(1);
    assert_eq!(world.link("br0")["address"], before);
    world.line("run br0 10.0.0.2/24 -- true").ok();
    assert_eq!(world.link("br0")["address"], before);
}
