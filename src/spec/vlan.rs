//! VLAN numbers.

use std::fmt;
use std::str::FromStr;

use super::SpecError;

/// An 802.1Q VLAN number, 1 to 4094 (IEEE 802.1Q table 9-2: 0 and 4095 are reserved).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vlan(u16);

impl Vlan {
    /// The number, 1 to 4094.
    #[must_use]
    pub fn id(self) -> u16 {
        self.0
    }
}

impl FromStr for Vlan {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refused = || SpecError::new("VLAN", word, "is not a number from 1 to 4094");
        if word.is_empty() || !word.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(refused());
        }
        match word.parse() {
            Ok(id @ 1..=4094) => Ok(Self(id)),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
