//! `--probe`: the network itself is asked whether somebody has an address, before it is used (RFC 5227).
mod support;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use support::{
    Container, RPIPE, World, addresses, assert_same, fails_as_before, finish, flag, snapshot, until,
};

/// A host on the network that rpipe knows nothing of, with an address.
fn holder<'w>(world: &'w World, bridge: &str, address: &str) -> Container<'w> {
    let holder = world.container();
    world
        .sh(&format!(
            "ip link add h{0} type veth peer name eth0 netns {0}
             ip link set h{0} addrgenmode none
             [ -z '{bridge}' ] || ip link set h{0} master {bridge}
             ip link set h{0} up",
            holder.pid
        ))
        .ok();
    holder.sh(&format!("ip addr add {address} dev eth0; ip link set eth0 up")).ok();
    holder
}

fn mac(container: &Container, ifname: &str) -> String {
    container.link(ifname)["address"].as_str().unwrap().to_owned()
}

fn start(container: &Container, line: &str) -> Child {
    let line = line.replace("TARGET", &container.target());
    let mut command = container.world.command(RPIPE);
    command.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the interface inside is up: the probes follow at once.
fn probing(container: &Container) {
    until("the interface is up", || {
        container.links().contains(&"eth1".to_owned()) && flag(&container.link("eth1"), "LOWER_UP")
    });
}

#[test]
fn a_holder_on_the_bridge_is_found_and_named() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let (container, holder) = (world.container(), holder(&world, "br0", "10.0.0.5/24"));
    let mac = mac(&holder, "eth0");
    let said = fails_as_before(&[&container], "br0 --probe", "10.0.0.5/24@10.0.0.1");
    let expected = format!(
        "rpipe: probing for 10.0.0.5 on eth1 of \"{}\": {mac} has this address (choose another address)",
        container.pid
    );
    assert_eq!(said, expected);
    let said = fails_as_before(&[&container], "br0 --probe", "10.0.0.6/24,fd00::6/64,10.0.0.5/16");
    assert!(
        said.contains(&format!("10.0.0.6, 10.0.0.5 on eth1 of \"{}\": {mac} has 10.0.0.5", container.pid)),
        "{said}"
    );
    let said = world.line("run br0 --probe 10.0.0.5/24 -- true").refused(1);
    assert!(said.contains(&mac), "{said}");
    // Without being asked nobody probes.
    world.line(&format!("br0 {} 10.0.0.5/24", container.target())).ok();
}

#[test]
fn a_free_address_is_used_and_announced() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let (container, neighbour) = (world.container(), holder(&world, "br0", "10.0.0.9/24"));
    neighbour.ip("neigh add 10.0.0.5 lladdr 02:00:00:00:00:99 dev eth0 nud stale");
    world.line(&format!("br0 --probe {} 10.0.0.5/24@10.0.0.1,fd00::5/64", container.target())).ok();
    let inside = container.link("eth1");
    assert_eq!(addresses(&inside), ["10.0.0.5/24", "fd00::5/64"]);
    assert_eq!(container.ip_json("route show default")[0]["gateway"], "10.0.0.1");
    until("the neighbour knows the new MAC address", || {
        neighbour.ip_json("neigh show 10.0.0.5")[0]["lladdr"] == inside["address"]
    });
    container.pings("10.0.0.9");
    // Its own words again find their own address, which is nobody else's.
    world.line(&format!("br0 --probe {} 10.0.0.5/24@10.0.0.1,fd00::5/64", container.target())).ok();
}

#[test]
fn through_a_macvlan() {
    let world = World::new();
    let holder = holder(&world, "", "10.0.0.5/24");
    let card = format!("h{}", holder.pid);
    let container = world.container();
    let said = fails_as_before(&[&container], &format!("{card} --probe"), "10.0.0.5/24");
    assert!(said.contains(&mac(&holder, "eth0")), "{said}");
    holder.ip("neigh add 10.0.0.6 lladdr 02:00:00:00:00:99 dev eth0 nud stale");
    world.line(&format!("{card} --probe {} 10.0.0.6/24", container.target())).ok();
    let own = mac(&container, "eth1");
    until("the holder knows the new MAC address", || {
        holder.ip_json("neigh show 10.0.0.6")[0]["lladdr"] == own.as_str()
    });
    // What another container of ours has is known without asking.
    let another = world.container();
    assert!(
        fails_as_before(&[&another], &format!("{card} --probe"), "10.0.0.6/24")
            .starts_with("rpipe: attaching")
    );
    // Where nothing is carried nobody can be asked.
    holder.ip("link set eth0 down");
    let said = fails_as_before(&[&another], &format!("{card} --probe"), "10.0.0.7/24");
    assert!(said.contains("it has no carrier, so nobody can be asked (leave --probe out"), "{said}");
}

