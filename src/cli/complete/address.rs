//! What an address could be, by the networks that an uplink is in.
//!
//! PURE. A whole address is suggested only where everybody who is in the network is known; on a network with other machines
//! it is the part that they have in common.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Candidate;
use crate::spec::AddressList;

/// How many addresses are tried for a free one.
const TRIES: usize = 4096;

/// A network that an uplink leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its addresses.
    pub net: IpNet,
    /// Who leads out of it.
    pub gateway: Option<IpAddr>,
    /// Whether it ends on this machine.
    pub local: bool,
}

/// The networks of an uplink, the likeliest first, and the addresses in them that somebody has.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The networks.
    pub networks: Vec<Network>,
    /// The addresses.
    pub used: HashSet<IpAddr>,
}

impl Surroundings {
    /// Adds a network unless it is known already.
    pub fn add(&mut self, net: IpNet, gateway: Option<IpAddr>, local: bool) {
        let net = net.trunc();
        let alone = net.prefix_len() == net.max_prefix_len();
        let gateway = gateway.filter(|gateway| net.contains(gateway));
        match self.networks.iter_mut().find(|known| known.net == net) {
            Some(known) => known.gateway = known.gateway.or(gateway),
            None if alone => {}
            None => self.networks.push(Network { net, gateway, local }),
        }
    }
}

/// What the word that was begun could become.
#[must_use]
pub fn suggestions(begun: &str, around: &Surroundings) -> Vec<Candidate> {
    let (head, tail) = begun.rfind(',').map_or(("", begun), |comma| begun.split_at(comma + 1));
    let given = head.trim_end_matches(',').parse::<AddressList>().ok();
    let given: Vec<_> = given.iter().flat_map(AddressList::nets).collect();
    let fits = |network: &&Network| !given.iter().any(|net| network.net.contains(&net.addr()));
    let networks: Vec<_> = around.networks.iter().filter(fits).collect();
    let mut found = Vec::new();
    if let Some((own, _)) = tail.split_once('@') {
        with_gateway(own, &networks, &mut found);
    } else {
        let ip = tail.split('/').next().and_then(|ip| ip.parse::<IpAddr>().ok());
        match ip {
            Some(ip) => with_length(ip, tail, &networks, &mut found),
            None => networks.iter().for_each(|network| network.suggest(&around.used, &mut found)),
        }
        found.extend(words(tail));
    }
    found.retain(|one| one.word.starts_with(tail));
    for one in &mut found {
        one.word.insert_str(0, head);
    }
    found
}

/// What is no address. Clients by name are for those who know them.
fn words(tail: &str) -> impl Iterator<Item = Candidate> {
    const WORDS: [(&str, &str); 6] = [
        ("dhcp", "a lease by DHCP"),
        ("dhcp-f", "a lease by DHCP, and its renewals"),
        ("0/0", "no address, the link only"),
        ("udhcpc", "a lease, got by udhcpc"),
        ("dhcpcd", "a lease, got by dhcpcd"),
        ("dhclient", "a lease, got by dhclient"),
    ];
    let most = if tail.is_empty() { 3 } else { WORDS.len() };
    WORDS.into_iter().take(most).map(|(word, about)| Candidate::new(word, about))
}

fn with_gateway(own: &str, networks: &[&Network], found: &mut Vec<Candidate>) {
    let net = own.parse::<IpNet>().ok();
    let of = |network: &&&Network| match net {
        Some(net) => network.net == net.trunc(),
        None => own == "0/0",
    };
    let mut gateways: Vec<_> = networks.iter().filter(of).filter_map(|network| network.gateway).collect();
    if gateways.is_empty() {
        gateways.extend(net.and_then(|net| hosts(net).next()));
    }
    gateways.retain(|gateway| net.is_none_or(|net| net.addr() != *gateway));
    found.extend(
        gateways.into_iter().map(|gateway| Candidate::new(format!("{own}@{gateway}"), "the gateway")),
    );
}

/// An address that is written already, up to a part of its length.
fn with_length(ip: IpAddr, tail: &str, networks: &[&Network], found: &mut Vec<Candidate>) {
    let typed = tail.split('/').next().unwrap_or_default();
    let home = networks.iter().find(|network| network.net.contains(&ip));
    if let Some(network) = home {
        let own = format!("{typed}/{}", network.net.prefix_len());
        if let Some(gateway) = network.gateway.filter(|gateway| *gateway != ip) {
            found.push(Candidate::new(format!("{own}@{gateway}"), "with a default route"));
        }
        found.push(Candidate::new(own, "without"));
    } else if !tail.contains('/') {
        let usual = if ip.is_ipv4() { 24 } else { 64 };
        found.push(Candidate::new(format!("{typed}/{usual}"), "the usual length"));
    }
    // A length of somebody's own choice.
    let whole = tail.parse::<IpNet>().is_ok() && found.iter().all(|one| one.word != tail);
    found.extend(whole.then(|| Candidate::new(tail, "")));
}

