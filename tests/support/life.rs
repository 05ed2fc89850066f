//! What must be so for a container of every runtime.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::snapshot::{assert_same, snapshot};
use super::world::{Container, RPIPE, World, addresses, finish};

const PATIENCE: Duration = Duration::from_secs(20);

/// Attaches the container that `target` names, pings it, lets it die, finds nothing of it left on the host, and is
/// refused it from then on. `pid` is its process as its runtime tells it. Gives the report of the attach, and the refusal.
#[track_caller]
pub fn lives_and_dies(world: &World, target: &str, pid: &str, die: impl FnOnce()) -> (Value, String) {
    world.bridge("br9", "10.9.0.1/24");
    let inside = Container::of(world, pid);
    let line = format!("--json br9 -i eth9 {target} 10.9.0.2/24@10.9.0.1");
    let report: Value = serde_json::from_str(&world.line(&line).ok()).expect("JSON");
    assert_eq!(report["pid"].to_string(), pid);
    assert_eq!(addresses(&inside.link("eth9")), ["10.9.0.2/24"]);
    Container::of(world, "1").pings("10.9.0.2");
    inside.pings("10.9.0.1");
    // Completion knows the living.
    let named = format!("{}:{}", report["runtime"].as_str().unwrap(), report["target"].as_str().unwrap());
    let is_offered = || {
        let offered = offered(world, &format!("rpipe br9 {}", &named[..=named.find(':').unwrap()]));
        offered.lines().any(|line| line.split('\t').next() == Some(&named))
    };
    assert!(is_offered(), "{named}");
    die();
    let host_ifname = report["host_ifname"].as_str().expect("a veth");
    until(&format!("{host_ifname} goes with its container"), || {
        world.run(&format!("ip link show dev {host_ifname}")).code() != 0
    });
    let before = snapshot(world, &[]);
    let refusal = world.line(&line).refused(1);
    // What a dead container left in /run/netns is swept by whatever comes next.
    let swept = |state: String| {
        state.lines().filter(|line| !line.contains(" l /proc/")).collect::<Vec<_>>().join("\n")
    };
    assert_same(&swept(before), &swept(snapshot(world, &[])), &refusal);
    assert!(!is_offered(), "{named}");
    (report, refusal)
}

/// What a shell gets to show for a line up to the cursor, however long it takes: below `words` a line for each, behind a
/// tab what it is.
#[track_caller]
pub fn offered(world: &World, line: &str) -> String {
    let mut command = world.command(RPIPE);
    command.env("RPIPE_COMPLETION_LIMIT", PATIENCE.as_millis().to_string());
    finish(command.args(["__complete", "zsh"]).args(line.split(' '))).ok()
}

/// Waits for something that must become so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
