//! The program: parse, run, exit code.

use std::process::ExitCode;

/// musl's own allocator asks the kernel for each size class anew: 33 of the 120 system calls of an attach.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if let Some(code) =
        rpipe::dhcp::behind_the_scenes(&args).or_else(|| rpipe::complete::behind_the_scenes(&args))
    {
        return ExitCode::from(code);
    }
    let style = rpipe::cli::Style::of(&args);
    let colour = rpipe::colour::When::of(&args);
    let outcome = rpipe::cli::parse(args).and_then(rpipe::commands::run);
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            rpipe::report::tell_as(style.name(), &error, colour);
            if let Some(signal) = error.signal() {
                rpipe::signals::end_by(signal);
            }
            ExitCode::from(style.exit_code(&error))
        }
    }
}
