//! IPv6: an address that somebody else has is noticed, and the host's end of a port has none of its own.
mod support;

use serde_json::Value;
use support::{Container, Ovs, World, addresses, assert_same, container_with_routes, snapshot, until};

const HOLDER: &str = "02:00:00:00:00:0a";

/// Somebody who has fd00::a, on the other end of `port`.
fn holder<'w>(world: &'w World, port: &str) -> Container<'w> {
    let holder = world.container();
    world
        .sh(&format!(
            "ip link add {port} type veth peer name n0 address {HOLDER} netns {pid}
             ip link set {port} addrgenmode none
             ip link set {port} up
             nsenter -t {pid} -n sh -euc 'ip link set n0 up; ip addr add fd00::a/64 dev n0 nodad'",
            pid = holder.pid
        ))
        .ok();
    holder
}

fn bridge_with_holder(world: &World) -> Container<'_> {
    world.bridge("br0", "10.0.0.1/24");
    let holder = holder(world, "np");
    world.ip("link set np master br0");
    until("np forwards", || world.link("np")["linkinfo"]["info_slave_data"]["state"] == "forwarding");
    holder
}

/// A container that asks whether its addresses are somebody else's, with a setting of its own.
fn asking(world: &World, accept_dad: u8) -> Container<'_> {
    let container = container_with_routes(world);
    container.sh(&format!("echo {accept_dad} >/proc/sys/net/ipv6/conf/default/accept_dad")).ok();
    container
}

/// The flags that `ip` shows of an address as words of their own.
fn has(link: &Value, ip: &str, what: &str) -> bool {
    let list = link["addr_info"].as_array().unwrap();
    let entry = list.iter().find(|entry| entry["local"] == ip).unwrap_or_else(|| panic!("no {ip}: {link}"));
    entry[what] == true
}

#[test]
fn an_address_that_somebody_has_is_refused_and_nothing_is_left() {
    let world = World::new();
    let _holder = bridge_with_holder(&world);
    let _on_card = holder(&world, "card");
    for uplink in ["br0", "card", "--direct-phys card"] {
        let container = asking(&world, 1);
        let before = snapshot(&world, &[&container]);
        let words = "10.0.0.2/24@10.0.0.1,fd00::2/64,fd00::a/64@fd00::1";
        let said = world.line(&format!("{uplink} {} {words}", container.target())).refused(1);
        assert_eq!(
            said,
            format!(
                "rpipe: adding address fd00::2, fd00::a to eth1 for {:?}: fd00::a is in use by {HOLDER} (choose \
                 another, or --no-dad takes it all the same)",
                container.pid
            )
        );
        assert_same(&before, &snapshot(&world, &[&container]), &said);
    }
}

#[test]
fn an_address_that_nobody_has_can_be_used_at_once() {
    let world = World::new();
    let holder = bridge_with_holder(&world);
    let container = asking(&world, 1);
    holder.ip("neigh replace fd00::2 lladdr 02:00:00:00:00:99 dev n0 nud reachable");
    world.line(&format!("br0 {} fd00::2/64@fd00::a", container.target())).ok();
    let inside = container.link("eth1");
    assert!(!has(&inside, "fd00::2", "tentative"), "{inside}");
    container.run("ping -n -q -c 1 -W 1 fd00::a").ok();
    until("the holder was told", || {
        holder.ip_json("neigh show fd00::2 dev n0")[0]["lladdr"] == inside["address"]
    });
}

