//! Completion in the real shells: each script is loaded, and somebody types.
mod support;

use std::process::{Command, Stdio};

use support::{Docker, RPIPE, SHELLS, Shell, World, first_line, offered, source};

/// What is typed up to the tab, and what must then be offered: all of these, in this order, and none of those.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

fn check(shell: Shell, command: impl Fn(&str) -> Command, cases: &[Case]) {
    let typed: Vec<_> = cases.iter().map(|(typed, ..)| *typed).collect();
    for ((typed, with, without), offered) in cases.iter().zip(shell.offers(command, &typed)) {
        // Bash is given only what it replaces: the word from its last break on.
        let begun = typed.rsplit(' ').next().unwrap_or_default();
        let whole = |one: &str, word: &str| {
            one == word || begun.char_indices().any(|(end, _)| word == format!("{}{one}", &begun[..=end]))
        };
        let mut rest = offered.iter();
        for word in *with {
            assert!(
                rest.any(|one| whole(one, word)),
                "{shell:?}: {typed:?}: {word} is missing in {offered:?}, or not in its place"
            );
        }
        for word in *without {
            let fits = offered.iter().any(|one| whole(one, word));
            assert!(!fits, "{shell:?}: {typed:?}: {word} does not fit in {offered:?}");
        }
    }
}

/// What is the same on every machine.
const EVERYWHERE: [Case; 14] = [
    ("rpipe ru", &["run", "rule"], &["attach"]),
    ("rpipe -", &["--quiet", "--direct-phys"], &["run"]),
    ("rpipe attach --d", &["--direct-phys", "--dry-run"], &["--json"]),
    ("rpipe br0 web 10.0.0.1/24 --d", &["--dry-run"], &["--json"]),
    ("rpipe -i eth2 br0 web --j", &["--json"], &["--dry-run"]),
    ("rpipe -v br0 --h", &["--host-ifname"], &["--version"]),
    ("rpipe run br0 10.0.0.1/24 --i", &["--ifname"], &["--dry-run"]),
    ("rpipe run --", &["--host-ifname"], &["--dry-run"]),
    ("rpipe completions f", &["fish"], &["elvish"]),
    ("rpipe br0 --mode p", &["private", "passthru"], &["bridge"]),
    ("rpipe br0 --type=i", &["--type=ipvlan"], &["--type=macvlan"]),
    ("rpipe wait --for a", &["address"], &["link"]),
    ("rpipe br0 -a ", &["4", "6"], &[]),
    ("rpipe br0 web d", &["dhcp", "dhcp-f", "dhclient"], &["0/0"]),
];

#[test]
fn bash_offers_what_fits() {
    check(Shell::Bash, |program| Command::new(program), &EVERYWHERE);
}

#[test]
fn bash_with_its_library_offers_what_fits() {
    check(Shell::BashCompletion, |program| Command::new(program), &EVERYWHERE);
}

#[test]
fn zsh_offers_what_fits() {
    check(Shell::Zsh, |program| Command::new(program), &EVERYWHERE);
}

#[test]
fn fish_offers_what_fits() {
    check(Shell::Fish, |program| Command::new(program), &EVERYWHERE);
}

/// Two bridges, a card and three containers.
fn machine(world: &World) -> Docker<'_> {
    world.bridge("br0", "192.168.0.1/24");
    world.bridge("br1", "10.1.0.1/24");
    world.ip("link add lan0 type veth peer name wall");
    world.ip("link set wall up");
    world.ip("link set lan0 up");
    world.ip("addr add 172.20.5.9/16 dev lan0");
    world.ip("netns add red");
    let docker = Docker::new(world);
    docker.run("web", "");
    docker.run("work", "");
    docker.run("nosy", "--net=host");
    world.line("br0 web 192.168.0.2/24@192.168.0.1").ok();
    world.line("br1 -i eth2 web 10.1.0.2/24").ok();
    // The same VLAN as the host's mark of a port tells it, where the kernel has no VLANs.
    world.sh("ip link set wall alias 'rpipe 1 port uplink=lan0 vlan=10 ifname=eth1 target=netns:red'").ok();
    docker
}

