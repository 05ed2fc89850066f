//! `rpipe run UPLINK ADDRESS … -- COMMAND…`: a command in a fresh namespace, attached, and everything gone
//! when it ends.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use log::info;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::RunWords;
use crate::error::Error;
use crate::kernel::{self, KernelError, NetNs};
use crate::machine::Machine;
use crate::observe::observe;
use crate::plan::{self, Script};
use crate::report;
use crate::signals::{ENDING, Held};
use crate::spec::Runtime;
use crate::target::Target;

use super::attach::{left, open_machine, own_namespace, wire};
use super::program;

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
pub fn run(words: &RunWords) -> Result<u8, Error> {
    let name = words.command[0].to_string_lossy().into_owned();
    let program = program::find(&words.command[0])?;
    let home = own_namespace()?;
    let held = Held::hold(&ENDING).map_err(|error| Error::kernel("holding signals back", error))?;
    let netns = NetNs::fresh(&home).map_err(|error| Error::kernel("making a network namespace", error))?;
    let target = Target { name, runtime: Runtime::Netns, id: None, process: None, netns, entry: None };
    let mut machine = open_machine(&home, &target, &words.attach)?;
    bring_up_loopback(&mut machine)
        .map_err(|error| Error::kernel("setting lo up in the new namespace", error))?;
    let facts = observe(&words.attach, &target, &mut machine)?;
    let steps = plan::attach(&words.attach, &facts)?;
    let script = Script::new(&steps, &facts, "/proc/self/ns/net");
    let armed = wire(&script, &target, &mut machine, &held)?;
    let status = supervise(&program, words, &target.netns, &home);
    for left in left(&script, armed.take_back(&mut machine)) {
        report::tell(&left);
    }
    let status = status?;
    info!("the command ended: {status}");
    // A shell's convention for a command that a signal ended.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn bring_up_loopback(machine: &mut Machine<'_>) -> Result<(), KernelError> {
    match kernel::find_link(&mut machine.target, "lo")? {
        Some(lo) => machine.target.execute(kernel::set_link(lo.index, true)),
        None => Ok(()),
    }
}

/// Starts the command inside and waits for its end, passing signals on.
fn supervise(program: &Path, words: &RunWords, netns: &NetNs, home: &NetNs) -> Result<ExitStatus, Error> {
    let name = words.command[0].to_string_lossy();
    let failed = |why: String| Error::Command { name: name.clone().into_owned(), why };
    // Held before the start, so that no end is missed. The child starts with an empty mask.
    let held = Held::hold(&WHILE_RUNNING).map_err(|error| Error::kernel("holding signals back", error))?;
    let mut command = Command::new(program);
    command.arg0(&words.command[0]).args(&words.command[1..]);
    let child = netns
        .enter(home, || command.spawn())
        .map_err(|error| Error::kernel("entering the new network namespace", error))?;
    let mut child = child.map_err(|error| failed(KernelError::from(error).to_string()))?;
    wait(&mut child, &held).map_err(|error| failed(error.to_string()))
}

fn wait(child: &mut Child, held: &Held) -> Result<ExitStatus, KernelError> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let arrived = held.wait()?;
        // What the terminal sends reaches the command without us, as a member of the same process group.
        if arrived.signal != Signal::SIGCHLD && !arrived.by_kernel {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
            // Not waited for yet, so the number is still this child's; it may have ended just now.
            let _ = kill(pid, arrived.signal);
        }
    }
}
