//! What an attach to a bridge makes, with `ip -j -d` as the witness.
mod support;

use serde_json::json;
use support::{Container, World, addresses, assert_same, flag, names, snapshot};

const WORDS: &str = "192.168.0.123/24@192.168.0.1";

/// Attaches, must succeed in silence.
#[track_caller]
fn attach(container: &Container, before: &str, after: &str) {
    let line = format!("{before} {} {after}", container.target());
    assert_eq!(container.world.line(&line).ok(), "", "stdout belongs to --json and --dry-run");
}

/// The default routes of one family as `GATEWAY DEVICE`.
fn defaults(container: &Container, family: &str) -> Vec<String> {
    let routes = container.ip_json(&format!("{family} route show default"));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let list = routes.as_array().unwrap().iter();
    list.map(|route| format!("{} {}", text(&route["gateway"]), text(&route["dev"]))).collect()
}

#[test]
fn both_ends_are_exactly_as_asked() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let container = world.container();
    attach(&container, "br0", WORDS);

    let name = format!("veth1pl{}", container.pid);
    let host = world.link(&name);
    assert_eq!(host["master"], "br0");
    assert_eq!(host["mtu"], 1500);
    assert_eq!(host["linkinfo"]["info_kind"], "veth");
    assert_eq!(host["linkinfo"]["info_slave_data"]["state"], "forwarding");
    assert!(flag(&host, "UP") && flag(&host, "LOWER_UP"), "{host}");
    let mut expected = ["lo", "br0", "br0p", "br0q", &name];
    let mut found = names(&world.ip_json("link"));
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "one new link on the host");

    assert_eq!(container.links(), ["lo", "eth1"]);
    let inside = container.link("eth1");
    assert_eq!(inside["mtu"], 1500);
    assert_eq!(inside["linkinfo"]["info_kind"], "veth");
    assert!(flag(&inside, "UP") && flag(&inside, "LOWER_UP"), "{inside}");
    assert_eq!(addresses(&inside), ["192.168.0.123/24"]);
    assert_eq!(inside["addr_info"][0]["broadcast"], "192.168.0.255");
    let routes = container.ip_json("route show");
    assert_eq!(
        routes,
        json!([
            {"type": "unicast", "dst": "default", "gateway": "192.168.0.1", "dev": "eth1",
             "protocol": routes[0]["protocol"], "scope": "global", "flags": []},
            {"type": "unicast", "dst": "192.168.0.0/24", "dev": "eth1", "protocol": "kernel",
             "scope": "link", "prefsrc": "192.168.0.123", "flags": []},
        ])
    );
    let notify = "cat /proc/sys/net/ipv4/conf/eth1/arp_notify";
    assert_eq!(container.run(notify).ok(), "0\n", "the setting is put back");
}

#[test]
fn bridge_and_containers_answer_each_other() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let (a, b) = (world.container(), world.container());
    attach(&a, "br0", WORDS);
    attach(&b, "br0", "192.168.0.124/24");
    a.pings("192.168.0.1");
    a.pings("192.168.0.124");
    b.pings("192.168.0.123");
    Container::of(&world, "1").pings("192.168.0.123");
    assert_eq!(defaults(&b, "-4"), [""; 0], "no gateway was asked for");
}

#[test]
fn options_stand_anywhere_and_name_both_ends() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let target = container.target();
    let first = "10.0.0.2/24";
    for (line, inside, outside) in [
        (format!("-i a1 -l h1 br0 {target} {first}"), "a1", "h1"),
        (format!("br0 -i a2 {target} -l h2 10.0.0.3/24"), "a2", "h2"),
        (format!("br0 {target} 10.0.0.4/24 -l h3 -i a3"), "a3", "h3"),
        (format!("attach br0 -la-b {target} -ia4 10.0.0.5/24"), "a4", "a-b"),
    ] {
        world.line(&line).ok();
        assert!(flag(&container.link(inside), "UP"), "{line}");
        assert_eq!(world.link(outside)["master"], "br0", "{line}");
    }
}

