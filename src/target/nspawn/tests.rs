//! What machined writes, and what others might.

use super::*;

/// As systemd 252 writes it.
const FILE: &str = "# This is private data. Do not parse.
NAME=web-1
SCOPE=machine-web\\\\x2d1.scope
SERVICE=systemd-nspawn
ROOT=/run/web-1
ID=563b0e2f4d194f529de3ffac142ce6b9
LEADER=45
CLASS=container
REALTIME=1795236594506170
MONOTONIC=12281179309
";

#[test]
fn a_file_of_machined_is_understood() {
    let machine = Machine::read(FILE).unwrap();
    let unit = "machine-web\\x2d1.scope".to_owned();
    assert_eq!(machine, Machine { class: "container".into(), leader: 45, unit });
}

#[test]
fn a_file_without_what_counts_is_not() {
    for (there, instead) in [
        ("LEADER=45\n", ""),
        ("LEADER=45", "LEADER=0"),
        ("LEADER=45", "LEADER=-1"),
        ("LEADER=45", "LEADER=4194305"),
        ("LEADER=45", "LEADER="),
        ("SCOPE=machine-web\\\\x2d1.scope", "SCOPE="),
        ("SCOPE", "UNIT"),
        ("CLASS=container\n", ""),
        (FILE, ""),
        (FILE, "\n=\n===\n"),
    ] {
        assert_eq!(Machine::read(&FILE.replace(there, instead)), None, "{there:?} {instead:?}");
    }
}

#[test]
fn a_unit_is_in_slices_only() {
    for line in [
        "0::/machine.slice/web.scope",
        "0::/machine.slice/web.scope/payload",
        "0::/machine.slice/web.scope/payload/machine.slice/db.scope",
        "0::/machine.slice/machine-a.slice/web.scope/payload",
        "1:name=systemd:/machine.slice/web.scope/payload",
        "0::/web.scope",
    ] {
        assert!(is_group(line, "web.scope"), "{line}");
    }
    for line in [
        "",
        "0::",
        "0::/",
        "0::/machine.slice",
        "0::/machine.slice/web.scope2/payload",
        "0::/machine.slice/db.scope/web.scope",
        "0::/../machine.slice/web.scope",
        // A container that has a machined of its own.
        "0::/system.slice/docker-8cb9e7363dfa.scope/machine.slice/web.scope",
        // Anybody who may make groups for one controller of version 1.
        "4:memory:/machine.slice/web.scope",
        "5:name=other:/machine.slice/web.scope",
    ] {
        assert!(!is_group(line, "web.scope"), "{line}");
    }
}

#[test]
fn only_what_can_be_a_machine_is_looked_for() {
    for name in ["web", "web-1", "a.b_c", "0"] {
        assert!(is_machine_name(name), "{name:?}");
    }
    let long = "x".repeat(65);
    for name in ["", ".", "..", ".host", "-x", "a/b", "unit:machine-web.scope", "a b", "ä", "a\n", &long] {
        assert!(!is_machine_name(name), "{name:?}");
        let nowhere = Folder::of_root("/nowhere");
        let why = find_in(&nowhere, Path::new("/nowhere"), name, &NetNs::own().unwrap()).unwrap_err();
        assert_eq!(why, Refusal::NoContainer);
    }
}
