//! The settings of a link under `/proc/sys/net`, which it loses when it moves to another namespace.

use std::fs;
use std::path::{Path, PathBuf};

use super::KernelError;

/// The settings of one link, each file with its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(Vec<(PathBuf, String)>);

impl Settings {
    /// Reads all settings of a link of rpipe's own namespace. Equal to `sysctl -a | grep IFNAME`. What cannot be read,
    /// as a secret that is not set, is left out.
    #[must_use]
    pub fn read(ifname: &str) -> Self {
        let mut values = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let directory = Path::new("/proc/sys/net").join(family).join("conf").join(ifname);
            let Ok(files) = fs::read_dir(directory) else { continue };
            let paths = files.flatten().map(|file| file.path());
            values.extend(paths.filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?))));
        }
        Self(values)
    }

    /// Writes back what has changed. Goes on after a failure.
    ///
    /// # Errors
    /// The first one.
    pub fn restore(&self) -> Result<(), KernelError> {
        let mut first_error = Ok(());
        for (path, value) in &self.0 {
            if fs::read_to_string(path).is_ok_and(|now| now != *value) {
                first_error = first_error.and(fs::write(path, value));
            }
        }
        Ok(first_error?)
    }
}
