//! Whoever answers for a container may lie: one clear error in time, and nothing is changed.
mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Container, World, assert_same, first_line, snapshot};

const ID: &str = "8cb9e7363dfaebcd7ee14565e2388fda8203e858266db6dafa4a0d8c44051554";

/// Listens at its first word and gives everybody the file that is its second; then it is silent, or leaves.
const ENGINE: &str = "
use Socket;
my ($socket, $file, $then) = @ARGV;
unlink $socket;
socket S, PF_UNIX, SOCK_STREAM, 0;
bind S, sockaddr_un $socket or die;
chmod 0666, $socket;
listen S, 5;
$| = 1;
$SIG{PIPE} = 'IGNORE';
print \"up\\n\";
local $/;
open F, $file; my $answer = <F>;
my @all;
while (accept my $c, S) {
    sysread $c, $_, 1000;
    my $at = 0;
    while ($at < length $answer) { my $n = syswrite $c, $answer, length $answer, $at or last; $at += $n }
    push @all, $c if $then eq 'silent';
}
";

struct Engine<'w> {
    world: &'w World,
    before: String,
}

impl<'w> Engine<'w> {
    fn new(world: &'w World) -> Self {
        world.bridge("br0", "10.0.0.1/24");
        world.sh(&format!("chmod 755 /run; cat >/run/engine.pl <<'END'\n{ENGINE}\nEND")).ok();
        Self { world, before: snapshot(world, &[]) }
    }

    /// What rpipe says of `target` when the engine answers so.
    fn says(&self, user: &str, answer: &[u8], then: &str, line: &str) -> String {
        std::fs::write(self.world.path("/run/answer"), answer).unwrap();
        let socket = if user == "0" { "/run/docker.sock" } else { "/run/user/4321/docker.sock" };
        let mut command = self.world.command("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        command.args(["perl", "/run/engine.pl", socket, "/run/answer", then]).stdout(Stdio::piped());
        let mut engine = command.spawn().unwrap();
        assert_eq!(first_line(&mut engine), "up");
        let start = Instant::now();
        let mut rpipe = self.world.command(support::RPIPE);
        rpipe.args(support::words(line)).env("DOCKER_HOST", format!("unix://{socket}"));
        let said = support::finish(&mut rpipe).refused(1);
        assert!(start.elapsed() < Duration::from_secs(10), "{said}");
        assert!(said.len() < 1000, "{said}");
        assert!(!said.chars().any(char::is_control), "{said:?}");
        assert_same(&self.before, &snapshot(self.world, &[]), &said);
        engine.kill().unwrap();
        engine.wait().unwrap();
        said
    }
}

fn described(pid: &str) -> Vec<u8> {
    named("web", pid)
}

fn named(name: &str, pid: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"Id":"{ID}","Name":"/{name}","State":{{"Status":"running","Running":true,"Pid":{pid}}},"HostConfig":{{"NetworkMode":"none"}}}}"#
    );
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

#[test]
fn an_engine_that_is_none() {
    let world = World::new();
    let engine = Engine::new(&world);
    let fault = |answer: &[u8], then: &str, text: &str| {
        let said = engine.says("0", answer, then, "--timeout 0.5 br0 docker:web 10.0.0.2/24");
        assert_eq!(said, format!("rpipe: target \"docker:web\": the engine at /run/docker.sock {text}"));
        // For a bare name it is one of several who could not be asked.
        let said = engine.says("0", answer, then, "--timeout 0.5 br0 web 10.0.0.2/24");
        let all = format!(
            "rpipe: target \"web\": the engine at /run/docker.sock {text}, and nobody else knows the name ("
        );
        assert!(said.starts_with(&all), "{said}");
        assert!(said.contains("not on this host: podman, containerd, cri,"), "{said}");
    };
    fault(&vec![0xfe; 100_000], "leave", "answers with something that is not HTTP");
    fault(b"", "leave", "broke off its answer");
    fault(&described("1")[..90], "leave", "broke off its answer");
    fault(b"", "silent", "gave no answer within 500ms");
    fault(&described("1")[..90], "silent", "gave no answer within 500ms");
    let mut ten_megabytes = b"HTTP/1.1 200 OK\r\n\r\n{\"Id\":\"".to_vec();
    ten_megabytes.resize(10 << 20, b'a');
    fault(&ten_megabytes, "leave", "gives an endless answer");
    fault(&named("w\\u0007", "1"), "leave", "describes a container with control characters");
}

#[test]
fn an_engine_that_names_the_wrong_process() {
    let world = World::new();
    let engine = Engine::new(&world);
    let stranger = world.container();
    let says = |pid: &str| engine.says("0", &described(pid), "leave", "br0 web 10.0.0.2/24");
    let not_its = |pid: &str| {
        format!(
            "rpipe: target \"web\": process {pid}, which the engine names, is not in the container's control group, \
             it is another's (try again)"
        )
    };
    assert_eq!(says("1"), not_its("1"), "the host's");
    assert_eq!(says(&stranger.pid), not_its(&stranger.pid));
    assert_eq!(
        says("4194303"),
        "rpipe: target \"web\": the process ended while it was being looked up (try again)"
    );
    let impossible = "rpipe: target \"web\": the engine at /run/docker.sock describes a container with an impossible process number";
    for pid in ["-1", "4194305"] {
        assert!(says(pid).starts_with(impossible), "{pid}");
    }
    assert_eq!(stranger.links(), ["lo"]);
}

