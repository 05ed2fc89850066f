//! The word for the uplink: what the container is wired to.

use std::fmt;
use std::str::FromStr;

use super::{IfName, Mac, SpecError};

/// The uplink as it was asked for. Whether it exists, and as what, only the host can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UplinkWord {
    /// A host interface by name; `br*` that does not exist is created as a bridge.
    Name(IfName),
    /// `mac:xx:…`: the host interface that has this address.
    Mac(Mac),
}

impl FromStr for UplinkWord {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        match word.strip_prefix("mac:") {
            Some(mac) => mac.parse().map(Self::Mac),
            None => word.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for UplinkWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Mac(mac) => write!(f, "mac:{mac}"),
        }
    }
}
