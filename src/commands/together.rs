//! Lines of detach that follow each other in a batch: links of many containers deleted at the cost of one.
//!
//! Deleting a link makes the kernel wait for all readers of its tables (`netdev_run_todo`, net/core/dev.c), 10 to 40 ms for
//! one as for a thousand. Host ends of veth pairs are all in one namespace, where one request deletes a whole group. What
//! is in a namespace of its own is deleted from several threads, whose waits the kernel does as one; they send over
//! sockets that are open and never change their namespace.
//!
//! All this only makes the rest quick: the steps of each container are done afterwards, as by a detach that stands alone,
//! and find their links gone. What could not be deleted together is deleted, or told of, there.

use std::fs::File;
use std::time::Duration;

use log::debug;
use nix::errno::Errno;
use nix::fcntl::Flock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::apply;
use crate::cli::DetachWords;
use crate::error::Error;
use crate::kernel::{self, KernelError, Link, RouteSocket};
use crate::leftovers;
use crate::machine::{Machine, Sockets};
use crate::plan::{Attachment, Side, Step};
use crate::report::Detached;
use crate::session::Session;
use crate::spec::IfName;
use crate::survey::{self, Inventory};
use crate::target::Target;
use crate::voice::Voice;

use super::attach::take_turn;
use super::detach::{choose, detached, open_machine, steps, undone};

/// Most containers at once, each of which is held open: about as many as one bridge has ports. In four parts, taking apart a
/// thousand costs the kernel more, and four waits instead of one.
const MOST: u64 = 1000;
/// What holds a container open: its process, its namespace, the lock of that, a socket.
const OPEN_FILES: u64 = 4;
/// What else is open.
const OTHER_FILES: u64 = 64;
/// More threads than this make it no quicker.
const THREADS: usize = 16;
/// Group numbers from here on, one for each process: nobody else's links are in it.
const GROUPS: u32 = 0x7200_0000;

/// Detaches that wait to be done together.
#[derive(Debug)]
pub struct Together {
    most: usize,
    /// The limit of open files as it was, where more were asked for.
    limit: Option<Rlimit>,
    containers: Vec<Container>,
    lines: Vec<Waiting>,
}

/// A container of which something goes.
#[derive(Debug)]
struct Container {
    target: Target,
    socket: RouteSocket,
    inventory: Inventory,
    going: Vec<Attachment>,
    /// Held until all is done.
    _turn: Flock<File>,
}

/// A line of which container, and what it takes away.
#[derive(Debug)]
struct Waiting {
    line: usize,
    /// None where the container is gone.
    container: Option<usize>,
    going: Vec<Attachment>,
}

/// Whether a detach waits with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Waits,
    /// Those that wait have to be done first; then it can be asked again.
    NotNow,
    /// It has to be done alone.
    Alone,
}

/// What became of a line.
pub type Outcome = (usize, Result<Vec<Detached>, Error>);

