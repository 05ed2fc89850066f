//! An address of the interface itself: `IP/LEN`, or `IP=PEER/LEN` on a link whose other end is known.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::SpecError;

const ADDRESS: &str = "address";
const PEER: &str = "peer";

/// An address with its prefix, which is that of the peer where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnAddress {
    /// The address, and the length of the prefix.
    pub net: IpNet,
    /// Who is at the other end of the link. Equal to `ip address add IP peer PEER/LEN`.
    pub peer: Option<IpAddr>,
}

impl OwnAddress {
    /// Without the length.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.net.addr()
    }

    /// The network that the kernel makes a route to: whoever is in it is on the link. In IPv4 it is the peer's
    /// (`fib_add_ifaddr`, net/ipv4/fib_frontend.c), in IPv6 the address's own (`inet6_addr_add`, net/ipv6/addrconf.c).
    #[must_use]
    pub fn prefix(&self) -> IpNet {
        let one_of_it = self.peer.filter(IpAddr::is_ipv4);
        let net = one_of_it.and_then(|peer| IpNet::new(peer, self.net.prefix_len()).ok());
        net.unwrap_or(self.net).trunc()
    }
}

impl From<IpNet> for OwnAddress {
    fn from(net: IpNet) -> Self {
        Self { net, peer: None }
    }
}

impl FromStr for OwnAddress {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let Some((own, peer)) = word.split_once('=') else {
            let net = parse_net(word)?;
            check_own(word, net)?;
            return Ok(net.into());
        };
        if own.contains('/') {
            let refused = SpecError::new(ADDRESS, own, "has a prefix length, which belongs behind the peer");
            return Err(refused.hint("the form is IP=PEER/LEN"));
        }
        let own = parse_ip(ADDRESS, own)?;
        let peer = match parse_net(peer) {
            Err(error) if !peer.contains('/') && peer.parse::<IpAddr>().is_ok() => {
                let most = if own.is_ipv4() { 32 } else { 128 };
                return Err(error.hint(format!("did you mean {word}/{most}?")));
            }
            peer => peer?,
        };
        check_own(word, peer)?;
        check_host(ADDRESS, own)?;
        if own.is_ipv4() != peer.addr().is_ipv4() {
            return Err(SpecError::new(
                PEER,
                &peer.addr().to_string(),
                format!("is of another family than {own}"),
            ));
        }
        if own == peer.addr() {
            return Err(SpecError::new(PEER, &own.to_string(), "is the interface's own address"));
        }
        let net = IpNet::new(own, peer.prefix_len())
            .map_err(|_| SpecError::new(ADDRESS, word, "has a prefix length that is too long"))?;
        Ok(Self { net, peer: Some(peer.addr()) })
    }
}

impl fmt::Display for OwnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{}={peer}/{}", self.ip(), self.net.prefix_len()),
            None => self.net.fmt(f),
        }
    }
}

pub(super) fn parse_ip(what: &'static str, word: &str) -> Result<IpAddr, SpecError> {
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
pub(super) fn check_host(what: &'static str, ip: IpAddr) -> Result<(), SpecError> {
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

/// The rules for an address with its prefix.
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

/// Whether `ip` is one of the two addresses of `net` that no host has. Prefixes with room for one or
/// two hosts have no such addresses (RFC 3021 for /31, RFC 6164 for /127).
pub(super) fn reserved(net: IpNet, ip: IpAddr) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_read_as_it_is_printed() {
        for (word, prefix) in [
            ("10.0.0.2=10.0.0.1/32", "10.0.0.1/32"),
            ("10.0.0.2=10.9.0.1/24", "10.9.0.0/24"),
            ("fd00::2=fd00::1/128", "fd00::2/128"),
            ("fd00::2=fe80::1/64", "fd00::/64"),
            ("10.0.0.2/24", "10.0.0.0/24"),
            ("10.0.0.2/32", "10.0.0.2/32"),
        ] {
            let address: OwnAddress = word.parse().unwrap();
            assert_eq!(address.to_string(), word);
            assert_eq!(address.prefix().to_string(), prefix);
        }
    }

    #[test]
    fn peers_that_cannot_be_are_refused() {
        for (word, why) in [
            ("10.0.0.2=10.0.0.1", "did you mean 10.0.0.2=10.0.0.1/32?"),
            ("fd00::2=fd00::1", "did you mean fd00::2=fd00::1/128?"),
            ("10.0.0.2/32=10.0.0.1", "IP=PEER/LEN"),
            ("10.0.0.2=fd00::1/128", "another family"),
            ("fd00::2=10.0.0.1/32", "another family"),
            ("10.0.0.2=10.0.0.2/32", "own address"),
            ("10.0.0.2=10.0.1.0/24", "network address"),
            ("10.0.0.2=0.0.0.0/0", "unspecified"),
            ("10.0.0.2=10.0.0.1/0", "prefix length 0"),
            ("127.0.0.1=10.0.0.1/32", "loopback"),
            ("10.0.0.2=224.0.0.1/32", "multicast"),
            ("=10.0.0.1/32", "no IPv4 or IPv6"),
            ("10.0.0.2=", "no IPv4 or IPv6"),
            ("10.0.0.2=10.0.0.1=10.0.0.3/32", "no IPv4 or IPv6"),
        ] {
            let error = word.parse::<OwnAddress>().expect_err(word).to_string();
            assert!(error.contains(why), "{word}: {error}");
        }
    }
}
