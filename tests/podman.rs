//! Containers of Podman, root's and a user's, without any service of Podman running.
mod support;

use support::{Container, Podman, World, addresses, assert_same, lives_and_dies, snapshot, until};

#[test]
fn a_container_of_root() {
    let world = World::new();
    let podman = Podman::new(&world);
    let id = podman.run("web", "--network=none");
    let pid = podman.pid("web");
    let (report, refusal) = lives_and_dies(&world, "podman:web", &pid, || {
        podman.podman("kill web");
    });
    assert_eq!(report["runtime"], "podman");
    assert_eq!(report["target"], "web");
    assert_eq!(report["id"], id);
    let stopped =
        "rpipe: target \"podman:web\": the container is not running, it is stopped (podman start web)";
    assert_eq!(refusal, stopped);
    // The remedy works.
    assert_eq!(podman.podman("start web").code(), 0);
    world.line("br9 podman:web 10.9.0.2/24").ok();
}

#[test]
fn name_id_and_unique_prefix_are_the_same_container() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let podman = Podman::new(&world);
    let id = podman.run("web", "--network=none --rm");
    let targets = ["web", "podman:web", &id, &id[..12], &id[..5]];
    for (i, target) in targets.into_iter().enumerate() {
        world.line(&format!("br0 -i x{i} {target} 10.0.0.{}/24", i + 2)).ok();
    }
    let inside = Container::of(&world, &podman.pid("web"));
    assert_eq!(inside.links(), ["lo", "x0", "x1", "x2", "x3", "x4"]);
    assert_eq!(world.run("ls /run/netns").ok(), "web\n", "the entry has the container's name");
}

#[test]
fn what_cannot_be_attached_is_told_and_left_alone() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let podman = Podman::new(&world);
    podman.run("shared", "--network=host");
    podman.podman("create --name made --network=none localhost/bb:1 sleep 1").ok();
    let before = snapshot(&world, &[]);
    let said = world.line("br0 shared 10.0.0.2/24").refused(1);
    assert!(said.contains("shares the host's network"), "{said}");
    let said = world.line("br0 made 10.0.0.2/24").refused(1);
    assert_eq!(
        said,
        "rpipe: target \"made\": the container is not running, it is stopped (podman start made)"
    );
    let said = world.line("br0 podman:mad 10.0.0.2/24").refused(1);
    assert_eq!(said, "rpipe: target \"podman:mad\": no such container (did you mean podman:made?)");
    assert_same(&before, &snapshot(&world, &[]), "refused");
}

#[test]
fn the_containers_of_a_pod_share_its_network() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let podman = Podman::new(&world);
    podman.run("first", "--network=none");
    podman.run("second", "--network=container:first");
    world.line("br0 second 10.0.0.2/24").ok();
    let first = Container::of(&world, &podman.pid("first"));
    assert_eq!(addresses(&first.link("eth1")), ["10.0.0.2/24"]);
}

#[test]
fn a_container_of_a_user() {
    let world = World::new();
    let podman = Podman::rootless(&world);
    let id = podman.run("web", "--network=none");
    let pid = podman.pid("web");
    let (report, refusal) = lives_and_dies(&world, "podman:web", &pid, || {
        podman.podman("rm -f -t 0 web");
        until("the monitor goes too", || world.run("pgrep -x conmon").code() != 0);
    });
    assert_eq!(report["runtime"], "podman");
    assert_eq!(report["target"], "web");
    assert_eq!(report["id"], id);
    assert_eq!(
        refusal,
        "rpipe: target \"podman:web\": nothing at /var/lib/containers/storage (is it installed, and did it run anything yet?)"
    );
}

#[test]
fn a_users_container_with_users_of_its_own() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let podman = Podman::rootless(&world);
    podman.run("web", "--network=none --userns=keep-id");
    world.line("br0 web 10.0.0.2/24@10.0.0.1").ok();
    let inside = Container::of(&world, &podman.pid("web"));
    assert_eq!(addresses(&inside.link("eth1")), ["10.0.0.2/24"]);
    inside.pings("10.0.0.1");
}

