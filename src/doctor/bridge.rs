//! Linux bridges: where they lead, what their ports let pass, and how many there can be.

use std::collections::BTreeSet;

use crate::plan::quote;

use super::finding::list;
use super::{Answer, Facts, Finding, HostLink, PortState};

/// The most ports of a bridge (`BR_MAX_PORTS`, net/bridge/br_private.h, less the number 0), and from how many on it is told
/// that there is little room.
const MOST_PORTS: usize = 1023;
const MANY_PORTS: usize = 1000;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let bridges = facts.uplinks().filter(|link| link.is_bridge());
    bridges
        .flat_map(|bridge| {
            let mut found: Vec<_> = leads_nowhere(facts, bridge).into_iter().collect();
            found.extend(closed(facts, bridge));
            found.extend(vlans(facts, bridge));
            found.extend(full(facts, bridge));
            found
        })
        .collect()
}

/// No way out, and nobody on it who would be one. Without a gateway it may be meant.
fn leads_nowhere(facts: &Facts, bridge: &HostLink) -> Option<Finding> {
    if !facts.is_isolated(bridge) || facts.on(bridge.index).next().is_none() {
        return None;
    }
    let gateways =
        || facts.on(bridge.index).flat_map(|it| it.gateways.iter().map(move |gateway| (it, gateway)));
    let name = quote(&bridge.name);
    let find = |text: String| {
        let remedy = format!("ip link set CARD master {name}, or ip address add GATEWAY/LEN dev {name}");
        Finding::warning("bridge_without_uplink", &bridge.name, text, remedy)
    };
    let nowhere = "has no port but those of containers and no address";
    if let Some((attachment, (gateway, _))) = gateways().find(|(_, (_, answer))| *answer == Answer::No) {
        let text =
            format!("{nowhere}, and nobody on it is the gateway {gateway} of {}", attachment.subject());
        return Some(find(text));
    }
    let meant = gateways().next().is_some();
    (!meant).then(|| find(format!("{nowhere}: the containers on it reach only each other")).hint())
}

