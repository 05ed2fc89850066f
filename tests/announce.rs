//! A neighbour that has the old MAC address of an address in its table knows the new one without asking.
mod support;

use support::{Container, Ovs, World, assert_same, container_with_routes, flag, snapshot, until};

/// The MAC address of whoever had the addresses before.
const OLD: &str = "02:00:00:00:00:99";

/// A neighbour: a namespace with one interface, whose other end is `port` on the host.
fn neighbour<'w>(world: &'w World, port: &str) -> Container<'w> {
    let neighbour = world.container();
    world
        .sh(&format!(
            "ip link add {port} type veth peer name n0 netns {pid}
             ip link set {port} addrgenmode none
             ip link set {port} up
             nsenter -t {pid} -n sh -euc 'ip link set n0 up
                 ip addr add 10.0.0.9/24 dev n0
                 ip addr add fd00::9/64 dev n0 nodad'",
            pid = neighbour.pid
        ))
        .ok();
    neighbour
}

/// A bridge with a neighbour on it.
fn bridge_with_neighbour(world: &World) -> Container<'_> {
    world.bridge("br0", "10.0.0.1/24");
    let neighbour = neighbour(world, "np");
    world.ip("link set np master br0");
    forwards(world, "np");
    neighbour
}

fn forwards(world: &World, port: &str) {
    until(&format!("{port} forwards"), || {
        world.link(port)["linkinfo"]["info_slave_data"]["state"] == "forwarding"
    });
}

/// The neighbour knows these addresses, as reachable: it will not ask for them.
fn remembers(neighbour: &Container, ips: &[&str]) {
    for ip in ips {
        neighbour.ip(&format!("neigh replace {ip} lladdr {OLD} dev n0 nud reachable"));
    }
}

/// The MAC address that the neighbour has for an address.
fn known(neighbour: &Container, ip: &str) -> String {
    let entries = neighbour.ip_json(&format!("neigh show {ip} dev n0"));
    entries[0]["lladdr"].as_str().unwrap_or("none").to_owned()
}

/// The neighbour has learned the container's MAC address, and nobody has sent anything but the announcement.
#[track_caller]
fn learns(neighbour: &Container, container: &Container, ips: &[&str]) {
    let mac = container.link("eth1")["address"].as_str().unwrap().to_owned();
    for ip in ips {
        until(&format!("{ip} is known to be at {mac}"), || known(neighbour, ip) == mac);
    }
    for ip in ips {
        neighbour.run(&format!("ping -n -q -c 1 -W 1 {ip}")).ok();
    }
}

/// Attaches to `uplink`; the neighbour learns of both addresses.
#[track_caller]
fn learns_both(world: &World, neighbour: &Container, uplink: &str) {
    let ips = ["10.0.0.2", "fd00::2"];
    let container = world.container();
    remembers(neighbour, &ips);
    world.line(&format!("{uplink} --no-dad {} 10.0.0.2/24,fd00::2/64", container.target())).ok();
    learns(neighbour, &container, &ips);
    let notify = container.sh("cat /proc/sys/net/ipv4/conf/eth1/arp_notify").ok();
    assert_eq!(notify, "0\n", "the setting is put back");
}

#[test]
fn on_a_bridge() {
    let world = World::new();
    let neighbour = bridge_with_neighbour(&world);
    learns_both(&world, &neighbour, "br0");
}

#[test]
fn on_a_macvlan() {
    let world = World::new();
    let neighbour = neighbour(&world, "card");
    learns_both(&world, &neighbour, "card");
}

/// Not when it comes up, for it has its carrier later.
#[test]
fn of_a_card_that_is_moved() {
    let world = World::new();
    let neighbour = neighbour(&world, "card");
    // Next to it, it would forget everything as soon as the card goes down; a switch in between spares it that.
    neighbour
        .sh("echo 0 >/proc/sys/net/ipv4/conf/n0/arp_evict_nocarrier
             echo 0 >/proc/sys/net/ipv6/conf/n0/ndisc_evict_nocarrier")
        .ok();
    learns_both(&world, &neighbour, "--direct-phys card");
}

#[test]
fn through_open_vswitch() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let neighbour = neighbour(&world, "np");
    ovs.vsctl("--timeout=30 add-port ovs0 np").ok();
    learns_both(&world, &neighbour, "ovs0");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn on_kinds_of_a_full_kernel() {
    for words in ["card --type ipvlan", "card --type ipvlan --announce 2"] {
        let world = World::new();
        let neighbour = neighbour(&world, "card");
        learns_both(&world, &neighbour, words);
    }
    // Its port forwards a moment after the link is up, and only an event tells so.
    let world = World::new();
    let bridged = bridge_with_neighbour(&world);
    learns_both(&world, &bridged, "br0");
    for words in ["card", "--direct-phys card"] {
        let world = World::new();
        let neighbour = world.container();
        world
            .sh(&format!(
                "ip link add card type veth peer name other netns {pid}
                 nsenter -t {pid} -n sh -euc 'ip link set other up
                     ip link add link other name n0 type vlan id 10
                     ip link set n0 up
                     ip addr add 10.0.0.9/24 dev n0
                     ip addr add fd00::9/64 dev n0 nodad'
                 ip link set card up",
                pid = neighbour.pid
            ))
            .ok();
        let container = world.container();
        let ips = ["10.0.0.2", "fd00::2"];
        remembers(&neighbour, &ips);
        world.line(&format!("{words} --no-dad {} 10.0.0.2/24,fd00::2/64 @10", container.target())).ok();
        learns(&neighbour, &container, &ips);
    }
}

/// All addresses, also the second one of a subnet.
#[test]
fn of_every_address() {
    let world = World::new();
    let neighbour = bridge_with_neighbour(&world);
    let container = world.container();
    let ips = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "fd00::2", "fd00::3"];
    remembers(&neighbour, &ips);
    let words = "10.0.0.2/24,10.0.0.3/24,10.0.0.4/32,fd00::2/64,fd00::3/128";
    world.line(&format!("br0 {} {words}", container.target())).ok();
    learns(&neighbour, &container, &ips);
}

