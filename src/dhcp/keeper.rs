//! The keeper: sees to one client, from its start until the lease is set, or with `-f` until the interface or the container
//! is gone.
//!
//! IO. A process of its own in the container's network namespace. Its standard output is the pipe to the attach that
//! started it, its standard input the descriptor of the process that it is not to outlive. It is told everything by
//! descriptors and asks for nothing twice; killed, it takes the client along.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};

use crate::kernel::{self, KernelError, NetNs, RouteSocket, Watch};
use crate::signals::{ENDING, Held};
use crate::target::Process;

use super::client::isc_config;
use super::configure::Interface;
use super::lease::News;
use super::place::{self, Place};

/// As much of what a client says as is looked at when it fails.
const MOST_WORDS: usize = 16 * 1024;

/// What the keeper is told.
struct Orders<'a> {
    ifname: &'a str,
    keep: bool,
    limit: Duration,
    metric: u32,
    default: bool,
    replace: bool,
    /// The file of a namespace without a process.
    entry: Option<&'a Path>,
    hostname: Option<&'a str>,
    program: &'a OsStr,
    words: &'a [OsString],
}

impl<'a> Orders<'a> {
    fn read(args: &'a [OsString]) -> Option<Self> {
        let [_, ifname, stay, limit, metric, default, entry, hostname, program, words @ ..] = args else {
            return None;
        };
        let default = default.to_str()?;
        Some(Self {
            ifname: ifname.to_str()?,
            keep: match stay.to_str()? {
                "keep" => true,
                "once" => false,
                _ => return None,
            },
            limit: Duration::from_millis(limit.to_str()?.parse().ok()?),
            metric: metric.to_str()?.parse().ok()?,
            default: matches!(default, "add" | "replace"),
            replace: default == "replace",
            entry: Some(Path::new(entry)).filter(|path| path.is_absolute()),
            hostname: hostname.to_str().filter(|name| !name.is_empty()),
            program,
            words: Some(words).filter(|words| !words.is_empty())?,
        })
    }
}

/// `rpipe-dhcp-keeper IFNAME keep|once MILLISECONDS METRIC none|add|replace ENTRY|- HOSTNAME PROGRAM ARG0 ARGS…`
#[inline(never)]
pub fn run(args: &[OsString]) -> u8 {
    let Some(orders) = Orders::read(args) else { return 2 };
    // Out of the terminal's reach, and in nobody's way.
    let _ = nix::unistd::setsid();
    let _ = nix::unistd::chdir("/");
    match keep(&orders) {
        Ok(()) => 0,
        Err(why) => {
            report(&format!("failed {}", why.replace(char::is_control, " ")));
            1
        }
    }
}

/// Tells the attach, which is not there any more when the lease was reported before.
fn report(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn keep(orders: &Orders<'_>) -> Result<(), String> {
    let held = Held::hold(&ENDING).map_err(said("holding signals back"))?;
    let netns = NetNs::own().map_err(said("opening the network namespace"))?;
    // Watched before it is looked at, so that no end of it is missed.
    let watch = Watch::open().map_err(said("watching the interface"))?;
    let mut socket = RouteSocket::open().map_err(said("opening a socket"))?;
    let link = kernel::find_link(&mut socket, orders.ifname).map_err(said("looking for the interface"))?;
    let index = link.ok_or("the interface is gone")?.index;
    let place =
        Place::make(netns.inode(), orders.ifname).map_err(said("making a directory in /run/rpipe"))?;
    let news = UnixDatagram::bind(place.file(place::NEWS)).map_err(said("opening a socket in /run/rpipe"))?;
    news.set_nonblocking(true).map_err(said("opening a socket in /run/rpipe"))?;
    place.write(place::ISC_CONFIG, &isc_config(orders.hostname)).map_err(said("writing to /run/rpipe"))?;
    let (default, replace, metric) = (orders.default, orders.replace, orders.metric);
    let interface = Interface { socket, index, default, replace, metric, current: None };
    let entry = match orders.entry {
        Some(path) => Some(Entry::watch(path, netns).map_err(said("reading /proc/self/mountinfo"))?),
        None => None,
    };
    let client = start(orders, &place)?;
    let process = i32::try_from(client.id()).map_err(|_| Errno::ERANGE.into()).and_then(Process::pin);
    let mut keeper = Keeper { orders, interface, watch, news, held, entry, client, words: Vec::new() };
    let outcome = match process {
        Ok(process) => keeper.watch_over(&process),
        Err(error) => Err(said("pinning the client")(error)),
    };
    // The first process of its namespace: when it is waited for, all the others are dead too.
    let _ = keeper.client.kill();
    let _ = keeper.client.wait();
    match outcome {
        Ok(End::Over) => Ok(()),
        // Only now, when nothing is left to be undone.
        Ok(End::Leased(lease)) => {
            drop(place);
            report(&lease);
            Ok(())
        }
        Ok(End::Late) => {
            drop(place);
            report("late");
            Ok(())
        }
        Ok(End::Ended) => Err(keeper.last_words()),
        Err(why) => Err(why),
    }
}

fn said<E: Into<KernelError>>(tried: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("{tried}: {}", error.into())
}

/// Starts the client in its cage, the first process of a process namespace.
fn start(orders: &Orders<'_>, place: &Place) -> Result<Child, String> {
    unshare(CloneFlags::CLONE_NEWPID).map_err(said("making a process namespace"))?;
    Command::new("/proc/self/exe")
        .arg0(super::CAGE)
        .arg(place.path())
        .arg(orders.program)
        .args(orders.words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(said("starting the client"))
}

/// A namespace that lives as long as a file leads to it.
struct Entry {
    path: PathBuf,
    netns: NetNs,
    /// Tells of every change of the mounts (man 5 `proc_pid_mountinfo`, `POLLPRI`).
    mounts: File,
}

impl Entry {
    fn watch(path: &Path, netns: NetNs) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), netns, mounts: File::open("/proc/self/mountinfo")? })
    }

    fn is_there(&self) -> bool {
        NetNs::open(&self.path).is_ok_and(|now| now.is(&self.netns))
    }
}

