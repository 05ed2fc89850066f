//! `rpipe exec TARGET -- COMMAND…`, and `route`, `rule`, `tc`, which are short for it.

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cli::ExecWords;
use crate::error::Error;
use crate::kernel::KernelError;
use crate::leftovers;
use crate::target::{LOOKUP_LIMIT, Target};

use super::attach::own_namespace;
use super::program;

/// Becomes the command, inside the target's network namespace: its output, its exit status and the signals it gets are
/// its own, because nothing stands in between.
#[inline(never)]
pub fn exec(words: &ExecWords) -> Result<u8, Error> {
    match become_command(words)? {}
}

fn become_command(words: &ExecWords) -> Result<Infallible, Error> {
    let home = own_namespace()?;
    leftovers::bring_home(&home);
    let target = Target::open(&words.target, &home, words.timeout.unwrap_or(LOOKUP_LIMIT))?;
    let program = program::find(&words.command[0])?;
    target.netns.join().map_err(|error| {
        Error::kernel(format!("entering the network namespace of {:?}", target.name), error)
    })?;
    let error = Command::new(program).arg0(&words.command[0]).args(&words.command[1..]).exec();
    let name = words.command[0].to_string_lossy().into_owned();
    Err(Error::Command { name, why: KernelError::from(error).to_string() })
}
