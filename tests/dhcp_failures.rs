//! What a DHCP client, a server or its absence can do wrong, and what is left of it: nothing.
mod support;

use std::fs;

use support::dhcp::{CLIENTS, Server, assert_gone, eventually, identity, processes, resolv_world as world};
use support::{addresses, assert_same, container_with_routes, finish, snapshot};

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
fn a_directory_that_others_could_have_made_is_not_used() {
    let world = world();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    for made in ["mkdir /run/elsewhere; ln -s elsewhere /run/rpipe", "mkdir -m 777 /run/rpipe"] {
        world.sh(&format!("rm -rf /run/rpipe; {made}")).ok();
        let before = snapshot(&world, &[&container]);
        let said = world.line(&format!("br0 {} udhcpc", container.target())).refused(1);
        assert!(said.contains("/run/rpipe must be a directory that only root can write to"), "{said}");
        assert_same(&before, &snapshot(&world, &[&container]), &said);
        assert_eq!(processes(&world), "");
    }
}
