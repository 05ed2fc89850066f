//! `rpipe batch`: many lines in one process, each wholly or not at all.
mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use serde_json::Value;
use support::{Container, Output, RPIPE, World, addresses, assert_same, names, snapshot};

fn world() -> World {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
}

/// A file of the world with these lines.
fn file(world: &World, lines: &[u8]) {
    std::fs::write(world.path("/run/lines"), lines).unwrap();
}

/// `rpipe batch OPTIONS FILE` of these lines.
fn batch(world: &World, options: &str, lines: &str) -> Output {
    file(world, lines.as_bytes());
    world.line(&format!("batch {options} /run/lines"))
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn lines_are_what_is_typed_behind_rpipe() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    let (one, other) = (a.target(), b.target());
    let lines = format!(
        "# a lab\n\n  rpipe br0 '{one}' 10.0.0.2/24@10.0.0.1\r\n\tattach -i \"lan0\" br0 {other} 10.0.0.3/24 # on the same\n\
         br1 -i eth2 {one} 10.1.0.2/24\nbr1 -i eth2 {other} 10.1.0.3/24\nwait {one} --for link\nbr0 -q -i eth3 {one} 0/0"
    );
    let output = batch(&world, "", &lines);
    assert_eq!((output.code(), output.stdout.as_str()), (0, ""), "{output:#?}");
    let said: Vec<_> = output.stderr.lines().collect();
    assert_eq!(
        said,
        [
            format!("/run/lines:3: \"{}\": eth1 on br0 (veth) 10.0.0.2/24 via 10.0.0.1", a.pid),
            format!("/run/lines:4: \"{}\": lan0 on br0 (veth) 10.0.0.3/24", b.pid),
            format!("/run/lines:5: \"{}\": eth2 on br1 (veth) 10.1.0.2/24", a.pid),
            format!("/run/lines:6: \"{}\": eth2 on br1 (veth) 10.1.0.3/24", b.pid),
            "/run/lines:7: eth1 is there".to_owned(),
        ]
    );
    assert_eq!(a.links(), ["lo", "eth1", "eth2", "eth3"]);
    assert_eq!(addresses(&b.link("lan0")), ["10.0.0.3/24"]);
    a.pings("10.1.0.3");
    // The same again changes nothing, and takes itself back.
    batch(&world, "-q", &lines).ok();
    batch(&world, "-q", &format!("detach {one} --all\nrpipe detach {other} --all\ngc\n")).ok();
    assert_eq!((a.links(), b.links()), (vec!["lo".to_owned()], vec!["lo".to_owned()]));
    assert_eq!(world.sh("ls /run/netns; ip -br link | grep -c br1 || true").ok(), "0\n");
}

#[test]
fn wrong_words_anywhere_change_nothing() {
    let world = world();
    let container = world.container();
    let right = format!("br0 {} 10.0.0.2/24", container.target());
    let before = snapshot(&world, &[&container]);
    for (wrong, said) in [
        ("br0 web", "missing "),
        ("br0 web 10.0.0.2", "address \"10.0.0.2\""),
        ("br0 'web 10.0.0.2/24", "a quote is not closed"),
        ("br0 web 10.0.0.2/24 \\", "a backslash has nothing behind it"),
        ("exec web -- id", "exec cannot be a line"),
        ("batch -", "batch cannot be a line"),
        ("br0 web 10.0.0.2/24 --json", "--json is for the whole batch"),
        ("br0 web 10.0.0.2/24 --nosuch", "unexpected argument '--nosuch'"),
        ("br0 w\0b 10.0.0.2/24", "a NUL byte"),
    ] {
        let line = batch(&world, "", &format!("{right}\n\n{wrong}\n{right}\n")).refused(2);
        assert!(line.starts_with("rpipe: /run/lines:3: ") && line.contains(said), "{line}");
    }
    let mut bytes = format!("{right}\nbr0 ").into_bytes();
    bytes.push(0xff);
    file(&world, &bytes);
    assert_eq!(world.line("batch /run/lines").refused(2), "rpipe: /run/lines:2: the line is not UTF-8");
    file(&world, &vec![b'a'; 100_000]);
    assert_eq!(
        world.line("batch /run/lines").refused(2),
        "rpipe: /run/lines:1: the line is longer than 64 KiB"
    );
    let said = world.line("batch /dev/zero").refused(2);
    assert!(said.starts_with("rpipe: /dev/zero:1: "), "{said}");
    assert_eq!(world.line("batch /nosuch").refused(1), "rpipe: reading /nosuch: No such file or directory");
    assert_eq!(world.line("batch /run").refused(1), "rpipe: reading /run: Is a directory");
    world.line("batch").refused(2);
    assert_eq!(batch(&world, "", "\n# nothing\n").ok(), "");
    assert_same(&before, &snapshot(&world, &[&container]), "wrong words");
}

