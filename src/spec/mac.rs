//! Hardware addresses: `xx:xx:xx:xx:xx:xx` and `U:string`.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};

use super::SpecError;

/// A 48-bit unicast MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// A locally administered unicast address (IEEE 802: bit 1 of the first byte set, bit 0 clear)
    /// made of arbitrary bytes.
    #[must_use]
    pub fn local(mut bytes: [u8; 6]) -> Self {
        bytes[0] = (bytes[0] & 0xfe) | 0x02;
        Self(bytes)
    }

    /// What an interface has, where it is such an address.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        <[u8; 6]>::try_from(bytes).ok().filter(|bytes| *bytes != [0; 6] && bytes[0] & 1 == 0).map(Self)
    }

    /// The bytes in the order of the wire.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for Mac {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refuse = |why: &str| SpecError::new("MAC address", word, why);
        let mut bytes = [0; 6];
        let mut parts = word.split(':');
        for byte in &mut bytes {
            let part = parts.next().unwrap_or_default();
            // `from_str_radix` alone would take `+f`.
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(refuse("is not of the form xx:xx:xx:xx:xx:xx"));
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| refuse("has a bad digit"))?;
        }
        if parts.next().is_some() {
            return Err(refuse("is longer than six bytes"));
        }
        if bytes == [0; 6] {
            return Err(refuse("is all zeros, which no interface may have"));
        }
        if bytes[0] & 1 == 1 {
            let refused = refuse("is a multicast address");
            return Err(refused.hint("the lowest bit of the first byte must be 0"));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let colon = if i == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// How a MAC address was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MacWord {
    /// The address itself.
    Fixed(Mac),
    /// `U:string`: an address that is always the same for the same string.
    Unique(String),
}

impl MacWord {
    /// The address meant: `U:string` is `02:` and the first five bytes of the MD5 of the string and a
    /// line feed, as pipework computed it with `echo … | md5sum`.
    #[must_use]
    pub fn mac(&self) -> Mac {
        match self {
            Self::Fixed(mac) => *mac,
            Self::Unique(string) => {
                let digest = Md5::new().chain_update(string).chain_update("\n").finalize();
                Mac([0x02, digest[0], digest[1], digest[2], digest[3], digest[4]])
            }
        }
    }
}

impl FromStr for MacWord {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        match word.strip_prefix("U:") {
            Some("") => Err(SpecError::new("MAC address", word, "has no string after U:")),
            Some(string) => Ok(Self::Unique(string.to_owned())),
            None => word.parse().map(Self::Fixed),
        }
    }
}

impl fmt::Display for MacWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(mac) => mac.fmt(f),
            Self::Unique(string) => write!(f, "U:{string}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unique_mac_is_pipeworks() {
        let word: MacWord = "U:myhost.foo.com".parse().unwrap();
        assert_eq!(word.mac().to_string(), "02:72:6c:cd:9b:8d");
    }

    #[test]
    fn either_case_is_read_and_lower_case_printed() {
        let mac: Mac = "02:AB:cd:EF:00:9a".parse().unwrap();
        assert_eq!(mac.to_string(), "02:ab:cd:ef:00:9a");
    }

    #[test]
    fn what_no_interface_may_have_is_refused() {
        for word in [
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "02:00:00:00:00",
            "02:0:0:0:0:0",
            "02:00:00:00:00:00:00",
            "0+:00:00:00:00:00",
            "",
            "U:",
        ] {
            assert!(word.parse::<MacWord>().is_err(), "{word:?}");
        }
    }
}
