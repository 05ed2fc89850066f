//! Containers with several ways out: gateways that wait behind others, and routing tables that answers leave by.
mod support;

use serde_json::Value;
use support::{Container, World, assert_same, container_with_routes, snapshot};

/// Two networks, with something behind both that the container's own subnets do not hold.
fn world() -> World {
    let world = World::new();
    world.sh("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad").ok();
    world.bridge("br0", "10.0.0.1/24");
    world.bridge("br1", "10.1.0.1/24");
    world
        .sh("ip addr add fd00::1/64 dev br0 nodad; ip addr add fd01::1/64 dev br1 nodad
             ip addr add 10.1.0.254/24 dev br1; ip addr add fd01::fe/64 dev br1 nodad
             # Without one of these the kernel asks for no neighbour of IPv6 for others than itself.
             for link in br0 br1; do ip addr add fe80::1/64 dev $link nodad; done
             ip addr add 192.0.2.1/32 dev lo; ip addr add 2001:db8::1/128 dev lo nodad
             ip link add card type veth peer name other; ip link set card up; ip link set other up")
        .ok();
    world
}

fn lines(container: &Container, command: &str) -> Vec<String> {
    let text = container.run(command).ok();
    text.lines().map(|line| line.replace(" pref medium", "").trim_end().to_owned()).collect()
}

/// The rules that are not the kernel's own.
fn rules(container: &Container) -> Vec<String> {
    let all = [lines(container, "ip rule"), lines(container, "ip -6 rule")].concat();
    all.into_iter().filter(|line| line.contains("proto static")).map(|line| line.replace('\t', " ")).collect()
}

#[track_caller]
fn json(world: &World, line: &str) -> Value {
    serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap()
}

#[test]
fn the_gateways_wait_behind_each_other() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    let line = format!(
        "br1 {target} 10.1.0.2/24@10.1.0.1,fd01::2/64@fd01::1,10.1.0.3/24@10.1.0.254,10.1.0.4/24@10.1.0.1,fd01::3/64@fd01::fe"
    );
    let report = json(&world, &line);
    assert_eq!(
        lines(&container, "ip route show default"),
        [
            "default via 10.1.0.1 dev eth1 proto static",
            "default via 10.1.0.254 dev eth1 proto static metric 1"
        ]
    );
    assert_eq!(
        lines(&container, "ip -6 route show default"),
        [
            "default via fd01::1 dev eth1 proto static metric 1024",
            "default via fd01::fe dev eth1 proto static metric 1025",
        ]
    );
    let gateways = serde_json::json!(["10.1.0.1", "10.1.0.254", "fd01::1", "fd01::fe"]);
    assert_eq!(report["gateways"], gateways);
    // What was replaced is told, once.
    let replaced = serde_json::json!(["via 172.17.0.1 dev eth0", "via fd17::1 dev eth0"]);
    assert_eq!(report["replaced_default"], replaced);
    let again = json(&world, &line);
    assert_eq!((&again["changed"], &again["replaced_default"]), (&false.into(), &Value::Null));
    assert_eq!(again["gateways"], gateways);
    // The order of the words is the order of preference.
    let turned = format!("br1 {target} 10.1.0.2/24@10.1.0.254,10.1.0.3/24@10.1.0.1");
    let said = world.line(&turned).refused(1);
    assert!(
        said.contains("the gateway is 10.1.0.1,10.1.0.254 metric 1, not 10.1.0.254,10.1.0.1 metric 1"),
        "{said}"
    );
    let report = json(&world, &format!("--replace {turned}"));
    assert_eq!(report["replaced_default"], Value::Null, "only its own");
    assert_eq!(lines(&container, "ip route show default").len(), 2);
    assert_eq!(lines(&container, "ip -6 route show default"), ["default via fd17::1 dev eth0 metric 1024"]);
    world.line(&format!("detach {target}")).ok();
    assert_eq!(
        lines(&container, "ip route show default"),
        ["default via 172.17.0.1 dev eth0 proto static mtu 1400"]
    );
}

