//! What a client says of a lease, read as addresses and numbers; whatever else a server sends is not even looked at.
//!
//! PURE.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;

/// More routes than any server means to send.
const MOST_ROUTES: usize = 64;

/// A lease, as far as it concerns the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address with its prefix.
    pub net: Ipv4Net,
    /// The next hop of the default route.
    pub router: Option<Ipv4Addr>,
    /// Further routes (RFC 3442); the unspecified address stands for the link itself.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
}

/// What the client has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// There is a lease, new or renewed.
    Bound(Lease),
    /// There is none any more.
    Lost,
}

impl News {
    /// Reads what a client tells its script: udhcpc by the first argument, the others by the variable `reason`.
    pub fn read(word: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let reason = variable("reason");
        let (event, prefix) = match &reason {
            Some(reason) => (reason.as_str(), "new_"),
            None => (word?, ""),
        };
        match event {
            "bound" | "renew" => read_udhcpc(variable).map(Self::Bound),
            "BOUND" | "RENEW" | "REBIND" | "REBOOT" => {
                read_env(|name| variable(&format!("{prefix}{name}"))).map(Self::Bound)
            }
            "deconfig" | "EXPIRE" | "FAIL" | "NAK" | "RELEASE" | "STOP" => Some(Self::Lost),
            _ => None,
        }
    }
}

fn read_udhcpc(variable: impl Fn(&str) -> Option<String>) -> Option<Lease> {
    let net = net(&variable("ip")?, variable("subnet"))?;
    let routes = variable("staticroutes").map(|text| pairs(&text)).unwrap_or_default();
    Some(lease(net, variable("router"), routes))
}

fn read_env(variable: impl Fn(&str) -> Option<String>) -> Option<Lease> {
    let net = net(&variable("ip_address")?, variable("subnet_mask"))?;
    let routes = match variable("rfc3442_classless_static_routes") {
        Some(octets) => rfc3442(&octets),
        None => variable("classless_static_routes").map(|text| pairs(&text)).unwrap_or_default(),
    };
    Some(lease(net, variable("routers"), routes))
}

/// An address that a host can have.
fn usable(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast())
}

fn net(ip: &str, mask: Option<String>) -> Option<Ipv4Net> {
    let ip: Ipv4Addr = ip.parse().ok().filter(|ip| usable(*ip))?;
    let mask = match mask {
        Some(mask) => mask.parse().ok()?,
        None => Ipv4Addr::BROADCAST,
    };
    Ipv4Net::with_netmask(ip, mask).ok().filter(|net| net.prefix_len() > 0)
}

/// Puts it together. With routes of its own the router is to be ignored (RFC 3442).
fn lease(net: Ipv4Net, list: Option<String>, mut routes: Vec<(Ipv4Net, Ipv4Addr)>) -> Lease {
    let good = |ip: &Ipv4Addr| usable(*ip) && *ip != net.addr();
    let next_hop = if routes.is_empty() {
        list.and_then(|list| list.split_ascii_whitespace().find_map(|ip| ip.parse().ok().filter(good)))
    } else {
        let default = routes.iter().find(|(to, _)| to.prefix_len() == 0).map(|(_, via)| *via);
        default.filter(good)
    };
    routes.retain(|(to, via)| to.prefix_len() > 0 && (via.is_unspecified() || good(via)));
    routes.truncate(MOST_ROUTES);
    Lease { net, router: next_hop, routes }
}

/// `DESTINATION GATEWAY DESTINATION GATEWAY …`
fn pairs(text: &str) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    let pair = |pair: &[&str]| match pair {
        [to, via] => Some((to.parse::<Ipv4Net>().ok()?.trunc(), via.parse().ok()?)),
        _ => None,
    };
    words.chunks(2).filter_map(pair).collect()
}

/// The option's own octets: prefix length, as many octets of the destination as it covers, the gateway.
fn rfc3442(text: &str) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let mut octets = text.split_ascii_whitespace().map_while(|octet| octet.parse::<u8>().ok());
    let mut routes = Vec::new();
    while let Some(len) = octets.next().filter(|len| *len <= 32) {
        let mut to = [0; 4];
        let mut whole = true;
        for octet in to.iter_mut().take(usize::from(len).div_ceil(8)) {
            match octets.next() {
                Some(value) => *octet = value,
                None => whole = false,
            }
        }
        let via: Vec<u8> = octets.by_ref().take(4).collect();
        let (Some(via), true, Ok(to)) = (via.first_chunk::<4>(), whole, Ipv4Net::new(to.into(), len)) else {
            break;
        };
        routes.push((to.trunc(), Ipv4Addr::from(*via)));
    }
    routes
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.net)?;
        if let Some(router) = self.router {
            write!(f, " {router}")?;
        }
        self.routes.iter().try_for_each(|(to, via)| write!(f, " {to}={via}"))
    }
}

