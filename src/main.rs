//! The program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = rpipe::cli::parse(std::env::args_os()).and_then(rpipe::commands::run);
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("rpipe: {error}");
            if let rpipe::Error::Interrupted { signal, .. } = error {
                rpipe::signals::end_by(signal);
            }
            ExitCode::from(error.exit_code())
        }
    }
}
