//! The one line on containers of a real Docker engine.
mod support;

use std::collections::HashMap;

use support::{Container, Docker, World, addresses, assert_same, snapshot};

const WORDS: &str = "192.168.0.123/24@192.168.0.1";

fn defaults(container: &Container, family: &str) -> Vec<String> {
    let routes = container.ip_json(&format!("{family} route show default"));
    let list = routes.as_array().unwrap().iter();
    list.map(|route| {
        format!("{} {}", route["gateway"].as_str().unwrap_or("-"), route["dev"].as_str().unwrap())
    })
    .collect()
}

/// The host of the world, as somebody who pings.
fn host(world: &World) -> Container<'_> {
    Container::of(world, "1")
}

#[test]
fn the_one_line_attaches_a_container_to_a_bridge() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none");
    docker.run("test02", "--net=none");
    let test01 = docker.container("test01");

    assert_eq!(world.line(&format!("br0 test01 {WORDS}")).ok(), "");
    assert_eq!(test01.links(), ["lo", "eth1"]);
    assert_eq!(addresses(&test01.link("eth1")), ["192.168.0.123/24"]);
    assert_eq!(defaults(&test01, "-4"), ["192.168.0.1 eth1"]);
    assert_eq!(world.link(&format!("veth1pl{}", test01.pid))["master"], "br0");
    host(&world).pings("192.168.0.123");
    docker.exec("test01", "ping -c 1 192.168.0.1").ok();

    world.line("br0 test02 192.168.0.124/24").ok();
    docker.exec("test02", "ping -c 1 192.168.0.123").ok();

    let entry = world.run("readlink /var/run/netns/test01").ok();
    assert_eq!(entry.trim_end(), format!("/proc/{}/ns/net", test01.pid));
    let seen = world.run("ip netns exec test01 ip -j -d addr show dev eth1").ok();
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(addresses(&seen[0]), ["192.168.0.123/24"]);
}

#[test]
fn the_one_line_attaches_a_container_to_a_card() {
    let world = World::new();
    let wire = world.container();
    world.ip("link add card type veth peer name far");
    world.ip(&format!("link set far netns {}", wire.pid));
    wire.ip("link set far up");
    wire.ip("addr add 192.168.0.1/24 dev far");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none");
    docker.run("test02", "--net=none");

    world.line(&format!("card test01 {WORDS}")).ok();
    world.line("card test02 192.168.0.124/24").ok();
    wire.pings("192.168.0.123");
    docker.exec("test02", "ping -c 1 192.168.0.123").ok();
    assert_eq!(defaults(&docker.container("test01"), "-4"), ["192.168.0.1 eth1"]);
}

#[test]
fn ipv6_is_switched_on_in_a_container_where_docker_has_it_off() {
    let world = World::new();
    world.bridge("br0", "fd00::1/64");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none --sysctl net.ipv6.conf.default.disable_ipv6=1");
    docker.run("test02", "--net=none");
    let said = world.line("br0 test01 fd00::123/64@fd00::1").refused(1);
    assert!(said.contains("\"test01\"") && said.contains("--enable-ipv6"), "{said}");
    world.line("br0 --enable-ipv6 test01 fd00::123/64@fd00::1").ok();
    world.line("br0 --enable-ipv6 test02 fd00::124/64").ok();
    let test01 = docker.container("test01");
    assert_eq!(addresses(&test01.link("eth1")), ["fd00::123/64"]);
    assert_eq!(defaults(&test01, "-6"), ["fd00::1 eth1"]);
    host(&world).pings("fd00::123");
    docker.container("test02").pings("fd00::123");
}