/// How it came to an end.
enum End {
    /// The interface, the container or the attach is gone, or a signal says so.
    Over,
    /// The lease is set, and that was all that was asked for.
    Leased(String),
    /// No lease came in time.
    Late,
    /// The client has ended by itself.
    Ended,
}

struct Keeper<'a> {
    orders: &'a Orders<'a>,
    interface: Interface,
    watch: Watch,
    news: UnixDatagram,
    held: Held,
    entry: Option<Entry>,
    client: Child,
    /// What the client said on its standard error.
    words: Vec<u8>,
}

impl Keeper<'_> {
    fn watch_over(&mut self, process: &Process) -> Result<End, String> {
        let limit = Instant::now() + self.orders.limit;
        let mut reported = false;
        // A namespace that went before it was watched.
        if self.entry.as_ref().is_some_and(|entry| !entry.is_there()) {
            return Ok(End::Over);
        }
        loop {
            let end = (!reported).then_some(limit);
            let ready = self.wait(process, end, reported).map_err(said("waiting"))?;
            if ready.signal || ready.owner || self.is_over(&ready)? {
                return Ok(End::Over);
            }
            if ready.words {
                self.listen();
            }
            // Its news before its end.
            while let Some(news) = self.receive() {
                match news {
                    News::Bound(lease) => {
                        let line = format!("leased {lease}");
                        let bound = self.interface.bind(lease);
                        match bound {
                            Err((tried, error)) if !reported => return Err(format!("{tried}: {error}")),
                            // Perhaps the next renewal can be set.
                            Err(_) => {}
                            Ok(()) if reported => {}
                            Ok(()) if self.orders.keep => {
                                report(&line);
                                reported = true;
                            }
                            Ok(()) => return Ok(End::Leased(line)),
                        }
                    }
                    News::Lost => self.interface.release(),
                }
            }
            if ready.client {
                return Ok(if reported { End::Over } else { End::Ended });
            }
            if !reported && Instant::now() >= limit {
                return Ok(End::Late);
            }
        }
    }

    /// Waits until something happens.
    fn wait(&self, process: &Process, end: Option<Instant>, reported: bool) -> Result<Ready, KernelError> {
        let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
        let mut fds = vec![
            PollFd::new(self.held.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.watch.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.news.as_fd(), PollFlags::POLLIN),
            PollFd::new(process.as_fd(), PollFlags::POLLIN),
        ];
        let words = self.client.stderr.as_ref().map(AsFd::as_fd);
        let words = push(&mut fds, words, PollFlags::POLLIN);
        let mounts = self.entry.as_ref().map(|entry| entry.mounts.as_fd());
        let mounts = push(&mut fds, mounts, PollFlags::POLLPRI);
        let owner = push(&mut fds, self.entry.is_none().then(|| stdin.as_fd()), PollFlags::POLLIN);
        // A pipe whose reader is gone reports an error, asked or not.
        let attach = push(&mut fds, (!reported).then(|| stdout.as_fd()), PollFlags::empty());
        let timeout = match end {
            None => PollTimeout::NONE,
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now()).as_millis();
                PollTimeout::from(u16::try_from(left + 1).unwrap_or(u16::MAX))
            }
        };
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let is = |place: Option<usize>| {
            place.and_then(|place| fds.get(place)).is_some_and(|fd| fd.any().unwrap_or(true))
        };
        Ok(Ready {
            signal: is(Some(0)),
            link: is(Some(1)),
            client: is(Some(3)),
            words: is(words),
            mounts: is(mounts),
            owner: is(owner) || is(attach),
        })
    }

    /// Whether the interface or the namespace's name is gone.
    fn is_over(&mut self, ready: &Ready) -> Result<bool, String> {
        if ready.mounts && self.entry.as_ref().is_some_and(|entry| !entry.is_there()) {
            return Ok(true);
        }
        if !ready.link {
            return Ok(false);
        }
        self.watch.changed(Some(Instant::now()), &[]).map_err(said("watching the interface"))?;
        let link = kernel::link_by_index(&mut self.interface.socket, self.interface.index);
        Ok(link.map_err(said("looking for the interface"))?.is_none())
    }

    fn receive(&self) -> Option<News> {
        let mut buffer = [0; 4096];
        loop {
            let len = self.news.recv(&mut buffer).ok()?;
            let text = buffer.get(..len).and_then(|bytes| std::str::from_utf8(bytes).ok());
            if let Some(news) = text.and_then(|text| text.parse().ok()) {
                return Some(news);
            }
        }
    }

    /// Reads what the client says, so that it never has to wait; only the beginning is kept.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        let Some(stderr) = &mut self.client.stderr else { return };
        match stderr.read(&mut buffer) {
            Ok(0) | Err(_) => self.client.stderr = None,
            Ok(len) => {
                let room = MOST_WORDS.saturating_sub(self.words.len());
                self.words.extend(buffer.iter().take(len.min(room)));
            }
        }
    }

    /// Why the client has ended, in its own words.
    fn last_words(&mut self) -> String {
        while self.client.stderr.is_some() {
            self.listen();
        }
        let text = String::from_utf8_lossy(&self.words);
        match telling_lines(&text) {
            Some(line) => format!("it has ended: {line}"),
            None => "it has ended without a word".to_owned(),
        }
    }
}

