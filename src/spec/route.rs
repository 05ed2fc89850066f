//! Further routes: `CIDR[@GATEWAY]`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::SpecError;

/// A route that is not the default route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to: a network, all host bits zero.
    pub net: IpNet,
    /// The next hop; without one the gateway of the address of this family, and without that the link itself.
    pub gateway: Option<IpAddr>,
}

impl FromStr for Route {
    type Err = SpecError;

    fn from_str(word: &str) -> Result<Self, SpecError> {
        let refuse = |why: &str| SpecError::new("route", word, why);
        let (net, gateway) = match word.split_once('@') {
            Some((net, gateway)) => {
                let gateway: IpAddr =
                    gateway.parse().map_err(|_| refuse("has a gateway that is no IPv4 or IPv6 address"))?;
                (net, Some(gateway))
            }
            None => (word, None),
        };
        let default =
            || refuse("is the default route").hint("give a gateway with the address: IP/LEN@GATEWAY");
        if net == "default" {
            return Err(default());
        }
        let net: IpNet = net.parse().map_err(|_| refuse("is not of the form NETWORK/LEN[@GATEWAY]"))?;
        if net.prefix_len() == 0 {
            return Err(default());
        }
        if net.addr() != net.network() {
            return Err(refuse("has host bits set").hint(format!("did you mean {}?", net.trunc())));
        }
        if net.addr().is_multicast() || net.addr().is_loopback() {
            return Err(refuse("leads to no other host"));
        }
        if let Some(gateway) = gateway {
            if gateway.is_ipv4() != net.addr().is_ipv4() {
                return Err(refuse("has a gateway of another family"));
            }
            if gateway.is_unspecified() || gateway.is_multicast() || gateway.is_loopback() {
                return Err(refuse("has a gateway that no host can be"));
            }
        }
        Ok(Self { net, gateway })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.fmt(f)?;
        match self.gateway {
            Some(gateway) => write!(f, "@{gateway}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_prints_as_it_was_read() {
        for word in ["10.0.0.0/8", "10.0.0.0/8@192.168.0.1", "fd00::/8@fe80::1", "10.1.2.3/32"] {
            assert_eq!(word.parse::<Route>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for word in [
            "",
            "10.0.0.0",
            "10.0.0.1/8",
            "0.0.0.0/0",
            "::/0@fe80::1",
            "10.0.0.0/8@",
            "10.0.0.0/8@fd00::1",
            "10.0.0.0/8@0.0.0.0",
            "224.0.0.0/4",
            "127.0.0.0/8",
            "default",
            "default@10.0.0.1",
            "10.0.0.0/33",
        ] {
            assert!(word.parse::<Route>().is_err(), "{word:?}");
        }
    }
}
