//! A world: namespaces of one test's own, and the commands in them.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

/// The binary under test.
pub const RPIPE: &str = env!("CARGO_BIN_EXE_rpipe");

/// Runs as process 1 of the world. `/proc/self` is the machine's until the second mount, so the first
/// line says which process of the machine this is. Then it waits for its standard input, a pipe that the
/// test holds, to close: when the test ends in any way, so does process 1, and the kernel ends the rest. While the shell
/// waits it also reaps orphans, so that their numbers are free again as on a real machine.
const INIT: &str = "
set -e
read -r pid rest </proc/self/stat
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/lock
# The kernel's own link-local addresses would come in their own time, in the middle of a comparison.
echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode
ip link set lo up
echo \"$pid\"
exec 3<&0
cat <&3 >/dev/null &
wait $!
";

/// The two names of rpipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    Rpipe,
    Pipework,
}

/// What a command did.
#[derive(Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The exit code; 128 and the number of a signal, as a shell counts.
    pub fn code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal)).unwrap()
    }

    /// Asserts success and silence on stderr, and gives stdout.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.status.success(), "failed: {self:#?}");
        assert_eq!(self.stderr, "", "not silent: {self:#?}");
        self.stdout
    }

    /// Asserts that it failed with this code, said nothing on stdout and one line on stderr, and gives
    /// the line.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:#?}"));
        assert!(!line.contains('\n'), "more than one line: {self:#?}");
        assert!(line.starts_with("rpipe: "), "not ours: {self:#?}");
        line.to_owned()
    }
}

/// Fresh namespaces: no interface but `lo`, an empty `/run/netns`, a `/proc` of its own.
pub struct World {
    init: Child,
    pid: String,
    /// The number in here of a process whose namespaces are meant instead: process 1 of a machine in this world.
    pub(super) machine: Option<String>,
    children: RefCell<Vec<Child>>,
    traces: Cell<u32>,
}

impl World {
    pub fn new() -> Self {
        let mut init = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"])
            .args(["--", "sh", "-c", INIT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let pid = first_line(&mut init);
        assert!(!pid.is_empty(), "the world did not come up: is this root?");
        Self { init, pid, machine: None, children: RefCell::default(), traces: Cell::new(0) }
    }

    /// The control group under which containers of this world put theirs, the one thing that would outlive it.
    pub fn cgroup(&self) -> String {
        format!("rpipe-test-{}", self.pid)
    }

    /// A file of the world as the test can open it.
    pub fn path(&self, path: &str) -> PathBuf {
        let machine = self.machine.as_ref().map_or_else(String::new, |pid| format!("/proc/{pid}/root"));
        PathBuf::from(format!("/proc/{}/root{machine}{path}", self.pid))
    }

    /// A command inside, with a clean environment and an empty input.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid, "-n", "-m", "-p", "--"]);
        if let Some(pid) = &self.machine {
            command.args(["nsenter", "-t", pid, "-n", "-m", "-p", "-C", "--"]);
        }
        command
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command
    }

    pub fn rpipe<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        finish(self.command(RPIPE).args(args))
    }

    /// A line of words as a person types it, without quotes.
    pub fn line(&self, line: &str) -> Output {
        self.rpipe(&words(line))
    }

    /// The same line, called by one of its names.
    pub fn called(&self, name: Called, line: &str) -> Output {
        match name {
            Called::Rpipe => self.line(line),
            Called::Pipework => {
                self.sh(&format!("ln -sf {RPIPE} /run/pipework")).ok();
                self.run(&format!("/run/pipework {line}"))
            }
        }
    }

    pub fn run(&self, line: &str) -> Output {
        let words = words(line);
        finish(self.command(words[0]).args(&words[1..]))
    }

    pub fn sh(&self, script: &str) -> Output {
        finish(self.command("sh").args(["-euc", script]))
    }

    /// `ip …` that must work.
    #[track_caller]
    pub fn ip(&self, line: &str) {
        self.run(&format!("ip {line}")).ok();
    }

    /// `ip -j -d …` on the host of this world.
    #[track_caller]
    pub fn ip_json(&self, line: &str) -> Value {
        json(&self.run(&format!("ip -j -d {line}")).ok())
    }

    /// The one link of this name.
    #[track_caller]
    pub fn link(&self, name: &str) -> Value {
        self.ip_json(&format!("addr show dev {name}"))[0].clone()
    }

