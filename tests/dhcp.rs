//! Leases by real clients from a real server, in whose own book they are looked up.
mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use support::dhcp::{Server, eventually};
use support::{Container, World, addresses, assert_same, container_with_routes, finish, snapshot};

const CLIENTS: [&str; 3] = ["udhcpc", "dhcpcd", "dhclient"];

/// Every process of the world that is a client or sees to one.
fn processes(world: &World) -> String {
    // Zombies are dead, whoever has yet to wait for them.
    let list = world
        .sh("ps -eo stat=,args= | grep -v '^Z' | grep -E 'udhcpc|dhcpcd|dhclient|rpipe-dhcp' || true")
        .ok();
    list.lines().filter(|line| !line.contains("grep")).collect::<Vec<_>>().join("\n")
}

/// Nothing of a client is there: no process, no file.
#[track_caller]
fn assert_gone(world: &World, why: &str) {
    assert_eq!(processes(world), "", "{why}");
    assert_eq!(world.sh("find /run/rpipe -mindepth 1 2>/dev/null || true").ok(), "", "{why}");
}

/// What a host file is, to the last bit that a writer would change.
fn identity(path: &PathBuf) -> (u64, i64, i64, Vec<u8>) {
    let file = fs::metadata(path).unwrap();
    (file.ino(), file.mtime(), file.mtime_nsec(), fs::read(path).unwrap())
}

/// A world with a bridge, a server on it, and a resolv.conf that a test may lose.
fn world() -> World {
    let world = World::new();
    world
        .sh("echo nameserver 192.0.2.1 >/run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf")
        .ok();
    world
}

#[track_caller]
fn default_route(container: &Container) -> String {
    container.run("ip route show default").ok().trim_end().to_owned()
}

#[test]
fn each_client_gets_the_lease_that_the_server_gave() {
    let world = world();
    let resolv = world.path("/etc/resolv.conf");
    let before = identity(&resolv);
    let server = Server::dnsmasq(&world);
    for client in CLIENTS {
        for uplink in ["br0", "card"] {
            let container = container_with_routes(&world);
            let line = format!("--json {uplink} {} {client}", container.target());
            let report = support::json(&world.line(&line).ok());
            let eth1 = container.link("eth1");
            let leased = server.lease_of(eth1["address"].as_str().unwrap());
            assert_eq!(addresses(&eth1), [format!("{}/24", leased.ip)], "{client} on {uplink}");
            assert_eq!(leased.hostname, container.pid, "{client} on {uplink}");
            assert_eq!(report["addresses"], serde_json::json!([format!("{}/24", leased.ip)]), "{client}");
            assert_eq!(report["gateways"], serde_json::json!(["10.0.0.1"]), "{client}");
            // The container's own default route is replaced, as by a gateway that is named.
            assert_eq!(default_route(&container), "default via 10.0.0.1 dev eth1 proto static", "{client}");
            container.pings("10.0.0.1");
            assert_gone(&world, client);
        }
    }
    assert_eq!(identity(&resolv), before);
}

#[test]
fn a_client_that_stays_renews_and_ends_with_its_container() {
    let world = world();
    let resolv = world.path("/etc/resolv.conf");
    let before = identity(&resolv);
    let server = Server::with_short_leases(&world);
    let mut attached = Vec::new();
    for client in CLIENTS {
        for uplink in ["br0", "card"] {
            let container = world.container();
            world.line(&format!("{uplink} {} {client}-f", container.target())).ok();
            let leased = addresses(&container.link("eth1"));
            attached.push((format!("{client} on {uplink}"), container, leased));
        }
    }
    for (who, container, leased) in &attached {
        let ip = leased[0].trim_end_matches("/24");
        eventually(&format!("{who} renews"), || server.acks(ip) > 1);
        assert_eq!(&addresses(&container.link("eth1")), leased, "{who}");
    }
    assert_eq!(
        world.sh("stat -c %a /run/rpipe /run/rpipe/* | sort | uniq -c").ok().trim(),
        "6 700\n      1 755"
    );
    for (who, container, _) in attached {
        // The pid file has the client as the host knows it, in the container's network.
        let inode = container.sh("stat -L -c %i /proc/self/ns/net").ok();
        let pid = world.sh(&format!("cat /run/rpipe/{}-eth1-*/client.pid", inode.trim_end())).ok();
        let line = world.run(&format!("ps -o args= -p {}", pid.trim_end())).ok();
        assert!(line.contains(who.split(' ').next().unwrap()), "{who}: {line}");
        world.run(&format!("kill -KILL {}", container.pid)).ok();
        eventually(&format!("{who} ends"), || {
            !world.path(&format!("/proc/{}/ns/net", pid.trim_end())).exists()
        });
    }
    eventually("the last one ends", || processes(&world).is_empty());
    assert_gone(&world, "all ended");
    assert_eq!(identity(&resolv), before);
}

