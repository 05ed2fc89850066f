//! `rpipe doctor`: bridges and cards of the host. Each fault is made for real, and is silent again when it is mended.
mod support;

use serde_json::Value;
use support::{Container, World, assert_same, json, snapshot};

/// What was found, as `CHECK SUBJECT`, hints with their word in front; and the exit code says whether more than hints were.
#[track_caller]
fn found(world: &World, words: &str) -> Vec<String> {
    let output = world.line(&format!("doctor --json {words}"));
    assert_eq!(output.stderr, "", "{output:?}");
    let Value::Array(list) = json(&output.stdout) else { panic!("no list: {output:?}") };
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let warnings = list.iter().filter(|finding| finding["severity"] == "warning").count();
    assert_eq!(output.code(), i32::from(warnings > 0), "{output:?}");
    let hint = |finding: &Value| if finding["severity"] == "hint" { "hint " } else { "" };
    list.iter().map(|it| format!("{}{} {}", hint(it), text(it, "check"), text(it, "subject"))).collect()
}

/// A container on `br0`, which has a way out and is its gateway.
fn attached(world: &World) -> Container<'_> {
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    world.line(&format!("br0 -l h1 {} 10.0.0.2/24@10.0.0.1", container.target())).ok();
    container
}

#[test]
fn what_is_well_is_not_spoken_of() {
    let world = World::new();
    assert_eq!(world.line("doctor").ok(), "", "nothing is attached");
    let container = attached(&world);
    let before = snapshot(&world, &[&container]);
    let (target, card) = (container.target(), world.link("br0")["address"].as_str().unwrap().to_owned());
    for words in ["", &target, "br0", &format!("mac:{card}"), "--json"] {
        let nothing = if words == "--json" { "[]\n" } else { "" };
        assert_eq!(world.line(&format!("doctor {words}")).ok(), nothing, "{words}");
    }
    assert_same(&before, &snapshot(&world, &[&container]), "it only looks");
    let (output, trace) = world.strace(&["-e", "trace=process"], &["doctor"]);
    output.ok();
    assert_eq!(trace.iter().filter(|line| line.contains("execve") || line.contains("clone")).count(), 1);
    for words in ["a b", "10.0.0.2/24", "--timeout x", "pid:x"] {
        world.line(&format!("doctor {words}")).refused(2);
    }
    let line = world.line("doctor pid:999999").refused(1);
    assert!(line.contains("no such process"), "{line}");
    let line = world.line("doctor netns:nobody").refused(1);
    assert!(line.contains("no such entry"), "{line}");
}

#[test]
fn a_finding_is_two_lines_with_a_command() {
    let world = World::new();
    let container = attached(&world);
    world.ip("link set br0 down");
    let output = world.line("doctor br0");
    assert_eq!((output.code(), output.stderr.as_str()), (1, ""));
    assert_eq!(output.stdout, "br0 is down\n    ip link set br0 up\n");
    assert_eq!(found(&world, &container.target()), ["uplink_down br0"]);
    // Nobody is attached to another interface.
    assert_eq!(found(&world, "br0q"), [""; 0]);
    world.ip("link set br0 up");
    assert_eq!(found(&world, ""), [""; 0]);
}

#[test]
fn ways_out_without_a_signal() {
    let world = World::new();
    let container = attached(&world);
    world.ip("link set br0q down");
    assert_eq!(found(&world, ""), ["uplink_down br0"]);
    world.ip("link set br0p down");
    let said = world.line("doctor").stdout;
    assert_eq!(said, "br0 leads nowhere: br0p is down\n    ip link set br0p up\n");
    world.sh("ip link add second type veth peer name other; ip link set second master br0 up; ip link set other up").ok();
    assert_eq!(found(&world, &container.target()), [""; 0], "one way out is enough");
}

#[test]
fn a_card_without_a_signal_is_told_by_attach_too() {
    let world = World::new();
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set other up").ok();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("card {} 10.0.0.2/24", a.target())).ok();
    assert_eq!(found(&world, ""), [""; 0]);
    world.ip("link set other down");
    let output = world.line(&format!("card {} 10.0.0.3/24", b.target()));
    assert_eq!(output.code(), 0, "{output:?}");
    assert_eq!(
        output.stderr,
        "rpipe: warning: card has no carrier (is the cable in, and the other end up?)\n"
    );
    world.line(&format!("-q card {} -i eth2 10.0.0.4/24", b.target())).ok();
    assert_eq!(found(&world, "card"), ["uplink_down card"]);
    world.ip("link set card down");
    assert_eq!(world.line("doctor").stdout, "card is down\n    ip link set card up\n");
}