#[test]
fn the_machine_is_known() {
    let world = World::new();
    let _docker = machine(&world);
    let cases: [Case; 19] = [
        ("rpipe ", &["attach", "br0", "br1", "lan0"], &["lo"]),
        ("rpipe run b", &["br0", "br1"], &["lan0"]),
        ("rpipe br0 ", &["web", "work", "red"], &["nosy", "br0"]),
        ("rpipe br0 w", &["web", "work"], &["red"]),
        ("rpipe br0 docker:w", &["docker:web", "docker:work"], &["red"]),
        ("rpipe br0 netns:", &["netns:red"], &["netns:work"]),
        ("rpipe br0 work ", &["192.168.0.3/24@192.168.0.1", "192.168.0.3/24", "dhcp"], &["br0"]),
        ("rpipe br1 work 10", &["10.1.0.3/24@10.1.0.1"], &[]),
        ("rpipe run br0 1", &["192.168.0.3/24@192.168.0.1"], &[]),
        ("rpipe lan0 work ", &["172.20."], &["172.20.0.1/16"]),
        ("rpipe lan0 work 172.20.5.78", &["172.20.5.78/16"], &[]),
        ("rpipe lan0 work 172.20.5.78/16 ", &["@10"], &[]),
        ("rpipe lan0 work 172.20.5.78/16 02:00:00:00:00:01@", &["02:00:00:00:00:01@10"], &[]),
        ("rpipe detach w", &["web"], &["red"]),
        ("rpipe detach web -i ", &["eth1", "eth2"], &["eth0", "lo"]),
        ("rpipe detach docker:web --ifname=e", &["--ifname=eth1", "--ifname=eth2"], &[]),
        ("rpipe wait web -i ", &["eth0", "eth1", "eth2"], &[]),
        ("rpipe exec w", &["web", "work"], &[]),
        ("pipework br0 w", &["web", "work"], &[]),
    ];
    for shell in SHELLS {
        // How pipework is asked for in bash is the library's business.
        let cases = if shell == Shell::BashCompletion { &cases[..18] } else { &cases };
        check(shell, |program| world.command(program), cases);
    }
    // What is shown beside the words.
    let bridges = offered(&world, "rpipe br");
    assert!(bridges.contains("\nbr0\tbridge, 192.168.0.1/24\n"), "{bridges}");
    let containers = offered(&world, "rpipe br0 w");
    assert!(containers.contains("\nweb\tdocker bb:1\nwork\tdocker bb:1\n"), "{containers}");
    assert!(offered(&world, "rpipe detach web -i e").contains("\neth1\tveth on br0\n"));
    assert!(offered(&world, "rpipe ru").contains("\nrule\tShow or change the routing rules"));
    let mac = world.ip_json("link show dev br0")[0]["address"].as_str().unwrap().to_owned();
    assert!(offered(&world, "rpipe mac:").contains(&format!("\nmac:{mac}\tbr0\n")));
}

/// What the tab makes of a line that only one word fits.
#[test]
fn the_word_is_put_in_its_place() {
    let world = World::new();
    world.sh("ip link add br0 type bridge; ip addr add 10.9.0.1/24 dev br0; ip link set br0 up").ok();
    world.ip("netns add web");
    let typed = [
        ("rpipe br", "rpipe br0 "),
        ("rpipe br0 we", "rpipe br0 web "),
        ("rpipe br0 netns:w", "rpipe br0 netns:web "),
        ("rpipe br0 netn", "rpipe br0 netns:"),
        ("rpipe run br0 10.9.0.2/24@", "rpipe run br0 10.9.0.2/24@10.9.0.1 "),
        ("rpipe run br0 10.9.0.77", "rpipe run br0 10.9.0.77/24"),
        ("rpipe exec web ", "rpipe exec web -- "),
        ("rpipe exec web -- unsh", "rpipe exec web -- unshare "),
        ("rpipe run br0 --type=ip", "rpipe run br0 --type=ipvlan "),
        ("rpipe completions f", "rpipe completions fish "),
    ];
    for shell in SHELLS {
        let mut typed = typed.to_vec();
        if matches!(shell, Shell::BashCompletion | Shell::Zsh) {
            typed.push(("sudo rpipe run br0 10.9.0.2/24@", "sudo rpipe run br0 10.9.0.2/24@10.9.0.1 "));
        }
        let lines: Vec<_> = typed.iter().map(|(line, _)| *line).collect();
        for ((typed, expected), answer) in
            typed.iter().zip(shell.type_in(world.command("python3"), &lines, false))
        {
            assert_eq!(answer.line.trim_end(), expected.trim_end(), "{shell:?}: {typed:?}: {answer:?}");
            // Fish keeps the blank to itself until the next word.
            if shell != Shell::Fish {
                assert_eq!(answer.line, *expected, "{shell:?}: {typed:?}: {answer:?}");
            }
        }
    }
}

/// A name is a word of the command line, and nothing else, whatever is in it.
#[test]
fn names_are_never_run() {
    let world = World::new();
    world.bridge("br0", "10.9.0.1/24");
    for name in [
        "a b",
        "b$(touch x)",
        "f;touch x",
        "g`touch x`",
        "e'f\"g",
        "h\\i!j",
        "k*?[x]{y,z}~",
        "j&touch x|touch x",
        "m\tn",
        "s\x1bp",
    ] {
        world.rpipe(&["run", "br0", "10.9.0.2/24", "--", "touch", &format!("/run/netns/{name}")]).ok();
    }
    world.sh("touch \"/run/netns/q\nr\"").ok();
    let typed: [(&str, &str); 11] = [
        ("rpipe br0 a", "a b"),
        ("rpipe br0 b", "b$(touch x)"),
        ("rpipe br0 f", "f;touch x"),
        ("rpipe br0 netns:g", "netns:g`touch x`"),
        ("rpipe br0 e", "e'f\"g"),
        ("rpipe br0 h", "h\\i!j"),
        ("rpipe br0 k", "k*?[x]{y,z}~"),
        ("rpipe br0 j", "j&touch x|touch x"),
        ("rpipe br0 \"b", "b$(touch x)"),
        ("rpipe br0 \"h", "h\\i!j"),
        ("rpipe br0 'e", "e'f\"g"),
    ];
    for shell in SHELLS {
        let (lines, words): (Vec<_>, Vec<_>) = typed.iter().copied().unzip();
        for (word, answer) in words.iter().zip(shell.type_in(world.command("python3"), &lines, true)) {
            assert_eq!(answer.ran, ["br0", *word], "{shell:?}: {answer:?}");
        }
        // What could steer the terminal is not offered.
        let typed = ["rpipe br0 m", "rpipe br0 s", "rpipe br0 q", "rpipe br0 r"];
        for (typed, offered) in typed.iter().zip(shell.offers(|program| world.command(program), &typed)) {
            assert!(offered.is_empty(), "{shell:?}: {typed}: {offered:?}");
        }
    }
}