#[test]
fn name_id_and_unique_prefix_are_the_same_container() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    let id = docker.run("test01", "--net=none");
    assert_eq!(id.len(), 64);
    let targets = ["test01", "docker:test01", &id, &id[..12], &id[..5]];
    for (i, target) in targets.into_iter().enumerate() {
        world.line(&format!("br0 -i x{i} {target} 10.0.0.{}/24", i + 2)).ok();
    }
    assert_eq!(docker.container("test01").links(), ["lo", "x0", "x1", "x2", "x3", "x4"]);
    assert_eq!(world.run("ls /run/netns").ok(), "test01\n", "the entry has the container's name");
}

#[test]
fn a_prefix_of_several_ids_is_refused() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    // Seventeen ids have two with the same first digit of sixteen. Created is enough to be counted.
    let mut firsts: HashMap<String, usize> = HashMap::new();
    for number in 0..17 {
        let id = docker.docker(&format!("create --name many{number} --net=none bb:1 sleep 1")).ok();
        *firsts.entry(id[..1].to_owned()).or_default() += 1;
    }
    let prefix = firsts.iter().find(|(_, count)| **count > 1).unwrap().0;
    let before = snapshot(&world, &[]);
    let said = world.line(&format!("br0 docker:{prefix} 10.0.0.2/24")).refused(1);
    assert!(
        said.contains("ambiguous") || said.contains("several") || said.contains("more than one"),
        "{said}"
    );
    assert_same(&before, &snapshot(&world, &[]), &said);
}

#[test]
fn a_container_that_does_not_run_or_shares_the_hosts_network_is_refused() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    docker.docker("create --name created --net=none bb:1 sleep 1").ok();
    docker.run("stopped", "--net=none");
    docker.docker("kill stopped").ok();
    docker.run("shared", "--net=host");
    let before = snapshot(&world, &[]);
    for (name, words) in
        [("created", "not running"), ("stopped", "not running"), ("shared", "host"), ("nobody", "nobody")]
    {
        let said = world.line(&format!("br0 {name} 10.0.0.2/24")).refused(1);
        assert!(said.contains(&format!("{name:?}")) && said.contains(words), "{said}");
        assert_same(&before, &snapshot(&world, &[]), &said);
    }
}

#[test]
fn a_container_that_shares_anothers_network_is_reached() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    docker.run("owner", "--net=none");
    docker.run("guest", "--net=container:owner");
    world.line("br0 guest 10.0.0.2/24").ok();
    assert_eq!(addresses(&docker.container("owner").link("eth1")), ["10.0.0.2/24"]);
}

#[test]
fn dockers_own_default_route_is_replaced_or_back() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let docker = Docker::new(&world);
    docker.run("test01", "--sysctl net.ipv6.conf.all.disable_ipv6=0");
    let test01 = docker.container("test01");
    let dockers = defaults(&test01, "-4");
    assert_eq!(dockers.len(), 1);
    let before = snapshot(&world, &[&test01]);

    // The name of Docker's own interface.
    let said = world.line(&format!("br0 -i eth0 test01 {WORDS}")).refused(1);
    assert_same(&before, &snapshot(&world, &[&test01]), &said);
    // The gateway of IPv6 is the container's own address, which shows when that of IPv4 is set already.
    test01.ip("addr add fd00::1/64 dev eth0 nodad");
    let before = snapshot(&world, &[&test01]);
    let said = world.line(&format!("br0 test01 {WORDS},fd00::2/64@fd00::1")).refused(1);
    assert!(said.contains("fd00::1"), "{said}");
    assert_same(&before, &snapshot(&world, &[&test01]), &said);

    world.line(&format!("br0 test01 {WORDS}")).ok();
    assert_eq!(defaults(&test01, "-4"), ["192.168.0.1 eth1"]);
    assert_eq!(test01.links(), ["lo", "eth0", "eth1"]);
    host(&world).pings("192.168.0.123");
}