#[test]
fn a_firewall_between_ports() {
    let world = World::new();
    let container = attached(&world);
    world.run("iptables -P FORWARD DROP").ok();
    let said = world.line("doctor br0").stdout;
    assert_eq!(
        said,
        "br0 may not pass IPv4 from port to port: net.bridge.bridge-nf-call-iptables is 1, and chain ip filter FORWARD \
         drops what no rule accepts\n    unless a rule accepts it: iptables -I FORWARD -i br0 -o br0 -j ACCEPT; or for all \
         bridges: sysctl -w net.bridge.bridge-nf-call-iptables=0\n"
    );
    // An attach says so as well, once.
    let second = world.container();
    let output = world.line(&format!("br0 {} 10.0.0.3/24", second.target()));
    assert_eq!(output.code(), 0);
    assert!(output.stderr.starts_with("rpipe: warning: br0 may not pass IPv4"), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1);
    // It is true.
    assert!(!container.run("ping -n -c 1 -W 1 10.0.0.3").status.success());
    world.run("iptables -I FORWARD -i br0 -o br0 -j ACCEPT").ok();
    container.pings("10.0.0.3");
    for (mend, fault) in [
        (
            "sysctl -qw net.bridge.bridge-nf-call-iptables=0",
            "sysctl -qw net.bridge.bridge-nf-call-iptables=1",
        ),
        ("iptables -P FORWARD ACCEPT", "iptables -P FORWARD DROP"),
    ] {
        world.run(mend).ok();
        assert_eq!(found(&world, ""), [""; 0], "{mend}");
        let third = world.container();
        world.line(&format!("br0 {} 10.0.0.4/24", third.target())).ok();
        world.line(&format!("detach {}", third.target())).ok();
        world.run(fault).ok();
        assert_eq!(found(&world, ""), ["bridge_firewall br0"], "{fault}");
    }
}

#[test]
fn other_chains_that_drop() {
    let world = World::new();
    let container = attached(&world);
    let chain = |family: &str, hook: &str, policy: &str| {
        format!(
            "add table {family} t; add chain {family} t c {{ type filter hook {hook} priority 0; policy {policy}; }}"
        )
    };
    let only = |rules: String| {
        world.run("nft flush ruleset").ok();
        support::finish(world.command("nft").arg(rules)).ok();
        world.line("doctor").stdout
    };
    assert!(only(chain("inet", "forward", "drop")).contains("chain inet t c drops"));
    assert!(only(chain("bridge", "forward", "drop")).contains("chain bridge t c drops"));
    assert_eq!(only(chain("inet", "input", "drop")), "");
    assert_eq!(only(chain("inet", "forward", "accept")), "");
    assert_eq!(only(chain("ip6", "forward", "drop")), "", "nobody speaks IPv6");
    container.ip("addr add fd00::2/64 dev eth1 nodad");
    assert!(world.line("doctor").stdout.contains("chain ip6 t c drops"));
    world.run("nft flush ruleset").ok();
    assert_eq!(found(&world, ""), [""; 0]);
    world.run("iptables-legacy -P FORWARD DROP").ok();
    assert_eq!(found(&world, ""), ["hint bridge_firewall br0"]);
}

#[test]
fn a_bridge_that_leads_nowhere() {
    let world = World::new();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br7 {} 10.0.0.2/24", a.target())).ok();
    assert_eq!(found(&world, ""), ["hint bridge_without_uplink br7"]);
    world.line(&format!("br7 {} 10.0.0.3/24@10.0.0.1", b.target())).ok();
    assert_eq!(found(&world, "br7"), ["bridge_without_uplink br7"]);
    // One of the containers is the gateway.
    a.ip("addr add 10.0.0.1/24 dev eth1");
    assert_eq!(found(&world, ""), [""; 0]);
    a.ip("addr del 10.0.0.1/24 dev eth1");
    b.ip("neigh flush all");
    assert_eq!(found(&world, ""), ["bridge_without_uplink br7"]);
    world.ip("addr add 10.0.0.1/24 dev br7");
    assert_eq!(found(&world, ""), [""; 0]);
}

#[test]
fn a_bridge_that_speaks_stp() {
    let world = World::new();
    let container = attached(&world);
    world.ip("link set br0 type bridge stp_state 1");
    let second = world.container();
    let output = world.line(&format!("br0 --no-announce -l h2 {} 10.0.0.3/24", second.target()));
    assert_eq!(output.code(), 0);
    assert_eq!(
        output.stderr,
        "rpipe: warning: br0 speaks STP, and a new port of it passes nothing on at first (wait 30 seconds; where there \
         can be no loop: ip link set br0 type bridge stp_state 0)\n"
    );
    let said = world.line("doctor").stdout;
    assert!(said.contains("br0 does not pass anything on yet from and to h2"), "{said}");
    world.ip("link set br0 type bridge stp_state 0");
    world.run("bridge link set dev h2 state 3").ok();
    assert_eq!(found(&world, &container.target()), [""; 0]);
}

#[test]
fn a_bridge_with_a_thousand_ports() {
    let world = World::new();
    attached(&world);
    let more = |from: u32, to: u32| {
        world
            .sh(&format!(
                "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
                 for i in $(seq {from} {to}); do
                     echo \"link add p$i numtxqueues 1 numrxqueues 1 master br0 type veth peer name q$i\"
                 done | ip -batch -"
            ))
            .ok();
    };
    more(1, 498);
    assert_eq!(found(&world, "br0"), [""; 0]);
    // Both ends are ports.
    world.sh("for i in $(seq 1 498); do echo \"link set q$i master br0\"; done | ip -batch -").ok();
    more(499, 500);
    assert_eq!(found(&world, "br0"), ["bridge_nearly_full br0"]);
}
