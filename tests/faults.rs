//! Every system call of an attach is failed in turn, and every one is interrupted by a signal: host and
//! container are afterwards exactly as before, or the attach is whole.
//!
//! strace does it from outside: rpipe has no test hooks.
mod support;

use support::{Container, World, addresses, assert_same, flag, snapshot};

/// Everything at once: both families, a gateway off the subnet, default routes that are replaced, and IPv6
/// switched off for new links as Docker does.
const ADDRESSES: &str = "10.9.9.9/32@10.0.0.1,fd00::2/64@fd00::1";

/// The words of an attach of `target`: `WORDS`, `WORDS|ADDRESSES`, `WORDS|ADDRESSES|LAST_WORD`.
fn line<'a>(case: &'a str, target: &'a str) -> Vec<&'a str> {
    let mut parts = case.split('|');
    let words = parts.next().unwrap().split(' ');
    ["--enable-ipv6"]
        .into_iter()
        .chain(words)
        .chain([target, parts.next().unwrap_or(ADDRESSES)])
        .chain(parts)
        .collect()
}

/// Runs the attach again and again, with the first, the second, the third … call disturbed, until there are no more.
fn disturb_each(uplink: &str, inject: &str) {
    disturb_runs(uplink, inject, 1);
}

/// The same with so many calls in a row disturbed: what is tried again fails again.
fn disturb_runs(uplink: &str, inject: &str, length: usize) {
    let mut number = 1;
    while let Some(next) = disturb_on_one_world(uplink, inject, number, length) {
        number = next;
    }
}

/// Goes on until the attach succeeds and the world is used up; gives the number to go on with.
fn disturb_on_one_world(uplink: &str, inject: &str, from: usize, length: usize) -> Option<usize> {
    let world = World::new();
    // No such bridge, so that it is made; a parent that is down, so that it is set up. The first time up
    // changes what the kernel keeps of a link that is down.
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set card down").ok();
    let container = container(&world);
    let before = sorted(&world, &container);
    let target = container.target();
    // A signal that is held back leaves no line of its own, so what counts is that the call was made.
    let call = format!(" {}(", inject.split(':').next().unwrap());
    for number in from.. {
        let inject = format!("inject={inject}:when={number}..{}", number + length - 1);
        let words = line(uplink, &target);
        let (output, trace) = world.strace(&["-e", &inject], &words);
        let disturbed = trace.iter().filter(|line| line.contains(&call)).count() >= number;
        let what = format!("{inject}: {output:#?}");
        if output.code() == 0 {
            assert_whole(&container, uplink, &what);
            assert!(disturbed || number > 1, "never called: {what}");
            return disturbed.then_some(number + 1);
        }
        assert!(disturbed, "{what}");
        assert_same(&before, &sorted(&world, &container), &what);
        if output.code() < 128 {
            output.refused(1);
        }
    }
    unreachable!("the numbers do not end")
}

/// What was away and came back comes last in the kernel's lists, and gets its queue when it comes up.
fn sorted(world: &World, container: &Container) -> String {
    let text = snapshot(world, &[container]).replace("\"noop\"", "\"noqueue\"");
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// A container as Docker leaves it: an interface with default routes, and new links without IPv6.
fn container(world: &World) -> Container<'_> {
    let container = support::container_with_routes(world);
    container.sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6").ok();
    container
}

fn assert_whole(container: &Container, case: &str, what: &str) {
    let asked = case.split('|').nth(1).unwrap_or(ADDRESSES);
    let link = container.link("eth1");
    assert!(flag(&link, "UP"), "{what}");
    let nets: Vec<_> = asked.split(',').map(|word| word.split('@').next().unwrap()).collect();
    assert_eq!(addresses(&link), nets, "{what}");
    let gateways = container.sh("ip route show table all default; ip -6 route show table all default").ok();
    for gateway in asked.split(',').filter_map(|word| word.split('@').nth(1)) {
        assert!(gateways.contains(&format!("via {gateway} dev eth1")), "{what}: {gateways}");
    }
}

#[test]
fn a_request_that_cannot_be_sent() {
    disturb_each("br7", "sendto:error=ENOBUFS");
}

#[test]
fn a_request_on_a_macvlan_that_cannot_be_sent() {
    disturb_each("card", "sendto:error=ENOBUFS");
}

#[test]
fn an_answer_that_is_lost() {
    disturb_each("br7", "recvfrom:error=ENOBUFS");
    disturb_runs("br7", "recvfrom:error=ENOBUFS", 2);
}

#[test]
fn an_answer_of_a_macvlan_that_is_lost() {
    disturb_each("card", "recvfrom:error=ENOBUFS");
    disturb_runs("card", "recvfrom:error=ENOBUFS", 2);
}

#[test]
fn a_namespace_that_cannot_be_entered() {
    // The way back is not among these: a process that cannot come back ends at once, by an abort.
    disturb_each("br7", "pidfd_open:error=EMFILE");
    disturb_each("br7", "socket:error=EMFILE");
}