/// An engine that takes questions and never answers keeps nobody else's containers back.
#[test]
fn a_silent_engine_is_not_waited_for() {
    let world = World::new();
    world.ip("netns add red");
    let engines = r#"
import socket
def listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener
silent, talking = listen("/run/docker.sock"), listen("/run/incus.sock")
print("ready", flush=True)
body = b'{"metadata": [{"name": "blue", "type": "container", "status": "Running", "project": "default"}]}'
asker, _ = talking.accept()
asker.recv(4096)
asker.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
silent.accept()
silent.accept()
"#;
    let mut daemon = world
        .command("python3")
        .args(["-c", engines])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed");
    assert_eq!(first_line(&mut daemon), "ready");
    let mut command = world.command(RPIPE);
    command.env("INCUS_SOCKET", "/run/incus.sock").env("RPIPE_COMPLETION_LIMIT", "1500");
    let output = command.args(["__complete", "zsh", "rpipe", "br0", ""]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "words\nblue\tlxd\nred\tnetns\n");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

/// The VLANs that an uplink and a bridge have.
#[test]
#[ignore = "needs the guest's kernel"]
fn vlans_that_are_in_use_are_known() {
    let world = World::new();
    world
        .sh("ip link add card type veth peer name other
             ip link add link card name card.30 type vlan id 30
             ip link add br0 type bridge vlan_filtering 1
             ip link set other master br0
             bridge vlan add dev other vid 40-41")
        .ok();
    assert_eq!(offered(&world, "rpipe card netns:red 10.0.0.2/24 @"), "words\n@30\tVLAN 30, card.30\n");
    assert_eq!(
        offered(&world, "rpipe br0 netns:red 10.0.0.2/24 @"),
        "words\n@40\tVLAN 40, in use on br0\n@41\tVLAN 41, in use on br0\n"
    );
}

/// Who may not look into containers completes the rest.
#[test]
fn it_needs_no_privilege() {
    let world = World::new();
    world.bridge("br0", "10.9.0.1/24");
    world.ip("netns add red");
    world.line("br0 netns:red 10.9.0.2/24").ok();
    let offered = |line: &str| {
        let mut command = world.command("setpriv");
        command.args(["--reuid", "4321", "--regid", "4321", "--clear-groups", RPIPE, "__complete", "zsh"]);
        let output = command.args(line.split(' ')).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(offered("rpipe br").contains("\nbr0\tbridge, 10.9.0.1/24\n"));
    assert!(offered("rpipe br0 r").contains("\nred\tnetns\n"));
    assert_eq!(offered("rpipe br0 red 10"), "words\n10.9.0.\tnetwork 10.9.0.0/24, gateway 10.9.0.1\n");
    assert_eq!(offered("rpipe detach red -i "), "words\neth1\tnetns:red\n");
}

/// Without the binary the shell does what it does for any command.
#[test]
fn without_the_binary_files_are_offered() {
    for shell in SHELLS {
        let lost = if shell == Shell::Fish { "set PATH /nowhere" } else { "PATH=/nowhere" };
        let setup = format!("{}\n{lost} 2>/dev/null", shell.setup());
        let answers = shell.type_with(&setup, Command::new("python3"), &["rpipe /etc/hostnam"], false);
        assert_eq!(answers[0].line.trim_end(), "rpipe /etc/hostname", "{shell:?}: {answers:?}");
    }
}

/// `rpipe completions SHELL` prints what a package installs.
#[test]
fn the_scripts_come_with_the_binary() {
    for (shell, file) in [("bash", "rpipe.bash"), ("zsh", "_rpipe"), ("fish", "rpipe.fish")] {
        let output = Command::new(RPIPE).args(["completions", shell]).output().unwrap();
        assert_eq!(output.stdout, std::fs::read(source(&format!("completions/{file}"))).unwrap(), "{shell}");
    }
    for (shell, file) in [("bash", "rpipe.bash"), ("zsh", "_rpipe")] {
        let output =
            Command::new(shell).args(["-n", &source(&format!("completions/{file}"))]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}
