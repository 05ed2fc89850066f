//! `--queues`: how many queues an interface is made with.
mod support;

use serde_json::Value;
use support::World;

/// The numbers of queues that `ip` sees.
fn queues(link: &Value) -> [&Value; 2] {
    [&link["num_tx_queues"], &link["num_rx_queues"]]
}

#[test]
fn there_is_one_unless_more_are_asked_for() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let (one, more) = (world.container(), world.container());
    world.line(&format!("br0 -l host1 {} 192.168.0.2/24", one.target())).ok();
    world.line(&format!("--queues 3 br0 -l host3 {} 192.168.0.3/24", more.target())).ok();
    assert_eq!(queues(&one.link("eth1")), [1, 1]);
    assert_eq!(queues(&world.link("host1")), [1, 1]);
    assert_eq!(queues(&more.link("eth1")), [3, 3]);
    assert_eq!(queues(&world.link("host3")), [3, 3]);
}

#[test]
fn a_macvlan_has_them_too() {
    let world = World::new();
    world.ip("link add card type veth peer name other");
    let container = world.container();
    world.line(&format!("card {} 192.168.0.2/24 --queues 2", container.target())).ok();
    assert_eq!(queues(&container.link("eth1")), [2, 2]);
}

#[test]
fn another_number_is_another_interface() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let container = world.container();
    let line = |options: &str| format!("br0 {} 192.168.0.2/24 {options}", container.target());
    world.line(&line("--queues 2")).ok();
    world.line(&line("--queues 2")).ok();
    // Who does not ask does not mind.
    world.line(line("").trim()).ok();
    let refused = world.line(&line("--queues 4")).refused(1);
    assert!(refused.contains("the number of queues is 2, not 4"), "{refused}");
    world.line(&line("--queues 4 --replace")).ok();
    assert_eq!(queues(&container.link("eth1")), [4, 4]);
}

#[test]
fn the_plan_shows_them_and_the_kernels_limits_are_told() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let container = world.container();
    let plan = world.line(&format!("--queues 8 --dry-run br0 {} 192.168.0.2/24", container.target())).ok();
    assert_eq!(plan.matches("numtxqueues 8 numrxqueues 8").count(), 2, "{plan}");
    for number in ["0", "4097", "many"] {
        world.line(&format!("--queues {number} br0 {} 192.168.0.2/24", container.target())).refused(2);
    }
}