/// Three lines that say something: the last ones before a client shows its usage or closes with a page of advice.
fn telling_lines(text: &str) -> Option<String> {
    const NOISE: [&str; 4] = ["Usage:", "usage:", "BusyBox v", "If you think you have received this message"];
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let noise = lines.iter().position(|line| NOISE.iter().any(|noise| line.starts_with(noise)));
    let told = match noise {
        Some(0) => lines.get(..lines.len().min(3))?,
        noise => {
            let end = noise.unwrap_or(lines.len());
            lines.get(end.saturating_sub(3)..end)?
        }
    };
    let told: String = told.join("; ").chars().filter(|c| !c.is_control()).take(300).collect();
    Some(told).filter(|told| !told.is_empty())
}

/// Adds a descriptor if there is one, and tells its place.
fn push<'fd>(fds: &mut Vec<PollFd<'fd>>, fd: Option<BorrowedFd<'fd>>, flags: PollFlags) -> Option<usize> {
    fds.push(PollFd::new(fd?, flags));
    Some(fds.len() - 1)
}

/// What has happened.
struct Ready {
    signal: bool,
    link: bool,
    client: bool,
    words: bool,
    mounts: bool,
    owner: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn called_by_hand_it_does_nothing() {
        for line in ["rpipe-dhcp-keeper", "rpipe-dhcp-keeper eth1 forever 1 0 add - web /bin/true true"] {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            assert_eq!(run(&words), 2);
        }
    }

    #[test]
    fn the_reason_is_found_in_what_a_client_says() {
        let isc = "Internet Systems Consortium\n\nNo such device\n\nIf you think you have received this message due\n\nexiting.\n";
        assert_eq!(telling_lines(isc).as_deref(), Some("Internet Systems Consortium; No such device"));
        assert_eq!(telling_lines("a\nb\nc\n\nd \x1b[0me\n").as_deref(), Some("b; c; d [0me"));
        assert_eq!(telling_lines("\n\n"), None);
    }
}
