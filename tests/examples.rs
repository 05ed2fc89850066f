//! Every example of the help texts, the man pages and the README that is one line is run: where VLANs, ipvlan and dummies
//! are, among containers of the names that the examples use.
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::CommandFactory;
use support::{Ovs, World};

/// What the examples find: bridges, an interface on a network, a card, two containers, a process.
const STAGE: &str = r"
mkdir -p /run/bin
cd /run
echo br0 test01 192.168.0.7/24 >lab.rpipe
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
ln -s RPIPE /run/bin/rpipe
ip link add br0 type bridge
ip addr add 192.168.0.1/24 dev br0
ip link set br0 up
dnsmasq --conf-file=/dev/null --interface=br0 --bind-interfaces --port=0 --dhcp-range=192.168.0.50,192.168.0.99 \
    --dhcp-leasefile=/run/leases --pid-file=/run/dnsmasq.pid
# Where the kernel can.
if ip link add brvlan type bridge vlan_filtering 1; then ip link set brvlan up; fi
for link in eth0 eth3; do
    ip link add $link type veth peer name ${link}p
    ip link set ${link}p up
    ip link set $link up
done
ip link set eth0 address 02:00:00:00:00:03
# Who answers on the network of eth0.
ip netns add lan
ip link set eth0p netns lan
ip -n lan addr add 192.168.0.1/24 dev eth0p
ip -n lan link set eth0p up
for name in test01 test02 red; do
    ip netns add $name
    ip -n $name link set lo up
done
echo 4710 >/proc/sys/kernel/ns_last_pid
unshare --net sleep infinity &
[ $! = 4711 ]
";

/// Examples that need what is not there even here, and so only tell what they would do.
const ONLY_TOLD: [(&str, &str); 1] = [("rpipe ib0 ", "no InfiniBand in any virtual machine")];

/// Examples that go on until somebody ends them.
const ENDLESS: [&str; 1] = ["tcpdump"];

/// One line, and in which shell it is typed.
fn run(world: &World, line: &str) -> (i32, String) {
    let shell = if line.ends_with("| source") { "fish" } else { "bash" };
    let inside =
        line.starts_with("rpipe wait") && !line.contains("test01") || line.starts_with("rpipe --wait");
    let line = if inside { format!("ip netns exec test01 {line}") } else { line.to_owned() };
    let limit = if ENDLESS.iter().any(|word| line.contains(word)) {
        "timeout --preserve-status -s INT 2 "
    } else {
        "timeout 60 "
    };
    let mut command = world.command("sh");
    command.env("LINE", &line).args([
        "-c",
        &format!("cd /run; export PATH=/run/bin:$PATH; exec 2>&1; {limit}{shell} -c \"$LINE\""),
    ]);
    let output = support::finish(&mut command);
    (output.code(), output.stdout)
}

/// The examples of a help text: a command, two spaces or more, what it does.
fn of_help(help: &str) -> impl Iterator<Item = String> {
    let lines =
        help.lines().skip_while(|line| *line != "Examples:").skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.trim_start().split("   ").next().unwrap_or_default().trim_end().to_owned())
}

/// Lines of a page that start with the name of the program.
fn of_page(page: &str) -> impl Iterator<Item = String> {
    page.lines().filter(|line| line.starts_with("rpipe ")).map(|line| line.replace("\\-", "-"))
}

fn examples() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = BTreeSet::new();
    let cli = rpipe::cli::Cli::command();
    for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
        examples.extend(of_help(&command.get_after_help().map(ToString::to_string).unwrap_or_default()));
    }
    for file in fs::read_dir(root.join("man/written")).unwrap() {
        examples.extend(of_page(&fs::read_to_string(file.unwrap().path()).unwrap()));
    }
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let grammar = |line: &&str| line.contains(['[', '…']) || line.contains(" TARGET");
    let indented =
        readme.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with("rpipe "));
    examples.extend(indented.filter(|line| !grammar(line)).map(str::to_owned));
    examples
}

/// Whether it needs what not every kernel has.
fn needs_the_guest(example: &str) -> bool {
    [" @", "ipvlan", "dummy"].iter().any(|word| example.contains(word))
}

/// Runs those that are chosen, each as if it were the only one, and tells which fail.
fn check(chosen: impl Fn(&str) -> bool) {
    let world = World::new();
    let ovs = Ovs::new(&world);
    ovs.bridge("ovs0", "10.20.0.1/24");
    world
        .sh(&format!(
            "({}) >/run/stage.log 2>&1 || {{ cat /run/stage.log; exit 1; }}",
            STAGE.replace("RPIPE", support::RPIPE)
        ))
        .ok();
    let told = |example: &str| ONLY_TOLD.iter().any(|(start, _)| example.starts_with(start));
    let examples: Vec<_> = examples().into_iter().filter(|line| chosen(line) && !told(line)).collect();
    assert!(examples.len() > 3, "{examples:?}");
    let mut failed = Vec::new();
    for example in &examples {
        // What is about an attachment finds one.
        let about = ["detach", "wait", "list", "route", "rule", "tc", "exec", "doctor", "--wait"];
        let mut args = Vec::new();
        if about.iter().any(|verb| example.starts_with(&format!("rpipe {verb}"))) {
            let target = if example.contains("pid:4711") { "pid:4711" } else { "test01" };
            args.push(format!("br0 {target} 192.168.0.123/24@192.168.0.1"));
            if ["eth2", "--all"].iter().any(|word| example.contains(word)) {
                args.push(format!("br0 -i eth2 {target} 10.1.0.2/24"));
            }
        }
        for line in args {
            world.line(&line).ok();
        }
        let (code, said) = run(&world, example);
        if code != 0 {
            failed.push(format!("{example}\n{code}: {said}"));
        }
        for target in ["test01", "test02", "netns:red", "pid:4711"] {
            world.line(&format!("-q detach {target} --all"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_line_works() {
    check(|example| !needs_the_guest(example));
}

#[test]
#[ignore = "needs the guest's kernel"]
fn every_line_with_vlans_ipvlan_and_dummies_works() {
    check(needs_the_guest);
}
