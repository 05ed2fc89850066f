//! Commands that people name: which program is meant.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The program file, looked for before anything is made.
pub fn find(command: &OsStr) -> Result<PathBuf, Error> {
    which::which(command).map_err(|_| Error::Command {
        name: command.to_string_lossy().into_owned(),
        why: if Path::new(command).components().count() > 1 {
            "no such program, or it cannot be executed".into()
        } else {
            "no such program in PATH".into()
        },
    })
}
