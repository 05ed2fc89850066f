//! How a target is named, and what becomes of `/run/netns`.
mod support;

use support::{World, addresses};

fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
}

#[test]
fn a_named_namespace() {
    let world = world();
    world.ip("netns add red");
    let before = world.sh("stat -c %i%t /run/netns/red; ls /run/netns").ok();
    world.line("br0 netns:red 10.0.0.2/24").ok();
    let eth1 = world.ip_json("-n red addr show dev eth1");
    assert_eq!(addresses(&eth1[0]), ["10.0.0.2/24"]);
    assert_eq!(world.sh("stat -c %i%t /run/netns/red; ls /run/netns").ok(), before, "it had its entry");
}

#[test]
fn a_bare_name_finds_it_too() {
    let world = world();
    world.ip("netns add red");
    world.line("br0 red 10.0.0.2/24").ok();
    assert_eq!(addresses(&world.ip_json("-n red addr show dev eth1")[0]), ["10.0.0.2/24"]);
}

#[test]
fn a_namespace_by_path() {
    let world = world();
    world.ip("netns add red");
    let container = world.container();
    world.line("br0 netns:/var/run/netns/red 10.0.0.2/24").ok();
    world.line(&format!("br0 netns:/proc/{}/ns/net 10.0.0.3/24", container.pid)).ok();
    assert_eq!(addresses(&world.ip_json("-n red addr show dev eth1")[0]), ["10.0.0.2/24"]);
    assert_eq!(addresses(&container.link("eth1")), ["10.0.0.3/24"]);
}

#[test]
fn a_dangling_entry_of_ours_is_swept_and_a_foreign_one_is_not() {
    let world = world();
    world.ip("netns add red");
    // No process has this number: it is past PID_MAX_LIMIT.
    world
        .sh("ln -s /proc/4194305/ns/net /run/netns/gone
              ln -s /nowhere /run/netns/foreign
              touch /run/netns/file
              mkdir /run/netns/dir")
        .ok();
    world.line("br0 netns:red 10.0.0.2/24").ok();
    assert_eq!(world.sh("ls /run/netns").ok(), "dir\nfile\nforeign\nred\n");
}
