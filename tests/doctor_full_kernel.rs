//! `rpipe doctor`: what only a kernel with everything in it can show. tests/run runs these in a virtual machine
//! (tests/guest); elsewhere they are ignored.
mod support;

use std::process::Command;

use support::{RPIPE, World, finish, json, until};

/// What was found, as `CHECK SUBJECT`, hints with their word in front.
fn found(text: &str) -> Vec<String> {
    let word = |finding: &serde_json::Value| {
        let hint = if finding["severity"] == "hint" { "hint " } else { "" };
        format!("{hint}{} {}", finding["check"].as_str().unwrap(), finding["subject"].as_str().unwrap())
    };
    json(text).as_array().unwrap().iter().map(word).collect()
}

fn doctor(world: &World) -> Vec<String> {
    found(&world.line("doctor --json").stdout)
}

/// A command in the guest's first namespace.
fn outside(script: &str) -> String {
    let script = format!("[ -d /run/guest ] || exit 1\n{script}");
    finish(Command::new("sh").args(["-euc", &script])).ok()
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_that_no_way_out_carries() {
    let world = World::new();
    world
        .sh("ip link add br0 type bridge vlan_filtering 1
             ip link add card type veth peer name other
             ip link set card master br0
             for link in br0 card other; do ip link set $link up; done")
        .ok();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br0 {} 10.0.0.2/24", a.target())).ok();
    assert_eq!(doctor(&world), [""; 0], "the default VLAN");
    let output = world.line(&format!("br0 -l h2 {} 10.0.7.2/24 @7", b.target()));
    assert!(output.stderr.starts_with("rpipe: warning: no other port of br0 carries VLAN 7"), "{output:?}");
    assert_eq!(doctor(&world), ["vlan_not_carried br0"]);
    let said = world.line("doctor br0").stdout;
    assert!(said.ends_with("\n    bridge vlan add dev card vid 7\n"), "{said}");
    world.run("bridge vlan add dev card vid 7").ok();
    assert_eq!(doctor(&world), [""; 0]);
    world.run("bridge vlan del dev h2 vid 7").ok();
    assert_eq!(doctor(&world), [format!("vlan_not_carried {} eth1", b.target())]);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_macvlan_on_a_wireless_card() {
    let world = World::new();
    let netns = world.path("").parent().unwrap().join("ns/net");
    outside(&format!(
        "until modprobe -r mac80211_hwsim; do sleep 0.1; done
         modprobe mac80211_hwsim radios=1
         iw phy#$(cat /sys/class/net/wlan0/phy80211/index) set netns name {}",
        netns.display()
    ));
    world.sh("mount -t sysfs sysfs /sys; ip link set wlan0 up").ok();
    let container = world.container();
    world.line(&format!("-q wlan0 {} 10.0.0.2/24", container.target())).ok();
    assert!(doctor(&world).contains(&"macvlan_on_wireless wlan0".to_owned()), "{:?}", doctor(&world));
    world.line(&format!("detach {}", container.target())).ok();
    world.sh("ip link add dummy7 type dummy").ok();
    world.line(&format!("dummy7 {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(doctor(&world), [""; 0]);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_macvlan_on_a_card_of_a_virtual_machine() {
    let world = World::new();
    let card = outside("modprobe virtio_net; ls /sys/bus/virtio/drivers/virtio_net/virtio*/net");
    let netns = world.path("").parent().unwrap().join("ns/net");
    let card = card.trim();
    outside(&format!("ip link set {card} netns {}", netns.display()));
    world.ip(&format!("link set {card} name card up"));
    let container = world.container();
    world.line(&format!("-q card {} 10.0.0.2/24", container.target())).ok();
    let said = world.line("doctor").stdout;
    assert!(said.starts_with("hint: card is a card of a virtual machine (virtio_net)"), "{said}");
    world.line(&format!("detach {}", container.target())).ok();
    world.line(&format!("-q --type ipvlan card {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(doctor(&world), [""; 0]);
    world.line(&format!("detach {}", container.target())).ok();
}

/// STP hears other bridges in the machine's first namespace only (`llc_rcv`, net/llc/llc_input.c).
#[test]
#[ignore = "needs the guest's kernel"]
fn a_port_that_stp_keeps_closed() {
    outside(
        "ip link add stp0 type bridge stp_state 1
         ip link add top type bridge stp_state 1 priority 0
         ip link set top up
         for i in 1 2; do
             ip link add a$i type veth peer name b$i
             ip link set a$i master top up; ip link set b$i master stp0 up
         done
         ip link set stp0 up; ip netns add stpns",
    );
    let rpipe = |words: &str| finish(Command::new(RPIPE).args(words.split(' ')));
    assert_eq!(rpipe("-q --no-announce stp0 netns:stpns 10.0.0.2/24").code(), 0);
    until("STP has seen the loop", || rpipe("doctor stp0").stdout.contains("b2: STP keeps it closed"));
    outside("ip link del a2; ip link set stp0 type bridge stp_state 0; ip link set b1 down");
    outside("ip link set b1 up; ip -n stpns link set eth1 down; ip -n stpns link set eth1 up");
    until("all is well", || rpipe("doctor --json stp0").stdout == "[]\n");
    outside("ip netns del stpns; ip link del stp0; ip link del top");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn frames_that_modules_see() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    world.line(&format!("br0 {} 10.0.0.2/24", container.target())).ok();
    assert_eq!(doctor(&world), [""; 0]);
    let loaded = "grep -c '^nf_tables ' /proc/modules || true";
    if outside(loaded).trim() == "0" {
        assert_eq!(doctor(&world), [""; 0]);
        assert_eq!(outside(loaded).trim(), "0", "asking has loaded the module");
    }
    outside("modprobe br_netfilter");
    world.run("iptables -P FORWARD DROP").ok();
    assert_eq!(doctor(&world), ["bridge_firewall br0"]);
    world.run("sysctl -qw net.bridge.bridge-nf-call-iptables=0").ok();
    assert_eq!(doctor(&world), [""; 0]);
}