#[test]
fn a_host_name_that_does_not_fit_is_a_short_one() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let (a, b) = (world.container(), world.container());
    // `v`, fifteen bytes, `pl` and the number are more than the kernel's fifteen.
    attach(&a, "br0 -i abcdefghijklmn1", "10.0.0.2/24");
    attach(&a, "br0 -i abcdefghijklmn2", "10.0.0.3/24");
    attach(&b, "br0 -i abcdefghijklmn1", "10.0.0.4/24");
    assert_eq!(a.links(), ["lo", "abcdefghijklmn1", "abcdefghijklmn2"]);
    let ports = names(&world.ip_json("link show master br0"));
    assert_eq!(ports.len(), 4, "br0p and three of different names: {ports:?}");
    b.pings("10.0.0.3");
}

#[test]
fn the_mtu_is_the_bridges() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("ip link set br0p mtu 9000; ip link set br0q mtu 9000; ip link set br0 mtu 9000").ok();
    let container = world.container();
    attach(&container, "br0 -l h1", "10.0.0.2/24");
    assert_eq!(container.link("eth1")["mtu"], 9000);
    assert_eq!(world.link("h1")["mtu"], 9000);
    assert_eq!(world.link("br0")["mtu"], 9000, "a port of 1500 would have pulled it down");
    container.run("ping -n -q -c 1 -w 10 -M do -s 8000 10.0.0.1").ok();
}

#[test]
fn a_bridge_that_is_not_there_is_made() {
    let world = World::new();
    let (a, b) = (world.container(), world.container());
    attach(&a, "br7 -l h1", "10.0.0.2/24");
    let bridge = world.link("br7");
    assert_eq!(bridge["linkinfo"]["info_kind"], "bridge");
    assert_eq!(bridge["linkinfo"]["info_data"]["stp_state"], 0);
    assert!(flag(&bridge, "UP"), "{bridge}");
    assert_eq!(bridge["mtu"], 1500);
    // NET_ADDR_SET, include/uapi/linux/netdevice.h: somebody chose it, so it stays. sysfs has to be
    // mounted anew to show this namespace's links.
    let assigned = "mount -t sysfs sysfs /sys; cat /sys/class/net/br7/addr_assign_type";
    assert_eq!(world.sh(assigned).ok(), "3\n");

    attach(&b, "br7 -l h2", "10.0.0.3/24 02:00:00:00:00:01");
    a.pings("10.0.0.3");
    world.ip("link add low address 00:00:00:00:00:01 type veth peer name lowp");
    world.ip("link set low master br7 up");
    world.ip("link del h1");
    assert_eq!(world.link("br7")["address"], bridge["address"], "ports came and went");
}

#[test]
fn an_uplink_that_is_not_there_and_no_bridge_by_name_is_refused() {
    let world = World::new();
    let container = world.container();
    let line = format!("eth7 {} 10.0.0.2/24", container.target());
    let said = world.line(&line).refused(1);
    assert!(said.contains("eth7"), "{said}");
    assert_eq!(names(&world.ip_json("link")), ["lo"]);
}

#[test]
fn ipv6_has_address_and_gateway() {
    let world = World::new();
    world.bridge("br0", "fd00::1/64");
    let container = world.container();
    attach(&container, "br0", "fd00::123/64@fd00::1");
    assert_eq!(addresses(&container.link("eth1")), ["fd00::123/64"]);
    assert_eq!(defaults(&container, "-6"), ["fd00::1 eth1"]);
    assert_eq!(defaults(&container, "-4"), [""; 0]);
    Container::of(&world, "1").pings("fd00::123");
}

