//! What the kernel said no with.

use std::fmt;

use nix::errno::Errno;

/// A refusal by the kernel: the error number and, where it explains itself, its own words
/// (the extended acknowledgement of netlink, `NLMSGERR_ATTR_MSG`, Linux 4.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// The error number; `UnknownErrno` where another program answers in the kernel's place, with words only.
    pub errno: Errno,
    /// The kernel's explanation, free of control characters.
    pub message: Option<String>,
}

impl KernelError {
    /// What another program said no with.
    #[must_use]
    pub fn said(words: &str) -> Self {
        Self { errno: Errno::UnknownErrno, message: Some(words.to_owned()) }
    }

    /// Whether more privilege would have helped.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self.errno, Errno::EPERM | Errno::EACCES)
    }
}

impl From<Errno> for KernelError {
    fn from(errno: Errno) -> Self {
        Self { errno, message: None }
    }
}

impl From<std::io::Error> for KernelError {
    fn from(error: std::io::Error) -> Self {
        Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO)).into()
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) if self.errno == Errno::UnknownErrno => f.write_str(message),
            Some(message) => write!(f, "{}: {message}", self.errno.desc()),
            None => f.write_str(self.errno.desc()),
        }
    }
}

impl std::error::Error for KernelError {}
