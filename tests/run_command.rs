//! `rpipe run`: a command in a namespace of its own, and nothing left when it ends.
mod support;

use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use support::{Output, RPIPE, World, addresses, assert_same, flag, snapshot};

fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
}

/// Runs the line of words, the last one a shell script; nothing may be left.
#[track_caller]
fn run(world: &World, line: &str, script: &str) -> Output {
    let before = snapshot(world, &[]);
    let mut words: Vec<_> = line.split(' ').collect();
    words.extend(["--", "sh", "-c", script]);
    let output = world.rpipe(&words);
    assert_same(&before, &snapshot(world, &[]), &format!("{output:#?}"));
    output
}

#[test]
fn the_command_sees_the_interface() {
    let world = world();
    let output = run(&world, "run br0 10.0.0.2/24@10.0.0.1", "ip -j -d addr; echo; ip -j route");
    let stdout = output.ok();
    let (links, routes) = stdout.split_once('\n').unwrap();
    let links: serde_json::Value = serde_json::from_str(links).unwrap();
    assert_eq!(support::names(&links), ["lo", "eth1"]);
    assert!(flag(&links[0], "UP") && flag(&links[1], "UP"), "{links}");
    assert_eq!(addresses(&links[1]), ["10.0.0.2/24"]);
    assert!(routes.contains("10.0.0.1"), "{routes}");
}

#[test]
fn the_command_reaches_the_bridge() {
    let world = world();
    run(&world, "run br0 10.0.0.2/24", "ping -n -q -c 1 -w 10 10.0.0.1 >/dev/null").ok();
    run(&world, "run br0 -i x0 10.0.0.2/24 U:x", "ip link show x0 >/dev/null").ok();
}

#[test]
fn a_macvlan_leaves_its_parent_as_it_was() {
    let world = World::new();
    world.ip("link add card type veth peer name other");
    // The first time up changes what the kernel keeps of a link that is down.
    world.sh("ip link set card up; ip link set card down").ok();
    run(&world, "run card 10.0.0.2/24", "ip link show eth1 >/dev/null").ok();
}

#[test]
fn a_bridge_made_for_it_goes_with_it() {
    let world = World::new();
    run(&world, "run br7 10.0.0.2/24", "exit 0").ok();
}

#[test]
fn the_exit_status_is_the_commands() {
    let world = world();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let output = run(&world, "run br0 10.0.0.2/24", script);
        assert_eq!(output.status.code(), Some(code), "{script}: {output:#?}");
        assert_eq!(output.stderr, "", "{script}");
    }
}

#[test]
fn input_and_output_are_the_commands() {
    let world = world();
    let script = format!(
        "echo hello | {RPIPE} run br0 10.0.0.2/24 -- cat; {RPIPE} run br0 10.0.0.2/24 -- sh -c 'echo oops >&2'"
    );
    let output = world.sh(&script);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("hello\n", "oops\n"));
}

#[test]
fn a_command_that_is_not_there_is_told_before_anything_is_made() {
    let world = world();
    let before = snapshot(&world, &[]);
    let args = ["run", "br0", "10.0.0.2/24", "--", "no-such-program"];
    let (output, trace) = world.strace(&["-e", "trace=socket,setns,unshare"], &args);
    let said = output.refused(1);
    assert!(said.contains("no-such-program"), "{said}");
    assert_eq!(trace, [""; 0]);
    assert_same(&before, &snapshot(&world, &[]), &said);
}

#[test]
fn a_command_that_cannot_be_started_leaves_nothing() {
    let world = world();
    let before = snapshot(&world, &[]);
    world.sh("printf 'neither a program nor a script' >/run/broken; chmod +x /run/broken").ok();
    let said = world.line("run br0 10.0.0.2/24 -- /run/broken").refused(1);
    assert!(said.contains("/run/broken"), "{said}");
    assert_same(&before, &snapshot(&world, &[]), &said);
}

#[test]
fn an_attach_that_fails_starts_nothing() {
    let world = world();
    let output = run(&world, "run br0 -l br0p 10.0.0.2/24", "touch /run/started");
    let said = output.refused(1);
    assert!(said.contains("br0p"), "{said}");
    assert!(!world.path("/run/started").exists());
}

/// Starts a line in the background; gives rpipe's number in the world once its command has said "up".
fn start(world: &World, line: &str, script: &str) -> (Child, String) {
    let line = format!("echo $$; exec {RPIPE} {line} -- sh -c '{script}'");
    let mut child = world.command("sh").args(["-c", &line]).stdout(Stdio::piped()).spawn().unwrap();
    // Both lines come from one pipe: the number, then the command's word.
    let mut text = String::new();
    while text.split_whitespace().count() < 2 {
        let mut byte = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).expect("two lines");
        text.push(byte[0].into());
    }
    let pid = text.split_whitespace().next().unwrap().to_owned();
    (child, pid)
}

/// Waits for the end, but not for ever: a command that no signal reaches is a failure, not a hang.
fn end(mut child: Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        // Its world ends with the test, and it with its world.
        assert!(start.elapsed() < Duration::from_secs(30), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_the_command_and_leaves_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let world = World::new();
        let before = snapshot(&world, &[]);
        // `exec`, so that the signal reaches a program that dies of it.
        let (child, pid) = start(&world, "run br7 10.0.0.2/24", "echo up; exec sleep 20");
        assert_eq!(world.link("br7")["ifname"], "br7");
        world.run(&format!("kill -{signal} {pid}")).ok();
        let status = end(child);
        assert_eq!(status.code(), Some(code), "{signal}: {status}");
        assert_same(&before, &snapshot(&world, &[]), signal);
    }
}

#[test]
fn no_signal_is_held_back_from_the_command() {
    let world = world();
    // Without a shell between, which would clear the mask for its own commands.
    let words = ["run", "br0", "10.0.0.2/24", "--", "grep", "-E", "SigBlk|SigIgn", "/proc/self/status"];
    let stdout = world.rpipe(&words).ok();
    let mask = |name: &str| {
        let line = stdout.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk"), 0, "{stdout}");
    // SIGPIPE, 13, which Rust's own start ignores.
    assert_eq!(mask("SigIgn") & (1 << 12), 0, "{stdout}");
}

#[test]
fn a_command_that_handles_a_signal_decides_itself() {
    let world = world();
    let before = snapshot(&world, &[]);
    let script = "trap \"exit 5\" TERM; echo up; sleep 20 & wait";
    let (child, pid) = start(&world, "run br0 10.0.0.2/24", script);
    world.run(&format!("kill -TERM {pid}")).ok();
    assert_eq!(end(child).code(), Some(5));
    assert_same(&before, &snapshot(&world, &[]), "the command's own way to end");
}

#[test]
fn two_at_once_do_not_meet() {
    let world = world();
    let before = snapshot(&world, &[]);
    let (child, pid) = start(&world, "run br0 10.0.0.2/24", "echo up; exec sleep 20");
    let script = "ping -n -q -c 1 -w 10 10.0.0.2 >/dev/null";
    run(&world, "run br0 10.0.0.3/24", script).ok();
    world.run(&format!("kill -TERM {pid}")).ok();
    end(child);
    assert_same(&before, &snapshot(&world, &[]), "both ended");
}