#[test]
fn ipv6_is_switched_on_where_new_links_come_without_when_asked() {
    let world = World::new();
    world.bridge("br0", "fd00::1/64");
    let container = world.container();
    let off = "for what in all default; do echo 1 >/proc/sys/net/ipv6/conf/$what/disable_ipv6; done";
    container.sh(off).ok();
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("br0 {} fd00::123/64@fd00::1", container.target())).refused(1);
    assert!(said.contains("disable_ipv6 is 1") && said.contains("--enable-ipv6"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
    attach(&container, "br0 --enable-ipv6", "fd00::123/64@fd00::1");
    assert_eq!(addresses(&container.link("eth1")), ["fd00::123/64"]);
    let all = "cat /proc/sys/net/ipv6/conf/default/disable_ipv6 /proc/sys/net/ipv6/conf/lo/disable_ipv6";
    assert_eq!(container.run(all).ok(), "1\n1\n", "only the new link speaks it");
    Container::of(&world, "1").pings("fd00::123");
}

#[test]
fn several_addresses_of_both_families() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.ip("addr add fd00::1/64 dev br0 nodad");
    let container = world.container();
    attach(&container, "br0", "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1,10.0.1.2/16,fd01::2/48");
    let mut found = addresses(&container.link("eth1"));
    found.sort_unstable();
    assert_eq!(found, ["10.0.0.2/24", "10.0.1.2/16", "fd00::2/64", "fd01::2/48"]);
    assert_eq!(defaults(&container, "-4"), ["10.0.0.1 eth1"]);
    assert_eq!(defaults(&container, "-6"), ["fd00::1 eth1"]);
    container.pings("10.0.0.1");
    container.pings("fd00::1");
}

#[test]
fn no_address_is_a_link_that_is_up() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    attach(&container, "br0", "0/0");
    let inside = container.link("eth1");
    assert!(flag(&inside, "UP"), "{inside}");
    assert_eq!(addresses(&inside), [""; 0]);
    assert_eq!(container.ip_json("route show"), json!([]));

    attach(&container, "br0 -i eth2", "0/0@10.0.0.1");
    assert_eq!(addresses(&container.link("eth2")), [""; 0]);
    assert_eq!(defaults(&container, "-4"), ["10.0.0.1 eth2"]);
}

#[test]
fn a_gateway_off_the_subnet_gets_a_host_route() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    world.ip("addr add fd00::1/64 dev br0 nodad");
    world.ip("route add 10.9.9.9/32 dev br0");
    world.ip("route add fd09::9/128 dev br0");
    let container = world.container();
    attach(&container, "br0", "10.9.9.9/32@192.168.0.1,fd09::9/128@fd00::1");
    let routes = container.ip_json("-4 route show 192.168.0.1");
    assert_eq!((&routes[0]["dev"], &routes[0]["scope"]), (&json!("eth1"), &json!("link")));
    assert_eq!(container.ip_json("-6 route show fd00::1")[0]["dev"], "eth1");
    assert_eq!(defaults(&container, "-4"), ["192.168.0.1 eth1"]);
    assert_eq!(defaults(&container, "-6"), ["fd00::1 eth1"]);
    container.pings("192.168.0.1");
    container.pings("fd00::1");
}

#[test]
fn a_link_local_gateway_needs_no_host_route() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.ip("addr add fe80::1/64 dev br0 nodad");
    let container = world.container();
    attach(&container, "br0", "fd00::2/64@fe80::1");
    assert_eq!(defaults(&container, "-6"), ["fe80::1 eth1"]);
    assert_eq!(container.ip_json("-6 route show fe80::1"), json!([]));
}