#[test]
fn the_status_line_names_what_was_replaced() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    let say = |words: &str| {
        let line = format!("{} {words}", support::RPIPE);
        support::finish(world.command("script").args(["-qec", &line, "/dev/null"])).ok()
    };
    let words = "10.1.0.2/24@10.1.0.1,10.1.0.3/24@10.1.0.254,fd01::2/64@fd01::1";
    let said = say(&format!("br1 {target} {words}"));
    let via = "via 10.1.0.1 via 10.1.0.254 via fd01::1";
    assert!(
        said.contains(&format!("{via} instead of 172.17.0.1 dev eth0, fd17::1 dev eth0\r\n")),
        "{said:?}"
    );
    let said = say(&format!("br1 {target} {words}"));
    assert!(said.contains("unchanged") && said.contains(&format!("{via}\r\n")), "{said:?}");
    let said = say(&format!("br0 -i eth2 --table 7 {target} 10.0.0.2/24@10.0.0.1"));
    assert!(said.contains(" 10.0.0.2/24 via 10.0.0.1 table 7\r\n"), "{said:?}");
}

#[test]
fn what_is_not_replaced_is_not_told() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    for (ifname, flags) in [("eth2", "--metric 7"), ("eth3", "--no-default"), ("eth4", "--table 70")] {
        let report =
            json(&world, &format!("br1 -i {ifname} {flags} {target} 10.{}.0.2/24@10.1.0.1", &ifname[3..]));
        assert_eq!(report["replaced_default"], Value::Null, "{flags}: {report}");
    }
    // One of the same metric is.
    let report = json(&world, &format!("br1 -i eth5 --metric 7 {target} 10.5.0.2/24@10.5.0.1"));
    assert_eq!(report["replaced_default"], serde_json::json!(["via 10.1.0.1 dev eth2 metric 7"]));
}

