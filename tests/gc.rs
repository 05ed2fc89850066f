//! `gc`: what dead containers left goes, what belongs to the host comes home, and nothing else is touched.
mod support;

use std::process::Command;

use serde_json::Value;
use support::{
    Container, Docker, IN_USERSPACE, Ovs, RPIPE, World, assert_same, container_with_routes, finish, flag,
    names, replace_vsctl, rpipe_with_path, snapshot, until,
};

/// What it tells, line by line; standard output is silent.
#[track_caller]
fn told(world: &World, words: &str) -> Vec<String> {
    let output = world.line(words);
    assert_eq!((output.code(), output.stdout.as_str()), (0, ""), "{output:?}");
    output.stderr.lines().map(str::to_owned).collect()
}

fn card(world: &World) {
    world
        .sh("ip link add card mtu 1400 address 02:00:00:00:00:aa type veth peer name other
             for link in card other; do ip link set $link addrgenmode none; ip link set $link up; done
             ip link set card alias 'to the lab'")
        .ok();
}

/// The kernel returns hardware when its container dies: down, and under the container's name. A veth would die, so it is
/// moved by hand.
fn dies(container: &Container, ifname: &str) {
    container.ip(&format!("link set {ifname} down netns 1"));
}

#[test]
fn there_is_nothing_to_do() {
    let world = World::new();
    // The kernel's own link-local addresses would come in their own time.
    world.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    world.line(&format!("br0 {} 10.0.0.2/24", container.target())).ok();
    world.line(&format!("br7 -i eth2 {} 10.7.0.2/24", container.target())).ok();
    world
        .sh("ip link add br8 type bridge
             ip link add br9 type bridge; ip link set br9 alias 'rpipe 2 bridge'
             ip link add v type veth peer name w; ip link set v alias 'rpipe 1 bridge'; ip link set w alias 'rpipe 1 port'
             ln -s /nowhere /run/netns/theirs")
        .ok();
    let before = snapshot(&world, &[&container]);
    assert_eq!(world.line("gc").ok(), "");
    assert_eq!(world.line("gc --json").ok(), "[]\n");
    assert_eq!(world.line("gc --dry-run").ok(), "#!/bin/sh\nset -e\n");
    assert_same(&before, &snapshot(&world, &[&container]), "nothing is left over");
}

#[test]
fn what_a_dead_container_left_goes() {
    let world = World::new();
    let docker = Docker::new(&world);
    let before = snapshot(&world, &[]);
    for words in ["gc", "gc --json", "script"] {
        docker.run("web", "--network none");
        world.line("br7 web 10.0.0.2/24").ok();
        docker.docker("rm -f web").ok();
        until("the port is gone", || names(&world.ip_json("link show master br7")).is_empty());
        let script = world.line("gc --dry-run").ok();
        assert_eq!(script, "#!/bin/sh\nset -e\nrm /var/run/netns/web\nip link delete dev br7\n");
        match words {
            "gc" => assert_eq!(
                told(&world, "gc"),
                [
                    "rpipe: removed /var/run/netns/web: its process is gone",
                    "rpipe: removed bridge br7: it was empty"
                ]
            ),
            "gc --json" => assert_eq!(
                world.line(words).ok(),
                "[{\"what\":\"namespace_link\",\"name\":\"web\",\"from\":null},{\"what\":\"bridge\",\"name\":\"br7\",\"from\":null}]\n"
            ),
            _ => drop(world.sh(&script).ok()),
        }
        assert_same(&before, &snapshot(&world, &[]), words);
        assert_eq!(world.line("gc").ok(), "");
    }
}

#[test]
fn a_bridge_that_somebody_uses_stays() {
    for uses in [
        "addr add 10.7.0.1/24 dev br7",
        "link add link br7 name mac0 type macvlan",
        "link set other master br7",
    ] {
        let world = World::new();
        card(&world);
        let container = world.container();
        world.line(&format!("br7 {} 10.7.0.2/24", container.target())).ok();
        world.ip(uses);
        world.line(&format!("detach {}", container.target())).ok();
        assert_eq!(world.line("gc").ok(), "", "{uses}");
        world.link("br7");
    }
    // By a container's macvlan, which only that container's namespace tells.
    let world = World::new();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("br7 {} 10.7.0.2/24", a.target())).ok();
    world.ip(&format!("link add link br7 name mac0 netns {} type macvlan", b.pid));
    world.line(&format!("detach {}", a.target())).ok();
    assert_eq!(world.line("gc").ok(), "");
    b.ip("link del mac0");
    assert_eq!(told(&world, "gc").len(), 1);
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_that_nobody_uses_goes() {
    let world = World::new();
    card(&world);
    world.ip("link add link card name office type vlan id 5");
    for vlan in [10, 20] {
        let container = world.container();
        world.line(&format!("card {} 10.0.0.2/24 @{vlan}", container.target())).ok();
        // Without rpipe.
        container.ip("link del eth1");
    }
    let user = world.container();
    world.line(&format!("card {} 10.0.0.3/24 @20", user.target())).ok();
    assert_eq!(told(&world, "gc"), ["rpipe: removed 802.1Q interface card.10: nobody uses it"]);
    user.ip("link del eth1");
    world.ip("addr add 10.20.0.1/24 dev card.20");
    assert_eq!(world.line("gc").ok(), "");
    world.ip("addr flush dev card.20");
    assert_eq!(told(&world, "gc").len(), 1);
    assert_eq!(names(&world.ip_json("link show type vlan")), ["office"]);
}

#[test]
fn stale_ports_and_empty_bridges_of_open_vswitch_go() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    // It complains that there is no such interface, and makes the record.
    drop(ovs.vsctl("add-port ovs0 theirs"));
    let before = ovs.state();
    replace_vsctl(&world, IN_USERSPACE);
    let (dead, alive) = (world.container(), world.container());
    let attach = |line: String| finish(rpipe_with_path(&world).args(line.split(' '))).ok();
    attach(format!("ovs0 {} 10.0.0.2/24", dead.target()));
    attach(format!("ovs7 -i eth2 {} 10.7.0.2/24", dead.target()));
    attach(format!("ovs0 {} 10.0.0.3/24", alive.target()));
    assert_eq!(world.line("gc").ok(), "", "all of it is in use");
    dead.sh("ip link del eth1; ip link del eth2").ok();
    let script = world.line("gc --dry-run").ok();
    assert_eq!(script.matches("ovs-vsctl --if-exists del-port ").count(), 2, "{script}");
    assert!(script.ends_with("ovs-vsctl --if-exists del-br ovs7\n"), "{script}");
    let mut said = told(&world, "gc");
    assert_eq!(said.pop().unwrap(), "rpipe: removed Open vSwitch bridge ovs7: it was empty");
    assert!(said.len() == 2 && said.iter().all(|line| line.contains("its container is gone")), "{said:?}");
    assert_eq!(
        ovs.ports("ovs0").len(),
        2,
        "one of somebody else's whose link was never there, and one that lives"
    );
    world.line(&format!("detach {}", alive.target())).ok();
    assert_same(&before, &ovs.state(), "as it was");
}

/// By each of the calls that put it right, `gc` loudly and the others in passing.
#[test]
fn an_interface_that_came_home_is_as_it_was() {
    for call in ["gc", "list", "detach pid:1000000", "attach"] {
        let world = World::new();
        card(&world);
        let before = world.link("card");
        let container = container_with_routes(&world);
        let line =
            format!("--direct-phys card {} 192.168.0.5/24 02:00:00:00:00:05 --mtu 1300", container.target());
        world.line(&line).ok();
        dies(&container, "eth1");
        assert_eq!(names(&world.ip_json("link")), ["lo", "other", "eth1"]);
        match call {
            "gc" => assert_eq!(told(&world, call), ["rpipe: eth1 came home and is card again"]),
            "attach" => {
                // Under its own name it is not there.
                world.line(&line).ok();
                assert_eq!(names(&world.ip_json("link")), ["lo", "other"]);
                world.line(&format!("detach {}", container.target())).ok();
            }
            _ => drop(world.line(&format!("-q {call}")).ok()),
        }
        let after = world.link("card");
        for key in ["address", "mtu", "ifalias", "flags"] {
            assert_eq!(before[key], after[key], "{call}: {key}");
        }
        assert_eq!(world.line("gc").ok(), "");
    }
}

#[test]
fn an_interface_whose_name_is_taken_is_left_alone() {
    let world = World::new();
    card(&world);
    let container = world.container();
    world.line(&format!("--direct-phys card {} 192.168.0.5/24", container.target())).ok();
    world.ip("link add card type veth peer name cardp");
    dies(&container, "eth1");
    let before = snapshot(&world, &[]);
    let said = told(&world, "gc");
    assert!(
        said.len() == 1 && said[0].contains("eth1 came home") && said[0].contains("called card"),
        "{said:?}"
    );
    assert_eq!(told(&world, "-q gc"), [""; 0]);
    let rows: Vec<Value> = serde_json::from_str(&world.line("list --json").ok()).unwrap();
    assert_eq!(
        (&rows[0]["ifname"], &rows[0]["uplink"], &rows[0]["state"]),
        (&"eth1".into(), &"card".into(), &"came home".into())
    );
    assert_same(&before, &snapshot(&world, &[]), "left alone");
    world.ip("link del card");
    assert_eq!(told(&world, "gc").len(), 1);
    assert!(flag(&world.link("card"), "UP"));
}

/// One that is up under its own name is on its way into a container: the mark comes first.
#[test]
fn an_interface_on_its_way_is_left_alone() {
    let world = World::new();
    card(&world);
    finish(world.command("ip").args([
        "link",
        "set",
        "dev",
        "card",
        "alias",
        "rpipe 1 link nic=card up=1 mtu=1400",
    ]))
    .ok();
    let before = snapshot(&world, &[]);
    assert_eq!(world.line("gc").ok(), "");
    assert_eq!(world.line("list").ok(), "");
    assert_same(&before, &snapshot(&world, &[]), "left alone");
}

/// A container may have rewritten the mark.
#[test]
fn a_forged_mark_brings_nothing_home_but_the_interface() {
    for (mark, named) in [
        ("rpipe 1 link nic=lo up=1 mtu=1500", "eth1"),
        ("rpipe 1 link nic=-x up=1 mtu=1500", "eth1"),
        ("rpipe 1 link nic=../x mtu=1500", "eth1"),
        ("rpipe 1 link nic=card mtu=1400 alias=rpipe%201%20bridge", "card"),
        ("rpipe 1 link nic=card mtu=1400 alias=%1b%5b2J", "card"),
    ] {
        let world = World::new();
        card(&world);
        let container = world.container();
        world.line(&format!("--direct-phys card {} 192.168.0.5/24", container.target())).ok();
        finish(container.command("ip").args(["link", "set", "dev", "eth1", "alias", mark])).ok();
        dies(&container, "eth1");
        let output = world.line("gc");
        assert!(output.code() == 0 && output.stderr.lines().count() <= 1, "{mark}: {output:?}");
        assert_eq!(names(&world.ip_json("link")), ["lo", "other", named], "{mark}");
        if named == "card" {
            assert_eq!(world.link("card")["ifalias"], Value::Null, "{mark}");
        }
    }
}

/// The kernel's own doing, which needs hardware: a simulated wireless device, in the first namespace of the guest.
#[test]
#[ignore = "needs the guest's kernel"]
fn hardware_comes_home_when_its_container_dies() {
    let script = "[ -d /run/guest ] || exit 1
         mkdir -p /run/netns
         # Another test may have left one under another name.
         until modprobe -r mac80211_hwsim; do sleep 0.1; done
         modprobe mac80211_hwsim radios=1
         ip link set wlan0 up alias 'to the roof'
         for call in gc list; do
             before=$(cat /sys/class/net/wlan0/address)
             unshare --net sleep 1000 & pid=$!
             until [ \"$(readlink /proc/$pid/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
             $0 --direct-phys wlan0 pid:$pid 10.0.0.2/24 02:00:00:00:00:77 -i radio
             [ ! -e /sys/class/net/wlan0 ]
             kill $pid
             until [ -e /sys/class/net/radio ]; do sleep 0.1; done
             $0 $call
             [ \"$(cat /sys/class/net/wlan0/address)\" = \"$before\" ]
             [ \"$(cat /sys/class/net/wlan0/ifalias)\" = 'to the roof' ]
             ip link show dev wlan0 up | grep -q wlan0
         done";
    let output = finish(Command::new("sh").args(["-euxc", script, RPIPE]));
    assert!(
        output.code() == 0 && output.stderr.contains("rpipe: radio came home and is wlan0 again"),
        "{output:#?}"
    );
}

/// rpipe may be called inside a container as well, where the interface that was moved is in its place.
#[test]
fn inside_the_container_it_is_at_home() {
    let world = World::new();
    card(&world);
    let container = world.container();
    world.line(&format!("--direct-phys card {} 192.168.0.5/24", container.target())).ok();
    for verb in ["list", "gc"] {
        let output = finish(container.command(RPIPE).arg(verb));
        assert_eq!(output.code(), 0, "{output:?}");
        container.ip("link set eth1 down");
        finish(container.command(RPIPE).arg(verb));
        container.ip("link set eth1 up");
        assert_eq!(container.links(), ["lo", "eth1"], "{verb}");
        assert!(container.link("eth1")["ifalias"].as_str().unwrap().contains("nic=card"), "{verb}");
    }
    world.line(&format!("detach {}", container.target())).ok();
    assert!(names(&world.ip_json("link")).contains(&"card".to_owned()));
}