impl Network {
    fn suggest(&self, used: &HashSet<IpAddr>, found: &mut Vec<Candidate>) {
        let about = match self.gateway {
            Some(gateway) => format!("network {}, gateway {gateway}", self.net),
            None => format!("network {}", self.net),
        };
        if !self.local {
            found.extend(self.common().map(|part| Candidate::new(part, about)));
            return;
        }
        let free = |ip: &IpAddr| !used.contains(ip) && Some(*ip) != self.gateway;
        let Some(ip) = hosts(self.net).take(TRIES).find(free) else { return };
        let own = format!("{ip}/{}", self.net.prefix_len());
        if let Some(gateway) = self.gateway {
            found.push(Candidate::new(format!("{own}@{gateway}"), "free, with a default route"));
        }
        found.push(Candidate::new(own, "free"));
    }

    /// The start that all its addresses have.
    fn common(&self) -> Option<String> {
        match self.net {
            IpNet::V4(net) => {
                let octets = net.addr().octets();
                let same = octets.iter().take((net.prefix_len() / 8).into()).map(ToString::to_string);
                let same: Vec<_> = same.collect();
                (!same.is_empty()).then(|| same.join(".") + ".")
            }
            IpNet::V6(net) => net.addr().to_string().strip_suffix("::").map(|part| format!("{part}::")),
        }
    }
}

/// The addresses of a network that a host can have.
fn hosts(net: IpNet) -> impl Iterator<Item = IpAddr> {
    // In IPv6 the first means any router (RFC 4291 2.6.1).
    net.hosts().filter(move |ip| net.prefix_len() + 1 >= net.max_prefix_len() || *ip != net.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(networks: &[(&str, &str, bool)], used: &[&str]) -> Surroundings {
        let mut around = Surroundings::default();
        for (net, gateway, local) in networks {
            around.add(net.parse().unwrap(), gateway.parse().ok(), *local);
        }
        around.used.extend(used.iter().map(|ip| ip.parse::<IpAddr>().unwrap()));
        around
    }

    fn offered(begun: &str, around: &Surroundings) -> String {
        suggestions(begun, around).into_iter().map(|one| one.word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_next_free_address_of_a_network_of_ones_own() {
        let around = around(
            &[("10.0.0.1/24", "10.0.0.1", true), ("fd00::1/64", "fd00::1", true)],
            &["10.0.0.1", "10.0.0.2", "10.0.0.4", "fd00::1"],
        );
        assert_eq!(
            offered("", &around),
            "10.0.0.3/24@10.0.0.1 10.0.0.3/24 fd00::2/64@fd00::1 fd00::2/64 dhcp dhcp-f 0/0"
        );
        assert_eq!(offered("10.0.0.", &around), "10.0.0.3/24@10.0.0.1 10.0.0.3/24");
        assert_eq!(
            offered("10.0.0.3/24,", &around),
            "10.0.0.3/24,fd00::2/64@fd00::1 10.0.0.3/24,fd00::2/64 10.0.0.3/24,dhcp 10.0.0.3/24,dhcp-f 10.0.0.3/24,0/0"
        );
        assert_eq!(offered("192", &around), "");
    }

    #[test]
    fn among_other_machines_only_what_they_have_in_common() {
        let lan = around(
            &[
                ("192.168.7.5/24", "192.168.7.1", false),
                ("172.20.1.1/20", "", false),
                ("fd00:1::5/64", "", false),
            ],
            &["192.168.7.5"],
        );
        assert_eq!(offered("", &lan), "192.168.7. 172.20. fd00:1:: dhcp dhcp-f 0/0");
        assert_eq!(offered("192.168.7.77", &lan), "192.168.7.77/24@192.168.7.1 192.168.7.77/24");
        assert_eq!(offered("192.168.7.77/", &lan), "192.168.7.77/24@192.168.7.1 192.168.7.77/24");
        assert_eq!(offered("192.168.7.77/24", &lan), "192.168.7.77/24@192.168.7.1 192.168.7.77/24");
        assert_eq!(offered("192.168.7.77/24@", &lan), "192.168.7.77/24@192.168.7.1");
        assert_eq!(offered("192.168.7.1", &lan), "192.168.7.1/24");
        assert_eq!(offered("0/0@", &lan), "0/0@192.168.7.1");
        assert_eq!(offered("fd00:1::9", &lan), "fd00:1::9/64");
    }

    #[test]
    fn where_nothing_is_known() {
        let nothing = Surroundings::default();
        assert_eq!(offered("", &nothing), "dhcp dhcp-f 0/0");
        assert_eq!(offered("10.1.2.3", &nothing), "10.1.2.3/24");
        assert_eq!(offered("fd00::9", &nothing), "fd00::9/64");
        assert_eq!(offered("10.1.2.3/16", &nothing), "10.1.2.3/16");
        assert_eq!(offered("10.1.2.3/16@", &nothing), "10.1.2.3/16@10.1.0.1");
        assert_eq!(offered("d", &nothing), "dhcp dhcp-f dhcpcd dhclient");
        for begun in [
            "@",
            "/",
            ",",
            "x@",
            "10.0.0.1/99",
            "10.0.0.1/99@",
            "::/0",
            "0.0.0.0/0@",
            "255.255.255.255/32@",
            "a,b,",
        ] {
            let _ = offered(begun, &nothing);
        }
    }

    #[test]
    fn a_full_or_a_small_network_has_no_free_address() {
        let full = around(&[("10.0.0.0/30", "10.0.0.1", true)], &["10.0.0.1", "10.0.0.2"]);
        assert_eq!(offered("1", &full), "");
        let alone = around(&[("10.0.0.1/32", "", true)], &[]);
        assert_eq!(alone.networks, []);
    }
}
