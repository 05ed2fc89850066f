//! Every example of the README is run, in its order, and says what the README says.
//!
//! `RPIPE_REGENERATE=1 cargo test --test readme` writes down what they say now.
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use support::{Docker, World};

/// What the examples assume to be there.
const STAGE: &str = r"
mkdir -p /run/bin
ln -s RPIPE /run/bin/rpipe
docker tag bb:1 busybox
docker run -d --name host --net=host bb:1 sleep 1000000
ip link add eth0 type veth peer name eth0p
ip link set eth0p up
# The process that an example calls by its number.
echo 4710 >/proc/sys/kernel/ns_last_pid
unshare --net sleep infinity &
[ $! = 4711 ]
";

/// A block of lines as they are on a terminal: commands with what they print.
struct Block {
    /// Where its first line starts in the README.
    start: usize,
    /// The first byte behind it.
    end: usize,
    /// The commands, each with the lines behind it.
    commands: Vec<(String, String)>,
}

fn blocks(readme: &str) -> Vec<Block> {
    const OPEN: &str = "```console\n";
    let mut blocks = Vec::new();
    let mut from = 0;
    while let Some(open) = readme[from..].find(OPEN) {
        let start = from + open + OPEN.len();
        let end = start + readme[start..].find("```").expect("the end of a block");
        let mut commands: Vec<(String, String)> = Vec::new();
        for line in readme[start..end].split_inclusive('\n') {
            match line.strip_prefix("# ") {
                Some(command) => commands.push((command.trim_end().to_owned(), String::new())),
                None => commands.last_mut().expect("a block starts with a command").1.push_str(line),
            }
        }
        blocks.push(Block { start, end, commands });
        from = end;
    }
    blocks
}

/// Without what is another at each run: numbers of processes and namespaces, addresses that chance makes, times, and how
/// wide a table is.
fn lasting(output: &str) -> String {
    let mut lasting = String::new();
    for line in output.lines() {
        for word in line.split_whitespace() {
            let word = word.trim_end_matches(',');
            let number = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let mac = word.len() == 17 && word.bytes().filter(|byte| *byte == b':').count() == 5;
            let made = ["veth", "fe80::", "time", "40265", "netns=40265", "id="]
                .iter()
                .any(|start| word.starts_with(start));
            let made = made || word.contains("@if") || word.contains("/0.") || word.contains("\"veth");
            let random = number && word.len() < 7 || mac && !word.starts_with("02:") || made;
            let word = if random { "RANDOM" } else { word };
            let _ = write!(lasting, "{word} ");
        }
        lasting.push('\n');
    }
    lasting
}

/// What a unit of systemd runs, and what a Compose file has a container run, each as a line for a shell.
fn lines_of_files(readme: &str) -> Vec<String> {
    let unit =
        readme.lines().filter_map(|line| line.strip_prefix("ExecStart=").or(line.strip_prefix("ExecStop=")));
    let unit = unit.map(|line| line.replace("/usr/local/bin/rpipe", "rpipe"));
    let compose = readme.lines().filter_map(|line| line.strip_prefix("    command: sh -c ")).map(|line| {
        let script = line.trim_matches('"').replace("/rpipe", "rpipe").replace("exec httpd -f", "exec true");
        format!("ip netns exec web sh -c '{script}'")
    });
    let mut lines: Vec<_> = unit.collect();
    // The program is waiting for the address while the container is wired.
    lines.splice(1..1, compose);
    lines
}

#[test]
fn what_the_files_run_works() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let world = World::new();
    world.ip("netns add web");
    world.sh(&format!("mkdir /run/bin; ln -s {} /run/bin/rpipe", support::RPIPE)).ok();
    let lines = lines_of_files(&readme);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        world.sh(&format!("PATH=/run/bin:$PATH; {line}")).ok();
    }
}

#[test]
fn every_example_says_what_the_readme_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let regenerate = std::env::var_os("RPIPE_REGENERATE").is_some();
    let world = World::new();
    let _docker = Docker::new(&world);
    world.sh(&format!("({}) >/dev/null 2>&1", STAGE.replace("RPIPE", support::RPIPE))).ok();
    let (mut fresh, mut copied, mut wrong) = (String::new(), 0, Vec::new());
    for block in blocks(&readme) {
        fresh.push_str(&readme[copied..block.start]);
        for (command, expected) in &block.commands {
            let output = world.sh(&format!("set +e; PATH=/run/bin:$PATH; exec 2>&1; {command}"));
            let _ = write!(fresh, "# {command}\n{}", output.stdout);
            if lasting(&output.stdout) != lasting(expected) {
                wrong.push(format!("# {command}\n{}instead of\n{expected}", output.stdout));
            }
        }
        copied = block.end;
    }
    fresh.push_str(&readme[copied..]);
    if regenerate {
        fs::write(&path, fresh).unwrap();
    } else {
        assert!(wrong.is_empty(), "not what README.md says:\n{}", wrong.join("\n"));
    }
}