/// Ports that let nothing pass.
fn closed(facts: &Facts, bridge: &HostLink) -> Vec<Finding> {
    if !bridge.up {
        return Vec::new();
    }
    let live: Vec<_> = facts.ports(bridge).into_iter().filter(|port| port.up && port.carrier).collect();
    let way_out =
        live.iter().any(|port| !port.to_container && port.port_state == Some(PortState::Forwarding));
    let asked: Vec<_> = facts.asked().map(|attachment| attachment.host_end).collect();
    let are = |states: &[PortState]| {
        // Of several ways out STP keeps all but one closed.
        let matters = |port: &&&HostLink| {
            if port.to_container { asked.contains(&Some(port.index)) } else { !way_out }
        };
        let ports = live.iter().filter(matters);
        let ports = ports.filter(|port| port.port_state.is_some_and(|state| states.contains(&state)));
        ports.map(|port| port.name.as_str()).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    let waiting = are(&[PortState::Listening, PortState::Learning]);
    if let Some(first) = waiting.first() {
        let ports = list(&waiting);
        let text = format!("does not pass anything on yet from and to {ports}: STP is listening first");
        let remedy = format!("{} && bridge link set dev {} state 3", no_stp(bridge), quote(first));
        found.push(Finding::warning("stp_not_forwarding", &bridge.name, text, remedy));
    }
    // One that is disabled has just got its carrier.
    let blocked = are(&[PortState::Blocking]);
    if !blocked.is_empty() {
        let text = format!("does not pass anything on from and to {}: STP keeps it closed", list(&blocked));
        let remedy =
            "two ways lead to the same place: take one away (`bridge -d link show` tells what STP sees)";
        found.push(Finding::warning("stp_not_forwarding", &bridge.name, text, remedy.to_owned()));
    }
    found
}

fn no_stp(bridge: &HostLink) -> String {
    format!(
        "wait {} seconds; where there can be no loop: ip link set {} type bridge stp_state 0",
        bridge.forward_delay.saturating_mul(2),
        quote(&bridge.name)
    )
}

/// What an attach says: the port that it has just made is closed for a while.
pub(super) fn will_wait(bridge: &HostLink) -> Option<Finding> {
    let text = "speaks STP, and a new port of it passes nothing on at first".to_owned();
    let waits = bridge.is_bridge() && bridge.stp && bridge.forward_delay > 0;
    waits.then(|| Finding::warning("stp_not_forwarding", &bridge.name, text, no_stp(bridge)))
}

/// VLANs in which containers are alone.
fn vlans(facts: &Facts, bridge: &HostLink) -> Vec<Finding> {
    if !bridge.filtering {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut wanted = BTreeSet::new();
    for attachment in facts.on(bridge.index).filter(|attachment| attachment.asked) {
        let Some(port) = attachment.host_end.and_then(|index| facts.link(index)) else { continue };
        if let Some(vlan) = port.vlans.untagged {
            wanted.insert(vlan);
            continue;
        }
        let text = format!("is in no VLAN of {}: what it sends is dropped", bridge.name);
        let remedy = format!("bridge vlan add dev {} vid NUMBER pvid untagged", quote(&port.name));
        found.push(Finding::warning("vlan_not_carried", &attachment.subject(), text, remedy));
    }
    let out = facts.ways_out(bridge);
    let host_is_on_it =
        !bridge.addresses.is_empty() || facts.links.iter().any(|it| it.lower == Some(bridge.index));
    for vlan in wanted {
        if bridge.vlans.carries(vlan) || out.iter().any(|port| port.vlans.carries(vlan)) {
            continue;
        }
        let remedy = match out.first() {
            Some(port) => format!("bridge vlan add dev {} vid {vlan}", quote(&port.name)),
            None if host_is_on_it => format!("bridge vlan add dev {} vid {vlan} self", quote(&bridge.name)),
            None => continue,
        };
        let text = format!("has containers in VLAN {vlan}, and none of its ports that lead out carries it");
        found.push(Finding::warning("vlan_not_carried", &bridge.name, text, remedy));
    }
    found
}

fn full(facts: &Facts, bridge: &HostLink) -> Option<Finding> {
    let ports = facts.ports(bridge).len();
    let text = format!("has {ports} ports of at most {MOST_PORTS}");
    let remedy = "attach further containers to a second bridge".to_owned();
    (ports >= MANY_PORTS).then(|| Finding::warning("bridge_nearly_full", &bridge.name, text, remedy))
}

#[cfg(test)]
mod tests {
    use super::super::{Attachment, PortVlans};
    use super::*;

    fn link(index: u32, name: &str) -> HostLink {
        HostLink { index, name: name.into(), up: true, carrier: true, ..HostLink::default() }
    }

    fn facts() -> Facts {
        let bridge = HostLink { kind: Some("bridge".into()), filtering: true, asked: true, ..link(1, "br0") };
        let port = |index, name, to_container| HostLink {
            bridge: Some(1),
            to_container,
            port_state: Some(PortState::Forwarding),
            ..link(index, name)
        };
        let inside = Attachment {
            target: "docker:web".into(),
            ifname: "eth1".into(),
            host_end: Some(3),
            uplink: Some(1),
            asked: true,
            ..Attachment::default()
        };
        let mut facts = Facts {
            links: vec![bridge, port(2, "card", false), port(3, "h1", true)],
            attachments: vec![inside],
            ..Facts::default()
        };
        facts.links[1].vlans = PortVlans { ranges: vec![(1, 5)], untagged: Some(1) };
        facts.links[2].vlans = PortVlans { ranges: vec![(5, 5)], untagged: Some(5) };
        facts
    }

    fn texts(facts: &Facts) -> Vec<String> {
        check(facts)
            .into_iter()
            .map(|found| format!("{} {}: {}", found.subject, found.text, found.remedy))
            .collect()
    }

    #[test]
    fn a_vlan_has_to_be_carried_by_a_way_out() {
        let mut facts = facts();
        assert_eq!(texts(&facts), [""; 0]);
        facts.links[2].vlans = PortVlans { ranges: vec![(7, 7)], untagged: Some(7) };
        assert_eq!(
            texts(&facts),
            [
                "br0 has containers in VLAN 7, and none of its ports that lead out carries it: bridge vlan add dev card vid 7"
            ]
        );
        facts.links[0].vlans = PortVlans { ranges: vec![(7, 7)], untagged: None };
        assert_eq!(texts(&facts), [""; 0], "the host is in it");
        facts.links[2].vlans.untagged = None;
        assert!(texts(&facts)[0].starts_with("docker:web eth1 is in no VLAN of br0"));
    }

    #[test]
    fn one_way_out_that_is_open_is_enough() {
        let mut facts = facts();
        facts.links[1].port_state = Some(PortState::Blocking);
        assert!(texts(&facts)[0].contains("STP keeps it closed"), "{:?}", texts(&facts));
        let second = HostLink { port_state: Some(PortState::Forwarding), index: 9, ..facts.links[1].clone() };
        facts.links.push(second);
        assert_eq!(texts(&facts), [""; 0]);
    }

    #[test]
    fn ports_are_counted() {
        let mut facts = facts();
        let port = facts.links[2].clone();
        facts.links.extend((10..1007).map(|index| HostLink { index, ..port.clone() }));
        assert_eq!(texts(&facts), [""; 0]);
        facts.links.push(HostLink { index: 5, ..port });
        assert!(texts(&facts)[0].contains("has 1000 ports of at most 1023"));
    }
}
