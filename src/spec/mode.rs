//! How macvlans of one parent deal with each other.

use std::fmt;
use std::str::FromStr;

use super::SpecError;

/// The mode of a macvlan, by the words of `ip link` (man 8 ip-link).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// They reach each other directly.
    #[default]
    Bridge,
    /// They do not reach each other.
    Private,
    /// Their traffic goes out to a switch that sends it back (IEEE 802.1Qbg).
    Vepa,
    /// There is only one, and it has the parent for itself.
    Passthru,
}

impl Mode {
    /// All of them, with the most usual first.
    pub const ALL: [Self; 4] = [Self::Bridge, Self::Private, Self::Vepa, Self::Passthru];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Passthru => "passthru",
        }
    }
}

impl FromStr for Mode {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == word);
        mode.ok_or_else(|| SpecError::new("mode", word, "is not bridge, private, vepa or passthru"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