#[test]
fn a_setting_that_cannot_be_written() {
    disturb_each("br7", "write:error=EIO");
}

#[test]
fn a_call_that_is_interrupted() {
    disturb_each("br7", "recvfrom:error=EINTR");
    disturb_each("card", "sendto:error=EINTR");
}

/// The calls of an attach. Each by itself: of several, strace would disturb the first that comes.
const CALLS: [&str; 11] = [
    "openat",
    "socket",
    "setns",
    "sendto",
    "recvfrom",
    "symlink",
    "signalfd4",
    "rt_sigprocmask",
    "poll",
    "ioctl",
    "close",
];

#[test]
fn sigterm_at_every_call_on_a_bridge() {
    for call in CALLS {
        disturb_each("br7", &format!("{call}:signal=SIGTERM"));
    }
}

#[test]
fn sigterm_at_every_call_on_a_macvlan() {
    for call in CALLS {
        disturb_each("card", &format!("{call}:signal=SIGTERM"));
    }
}

#[test]
fn sigint_and_sighup_at_every_message() {
    for signal in ["SIGINT", "SIGHUP"] {
        disturb_each("br7", &format!("sendto:signal={signal}"));
        disturb_each("br7", &format!("recvfrom:signal={signal}"));
    }
}

/// SIGKILL after each call in turn, then the same line: what the first one left is finished or made anew.
fn kill_each(uplink: &str, call: &str) {
    for number in 1.. {
        let world = World::new();
        world.sh("ip link add card type veth peer name other; ip link set other up").ok();
        let container = container(&world);
        let target = container.target();
        let inject = format!("inject={call}:signal=SIGKILL:when={number}");
        let words = line(uplink, &target);
        let (output, _) = world.strace(&["-e", &inject], &words);
        let what = format!("{uplink}: {inject}: {output:#?}");
        world.rpipe(&words).ok();
        assert_whole(&container, uplink, &what);
        assert_eq!(container.links(), ["lo", "eth0", "eth0p", "eth1"], "{what}");
        // And a third time there is nothing to do.
        let json = world.rpipe(&[&["--json"], &words[..]].concat()).ok();
        assert!(json.contains("\"changed\":false"), "{what}: {json}");
        // What was replaced is known all the same.
        world.line(&format!("detach {target}")).ok();
        let routes = container.sh("ip route show default; ip -6 route show default").ok();
        assert!(routes.contains("via 172.17.0.1") && routes.contains("via fd17::1"), "{what}: {routes}");
        let rules = container.sh("ip rule; ip -6 rule").ok();
        assert!(!rules.contains("static"), "{what}: {rules}");
        if output.code() == 0 {
            assert!(number > 1, "never called: {what}");
            return;
        }
    }
}

#[test]
fn sigkill_at_every_change_on_a_bridge() {
    for call in CALLS.iter().chain(&["setsockopt", "flock", "getdents64", "write", "exit_group"]) {
        if *call != "rt_sigprocmask" {
            kill_each("br7", call);
        }
    }
}

/// One family or the other, with and without a gateway.
#[test]
fn every_form_of_addresses() {
    for addresses in ["10.0.0.2/24", "10.0.0.2/24@10.0.0.1", "fd00::2/64", "fd00::2/64@fd00::1"] {
        disturb_each(&format!("br7|{addresses}"), "sendto:error=ENOBUFS");
        disturb_each(&format!("card|{addresses}"), "recvfrom:error=ENOBUFS");
    }
}

/// Rules do not go with the link.
#[test]
fn a_table_of_its_own() {
    let case = "--table 100 br7|10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1";
    disturb_each(case, "sendto:error=ENOBUFS");
    disturb_each(case, "recvfrom:error=ENOBUFS");
    kill_each(case, "sendto");
}

#[test]
fn a_full_disk() {
    disturb_each("br7", "symlink:error=ENOSPC");
    disturb_each("card", "symlink:error=EROFS");
}

#[test]
#[ignore = "needs the guest's kernel"]
fn vlans_and_dummies() {
    // One address: what more of them do is seen elsewhere, and everything takes long there.
    let vlan = "card|10.0.0.2/24@10.0.0.1|@10";
    disturb_each(vlan, "sendto:error=ENOBUFS");
    disturb_each("dummy0|10.0.0.2/24@10.0.0.1", "sendto:error=ENOBUFS");
    // Between the datagrams.
    kill_each(vlan, "read");
}

#[test]
fn a_card_that_is_moved_comes_home_from_every_failure() {
    for inject in
        ["sendto:error=ENOBUFS", "recvfrom:error=ENOBUFS", "sendto:signal=SIGTERM", "openat:signal=SIGINT"]
    {
        disturb_each("--direct-phys card", inject);
    }
}

#[test]
fn sigkill_at_every_change_of_a_move() {
    for call in ["sendto", "recvfrom"] {
        kill_each("--direct-phys card", call);
    }
}

#[test]
fn sigkill_at_every_change_on_a_macvlan() {
    for call in ["sendto", "recvfrom", "openat", "exit_group"] {
        kill_each("card", call);
    }
}
