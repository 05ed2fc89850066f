//! Open vSwitch that is broken, slow, missing or killed: one clear error, and nothing is left.
mod support;

use serde_json::json;
use support::{
    Container, Ovs, RPIPE, World, addresses, assert_same, container_with_routes, fails, finish, flag, names,
    snapshot, unchanged, with_vsctl, words,
};

#[test]
fn a_bridge_that_cannot_be_had_is_said_and_gone() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    // No kernel has a datapath of this type.
    let script = r#"case " $* " in
        *" add-br ovs7 "*) exec $real "$@" -- set Bridge ovs7 datapath_type=nonsense;;
        *) exec $real "$@";;
    esac"#;
    let said = unchanged(
        &ovs,
        &container,
        with_vsctl(&world, script).args(["ovs7", &container.target(), "10.0.0.2/24"]),
    );
    assert!(said.starts_with("rpipe: creating Open vSwitch bridge ovs7 for "), "{said}");
    assert!(
        said.contains("Error detected while setting up 'ovs7'") && said.contains("kernel module"),
        "{said}"
    );
}

#[test]
fn a_port_that_the_switch_does_not_take_is_an_error() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    // It writes the record and succeeds, as it does for a link that it cannot open.
    let script = r#"case " $* " in
        *" add-port ovs0 "*) exec $real "$@" type=nonsense;;
        *) exec $real "$@";;
    esac"#;
    let said = unchanged(
        &ovs,
        &container,
        with_vsctl(&world, script).args(["ovs0", &container.target(), "10.0.0.2/24"]),
    );
    assert!(
        said.starts_with("rpipe: adding port veth1pl") && said.contains(" to Open vSwitch bridge ovs0"),
        "{said}"
    );
    assert!(said.contains("could not open network device veth1pl"), "the switch's own words: {said}");
}

#[test]
fn a_switch_that_does_not_answer_is_not_waited_for_without_end() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    ovs.kill("ovs-vswitchd");
    // The kernel notices in its own time that nobody holds the bridge's interface any more.
    world.sh("timeout 20 sh -c 'while ip -br link show ovs0 | grep -q LOWER_UP; do :; done'").ok();
    let said = fails(&ovs, &container, "ovs0", "10.0.0.2/24");
    assert!(said.contains("ovs-vswitchd does not answer: is it running?"), "{said}");
}

#[test]
fn a_bridge_without_a_switch() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    let container = container_with_routes(&world);
    ovs.kill("ovs-vswitchd");
    let said = fails(&ovs, &container, "ovs8", "10.0.0.2/24");
    assert!(said.starts_with("rpipe: creating Open vSwitch bridge ovs8 for "), "{said}");
    assert!(said.contains("ovs-vswitchd does not answer: is it running?"), "{said}");
    // One that is known only to the database.
    ovs.vsctl("--no-wait add-br ovs9").ok();
    let said = fails(&ovs, &container, "ovs9", "10.0.0.2/24");
    assert!(
        said.contains("uplink \"ovs9\": Open vSwitch knows this bridge, but its interface is not there"),
        "{said}"
    );
}