    /// A bridge that is up and has an address, with one port that is up, so that its carrier does not
    /// come and go with the containers; and without the link-local addresses that the kernel adds in its
    /// own time.
    pub fn bridge(&self, name: &str, address: &str) {
        self.sh(&format!(
            "ip link add {name} type bridge
             ip link add {name}p type veth peer name {name}q
             ip link set {name}p master {name}
             for link in {name} {name}p {name}q; do ip link set $link addrgenmode none; ip link set $link up; done
             ip addr add {address} dev {name}
             # The kernel settles the state of links in its own time, which a comparison must not see.
             for try in $(seq 500); do
                 [ \"$(ip -br link show dev {name}q | grep -c ' UP ')$(ip -br link show dev {name} | grep -c ' UP ')\" = 11 ] && exit
                 sleep 0.01
             done
             exit 1"
        ))
        .ok();
    }

    /// A container without an engine: a process in a network namespace of its own. Duplicate address detection, which takes
    /// one second or two, is for the tests of it.
    pub fn container(&self) -> Container<'_> {
        let script =
            "ip link set lo up; cd /proc/sys/net/ipv6/conf/default; echo 1 >addr_gen_mode; echo 0 >accept_dad
             cd /; echo $$; exec sleep infinity";
        let mut child = self
            .command("unshare")
            .args(["--net", "--", "sh", "-euc", script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter");
        let pid = first_line(&mut child);
        assert!(!pid.is_empty(), "the container did not come up");
        self.children.borrow_mut().push(child);
        Container { world: self, pid }
    }

    /// Starts a program that lives on until it is killed or the world ends.
    pub fn daemon(&self, command: &mut Command) {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nsenter");
        self.children.borrow_mut().push(child);
    }

    /// rpipe under strace: what it did, and the lines of the trace.
    pub fn strace<S: AsRef<OsStr>>(&self, options: &[&str], args: &[S]) -> (Output, Vec<String>) {
        let number = self.traces.replace(self.traces.get() + 1);
        let file = format!("/run/trace.{number}");
        let output = finish(
            self.command("strace")
                .args(["-f", "-qq", "-s", "256", "-o", &file])
                .args(options)
                .args(["--", RPIPE])
                .args(args),
        );
        let lines = std::fs::read_to_string(self.path(&file)).expect("the trace");
        (output, lines.lines().map(str::to_owned).collect())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Waiting closes its input first, and that ends it.
        let _ = self.init.wait();
        for child in self.children.get_mut() {
            let _ = child.wait();
        }
        // Control groups can only go when nobody is in them any more.
        for root in cgroup_roots() {
            remove_cgroup(&root.join(self.cgroup()));
        }
    }
}

/// The hierarchies: one in version 2, one a controller in version 1; in each the root, and the group that the tests
/// themselves are in, below which LXC puts its own.
fn cgroup_roots() -> Vec<PathBuf> {
    let top = PathBuf::from("/sys/fs/cgroup");
    let mut roots = folders(&top);
    roots.push(top);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2)?.strip_prefix('/'))
        .filter(|group| !group.is_empty());
    let own: Vec<_> = own.flat_map(|group| roots.iter().map(move |root| root.join(group))).collect();
    roots.extend(own);
    roots
}

fn remove_cgroup(group: &Path) {
    for below in folders(group) {
        remove_cgroup(&below);
    }
    let _ = fs::remove_dir(group);
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// A network namespace inside a world, held by a process of that world.
pub struct Container<'w> {
    pub world: &'w World,
    /// The process as the world and rpipe number it.
    pub pid: String,
}

impl Container<'_> {
    /// The namespace of a process that somebody else started.
    pub fn of<'w>(world: &'w World, pid: &str) -> Container<'w> {
        Container { world, pid: pid.to_owned() }
    }

    /// The word that names it to rpipe.
    pub fn target(&self) -> String {
        format!("pid:{}", self.pid)
    }

    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.world.command("nsenter");
        command.args(["-t", &self.pid, "-n", "--"]).arg(program);
        command
    }

    pub fn run(&self, line: &str) -> Output {
        let words = words(line);
        finish(self.command(words[0]).args(&words[1..]))
    }

    pub fn sh(&self, script: &str) -> Output {
        finish(self.command("sh").args(["-euc", script]))
    }

    #[track_caller]
    pub fn ip(&self, line: &str) {
        self.run(&format!("ip {line}")).ok();
    }

    #[track_caller]
    pub fn ip_json(&self, line: &str) -> Value {
        json(&self.run(&format!("ip -j -d {line}")).ok())
    }

    #[track_caller]
    pub fn link(&self, name: &str) -> Value {
        self.ip_json(&format!("addr show dev {name}"))[0].clone()
    }

    /// The names of its interfaces, `lo` first and the others in order.
    pub fn links(&self) -> Vec<String> {
        let mut links = names(&self.ip_json("link"));
        links[1..].sort_unstable();
        links
    }

    /// Asserts an answer to one of a few pings. The first ones may be lost while an IPv6 address is
    /// still being probed for, and ping gives up when neighbour discovery does.
    #[track_caller]
    pub fn pings(&self, ip: &str) {
        let ping = || self.run(&format!("ping -n -q -c 1 -w 4 {ip}"));
        let mut output = ping();
        for _ in 0..4 {
            if output.status.success() {
                return;
            }
            output = ping();
        }
        assert!(output.status.success(), "{ip} does not answer: {output:#?}");
    }
}

/// A container as an engine leaves it: an interface with a default route of each family.
pub fn container_with_routes(world: &World) -> Container<'_> {
    let container = world.container();
    container
        .sh("ip link add eth0 type veth peer name eth0p
             for link in eth0 eth0p; do ip link set $link addrgenmode none; ip link set $link up; done
             ip addr add 172.17.0.2/16 dev eth0
             ip route add default via 172.17.0.1 dev eth0 proto static mtu 1400
             ip addr add fd17::2/64 dev eth0 nodad
             ip -6 route add default via fd17::1 dev eth0")
        .ok();
    container
}

/// The names in an answer of `ip -j link` or `ip -j addr`.
pub fn names(links: &Value) -> Vec<String> {
    links.as_array().unwrap().iter().map(|link| link["ifname"].as_str().unwrap().to_owned()).collect()
}

pub fn finish(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Output {
        status: output.status,
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Waits for a child's first line: its word that it is ready. Empty when it ended instead.
pub fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

/// `ip -j` prints nothing at all for some empty lists.
pub fn json(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Array(Vec::new());
    }
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The addresses of a link as `ADDRESS/LEN`, those that the kernel makes by itself left out.
pub fn addresses(link: &Value) -> Vec<String> {
    let list = link["addr_info"].as_array().unwrap().iter();
    list.filter(|entry| entry["scope"] != "link")
        .map(|entry| format!("{}/{}", entry["local"].as_str().unwrap(), entry["prefixlen"]))
        .collect()
}

/// Whether the link has a flag: `UP`, `LOWER_UP` …
pub fn flag(link: &Value, name: &str) -> bool {
    link["flags"].as_array().unwrap().iter().any(|flag| flag == name)
}
