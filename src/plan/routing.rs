//! The routes and rules of an attach: what is wanted, and the steps that set it.
//!
//! In the main table the gateways of a family are default routes of rising metrics, so that the first one is taken while
//! it can be. In tables of its own each gateway has one table, which holds everything that the interface leads to, and a
//! rule from each address leads into the table of its gateway: answers leave through the interface they came in on.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::spec::{Attach, OwnAddress, Route};

use super::attach::usual_metric;
use super::{Facts, Step, default_metric};

/// The priority of the rules: before those that others make of all packets or of many, which `ip rule` and its like put
/// right before that of the main table, 32766.
pub const RULE_PRIORITY: u32 = 1000;

/// A default route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The gateway.
    pub gateway: IpAddr,
    /// Its metric.
    pub metric: u32,
    /// Its table, unless that is the main one.
    pub table: Option<u32>,
}

/// Another route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Where to, and over which gateway.
    pub route: Route,
    /// Its metric; none leaves the kernel's own.
    pub metric: Option<u32>,
    /// Its table, unless that is the main one.
    pub table: Option<u32>,
}

/// A rule: what comes from this address looks for its way in that table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The address.
    pub from: IpAddr,
    /// The table.
    pub table: u32,
}

impl Path {
    /// The metric that it has in the end.
    #[must_use]
    pub fn real_metric(&self) -> u32 {
        self.metric.unwrap_or(usual_metric(self.route.net.addr().is_ipv4()))
    }
}

/// The words behind a route that say which table it is in.
struct InTable(Option<u32>);

impl fmt::Display for InTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |table| write!(f, " table {table}"))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gateway.fmt(f)?;
        if self.metric != usual_metric(self.gateway.is_ipv4()) {
            write!(f, " metric {}", self.metric)?;
        }
        InTable(self.table).fmt(f)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.route, InTable(self.table))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} lookup {}", self.from, self.table)
    }
}

/// What an attach sets besides addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// The routes besides the default routes.
    pub paths: Vec<Path>,
    /// The default routes, those of IPv4 first, the preferred ones of each family first.
    pub hops: Vec<Hop>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The routes and rules that are asked for.
#[must_use]
pub fn routing(asked: &Attach) -> Routing {
    let mut wanted = Routing::default();
    match asked.table {
        None => main_table(asked, &mut wanted),
        Some(first) => [true, false].into_iter().for_each(|v4| own_tables(asked, v4, first, &mut wanted)),
    }
    wanted
}

fn main_table(asked: &Attach, wanted: &mut Routing) {
    wanted.paths.extend(asked.routes().map(|route| Path { route, metric: asked.metric, table: None }));
    for v4 in [true, false] {
        let metrics = default_metric(asked, v4)..=u32::MAX;
        let hop = |(gateway, metric)| Hop { gateway, metric, table: None };
        wanted.hops.extend(asked.defaults().of(v4).zip(metrics).map(hop));
    }
}

/// The tables of one family.
fn own_tables(asked: &Attach, v4: bool, first: u32, wanted: &mut Routing) {
    let gateways: Vec<IpAddr> = asked.addresses.gateways().of(v4).collect();
    let mut gateway_of_table: Vec<Option<IpAddr>> = gateways.iter().copied().map(Some).collect();
    if gateway_of_table.is_empty() {
        gateway_of_table.push(None);
    }
    let prefixes = prefixes(asked, v4);
    for (table, gateway) in (first..=u32::MAX).zip(gateway_of_table) {
        let path = |route, metric| Path { route, metric, table: Some(table) };
        let connected = prefixes.iter().map(|net| path(Route { net: *net, gateway: None }, None));
        wanted.paths.extend(connected);
        let further = asked.routes.iter().filter(|route| route.net.addr().is_ipv4() == v4);
        let over_its_own = |route: &Route| Route { gateway: route.gateway.or(gateway), ..*route };
        wanted.paths.extend(further.map(|route| path(over_its_own(route), asked.metric)));
        let gateway = gateway.filter(|_| !asked.no_default);
        let metric = default_metric(asked, v4);
        wanted.hops.extend(gateway.map(|gateway| Hop { gateway, metric, table: Some(table) }));
    }
    for address in asked.addresses.iter() {
        let Some(from) = address.own().map(|own| own.ip()).filter(|ip| ip.is_ipv4() == v4) else { continue };
        let place = gateways.iter().position(|gateway| Some(*gateway) == address.gateway());
        let table = (first..=u32::MAX).nth(place.unwrap_or_default()).unwrap_or(first);
        wanted.rules.push(Rule { from, table });
    }
}

/// The networks that the addresses put on the link, each once. An address alone makes none.
fn prefixes(asked: &Attach, v4: bool) -> Vec<IpNet> {
    let mut prefixes = Vec::new();
    for own in asked.addresses.own().filter(|own| own.ip().is_ipv4() == v4) {
        let peer = own.peer.filter(|_| !v4).map(IpNet::from);
        let network = Some(own.prefix()).filter(|prefix| *prefix != IpNet::from(own.ip()));
        for prefix in network.into_iter().chain(peer) {
            if !prefixes.contains(&prefix) {
                prefixes.push(prefix);
            }
        }
    }
    prefixes
}