#[test]
fn it_ends_at_the_first_that_fails_and_that_one_alone_is_undone() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    let before = snapshot(&world, &[&b]);
    let lines = format!(
        "br0 {0} 10.0.0.2/24\nbr7 {1} 10.0.0.3/24 -l br0\nbr0 -i eth2 {0} 10.0.0.4/24\n",
        a.target(),
        b.target()
    );
    let output = batch(&world, "", &lines);
    assert_eq!(output.code(), 1, "{output:#?}");
    let said: Vec<_> = output.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].starts_with("rpipe: /run/lines:2: ") && said[1].contains("\"br0\""), "{said:?}");
    assert_eq!(a.links(), ["lo", "eth1"]);
    world.line(&format!("detach {}", a.target())).ok();
    assert_same(&before, &snapshot(&world, &[&b]), "the failing line");

    let output = batch(&world, "--keep-going --json", &lines);
    assert_eq!(output.code(), 1, "{output:#?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    let told = json_lines(&output.stdout);
    assert_eq!(told.iter().map(|it| it["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((&told[0]["ifname"], &told[0]["changed"]), (&"eth1".into(), &true.into()));
    assert!(told[1]["error"].as_str().unwrap().contains("\"br0\""), "{}", told[1]);
    assert_eq!(a.links(), ["lo", "eth1", "eth2"]);
    assert_eq!(b.links(), ["lo"]);
    // The kernel refuses a step in the middle: another interface has a route to that gateway.
    let lines = format!("br0 -i eth5 {0} 0/0@10.7.7.7\nbr9 -i eth6 {0} 0/0@10.7.7.7\n", a.target());
    let output = batch(&world, "-q", &lines);
    assert_eq!(output.code(), 1, "{output:#?}");
    assert!(output.stderr.starts_with("rpipe: /run/lines:2: "), "{output:#?}");
    assert_eq!(a.links(), ["lo", "eth1", "eth2", "eth5"]);
    assert!(!names(&world.ip_json("link")).contains(&"br9".to_owned()));
}

#[test]
fn standard_input_is_read_to_its_end_first() {
    let world = world();
    let container = world.container();
    let mut command = world.command(RPIPE);
    let command = command.args(["batch", "--json", "-"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "br0 {} 10.0.0.2/24", container.target()).unwrap();
    input.flush().unwrap();
    assert_eq!(container.links(), ["lo"], "nothing is done before the end");
    writeln!(input, "detach {} -i eth1\ngc\nbr0 web", container.target()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("rpipe: stdin:4: missing "), "{said}");
    assert_eq!(container.links(), ["lo"]);
}

#[test]
fn json_is_one_object_a_line() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    let lines = format!(
        "br0 {0} 10.0.0.2/24\nbr0 {0} 10.0.0.2/24\nwait {0} --for link\ndetach {0}\ndetach {1}\ngc\n",
        a.target(),
        b.target()
    );
    let output = batch(&world, "--json", &lines).ok();
    let told = json_lines(&output);
    assert_eq!(told.iter().map(|it| it["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!((&told[0]["changed"], &told[1]["changed"]), (&true.into(), &false.into()));
    assert_eq!(told[2]["waited"][0], "eth1");
    assert_eq!(
        (&told[3]["detached"][0]["ifname"], &told[3]["detached"][0]["uplink"]),
        (&"eth1".into(), &"br0".into())
    );
    assert_eq!(told[4]["detached"], serde_json::json!([]));
    assert_eq!(told[5]["collected"], serde_json::json!([]));
}

/// The script of all lines does what the lines do, also where a line stands on what one before it makes.
#[test]
fn the_plan_of_all_lines_is_one_script() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    let lines = format!(
        "br5 {0} 10.5.0.2/24\nbr5 {1} 10.5.0.3/24\nbr5 -i eth2 {1} 10.5.0.4/24 --mtu 1300\n",
        a.target(),
        b.target()
    );
    let before = snapshot(&world, &[&a, &b]);
    let script = batch(&world, "--dry-run", &lines).ok();
    assert_same(&before, &snapshot(&world, &[&a, &b]), "only planned");
    assert!(script.starts_with("#!/bin/sh\nset -e\n# line 1\n"), "{script}");
    assert_eq!(script.matches("type bridge").count(), 1, "{script}");
    let planned = json_lines(&batch(&world, "--dry-run --json", &lines).ok());
    assert_eq!(planned[2]["line"], 3);
    assert_eq!(planned[0]["steps"][1]["step"], "create_bridge", "{}", planned[0]);
    std::fs::write(world.path("/run/script"), &script).unwrap();
    world.sh("sh /run/script").ok();
    a.pings("10.5.0.3");
    assert_eq!(b.link("eth2")["mtu"], 1300);
    let detach = format!("detach {} --all\ndetach {} --all\n", a.target(), b.target());
    let script = batch(&world, "--dry-run", &detach).ok();
    assert_eq!(b.links(), ["lo", "eth1", "eth2"]);
    std::fs::write(world.path("/run/script"), &script).unwrap();
    world.sh("sh /run/script").ok();
    assert_eq!((a.links(), b.links()), (vec!["lo".to_owned()], vec!["lo".to_owned()]));
}

/// The line under way is undone, those before it stay, and it ends as by the signal.
#[test]
fn a_signal_ends_it_between_two_states() {
    let world = world();
    let container = world.container();
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        file(
            &world,
            format!("br0 {0} 10.0.0.2/24\nwait {0} -i nosuch\nbr0 -i eth2 {0} 0/0\n", container.target())
                .as_bytes(),
        );
        let script = format!("echo $$; exec {RPIPE} batch /run/lines 2>&1");
        let mut command = world.command("sh");
        let mut child = command.args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let pid = said.next().unwrap();
        assert!(said.next().unwrap().starts_with("/run/lines:1: "));
        world.sh(&format!("kill -{signal} {pid}")).ok();
        let last: Vec<_> = said.collect();
        assert_eq!(last.len(), 1, "{last:?}");
        let place = format!("rpipe: /run/lines:2: interrupted by SIG{signal}: ");
        assert!(last[0].starts_with(&place), "{last:?}");
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(container.links(), ["lo", "eth1"]);
    }
}

/// Several lines for one container are one detach of several; what stands on each other comes back in order.
#[test]
fn detaches_of_one_container_are_done_together() {
    let world = world();
    let container = support::container_with_routes(&world);
    let before = snapshot(&world, &[&container]);
    let target = container.target();
    let line = |n| format!("br0 -i lan{n} {target} 10.{n}.0.2/24@10.{n}.0.1,fd0{n}::2/64@fd0{n}::1\n");
    let lines: String = [1, 2, 3].map(line).concat();
    batch(&world, "-q", &lines).ok();
    assert_eq!(container.links().len(), 6);
    let output = batch(
        &world,
        "--keep-going",
        &format!(
            "detach {target} -i lan2\ndetach {target}\ndetach {target} -i nosuch\ndetach {target} -i lan3\ndetach {target} -i eth0\ndetach {target}\n"
        ),
    );
    let said: Vec<_> = output.stderr.lines().collect();
    assert_eq!(output.code(), 1, "{said:#?}");
    let find = |n: usize| said.iter().filter(|line| line.contains(&format!("lines:{n}: "))).count();
    assert_eq!((1..7).map(find).collect::<Vec<_>>(), [1; 6], "{said:#?}");
    for (n, word) in [
        (1, "lan2"),
        (2, "several attachments"),
        (3, "nothing is attached"),
        (4, "lan3"),
        (5, "not attached by rpipe"),
        (6, "lan1"),
    ] {
        let line = said.iter().find(|line| line.contains(&format!("lines:{n}: "))).unwrap();
        assert!(line.contains(word), "{n}: {said:#?}");
    }
    assert_same(&before, &snapshot(&world, &[&container]), "all of them are gone");
}

#[test]
fn what_needs_a_detach_of_its_own_gets_one() {
    let world = world();
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set other up").ok();
    let (a, b, c) = (world.container(), world.container(), world.container());
    let before = snapshot(&world, &[]);
    let [one, two, three] = [&a, &b, &c].map(Container::target);
    let lines = format!(
        "br0 {one} 10.0.0.2/24\n--direct-phys card {two} 10.0.0.3/24\nother {three} 10.0.0.4/24\nbr0 -i eth2 {three} 0/0\n"
    );
    batch(&world, "-q", &lines).ok();
    batch(&world, "-q", &format!("detach {one}\ndetach {two}\ndetach {three} --all\n")).ok();
    let order = |text: &str| {
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    assert_eq!(
        order(&before).matches("\"card\"").count(),
        order(&snapshot(&world, &[])).matches("\"card\"").count()
    );
    for container in [a, b, c] {
        assert_eq!(container.links(), ["lo"]);
    }
}

#[test]
fn a_full_bridge_is_told_before_the_first_change() {
    let world = world();
    let (a, b) = (world.container(), world.container());
    let line = |n: usize| format!("br0 -i p{} {} 0/0\n", n / 2, [a.target(), b.target()][n % 2]);
    let lines = (0..1024).map(line).collect::<Vec<_>>().concat();
    let before = snapshot(&world, &[&a, &b]);
    let said = batch(&world, "", &lines).refused(1);
    assert_eq!(
        said,
        "rpipe: /run/lines: br0 would have 1025 ports: a bridge has at most 1023 (spread them over several)"
    );
    assert_same(&before, &snapshot(&world, &[&a, &b]), "nothing was done");
    // What is said twice is one port.
    let twice = format!("br0 {0} 0/0\n", a.target()).repeat(1100);
    batch(&world, "-q", &twice).ok();
}

/// On a terminal a bar is redrawn in its place, and what came of it stands there at the end; errors get a line of their own.
#[test]
fn a_terminal_shows_a_bar() {
    let world = world();
    let container = world.container();
    let lines = format!(
        "br0 {0} 10.0.0.2/24\nbr0 'netns:/x\u{202e}9' 0/0\nbr0 -i eth2 {0} 0/0\n",
        container.target()
    );
    file(&world, lines.as_bytes());
    let terminal = |options: &str| {
        let line = format!("stty cols 60 && {RPIPE} batch {options} /run/lines");
        let output = support::finish(world.command("script").args(["-qec", &line, "/dev/null"]));
        (output.code(), output.stdout)
    };
    let (code, shown) = terminal("--keep-going");
    assert_eq!(code, 1, "{shown:?}");
    let (first, rest) = shown.split_once('\n').unwrap();
    assert!(first.starts_with("\r[-------------------] 0/3        pid:"), "{shown:?}");
    assert!(first.contains("\x1b[K") && first.trim_end().ends_with("no such file"), "{shown:?}");
    assert_eq!(
        rest.split("\x1b[K").last().unwrap().trim_end().rsplit_once(" in ").unwrap().0,
        "2 of 3 done",
        "{shown:?}"
    );
    assert!(rest.trim_end().ends_with("s, 1 failed"), "{shown:?}");
    assert!(!shown.contains('\u{202e}'), "{shown:?}");
    let (code, shown) = terminal("-q --keep-going");
    assert_eq!((code, shown.lines().count()), (1, 1), "{shown:?}");
    assert!(shown.starts_with("rpipe: /run/lines:2: "), "{shown:?}");
}
