//! Uplinks that are down, and those that have no signal.

use crate::plan::quote;

use super::finding::list;
use super::{Facts, Finding, HostLink};

const CHECK: &str = "uplink_down";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.uplinks().flat_map(|link| of_uplink(facts, link)).collect()
}

fn of_uplink(facts: &Facts, link: &HostLink) -> Vec<Finding> {
    if !link.up {
        return vec![down(link)];
    }
    if link.is_bridge() {
        return of_bridge(facts, link);
    }
    // What a VLAN is on tells more than the VLAN itself, which has no signal either.
    let below = link.lower.and_then(|index| facts.link(index)).filter(|below| !below.up || !below.carrier);
    below
        .map(|below| if below.up { no_signal(below) } else { down(below) })
        .or_else(|| without_signal(link))
        .into_iter()
        .collect()
}

fn of_bridge(facts: &Facts, bridge: &HostLink) -> Vec<Finding> {
    let out = facts.ways_out(bridge);
    if out.is_empty() {
        let dead = !bridge.carrier && !facts.ports(bridge).is_empty();
        let text = "has no carrier: none of its ports is up and has a signal".to_owned();
        let remedy = format!("see `ip link show master {}`", quote(&bridge.name));
        return dead.then(|| Finding::warning(CHECK, &bridge.name, text, remedy)).into_iter().collect();
    }
    if out.iter().any(|port| port.up && port.carrier) {
        return Vec::new();
    }
    let (down, no_signal): (Vec<&HostLink>, Vec<&HostLink>) = out.iter().partition(|port| !port.up);
    let names = |ports: &[&HostLink]| list(&ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>());
    let (text, remedy) = match down.first() {
        Some(port) => (
            format!("leads nowhere: {} is down", names(&down)),
            format!("ip link set {} up", quote(&port.name)),
        ),
        None => (
            format!("leads nowhere: {} has no carrier", names(&no_signal)),
            "is the cable in, and the other end up?".to_owned(),
        ),
    };
    vec![Finding::warning(CHECK, &bridge.name, text, remedy)]
}

fn down(link: &HostLink) -> Finding {
    Finding::warning(CHECK, &link.name, "is down".into(), format!("ip link set {} up", quote(&link.name)))
}

fn no_signal(link: &HostLink) -> Finding {
    let remedy = "is the cable in, and the other end up?".to_owned();
    Finding::warning(CHECK, &link.name, "has no carrier".into(), remedy)
}

/// A card that is up and has no signal. A bridge has none as long as it has no ports.
pub(super) fn without_signal(link: &HostLink) -> Option<Finding> {
    (!link.is_bridge() && link.up && !link.carrier).then(|| no_signal(link))
}
