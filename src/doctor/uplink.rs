//! Uplinks that are down, and those that have no signal; and the same of what is attached to them.

use crate::plan::quote;

use super::finding::list;
use super::{Attachment, Facts, Finding, HostLink};

const CHECK: &str = "uplink_down";
const CABLE: &str = "is the cable in, and the other end up?";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let uplinks = facts.uplinks().flat_map(|link| of_uplink(facts, link));
    uplinks.chain(facts.asked().filter_map(|attachment| of_attachment(facts, attachment))).collect()
}

fn of_attachment(facts: &Facts, attachment: &Attachment) -> Option<Finding> {
    let find =
        |text: String, remedy| Finding::warning("attachment_down", &attachment.subject(), text, remedy);
    if !attachment.up {
        let remedy = attachment.command(&format!("ip link set {} up", quote(&attachment.ifname)));
        return Some(find("is down".into(), remedy));
    }
    if let Some(end) = attachment.host_end.and_then(|index| facts.link(index)) {
        let name = quote(&end.name);
        if !end.up {
            let text = format!("has no carrier: its host's end {} is down", end.name);
            return Some(find(text, format!("ip link set {name} up")));
        }
        let text = || format!("leads nowhere: its host's end {} is a port of no bridge", end.name);
        return attachment
            .uplink
            .is_none()
            .then(|| find(text(), format!("ip link set {name} master BRIDGE")));
    }
    // Hardware that is in the container itself.
    let dead = attachment.kind.is_empty() && !attachment.carrier;
    dead.then(|| find("has no carrier".into(), CABLE.to_owned()))
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
        None => (format!("leads nowhere: {} has no carrier", names(&no_signal)), CABLE.to_owned()),
    };
    vec![Finding::warning(CHECK, &bridge.name, text, remedy)]
}

fn down(link: &HostLink) -> Finding {
    Finding::warning(CHECK, &link.name, "is down".into(), format!("ip link set {} up", quote(&link.name)))
}

fn no_signal(link: &HostLink) -> Finding {
    let remedy = CABLE.to_owned();
    Finding::warning(CHECK, &link.name, "has no carrier".into(), remedy)
}

/// A card that is up and has no signal. A bridge has none as long as it has no ports.
pub(super) fn without_signal(link: &HostLink) -> Option<Finding> {
    (!link.is_bridge() && link.up && !link.carrier).then(|| no_signal(link))
}
