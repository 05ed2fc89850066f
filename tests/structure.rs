//! How an attach works, counted by strace, and what the pure rooms may not know.
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Container, World};

const LINE: &str = "192.168.0.123/24@192.168.0.1";

/// The traces of an attach to this uplink, of the same line again, and of the detach.
fn traces(prepare: impl FnOnce(&World), uplink: &str) -> [Vec<String>; 3] {
    let world = World::new();
    prepare(&world);
    let container = world.container();
    let target = container.target();
    let traced = |args: &[&str]| {
        let (output, lines) = world.strace(&[], args);
        output.ok();
        without_firewall(&lines)
    };
    let attach = traced(&[uplink, &target, LINE]);
    Container::of(&world, &container.pid).link("eth1");
    let again = traced(&[uplink, &target, LINE]);
    let detach = traced(&["detach", &target]);
    [attach, again, detach]
}

fn bridge(world: &World) {
    world.bridge("br0", "192.168.0.1/24");
}

fn card(world: &World) {
    world.ip("link add card type veth peer name other");
    world.sh("ip link set card up; ip link set other up").ok();
}

fn bridge_trace() -> Vec<String> {
    let [attach, ..] = traces(bridge, "br0");
    attach
}

/// The trace without the question about the firewall of bridges: not every kernel has one, and where it is a module the list
/// of modules is read.
fn without_firewall(trace: &[String]) -> Vec<String> {
    let mut descriptors = Vec::new();
    let mut rest = Vec::new();
    for line in trace {
        let opens =
            ["bridge-nf-call", "/proc/modules", "NETLINK_NETFILTER"].iter().any(|it| line.contains(it));
        let result = line.rsplit(" = ").next().and_then(|it| it.parse::<u32>().ok());
        if opens {
            descriptors.extend(result.map(|number| format!("({number},")));
        } else if descriptors.iter().any(|it| line.contains(it) || line.contains(&it.replace(',', ")"))) {
            if line.contains("close(") {
                descriptors.retain(|it| !line.contains(&it.replace(',', ")")));
            }
        } else {
            rest.push(line.clone());
        }
    }
    rest
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

#[test]
fn two_datagrams_wire_a_bridge() {
    let trace = bridge_trace();
    assert_eq!(changes(&trace).len(), 2, "{:#?}", changes(&trace));
}

#[test]
fn two_datagrams_wire_a_macvlan() {
    let [trace, ..] = traces(card, "card");
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

/// What of a trace must not grow unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// System calls from the first one of rpipe's own on, without those that only get memory: the debug build of the tests is
    /// dynamic, and what the loader does is not rpipe's.
    calls: usize,
    /// Datagrams sent.
    sent: usize,
    /// Those of them that change something.
    changing: usize,
    /// Lists asked for.
    dumps: usize,
    /// Netlink sockets.
    netlink: usize,
    /// Sockets of other families.
    others: usize,
    /// Changes of namespace.
    entered: usize,
    /// Programs started, the first included, and threads or processes made.
    started: usize,
}

fn count(trace: &[String]) -> Count {
    let first =
        trace.iter().position(|line| line.contains("/ns/net")).expect("the own namespace is opened first");
    let own = trace.get(first..).unwrap_or_default();
    let memory = calls(own, &["brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "sigaltstack"]).len();
    let ends = own.iter().filter(|line| line.contains("exit_group(") || line.contains("+++")).count();
    let sockets = calls(trace, &["socket", "socketpair"]);
    let netlink = sockets.iter().filter(|line| line.contains("AF_NETLINK")).count();
    Count {
        calls: own.len() - memory - ends,
        sent: calls(trace, &["sendmsg", "sendto", "sendmmsg"]).len(),
        changing: changes(trace).len(),
        // strace sees the flags of all messages, whatever the namespace.
        dumps: trace
            .iter()
            .filter(|line| line.contains("NLM_F_DUMP") || line.contains("NLM_F_REQUEST|0x300"))
            .count(),
        netlink,
        others: sockets.len() - netlink,
        entered: calls(trace, &["setns", "unshare"]).len(),
        started: calls(trace, &["execve", "execveat", "clone", "clone3", "fork", "vfork"]).len(),
    }
}

// The numbers are exact, so that each call more or less is seen by whoever adds or saves it. When one changes on purpose, the
// failing test prints the trace's count: look at what came, with `strace -f rpipe …`, and write the new number down here.

#[test]
fn a_bridge_takes_so_much_and_no_more() {
    let traces = traces(bridge, "br0");
    let attach =
        Count { calls: 49, sent: 8, changing: 2, dumps: 0, netlink: 2, others: 0, entered: 2, started: 1 };
    let again = Count { calls: 66, sent: 13, changing: 0, dumps: 2, ..attach };
    let detach = Count { calls: 58, sent: 7, changing: 1, dumps: 2, netlink: 3, ..attach };
    assert_eq!(traces.each_ref().map(|trace| count(trace)), [attach, again, detach]);
}

#[test]
fn a_macvlan_takes_so_much_and_no_more() {
    let traces = traces(card, "card");
    let attach =
        Count { calls: 59, sent: 9, changing: 2, dumps: 0, netlink: 2, others: 0, entered: 2, started: 1 };
    let again = Count { calls: 81, sent: 14, changing: 0, dumps: 2, ..attach };
    let detach = Count { calls: 55, sent: 6, changing: 1, dumps: 2, netlink: 3, ..attach };
    assert_eq!(traces.each_ref().map(|trace| count(trace)), [attach, again, detach]);
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