#[test]
fn a_users_engine_that_names_what_is_not_the_users() {
    let world = World::new();
    world.sh("mkdir -p /run/user/4321; chown 4321:4321 /run/user/4321").ok();
    let engine = Engine::new(&world);
    let of_root = world.container();
    // Long enough ago that nobody has to be asked twice.
    std::thread::sleep(Duration::from_millis(100));
    let says = |pid: &str| engine.says("4321", &described(pid), "leave", "br0 docker:web 10.0.0.2/24");
    assert_eq!(
        says(&of_root.pid),
        "rpipe: target \"docker:web\": an engine of user 4321 names a network namespace that does not belong to that user"
    );
    let said = says("1");
    assert!(said.contains("shares the host's network"), "{said}");
    assert_eq!(of_root.links(), ["lo"]);
}

/// A line that starts a container of the user's, and its number.
fn container_of_user(world: &World) -> Container<'_> {
    let mut command = world.command("setpriv");
    command.args(["--reuid", "4321", "--regid", "4321", "--clear-groups"]);
    command.args([
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "sh",
        "-c",
        "echo $$; exec sleep 1000000",
    ]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let pid = first_line(&mut child);
    // The world's end is its end.
    std::thread::spawn(move || child.wait());
    Container::of(world, &pid)
}

fn started_at(container: &Container) -> String {
    let stat = container.world.run(&format!("cat /proc/{}/stat", container.pid)).ok();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned()
}

#[test]
fn a_state_file_that_is_none() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("mkdir -p /run/runc/web /run/runc/good /run/user/4321/runc/web; chown -R 4321:4321 /run/user/4321").ok();
    let before = snapshot(&world, &[]);
    for folder in ["/run/runc/web", "/run/user/4321/runc/web"] {
        world.sh("rm -rf /run/runc/web").ok();
        let user = folder.starts_with("/run/user");
        let own = if user { "setpriv --reuid 4321 --regid 4321 --clear-groups" } else { "" };
        for (make, text) in [
            ("echo '{\"init_process_pid\":1' >F", "describes no container"),
            ("echo '[]' >F", "not running"),
            ("echo '{\"init_process_pid\":\"1\"}' >F", "describes no container"),
            ("head -c 20000000 /dev/zero >F", "is endless"),
            ("mkfifo F", "is no file"),
            ("mkdir F", "is no file"),
            ("echo '{\"init_process_pid\":-5}' >F", "not running"),
            ("echo '{\"init_process_pid\":0}' >F", "not running"),
            ("echo '{\"init_process_pid\":99999999999}' >F", "not running"),
            ("echo '{\"init_process_pid\":1,\"init_process_start\":1}' >F", "not running"),
            ("echo '{\"init_process_pid\":1}' >F", "not running"),
            ("echo '{}' >F", "not running"),
            (
                "ln -s /run/secret F",
                if user { "is reached through a link or a mount" } else { "describes no container" },
            ),
        ] {
            let make = make.replace('F', &format!("{folder}/state.json"));
            world.sh(&format!("echo secret >/run/secret; mkdir -p {folder}; chmod 755 /run")).ok();
            world.sh(&format!("{own} sh -euc {}", quoted(&make))).ok();
            let start = Instant::now();
            let said = world.line("--timeout 1 br0 oci:web 10.0.0.2/24").refused(1);
            assert!(said.contains(text), "{make}: {said}");
            assert!(!said.contains("secret\""), "{said}");
            assert!(start.elapsed() < Duration::from_secs(10));
            world.sh(&format!("rm -rf {folder}/state.json")).ok();
        }
    }
    assert_same(&before, &snapshot(&world, &[]), "nothing was changed");
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[test]
fn a_users_state_that_names_what_is_not_the_users() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world.sh("mkdir -p /run/user/4321/runc/web; chown -R 4321:4321 /run/user/4321; chmod 755 /run").ok();
    let (of_root, theirs) = (world.container(), container_of_user(&world));
    let write = |container: &Container| {
        let start = started_at(container);
        let state = format!("{{\"init_process_pid\":{},\"init_process_start\":{start}}}", container.pid);
        world
            .sh(&format!(
                "echo '{state}' >/run/user/4321/runc/web/state.json; chown 4321 /run/user/4321/runc/web/*"
            ))
            .ok();
    };
    write(&of_root);
    let said = world.line("br0 oci:web 10.0.0.2/24").refused(1);
    assert_eq!(
        said,
        "rpipe: target \"oci:web\": an engine of user 4321 names a network namespace that does not belong to that user"
    );
    assert_eq!(of_root.links(), ["lo"]);
    write(&theirs);
    world.line("br0 oci:web 10.0.0.2/24").ok();
    assert_eq!(theirs.links(), ["lo", "eth1"]);
    // A folder that is not the user's to whom it says that it belongs.
    world.sh("chown 0 /run/user/4321").ok();
    world.line("br0 -i eth2 oci:web 10.0.0.3/24").refused(1);
    assert_eq!(theirs.links(), ["lo", "eth1"]);
}

#[test]
fn lists_that_are_none_keep_nobody_from_the_others() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    world
        .sh("mount -t tmpfs none /var/lib
             mkdir -p /var/lib/containers/storage/overlay-containers
             echo garbage >/var/lib/containers/storage/overlay-containers/containers.json
             task=/run/containerd/io.containerd.runtime.v2.task
             mkdir -p $task/default/a $task/default/b $task/k8s.io
             echo garbage >$task/default/a/config.json
             mkfifo $task/default/b/config.json
             echo >$task/file")
        .ok();
    let said = world.line("br0 red 10.0.0.2/24").refused(1);
    assert!(
        said.starts_with(
            "rpipe: target \"red\": the state file /var/lib/containers/storage/overlay-containers/containers.json \
             describes no container, and nobody else knows the name ("
        ),
        "{said}"
    );
    assert!(said.contains("containerd: no such container; cri: no such container"), "{said}");
    world.ip("netns add red");
    world.line("br0 red 10.0.0.2/24").ok();
}
