//! Addresses: `IP/LEN[@GATEWAY]`, `IP=PEER/LEN[@GATEWAY]`, `0/0[@GATEWAY]`, a DHCP word, several with commas.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::own_address::{check_host, parse_ip, reserved};
use super::{DhcpWord, OwnAddress, SpecError};

const ADDRESS: &str = "address";
const GATEWAY: &str = "gateway";

/// One address word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `IP/LEN[@GATEWAY]`: this address, and the default route through this gateway.
    Fixed {
        /// The interface's own address.
        own: OwnAddress,
        /// The next hop of the default route, of the same family.
        gateway: Option<IpAddr>,
    },
    /// `0/0[@GATEWAY]`: no address; the link comes up, and with a gateway it carries the default route.
    Unnumbered {
        /// The next hop of the default route.
        gateway: Option<IpAddr>,
    },
    /// `dhcp`, `udhcpc-f:OPTIONS` …: whatever a DHCP server gives.
    Dhcp(DhcpWord),
}

impl Address {
    /// The gateway after the `@`.
    #[must_use]
    pub fn gateway(&self) -> Option<IpAddr> {
        match self {
            Self::Fixed { gateway, .. } | Self::Unnumbered { gateway } => *gateway,
            Self::Dhcp(_) => None,
        }
    }

    /// The interface's own address.
    #[must_use]
    pub fn own(&self) -> Option<OwnAddress> {
        match self {
            Self::Fixed { own, .. } => Some(*own),
            Self::Unnumbered { .. } | Self::Dhcp(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        if DhcpWord::is_meant(word) {
            return word.parse().map(Self::Dhcp);
        }
        let (own, gateway) = match word.split_once('@') {
            Some((own, gateway)) => (own, Some(parse_ip(GATEWAY, gateway)?)),
            None => (word, None),
        };
        if let Some(gateway) = gateway {
            check_host(GATEWAY, gateway)?;
        }
        if own == "0/0" {
            return Ok(Self::Unnumbered { gateway });
        }
        let own = own.parse()?;
        if let Some(gateway) = gateway {
            check_gateway(own, gateway)?;
        }
        Ok(Self::Fixed { own, gateway })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { own, .. } => own.fmt(f)?,
            Self::Unnumbered { .. } => f.write_str("0/0")?,
            Self::Dhcp(word) => word.fmt(f)?,
        }
        match self.gateway() {
            Some(gateway) => write!(f, "@{gateway}"),
            None => Ok(()),
        }
    }
}

fn check_gateway(own: OwnAddress, gateway: IpAddr) -> Result<(), SpecError> {
    let refuse = |why: String| Err(SpecError::new(GATEWAY, &gateway.to_string(), why));
    if gateway.is_ipv4() != own.ip().is_ipv4() {
        return refuse(format!("is of another family than {own}"));
    }
    if gateway == own.ip() {
        return refuse("is the interface's own address".into());
    }
    match reserved(own.prefix(), gateway) {
        Some(why) => refuse(why),
        None => Ok(()),
    }
}

/// The gateways of an address list, each once, in the order given: of a family the first is preferred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateways(Vec<IpAddr>);

impl Gateways {
    /// Those of one family.
    pub fn of(&self, v4: bool) -> impl Iterator<Item = IpAddr> {
        self.0.iter().copied().filter(move |gateway| gateway.is_ipv4() == v4)
    }

    /// The preferred one of a family.
    #[must_use]
    pub fn first(&self, v4: bool) -> Option<IpAddr> {
        self.of(v4).next()
    }

    /// All of them, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.of(true).chain(self.of(false))
    }
}

/// `ADDRESS[,ADDRESS…]`: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressList(Vec<Address>);

impl AddressList {
    /// The words in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.0.iter()
    }

    /// The interface's own addresses in the order given.
    pub fn own(&self) -> impl Iterator<Item = OwnAddress> {
        self.0.iter().filter_map(Address::own)
    }

    /// The same with their prefix lengths alone.
    pub fn nets(&self) -> impl Iterator<Item = IpNet> {
        self.own().map(|own| own.net)
    }

    /// The DHCP word. The list holds at most one.
    #[must_use]
    pub fn dhcp(&self) -> Option<&DhcpWord> {
        self.0.iter().find_map(|address| match address {
            Address::Dhcp(word) => Some(word),
            _ => None,
        })
    }

    /// The gateways.
    #[must_use]
    pub fn gateways(&self) -> Gateways {
        let mut gateways = Gateways::default();
        for gateway in self.0.iter().filter_map(Address::gateway) {
            if !gateways.0.contains(&gateway) {
                gateways.0.push(gateway);
            }
        }
        gateways
    }
}

/// The words of a list. Options of a DHCP client may contain commas, so everything behind its colon is its own.
fn split(word: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(word);
    std::iter::from_fn(move || {
        let here = rest.take()?;
        let (first, behind) =
            here.split_once(',').map_or((here, None), |(first, behind)| (first, Some(behind)));
        if first.contains(':') && DhcpWord::is_meant(first) {
            return Some(here);
        }
        rest = behind;
        Some(first)
    })
}

