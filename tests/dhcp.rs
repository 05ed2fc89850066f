//! Leases by real clients from a real server, in whose own book they are looked up.
mod support;

use std::fs;

use support::dhcp::{CLIENTS, Server, assert_gone, eventually, identity, processes, resolv_world as world};
use support::{Called, Container, Ovs, addresses, assert_same, container_with_routes, finish, snapshot};

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

#[test]
fn a_lease_that_is_given_back_is_taken_away() {
    let world = world();
    let server = Server::dnsmasq(&world);
    let container = world.container();
    world.line(&format!("br0 {} udhcpc-f", container.target())).ok();
    let address = || addresses(&container.link("eth1"));
    let leased = address();
    world.sh("kill -USR2 \"$(cat /run/rpipe/*/client.pid)\"").ok();
    eventually("the address goes", || address().is_empty());
    eventually("the route goes", || default_route(&container).is_empty());
    world.sh("kill -USR1 \"$(cat /run/rpipe/*/client.pid)\"").ok();
    eventually("the address comes back", || address() == leased);
    eventually("the route comes back", || default_route(&container).contains("via 10.0.0.1 dev eth1"));
    assert_eq!(server.lease_of(container.link("eth1")["address"].as_str().unwrap()).hostname, container.pid);
}

#[test]
fn through_open_vswitch_and_by_the_old_name() {
    let world = world();
    let before = identity(&world.path("/etc/resolv.conf"));
    let server = Server::dnsmasq(&world);
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.99.0.1/24");
    // A wire to the server. What its kernel leaves for a card to finish, no card finishes behind this switch.
    world.sh("ip link add wire0 type veth peer name wire1; ip link set wire0 master br0 up; ip link set wire1 up").ok();
    ovs.vsctl("add-port ovs0 wire1").ok();
    world
        .sh("for link in lan br0 card; do ip netns exec server ethtool -K $link tx off >/dev/null; done")
        .ok();
    for called in [Called::Rpipe, Called::Pipework] {
        for client in CLIENTS {
            for uplink in ["ovs0", "br0"] {
                let container = container_with_routes(&world);
                assert_eq!(
                    world.called(called, &format!("{uplink} {} {client}", container.target())).ok(),
                    ""
                );
                let eth1 = container.link("eth1");
                let leased = server.lease_of(eth1["address"].as_str().unwrap());
                assert_eq!(
                    addresses(&eth1),
                    [format!("{}/24", leased.ip)],
                    "{called:?}: {client} on {uplink}"
                );
                // The same words again: there is a lease.
                assert_eq!(
                    world.called(called, &format!("{uplink} {} {client}", container.target())).ok(),
                    ""
                );
                assert_gone(&world, client);
            }
        }
    }
    assert_eq!(identity(&world.path("/etc/resolv.conf")), before);
}
