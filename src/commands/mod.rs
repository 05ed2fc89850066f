//! One file a verb: spec → target → observe → plan → apply → report.
//!
//! The verbs are kept apart (`inline(never)`): what one does not run it need not load, nor make room for on the stack.

mod again;
mod attach;
mod batch;
mod detach;
mod doctor;
mod exec;
mod gc;
mod list;
mod mistaken;
mod ports;
mod program;
mod run;
mod together;
mod wait;

use crate::cli::{Asked, SYNTAX, Verb};
use crate::colour::Ink;
use crate::error::{Error, Exit};
use crate::report;
use crate::session::Session;
use crate::voice::Voice;

/// Does what was asked and tells the exit code.
///
/// # Errors
/// Whatever kept it from being done.
pub fn run(asked: Asked) -> Result<u8, Error> {
    start_logger(asked.verbosity);
    let voice = Voice::alone(asked.quiet, asked.colour);
    match asked.verb {
        Verb::Show(text) => report::show(&text)?,
        Verb::Help(text) => report::show(&Ink::of(asked.colour, &std::io::stdout()).help(&text))?,
        Verb::Syntax => {
            report::show(SYNTAX)?;
            return Ok(Exit::Failed as u8);
        }
        Verb::Attach(words) => {
            let home = attach::own_namespace()?;
            let mut session = Session::once(&home);
            attach::attach(&words, &mut session, voice)?;
            std::mem::forget(session);
            std::mem::forget(home);
        }
        Verb::Detach(words) => {
            let home = attach::own_namespace()?;
            detach::detach(&words, &mut Session::once(&home), voice)?;
        }
        Verb::List(words) => list::list(&words, voice)?,
        Verb::Gc(words) => gc::gc(&words, voice)?,
        Verb::Batch(words) => return batch::batch(&words, voice),
        Verb::Run(run) => return run::run(&run, voice),
        Verb::Wait(words) => wait::wait(&words, None)?,
        Verb::Doctor(words) => return doctor::doctor(&words, voice),
        Verb::Exec(exec) => return exec::exec(&exec),
    }
    Ok(Exit::Done as u8)
}

/// `-v` tells each step as it is done, `-vv` the netlink messages; `RUST_LOG` overrides both.
fn start_logger(verbosity: u8) {
    use std::io::Write;
    // Nothing is an error to the logger, so nobody would hear from it.
    if verbosity == 0 && std::env::var_os("RUST_LOG").is_none() {
        return;
    }
    let level = match verbosity {
        0 => "error",
        1 => "rpipe=info",
        2 => "rpipe=debug",
        _ => "rpipe=trace",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level))
        .format(|out, record| writeln!(out, "rpipe: {}", record.args()))
        .init();
}