#[test]
fn a_client_that_stays_ends_with_its_interface() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    for client in CLIENTS {
        let container = world.container();
        world.line(&format!("br0 {} {client}-f", container.target())).ok();
        assert_ne!(processes(&world), "", "{client}");
        container.ip("link delete eth1");
        eventually(&format!("{client} ends"), || processes(&world).is_empty());
        assert_gone(&world, client);
    }
}

#[test]
fn a_client_that_stays_ends_with_a_named_namespace() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    world.ip("netns add red");
    world.line("br0 netns:red dhcp-f").ok();
    assert_ne!(processes(&world), "");
    // A mount of somebody else's is no reason to end.
    world.sh("mkdir /run/x; mount -t tmpfs none /run/x; umount /run/x").ok();
    assert_ne!(processes(&world), "");
    world.ip("netns delete red");
    eventually("it ends", || processes(&world).is_empty());
    assert_gone(&world, "the name is gone");
    // And the namespace with it: the bridge has lost the port.
    eventually("the port goes", || !world.run("ip -o link show master br0").ok().contains("veth"));
}

#[test]
fn a_keeper_that_is_killed_takes_its_client_along() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    for client in CLIENTS {
        let container = world.container();
        world.line(&format!("br0 {} {client}-f", container.target())).ok();
        world.sh("kill -KILL \"$(ps -eo pid=,args= | awk '$2 == \"rpipe-dhcp-keeper\" {print $1}')\"").ok();
        eventually(&format!("{client} ends"), || processes(&world).is_empty());
        // What it leaves is swept by the next one of the same interface.
        container.ip("link delete eth1");
        world.line(&format!("br0 {} {client}", container.target())).ok();
        assert_gone(&world, client);
    }
}

#[test]
fn no_answer_in_time_undoes_everything() {
    let world = world();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    for word in CLIENTS.iter().flat_map(|client| [(*client).to_owned(), format!("{client}-f")]) {
        let before = snapshot(&world, &[&container]);
        let line = format!("br0 --dhcp-timeout 0.4 {} {word}", container.target());
        let said = world.line(&line).refused(1);
        let client = word.trim_end_matches("-f");
        assert_eq!(
            said,
            format!(
                "rpipe: getting a lease for eth1 by {client} for \"{}\": no answer within 400ms (is there a DHCP \
                 server on br0?)",
                container.pid
            )
        );
        assert_same(&before, &snapshot(&world, &[&container]), &word);
        assert_gone(&world, &word);
    }
}

#[test]
fn a_signal_while_waiting_undoes_everything() {
    let world = world();
    world.bridge("br0", "10.0.0.1/24");
    let container = container_with_routes(&world);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let before = snapshot(&world, &[&container]);
        let script = format!(
            "{} br0 {} udhcpc-f & rpipe=$!
             until ps -eo args= | grep -q '^busybox udhcpc\\|^udhcpc'; do sleep 0.01; done
             kill -{signal} $rpipe; wait $rpipe",
            support::RPIPE,
            container.target()
        );
        // An interactive shell would not have its background jobs ignore SIGINT.
        let output = finish(world.command("bash").args(["-c", &format!("set -m; {script}")]));
        assert_eq!(output.code(), code, "{output:#?}");
        assert_same(&before, &snapshot(&world, &[&container]), signal);
        assert_gone(&world, signal);
    }
}

