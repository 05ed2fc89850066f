//! `detach`: host and container are afterwards as they were before the attach.
mod support;

use serde_json::Value;
use support::{
    Container, Docker, Ovs, World, addresses, assert_same, container_with_routes, finish, names, snapshot,
};

fn world() -> World {
    let world = World::new();
    // The kernel's own link-local addresses would come in their own time.
    world.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    world.bridge("br0", "10.0.0.1/24");
    world
        .sh("ip link add card mtu 1400 address 02:00:00:00:00:ca type veth peer name other
             ip link set other up; ip link set card up; ip link set card alias 'to the lab'")
        .ok();
    world
}

/// What the kernel decides in its own time, and what the first attach leaves on purpose: parents are up.
fn state(world: &World, container: &Container) -> String {
    let text = snapshot(world, &[container]);
    let states = ["UP", "UNKNOWN", "LOWERLAYERDOWN"];
    let text =
        states.iter().fold(text, |text, state| text.replace(&format!("\"operstate\":\"{state}\""), ""));
    // An interface that was away comes last.
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Attaches by the line and detaches: everything is as before, and a second time there is nothing to do.
#[track_caller]
fn there_and_back(world: &World, line: &str) {
    let container = container_with_routes(world);
    let before = state(world, &container);
    world.line(&format!("-q {}", line.replace("TARGET", &container.target()))).ok();
    let detach = format!("detach {}", container.target());
    world.line(&detach).ok();
    assert_same(&before, &state(world, &container), line);
    world.line(&detach).ok();
    world.line(&format!("{detach} --all")).ok();
    world.line(&format!("{detach} -i eth1")).ok();
    assert_same(&before, &state(world, &container), line);
}

#[test]
fn everything_is_as_before() {
    for line in [
        "br0 TARGET 10.0.0.2/24",
        "br0 TARGET 10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1 U:web",
        "br0 -i lan0 -l host0 TARGET 10.9.9.9/32@10.0.0.1 --route 10.8.0.0/16",
        "br0 TARGET 0/0@10.0.0.1",
        "card TARGET 10.0.0.2/24@10.0.0.1",
        "--direct-phys card TARGET 10.0.0.2/24@10.0.0.1",
        "--direct-phys card TARGET 10.0.0.2/24 02:00:00:00:00:02 --mtu 1300",
    ] {
        there_and_back(&world(), line);
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn what_needs_more_of_the_kernel_is_as_before() {
    for line in [
        "card TARGET 10.0.0.2/24 @10",
        "card --type ipvlan TARGET 10.0.0.2/24@10.0.0.1",
        "dummy0 TARGET 10.9.9.9/32",
    ] {
        there_and_back(&world(), line);
    }
}

#[test]
#[ignore = "needs the guest's kernel"]
fn a_vlan_that_others_use_or_made_stays() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    world.line(&format!("card {} 10.0.0.2/24 @10", a.target())).ok();
    world.line(&format!("card {} 10.0.0.3/24 @10", b.target())).ok();
    world.line(&format!("card {} -i eth2 10.0.0.4/24 @10", b.target())).ok();
    world.line(&format!("detach {}", a.target())).ok();
    a.ip("link show lo");
    assert_eq!(b.links(), ["lo", "eth1", "eth2"]);
    world.line(&format!("detach {} -i eth1", b.target())).ok();
    assert_eq!(names(&world.ip_json("link show type vlan")), ["card.10"]);
    world.line(&format!("detach {}", b.target())).ok();
    assert_eq!(names(&world.ip_json("link show type vlan")), [""; 0]);

    world.ip("link add link card name office type vlan id 20");
    world.line(&format!("card {} 10.0.0.2/24 @20", a.target())).ok();
    world.line(&format!("detach {}", a.target())).ok();
    assert_eq!(names(&world.ip_json("link show type vlan")), ["office"]);
}

#[test]
fn a_port_of_open_vswitch_goes_too() {
    let world = World::new();
    world.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let before = ovs.state();
    there_and_back(&world, "ovs0 TARGET 10.0.0.2/24@10.0.0.1 @10");
    assert_same(&before, &ovs.state(), "Open vSwitch");
}

#[test]
fn one_of_several() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    for ifname in ["eth1", "eth2", "eth3"] {
        world.line(&format!("br0 -i {ifname} {target} 10.0.0.1{}/24", &ifname[3..])).ok();
    }
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("detach {target}")).refused(1);
    assert!(said.contains("-i eth1") && said.contains("-i eth3") && said.contains("--all"), "{said}");
    world.line(&format!("detach {target} -i nosuch")).ok();
    let said = world.line(&format!("detach {target} -i eth0")).refused(1);
    assert!(said.contains("\"eth0\"") && said.contains("not attached by rpipe"), "{said}");
    world.line(&format!("detach {target} -i eth0 --all")).refused(2);
    assert_same(&before, &snapshot(&world, &[&container]), "refused");

    world.line(&format!("detach {target} -i eth2")).ok();
    assert_eq!(container.links(), ["lo", "eth0", "eth0p", "eth1", "eth3"]);
    assert_ne!(world.sh("ls /run/netns").ok(), "", "others still need the name");
    let json = world.line(&format!("detach {target} --all --json")).ok();
    let done: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&done[0]["ifname"], &done[1]["ifname"], done.as_array().unwrap().len()),
        (&"eth1".into(), &"eth3".into(), 2)
    );
    assert_eq!(done[0]["uplink"], "br0");
    assert_eq!(container.links(), ["lo", "eth0", "eth0p"]);
    assert_eq!(world.sh("ls /run/netns").ok(), "");
    assert_eq!(world.line(&format!("detach {target} --json")).ok(), "[]\n");
}