#[test]
fn a_database_that_does_not_answer_is_an_error() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    ovs.kill("ovsdb-server");
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("ovs0 {} 10.0.0.2/24", container.target())).refused(1);
    assert!(
        said.contains("asking Open vSwitch for uplink \"ovs0\"")
            && said.contains("database connection failed"),
        "{said}"
    );
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
fn without_the_program_nothing_is_begun() {
    let world = World::new();
    let container = container_with_routes(&world);
    world.sh("mkdir /run/empty").ok();
    let before = snapshot(&world, &[&container]);
    let mut command = world.command("env");
    let said = finish(command.args(["PATH=/run/empty", RPIPE, "ovs7", &container.target(), "10.0.0.2/24"]))
        .refused(1);
    assert!(said.contains("no program ovs-vsctl in PATH") && said.contains("openvswitch-switch"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
fn without_the_program_a_bridge_is_not_taken_for_a_parent() {
    let world = World::new();
    world.ip("tuntap add tap0 mode tap");
    let without = |container: &Container, line: &str| {
        let mut command = world.command("env");
        finish(
            command.args(["PATH=/run", RPIPE]).args(words(line)).args([&container.target(), "10.0.0.2/24"]),
        )
    };
    // Where Open vSwitch was never started, a tap is somebody else's, with the program and without.
    let container = container_with_routes(&world);
    without(&container, "-q tap0").ok();
    world.line(&format!("-q tap0 -i eth2 {} 10.2.0.2/24", container.target())).ok();
    assert_eq!(container.link("eth1")["linkinfo"]["info_kind"], "macvlan");

    // In the userspace datapath a bridge is a tap to the kernel.
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let other = container_with_routes(&world);
    let (state, records) = (snapshot(&world, &[&other]), ovs.state());
    let said = without(&other, "ovs0").refused(1);
    assert!(said.contains("no program ovs-vsctl in PATH"), "{said}");
    assert_same(&state, &snapshot(&world, &[&other]), &said);
    assert_same(&records, &ovs.state(), &said);
}

#[test]
fn odd_names_stay_names() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    // Each could be a column, a quoted string, a symbol, or a record's number to ovs-vsctl.
    for (number, name) in
        ["tag=5", "a\",b", "@port", "cafe", "[]", "it's,so", "x\\ny", "Ünter"].iter().enumerate()
    {
        let container = world.container();
        // The entry is what gives a target its name.
        let target = format!("od{number}\"d,=x");
        world.sh(&format!("ln -s /proc/{}/ns/net '/run/netns/{target}'", container.pid)).ok();
        let address = format!("10.0.0.{}/24", number + 2);
        world.rpipe(&["ovs0", "-l", name, &format!("netns:{target}"), &address, "@9"]).ok();
        let ids = ovs.ids("Interface", name);
        assert_eq!(ids["rpipe.interface"], *name);
        assert_eq!(ids["rpipe.containername"], json!(target));
        assert_eq!(ids.len(), 4, "{ids:?}");
        assert_eq!(ovs.find("tag", "Port", name), 9);
        assert_eq!(ovs.find("external_ids", "Port", name), json!(["map", []]));
        // Such a record is also found again.
        container.ip("link del eth1");
        world.rpipe(&["ovs0", "-l", name, &format!("netns:{target}"), &address]).ok();
        assert_eq!(ovs.find("tag", "Port", name), json!(["set", []]), "{name}");
        assert!(flag(&world.link(name), "LOWER_UP"));
    }
}

#[test]
fn the_script_of_a_dry_run_does_the_same() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let line = format!("--dry-run ovs0 -l w'$x {} 10.0.0.2/24@10.0.0.1 @10", container.target());
    let (state, records) = (snapshot(&world, &[&container]), ovs.state());
    let script = world.rpipe(&words(&line)).ok();
    assert_same(&state, &snapshot(&world, &[&container]), "a dry run");
    assert_same(&records, &ovs.state(), "a dry run");
    world.sh(&script).ok();
    let ids = json!(ovs.ids("Interface", "w'$x"));
    assert_eq!(ovs.find("tag", "Port", "w'$x"), 10);
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.2/24"]);
    let scripted = (world.link("w'$x")["mtu"].clone(), world.link("w'$x")["flags"].clone());

    ovs.vsctl("del-port w'$x").ok();
    world.ip("link del w'$x");
    let line = line.replace("--dry-run ", "");
    world.line(&line).ok();
    assert_eq!(json!(ovs.ids("Interface", "w'$x")), ids);
    assert_eq!((world.link("w'$x")["mtu"].clone(), world.link("w'$x")["flags"].clone()), scripted);
}

#[test]
fn a_signal_while_the_program_runs_undoes_it() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let (state, records) = (snapshot(&world, &[&container]), ovs.state());
    // Its parent is rpipe, which notes the signal; it gets the same one, as on Ctrl-C, and works on.
    let script = r#"case " $* " in *" add-port ovs0 "*) kill -INT $PPID $$;; esac
        exec $real "$@""#;
    let output = finish(with_vsctl(&world, script).args(["ovs0", &container.target(), "10.0.0.2/24"]));
    assert_eq!(output.code(), 130, "{output:#?}");
    assert!(output.stderr.contains("interrupted by SIGINT, everything was undone"), "{output:#?}");
    assert_same(&state, &snapshot(&world, &[&container]), "interrupted");
    assert_same(&records, &ovs.state(), "interrupted");
}

/// Disturbs every call of that name in turn, of rpipe and not of the programs that it starts.
fn disturb_each(call: &str, how: &str) {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let line = ["ovs0", "-l", "wire", &container.target(), "10.0.0.2/24@10.0.0.1", "@10"];
    let (state, records) = (snapshot(&world, &[&container]), ovs.state());
    for number in 1.. {
        let inject = format!("inject={call}:{how}:when={number}");
        let mut command = world.command("strace");
        command.args(["-qq", "-o", "/run/trace", "-e", &inject, "--", RPIPE]);
        let output = finish(command.args(line));
        let what = format!("{inject}: {output:#?}");
        let trace = std::fs::read_to_string(world.path("/run/trace")).unwrap();
        let calls = trace.lines().filter(|line| line.starts_with(&format!("{call}("))).count();
        if output.code() == 0 {
            // It can do without some.
            assert_eq!(ovs.ports("ovs0"), ["wire"], "{what}");
            assert_eq!(addresses(&container.link("eth1")), ["10.0.0.2/24"], "{what}");
            if calls < number {
                assert!(number > 2, "hardly called: {what}");
                return;
            }
            ovs.vsctl("del-port wire").ok();
            world.ip("link del wire");
            container.sh("ip route replace default via 172.17.0.1 dev eth0 proto static mtu 1400").ok();
            world.sh("rm /run/netns/*").ok();
        }
        assert!(calls >= number, "{what}");
        assert_same(&state, &snapshot(&world, &[&container]), &what);
        assert_same(&records, &ovs.state(), &what);
        assert!(!what.contains("panicked"), "{what}");
    }
}

