//! How an attach works, counted by strace, and what the pure rooms may not know.
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Container, World};

/// The trace of one attach to a bridge.
fn trace(prepare: impl FnOnce(&World), uplink: &str) -> Vec<String> {
    let world = World::new();
    prepare(&world);
    let container = world.container();
    let target = container.target();
    let args = [uplink, &target, "192.168.0.123/24@192.168.0.1"];
    let (output, lines) = world.strace(&[], &args);
    output.ok();
    Container::of(&world, &container.pid).link("eth1");
    lines
}

fn bridge_trace() -> Vec<String> {
    trace(|world| world.bridge("br0", "192.168.0.1/24"), "br0")
}

/// The lines that are calls of one of these.
fn calls<'t>(trace: &'t [String], names: &[&str]) -> Vec<&'t String> {
    let name = |line: &str| {
        let call = line.split_once(' ').map_or(line, |(_, call)| call.trim_start());
        call.split('(').next().unwrap_or_default().to_owned()
    };
    trace.iter().filter(|line| names.contains(&name(line).as_str())).collect()
}

/// The datagrams that change something. strace knows the message types of its own namespace's sockets only
/// and shows the others as numbers; those that ask have the two low bits 10 (RTM_GET*, linux/rtnetlink.h). The firewall is
/// asked for one chain (NFT_MSG_GETCHAIN, linux/netfilter/nf_tables.h).
fn changes(trace: &[String]) -> Vec<&String> {
    let asks = |kind: &str| match kind.strip_prefix("0x") {
        Some("a04") => true,
        Some(number) => u16::from_str_radix(number, 16).unwrap() & 3 == 2,
        None => kind.starts_with("RTM_GET") || kind.ends_with("NFT_MSG_GETCHAIN"),
    };
    let kinds = |line: &str| {
        let kinds = line.split("nlmsg_type=").skip(1);
        kinds.map(|rest| rest.split([',', ' ']).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let sent = calls(trace, &["sendmsg", "sendto", "sendmmsg", "write"]);
    sent.into_iter().filter(|line| kinds(line).iter().any(|kind| !asks(kind))).collect()
}

#[test]
fn no_program_and_no_thread_is_started() {
    let trace = bridge_trace();
    assert_eq!(calls(&trace, &["execve", "execveat"]).len(), 1);
    assert_eq!(calls(&trace, &["clone", "clone3", "fork", "vfork"]), [""; 0]);
}

/// The third tells the neighbours, once the port forwards.
#[test]
fn three_datagrams_wire_a_bridge() {
    let trace = bridge_trace();
    assert_eq!(changes(&trace).len(), 3, "{:#?}", changes(&trace));
}

#[test]
fn two_datagrams_wire_a_macvlan() {
    let card = |world: &World| {
        world.ip("link add card type veth peer name other");
        world.ip("link set card up");
        world.ip("link set other up");
    };
    let trace = trace(card, "card");
    assert_eq!(changes(&trace).len(), 2, "{:#?}", changes(&trace));
}

#[test]
fn nothing_is_dumped_and_no_packet_socket_opened() {
    let trace = bridge_trace();
    let lines = |word: &str| trace.iter().filter(|line| line.contains(word)).cloned().collect::<Vec<_>>();
    assert_eq!(lines("NLM_F_DUMP"), [""; 0]);
    assert_eq!(lines("AF_PACKET"), [""; 0]);
    assert_ne!(lines("AF_NETLINK"), [""; 0], "the trace sees sockets");
}

#[test]
fn there_are_few_system_calls() {
    let trace = bridge_trace();
    // The debug build of the tests is dynamic; what the loader does is not rpipe's.
    let start = trace.iter().position(|line| line.contains("AF_NETLINK")).unwrap_or_default();
    let own = trace.len() - start;
    assert!(own < 80, "{own}: {trace:#?}");
}

#[test]
fn pure_rooms_know_no_system() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for room in ["spec", "plan", "cli", "doctor"] {
        collect(&root.join(room), &mut files);
    }
    assert!(files.len() > 10, "{files:?}");
    let forbidden = [
        "nix::",
        "rtnetlink",
        "netlink_",
        "libc::",
        "rustix::",
        "tokio::",
        "std::fs",
        "std::process",
        "std::env",
        "Instant::",
        "SystemTime",
        "crate::kernel",
        "crate::machine",
        "crate::target::",
        "crate::observe",
        "crate::checkup",
        "crate::apply",
    ];
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in forbidden {
                assert!(!code.contains(word), "{}:{}: {word}", file.display(), number + 1);
            }
        }
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
