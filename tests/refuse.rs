//! What is refused: words that mean nothing (status 2, nothing was looked at) and targets that cannot be
//! had (status 1, nothing was changed).
mod support;

use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use support::{World, assert_same, snapshot};

/// Each line with what it must say, exactly.
const NONSENSE: [(&str, &str); 24] = [
    (
        "br0 test01 192.168.0.123",
        r#"address "192.168.0.123": has no prefix length (did you mean 192.168.0.123/24?)"#,
    ),
    (
        "br0 192.168.0.123/24 test01",
        r#"target "192.168.0.123/24": is an address (the order is UPLINK TARGET ADDRESS)"#,
    ),
    (
        "br0 test01",
        "missing ADDRESS[,ADDRESS…] (as in 192.168.0.123/24@192.168.0.1; try `rpipe help attach`)",
    ),
    (
        "br0 -i abcdefghijklmnop test01 10.0.0.2/24",
        r#"interface name "abcdefghijklmnop": is 16 bytes long, the kernel takes at most 15"#,
    ),
    ("br0 -l a/b test01 10.0.0.2/24", r#"interface name "a/b": contains '/'"#),
    ("br0 -i eth%d test01 10.0.0.2/24", r#"interface name "eth%d": contains '%'"#),
    ("br0 test01 10.0.0.2/33", r#"address "10.0.0.2/33": has no prefix length from 1 to 32"#),
    (
        "br0 test01 10.0.0.2/255.255.255.0",
        r#"address "10.0.0.2/255.255.255.0": has a netmask instead of a prefix length (did you mean 10.0.0.2/24?)"#,
    ),
    ("br0 test01 10.0.0.0/24", r#"address "10.0.0.0/24": is the network address of 10.0.0.0/24"#),
    ("br0 test01 10.0.0.255/24", r#"address "10.0.0.255/24": is the broadcast address of 10.0.0.0/24"#),
    ("br0 test01 224.0.0.1/24", r#"address "224.0.0.1": is a multicast address"#),
    ("br0 test01 0.0.0.0/24", r#"address "0.0.0.0": is the unspecified address"#),
    ("br0 test01 10.0.0.2/24@10.0.0.2", r#"gateway "10.0.0.2": is the interface's own address"#),
    ("br0 test01 10.0.0.2/24@fd00::1", r#"gateway "fd00::1": is of another family than 10.0.0.2/24"#),
    ("br0 test01 10.0.0.2/24@", r#"gateway "": is no IPv4 or IPv6 address"#),
    ("br0 test01 10.0.0.2/24,10.0.0.2/16", r#"address "10.0.0.2/16": is given twice"#),
    (
        "br0 test01 10.0.0.2/24 01:00:5e:00:00:01",
        r#"MAC address "01:00:5e:00:00:01": is a multicast address (the lowest bit of the first byte must be 0)"#,
    ),
    ("br0 test01 10.0.0.2/24 web", r#"MAC address "web": is not of the form xx:xx:xx:xx:xx:xx"#),
    ("br0 test01 10.0.0.2/24 @4095", r#"VLAN "4095": is not a number from 1 to 4094"#),
    ("br0 pid:0 10.0.0.2/24", r#"target "pid:0": is not a process number"#),
    (
        "br0 /proc/1/ns/net 10.0.0.2/24",
        r#"target "/proc/1/ns/net": is a path (did you mean netns:/proc/1/ns/net?)"#,
    ),
    ("br0 docker: 10.0.0.2/24", r#"target "docker:": has no name"#),
    ("mac:xx test01 10.0.0.2/24", r#"MAC address "xx": is not of the form xx:xx:xx:xx:xx:xx"#),
    (
        "-a 6 br0 test01 10.0.0.2/24",
        r#"address "10.0.0.2/24": is not of the family that -a 6 says (-a is not needed: the family is seen from the address)"#,
    ),
];

/// Words that clap refuses: what the line must hold.
const GRAMMAR: [(&str, &str); 7] = [
    ("--no-such-flag", "--no-such-flag"),
    ("br0 --no-such-flag test01 10.0.0.2/24", "--no-such-flag"),
    ("br0 --jsn test01 10.0.0.2/24", "--json"),
    ("br0 test01 10.0.0.2/24 02:00:00:00:00:01 extra", "extra"),
    ("br0 -a 5 test01 10.0.0.2/24", "4 or 6"),
    ("br0 -i", "-i"),
    ("run br0 10.0.0.2/24", "COMMAND"),
];

#[test]
fn nonsense_is_told_in_one_line_and_nothing_is_touched() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let before = snapshot(&world, &[]);
    let check = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let touching = "trace=%network,setns,unshare,symlink,symlinkat,clone,clone3,fork,vfork,pidfd_open";
        let (output, trace) = world.strace(&["-e", touching], &words);
        assert_eq!(trace, [""; 0], "{line}");
        output.refused(2)
    };
    for (line, said) in NONSENSE {
        assert_eq!(check(line), format!("rpipe: {said}"), "{line}");
    }
    for (line, part) in GRAMMAR {
        let said = check(line);
        assert!(said.contains(part), "{line}: {said}");
    }
    assert_same(&before, &snapshot(&world, &[]), "nonsense");
}

#[test]
fn bytes_that_are_no_text_are_no_words() {
    let world = World::new();
    let bytes = std::ffi::OsStr::from_bytes(b"\xff\xfe\x1b[31m\n");
    for place in 0..4 {
        let mut words = ["br0", "test01", "10.0.0.2/24", "U:x"].map(std::ffi::OsStr::new);
        words[place] = bytes;
        let said = world.rpipe(&words).refused(2);
        assert!(!said.contains('\u{1b}'), "the terminal is not steered: {said:?}");
    }
}

#[test]
fn the_hint_of_an_alias_keeps_to_one_line() {
    let world = World::new();
    let said = world.rpipe(&["br0:\n\u{1b}[31mred", "test01", "10.0.0.2/24"]).refused(2);
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn help_and_version_are_not_errors() {
    let world = World::new();
    for line in ["--help", "-h", "help", "help attach", "attach --help", "run --help", "completions bash"] {
        let output = world.line(line);
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{line}");
        assert!(output.stdout.len() > 200, "{line}: {}", output.stdout);
    }
    assert_eq!(world.line("--version").ok(), format!("rpipe {}\n", env!("CARGO_PKG_VERSION")));
}

/// The target is refused with status 1 and nothing is changed; gives the line.
#[track_caller]
fn target_refused(world: &World, target: &str) -> String {
    let before = snapshot(world, &[]);
    let said = world.rpipe(&["br0", target, "10.0.0.2/24"]).refused(1);
    assert_same(&before, &snapshot(world, &[]), &said);
    assert!(said.contains(target.split_once(':').map_or(target, |(_, name)| name)), "{said}");
    said
}

#[test]
fn a_target_that_is_not_there() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    for target in ["nobody", "docker:nobody", "netns:nobody", "netns:/run/netns/nobody", "pid:4194304"] {
        target_refused(&world, target);
    }
}

#[test]
fn a_process_that_has_ended() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let pid = world.sh("sleep 0 & echo $!; wait").ok();
    target_refused(&world, &format!("pid:{}", pid.trim()));
    // A zombie: its parent never asks for it.
    let zombie = world.sh("(unshare --net sh -c 'echo $$' & exec sleep 1) | head -n 1").ok();
    target_refused(&world, &format!("pid:{}", zombie.trim()));
}

#[test]
fn the_hosts_own_namespace() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    for target in ["pid:1", "netns:/proc/1/ns/net", "netns:/proc/self/ns/net"] {
        let said = target_refused(&world, target);
        assert!(said.contains("the one rpipe itself runs in"), "{said}");
    }
    world.sh("touch /run/netns/host; mount --bind /proc/self/ns/net /run/netns/host").ok();
    target_refused(&world, "netns:host");
    target_refused(&world, "host");
}

#[test]
fn what_is_no_network_namespace() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("mkfifo /run/fifo; touch /run/netns/file; mkdir /run/netns/dir; mkfifo /run/netns/fifo").ok();
    let container = world.container();
    for target in [
        "netns:/run/fifo",
        "netns:fifo",
        "netns:file",
        "netns:dir",
        "netns:/dev/null",
        "netns:/dev/zero",
        "netns:/run",
        "fifo",
    ] {
        target_refused(&world, target);
    }
    for kind in ["mnt", "uts", "user", "pid"] {
        target_refused(&world, &format!("netns:/proc/{}/ns/{kind}", container.pid));
    }
}

#[test]
fn a_process_that_is_on_its_way_out() {
    // The first thread has ended and given back its namespaces, and the process has not ended: as every process is for a
    // moment, held there.
    let program = "#include <pthread.h>\n#include <unistd.h>\n#include <stdio.h>\n
        static pthread_t first;
        static void *go(void *x) { pthread_join(first, 0); puts(\"up\"); fflush(stdout); for (;;) pause(); }
        int main() { pthread_t t; first = pthread_self(); pthread_create(&t, 0, go, 0); pthread_exit(0); }";
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh(&format!("cat >/run/out.c <<'END'\n{program}\nEND\ncc -pthread -o /run/out /run/out.c")).ok();
    let mut command = world.command("unshare");
    let script = "echo $$; exec /run/out";
    command.args(["--net", "sh", "-c", script]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let pid = lines.next().unwrap().unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "up");
    let said = world.line(&format!("br0 pid:{pid} 10.0.0.2/24")).refused(1);
    assert_eq!(
        said,
        format!("rpipe: target \"pid:{pid}\": the process ended while it was being looked up (try again)")
    );
    drop(world);
    child.wait().unwrap();
}

#[test]
fn an_engine_that_does_not_answer_is_given_up() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    // It listens, and that is all it ever does. The line says that it does.
    let program = "use Socket; socket S, PF_UNIX, SOCK_STREAM, 0; bind S, sockaddr_un '/run/docker.sock';
                   listen S, 5; $| = 1; print \"up\\n\"; sleep 1000";
    let mut command = world.command("perl");
    let mut engine = command.args(["-e", program]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    assert_eq!(support::first_line(&mut engine), "up");
    let start = Instant::now();
    target_refused(&world, "docker:test01");
    // Not a measurement: far beyond any limit, and far below for ever.
    assert!(start.elapsed().as_secs() < 60);
    drop(world);
    engine.wait().unwrap();
}

#[test]
fn an_engine_that_speaks_nonsense() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let program = "use Socket; socket S, PF_UNIX, SOCK_STREAM, 0; bind S, sockaddr_un '/run/docker.sock';
                   listen S, 5; $| = 1; print \"up\\n\";
                   while (accept C, S) { sysread C, $_, 1000; syswrite C, $ARGV[0]; close C }";
    for answer in [
        "",
        "\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n\r\n{\"State\":{\"Pid\":-1,\"Running\":true}}",
        "HTTP/1.1 200 OK\r\n\r\n{\"State\":{\"Pid\":\"x\"}}",
        "HTTP/1.1 500 Oops\r\n\r\n{\"message\":\"\u{1b}[31mred\\nlines\"}",
    ] {
        world.sh("rm -f /run/docker.sock").ok();
        let mut command = world.command("perl");
        command.args(["-e", program, answer]).stdout(std::process::Stdio::piped());
        let mut engine = command.spawn().unwrap();
        assert_eq!(support::first_line(&mut engine), "up");
        let said = target_refused(&world, "docker:test01");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        engine.kill().unwrap();
        engine.wait().unwrap();
    }
}

#[test]
fn the_entrys_directory_cannot_be_made_or_written() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    world.sh("mount -t tmpfs -o ro tmpfs /run/netns").ok();
    let before = snapshot(&world, &[&container]);
    let output = world.line(&format!("br0 {} 10.0.0.2/24", container.target()));
    let said = output.refused(1);
    assert!(said.contains("/run/netns"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
fn a_report_that_nobody_can_read_is_no_success() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    let line = format!("{} --json br0 {} 10.0.0.2/24 >/dev/full", support::RPIPE, container.target());
    let said = world.sh(&line).refused(1);
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}
