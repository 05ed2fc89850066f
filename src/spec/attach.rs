//! One attach as it was asked for: every word valid, nothing looked up yet.

use std::time::Duration;

use super::{AddressList, Gateways, IfName, LinkAddress, Route, Sharing, UplinkWord};

/// How thoroughly the network is asked whether somebody has an IPv4 address already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Three probes within a fifth of a second, and a fifth of listening: whoever has the address answers at once.
    Short,
    /// The timing of RFC 5227, four to seven seconds: for hosts that sleep and networks that lose packets.
    Full,
}

/// What to wire, and how. The target is apart: `attach` looks one up, `run` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// What the container is wired to.
    pub uplink: UplinkWord,
    /// The name inside the container; without one it is the usual one of the link's kind.
    pub ifname: Option<IfName>,
    /// The name of the host's end of a veth pair; without one a name is made.
    pub host_ifname: Option<IfName>,
    /// The addresses and gateways.
    pub addresses: AddressList,
    /// MAC and VLAN.
    pub link_address: LinkAddress,
    /// What an interface that shares its parent is to be; none asked for means a macvlan of mode bridge.
    pub sharing: Option<Sharing>,
    /// Move the uplink itself into the container.
    pub direct: bool,
    /// Leave behind what pipework would: no name for the namespace, its own words in Open vSwitch.
    pub pipework: bool,
    /// The largest packet in bytes, instead of the uplink's.
    pub mtu: Option<u32>,
    /// How many queues each way an interface that is made is to have, instead of one.
    pub queues: Option<u32>,
    /// The metric of the routes, instead of the kernel's own.
    pub metric: Option<u32>,
    /// Routes besides the default route.
    pub routes: Vec<Route>,
    /// Leave the default route as it is, gateways or not.
    pub no_default: bool,
    /// The routing table that the routes go into, instead of the main one, for packets from the addresses only.
    pub table: Option<u32>,
    /// How long a lease may take to come, instead of the usual time.
    pub lease_limit: Option<Duration>,
    /// Ask the network first whether somebody has the IPv4 addresses.
    pub probe: Option<Probe>,
    /// How often the neighbours are told of the addresses, a second apart.
    pub announce: u32,
    /// Use IPv6 addresses without asking whether somebody else has them.
    pub no_dad: bool,
    /// Let the interface speak IPv6 although new ones of the target do not.
    pub enable_ipv6: bool,
}

impl Attach {
    /// The gateways of the default routes of the main table.
    #[must_use]
    pub fn defaults(&self) -> Gateways {
        let none = self.no_default || self.table.is_some();
        if none { Gateways::default() } else { self.addresses.gateways() }
    }

    /// The routing tables of its own, the first and the last: where several gateways of a family are named, each has its
    /// own.
    #[must_use]
    pub fn tables(&self) -> Option<(u32, u32)> {
        let first = self.table?;
        let gateways = self.addresses.gateways();
        let most = gateways.of(true).count().max(gateways.of(false).count()).max(1);
        Some((first, u32::try_from(most - 1).map_or(u32::MAX, |more| first.saturating_add(more))))
    }

    /// Whether the router that comes with a lease becomes the default route: not where one is named.
    #[must_use]
    pub fn leases_default(&self) -> bool {
        self.addresses.dhcp().is_some() && !self.no_default && self.addresses.gateways().first(true).is_none()
    }

    /// The further routes with the next hop of each.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        let gateways = self.addresses.gateways();
        self.routes.iter().map(move |route| {
            let usual = gateways.first(route.net.addr().is_ipv4());
            Route { gateway: route.gateway.or(usual), ..*route }
        })
    }

    /// Whether anything of that family is to be set up.
    #[must_use]
    pub fn speaks(&self, v4: bool) -> bool {
        let nets = self.addresses.nets().map(|net| net.addr());
        let routes = self.routes.iter().map(|route| route.net.addr());
        let gateway = self.addresses.gateways().first(v4);
        gateway.is_some() || nets.chain(routes).any(|ip| ip.is_ipv4() == v4)
    }

    /// What the words alone ask for, without any flag.
    #[cfg(test)]
    pub(crate) fn plain(uplink: &str, addresses: &str) -> Self {
        Self {
            uplink: uplink.parse().unwrap(),
            ifname: None,
            host_ifname: None,
            addresses: addresses.parse().unwrap(),
            link_address: LinkAddress::default(),
            sharing: None,
            direct: false,
            pipework: false,
            mtu: None,
            queues: None,
            metric: None,
            routes: Vec::new(),
            no_default: false,
            table: None,
            lease_limit: None,
            probe: None,
            announce: 1,
            no_dad: false,
            enable_ipv6: false,
        }
    }
}
