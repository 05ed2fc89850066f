//! Common mistakes, each with an answer that is written for it: the exact words.
mod support;

use support::{World, assert_same, snapshot};

/// What `rpipe` alone says.
const NOTHING: &str = "\
rpipe: nothing asked for. What is needed most:
  rpipe br0 test01 192.168.0.123/24@192.168.0.1   wire container test01 to bridge br0: address and default route
  rpipe eth0 test01 192.168.0.123/24              wire it to the network of eth0, by a macvlan
  rpipe list                                      show what is attached
  rpipe detach test01                             take it back
  rpipe help attach                               every word and flag, with examples
";

/// Lines whose words are wrong in themselves.
const WORDS: [(&str, &str); 18] = [
    ("br0 web 10.0.0.2", r#"address "10.0.0.2": has no prefix length (did you mean 10.0.0.2/24?)"#),
    ("br0 web 10.0.0.2 24", r#"address "10.0.0.2": has no prefix length (did you mean 10.0.0.2/24?)"#),
    ("br0 web fd00::2", r#"address "fd00::2": has no prefix length (did you mean fd00::2/64?)"#),
    ("br0 10.0.0.2/24 web", r#"target "10.0.0.2/24": is an address (the order is UPLINK TARGET ADDRESS)"#),
    ("10.0.0.2/24 br0 web", r#"uplink "10.0.0.2/24": is an address (the order is UPLINK TARGET ADDRESS)"#),
    (
        "br0 -i averyverylongname web 10.0.0.2/24",
        r#"interface name "averyverylongname": is 17 bytes long, the kernel takes at most 15"#,
    ),
    (
        "br0 web 10.0.0.2/24 10.0.0.1",
        r#"MAC address "10.0.0.1": is an IP address (a gateway goes behind the address: 10.0.0.2/24@10.0.0.1)"#,
    ),
    (
        "br0 web 10.0.0.2/24 fd00::2/64",
        r#"MAC address "fd00::2/64": is an IP address (several go into one word: 10.0.0.2/24,fd00::2/64)"#,
    ),
    ("br0 web 10.0.0.2/24 10", r#"MAC address "10": is a number (a VLAN is written @10)"#),
    ("br0 web @10 10.0.0.2/24", r#"address "@10": is a VLAN (that comes behind the address)"#),
    (
        "br0 web 02:00:00:00:00:01 10.0.0.2/24",
        r#"address "02:00:00:00:00:01": is a MAC address (that comes behind the address)"#,
    ),
    ("br0 web", "missing ADDRESS[,ADDRESS…] (as in 192.168.0.123/24@192.168.0.1; try `rpipe help attach`)"),
    (
        "br0",
        "missing TARGET ADDRESS[,ADDRESS…] (as in `rpipe br0 test01 192.168.0.123/24@192.168.0.1`; try `rpipe help attach`)",
    ),
    ("detahc web", "missing ADDRESS[,ADDRESS…] (did you mean `rpipe detach`?)"),
    ("help lsit", "unrecognized subcommand 'lsit' (did you mean list?)"),
    ("--replce br0 web 10.0.0.2/24", "unexpected argument '--replce' found (did you mean --replace?)"),
    ("exec web ls", "unexpected argument 'ls' found (the command comes behind --, as in `-- ip address`)"),
    ("run br0 10.0.0.2/24 ls", "missing COMMAND (the command comes behind --, as in `-- ip address`)"),
];

#[test]
fn alone_it_shows_the_lines_that_people_need() {
    let output = World::new().line("");
    assert_eq!((output.code(), output.stderr.as_str(), output.stdout.as_str()), (2, NOTHING, ""));
}

#[test]
fn words_in_the_wrong_place_and_words_that_are_nearly_right() {
    let world = World::new();
    for (line, says) in WORDS {
        let output = world.line(line);
        assert_eq!((output.code(), output.stderr), (2, format!("rpipe: {says}\n")), "{line}");
    }
}

#[test]
fn what_only_the_machine_can_tell() {
    let world = World::new();
    world.ip("link add br0 type bridge");
    world.ip("link add enp3s0 type veth peer name other");
    world.ip("netns add web");
    let before = snapshot(&world, &[]);
    for (line, says) in [
        (
            "web br0 10.0.0.2/24",
            r#"target "br0": is an interface of this host, and "web" is none (the order is UPLINK TARGET ADDRESS)"#,
        ),
        ("enp3so web 10.0.0.2/24", r#"uplink "enp3so": no such interface (did you mean enp3s0?)"#),
        (
            "br0 docker:web 10.0.0.2/24",
            r#"target "docker:web": no socket at /var/run/docker.sock (is the Docker engine running?; did you mean netns:web?)"#,
        ),
        (
            "br0 netns:wep 10.0.0.2/24",
            r#"target "netns:wep": no such entry (ip netns list shows them; did you mean netns:web?)"#,
        ),
        ("br0 pid:4194304 10.0.0.2/24", r#"target "pid:4194304": no such process"#),
    ] {
        let output = world.line(line);
        assert_eq!((output.code(), output.stderr), (1, format!("rpipe: {says}\n")), "{line}");
    }
    assert_same(&before, &snapshot(&world, &[]), "mistakes");
}

#[test]
fn without_root() {
    let world = World::new();
    world.ip("link add br0 type bridge");
    world.ip("netns add web");
    let rpipe = env!("CARGO_BIN_EXE_rpipe");
    for (line, says) in [
        (
            "br0 netns:web 10.0.0.2/24",
            r#"target "netns:web": entering /var/run/netns/web: Operation not permitted (needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)"#,
        ),
        (
            "run br0 10.0.0.2/24 -- true",
            "making a network namespace: Operation not permitted (needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)",
        ),
        (
            "list",
            "entering network namespaces: Operation not permitted (needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)",
        ),
    ] {
        let output = world.run(&format!("setpriv --reuid 65534 --clear-groups {rpipe} {line}"));
        assert_eq!((output.code(), output.stderr), (1, format!("rpipe: {says}\n")), "{line}");
    }
}