impl Together {
    /// None yet. As many wait as this process holds open unasked.
    #[must_use]
    pub fn new() -> Self {
        Self {
            most: most(&getrlimit(Resource::Nofile)),
            limit: None,
            containers: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// The line that waits longest.
    #[must_use]
    pub fn first(&self) -> Option<usize> {
        self.lines.first().map(|waiting| waiting.line)
    }

    /// Looks at what a line takes away, and keeps it until [`Self::flush`]. Changes nothing.
    ///
    /// # Errors
    /// As for a detach that stands alone.
    pub fn add(
        &mut self,
        words: &DetachWords,
        line: usize,
        session: &mut Session<'_>,
        voice: Voice<'_>,
    ) -> Result<Answer, Error> {
        let (target, inside) = match session.reach(&words.target, words.timeout) {
            Ok(reached) => reached,
            Err(error) if error.is_gone() => {
                voice.tell(&format_args!("{error}: nothing to detach"));
                kernel::sweep_entries();
                leftovers::bring_home(session.home);
                self.lines.push(Waiting { line, container: None, going: Vec::new() });
                return Ok(Answer::Waits);
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(place) = self.containers.iter().position(|it| it.target.netns.is(&target.netns)) {
            return self.more(words, line, place);
        }
        if self.containers.len() >= self.most {
            self.ask_for_files();
            if self.containers.len() >= self.most {
                return Ok(Answer::NotNow);
            }
        }
        // Whoever waits for another while it has a turn itself could wait for ever.
        let turn = match target.netns.lock(Duration::ZERO, || true) {
            Ok(turn) => turn,
            Err(error) if error.errno == Errno::EWOULDBLOCK && !self.containers.is_empty() => {
                return Ok(Answer::NotNow);
            }
            Err(_) => take_turn(&target, session)?,
        };
        session.tidy();
        let mut machine = open_machine(session, &target, inside)?;
        let inventory = survey::inventory(&mut machine)?;
        let Sockets { host, target: socket, .. } = machine.into_sockets();
        session.give_back(host);
        let going = choose(words, &target, &inventory)?;
        if !going.iter().all(|attachment| is_plain(attachment, &inventory)) {
            return Ok(Answer::Alone);
        }
        self.lines.push(Waiting { line, container: Some(self.containers.len()), going: going.clone() });
        self.containers.push(Container { target, socket, inventory, going, _turn: turn });
        Ok(Answer::Waits)
    }

    /// Raises the limit of open files, as far as this process may.
    fn ask_for_files(&mut self) {
        let limit = getrlimit(Resource::Nofile);
        let wanted = OTHER_FILES + MOST * OPEN_FILES;
        let raised = Rlimit { current: Some(limit.maximum.map_or(wanted, |most| wanted.min(most))), ..limit };
        if limit.current.is_some_and(|current| Some(current) < raised.current)
            && setrlimit(Resource::Nofile, raised).is_ok()
        {
            self.most = most(&raised);
            self.limit.get_or_insert(limit);
        }
    }

    /// Gives back what was asked for: whatever this process starts inherits the limit.
    fn give_files_back(&mut self) {
        if let Some(limit) = self.limit.take()
            && setrlimit(Resource::Nofile, limit).is_ok()
        {
            self.most = most(&limit);
        }
    }

    /// Another line for a container that something goes from already.
    fn more(&mut self, words: &DetachWords, line: usize, place: usize) -> Result<Answer, Error> {
        let Some(container) = self.containers.get_mut(place) else { return Ok(Answer::Alone) };
        let mut rest = container.inventory.clone();
        rest.attachments.retain(|it| container.going.iter().all(|going| going.ifname != it.ifname));
        let going = choose(words, &container.target, &rest)?;
        if !going.iter().all(|attachment| is_plain(attachment, &rest)) {
            return Ok(Answer::NotNow);
        }
        container.going.extend(going.iter().cloned());
        self.lines.push(Waiting { line, container: Some(place), going });
        Ok(Answer::Waits)
    }

    /// Takes everything apart that waits, and tells what became of each line, in their order.
    pub fn flush(&mut self, session: &mut Session<'_>) -> Vec<Outcome> {
        let lines = std::mem::take(&mut self.lines);
        let mut containers = std::mem::take(&mut self.containers);
        let count: usize = containers.iter().map(|container| container.going.len()).sum();
        if count > 1 {
            delete_ends(&containers, session);
            delete_inside(&mut containers);
        }
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(lines.len());
        let mut failures: Vec<_> = containers.into_iter().map(|it| Some(finish(it, session))).collect();
        for (number, waiting) in lines.iter().enumerate() {
            let Some(place) = waiting.container else {
                outcomes.push((waiting.line, Ok(Vec::new())));
                continue;
            };
            let is_last = lines.iter().skip(number + 1).all(|later| later.container != Some(place));
            let finished = failures.get_mut(place).and_then(Option::as_mut);
            let outcome = match finished {
                Some(Ok(finished)) => finished.of_line(waiting, is_last),
                Some(Err(why)) => Err(Error::kernel("opening a socket of the host", why.clone())),
                None => Ok(Vec::new()),
            };
            outcomes.push((waiting.line, outcome));
        }
        self.give_files_back();
        outcomes
    }
}

/// A container whose steps were done.
struct Finished {
    target: Target,
    failures: Vec<apply::UndoFailure>,
}

impl Finished {
    /// What became of one of its lines: what failed on its links; on the last line also what is nobody's link.
    fn of_line(&mut self, waiting: &Waiting, is_last: bool) -> Result<Vec<Detached>, Error> {
        let is_of = |step: &Step| {
            let named = |name: &IfName| waiting.going.iter().any(|attachment| attachment.ifname == *name);
            is_last
                || match step {
                    Step::DeleteLinks { ifnames } => ifnames.iter().any(named),
                    step => step.acts_on().is_some_and(|(_, ifname)| named(ifname)),
                }
        };
        let (of_line, rest) =
            std::mem::take(&mut self.failures).into_iter().partition(|(step, _)| is_of(step));
        self.failures = rest;
        undone(&self.target, of_line)?;
        Ok(waiting.going.iter().map(|attachment| detached(attachment, &self.target)).collect())
    }
}

/// The steps of a container. Its links are known by number, so that nothing else is taken for one that is gone.
fn finish(container: Container, session: &mut Session<'_>) -> Result<Finished, KernelError> {
    let Container { target, socket, inventory, going, _turn } = container;
    let steps = steps(&target, &going, &inventory);
    let sockets = Sockets { host: session.host()?, target: socket, ipv6_disabled: None };
    let mut machine = Machine::with(session.home, &target.netns, sockets);
    for attachment in &going {
        let link = Link { index: attachment.index, name: attachment.ifname.to_string(), ..Link::default() };
        machine.learn(Side::Target, &attachment.ifname, link);
    }
    let failures = apply::take_apart(&steps, &mut machine);
    session.give_back(machine.into_sockets().host);
    Ok(Finished { target, failures })
}

/// How many containers can be held open with so many files.
fn most(limit: &Rlimit) -> usize {
    let files = limit.current.unwrap_or(u64::MAX);
    usize::try_from((files.saturating_sub(OTHER_FILES) / OPEN_FILES).clamp(1, MOST)).unwrap_or(1)
}

/// Whether nothing but a link goes: no port of Open vSwitch, no 802.1Q interface, nothing that belongs to the host.
fn is_plain(attachment: &Attachment, inventory: &Inventory) -> bool {
    let moved = attachment.present.mark.as_ref().is_some_and(|mark| mark.nic.is_some());
    let on_vlan = inventory.vlan_links.iter().any(|(ifname, _)| *ifname == attachment.ifname);
    !attachment.ovs && !moved && !on_vlan
}

/// Deletes the host ends of veth pairs by one request, and with them the ends in the containers.
fn delete_ends(containers: &[Container], session: &mut Session<'_>) {
    let ends = containers.iter().flat_map(|container| &container.going);
    let group = GROUPS | (std::process::id() & 0x3f_ffff);
    let marks: Vec<_> =
        ends.filter_map(|it| it.host_end).map(|index| kernel::set_group(index, group)).collect();
    if marks.is_empty() {
        return;
    }
    let Ok(mut host) = session.host() else { return };
    let deleted = host.batch(&marks).and_then(|_| host.execute(kernel::delete_group(group)));
    if let Err(error) = deleted {
        debug!("{} links could not be deleted together: {error}", marks.len());
    }
    session.give_back(host);
}

/// Deletes what has no end on the host, in many namespaces at the same time.
fn delete_inside(containers: &mut [Container]) {
    let mut jobs: Vec<_> = containers.iter_mut().filter(|container| container.has_inner_links()).collect();
    let each = jobs.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        for chunk in jobs.chunks_mut(each) {
            let work = || chunk.iter_mut().for_each(|container| container.delete_inner_links());
            // Where there can be no thread, each is deleted in its turn.
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, work) {
                debug!("no thread: {error}");
            }
        }
    });
}

impl Container {
    fn inner_links(&self) -> impl Iterator<Item = u32> {
        self.going.iter().filter(|it| it.host_end.is_none()).map(|it| it.index)
    }

    fn has_inner_links(&self) -> bool {
        self.inner_links().next().is_some()
    }

    fn delete_inner_links(&mut self) {
        let marks: Vec<_> =
            self.inner_links().map(|index| kernel::set_group(index, kernel::UNFINISHED)).collect();
        let socket = &mut self.socket;
        let deleted =
            socket.batch(&marks).and_then(|_| socket.execute(kernel::delete_group(kernel::UNFINISHED)));
        if let Err(error) = deleted {
            debug!("links of {:?} could not be deleted together: {error}", self.target.name);
        }
    }
}