/// The metric of a further gateway may be taken by somebody else's route, which is not touched.
#[test]
fn a_metric_that_is_taken_undoes_the_attach() {
    let world = world();
    let container = container_with_routes(&world);
    container.ip("route add default via 172.17.0.9 dev eth0 metric 1");
    let before = snapshot(&world, &[&container]);
    let words = format!("{} 10.1.0.2/24@10.1.0.1,10.1.0.3/24@10.1.0.254", container.target());
    let said = world.line(&format!("br1 {words}")).refused(1);
    assert!(said.contains("10.1.0.254") && said.contains("--metric"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
    world.line(&format!("br1 --metric 10 {words}")).ok();
    assert_eq!(lines(&container, "ip route show default").len(), 4);
}

const TABLED: &str = "br1 --table 100 --route 10.8.0.0/16 --route fd08::/16@fd01::fe TARGET \
                      10.1.0.2/24@10.1.0.1,10.1.0.3/24,10.9.0.2/32@10.9.0.1,fd01::2/64@fd01::1";

#[test]
fn a_table_of_its_own_holds_all_that_the_interface_leads_to() {
    let world = world();
    let container = container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    let mains = || [lines(&container, "ip route"), lines(&container, "ip -6 route show default")].concat();
    let main = mains();
    let line = TABLED.replace("TARGET", &container.target());
    let report = json(&world, &line);
    assert_eq!((&report["table"], &report["replaced_default"]), (&100.into(), &Value::Null));
    assert_eq!(report["gateways"], serde_json::json!(["10.1.0.1", "10.9.0.1", "fd01::1"]));
    let tables = ["ip route show table 100", "ip route show table 101", "ip -6 route show table 100"];
    let [first, second, v6] = tables.map(|command| lines(&container, command));
    assert_eq!(
        first,
        [
            "default via 10.1.0.1 dev eth1 proto static",
            "10.1.0.0/24 dev eth1 proto static scope link",
            "10.8.0.0/16 via 10.1.0.1 dev eth1 proto static",
        ]
    );
    assert_eq!(
        second,
        [
            "default via 10.9.0.1 dev eth1 proto static",
            "10.1.0.0/24 dev eth1 proto static scope link",
            "10.8.0.0/16 via 10.9.0.1 dev eth1 proto static",
            "10.9.0.1 dev eth1 proto static scope link",
        ]
    );
    assert_eq!(
        v6,
        [
            "fd01::/64 dev eth1 proto static metric 1024",
            "fd08::/16 via fd01::fe dev eth1 proto static metric 1024",
            "default via fd01::1 dev eth1 proto static metric 1024",
        ]
    );
    let expected = [
        "1000: from 10.1.0.2 lookup 100 proto static",
        "1000: from 10.1.0.3 lookup 100 proto static",
        "1000: from 10.9.0.2 lookup 101 proto static",
        "1000: from fd01::2 lookup 100 proto static",
    ];
    assert_eq!(rules(&container), expected);
    let with_networks = mains();
    assert!(main.iter().all(|route| with_networks.contains(route)), "{main:#?} {with_networks:#?}");
    assert!(!with_networks.iter().any(|route| route.contains("default") && route.contains("eth1")));
    // The same words again, and what somebody has changed meanwhile.
    assert_eq!(json(&world, &line)["changed"], false);
    let listed: Value =
        serde_json::from_str(&world.line(&format!("list --json {}", container.target())).ok()).unwrap();
    assert_eq!(listed[0]["gateways"], report["gateways"]);
    for (change, told) in [
        ("ip rule del from 10.1.0.3", "a rule is none, not from 10.1.0.3 lookup 100"),
        ("ip route del 10.8.0.0/16 table 101", "a route is none, not 10.8.0.0/16@10.9.0.1 table 101"),
        ("ip route del default table 101", "not 10.1.0.1 table 100,10.9.0.1 table 101"),
    ] {
        container.sh(change).ok();
        let said = world.line(&line).refused(1);
        assert!(said.contains(told), "{said}");
        world.line(&format!("--replace {line}")).ok();
        assert_eq!(json(&world, &line)["changed"], false);
    }
    // An address that somebody took away has left its rule.
    container.ip("addr del 10.9.0.2/32 dev eth1");
    world.line(&format!("detach {}", container.target())).ok();
    assert_same(&before, &snapshot(&world, &[&container]), "detached");
}

#[test]
fn the_table_changes_in_place() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    let first = TABLED.replace("TARGET", &target);
    world.line(&first).ok();
    let number = container.link("eth1")["ifindex"].clone();
    let state = snapshot(&world, &[&container]);
    for (words, mark, wanted) in [
        (
            "--table 4711 {} 10.1.0.2/24@10.1.0.1",
            "table=4711",
            vec!["1000: from 10.1.0.2 lookup 4711 proto static"],
        ),
        ("--table 100 {} 10.1.0.7/24", "table=100", vec!["1000: from 10.1.0.7 lookup 100 proto static"]),
        ("{} 10.1.0.2/24@10.1.0.1", "addresses=1", vec![]),
    ] {
        let line = format!("br1 {}", words.replace("{}", &target));
        world.line(&line).refused(1);
        world.line(&format!("--replace {line}")).ok();
        world.line(&line).ok();
        assert_eq!(rules(&container), wanted, "{line}");
        let eth1 = container.link("eth1");
        assert_eq!(eth1["ifindex"], number, "the same link");
        assert!(eth1["ifalias"].as_str().unwrap().contains(mark), "{eth1:#}");
        let elsewhere = container.run("ip route show table all dev eth1 default").ok();
        assert_eq!(
            elsewhere.contains(" table "),
            words.contains("--table") && words.contains('@'),
            "{elsewhere}"
        );
    }
    world.line(&format!("--replace {first}")).ok();
    assert_same(&state, &snapshot(&world, &[&container]), "the first words again");
    // A change that fails: the gateway is the container's own address.
    container.ip("addr add fd00::99/128 dev eth0 nodad");
    let state = snapshot(&world, &[&container]);
    for words in ["--table 7", "--table 100", ""] {
        let line = format!("--replace br1 {words} {target} 10.1.0.9/24@10.1.0.1,fd01::9/64@fd00::99");
        let said = world.line(&line).refused(1);
        assert!(said.contains("fd00::99"), "{said}");
        assert_same(&state, &snapshot(&world, &[&container]), &said);
    }
}

/// Where the link cannot stay, the old one is made again with its tables and routes.
#[test]
fn a_new_link_that_fails_leaves_the_old_one() {
    let world = world();
    let container = container_with_routes(&world);
    let line = TABLED.replace("TARGET", &container.target());
    world.line(&line).ok();
    container.ip("route add 10.99.0.1/32 dev eth0");
    container.ip("addr add fd00::99/128 dev eth0 nodad");
    let failing = format!("--replace br0 {} 10.0.0.2/24,fd00::2/64@fd00::99", container.target());
    let said = world.line(&failing).refused(1);
    assert!(said.contains("fd00::99") && !said.contains("could not be made again"), "{said}");
    assert_eq!(json(&world, &line)["changed"], false);
    assert_eq!(rules(&container).len(), 4);
    // And one that works leaves nothing of the old one.
    world.line(&format!("--replace br0 {} 10.0.0.2/24@10.0.0.1", container.target())).ok();
    assert_eq!(rules(&container), [""; 0]);
}

#[test]
fn a_failure_takes_the_rules_back() {
    let world = world();
    let container = container_with_routes(&world);
    // A table that another interface uses already: only the default route of IPv6 clashes, and a rule is left by a link
    // that is gone.
    container.ip("-6 route add default via fd17::1 dev eth0 table 100");
    container.ip("rule add from 10.1.0.3 lookup 100 pref 1000 proto static");
    let before = snapshot(&world, &[&container]);
    let line = TABLED.replace("TARGET", &container.target());
    let said = world.line(&line).refused(1);
    assert!(said.contains("in table 100") && said.contains("--table"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
    container.ip("-6 route del default table 100");
    world.line(&line).ok();
    assert_eq!(rules(&container).len(), 4);
    world.line(&format!("detach {}", container.target())).ok();
    assert_eq!(rules(&container), [""; 0]);
}

/// Two attachments may share a number where they do not share a family; each takes only its own rules along.
#[test]
fn rules_of_others_stay() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    container.sh("ip rule add from 10.1.0.2 lookup 100; ip rule add from 10.77.0.0/16 lookup 100 pref 1000 proto static").ok();
    let before = snapshot(&world, &[&container]);
    world.line(&format!("br1 --table 100 {target} 10.1.0.2/24@10.1.0.1")).ok();
    world.line(&format!("br1 -i eth2 --table 100 {target} fd01::2/64@fd01::1")).ok();
    world.line(&format!("card -i eth3 --direct-phys --table 102 {target} 10.3.0.2/24@10.3.0.1")).ok();
    world.line(&format!("detach -i eth1 {target}")).ok();
    assert_eq!(
        rules(&container),
        [
            "1000: from 10.77.0.0/16 lookup 100 proto static",
            "1000: from 10.3.0.2 lookup 102 proto static",
            "1000: from fd01::2 lookup 100 proto static",
        ]
    );
    world.line(&format!("detach --all {target}")).ok();
    assert_same(&before, &snapshot(&world, &[&container]), "detached");
}

/// The point of it all: answers leave through the interface that the question came in by, also where the kernel checks
/// that strictly.
#[test]
fn answers_leave_as_they_came_in() {
    let world = world();
    let container = world.container();
    container.sh("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad").ok();
    let target = container.target();
    world.line(&format!("br0 -i eth0 {target} 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1")).ok();
    let strict = "for all in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$all; done";
    let answers = |ip: &str| {
        let from = if ip.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        world.run(&format!("ping -n -q -c 1 -W 1 -I {from} {ip}")).code() == 0
    };
    // Without a table the second interface is deaf to everybody but its neighbours.
    world.line(&format!("br1 -i eth1 --no-default {target} 10.1.0.2/24")).ok();
    container.sh(strict).ok();
    world.sh(strict).ok();
    assert!(answers("10.0.0.2") && !answers("10.1.0.2"));
    let second =
        "10.1.0.2/24@10.1.0.1,10.1.0.3/24@10.1.0.254,10.99.0.2=10.1.0.1/32@10.1.0.1,fd01::2/64@fd01::1";
    world.line(&format!("--replace br1 -i eth1 --table 100 {target} {second}")).ok();
    world.sh("ip route add 10.99.0.2/32 dev br1").ok();
    for (ip, link) in [
        ("10.0.0.2", "eth0"),
        ("10.1.0.2", "eth1"),
        ("10.1.0.3", "eth1"),
        ("10.99.0.2", "eth1"),
        ("fd00::2", "eth0"),
        ("fd01::2", "eth1"),
    ] {
        assert!(answers(ip) || answers(ip), "{ip} does not answer");
        let far = if ip.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        assert_eq!(container.ip_json(&format!("route get {far} from {ip}"))[0]["dev"], link, "{ip}");
    }
    // Neighbours of the second network are reached straight.
    assert_eq!(container.ip_json("route get 10.1.0.77 from 10.1.0.2")[0]["gateway"], Value::Null);
    // What the container starts by itself leaves as before.
    assert_eq!(container.ip_json("route get 192.0.2.1")[0]["dev"], "eth0");
}

/// `run` knows the words too, and its namespace takes everything along.
#[test]
fn run_has_a_table_too() {
    let world = world();
    let said = world.line("run br1 --table 100 10.1.0.2/24@10.1.0.1 -- ip rule").ok();
    assert!(said.contains("from 10.1.0.2 lookup 100"), "{said}");
}