impl FromStr for AddressList {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let list = split(word).map(str::parse).collect::<Result<Vec<Address>, _>>()?;
        for (i, address) in list.iter().enumerate() {
            let before = &list[..i];
            if matches!(address, Address::Dhcp(_)) {
                if before.iter().any(|other| matches!(other, Address::Dhcp(_))) {
                    return Err(SpecError::new(ADDRESS, word, "asks for two leases"));
                }
            } else if let Some(own) = address.own() {
                if before.iter().filter_map(Address::own).any(|other| other.ip() == own.ip()) {
                    return Err(SpecError::new(ADDRESS, &own.to_string(), "is given twice"));
                }
            } else if list.len() > 1 && address.gateway().is_none() {
                let refused = SpecError::new(ADDRESS, word, "says both an address and none");
                return Err(refused.hint("leave 0/0 out"));
            }
        }
        // The gateway of one word can be the address of another.
        let list = Self(list);
        if let Some(own) = list.gateways().iter().find(|gw| list.nets().any(|net| net.addr() == *gw)) {
            return Err(SpecError::new(GATEWAY, &own.to_string(), "is the interface's own address"));
        }
        Ok(list)
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, address) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            address.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(word: &str) -> String {
        word.parse::<AddressList>().expect_err(word).to_string()
    }

    #[test]
    fn every_form_prints_as_it_was_read() {
        for word in [
            "192.168.0.123/24",
            "192.168.0.123/24@192.168.0.1",
            "10.0.0.2/32@192.168.0.1",
            "10.0.0.0/31@10.0.0.1",
            "fd00::2/64@fe80::1",
            "fd00::/127",
            "0/0",
            "0/0@10.0.0.1",
            "10.0.0.2/24@10.0.0.1,fd00::2/64@fd00::1,10.0.1.2/24",
            "10.0.0.2/24@10.0.0.1,10.1.0.2/24@10.1.0.1,10.1.0.3/24@10.1.0.1",
            "10.0.0.2=10.0.0.1/32@10.0.0.1,fd00::2=fd00::1/128@fd00::1",
            "dhcp",
            "dhcp-f,fd00::2/64@fd00::1",
            "fd00::2/64,udhcpc-f:-O 1,2 -x hostname:a,10.0.0.9/24",
        ] {
            assert_eq!(word.parse::<AddressList>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn gateways_keep_their_order_and_are_named_once() {
        let list = "10.1.0.2/24@10.1.0.1,fd00::2/64@fd00::1,10.0.0.2/24@10.0.0.1,10.1.0.3/24@10.1.0.1";
        let gateways = list.parse::<AddressList>().unwrap().gateways();
        let of = |v4| gateways.of(v4).map(|ip| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(
            (of(true), of(false)),
            (vec!["10.1.0.1".into(), "10.0.0.1".into()], vec!["fd00::1".into()])
        );
    }

    #[test]
    fn a_missing_prefix_gets_a_hint() {
        assert_eq!(
            error("192.168.0.123"),
            r#"address "192.168.0.123": has no prefix length (did you mean 192.168.0.123/24?)"#
        );
        assert!(error("fd00::1@fd00::2").ends_with("(did you mean fd00::1/64?)"));
        assert!(error("10.0.0.2/255.255.0.0").ends_with("(did you mean 10.0.0.2/16?)"));
    }

    #[test]
    fn addresses_that_no_host_can_have_are_refused() {
        for (word, why) in [
            ("192.168.0.0/24", "network address"),
            ("192.168.0.255/24", "broadcast address"),
            ("255.255.255.255/32", "broadcast address"),
            ("224.0.0.1/24", "multicast"),
            ("ff02::1/64", "multicast"),
            ("0.0.0.0/24", "unspecified"),
            ("0.0.0.0/0", "did you mean 0/0"),
            ("::/64", "unspecified"),
            ("127.0.0.1/8", "loopback"),
            ("fd00::/64", "network address"),
            ("10.0.0.1/0", "prefix length 0"),
            ("10.0.0.1/33", "from 1 to 32"),
            ("fd00::1/129", "from 1 to 128"),
            ("10.0.0.1/", "from 1 to 32"),
            ("10.0.0.1/+8", "from 1 to 32"),
            ("10.0.0.1/-1", "from 1 to 32"),
            ("10.0.0.1/24/24", "from 1 to 32"),
            ("10.0.0.2/24@10.0.0.2", "own address"),
            ("10.0.0.2/24@10.0.0.0", "network address"),
            ("10.0.0.2/24@10.0.0.255", "broadcast address"),
            ("10.0.0.2/24@fd00::1", "another family"),
            ("fd00::2/64@10.0.0.1", "another family"),
            ("10.0.0.2/24@0.0.0.0", "unspecified"),
            ("10.0.0.2/24@224.0.0.1", "multicast"),
            ("10.0.0.2/24@", "no IPv4 or IPv6"),
            ("10.0.0.2/24@10.0.0.1@10.0.0.3", "no IPv4 or IPv6"),
            ("10.0.0.2/24,", "no IPv4 or IPv6"),
            ("10.0.0.2/24,10.0.0.2/16", "given twice"),
            ("10.0.0.2/24,0/0", "both an address and none"),
            ("10.0.0.2/24@10.0.0.1,10.0.0.1/24", "own address"),
            ("::ffff:10.0.0.5/128", "IPv4 address in IPv6 form"),
            ("dhcp,udhcpc-f", "two leases"),
            ("dhcp,0/0", "both an address and none"),
            ("0/0,dhcp", "both an address and none"),
            ("dhcp@10.0.0.1", "no IPv4 or IPv6"),
            ("dhcp6", "no IPv4 or IPv6"),
            ("nonsense", "no IPv4 or IPv6"),
        ] {
            assert!(error(word).contains(why), "{word}: {}", error(word));
        }
    }
}