#[test]
fn the_same_line_works_again_after_a_restart() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none");
    world.line(&format!("br0 test01 {WORDS}")).ok();
    let first = docker.container("test01").pid;
    docker.docker("restart -t 0 test01").ok();
    let test01 = docker.container("test01");
    assert_ne!(test01.pid, first);
    world.line(&format!("br0 test01 {WORDS}")).ok();
    host(&world).pings("192.168.0.123");
    let entry = world.run("readlink /run/netns/test01").ok();
    assert_eq!(entry.trim_end(), format!("/proc/{}/ns/net", test01.pid), "the old entry was swept");
}

#[test]
fn a_foreign_entry_of_that_name_stays() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none");
    world.ip("netns add test01");
    let inode = "stat -c %i /run/netns/test01";
    let before = world.run(inode).ok();
    // Docker is asked before the names of `ip netns`.
    world.line("br0 test01 10.0.0.2/24").ok();
    assert_eq!(world.run(inode).ok(), before);
    assert_eq!(addresses(&docker.container("test01").link("eth1")), ["10.0.0.2/24"]);
}

#[test]
fn docker_host_says_where_the_engine_is() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none");
    let test01 = docker.container("test01");
    let rpipe = support::RPIPE;
    world.sh("mv /run/docker.sock /run/elsewhere.sock").ok();
    let line = format!("DOCKER_HOST=unix:///run/elsewhere.sock {rpipe} br0 test01 10.0.0.2/24");
    world.sh(&line).ok();
    assert_eq!(addresses(&test01.link("eth1")), ["10.0.0.2/24"]);
    let line = format!("DOCKER_HOST=tcp://127.0.0.1:2375 {rpipe} br0 -i eth2 docker:test01 10.0.0.3/24");
    let said = world.sh(&line).refused(1);
    assert!(said.contains("tcp://127.0.0.1:2375"), "{said}");
    world.sh("mv /run/elsewhere.sock /run/docker.sock").ok();
}

#[test]
fn the_report_names_whose_network_is_shared() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    docker.run("first", "--net=none");
    docker.run("second", "--net=container:first");
    let report = |line: &str| -> serde_json::Value { serde_json::from_str(&world.line(line).ok()).unwrap() };
    let second = report("--json br0 second 10.0.0.2/24");
    assert_eq!((&second["target"], &second["shares"]), (&"second".into(), &"first".into()));
    let first = report("--json br0 -i eth2 first 10.0.0.3/24");
    assert_eq!(first["shares"], serde_json::Value::Null);
    assert_eq!(docker.container("first").links(), ["lo", "eth1", "eth2"]);
}

#[test]
fn one_question_finds_a_container_that_has_just_started() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    // Started and looked up without a pause.
    let rpipe = support::RPIPE;
    world
        .sh(&format!(
            "docker run -d --name test01 --net=none bb:1 sleep 1000000 >/dev/null
             strace -f -qq -e trace=connect,execve -o /run/trace {rpipe} br0 test01 10.0.0.2/24"
        ))
        .ok();
    let trace = world.run("cat /run/trace").ok();
    assert_eq!(trace.matches("docker.sock").count(), 1, "{trace}");
    assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
    assert_eq!(docker.container("test01").links(), ["lo", "eth1"]);
}

#[test]
fn a_name_that_nobody_knows() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    docker.run("test01", "--net=none");
    world.ip("netns add test03");
    let said = world.line("br0 tset01 10.0.0.2/24").refused(1);
    // Which others there are is the machine's business.
    for part in [
        "rpipe: target \"tset01\": nobody knows it (docker: no such container; ",
        "; netns: no such entry; not on this host: podman, containerd, cri, ",
        "; did you mean docker:test01 or netns:test03?)",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let said = world.line("br0 docker:tset01 10.0.0.2/24").refused(1);
    assert_eq!(said, "rpipe: target \"docker:tset01\": no such container (did you mean docker:test01?)");
    let output = world.line("-v br0 test01 10.0.0.2/24");
    assert!(output.stderr.contains("target \"test01\": docker \"test01\", process"), "{output:?}");
}
