//! Containers that runc and crun run without an engine.
mod support;

use support::{Bundle, Container, World, addresses, assert_same, lives_and_dies, snapshot};

#[test]
fn a_container_of_runc() {
    let world = World::new();
    let bundle = Bundle::new(&world);
    let pid = bundle.run("runc", "web", ".");
    let (report, refusal) = lives_and_dies(&world, "oci:web", &pid, || bundle.kill(&pid));
    assert_eq!(report["runtime"], "oci");
    assert_eq!(report["target"], "web");
    assert_eq!(refusal, "rpipe: target \"oci:web\": the container is not running, it is stopped");
}

#[test]
fn a_container_of_crun() {
    let world = World::new();
    let bundle = Bundle::new(&world);
    let pid = bundle.run("crun", "web", ".");
    let (report, refusal) = lives_and_dies(&world, "web", &pid, || bundle.kill(&pid));
    assert_eq!(report["runtime"], "oci");
    assert_eq!(refusal, "rpipe: target \"web\": the container is not running, it is stopped");
}

#[test]
fn a_container_that_is_created_and_not_started_can_be_wired() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let bundle = Bundle::new(&world);
    bundle.run("runc", "first", ".");
    world
        .sh("cd /run/bundle; jq '.linux.cgroupsPath += \"2\"' config.json >c; mv c config.json
              runc create --pid-file /run/web.pid web </dev/null >/dev/null 2>&1")
        .ok();
    world.line("br0 oci:web 10.0.0.2/24").ok();
    let pid = world.run("cat /run/web.pid").ok();
    assert_eq!(addresses(&Container::of(&world, &pid).link("eth1")), ["10.0.0.2/24"]);
}

#[test]
fn the_hosts_network_is_refused() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let bundle = Bundle::new(&world);
    bundle.run("runc", "web", "del(.linux.namespaces[] | select(.type == \"network\"))");
    let before = snapshot(&world, &[]);
    let said = world.line("br0 oci:web 10.0.0.2/24").refused(1);
    assert!(said.contains("shares the host's network"), "{said}");
    assert_same(&before, &snapshot(&world, &[]), &said);
}

#[test]
fn a_container_in_a_user_namespace_of_its_own() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let bundle = Bundle::new(&world);
    let map = "[{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}]";
    let change = format!(
        ".linux.namespaces += [{{\"type\": \"user\"}}] | .linux.uidMappings = {map} | .linux.gidMappings = {map}"
    );
    world.sh("chown -R 100000:100000 /run/image; chmod 755 /run /run/image").ok();
    let pid = bundle.run("runc", "web", &change);
    world.line("br0 web 10.0.0.2/24@10.0.0.1").ok();
    let inside = Container::of(&world, &pid);
    assert_eq!(addresses(&inside.link("eth1")), ["10.0.0.2/24"]);
    inside.pings("10.0.0.1");
}

#[test]
fn youki_is_recognized_by_its_control_group() {
    // youki is in no Debian: what it writes down, with a process in the control group that it would have made.
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let state = |pid: &str, group: &str| {
        world
            .sh(&format!(
                "mkdir -p /run/youki/web
                 echo '{{\"ociVersion\":\"v1.0.2\",\"id\":\"web\",\"status\":\"running\",\"pid\":{pid},\"bundle\":\"/b\",\
                   \"useSystemd\":false}}' >/run/youki/web/state.json
                 echo '{{\"hooks\":null,\"cgroup_path\":\"{group}\"}}' >/run/youki/web/youki_config.json"
            ))
            .ok();
    };
    let group = format!("/{}/:youki:web", world.cgroup());
    world
        .sh(&format!(
            "root=/sys/fs/cgroup/pids; [ -d $root ] || root=/sys/fs/cgroup
             mkdir -p $root{group}; echo {} >$root{group}/cgroup.procs",
            container.pid
        ))
        .ok();
    let stranger = world.container();
    state(&stranger.pid, ":youki:web");
    let said = world.line("br0 oci:web 10.0.0.2/24").refused(1);
    assert_eq!(said, "rpipe: target \"oci:web\": the container is not running, it is stopped");
    assert_eq!(stranger.links(), ["lo"]);
    state(&container.pid, ":youki:web");
    world.line("br0 oci:web 10.0.0.2/24").ok();
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.2/24"]);
}

#[test]
fn an_id_is_no_path_and_no_option() {
    let world = World::new();
    // What the first word would lead to, were it a path: a live process in a namespace of its own.
    let victim = world.container();
    let stat = world.run(&format!("cat /proc/{}/stat", victim.pid)).ok();
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    world
        .sh(&format!(
            "mkdir -p /run/runc /run/elsewhere
             echo '{{\"init_process_pid\":{},\"init_process_start\":{ticks}}}' | tee /run/elsewhere/state.json >/run/runc/state.json",
            victim.pid
        ))
        .ok();
    for word in ["oci:../elsewhere", "oci:/run/elsewhere", "oci:-v", "oci:a/b", "oci:a\nb", "oci:"] {
        world.rpipe(&["br0", word, "10.0.0.2/24"]).refused(2);
    }
    for word in ["oci:.", "oci:.."] {
        world.rpipe(&["br0", word, "10.0.0.2/24"]).refused(1);
    }
    assert_eq!(victim.links(), ["lo"]);
}
