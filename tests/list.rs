//! `list`: what is attached, and what of it has changed.
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use support::{Container, Docker, Ovs, World, container_with_routes, finish, until};

fn listed(world: &World, words: &str) -> Vec<Value> {
    let json = world.line(&format!("list --json {words}")).ok();
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// The state of an interface of a target.
#[track_caller]
fn state(world: &World, target: &str, ifname: &str) -> String {
    let rows = listed(world, "");
    let is_it = |row: &&Value| row["target"] == target && row["ifname"] == ifname;
    let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("{target} {ifname} is not in {rows:#?}"));
    row["state"].as_str().unwrap().to_owned()
}

fn attach(world: &World, container: &Container, words: &str) -> Value {
    let line = words.replace("TARGET", &container.target());
    serde_json::from_str(&world.line(&format!("--json {line}")).ok()).unwrap()
}

fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.bridge("br1", "10.1.0.1/24");
    world
        .sh("ip link add card mtu 1400 type veth peer name other
             for link in card other; do ip link set $link addrgenmode none; ip link set $link up; done")
        .ok();
    world
}

#[test]
fn nothing_is_attached() {
    let world = world();
    let _container = container_with_routes(&world);
    assert_eq!(world.line("list").ok(), "");
    assert_eq!(world.line("list --json").ok(), "[]\n");
    world.line("list nosuch").refused(1);
    world.line("list 10.0.0.2/24").refused(2);
}

#[test]
fn everything_is_found_and_shown() {
    let world = world();
    let docker = Docker::new(&world);
    docker.run("web", "--network none");
    let (a, b) = (world.container(), container_with_routes(&world));
    world.ip("netns add red");
    world.line("br0 --enable-ipv6 web 10.0.0.2/24@10.0.0.1,fd00::2/64 02:00:00:00:00:02").ok();
    let veth = attach(&world, &a, "br0 TARGET 10.0.0.3/24");
    attach(&world, &a, "card -i eth2 TARGET 10.2.0.3/24");
    attach(&world, &b, "br1 TARGET 10.1.0.4/24@10.1.0.1");
    world.line("br1 netns:red 0/0").ok();

    let rows = listed(&world, "");
    let keys: BTreeSet<_> = rows[0].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "target",
        "runtime",
        "id",
        "pid",
        "ifname",
        "host_ifname",
        "uplink",
        "kind",
        "addresses",
        "gateways",
        "mac",
        "mtu",
        "vlan",
        "state",
    ];
    assert_eq!(keys, expected.into_iter().collect());
    let brief = |row: &Value| {
        let field = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        ["runtime", "ifname", "uplink", "kind", "state"].map(field).join(" ")
    };
    let mut briefs: Vec<_> = rows.iter().map(brief).collect();
    briefs.sort();
    assert_eq!(
        briefs,
        [
            "docker eth1 br0 veth up",
            "netns eth1 br1 veth up",
            "pid eth1 br0 veth up",
            "pid eth1 br1 veth up",
            "pid eth2 card macvlan up",
        ]
    );
    let sorted = |rows: &[Value]| {
        let key = |row: &Value| (row["target"].to_string(), row["ifname"].to_string());
        rows.is_sorted_by_key(key)
    };
    assert!(sorted(&rows), "{rows:#?}");

    let web = rows.iter().find(|row| row["target"] == "web").unwrap();
    assert_eq!(web["addresses"], serde_json::json!(["10.0.0.2/24", "fd00::2/64"]));
    assert_eq!(web["gateways"], serde_json::json!(["10.0.0.1"]));
    assert_eq!(
        (&web["mac"], &web["mtu"], &web["vlan"]),
        (&"02:00:00:00:00:02".into(), &1500.into(), &Value::Null)
    );
    assert_eq!(web["pid"].to_string(), docker.container("web").pid);
    assert_eq!(web["id"].as_str().unwrap().len(), 12, "as much as the mark has");
    // The engine is asked when the container is named.
    let named = listed(&world, "web");
    assert_eq!((named.len(), named[0]["id"].as_str().unwrap().len()), (1, 64));
    let of_a = listed(&world, &a.target());
    assert_eq!(of_a.len(), 2);
    assert_eq!(of_a[0]["host_ifname"], veth["host_ifname"]);
    assert_eq!((&of_a[0]["target"], &of_a[0]["pid"]), (&veth["target"], &veth["pid"]));
    assert_eq!(listed(&world, "netns:red")[0]["addresses"], serde_json::json!([]));

    let table = world.line("list").ok();
    let heads = table.lines().next().unwrap();
    assert_eq!(table.lines().count(), 6, "{table}");
    for (head, cell) in [
        ("TARGET", "web "),
        ("INTERFACE", "eth1 "),
        ("ADDRESSES", "10.0.0.2/24,fd00::2/64 "),
        ("STATE", "up"),
    ] {
        let line = table.lines().find(|line| line.starts_with("web ")).unwrap();
        let column = &line[heads.find(head).unwrap()..];
        assert!(column.starts_with(cell), "{cell}: {table}");
    }
}

