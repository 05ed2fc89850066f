//! `rpipe batch` with hundreds of lines: what it costs is counted, not timed.
mod support;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use support::{Docker, Output, World, finish, names, until};

/// Namespaces, each held by a process of the world: their numbers.
fn containers(world: &World, count: usize) -> Vec<String> {
    let script = format!(
        "for n in $(seq {count}); do unshare --net -- sleep infinity >/dev/null & echo $!; done; wait"
    );
    let mut child = world.command("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pids: Vec<_> = lines.take(count).map(Result::unwrap).collect();
    for pid in &pids {
        let name = world.path(&format!("/proc/{pid}/comm"));
        until("a namespace is there", || std::fs::read_to_string(&name).is_ok_and(|it| it.trim() == "sleep"));
    }
    // The world ends with all that runs in it, this one too.
    std::mem::forget(child);
    pids
}

fn batch(world: &World, before: &str, options: &str, lines: &str) -> Output {
    std::fs::write(world.path("/run/lines"), lines).unwrap();
    let script = format!("{before} exec {} batch {options} /run/lines", support::RPIPE);
    finish(world.command("sh").args(["-c", &script]))
}

/// What strace saw of a batch.
fn traced(world: &World, filter: &str, lines: &str) -> Vec<String> {
    std::fs::write(world.path("/run/lines"), lines).unwrap();
    let (output, trace) = world.strace(&["-e", filter], &["batch", "-q", "/run/lines"]);
    output.ok();
    trace
}

fn count(trace: &[String], word: &str) -> usize {
    trace.iter().filter(|line| line.contains(word)).count()
}

#[test]
fn hundreds_come_and_go() {
    let world = World::new();
    world.sh("for n in 0 1; do ip link add br$n type bridge; ip link set br$n up; done").ok();
    let pids = containers(&world, 240);
    let attach = |(n, pid): (usize, &String)| {
        format!("br{} pid:{pid} 10.0.{}.{}/16@10.0.0.1\n", n % 2, n / 200, n % 200 + 2)
    };
    let attaches = pids.iter().enumerate().map(attach).collect::<Vec<_>>().concat();
    let detaches = pids.iter().map(|pid| format!("detach pid:{pid}\n")).collect::<Vec<_>>().concat();
    std::fs::write(world.path("/run/detaches"), &detaches).unwrap();
    // So few open files do not last for any that would be forgotten.
    let few = "ulimit -n 40;";
    assert_eq!(batch(&world, few, "-q", &attaches).ok(), "");
    let ports = |bridge: &str| names(&world.ip_json(&format!("link show master {bridge}"))).len();
    assert_eq!((ports("br0"), ports("br1")), (120, 120));
    assert_eq!(world.sh("ls /run/netns | wc -l").ok(), "240\n");
    assert_eq!(batch(&world, few, "-q", &attaches).ok(), "");

    let trace = traced(&world, "trace=sendto,clone,clone3,unlink,unlinkat", &detaches);
    assert_eq!((ports("br0"), ports("br1")), (0, 0));
    assert_eq!(world.sh("ls /run/netns").ok(), "");
    // The kernel waits once for all of them. What follows for each finds its link gone.
    assert_eq!(count(&trace, "clone"), 0);
    let deletion = |line: &&String| line.contains("RTM_DELLINK") || line.contains("nlmsg_type=0x11 ");
    assert_eq!(trace.iter().filter(deletion).count(), 1 + pids.len());

    // Where more files may be had, they are, for as long as they are needed.
    batch(&world, "", "-q", &attaches).ok();
    let strace = "ulimit -Sn 100; exec strace -f -qq -s 256 -o /run/trace -e trace=sendto,prlimit64";
    finish(world.command("sh").args(["-c", &format!("{strace} {} batch -q /run/detaches", support::RPIPE)]))
        .ok();
    let trace = std::fs::read_to_string(world.path("/run/trace")).unwrap();
    assert_eq!(trace.lines().filter(|line| deletion(&&(*line).to_owned())).count(), 1 + pids.len());
    let limit = trace.lines().rfind(|line| line.contains("prlimit64")).unwrap();
    assert!(limit.contains("{rlim_cur=100,"), "{limit}");

    batch(&world, "", "-q", &attaches).ok();
    assert_eq!(batch(&world, few, "-q", &detaches).ok(), "");
    assert_eq!((ports("br0"), ports("br1")), (0, 0));
}

#[test]
fn each_line_costs_the_same() {
    let world = World::new();
    world.sh("ip link add br0 type bridge; ip link set br0 up").ok();
    let pids = containers(&world, 60);
    let lines = |pids: &[String], what: &str| {
        let line = |pid: &String| what.replace("PID", pid).replace("NUMBER", pid);
        pids.iter().map(line).collect::<Vec<_>>().concat()
    };
    let attach = "br0 pid:PID 10.0.0.NUMBER/16@10.0.255.254\n";
    let (few, many) = pids.split_at(10);
    let of_few = traced(&world, "trace=all", &lines(few, attach));
    let of_many = traced(&world, "trace=all", &lines(many, attach));
    let each = (of_many.len() - of_few.len()) / (many.len() - few.len());
    assert!(each <= 48, "{each} system calls a line: {:#?}", &of_many[of_many.len() - 2 * each..]);
    // One socket of the host and one of each container; one for counting ports; what the loader does is no socket.
    assert_eq!(count(&of_many, "AF_NETLINK"), many.len() + 2);
    let dumps: Vec<_> =
        of_many.iter().filter(|line| line.contains("sendto(") && line.contains("NLM_F_DUMP")).collect();
    assert_eq!(dumps.len(), 1, "the ports of br0: {dumps:#?}");
    assert_eq!(count(&of_many, "execve("), 1);
    assert_eq!(count(&of_many, "clone"), 0);

    // Several lines for one container share its socket.
    let twice = lines(&pids[..2], "br0 -i a pid:PID 0/0\nbr0 -i b pid:PID 0/0\nbr0 -i c pid:PID 0/0\n");
    assert_eq!(count(&traced(&world, "trace=socket", &twice), "AF_NETLINK"), 2 + 2);
}

#[test]
fn macvlans_of_many_go_together() {
    let world = World::new();
    world.sh("ip link add card type veth peer name other; ip link set card up; ip link set other up").ok();
    let pids = containers(&world, 40);
    let attach = |pid: &String| format!("card pid:{pid} 0/0\nother -i eth2 pid:{pid} 0/0\n");
    batch(&world, "", "-q", &pids.iter().map(attach).collect::<Vec<_>>().concat()).ok();
    assert_eq!(names(&world.ip_json("link")).len(), 3);
    // One of them is deleted by somebody else meanwhile: the others go, and it is no failure.
    let detach = |pid: &String| format!("detach --all pid:{pid}\n");
    let detaches = pids.iter().map(detach).collect::<Vec<_>>().concat();
    batch(&world, "", "-q", &detaches).ok();
    for pid in &pids {
        let links = world.run(&format!("nsenter -t {pid} -n ip -br link")).ok();
        assert_eq!(links.lines().count(), 1, "{links}");
    }
    assert_eq!(world.sh("ls /run/netns").ok(), "");
}

#[test]
fn an_engine_is_asked_over_one_connection() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let docker = Docker::new(&world);
    for n in 0..4 {
        docker.run(&format!("web{n}"), "--network none");
    }
    let line = |n: usize| format!("br0 web{n} 10.0.0.{}/24\n", n + 2);
    let trace = traced(&world, "trace=connect", &(0..4).map(line).collect::<Vec<_>>().concat());
    assert_eq!(count(&trace, "docker.sock"), 1, "{trace:#?}");
    // An engine that was started anew is asked anew, and what it says is never remembered.
    docker.docker("stop -t 0 web1").ok();
    let output = batch(&world, "", "", "detach web0\ndetach web1\nbr0 web2 10.0.0.4/24\n");
    assert_eq!(output.code(), 0, "{output:#?}");
    assert!(output.stderr.contains("lines:2: target \"web1\": the container is not running"), "{output:#?}");
    assert_eq!(docker.container("web0").links(), ["lo"]);
}