impl FromStr for Lease {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ');
        let net = words.next().and_then(|word| word.parse().ok()).ok_or(())?;
        let mut lease = Self { net, router: None, routes: Vec::new() };
        for word in words {
            match word.split_once('=') {
                Some((to, via)) => {
                    lease.routes.push((to.parse().map_err(|_| ())?, via.parse().map_err(|_| ())?));
                }
                None => lease.router = Some(word.parse().map_err(|_| ())?),
            }
        }
        Ok(lease)
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound(lease) => write!(f, "bound {lease}"),
            Self::Lost => f.write_str("lost"),
        }
    }
}

impl FromStr for News {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(' ') {
            Some(("bound", lease)) => lease.parse().map(Self::Bound),
            None if text == "lost" => Ok(Self::Lost),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: Option<&str>, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let news = News::read(word, variable);
        if let Some(news) = &news {
            assert_eq!(news.to_string().parse().as_ref(), Ok(news));
        }
        news.map_or_else(|| "nothing".to_owned(), |news| news.to_string())
    }

    #[test]
    fn each_client_is_understood() {
        let udhcpc = [("ip", "10.0.0.5"), ("subnet", "255.255.255.0"), ("router", "10.0.0.1 10.0.0.2")];
        assert_eq!(read(Some("bound"), &udhcpc), "bound 10.0.0.5/24 10.0.0.1");
        assert_eq!(read(Some("deconfig"), &udhcpc), "lost");
        assert_eq!(read(Some("leasefail"), &udhcpc), "nothing");
        assert_eq!(read(None, &udhcpc), "nothing");
        let others = [
            ("reason", "REBOOT"),
            ("new_ip_address", "10.0.0.5"),
            ("new_subnet_mask", "255.255.0.0"),
            ("new_routers", "10.0.0.1"),
        ];
        assert_eq!(read(None, &others), "bound 10.0.0.5/16 10.0.0.1");
        assert_eq!(read(None, &[("reason", "EXPIRE")]), "lost");
        assert_eq!(read(None, &[("reason", "PREINIT")]), "nothing");
    }

    #[test]
    fn routes_of_its_own_win_over_the_router() {
        let ip = [("ip", "10.0.0.5"), ("subnet", "255.255.255.0"), ("router", "10.0.0.1")];
        let routes = ("staticroutes", "10.9.1.2/16 10.0.0.7 0.0.0.0/0 10.0.0.9 10.8.0.0/16 0.0.0.0 x");
        let expected = "bound 10.0.0.5/24 10.0.0.9 10.9.0.0/16=10.0.0.7 10.8.0.0/16=0.0.0.0";
        assert_eq!(read(Some("renew"), &[&ip[..], &[routes]].concat()), expected);
        let octets = "16 10 9 10 0 0 7 0 10 0 0 9 16 10 8 0 0 0 0 24 1";
        let others = [
            ("reason", "BOUND"),
            ("new_ip_address", "10.0.0.5"),
            ("new_subnet_mask", "255.255.255.0"),
            ("new_rfc3442_classless_static_routes", octets),
        ];
        assert_eq!(read(None, &others), expected);
    }

    #[test]
    fn what_no_host_can_have_is_no_lease() {
        for (ip, mask) in [
            ("$(touch /x)", "255.255.255.0"),
            ("0.0.0.0", "255.255.255.0"),
            ("127.0.0.1", "255.0.0.0"),
            ("224.0.0.1", "255.255.255.0"),
            ("10.0.0.5", "255.0.255.0"),
            ("10.0.0.5", "0.0.0.0"),
            ("10.0.0.5", "x"),
        ] {
            assert_eq!(read(Some("bound"), &[("ip", ip), ("subnet", mask)]), "nothing", "{ip} {mask}");
        }
        let own = [("ip", "10.0.0.5"), ("router", "10.0.0.5 $(x) 0.0.0.0")];
        assert_eq!(read(Some("bound"), &own), "bound 10.0.0.5/32");
    }

    #[test]
    fn nothing_that_is_sent_panics() {
        for text in
            ["", "bound", "bound ", "bound x", "bound 10.0.0.1/24 =", "bound 10.0.0.1/24 x=y", "lost x"]
        {
            assert_eq!(text.parse::<News>(), Err(()), "{text}");
        }
        for text in ["", "33", "24 1", "32 1 2 3 4 5", "0", "300 1"] {
            assert_eq!(rfc3442(text), []);
        }
    }
}