/// The gateways that the kernel does not know the way to from the addresses alone, each with its table.
fn host_routes(asked: &Attach, wanted: &Routing) -> Vec<(IpAddr, Option<u32>)> {
    let mut hosts = Vec::new();
    let of_hops = wanted.hops.iter().map(|hop| (hop.gateway, hop.table));
    let of_paths = wanted.paths.iter().filter_map(|path| Some((path.route.gateway?, path.table)));
    for (gateway, table) in of_hops.chain(of_paths) {
        if !is_on_link(asked, gateway, table) && !hosts.contains(&(gateway, table)) {
            hosts.push((gateway, table));
        }
    }
    hosts
}

/// Whether there is a way to the gateway from the addresses alone. Link-local addresses are on every link (RFC 4291
/// 2.5.6). The kernel knows the way to a peer of IPv6 only when duplicate address detection is over; tables of its own get it
/// from us.
fn is_on_link(asked: &Attach, gateway: IpAddr, table: Option<u32>) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let peer = |own: &OwnAddress| table.is_some() && own.peer == Some(gateway);
    link_local || asked.addresses.own().any(|own| own.prefix().contains(&gateway) || peer(&own))
}

/// The steps that set the routes and rules: a gateway must be reachable before a route goes over it.
pub(super) fn steps(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts) {
    let ifname = || facts.ifname.clone();
    let wanted = routing(asked);
    let add = |path: &Path| Step::AddRoute {
        ifname: ifname(),
        route: path.route,
        metric: path.metric,
        table: path.table,
    };
    let hosts = host_routes(asked, &wanted);
    steps.extend(hosts.into_iter().map(|(host, table)| Step::AddHostRoute { ifname: ifname(), host, table }));
    steps.extend(wanted.paths.iter().map(add));
    steps.extend(wanted.hops.into_iter().map(|Hop { gateway, metric, table }| {
        let v4 = gateway.is_ipv4();
        let old = if v4 { &facts.default_v4 } else { &facts.default_v6 };
        // Only the preferred one was looked for.
        let old = old.clone().filter(|_| table.is_none() && metric == default_metric(asked, v4));
        Step::SetDefault { ifname: ifname(), gateway, metric, table, old }
    }));
    steps.extend(wanted.rules.into_iter().map(|rule| Step::AddRule { rule }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(addresses: &str, table: Option<u32>) -> Attach {
        Attach { table, ..Attach::plain("br0", addresses) }
    }

    fn words<T: fmt::Display>(list: &[T]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_gateway_of_a_family_is_preferred() {
        let line = "10.0.0.2/24@10.0.0.1,10.1.0.2/24@10.1.0.1,10.0.0.3/24@10.0.0.1,fd00::2/64@fd00::1,fd01::2/64@fe80::1";
        let mut asked = asked(line, None);
        let hops = |asked: &Attach| words(&routing(asked).hops);
        assert_eq!(hops(&asked), ["10.0.0.1", "10.1.0.1 metric 1", "fd00::1", "fe80::1 metric 1025"]);
        asked.metric = Some(50);
        assert_eq!(
            hops(&asked),
            ["10.0.0.1 metric 50", "10.1.0.1 metric 51", "fd00::1 metric 50", "fe80::1 metric 51"]
        );
        asked.no_default = true;
        assert_eq!(routing(&asked), Routing::default());
    }

    #[test]
    fn each_gateway_has_a_table_and_each_address_a_rule() {
        let line =
            "10.0.0.2/24@10.0.0.1,10.1.0.2/24@10.1.0.1,10.0.0.3/24,10.9.0.2/32@10.1.0.1,fd00::2=fd00::1/128";
        let mut asked = asked(line, Some(100));
        asked.routes = vec!["10.8.0.0/16".parse().unwrap(), "fd08::/16@fd00::1".parse().unwrap()];
        let wanted = routing(&asked);
        assert_eq!(words(&wanted.hops), ["10.0.0.1 table 100", "10.1.0.1 table 101"]);
        assert_eq!(
            words(&wanted.paths),
            [
                "10.0.0.0/24 table 100",
                "10.1.0.0/24 table 100",
                "10.8.0.0/16@10.0.0.1 table 100",
                "10.0.0.0/24 table 101",
                "10.1.0.0/24 table 101",
                "10.8.0.0/16@10.1.0.1 table 101",
                "fd00::1/128 table 100",
                "fd08::/16@fd00::1 table 100",
            ]
        );
        assert_eq!(
            words(&wanted.rules),
            [
                "from 10.0.0.2 lookup 100",
                "from 10.1.0.2 lookup 101",
                "from 10.0.0.3 lookup 100",
                "from 10.9.0.2 lookup 101",
                "from fd00::2 lookup 100",
            ]
        );
        assert_eq!(asked.tables(), Some((100, 101)));
        assert!(host_routes(&asked, &wanted).is_empty());
    }
}