#[test]
fn not_when_it_is_not_wanted() {
    let world = World::new();
    let neighbour = bridge_with_neighbour(&world);
    let card = self::neighbour(&world, "card");
    for (neighbour, uplink) in [(neighbour, "br0"), (card, "card")] {
        let (silent, other) = (world.container(), world.container());
        let ips = ["10.0.0.2", "fd00::2"];
        remembers(&neighbour, &ips);
        remembers(&neighbour, &["10.0.0.3", "fd00::3"]);
        let line = format!("{uplink} --no-announce --no-dad {} 10.0.0.2/24,fd00::2/64", silent.target());
        world.line(&line).ok();
        // What comes later is heard, and what would have come before would have been, too.
        world.line(&format!("{uplink} --no-dad {} 10.0.0.3/24,fd00::3/64", other.target())).ok();
        learns(&neighbour, &other, &["10.0.0.3", "fd00::3"]);
        for ip in ips {
            assert_eq!(known(&neighbour, ip), OLD, "{uplink}: {ip}");
        }
    }
}

#[test]
fn of_what_is_changed_in_place() {
    let world = World::new();
    let neighbour = bridge_with_neighbour(&world);
    let container = world.container();
    world.line(&format!("br0 {} 10.0.0.5/24", container.target())).ok();
    let ips = ["10.0.0.2", "fd00::2"];
    remembers(&neighbour, &ips);
    let line = format!("br0 --replace {} 10.0.0.2/24,fd00::2/64 02:00:00:00:00:02", container.target());
    world.line(&line).ok();
    learns(&neighbour, &container, &ips);
    assert_eq!(known(&neighbour, "10.0.0.2"), "02:00:00:00:00:02");
}

/// Runs rpipe with these words beside a loop that makes the neighbour forget `times` times what it has learned; then
/// `last`. Gives what the loop says.
fn while_announcing(neighbour: &Container, line: &str, times: usize, last: &str) -> String {
    let script = format!(
        "{rpipe} {line} & pid=$!
         for time in $(seq {times}); do
             for try in $(seq 1000); do
                 ip neigh show 10.0.0.2 dev n0 | grep -q {OLD} || break
                 sleep 0.01
             done
             ip neigh show 10.0.0.2 dev n0 | grep -q {OLD} && echo not heard
             ip neigh replace 10.0.0.2 lladdr {OLD} dev n0 nud reachable
         done
         {last}
         wait $pid 2>/dev/null || echo ended by $?",
        rpipe = format_args!("nsenter -t 1 -n -- {}", support::RPIPE),
    );
    neighbour.sh(&format!("set +e; {{ {script}; }} 2>/dev/null")).ok()
}

#[test]
fn again_and_again() {
    let world = World::new();
    let neighbour = bridge_with_neighbour(&world);
    for uplink in ["br0", "card"] {
        let card = (uplink == "card").then(|| self::neighbour(&world, "card"));
        let neighbour = card.as_ref().unwrap_or(&neighbour);
        let container = world.container();
        remembers(neighbour, &["10.0.0.2"]);
        let line = format!("{uplink} --announce 3 {} 10.0.0.2/24", container.target());
        assert_eq!(while_announcing(neighbour, &line, 3, ""), "");
        assert!(flag(&container.link("eth1"), "UP"));
    }
}

/// A signal in the middle is one as at any other time.
#[test]
fn until_a_signal_comes() {
    let world = World::new();
    let neighbour = bridge_with_neighbour(&world);
    let container = container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    remembers(&neighbour, &["10.0.0.2"]);
    let line = format!("br0 --announce 100 {} 10.0.0.2/24@10.0.0.1 2>/dev/null", container.target());
    assert_eq!(while_announcing(&neighbour, &line, 1, "kill $pid"), "ended by 143\n");
    assert_same(&before, &snapshot(&world, &[&container]), "interrupted");
}

/// Four seconds pass before the port lets something through.
#[test]
fn when_stp_is_done() {
    let world = World::new();
    let neighbour = neighbour(&world, "np");
    world
        .sh("ip link add br0 type bridge stp_state 1 forward_delay 200
             ip link set br0 addrgenmode none
             ip link set np master br0
             ip link set br0 up")
        .ok();
    forwards(&world, "np");
    let ips = ["10.0.0.2", "fd00::2"];
    let container = world.container();
    // It asks in earnest, and only when the question can get through.
    container.sh("echo 1 >/proc/sys/net/ipv6/conf/default/accept_dad").ok();
    remembers(&neighbour, &ips);
    // It says why it takes so long.
    world.line(&format!("-q br0 -l h1 {} 10.0.0.2/24,fd00::2/64", container.target())).ok();
    assert_eq!(world.link("h1")["linkinfo"]["info_slave_data"]["state"], "forwarding");
    learns(&neighbour, &container, &ips);

    // What is not wanted is not waited for.
    let line = format!("-q br0 -i eth2 -l h2 --no-announce --no-dad {} fd00::3/64", container.target());
    world.line(&line).ok();
    assert_eq!(world.link("h2")["linkinfo"]["info_slave_data"]["state"], "listening");
}

#[test]
fn how_often_has_limits() {
    let world = World::new();
    for words in ["--announce 0", "--announce 101", "--announce x", "--announce 2 --no-announce"] {
        let said = world.line(&format!("br0 {words} pid:1 10.0.0.2/24")).refused(2);
        assert!(said.contains("announce"), "{said}");
    }
}
