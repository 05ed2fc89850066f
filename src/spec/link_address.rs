//! The last word of an attach: `[MAC][@VLAN]`.

use std::fmt;
use std::str::FromStr;

use super::{MacWord, SpecError, VlanWord};

/// What the new interface is to be on the link layer. Both absent is what no word at all means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkAddress {
    /// The MAC address; without one the kernel picks a random one.
    pub mac: Option<MacWord>,
    /// The VLAN, or the InfiniBand partition, that carries the container's traffic.
    pub vlan: Option<VlanWord>,
}

impl FromStr for LinkAddress {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let (mac, vlan) = match word.split_once('@') {
            Some((mac, vlan)) => (mac, Some(vlan.parse()?)),
            None => (word, None),
        };
        let mac = match mac {
            "" if vlan.is_some() => None,
            mac => Some(mac.parse()?),
        };
        Ok(Self { mac, vlan })
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mac) = &self.mac {
            mac.fmt(f)?;
        }
        match &self.vlan {
            Some(vlan) => write!(f, "@{vlan}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_prints_as_it_was_read() {
        for word in
            ["02:00:00:00:00:01", "U:web", "@10", "@8001", "@0x8001", "U:web@4094", "02:00:00:00:00:01@1"]
        {
            assert_eq!(word.parse::<LinkAddress>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for word in ["", "@", "@0", "@8000", "@12345", "@-1", "@+5", "02:00:00:00:00:01@", "@1@2", "web"] {
            assert!(word.parse::<LinkAddress>().is_err(), "{word:?}");
        }
    }
}
