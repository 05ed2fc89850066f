//! Colours are for terminals, and only for those who want them.
mod support;

use support::{Output, World, finish};

const RED: &str = "\u{1b}[1;31mrpipe\u{1b}[0m: ";

/// The line on a terminal, with a word of the environment.
fn on_a_terminal(world: &World, environment: [&str; 2], line: &str) -> String {
    let [name, value] = environment;
    let line = format!("{} {line}", support::RPIPE);
    let mut command = world.command("script");
    finish(command.env("TERM", "xterm").env(name, value).args(["-qec", &line, "/dev/null"])).stdout
}

fn coloured(output: &Output) -> bool {
    output.stdout.contains('\u{1b}') || output.stderr.contains('\u{1b}')
}

#[test]
fn on_a_terminal_there_are_colours_unless_somebody_minds() {
    let world = World::new();
    world.ip("netns add web");
    world.line("br0 web 10.0.0.2/24").ok();
    let nothing = ["NOTHING", "1"];
    let list = on_a_terminal(&world, nothing, "list");
    assert!(
        list.starts_with("\u{1b}[1mTARGET\u{1b}[0m  ") && list.contains("\u{1b}[32mup\u{1b}[0m\r\n"),
        "{list:?}"
    );
    assert!(on_a_terminal(&world, nothing, "list nosuch").starts_with(RED));
    assert!(on_a_terminal(&world, nothing, "br0").starts_with(RED));
    assert!(on_a_terminal(&world, nothing, "help list").contains("\u{1b}[1mUsage:\u{1b}[0m rpipe list"));
    for (environment, line) in [
        (["NO_COLOR", "1"], "list"),
        (["TERM", "dumb"], "list"),
        (nothing, "--color never list"),
        (nothing, "list --color=never"),
        (nothing, "--colour=never list nosuch"),
        (nothing, "--color never help"),
        (["NO_COLOR", "1"], "help attach"),
        (nothing, "completions bash"),
        (nothing, "list --json"),
    ] {
        let shown = on_a_terminal(&world, environment, line);
        assert!(!shown.contains("\u{1b}[") && shown.len() > 30, "{line}: {shown:?}");
    }
    // Who says nothing by an empty word does not mind.
    assert!(on_a_terminal(&world, ["NO_COLOR", ""], "list").contains('\u{1b}'));
}

#[test]
fn programs_get_none_unless_they_ask() {
    let world = World::new();
    world.ip("netns add web");
    world.line("br0 web 10.0.0.2/24").ok();
    for line in ["list", "help", "list nosuch", "br0", "help attach"] {
        assert!(!coloured(&world.line(line)), "{line}");
        assert!(coloured(&world.line(&format!("--color always {line}"))), "{line}");
        assert!(
            coloured(&world.line(&format!("{line} --color=always"))) || line.starts_with("help"),
            "{line}"
        );
    }
    assert_eq!(world.line("--color sometimes list").code(), 2);
}
