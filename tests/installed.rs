//! The binary as install.sh builds and installs it; tests/run says in `RPIPE_INSTALLED` where.
mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{World, finish};

fn installed() -> PathBuf {
    std::env::var_os("RPIPE_INSTALLED").expect("tests/run builds, installs and names it").into()
}

#[test]
fn it_is_static_and_small() {
    let output = finish(Command::new("ldd").arg(installed()).env("LC_ALL", "C"));
    let said = output.stdout + &output.stderr;
    assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{said}");
    let size = installed().metadata().unwrap().len();
    assert!(size <= 2_500_000, "{size} bytes");
}

#[test]
fn an_attach_is_one_process_of_few_system_calls() {
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let container = world.container();
    let output = finish(
        world.command("strace").args(["-f", "-qq", "-o", "/run/trace", "--"]).arg(installed()).args([
            "br0",
            &container.target(),
            "192.168.0.123/24@192.168.0.1",
        ]),
    );
    output.ok();
    container.pings("192.168.0.1");
    let trace = std::fs::read_to_string(world.path("/run/trace")).expect("the trace");
    assert!(trace.lines().count() < 80, "{trace}");
    assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
}