#[test]
fn whatever_call_fails_nothing_is_left() {
    for call in ["sendto", "memfd_create", "clone3", "read"] {
        disturb_each(call, "error=ENOBUFS");
    }
}

#[test]
fn whenever_a_signal_comes_nothing_is_left() {
    for call in ["sendto", "memfd_create", "clone3", "wait4"] {
        disturb_each(call, "signal=SIGTERM");
    }
}

#[test]
fn started_by_somebody_who_ignores_the_end_of_children() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    let line = |address: &str| {
        let line = format!("{RPIPE} ovs0 -l wire {} {address}", container.target());
        world.sh(&format!("trap '' CHLD; exec {line}"))
    };
    container.ip("route add 10.9.9.9/32 dev eth0");
    let records = ovs.state();
    line("10.0.0.2/24@10.9.9.9").refused(1);
    assert_same(&records, &ovs.state(), "undone");
    line("10.0.0.2/24").ok();
    assert_eq!(ovs.ports("ovs0"), ["wire"]);
}

#[test]
fn two_programs_wire_a_port_and_none_a_card() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set other up").ok();
    let container = world.container();
    let programs = |line: &str| {
        let (output, trace) = world.strace(&["-e", "trace=execve"], &words(line));
        output.ok();
        // The first is rpipe itself.
        trace.iter().filter(|line| line.contains("execve(") && line.ends_with(" = 0")).count() - 1
    };
    assert_eq!(programs(&format!("ovs0 {} 10.0.0.2/24@10.0.0.1 @10", container.target())), 2);
    assert_eq!(programs(&format!("card -i eth2 {} 10.1.0.2/24", container.target())), 0);
}

#[test]
fn a_command_leaves_no_port_behind() {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.0.0.1/24");
    let records = ovs.state();
    let said = world.line("run ovs0 10.0.0.2/24 -- ping -n -q -c 1 -w 4 10.0.0.1").ok();
    assert!(said.contains(" 0% packet loss"), "{said}");
    assert_same(&records, &ovs.state(), "after the command");
    assert!(!names(&world.ip_json("link")).iter().any(|name| name.starts_with("veth")));
}

#[test]
#[ignore = "needs the guest's kernel"]
fn with_the_datapath_of_the_kernel() {
    let world = World::new();
    world.run("modprobe openvswitch").ok();
    // In the first ten seconds after the boot the switch counts no processor (count_cpu_cores, lib/ovs-thread.c of 3.1),
    // and later on none of its threads takes a packet.
    world.sh("while read -r now rest </proc/uptime && [ \"${now%.*}\" -lt 11 ]; do sleep 0.2; done").ok();
    // No link-local addresses, which come in their own time.
    world.sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode").ok();
    let ovs = Ovs::new(&world);
    let [a, b, c] = [world.container(), world.container(), world.container()];
    world.line(&format!("ovs7 {} 10.0.0.2/24 @10", a.target())).ok();
    world.line(&format!("ovs7 {} 10.0.0.3/24 @10", b.target())).ok();
    world.line(&format!("ovs7 -l other {} 10.0.0.4/24 @20", c.target())).ok();
    assert_eq!(world.link("ovs7")["linkinfo"]["info_kind"], "openvswitch");
    assert_eq!(world.link("other")["linkinfo"]["info_slave_kind"], "openvswitch");
    assert_eq!(world.link("other")["master"], "ovs-system");
    a.pings("10.0.0.3");
    assert!(!a.run("ping -n -q -c 2 -i 0.2 -w 1 10.0.0.4").status.success());

    // A container that dies leaves its record behind.
    c.ip("link del eth1");
    assert!(ovs.ports("ovs7").contains(&"other".to_owned()));
    world.line(&format!("ovs7 -l other {} 10.0.0.4/24 @10", c.target())).ok();
    a.pings("10.0.0.4");

    let container = world.container();
    container
        .sh("echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode
             ip link add eth0 type veth peer name eth0p
             ip link set eth0 up
             ip route add 10.9.9.9/32 dev eth0")
        .ok();
    let said = fails(&ovs, &container, "ovs7", "10.0.0.5/24@10.9.9.9");
    assert!(said.contains("10.9.9.9"), "{said}");
    let said = fails(&ovs, &container, "ovs8", "10.0.0.5/24@10.9.9.9");
    assert!(said.contains("10.9.9.9"), "{said}");
    let said = fails(&ovs, &container, "other", "10.0.0.5/24");
    assert!(said.contains("uplink \"other\": is a port of Open vSwitch"), "{said}");
    ovs.vsctl("add-port ovs7 inner -- set Interface inner type=internal").ok();
    let said = fails(&ovs, &container, "inner", "10.0.0.5/24");
    assert!(said.contains("uplink \"inner\": is a port of Open vSwitch"), "{said}");
}
