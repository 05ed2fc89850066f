//! The one line on containers of LXD, whose language Incus speaks too.
mod support;

use support::{
    Container, LXD_DIR, Lxd, World, addresses, assert_same, finish, lives_and_dies, snapshot, until,
};

#[test]
fn a_container_lives_and_dies() {
    let world = World::new();
    let lxd = Lxd::new(&world);
    // Where it listens when nobody says otherwise.
    world.sh(&format!("mkdir -p /var/lib/lxd; mount --bind {LXD_DIR} /var/lib/lxd")).ok();
    let web = lxd.run("web", "");
    let user = world.run(&format!("stat -c %u /proc/{}", web.pid)).ok();
    assert_ne!(user, "0\n", "it has a user namespace of its own");
    lives_and_dies(&world, "lxd:web", &web.pid, || drop(lxd.lxc("stop -f web")));
    let said = world.line("br9 lxd:web 10.9.0.2/24").refused(1);
    assert!(said.ends_with("the container is not running, it is stopped (lxc or incus start web)"), "{said}");
}

#[test]
fn projects_bare_names_and_freezing() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let lxd = Lxd::new(&world);
    lxd.project("shop");
    let web = lxd.run("web", "-c security.privileged=true");
    let other = lxd.run("web", "--project shop");
    // A frozen container does not even die: nothing may fail before it is thawed.
    lxd.lxc("pause web");
    let attached = lxd.rpipe("br0 web 10.0.0.2/24");
    lxd.lxc("start web");
    attached.ok();
    lxd.rpipe("br0 incus:shop/web 10.0.0.3/24").ok();
    assert_eq!(addresses(&web.link("eth1")), ["10.0.0.2/24"]);
    assert_eq!(addresses(&other.link("eth1")), ["10.0.0.3/24"]);
    Container::of(&world, "1").pings("10.0.0.3");
    assert_eq!(world.run("ls /run/netns").ok(), "shop_web\nweb\n");

    lxd.lxc("stop -f web --project shop");
    let host_ifname = format!("veth1pl{}", other.pid);
    until("its interface is gone", || world.run(&format!("ip link show dev {host_ifname}")).code() != 0);
    let before = snapshot(&world, &[]);
    for (target, words) in [
        (
            "lxd:shop/web",
            "the container is not running, it is stopped (lxc or incus start web --project shop)",
        ),
        ("lxd:nobody", "no such container"),
        ("lxd:nowhere/web", "no such container"),
        ("lxd:we", "no such container (did you mean lxd:web?)"),
    ] {
        let said = lxd.rpipe(&format!("br0 {target} 10.0.0.4/24")).refused(1);
        assert_eq!(said, format!("rpipe: target \"{target}\": {words}"));
        assert_same(&before, &snapshot(&world, &[]), &said);
    }
}

/// Listens in LXD's place and gives these answers, one a connection, until the last is given for ever; a piece of Perl.
const SERVER: &str = r#"
use Socket; use strict;
socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
mkdir "/run/lxd"; unlink "/run/lxd/unix.socket";
bind($s, pack_sockaddr_un("/run/lxd/unix.socket")) or die;
listen($s, 9) or die;
open(my $ready, ">", "/run/ready") or die; close $ready;
$SIG{PIPE} = "IGNORE";
while (accept(my $c, $s)) {
    my $q = "";
    while ($q !~ /\r\n\r\n/ && sysread($c, my $more, 4096)) { $q .= $more }
    my $a = @ARGV > 1 ? shift @ARGV : $ARGV[0];
    sleep 1000 if $a eq "SILENCE";
    if ($a eq "ENDLESS") {
        syswrite($c, "HTTP/1.1 200 OK\r\n\r\n");
        1 while syswrite($c, " " x 65536);
    } else {
        syswrite($c, $a);
    }
}
"#;

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn metadata(text: &str) -> String {
    http("200 OK", &format!(r#"{{"type":"sync","metadata":{text}}}"#))
}

#[test]
fn hostile_answers_give_one_error_each_and_change_nothing() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let container = world.container();
    let instance = metadata(r#"{"name":"web","type":"container","location":"none"}"#);
    let state = |pid: &str| metadata(&format!(r#"{{"status":"Running","pid":{pid}}}"#));
    let no_container = "answers with something that describes no container";
    let impossible = "describes a container with an impossible process number";
    for (answers, words) in [
        (vec!["SILENCE".to_owned()], "gave no answer within 200ms"),
        (vec![instance.clone(), "SILENCE".to_owned()], "gave no answer within 200ms"),
        (vec!["ENDLESS".to_owned()], "gives an endless answer"),
        (vec!["SSH-2.0-OpenSSH\r\n\r\n".to_owned()], "answers with something that is not HTTP"),
        (vec![http("200 OK", "[]")], no_container),
        (vec![metadata("null")], no_container),
        (vec![instance.clone(), metadata("{}")], no_container),
        (vec![instance.clone(), state("\"1\"")], no_container),
        (vec![instance.clone(), state("-5")], impossible),
        (vec![instance.clone(), state("4194305")], impossible),
        (vec![instance.clone(), state("99999999999")], impossible),
        // No process has this number: it is the limit of all kernels.
        (vec![instance.clone(), state("4194304")], "the process ended while it was being looked up"),
        (vec![instance.clone(), state("1")], "is not in the container's control group, it is another's"),
        (vec![instance.clone(), state(&container.pid)], "is not in the container's control group"),
        (vec![instance.clone(), state("0")], "not running, it is without a process"),
        (vec![metadata(r#"{"name":"db","type":"container"}"#)], "describes another container"),
        (vec![metadata(r#"{"name":"web","type":"virtual-machine"}"#)], "it is a virtual machine"),
        (
            vec![
                metadata(r#"{"name":"web","type":"container","location":"n2\u001b[31m"}"#),
                metadata(r#"{"environment":{"server_name":"n1"}}"#),
            ],
            "the container runs on cluster member n2[31m (run rpipe there)",
        ),
        (vec![http("403 Forbidden", r#"{"error":"not\nfor\u001byou"}"#)], "says: notforyou, HTTP status 403"),
    ] {
        world.sh("rm -f /run/ready; mkfifo /run/ready").ok();
        world.daemon(world.command("perl").args(["-e", SERVER]).args(&answers));
        world.run("cat /run/ready").ok();
        let before = snapshot(&world, &[&container]);
        let words_of = "br0 --timeout 0.2 lxd:web 10.0.0.2/24".split(' ');
        let said = finish(world.command(support::RPIPE).args(words_of).env("LXD_DIR", LXD_DIR)).refused(1);
        assert!(said.starts_with("rpipe: target \"lxd:web\": ") && said.contains(words), "{words}: {said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert_same(&before, &snapshot(&world, &[&container]), &said);
    }
}
