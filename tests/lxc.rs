//! The one line on containers of LXC.
mod support;

use support::{Container, Lxc, World, addresses, assert_same, lives_and_dies, snapshot};

const USUAL: &str = "/var/lib/lxc";

#[test]
fn a_container_lives_and_dies() {
    let world = World::new();
    let lxc = Lxc::new(&world);
    let web = lxc.run("web", "");
    lives_and_dies(&world, "lxc:web", &web.pid, || lxc.kill(USUAL, "web"));
    let said = world.line("br9 lxc:web 10.9.0.2/24").refused(1);
    assert!(said.ends_with("the container is not running, it is stopped (lxc-start -n web)"), "{said}");
}

#[test]
fn a_bare_name_reaches_a_container_in_its_own_user_namespace() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let lxc = Lxc::new(&world);
    let web = lxc.run("web", "lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536");
    let user = world.run(&format!("stat -c %u /proc/{}", web.pid)).ok();
    assert_eq!(user, "100000\n");
    world.line("br0 web 10.0.0.2/24").ok();
    assert_eq!(addresses(&web.link("eth1")), ["10.0.0.2/24"]);
    Container::of(&world, "1").pings("10.0.0.2");
    assert_eq!(world.run("ls /run/netns").ok(), "web\n");
}

#[test]
fn containers_elsewhere_are_named_by_path_or_by_the_settings() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let lxc = Lxc::new(&world);
    // So long that LXC puts a hash in the place of the path.
    let long = format!("/run/{}", "x".repeat(100));
    for (number, folder) in ["/run/lx", &long].into_iter().enumerate() {
        lxc.create(folder, "web", "lxc.net.0.type = empty");
        lxc.start(folder, "web");
        let web = lxc.container(folder, "web");
        world.line(&format!("br0 lxc:{folder}/web 10.0.0.{}/24", number + 2)).ok();
        assert_eq!(addresses(&web.link("eth1")), [format!("10.0.0.{}/24", number + 2)]);
    }
    let said = world.line("br0 lxc:web 10.0.0.9/24").refused(1);
    assert!(said.starts_with("rpipe: target \"lxc:web\": no such container"), "{said}");
    world.sh("mount -t tmpfs none /etc/lxc; echo 'lxc.lxcpath = /run/lx/' >/etc/lxc/lxc.conf").ok();
    world.line("br0 lxc:web -i eth2 10.0.0.9/24").ok();
    assert_eq!(lxc.container("/run/lx", "web").links(), ["lo", "eth1", "eth2"]);
}

#[test]
fn what_cannot_be_wired_is_refused() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let lxc = Lxc::new(&world);
    lxc.create(USUAL, "shared", "lxc.net.0.type = none");
    lxc.start(USUAL, "shared");
    lxc.create(USUAL, "stopped", "");
    lxc.create("/run/lx", "stopped", "");
    let before = snapshot(&world, &[]);
    for (target, words) in [
        ("shared", "shares the host's network"),
        ("lxc:shared", "shares the host's network"),
        ("stopped", "not running, it is stopped (lxc-start -n stopped)"),
        ("lxc:/run/lx/stopped", "not running, it is stopped (lxc-start -P /run/lx -n stopped)"),
        ("lxc:nobody", "no such container"),
        ("lxc:/run/lx/nobody", "no such container"),
        ("lxc:/run/nowhere/web", "nothing at /run/nowhere"),
    ] {
        let said = world.line(&format!("br0 {target} 10.0.0.2/24")).refused(1);
        assert!(said.starts_with(&format!("rpipe: target \"{target}\": ")) && said.contains(words), "{said}");
        assert_same(&before, &snapshot(&world, &[]), &said);
    }
}

