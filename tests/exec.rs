//! A command of the host inside a container's network, and nothing in between.
mod support;

use support::{World, names};

#[test]
fn a_command_sees_the_containers_network_and_the_hosts_files() {
    let world = World::new();
    let container = world.container();
    container.ip("link add inside type veth peer name other");
    let links = world.line(&format!("exec {} -- ip -j link", container.target())).ok();
    assert_eq!(names(&serde_json::from_str(&links).unwrap()), ["lo", "other", "inside"]);
    assert_eq!(world.line(&format!("exec {} -- cat /run/trace", container.target())).code(), 1);
    world.sh("echo hello >/run/trace").ok();
    assert_eq!(world.line(&format!("exec {} -- cat /run/trace", container.target())).ok(), "hello\n");
}

#[test]
fn the_exit_status_is_the_commands() {
    let world = World::new();
    let container = world.container();
    let exec = |script| world.rpipe(&["exec", &container.target(), "--", "sh", "-c", script]);
    assert_eq!(exec("exit 9").code(), 9);
    assert_eq!(exec("kill -TERM $$").code(), 128 + 15);
    let said = world.line(&format!("exec {} -- no-such-command", container.target())).refused(1);
    assert_eq!(said, "rpipe: command \"no-such-command\": no such program in PATH");
}

#[test]
fn rpipe_becomes_the_command() {
    let world = World::new();
    let container = world.container();
    let (output, trace) = world.strace(
        &["-e", "trace=execve,fork,vfork,clone,clone3"],
        &["tc", &container.target(), "-s", "qdisc", "show", "dev", "lo"],
    );
    output.ok();
    assert_eq!(trace.len(), 2, "rpipe itself and tc: {trace:#?}");
    assert!(trace[1].contains(r#"["tc", "-s", "qdisc", "show", "dev", "lo"]"#), "{trace:#?}");
}

#[test]
fn every_word_behind_the_target_is_the_tools() {
    let world = World::new();
    let container = world.container();
    let words = ["-v", "-q", "--help", "--", "-"];
    let target = container.target();
    let all: Vec<_> = ["route", &target].into_iter().chain(words).collect();
    let (_, trace) = world.strace(&["-e", "trace=execve"], &all);
    assert!(trace[1].contains(r#"["ip", "route", "-v", "-q", "--help", "--", "-"]"#), "{trace:#?}");
}

#[test]
fn routes_and_rules_are_the_containers() {
    let world = World::new();
    let container = world.container();
    let target = container.target();
    let before = world.run("ip route").ok();
    world.line(&format!("route {target} add 10.0.0.0/8 dev lo")).ok();
    world.line(&format!("rule {target} add from 10.0.0.1 table 7")).ok();
    assert_eq!(container.run("ip route").ok(), "10.0.0.0/8 dev lo scope link \n");
    assert!(container.run("ip rule").ok().contains("from 10.0.0.1 lookup 7"));
    assert_eq!(world.run("ip route").ok(), before);
    assert!(!world.run("ip rule").ok().contains("10.0.0.1"));
}

#[test]
fn a_target_that_is_not_there_starts_nothing() {
    let world = World::new();
    world.line("exec pid:4194304 -- touch /run/started").refused(1);
    world.line("route nosuch").refused(1);
    world.line("exec pid:1 -- touch /run/started").refused(1);
    assert!(!world.path("/run/started").exists());
    world.line("exec pid:1").refused(2);
    world.line("tc").refused(2);
}
