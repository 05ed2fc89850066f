//! How an interface shares its parent with others: macvlan or ipvlan, and in which mode.

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

/// The mode of an ipvlan, by the words of `ip link` (Documentation/networking/ipvlan.rst).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    /// The parent works as a switch.
    #[default]
    L2,
    /// The parent works as a router; no broadcast or multicast.
    L3,
    /// As L3, and the parent's packet filter sees the traffic.
    L3s,
}

/// What an interface that shares its parent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// With a MAC address of its own.
    Macvlan(Mode),
    /// With the parent's MAC address.
    Ipvlan(IpvlanMode),
}

impl Default for Sharing {
    fn default() -> Self {
        Self::Macvlan(Mode::default())
    }
}

impl Mode {
    const ALL: [Self; 4] = [Self::Bridge, Self::Private, Self::Vepa, Self::Passthru];

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

impl IpvlanMode {
    const ALL: [Self; 3] = [Self::L2, Self::L3, Self::L3s];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
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

impl FromStr for IpvlanMode {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == word);
        mode.ok_or_else(|| SpecError::new("mode", word, "is not l2, l3 or l3s"))
    }
}

impl Sharing {
    /// The kind of link, as `ip link` calls it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
        }
    }

    /// The mode's word.
    #[must_use]
    pub fn mode(self) -> &'static str {
        match self {
            Self::Macvlan(mode) => mode.as_str(),
            Self::Ipvlan(mode) => mode.as_str(),
        }
    }

    /// What the words of `--type` and `--mode` mean together; none of them asks for nothing in particular.
    ///
    /// # Errors
    /// A mode of the other kind, or none at all.
    pub fn of(kind: Option<&str>, mode: Option<&str>) -> Result<Option<Self>, SpecError> {
        let other_kind = |refused: SpecError| match mode.unwrap_or_default().parse::<IpvlanMode>() {
            Ok(_) => refused.hint("that is a mode of --type ipvlan"),
            Err(_) => refused,
        };
        let macvlan = || mode.map(str::parse).transpose().map(Option::unwrap_or_default).map(Self::Macvlan);
        let ipvlan = || mode.map(str::parse).transpose().map(Option::unwrap_or_default).map(Self::Ipvlan);
        match (kind, mode) {
            (None, None) => Ok(None),
            (None | Some("macvlan"), _) => macvlan().map(Some).map_err(other_kind),
            (Some("ipvlan"), _) => ipvlan().map(Some),
            (Some(kind), _) => Err(SpecError::new("type", kind, "is not macvlan or ipvlan")),
        }
    }
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.mode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_belongs_to_its_type() {
        let of = |kind, mode| Sharing::of(kind, mode).map(|sharing| sharing.map(|it| it.to_string()));
        assert_eq!(of(None, None), Ok(None));
        assert_eq!(of(None, Some("vepa")), Ok(Some("macvlan vepa".into())));
        assert_eq!(of(Some("macvlan"), None), Ok(Some("macvlan bridge".into())));
        assert_eq!(of(Some("ipvlan"), None), Ok(Some("ipvlan l2".into())));
        assert_eq!(of(Some("ipvlan"), Some("l3s")), Ok(Some("ipvlan l3s".into())));
        let said = of(None, Some("l3")).unwrap_err().to_string();
        assert!(said.contains("--type ipvlan"), "{said}");
        assert!(of(Some("ipvlan"), Some("vepa")).is_err());
        assert!(of(Some("bridge"), None).is_err());
    }
}