#[test]
fn what_has_changed_is_told() {
    let world = world();
    let container = world.container();
    let report = attach(&world, &container, "br0 TARGET 10.0.0.2/24,10.0.0.3/24");
    let (target, port) = (report["target"].as_str().unwrap(), report["host_ifname"].as_str().unwrap());
    attach(&world, &container, "card -i mac0 TARGET 10.2.0.2/24");
    attach(&world, &container, "br0 -i bare0 TARGET 0/0");
    let is = |ifname: &str| state(&world, target, ifname);
    assert_eq!([is("eth1"), is("mac0"), is("bare0")], ["up", "up", "up"]);

    container.ip("addr del 10.0.0.3/24 dev eth1");
    assert_eq!(is("eth1"), "address removed");
    container.ip("addr flush dev eth1");
    assert_eq!(is("eth1"), "no address");
    container.ip("addr add 10.0.0.2/24 dev eth1");
    container.ip("addr add 10.0.0.3/24 dev eth1");
    container.ip("link set eth1 down");
    assert_eq!(is("eth1"), "down");
    container.ip("link set eth1 up");
    world.ip(&format!("link set {port} down"));
    assert_eq!(is("eth1"), "host end down");
    world.ip(&format!("link set {port} up"));
    assert_eq!(is("eth1"), "up");
    world.ip(&format!("link set {port} nomaster"));
    assert_eq!(is("eth1"), "port gone");
    assert_eq!(listed(&world, &container.target())[1]["uplink"], "br0", "what it was");
    world.ip(&format!("link set {port} master br1"));
    assert_eq!(is("eth1"), "left br0");
    world.ip(&format!("link set {port} master br0"));
    world.ip("link set br0 down");
    assert_eq!(is("eth1"), "uplink down");
    world.ip("link set br0 up");

    // The kernel tells what sits on a card of its carrier in its own time.
    world.ip("link set other down");
    until("the carrier is gone", || is("mac0") == "no carrier");
    world.ip("link set other up");
    world.ip("link set card down");
    assert_eq!(is("mac0"), "uplink down");
    world.ip("link set card up");

    container.sh("ip link set eth1 down; ip link set eth1 name lan0; ip link set lan0 up").ok();
    assert_eq!(is("lan0"), "renamed from eth1");
    finish(container.command("ip").args(["link", "set", "dev", "lan0", "alias", ""])).ok();
    assert_eq!(is("lan0"), "renamed from eth1, mark gone");
    let other = world.container();
    container.ip(&format!("link set lan0 netns {}", other.pid));
    assert_eq!(
        state(&world, &other.pid, "lan0"),
        format!("down, renamed from eth1, came from pid:{target}, mark gone")
    );
}

/// A namespace that somebody holds open, and that no file leads to.
#[test]
fn a_dead_namespace_is_told() {
    let world = world();
    world.ip("netns add red");
    world.line("br0 netns:red 10.0.0.2/24").ok();
    let script = "exec 3</run/netns/red; umount -l /run/netns/red; rm /run/netns/red; exec \"$@\" 3<&3";
    let list = [support::RPIPE, "list", "--json"];
    let json = finish(world.command("sh").args(["-euc", script, "sh"]).args(list)).ok();
    let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(rows.len(), 1, "{json}");
    assert_eq!(
        (&rows[0]["target"], &rows[0]["ifname"], &rows[0]["state"]),
        (&"red".into(), &"eth1".into(), &"dead".into())
    );
    assert_eq!((&rows[0]["uplink"], &rows[0]["pid"]), (&"br0".into(), &Value::Null));
}

#[test]
fn a_port_that_open_vswitch_lost_is_told() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = world.container();
    let report = attach(&world, &container, "ovs0 TARGET 10.0.0.2/24 @10");
    let rows = listed(&world, "");
    assert_eq!(
        (&rows[0]["uplink"], &rows[0]["vlan"], &rows[0]["state"]),
        (&"ovs0".into(), &10.into(), &"up".into())
    );
    ovs.vsctl(&format!("del-port {}", report["host_ifname"].as_str().unwrap())).ok();
    assert_eq!(listed(&world, "")[0]["state"], "port gone");
    ovs.kill("ovsdb-server");
    assert_eq!(listed(&world, "")[0]["state"], "port unknown");
}