#[test]
fn a_failure_after_the_lease_undoes_it() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    let container = container_with_routes(&world);
    // The route is there already, so that the step after the lease fails.
    container.ip("route add 10.77.0.0/16 via 172.17.0.1");
    let before = snapshot(&world, &[&container]);
    for client in CLIENTS {
        let line = format!("br0 --route 10.77.0.0/16@10.0.0.9 {} {client}-f", container.target());
        let said = world.line(&line).refused(1);
        assert!(said.contains("10.77.0.0/16"), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), client);
        assert_gone(&world, client);
    }
}

#[test]
fn the_default_route_is_left_alone_when_it_is_to_be() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    let container = container_with_routes(&world);
    let before = default_route(&container);
    world.line(&format!("br0 --no-default {} dhcp", container.target())).ok();
    assert_eq!(default_route(&container), before);
    world.line(&format!("br0 -i eth2 --metric 50 {} dhcp", container.target())).ok();
    let routes = default_route(&container);
    assert!(
        routes.starts_with(&before) && routes.contains("via 10.0.0.1 dev eth2 proto static metric 50"),
        "{routes}"
    );
}

#[test]
fn a_command_of_its_own_has_a_lease_and_takes_the_client_along() {
    let world = world();
    let server = Server::dnsmasq(&world);
    for word in ["dhcp", "udhcpc-f", "dhcpcd-f", "dhclient-f,fd00::2/64"] {
        let output =
            world.rpipe(&["run", "br0", word, "--", "ip", "-j", "-d", "addr", "show", "dev", "eth1"]);
        let link = support::json(&output.ok())[0].clone();
        let leased = server.lease_of(link["address"].as_str().unwrap());
        assert_eq!(addresses(&link)[0], format!("{}/24", leased.ip), "{word}");
        assert_gone(&world, word);
    }
}

#[test]
fn nothing_that_a_server_sends_is_carried_out() {
    let world = world();
    let resolv = world.path("/etc/resolv.conf");
    let before = identity(&resolv);
    let hostile = "$(touch${IFS}/run/owned);`touch${IFS}/run/owned`";
    let options = format!(
        "--dhcp-option-force=12,{hostile} --dhcp-option-force=15,{hostile} --dhcp-option-force=17,{hostile}"
    );
    let _server = Server::dnsmasq_with(&world, &options);
    for client in CLIENTS {
        let container = world.container();
        world.line(&format!("br0 {} {client}", container.target())).ok();
        assert_eq!(addresses(&container.link("eth1")).len(), 1);
        assert!(!world.path("/run/owned").exists(), "{client}");
    }
    assert_eq!(identity(&resolv), before);
}

#[test]
fn the_servers_routes_are_set() {
    let world = world();
    let _server =
        Server::dnsmasq_with(&world, "--dhcp-option-force=121,10.9.0.0/16,10.0.0.7,0.0.0.0/0,10.0.0.8");
    for client in CLIENTS {
        let container = world.container();
        world.line(&format!("br0 {} {client}", container.target())).ok();
        let routes = container.run("ip route").ok();
        assert!(routes.contains("default via 10.0.0.8 dev eth1"), "{client}: {routes}");
        assert!(routes.contains("10.9.0.0/16 via 10.0.0.7 dev eth1"), "{client}: {routes}");
    }
}

#[test]
fn a_client_can_write_to_no_file_of_the_host() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    let resolv = world.path("/etc/resolv.conf");
    let before = identity(&resolv);
    // A script that people name themselves runs in the same cage.
    world.sh("mkdir /run/bin; mount -t tmpfs none /usr/local/sbin; cat >/usr/local/sbin/greedy; chmod +x /usr/local/sbin/greedy")
        .ok();
    let script = "#!/bin/sh\nfor file in /etc/resolv.conf /etc/hosts /usr/x /var/tmp/x /root/x; do echo x >>$file; done\n\
                  echo x >/run/rpipe/written\n/run/rpipe/rpipe-dhcp-courier \"$@\"\n";
    fs::write(world.path("/usr/local/sbin/greedy"), script).unwrap();
    let container = world.container();
    world.rpipe(&["br0", &container.target(), "udhcpc-f:-s /usr/local/sbin/greedy"]).ok();
    assert_eq!(addresses(&container.link("eth1")).len(), 1);
    // It was run, and only its own directory took what it wrote.
    assert_eq!(world.sh("cat /run/rpipe/*/written").ok(), "x\n");
    assert_eq!(identity(&resolv), before);
    for file in ["/usr/x", "/var/tmp/x", "/root/x"] {
        assert!(!world.path(file).exists(), "{file}");
    }
}

