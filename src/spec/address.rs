//! Addresses: `IP/LEN[@GATEWAY]`, `0/0[@GATEWAY]`, a DHCP word, several with commas.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{DhcpWord, SpecError};

const ADDRESS: &str = "address";
const GATEWAY: &str = "gateway";

/// One address word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `IP/LEN[@GATEWAY]`: this address, and the default route through this gateway.
    Fixed {
        /// The interface's own address with its prefix length.
        net: IpNet,
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
    pub fn net(&self) -> Option<IpNet> {
        match self {
            Self::Fixed { net, .. } => Some(*net),
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
        let net = parse_net(own)?;
        check_own(own, net)?;
        if let Some(gateway) = gateway {
            check_gateway(net, gateway)?;
        }
        Ok(Self::Fixed { net, gateway })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed { net, .. } => net.fmt(f)?,
            Self::Unnumbered { .. } => f.write_str("0/0")?,
            Self::Dhcp(word) => word.fmt(f)?,
        }
        match self.gateway() {
            Some(gateway) => write!(f, "@{gateway}"),
            None => Ok(()),
        }
    }
}

fn parse_ip(what: &'static str, word: &str) -> Result<IpAddr, SpecError> {
    word.parse().map_err(|_| SpecError::new(what, word, "is no IPv4 or IPv6 address"))
}

/// `IP/LEN`, with a hint for what people write instead.
fn parse_net(word: &str) -> Result<IpNet, SpecError> {
    let Some((ip, len)) = word.split_once('/') else {
        let ip = parse_ip(ADDRESS, word)?;
        let usual = if ip.is_ipv4() { 24 } else { 64 };
        let refused = SpecError::new(ADDRESS, word, "has no prefix length");
        return Err(refused.hint(format!("did you mean {ip}/{usual}?")));
    };
    let ip = parse_ip(ADDRESS, ip)?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    if let Some(len) = len.parse().ok().and_then(|mask| ipnet::ip_mask_to_prefix(mask).ok()) {
        let refused = SpecError::new(ADDRESS, word, "has a netmask instead of a prefix length");
        return Err(refused.hint(format!("did you mean {ip}/{len}?")));
    }
    let digits = !len.is_empty() && len.bytes().all(|digit| digit.is_ascii_digit());
    match len.parse().ok().filter(|_| digits).and_then(|len| IpNet::new(ip, len).ok()) {
        Some(net) => Ok(net),
        None => Err(SpecError::new(ADDRESS, word, format!("has no prefix length from 1 to {most}"))),
    }
}

/// What no host can have, whatever the prefix.
fn check_host(what: &'static str, ip: IpAddr) -> Result<(), SpecError> {
    let refuse = |why: &str| Err(SpecError::new(what, &ip.to_string(), why));
    if ip.is_unspecified() {
        return refuse("is the unspecified address");
    }
    if ip.is_multicast() {
        return refuse("is a multicast address");
    }
    if ip.is_loopback() {
        return refuse("is a loopback address");
    }
    if matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some()) {
        return refuse("is an IPv4 address in IPv6 form, which never goes over a wire (RFC 4291 2.5.5.2)");
    }
    if matches!(ip, IpAddr::V4(ip) if ip.is_broadcast()) {
        return refuse("is the broadcast address");
    }
    Ok(())
}

/// The rules for the interface's own address.
fn check_own(word: &str, net: IpNet) -> Result<(), SpecError> {
    if net.addr().is_unspecified() && net.prefix_len() == 0 {
        let refused = SpecError::new(ADDRESS, word, "is the unspecified address");
        return Err(refused.hint("did you mean 0/0, no address at all?"));
    }
    check_host(ADDRESS, net.addr())?;
    if net.prefix_len() == 0 {
        return Err(SpecError::new(
            ADDRESS,
            word,
            "has prefix length 0, which claims every address there is",
        ));
    }
    match reserved(net, net.addr()) {
        Some(why) => Err(SpecError::new(ADDRESS, word, why)),
        None => Ok(()),
    }
}

fn check_gateway(net: IpNet, gateway: IpAddr) -> Result<(), SpecError> {
    let refuse = |why: String| Err(SpecError::new(GATEWAY, &gateway.to_string(), why));
    if gateway.is_ipv4() != net.addr().is_ipv4() {
        return refuse(format!("is of another family than {net}"));
    }
    if gateway == net.addr() {
        return refuse("is the interface's own address".into());
    }
    match reserved(net, gateway) {
        Some(why) => refuse(why),
        None => Ok(()),
    }
}

/// Whether `ip` is one of the two addresses of `net` that no host has. Prefixes with room for one or
/// two hosts have no such addresses (RFC 3021 for /31, RFC 6164 for /127).
fn reserved(net: IpNet, ip: IpAddr) -> Option<String> {
    if net.prefix_len() + 1 >= net.max_prefix_len() {
        return None;
    }
    if ip == net.network() {
        // In IPv6 it is the Subnet-Router anycast address, which only routers have (RFC 4291 2.6.1).
        return Some(format!("is the network address of {}", net.trunc()));
    }
    if ip.is_ipv4() && ip == net.broadcast() {
        return Some(format!("is the broadcast address of {}", net.trunc()));
    }
    None
}

/// The gateways of an address list, one a family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gateways {
    /// Next hop of the IPv4 default route.
    pub v4: Option<IpAddr>,
    /// Next hop of the IPv6 default route.
    pub v6: Option<IpAddr>,
}

impl Gateways {
    /// The gateways there are, IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> {
        self.v4.into_iter().chain(self.v6)
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
    pub fn nets(&self) -> impl Iterator<Item = IpNet> {
        self.0.iter().filter_map(Address::net)
    }

    /// The DHCP word. The list holds at most one.
    #[must_use]
    pub fn dhcp(&self) -> Option<&DhcpWord> {
        self.0.iter().find_map(|address| match address {
            Address::Dhcp(word) => Some(word),
            _ => None,
        })
    }

    /// The default gateways. The list holds at most one a family.
    #[must_use]
    pub fn gateways(&self) -> Gateways {
        let mut gateways = Gateways::default();
        for gateway in self.0.iter().filter_map(Address::gateway) {
            *(if gateway.is_ipv4() { &mut gateways.v4 } else { &mut gateways.v6 }) = Some(gateway);
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
            } else if let Some(net) = address.net() {
                if before.iter().filter_map(Address::net).any(|other| other.addr() == net.addr()) {
                    return Err(SpecError::new(ADDRESS, &net.to_string(), "is given twice"));
                }
            } else if list.len() > 1 && address.gateway().is_none() {
                let refused = SpecError::new(ADDRESS, word, "says both an address and none");
                return Err(refused.hint("leave 0/0 out"));
            }
            let Some(gateway) = address.gateway() else { continue };
            let rival = before.iter().filter_map(Address::gateway);
            if let Some(rival) =
                rival.into_iter().find(|ip| ip.is_ipv4() == gateway.is_ipv4() && *ip != gateway)
            {
                let why = format!("is a second one beside {rival}, a family has one default route");
                return Err(SpecError::new(GATEWAY, &gateway.to_string(), why));
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
            "dhcp",
            "dhcp-f,fd00::2/64@fd00::1",
            "fd00::2/64,udhcpc-f:-O 1,2 -x hostname:a,10.0.0.9/24",
        ] {
            assert_eq!(word.parse::<AddressList>().unwrap().to_string(), word);
        }
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
            ("10.0.0.2/24@10.0.0.1,10.1.0.2/24@10.1.0.1", "second one"),
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
