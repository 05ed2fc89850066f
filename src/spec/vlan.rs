//! VLAN numbers, and partition keys, which are InfiniBand's.

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

impl TryFrom<u16> for Vlan {
    type Error = SpecError;

    fn try_from(id: u16) -> Result<Self, SpecError> {
        id.to_string().parse()
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

/// An InfiniBand partition key. The highest bit says full member; a key of nothing else is none
/// (`ipoib_new_child_link`, drivers/infiniband/ulp/ipoib/ipoib_netlink.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pkey(u16);

impl Pkey {
    /// The key.
    #[must_use]
    pub fn key(self) -> u16 {
        self.0
    }
}

impl FromStr for Pkey {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        let refused = || SpecError::new("partition key", word, "is not a hexadecimal number up to ffff");
        if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(refused());
        }
        match u16::from_str_radix(digits, 16).map_err(|_| refused())? {
            0 | 0x8000 => Err(SpecError::new("partition key", word, "is reserved")),
            key => Ok(Self(key)),
        }
    }
}

impl fmt::Display for Pkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

/// What stands after the `@` of the last word: a VLAN number, or the partition key of an InfiniBand uplink, in
/// hexadecimal with or without `0x`. Many words can be either; the kind of the uplink decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VlanWord(String);

impl VlanWord {
    /// The word as a VLAN number.
    ///
    /// # Errors
    /// When it is none.
    pub fn vlan(&self) -> Result<Vlan, SpecError> {
        self.0.parse()
    }

    /// The word as a partition key.
    ///
    /// # Errors
    /// When it is none.
    pub fn pkey(&self) -> Result<Pkey, SpecError> {
        self.0.parse()
    }
}

impl FromStr for VlanWord {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        match (word.parse::<Vlan>(), word.parse::<Pkey>()) {
            (Err(no_vlan), Err(_)) => Err(no_vlan),
            _ => Ok(Self(word.to_owned())),
        }
    }
}

impl fmt::Display for VlanWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_keys_are_hexadecimal() {
        let key = |word: &str| word.parse::<Pkey>().map(Pkey::key).ok();
        assert_eq!(key("8001"), Some(0x8001));
        assert_eq!(key("0x7fff"), Some(0x7fff));
        for word in ["", "0", "8000", "0x", "12345", "g", "-1", "+1"] {
            assert_eq!(key(word), None, "{word}");
        }
    }

    #[test]
    fn many_words_are_both() {
        let word =
            |word: &str| word.parse::<VlanWord>().map(|word| (word.vlan().is_ok(), word.pkey().is_ok()));
        assert_eq!(word("10"), Ok((true, true)));
        assert_eq!(word("8001"), Ok((false, true)));
        assert_eq!(word("0x8001"), Ok((false, true)));
        assert!(word("0").is_err() && word("x").is_err() && word("").is_err());
    }
}