#[test]
fn a_client_that_is_not_installed_is_told_before_anything_is_made() {
    let world = world();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    for (word, said) in [
        ("dhclient", "rpipe: DHCP client dhclient: not installed (Debian: apt-get install isc-dhcp-client)"),
        ("udhcpc-f", "rpipe: DHCP client udhcpc: not installed (Debian: apt-get install udhcpc, or busybox)"),
        (
            "dhcp",
            "rpipe: DHCP: no client is installed (Debian has udhcpc, busybox, dhcpcd-base and isc-dhcp-client)",
        ),
    ] {
        let mut command = world.command("env");
        command.args(["PATH=/run/empty", support::RPIPE, "br0", &container.target(), word]);
        let output = finish(&mut command);
        assert_eq!(output.refused(1), said);
        assert_same(&before, &snapshot(&world, &[&container]), word);
    }
}

#[test]
fn what_a_client_says_when_it_fails_is_passed_on() {
    let world = world();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    for (client, option) in [("udhcpc", "-r nonsense"), ("dhcpcd", "--nonsense"), ("dhclient", "--nonsense")]
    {
        let asked = format!("{client}:{option}");
        let said = world.rpipe(&["br0", &container.target(), &asked]).refused(1);
        assert!(said.contains("it has ended: "), "{said}");
        assert!(said.contains("nonsense") || said.contains("sage"), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), &said);
        assert_gone(&world, client);
    }
}

#[test]
fn nothing_of_the_callers_stays_open() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    let container = world.container();
    // The pipe of this very command, and a lock that it holds.
    let script = format!("exec 9>/run/lock/test; {} br0 {} dhcp-f", support::RPIPE, container.target());
    world.sh(&script).ok();
    assert_ne!(processes(&world), "");
    let open = "for pid in $(ps -eo pid=,args= | awk '$2 ~ /rpipe-dhcp|udhcpc|busybox/ {print $1}'); do ls -l /proc/$pid/fd; done";
    let open = world.sh(open).ok();
    assert!(open.contains("/dev/null") && !open.contains("/run/lock/test"), "{open}");
    world.sh("flock -n /run/lock/test true").ok();
}

#[test]
fn the_plan_is_a_script_that_does_the_same() {
    let world = world();
    let resolv = world.path("/etc/resolv.conf");
    let before = identity(&resolv);
    let server = Server::dnsmasq(&world);
    for client in CLIENTS {
        let container = world.container();
        let state = snapshot(&world, &[&container]);
        let script = world.rpipe(&["--dry-run", "br0", &container.target(), client]).ok();
        assert_same(&state, &snapshot(&world, &[&container]), client);
        fs::write(world.path("/run/script"), &script).unwrap();
        world.sh("sh -n /run/script").ok();
        // By itself udhcpc needs a script to set what it gets, which not every busybox brings.
        if client == "udhcpc" {
            continue;
        }
        // ISC's client stays in the background and keeps the output open.
        world.sh("sh /run/script </dev/null >/run/output 2>&1 || { cat /run/output; exit 1; }").ok();
        let eth1 = container.link("eth1");
        let leased = server.lease_of(eth1["address"].as_str().unwrap());
        assert_eq!(addresses(&eth1), [format!("{}/24", leased.ip)], "{client}: {script}");
    }
    assert_eq!(identity(&resolv), before);
}

#[test]
fn a_client_of_a_command_ends_with_an_rpipe_that_is_killed() {
    let world = world();
    let _server = Server::dnsmasq(&world);
    let script = format!("{} run br0 dhcp-f -- sh -c 'kill -KILL $PPID; exec sleep 1000'", support::RPIPE);
    let output = finish(world.command("sh").args(["-c", &format!("({script}) >/dev/null 2>&1 || exit 3")]));
    assert_eq!(output.code(), 3, "{output:#?}");
    eventually("the client ends", || processes(&world).is_empty());
    assert_gone(&world, "its rpipe was killed");
}