#[test]
fn the_old_default_route_is_replaced() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    container
        .sh("ip link add old type veth peer name oldp
             ip link set old up; ip link set oldp up
             ip addr add 172.17.0.2/16 dev old
             ip route add default via 172.17.0.1 dev old
             ip addr add fd17::2/64 dev old nodad
             ip -6 route add default via fd17::1 dev old")
        .ok();
    attach(&container, "br0", "10.0.0.2/24@10.0.0.1");
    assert_eq!(defaults(&container, "-4"), ["10.0.0.1 eth1"]);
    assert_eq!(defaults(&container, "-6"), ["fd17::1 old"], "no IPv6 gateway was asked for");
    attach(&container, "br0 -i eth2", "fd00::2/64@fd00::1");
    assert_eq!(defaults(&container, "-6"), ["fd00::1 eth2"]);
}

#[test]
fn a_default_route_of_another_metric_stays() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    container
        .sh("ip link add old type veth peer name oldp
             ip link set old up; ip link set oldp up
             ip addr add 172.17.0.2/16 dev old
             ip route add default via 172.17.0.1 dev old metric 500")
        .ok();
    attach(&container, "br0", "10.0.0.2/24@10.0.0.1");
    assert_eq!(defaults(&container, "-4"), ["10.0.0.1 eth1", "172.17.0.1 old"]);
}

#[test]
fn the_mac_is_the_one_given() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    attach(&container, "br0 -i eth1", "10.0.0.2/24 02:AB:CD:EF:00:9A");
    attach(&container, "br0 -i eth2", "10.0.0.3/24 U:myhost.foo.com");
    assert_eq!(container.link("eth1")["address"], "02:ab:cd:ef:00:9a");
    assert_eq!(container.link("eth2")["address"], "02:72:6c:cd:9b:8d", "as pipework computed it");
}

#[test]
fn the_uplink_can_be_named_by_its_mac() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.ip("link set br0 address 02:00:00:00:00:77");
    let container = world.container();
    attach(&container, "mac:02:00:00:00:00:77 -l h1", "10.0.0.2/24");
    assert_eq!(world.link("h1")["master"], "br0");
    let missing = format!("mac:02:00:00:00:00:78 -i eth2 {} 10.0.0.2/24", container.target());
    let said = world.line(&missing).refused(1);
    assert!(said.contains("02:00:00:00:00:78"), "{said}");
}

#[test]
fn neighbours_are_told_of_the_new_mac() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let (neighbour, new) = (world.container(), world.container());
    attach(&neighbour, "br0", "192.168.0.124/24");
    let old = "neigh replace 192.168.0.123 lladdr 02:00:00:00:00:99 nud reachable dev";
    neighbour.ip(&format!("{old} eth1"));
    world.ip(&format!("{old} br0"));
    attach(&new, "br0", "192.168.0.123/24 02:00:00:00:00:11");
    // A reachable entry is believed for fifteen seconds at least, so only news from outside mends it.
    neighbour.run("ping -n -q -c 1 -w 5 192.168.0.123").ok();
    world.run("ping -n -q -c 1 -w 5 192.168.0.123").ok();
    assert_eq!(neighbour.ip_json("neigh show 192.168.0.123")[0]["lladdr"], "02:00:00:00:00:11");
}

#[test]
fn many_at_once_share_the_bridge_that_one_of_them_makes() {
    let world = World::new();
    let containers: Vec<_> = (0..6).map(|_| world.container()).collect();
    let lines = containers.iter().zip(2..).map(|(container, host)| {
        format!("{} br7 {} 10.0.0.{host}/24 & ids=\"$ids $!\"", support::RPIPE, container.target())
    });
    let script = lines.collect::<Vec<_>>().join("\n");
    world.sh(&format!("ids=\n{script}\nfor id in $ids; do wait $id; done")).ok();
    assert_eq!(names(&world.ip_json("link show master br7")).len(), 6);
    containers[0].pings("10.0.0.7");
}

#[test]
fn an_alternative_name_is_a_name() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.ip("link property add dev br0 altname a-bridge-with-a-name");
    world.ip("link property add dev br0 altname bridge");
    let container = world.container();
    attach(&container, "bridge -l h1", "10.0.0.2/24");
    assert_eq!(world.link("h1")["master"], "br0");
}
