//! `rpipe run UPLINK ADDRESS … -- COMMAND…`: a command in a fresh namespace, attached, and everything gone
//! when it ends.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use log::info;
use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::checkup;
use crate::cli::RunWords;
use crate::dhcp::Owner;
use crate::error::Error;
use crate::kernel::{self, KernelError, NetNs};
use crate::leftovers;
use crate::machine::Machine;
use crate::observe::observe;
use crate::plan::{self, Script};
use crate::report;
use crate::session::Session;
use crate::signals::{ENDING, Held};
use crate::spec::Runtime;
use crate::target::Target;
use crate::voice::Voice;

use super::attach::{left, open_machine, own_namespace, wire};
use super::{mistaken, program};

/// What is passed on to the command while it runs, and the news of its end.
const WHILE_RUNNING: [Signal; 7] = [
    Signal::SIGCHLD,
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Runs a command in a network namespace of its own; the exit code is the command's.
#[inline(never)]
pub fn run(words: &RunWords, voice: Voice<'_>) -> Result<u8, Error> {
    let name = words.command[0].to_string_lossy().into_owned();
    let program = program::find(&words.command[0])?;
    let home = own_namespace()?;
    leftovers::bring_home(&home);
    let held = Held::hold(&ENDING).map_err(|error| Error::kernel("holding signals back", error))?;
    let netns = NetNs::fresh(&home).map_err(|error| Error::kernel("making a network namespace", error))?;
    let target =
        Target { name, runtime: Runtime::Netns, id: None, shares: None, process: None, netns, entry: None };
    let mut machine = open_machine(&mut Session::once(&home), &target, None, &words.attach)?;
    machine.owner = Owner::Caller;
    bring_up_loopback(&mut machine)
        .map_err(|error| Error::kernel("setting lo up in the new namespace", error))?;
    let facts = observe(&words.attach, &target, &mut machine)?;
    let steps =
        plan::attach(&words.attach, &facts).map_err(|refusal| mistaken::uplink(refusal, &mut machine))?;
    let warning = if voice.quiet { None } else { checkup::warning(&facts, &mut machine) };
    let script = Script::new(&steps, &facts, "/proc/self/ns/net");
    let armed = wire(&script, &target, &mut machine, &held)?;
    warning.iter().for_each(report::tell);
    let code = supervise(&program, words, (&target.netns, &home), held.before());
    for left in left(&script, armed.take_back(&mut machine)) {
        report::tell(&left);
    }
    code
}

fn bring_up_loopback(machine: &mut Machine<'_>) -> Result<(), KernelError> {
    match kernel::find_link(&mut machine.target, "lo")? {
        Some(lo) => machine.target.execute(kernel::set_link(lo.index, true)),
        None => Ok(()),
    }
}

/// Starts the command inside and waits for its end, passing signals on. `before` is the mask of signals that rpipe itself
/// was started with.
fn supervise(
    program: &Path,
    words: &RunWords,
    (netns, home): (&NetNs, &NetNs),
    before: &SigSet,
) -> Result<u8, Error> {
    let name = words.command[0].to_string_lossy();
    let failed =
        |error: KernelError| Error::Command { name: name.clone().into_owned(), why: error.to_string() };
    // Held before the start, so that no end is missed.
    let held = Held::hold(&WHILE_RUNNING).map_err(|error| Error::kernel("holding signals back", error))?;
    let child = netns
        .enter(home, || spawn(program, &words.command, before))
        .map_err(|error| Error::kernel("entering the new network namespace", error))?;
    wait(child.map_err(|errno| failed(errno.into()))?, &held).map_err(failed)
}

/// Starts a program as if rpipe had changed nothing: with the signals that were blocked for us before we blocked ours,
/// and with the default action for SIGPIPE, which Rust's start-up ignores.
///
/// The standard library's `Command` hands our own mask down, and the command would never see a signal.
fn spawn(program: &Path, words: &[OsString], mask: &SigSet) -> Result<Pid, Errno> {
    let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| Errno::EINVAL);
    let args = words.iter().map(|word| c_string(word.as_bytes().to_vec())).collect::<Result<Vec<_>, _>>()?;
    let variable =
        |(key, value): (OsString, OsString)| c_string([key.as_bytes(), value.as_bytes()].join(&b'='));
    let environment = std::env::vars_os().map(variable).collect::<Result<Vec<_>, _>>()?;
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigmask(mask)?;
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    posix_spawn(program, &PosixSpawnFileActions::init()?, &attributes, &args, &environment)
}

/// Waits for the end of the command. Its exit code; 128 and the number of the signal that ended it, as a shell counts.
fn wait(child: Pid, held: &Held) -> Result<u8, KernelError> {
    loop {
        let code = match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::Exited(_, code) => Some(code),
            WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32),
            _ => None,
        };
        if let Some(code) = code {
            info!("the command ended with {code}");
            return Ok(u8::try_from(code).unwrap_or(u8::MAX));
        }
        let arrived = held.wait()?;
        // What the terminal sends reaches the command without us, as a member of the same process group.
        if arrived.signal != Signal::SIGCHLD && !arrived.by_kernel {
            // Not waited for yet, so the number is still this child's; it may have ended just now.
            let _ = kill(child, arrived.signal);
        }
    }
}