/// What a container writes into its marks and names is shown and nothing else; the host's own word wins.
#[test]
fn a_liar_steers_nothing() {
    let world = world();
    let (liar, victim) = (world.container(), world.container());
    attach(&world, &liar, "br0 TARGET 10.0.0.2/24");
    attach(&world, &victim, "br1 TARGET 10.1.0.2/24");
    let mark = |ifname: &str, alias: &str| {
        finish(liar.command("ip").args(["link", "set", "dev", ifname, "alias", alias])).ok();
    };
    mark("eth1", "rpipe 1 link target=docker:other id=0123 uplink=br1 vlan=7");
    let rows = listed(&world, &liar.target());
    assert_eq!((rows.len(), &rows[0]["uplink"]), (1, &"br0".into()));
    let rows = listed(&world, "");
    let names: BTreeSet<_> = rows.iter().map(|row| row["target"].as_str().unwrap()).collect();
    assert_eq!(names, [liar.pid.as_str(), victim.pid.as_str()].into_iter().collect(), "the host's word");
    assert_eq!((&rows[0]["vlan"], rows.len()), (&Value::Null, 2));

    // Links of its own, with what could steer a terminal, in marks and in names.
    liar.sh("ip link add x0 type veth peer name x1").ok();
    mark("x0", "rpipe 1 link target=docker:%1b%5b2J%c2%9b1m%e2%80%ae%0aevil id=%1b%07");
    finish(liar.command("ip").args(["link", "set", "dev", "x1", "name", "y\u{1b}[2J"])).ok();
    finish(liar.command("ip").args([
        "link",
        "set",
        "dev",
        "y\u{1b}[2J",
        "alias",
        "rpipe 1 link nic=br0 mtu=1",
    ]))
    .ok();
    for words in ["list", "list --json", &format!("list {}", liar.target())] {
        let text = world.line(words).ok();
        let steers = |c: char| (c.is_control() && c != '\n') || (c == '\u{202e}' && !words.contains("json"));
        assert!(!text.contains(steers), "{text:?}");
    }
    assert_eq!(world.line("list").ok().lines().count(), 5);
    for rubbish in
        ["rpipe 1 link x", "rpipe 1 port", "rpipe 1 link nic=../../x mtu=y", "rpipe 1 link uplink=%00"]
    {
        mark("x0", rubbish);
        world.line("list").ok();
    }
    assert_eq!(world.line(&format!("list {}", victim.target())).ok().lines().count(), 2);
}

/// A container with namespaces of its own can choose numbers by which its link seems to lead to another's port.
#[test]
fn the_port_of_another_is_not_taken_for_ones_own() {
    let world = world();
    let (liar, victim) = (world.container(), world.container());
    let port = attach(&world, &victim, "br0 TARGET 10.0.0.2/24");
    let port = port["host_ifname"].as_str().unwrap();
    let (outer, inner) = (world.link(port)["ifindex"].clone(), victim.link("eth1")["ifindex"].clone());
    let own = world.container();
    liar.sh(&format!(
        "ip link add name eth1 index {inner} type veth peer name p index {outer}
         ip link set p netns {}
         ip link show dev eth1 | grep -q '^{inner}: eth1@if{outer}:'
         ip link set eth1 alias 'rpipe 1 link uplink=br0'",
        own.pid
    ))
    .ok();
    let rows = listed(&world, &liar.target());
    assert_eq!((rows.len(), &rows[0]["host_ifname"]), (1, &Value::Null), "{rows:#?}");
    world.line(&format!("detach {} --all", liar.target())).ok();
    assert_eq!(world.link(port)["ifname"], *port);
    assert_eq!(state(&world, &victim.pid, "eth1"), "up");
}

/// A thousand attachments in twenty containers: one question for links in each namespace, and little memory.
#[test]
fn a_thousand() {
    let world = World::new();
    world.ip("link add br0 up type bridge");
    let containers: Vec<_> = (0..20).map(|_| world.container()).collect();
    let mut batch = String::new();
    for (i, container) in containers.iter().enumerate() {
        let netns = world.run(&format!("readlink /proc/{}/ns/net", container.pid)).ok();
        let netns = netns.trim().trim_matches(|c: char| !c.is_ascii_digit());
        for j in 0..50 {
            let (host, inner) = (format!("h{i}x{j}"), format!("eth{j}"));
            let _ = write!(
                batch,
                "link add {host} up type veth peer name {inner} netns {}\n\
                 link set {host} master br0\n\
                 link set {host} alias \"rpipe 1 port uplink=br0 ifname={inner} netns={netns} target=pid:{}\"\n",
                container.pid, container.pid
            );
        }
    }
    std::fs::write(world.path("/run/batch"), batch).unwrap();
    world.ip("-batch /run/batch");
    for container in &containers {
        let mut inner = String::new();
        for j in 0..50 {
            let _ = write!(
                inner,
                "link set eth{j} alias \"rpipe 1 link uplink=br0\"\n\
                 link set eth{j} up\n\
                 addr add 10.0.{j}.2/24 dev eth{j}\n"
            );
        }
        std::fs::write(world.path("/run/batch"), inner).unwrap();
        container.ip("-batch /run/batch");
    }
    let (output, trace) = world.strace(&["-e", "trace=sendto,sendmsg,setns"], &["list", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(&output.ok()).unwrap();
    assert_eq!(rows.len(), 1000);
    assert!(rows.iter().all(|row| row["state"] == "up" && row["addresses"].as_array().unwrap().len() == 1));
    // The host's links twice, once to see whether something came home. For each container: in and out; its links, its
    // number for the host, addresses, routes.
    assert!(trace.len() <= 4 + 6 * containers.len(), "{} calls", trace.len());
    assert_eq!(world.line("list").ok().lines().count(), 1001);
}
