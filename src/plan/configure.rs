//! The steps that give the link its addresses and routes.

use std::net::IpAddr;

use crate::spec::Attach;

use super::announce::{Telling, Way};
use super::{Facts, Side, Step, default_metric, lease, link};

/// Addresses before the link comes up, so that the kernel announces them; routes after, or it refuses them.
pub(super) fn configure(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, way: &Way) {
    let ifname = || facts.ifname.clone();
    // One that was moved is marked already.
    if !asked.direct {
        let alias = link::mark(asked, facts).to_string();
        steps.push(Step::SetAlias { side: Side::Target, ifname: ifname(), alias, old: None });
    }
    if asked.speaks(false) && facts.ipv6_disabled {
        steps.push(Step::EnableIpv6 { ifname: ifname() });
    }
    let telling = Telling::new(asked, facts, way);
    if telling.on_up {
        steps.push(Step::ArpNotify { ifname: ifname(), on: true });
    }
    let add = |net| Step::AddAddress { ifname: ifname(), net, no_dad: asked.no_dad };
    let (later, now): (Vec<_>, Vec<_>) =
        asked.addresses.nets().partition(|net| telling.v6_later && net.addr().is_ipv6());
    steps.extend(now.into_iter().map(add));
    steps.push(Step::SetLink { side: Side::Target, ifname: ifname(), up: true });
    if telling.on_up {
        steps.push(Step::ArpNotify { ifname: ifname(), on: false });
    }
    steps.extend(telling.early);
    steps.extend(later.into_iter().map(add));
    steps.extend(lease::lease(asked, facts));
    let mut hops = Vec::new();
    let next_hops = asked.defaults().iter().chain(asked.routes().filter_map(|route| route.gateway));
    for gateway in next_hops.filter(|gateway| !is_on_link(asked, *gateway)) {
        if !hops.contains(&gateway) {
            hops.push(gateway);
        }
    }
    steps.extend(hops.into_iter().map(|host| Step::AddHostRoute { ifname: ifname(), host }));
    steps.extend(asked.routes().map(|route| Step::AddRoute {
        ifname: ifname(),
        route,
        metric: asked.metric,
    }));
    steps.extend(asked.defaults().iter().map(|gateway| {
        let v4 = gateway.is_ipv4();
        let old = if v4 { facts.default_v4.clone() } else { facts.default_v6.clone() };
        Step::SetDefault { ifname: ifname(), gateway, metric: default_metric(asked, v4), old }
    }));
    steps.extend(telling.detection);
    steps.push(Step::Finish { ifname: ifname() });
    steps.extend(telling.late);
}

/// Whether the kernel knows the way to the gateway from the addresses alone. Link-local addresses are
/// on every link (RFC 4291 2.5.6).
fn is_on_link(asked: &Attach, gateway: IpAddr) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
    link_local || asked.addresses.nets().any(|net| net.contains(&gateway))
}