/// What is asked for by two at the same time is nobody's. Who only asks does not say who it is.
#[test]
fn an_address_that_somebody_asks_for_as_well_is_refused() {
    let world = World::new();
    let holder = bridge_with_holder(&world);
    let ask = "cd /proc/sys/net/ipv6/conf/n0; echo 1 >accept_dad; echo 0 >router_solicitation_delay
        while ip addr add fd00::b/64 dev n0; do sleep 0.05; ip addr del fd00::b/64 dev n0; done";
    world.daemon(holder.command("sh").args(["-c", ask]));
    let container = asking(&world, 1);
    container.sh("echo 5 >/proc/sys/net/ipv6/conf/default/dad_transmits").ok();
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("br0 {} fd00::b/64", container.target())).refused(1);
    assert!(said.contains("in use by another host, or asked for by one"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
fn without_asking_it_is_instant() {
    let world = World::new();
    let _holder = bridge_with_holder(&world);
    let container = asking(&world, 1);
    world.line(&format!("br0 --no-dad {} fd00::a/64", container.target())).ok();
    let inside = container.link("eth1");
    assert!(has(&inside, "fd00::a", "nodad") && !has(&inside, "fd00::a", "tentative"), "{inside}");
}

/// The kernel then switches IPv6 off altogether.
#[test]
fn a_mac_address_that_somebody_has_is_noticed_where_it_counts() {
    let world = World::new();
    let holder = bridge_with_holder(&world);
    holder.sh("ip link set n0 addrgenmode eui64; ip addr add fe80::ff:fe00:a/64 dev n0 nodad").ok();
    let container = asking(&world, 2);
    // It asks for its own address at once, and for ours much longer.
    container
        .sh("cd /proc/sys/net/ipv6/conf/default
             echo 0 >addr_gen_mode; echo 0 >router_solicitation_delay; echo 3 >dad_transmits")
        .ok();
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("br0 {} fd00::2/64 {HOLDER}", container.target())).refused(1);
    // Before the address comes, or after it.
    assert!(said.contains("switched off") && said.contains("MAC address"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

/// Nobody can be asked, so nobody is waited for.
#[test]
fn without_a_carrier_it_is_not_waited_for() {
    let world = World::new();
    world.sh("ip link add card type veth peer name other; ip link set card up").ok();
    let container = asking(&world, 1);
    container.sh("echo 30 >/proc/sys/net/ipv6/conf/default/dad_transmits").ok();
    let start = std::time::Instant::now();
    world.line(&format!("-q card {} 10.0.0.2/24,fd00::2/64", container.target())).ok();
    assert!(start.elapsed().as_secs() < 20, "as long as asking would have taken");
    assert!(has(&container.link("eth1"), "fd00::2", "tentative"));
}

#[test]
fn a_signal_ends_the_waiting() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = asking(&world, 1);
    container.sh("echo 30 >/proc/sys/net/ipv6/conf/default/dad_transmits").ok();
    let before = snapshot(&world, &[&container]);
    let output = world.sh(&format!(
        "exec 3>&2 2>/dev/null
         {} br0 {target} fd00::2/64 2>/dev/null & pid=$!
         for try in $(seq 1000); do
             nsenter -t {} -n ip addr show dev eth1 2>/dev/null | grep -q fd00::2 && break
             sleep 0.01
         done
         kill $pid
         wait $pid 2>/dev/null || echo $?",
        support::RPIPE,
        container.pid,
        target = container.target(),
    ));
    assert_eq!(output.ok(), "143\n");
    assert_same(&before, &snapshot(&world, &[&container]), "interrupted");
}

#[test]
fn the_hosts_end_has_no_address_of_its_own() {
    let world = World::new();
    // As everywhere but in these tests.
    world.sh("echo 0 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.sh("ip link add br0 type bridge; ip link set br0 up").ok();
    let ovs = Ovs::new(&world);
    ovs.vsctl("--timeout=30 add-br ovs0 -- set Bridge ovs0 datapath_type=netdev").ok();
    let container = world.container();
    for (uplink, port, eth) in [("br0", "h1", "eth1"), ("br1", "h2", "eth2"), ("ovs0", "h3", "eth3")] {
        world.line(&format!("{uplink} -i {eth} -l {port} {} 0/0", container.target())).ok();
        // An address would come with the carrier.
        until("the port has a carrier", || support::flag(&world.link(port), "LOWER_UP"));
        let mode = &world.ip_json(&format!("link show dev {port}"))[0]["inet6_addr_gen_mode"];
        assert_eq!(*mode, "none", "{uplink}");
        assert_eq!(world.link(port)["addr_info"], Value::Array(Vec::new()), "{uplink}");
        assert_eq!(world.sh(&format!("grep -c {port} /proc/net/if_inet6 || true")).ok(), "0\n");
    }
    until("the bridge has one", || {
        world.link("br0")["addr_info"].as_array().is_some_and(|list| !list.is_empty())
    });
}

/// Below 1280 bytes the kernel does not speak it, and then has no setting for it.
#[test]
fn a_host_without_it_is_no_obstacle() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("ip link set br0p mtu 1000; ip link set br0 mtu 1000").ok();
    let container = world.container();
    world.line(&format!("br0 {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.2/24"]);
}

#[test]
fn it_stays_on_when_it_is_on() {
    let world = World::new();
    world.bridge("br0", "fd00::1/64");
    let container = world.container();
    container.sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6").ok();
    world.line(&format!("br0 --enable-ipv6 {} fd00::2/64", container.target())).ok();
    // The interface speaks it by now.
    world.line(&format!("br0 {} fd00::2/64", container.target())).ok();
    world.line(&format!("br0 --replace {} fd00::3/64", container.target())).ok();
    assert_eq!(addresses(&container.link("eth1")), ["fd00::3/64"]);
    world.line(&format!("br0 --replace {} 10.0.0.3/24", container.target())).ok();
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("br0 --replace {} fd00::3/64", container.target())).refused(1);
    assert!(said.contains("--enable-ipv6"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}
