//! Where a container's packets go: gateways that do not answer, default routes in each other's way, answers that are
//! dropped.

use crate::plan::quote;

use super::facts::in_namespace;
use super::{Answer, DefaultRoute, Facts, Finding, HostLink, Multihomed};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut found = silent(facts);
    found.extend(defaults(&facts.defaults));
    found.extend(facts.multihomed.iter().map(strict));
    found
}

fn silent(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for attachment in facts.asked() {
        let uplink = attachment.uplink.and_then(|index| facts.link(index));
        // These have findings of their own.
        if uplink.is_some_and(|uplink| (uplink.asked && !uplink.up) || facts.is_isolated(uplink)) {
            continue;
        }
        let is_host = |gateway| {
            let own = |uplink: &HostLink| uplink.addresses.iter().any(|net| net.addr() == gateway);
            attachment.is_shared() && uplink.is_some_and(own)
        };
        for (gateway, answer) in &attachment.gateways {
            if *answer != Answer::No || is_host(*gateway) {
                continue;
            }
            let protocol = if gateway.is_ipv4() { "ARP" } else { "neighbour discovery" };
            let text = format!("has the gateway {gateway}, which does not answer {protocol}");
            let ping = attachment.command(&format!("ping {gateway}"));
            let remedy = format!("is the address right, and is it on this network and VLAN? {ping}");
            found.push(Finding::warning("gateway_silent", &attachment.subject(), text, remedy));
        }
    }
    found
}

/// Several default routes of one family: those of one interface with different metrics are meant.
fn defaults(all: &[DefaultRoute]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (i, route) in all.iter().enumerate() {
        let before = all.get(..i).unwrap_or_default();
        let rivals = |other: &&DefaultRoute| other.netns == route.netns && other.v4 == route.v4;
        let Some(other) = before.iter().find(rivals) else { continue };
        let same = other.metric == route.metric;
        if !same && other.ifname == route.ifname {
            continue;
        }
        let family = if route.v4 { "IPv4" } else { "IPv6" };
        let words = |route: &DefaultRoute| {
            let via = route.gateway.map_or_else(String::new, |gateway| format!("via {gateway} "));
            format!("{via}over {}", route.ifname)
        };
        let (used, idle) = if route.metric < other.metric { (route, other) } else { (other, route) };
        let text = format!(
            "has two default routes of {family}, {} and {}{}",
            words(used),
            words(idle),
            if same { "" } else { ": only the first is used" }
        );
        let via = idle.gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
        let tool = if route.v4 { "ip" } else { "ip -6" };
        let dev = quote(&idle.ifname);
        let remedy = in_namespace(
            &route.target,
            &format!("{tool} route del default{via} dev {dev} metric {}", idle.metric),
        );
        let finding = Finding::warning("two_default_routes", &route.target, text, remedy);
        found.push(if same { finding } else { finding.hint() });
    }
    found
}

fn strict(it: &Multihomed) -> Finding {
    let Multihomed { target, ifname, address, default_over } = it;
    let text = format!(
        "{ifname} drops what comes from other networks (rp_filter is 1), for the way back leads over {default_over}"
    );
    let loose = in_namespace(target, &format!("sysctl -w net/ipv4/conf/{}/rp_filter=2", quote(ifname)));
    let rule = format!("rpipe rule {} add from {address} table 100", quote(target));
    let remedy = format!("if such answers are wanted: {loose}; or {rule}, and a default route in that table");
    Finding::warning("rp_filter", target, text, remedy).hint()
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn route(netns: u64, ifname: &str, metric: u32) -> DefaultRoute {
        DefaultRoute {
            target: "docker:web".into(),
            netns,
            v4: true,
            gateway: Some("10.0.0.1".parse().unwrap()),
            metric,
            ifname: ifname.into(),
        }
    }

    #[test]
    fn two_default_routes_are_in_each_others_way() {
        let severities =
            |routes: &[DefaultRoute]| defaults(routes).iter().map(|found| found.severity).collect::<Vec<_>>();
        assert_eq!(severities(&[route(1, "eth0", 0), route(2, "eth0", 0)]), []);
        assert_eq!(severities(&[route(1, "eth0", 0), route(1, "eth0", 10)]), []);
        assert_eq!(severities(&[route(1, "eth0", 0), route(1, "eth1", 0)]), [Severity::Warning]);
        assert_eq!(severities(&[route(1, "eth0", 0), route(1, "eth1", 10)]), [Severity::Hint]);
        let v6 = DefaultRoute { v4: false, ..route(1, "eth1", 0) };
        assert_eq!(severities(&[route(1, "eth0", 0), v6]), []);
        let found = defaults(&[route(1, "eth0", 10), route(1, "a;b", 0)]);
        assert_eq!(
            found[0].text,
            "has two default routes of IPv4, via 10.0.0.1 over a;b and via 10.0.0.1 over eth0: only the first is used"
        );
        let found = defaults(&[route(1, "eth0", 0), route(1, "a;b", 10)]);
        assert_eq!(
            found[0].remedy,
            "rpipe exec docker:web -- ip route del default via 10.0.0.1 dev 'a;b' metric 10"
        );
    }
}