#[test]
fn a_users_container_is_reached_in_the_folder_of_that_user_only() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("mount -t tmpfs none /var/lib/lxc; mkdir -p /var/lib/lxc/web").ok();
    // As a monitor it has a child with namespaces that are the user's own.
    let begin = r#"my $pid = fork // die;
        exec("unshare", "--user", "--map-root-user", "--net", "sleep", "1000000") unless $pid;
        select(undef, undef, undef, 0.01) until readlink("/proc/$pid/ns/net") ne readlink("/proc/self/ns/net");"#;
    let answer = r#"syswrite($c, pack("iiq", 0, 0, $pid));"#;
    listen(&world, &["setpriv", "--reuid=65534", "--clear-groups"], begin, answer);
    let pid = world.run("pgrep -x sleep -u 65534").ok();
    let web = Container::of(&world, pid.trim_end());
    let before = snapshot(&world, &[&web]);
    let said = world.line("br0 lxc:web 10.0.0.2/24").refused(1);
    assert!(said.ends_with("is served by user 65534, who has no containers there"), "{said}");
    assert_same(&before, &snapshot(&world, &[&web]), &said);
    world.sh("chown 65534 /var/lib/lxc").ok();
    world.line("br0 lxc:web 10.0.0.2/24").ok();
    assert_eq!(addresses(&web.link("eth1")), ["10.0.0.2/24"]);
}

/// A program that takes the name of a container's monitor and answers every question with `answer`, a piece of Perl.
fn listen(world: &World, prefix: &[&str], begin: &str, answer: &str) {
    let script = format!(
        r#"use Socket; $| = 1;
        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
        bind($s, pack_sockaddr_un("\0/var/lib/lxc/web/command")) or die;
        listen($s, 9) or die;
        {begin}
        open(my $ready, ">", "/run/ready") or die; close $ready;
        $SIG{{PIPE}} = "IGNORE";
        while (accept(my $c, $s)) {{ sysread($c, my $q, 16); {answer} }}"#
    );
    world.sh("rm -f /run/ready; mkfifo -m 666 /run/ready").ok();
    let mut command = world.command(prefix.first().unwrap_or(&"perl"));
    let rest = prefix.iter().skip(1).copied().chain((!prefix.is_empty()).then_some("perl"));
    world.daemon(command.args(rest).args(["-e", &script]));
    world.run("cat /run/ready").ok();
}

#[test]
fn who_only_takes_the_name_of_a_monitor_is_not_believed() {
    let naming = |pid: &str| format!(r#"syswrite($c, pack("iiq", 0, 0, {pid}));"#);
    for (prefix, answer, words) in [
        // A user of the host.
        (&["setpriv", "--reuid=65534", "--clear-groups"][..], naming("PID"), "is served by user 65534"),
        (
            &["setpriv", "--reuid=65534", "--clear-groups"],
            "sleep 1000;".to_owned(),
            "is served by user 65534",
        ),
        // A container on the host's network.
        (&["unshare", "--pid", "--fork", "--kill-child"], naming("PID"), "is in another process namespace"),
        (&[], naming("PID"), "names a process that is not its own"),
        // No process has this number: it is the limit of all kernels.
        (&[], naming("4194304"), "the process ended while it was being looked up (try again)"),
        (&[], naming("0"), "answers with something that is not LXC's"),
        (&[], naming("-1"), "answers with something that is not LXC's"),
        (
            &[],
            r#"syswrite($c, pack("iiq", -13, 0, PID));"#.to_owned(),
            "answers with something that is not LXC's",
        ),
        (&[], r#"syswrite($c, "hello");"#.to_owned(), "answers with something that is not LXC's"),
        (&[], r#"syswrite($c, "x" x 100000);"#.to_owned(), "answers with something that is not LXC's"),
        (&[], String::new(), "broke off its answer"),
        (&[], "sleep 1000;".to_owned(), "gave no answer within 200ms"),
    ] {
        let world = World::new();
        world.bridge("br0", "10.0.0.1/24");
        world.sh("mount -t tmpfs none /var/lib/lxc; mkdir /var/lib/lxc/web").ok();
        let container = world.container();
        listen(&world, prefix, "", &answer.replace("PID", &container.pid));
        let before = snapshot(&world, &[&container]);
        let said = world.line("br0 --timeout 0.2 lxc:web 10.0.0.2/24").refused(1);
        assert!(
            said.starts_with("rpipe: target \"lxc:web\": the ") && said.contains(words),
            "{words}: {said}"
        );
        assert_same(&before, &snapshot(&world, &[&container]), &said);
    }
}
