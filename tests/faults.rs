//! Every system call of an attach is failed in turn, and every one is interrupted by a signal: host and
//! container are afterwards exactly as before, or the attach is whole.
//!
//! strace does it from outside: rpipe has no test hooks.
mod support;

use support::{Container, Output, World, assert_same, snapshot};

/// Everything at once: a bridge that is made, both families, a gateway off the subnet, a default route
/// that is replaced.
const ADDRESSES: &str = "10.9.9.9/32@10.0.0.1,fd00::2/64@fd00::1";

struct Ground<'w> {
    container: Container<'w>,
    before: String,
}

impl<'w> Ground<'w> {
    fn new(world: &'w World) -> Self {
        let container = world.container();
        container
            .sh("ip link add eth0 type veth peer name eth0p
                 ip link set eth0 up; ip link set eth0p up
                 ip addr add 172.17.0.2/16 dev eth0
                 ip route add default via 172.17.0.1 dev eth0 proto static mtu 1400
                 ip addr add fd17::2/64 dev eth0 nodad
                 ip -6 route add default via fd17::1 dev eth0
                 for what in all default; do echo 1 >/proc/sys/net/ipv6/conf/$what/disable_ipv6; done
                 for what in lo eth0 eth0p; do echo 0 >/proc/sys/net/ipv6/conf/$what/disable_ipv6; done
                 ip addr replace fd17::2/64 dev eth0 nodad
                 ip -6 route replace default via fd17::1 dev eth0")
            .ok();
        let before = snapshot(world, &[&container]);
        Self { container, before }
    }

    /// One attach with this injected.
    fn attach(&self, uplink: &str, inject: &str) -> (Output, Vec<String>) {
        let target = self.container.target();
        let inject = format!("inject={inject}");
        self.container.world.strace(&["-e", &inject], &[uplink, &target, ADDRESSES])
    }

    fn is_as_before(&self, what: &str, output: &Output) {
        let after = snapshot(self.container.world, &[&self.container]);
        assert_same(&self.before, &after, &format!("{what}: {output:#?}"));
    }

    fn is_whole(&self, what: &str) {
        assert!(support::flag(&self.container.link("eth1"), "UP"), "{what}");
        let gateways = self.container.sh("ip route show default; ip -6 route show default").ok();
        assert!(gateways.contains("via 10.0.0.1") && gateways.contains("via fd00::1"), "{what}: {gateways}");
    }
}

/// A fresh world on which `prepare` was done.
fn ground(uplink: &str) -> World {
    let world = World::new();
    if uplink == "card" {
        world.ip("link add card type veth peer name other");
        // The first time up changes what the kernel keeps of a link that is down.
        world.sh("ip link set card up; ip link set card down").ok();
    }
    world
}

/// Fails the first, the second, the third … call of `syscall`, until there are no more of them.
fn fail_each(uplink: &str, syscall: &str, errno: &str) {
    let world = ground(uplink);
    let ground = Ground::new(&world);
    for number in 1.. {
        let what = format!("{syscall} {number}");
        let (output, trace) = ground.attach(uplink, &format!("{syscall}:error={errno}:when={number}"));
        if !trace.iter().any(|line| line.contains("(INJECTED)")) {
            assert!(number > 1, "{syscall} is never called: {trace:#?}");
            output.ok();
            return ground.is_whole(&what);
        }
        if output.code() == 0 {
            // What may fail without harm, a question of little weight, is not worth a failure.
            return again(&world, uplink, syscall, errno, number);
        }
        ground.is_as_before(&what, &output);
        output.refused(1);
    }
}

/// Goes on after a call whose failure did no harm, each time on new ground.
fn again(world: &World, uplink: &str, syscall: &str, errno: &str, from: usize) {
    let _ = world;
    for number in from.. {
        let world = ground(uplink);
        let ground = Ground::new(&world);
        let what = format!("{syscall} {number}");
        let (output, trace) = ground.attach(uplink, &format!("{syscall}:error={errno}:when={number}"));
        if output.code() == 0 {
            ground.is_whole(&what);
        } else {
            ground.is_as_before(&what, &output);
            output.refused(1);
        }
        if !trace.iter().any(|line| line.contains("(INJECTED)")) {
            return;
        }
    }
}
