//! The program: parse, run, exit code.

use std::process::ExitCode;

/// musl's own allocator asks the kernel for each size class anew: 33 of the 120 system calls of an attach.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let outcome = rpipe::cli::parse(std::env::args_os()).and_then(rpipe::commands::run);
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            rpipe::report::tell(&error);
            if let Some(signal) = error.signal() {
                rpipe::signals::end_by(signal);
            }
            ExitCode::from(error.exit_code())
        }
    }
}