#[test]
fn replacing_probes_for_what_is_new_before_anything_changes() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let (container, holder) = (world.container(), holder(&world, "br0", "10.0.0.5/24"));
    world.line(&format!("br0 {} 10.0.0.6/24", container.target())).ok();
    let said = fails_as_before(&[&container], "br0 --replace --probe", "10.0.0.6/24,10.0.0.5/24");
    assert!(said.contains("probing for 10.0.0.5 on eth1") && said.contains(&mac(&holder, "eth0")), "{said}");
    world.line(&format!("br0 --replace --probe {} 10.0.0.6/24,10.0.0.7/24", container.target())).ok();
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.6/24", "10.0.0.7/24"]);
}

/// Of two that probe for the same address at the same time, the one that hears the other gives way.
#[test]
fn who_is_about_to_take_it_is_heard() {
    let world = World::new();
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set other up").ok();
    let (slow, quick) = (world.container(), world.container());
    let child = start(&slow, "card --probe=full TARGET 10.0.0.5/24");
    probing(&slow);
    world.line(&format!("card --probe {} 10.0.0.5/24 02:00:00:00:00:01", quick.target()));
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("02:00:00:00:00:01 is about to take this address"), "{said}");
    assert_eq!(slow.links(), ["lo"]);
}

#[test]
fn the_timing_of_the_rfc() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let start = Instant::now();
    world.line(&format!("br0 --probe=full {} 10.0.0.5/24", container.target())).ok();
    let took = start.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&took), "{took:?}");
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.5/24"]);
}

#[test]
fn a_signal_while_probing_undoes_everything() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    // An interactive shell would not have its background jobs ignore SIGINT.
    let script = format!(
        "set -m; {RPIPE} br0 --probe=full pid:{0} 10.0.0.5/24 & rpipe=$!
         until nsenter -t {0} -n ip -br link show dev eth1 2>/dev/null | grep -q ' UP '; do sleep 0.01; done
         kill -INT $rpipe; wait $rpipe",
        container.pid
    );
    let start = Instant::now();
    let output = finish(world.command("bash").args(["-c", &script]));
    assert_eq!(output.code(), 130, "{output:#?}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(output.stderr.contains("interrupted by SIGINT, everything was undone"), "{output:#?}");
    assert_same(&before, &snapshot(&world, &[&container]), "SIGINT");
}

/// As under nohup, or in the background of a script.
#[test]
fn a_signal_that_is_ignored_changes_nothing() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let script = format!(
        "(trap '' INT HUP; exec {RPIPE} br0 --probe=full pid:{0} 10.0.0.5/24) & rpipe=$!
         until nsenter -t {0} -n ip -br link show dev eth1 2>/dev/null | grep -q ' UP '; do sleep 0.01; done
         kill -INT $rpipe; kill -HUP $rpipe; wait $rpipe",
        container.pid
    );
    finish(world.command("bash").args(["-c", &script])).ok();
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.5/24"]);
}

/// A bridge with STP lets nothing through at first: probes that were sent then would find nobody.
#[test]
fn a_bridge_that_listens_is_waited_for() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let (container, holder) = (world.container(), holder(&world, "br0", "10.0.0.5/24"));
    world.ip("link set br0 type bridge stp_state 1 forward_delay 200");
    until("the holder's port forwards", || {
        world.link(&format!("h{}", holder.pid))["linkinfo"]["info_slave_data"]["state"] == "forwarding"
    });
    let said = world.line(&format!("br0 --probe {} 10.0.0.5/24", container.target())).refused(1);
    assert!(said.contains(&mac(&holder, "eth0")), "{said}");
    assert_eq!(container.links(), ["lo"]);
}

#[test]
fn what_hears_no_answers_is_told_before() {
    let world = World::new();
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set other up").ok();
    let container = world.container();
    let said = fails_as_before(&[&container], "--type ipvlan card --probe", "10.0.0.5/24");
    assert_eq!(
        said,
        "rpipe: --probe: an ipvlan hears no answers of who has an address already (leave --probe out)"
    );
    assert!(fails_as_before(&[&container], "dummy0 --probe", "10.0.0.5/24").contains("a dummy"));
    // Nothing of IPv4 to ask for: the kernel does what there is to do.
    world.line(&format!("card --probe {} fd00::5/64", container.target())).ok();
    world.line(&format!("card --probe=never {} fd00::5/64", container.target())).refused(2);
}