/// What took the place of the old default route meanwhile stays; one that leads nowhere any more is let go.
#[test]
fn a_default_route_of_somebody_else_stays() {
    for (meanwhile, expected) in [
        ("ip route replace default via 172.17.0.7 dev eth0", "172.17.0.7"),
        (
            "ip link add eth9 type veth peer name eth9p; ip link set eth9 up; ip addr add 10.7.0.1/24 dev eth9; ip link set eth0 name eth8 2>/dev/null || { ip link set eth0 down; ip link set eth0 name eth8; }",
            "",
        ),
    ] {
        let world = world();
        let container = container_with_routes(&world);
        world.line(&format!("br0 {} 10.0.0.2/24@10.0.0.1", container.target())).ok();
        container.sh(meanwhile).ok();
        world.line(&format!("detach {}", container.target())).ok();
        let routes = container.ip_json("-4 route show default");
        let gateway = routes[0]["gateway"].as_str().unwrap_or_default();
        assert_eq!(gateway, expected, "{routes}");
    }
}

#[test]
fn a_container_that_is_gone_is_fine() {
    let world = world();
    let docker = Docker::new(&world);
    docker.run("web", "--network none");
    world.line("br0 web 10.0.0.2/24").ok();
    docker.docker("stop -t 0 web").ok();
    let output = world.line("detach web");
    assert_eq!((output.code(), output.stdout.as_str()), (0, ""), "{output:?}");
    assert!(
        output.stderr.contains("not running") && output.stderr.contains("nothing to detach"),
        "{output:?}"
    );
    assert_eq!(world.sh("ls /run/netns").ok(), "", "its name is gone");
    docker.docker("rm web").ok();
    assert_eq!(world.line("-q detach web").ok(), "");
    assert_eq!(world.line("-q detach pid:4194303").ok(), "");
    assert_eq!(world.line("-q detach netns:nosuch --json").ok(), "[]\n");
    // Again, when it is up again.
    docker.docker("run -d --name web --network none bb:1 sleep 1000").ok();
    world.line("br0 web 10.0.0.2/24").ok();
    world.line("detach web").ok();
    assert_eq!(docker.container("web").links(), ["lo"]);
}

/// What a mark inside says can only touch that container, and an interface that others made stays.
#[test]
fn a_forged_mark_reaches_nothing_outside() {
    let world = world();
    let container = container_with_routes(&world);
    world.line(&format!("br0 {} 10.0.0.2/24", container.target())).ok();
    let long = "x".repeat(200);
    for mark in [
        "rpipe 1 link nic=br0 up=1 mtu=1500".to_owned(),
        "rpipe 1 link nic=../x up=1 mtu=1500".to_owned(),
        "rpipe 1 link nic=lo up=0 mac=02:00:00:00:00:01 mtu=70 uplink=br0 target=docker:other".to_owned(),
        "rpipe 1 link uplink=br0 old4=via,10.0.0.1,dev,lo,proto,200".to_owned(),
        "rpipe 1 link old4=via,::1,dev,eth0 old6=x".to_owned(),
        format!("rpipe 1 link target={long}"),
        "rpipe 1 link\u{7}".to_owned(),
        "rpipe 1 port uplink=br0".to_owned(),
    ] {
        container
            .sh("ip link add eth5 type veth peer name eth5p; ip link set eth5 up; ip addr add 10.5.0.1/24 dev eth5")
            .ok();
        finish(container.command("ip").args(["link", "set", "dev", "eth5", "alias", &mark])).ok();
        let host = snapshot(&world, &[]);
        let output = world.line(&format!("-q detach {} -i eth5", container.target()));
        assert!(!output.stderr.contains('\u{7}') && output.stderr.lines().count() <= 1, "{output:?}");
        // A link of the container's own that it calls attached may go. Nothing comes out, nothing else changes.
        assert_same(&host, &snapshot(&world, &[]), &mark);
        container.sh("ip link del eth5 2>/dev/null || true").ok();
    }
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.2/24"]);
}

/// Several that have replaced each other's default route: whichever goes first, the container's own comes back last.
#[test]
fn default_routes_on_top_of_each_other() {
    for orders in
        [&["eth1", "eth2", "eth3"][..], &["eth3", "eth2", "eth1"], &["eth2", "eth1", "eth3"], &["--all"]]
    {
        let world = world();
        let container = container_with_routes(&world);
        let before = state(&world, &container);
        let target = container.target();
        for ifname in ["eth1", "eth2", "eth3"] {
            let host = &ifname[3..];
            world
                .line(&format!(
                    "br0 -i {ifname} {target} 10.0.{host}.2/24@10.0.{host}.1,fd0{host}::2/64@fd0{host}::1"
                ))
                .ok();
        }
        for order in orders {
            let which = if order.starts_with("--") { (*order).to_owned() } else { format!("-i {order}") };
            world.line(&format!("detach {target} {which}")).ok();
        }
        assert_same(&before, &state(&world, &container), &format!("{orders:?}"));
    }
}

/// The kernel waits once for many links that it deletes together.
#[test]
fn many_go_with_one_deletion() {
    let world = world();
    let container = container_with_routes(&world);
    let target = container.target();
    for number in 1..9 {
        world.line(&format!("br0 -i lan{number} {target} 10.0.{number}.2/24")).ok();
    }
    let (output, trace) = world.strace(&["-e", "trace=sendto"], &["detach", &target, "--all"]);
    output.ok();
    assert_eq!(container.links(), ["lo", "eth0", "eth0p"]);
    // strace knows the protocol only of sockets that it saw being opened in its own namespace.
    let deletes = |line: &&String| line.contains("RTM_DELLINK") || line.contains("nlmsg_type=0x11 ");
    let deletions = trace.iter().filter(deletes).count();
    assert_eq!(deletions, 1, "{trace:#?}");
}