#[test]
fn a_users_container_takes_no_name_away_from_root() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let podman = Podman::rootless(&world);
    podman.run("red", "--network=none");
    let theirs = Container::of(&world, &podman.pid("red"));
    world.ip("netns add red");
    world.line("br0 red 10.0.0.2/24").ok();
    assert_eq!(addresses(&world.ip_json("-n red addr show dev eth1")[0]), ["10.0.0.2/24"]);
    assert_eq!(theirs.links(), ["lo"]);
    let root = Podman::new_beside(&podman);
    root.run("red", "--network=none");
    world.line("br0 podman:red 10.0.0.3/24").ok();
    assert_eq!(theirs.links(), ["lo"]);
    root.podman("rm -f -t 0 red");
    world.line("br0 podman:red 10.0.0.4/24").ok();
    assert_eq!(theirs.links(), ["lo", "eth1"], "when it is the only one");
}

#[test]
fn a_user_cannot_name_what_is_not_theirs() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    Podman::rootless(&world);
    // A process of the user's in a namespace of root's, with a parent that calls itself conmon.
    world.ip("netns add red");
    let fake = |before: &str, after: &str, id: &str| {
        // Perl leaves the words behind the script to the script.
        let script = "if (fork == 0) { exec 'sleep', '1000000' } sleep";
        let user = "setpriv --reuid 4321 --regid 4321 --clear-groups";
        let line = format!(
            "[ -e /run/conmon ] || cp /usr/bin/perl /run/conmon
             exec {before} {user} {after} /run/conmon /run/script -c {id} -n {id}"
        );
        world.sh(&format!("cat >/run/script <<'END'\n{script}\nEND")).ok();
        world.daemon(world.command("sh").args(["-euc", &line]));
        until("the process is there", || {
            world.run(&format!("pgrep -x -f -- /run/conmon.*-n.{id}")).code() == 0
        });
        until("its child is there", || world.run(&format!("pgrep -P {}", pgrep(&world, id))).code() == 0);
    };
    // This is what a container of theirs looks like.
    fake("", "unshare --user --map-root-user --net", "eeee");
    world.line("br0 podman:eeee 10.0.0.2/24").ok();

    fake("ip netns exec red", "", "aaaa");
    let said = world.line("br0 aaaa 10.0.0.2/24").refused(1);
    let theirs = "an engine of user 4321 names a network namespace that does not belong to that user";
    assert!(
        said.starts_with(&format!("rpipe: target \"aaaa\": {theirs}, and nobody else knows the name (")),
        "{said}"
    );
    world.line("br0 podman:aaaa 10.0.0.2/24").refused(1);
    assert_eq!(world.run("ip -n red link show eth1").code(), 1);

    // From inside a container, by whoever is root there.
    fake("", "unshare --user --map-root-user --net --pid --fork", "bbbb");
    let said = world.line("br0 bbbb 10.0.0.3/24").refused(1);
    assert!(said.starts_with("rpipe: target \"bbbb\": nobody knows it ("), "{said}");

    // The host's network.
    fake("", "", "cccc");
    let said = world.line("br0 podman:cccc 10.0.0.4/24").refused(1);
    assert!(said.contains("shares the host's network"), "{said}");

    // Two of one name are not guessed at.
    fake("", "unshare --user --map-root-user --net", "eeee");
    let said = world.line("br0 -i eth2 podman:eeee 10.0.0.2/24").refused(1);
    assert!(said.contains("it is the name of several"), "{said}");
}

fn pgrep(world: &World, id: &str) -> String {
    let all = world.run(&format!("pgrep -x -f -- /run/conmon.*-n.{id}")).ok();
    all.lines().last().unwrap().to_owned()
}
