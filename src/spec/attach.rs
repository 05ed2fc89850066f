//! One attach as it was asked for: every word valid, nothing looked up yet.

use std::time::Duration;

use super::{AddressList, Gateways, IfName, LinkAddress, Route, Sharing, UplinkWord};

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
    /// How long a lease may take to come, instead of the usual time.
    pub lease_limit: Option<Duration>,
}

impl Attach {
    /// The default routes to be set.
    #[must_use]
    pub fn defaults(&self) -> Gateways {
        if self.no_default { Gateways::default() } else { self.addresses.gateways() }
    }

    /// Whether the router that comes with a lease becomes the default route: not where one is named.
    #[must_use]
    pub fn leases_default(&self) -> bool {
        self.addresses.dhcp().is_some() && !self.no_default && self.addresses.gateways().v4.is_none()
    }

    /// The further routes with the next hop of each.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        let gateways = self.addresses.gateways();
        self.routes.iter().map(move |route| {
            let usual = if route.net.addr().is_ipv4() { gateways.v4 } else { gateways.v6 };
            Route { gateway: route.gateway.or(usual), ..*route }
        })
    }

    /// Whether anything of that family is to be set up.
    #[must_use]
    pub fn speaks(&self, v4: bool) -> bool {
        let nets = self.addresses.nets().map(|net| net.addr());
        let routes = self.routes.iter().map(|route| route.net.addr());
        nets.chain(self.addresses.gateways().iter()).chain(routes).any(|ip| ip.is_ipv4() == v4)
    }
}
