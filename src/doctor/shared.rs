//! Interfaces that share a card of the host: who lets their frames pass, and who cannot reach them.

use std::collections::BTreeSet;

use crate::plan::quote;

use super::{Answer, Attachment, Facts, Finding, HostLink, Severity};

/// Drivers of cards that a hypervisor makes: many drop frames of MAC addresses that they did not give out.
const VIRTUAL: [&str; 8] =
    ["virtio_net", "vmxnet3", "hv_netvsc", "xen-netfront", "vif", "ena", "gve", "mana"];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let (mut cards, mut deaf) = (BTreeSet::new(), BTreeSet::new());
    for attachment in facts.asked().filter(|attachment| attachment.is_shared()) {
        let Some(parent) = attachment.uplink.and_then(|index| facts.link(index)) else { continue };
        // That they do not see each other is the same for all on one card.
        let finding = host_is_deaf(facts, attachment, parent);
        found.extend(finding.filter(|it| it.severity == Severity::Warning || deaf.insert(parent.index)));
        // An ipvlan has the MAC address of the card, which everybody knows.
        if attachment.kind == "macvlan" && cards.insert(parent.index) {
            found.extend(filtered(facts, parent));
        }
    }
    found
}

/// Cards that may not let frames of other MAC addresses pass.
fn filtered(facts: &Facts, parent: &HostLink) -> Option<Finding> {
    let below = parent.lower.and_then(|index| facts.link(index));
    let ipvlan = format!("rpipe --type ipvlan {} …", quote(&parent.name));
    for link in [Some(parent), below].into_iter().flatten() {
        if link.card.wireless {
            let text = "is wireless: an access point takes frames of the card's own MAC address only, not of a macvlan";
            return Some(Finding::warning("macvlan_on_wireless", &link.name, text.into(), ipvlan));
        }
        if let Some(driver) = link.card.driver.as_deref().filter(|driver| VIRTUAL.contains(driver)) {
            let text = format!(
                "is a card of a virtual machine ({driver}): the hypervisor may drop frames of MAC addresses that it \
                 does not know, such as those of a macvlan"
            );
            let remedy =
                format!("allow them there (promiscuous mode, forged transmits, MAC spoofing), or {ipvlan}");
            return Some(Finding::warning("macvlan_in_virtual_machine", &link.name, text, remedy).hint());
        }
    }
    None
}

/// The host and what shares its card do not see each other (include/uapi/linux/if_link.h, `MACVLAN_MODE_*`).
fn host_is_deaf(facts: &Facts, attachment: &Attachment, parent: &HostLink) -> Option<Finding> {
    let nets = || attachment.addresses.iter().map(ipnet::IpNet::trunc);
    let met = parent.addresses.iter().find(|own| nets().any(|net| net.contains(&own.addr())));
    let silent = |own: &&ipnet::IpNet| attachment.gateways.contains(&(own.addr(), Answer::No));
    let gateway = parent.addresses.iter().find(silent);
    let own = gateway.or(met)?;
    // The remedy is there already.
    let has_child = facts.links.iter().any(|link| {
        link.lower == Some(parent.index)
            && matches!(link.kind.as_deref(), Some("macvlan" | "ipvlan"))
            && link.up
            && !link.addresses.is_empty()
    });
    if has_child && gateway.is_none() {
        return None;
    }
    let kind = &attachment.kind;
    let text = match gateway {
        Some(_) => format!(
            "has the gateway {}, which is the host itself on {}: a {kind} does not reach the host over the link it is on",
            own.addr(),
            parent.name
        ),
        None => format!(
            "and the host, {} on {}, do not reach each other: a {kind} does not see the host's own packets",
            own.addr(),
            parent.name
        ),
    };
    let mode = if kind == "ipvlan" { "l2" } else { "bridge" };
    let name = quote(&parent.name);
    let address = nets().find(|net| net.contains(&own.addr())).map_or_else(
        || "CONTAINER".to_owned(),
        |net| {
            let of = |it: &&ipnet::IpNet| it.trunc() == net;
            attachment.addresses.iter().find(of).map_or_else(|| net.to_string(), |net| net.addr().to_string())
        },
    );
    let remedy = format!(
        "give the host one too: ip link add link {name} name host0 type {kind} mode {mode} && ip address add FREE dev \
         host0 && ip link set host0 up && ip route add {address} dev host0"
    );
    let finding = Finding::warning("host_cannot_reach", &attachment.subject(), text, remedy);
    Some(if gateway.is_some() { finding } else { finding.hint() })
}

#[cfg(test)]
mod tests {
    use super::super::Card;
    use super::*;

    fn facts(kind: &str, card: Card) -> Facts {
        let parent =
            HostLink { index: 1, name: "eth0".into(), up: true, carrier: true, card, ..HostLink::default() };
        let attachment = Attachment {
            target: "docker:web".into(),
            ifname: "eth1".into(),
            kind: kind.into(),
            uplink: Some(1),
            addresses: vec!["10.0.0.2/24".parse().unwrap()],
            asked: true,
            ..Attachment::default()
        };
        Facts { links: vec![parent], attachments: vec![attachment], ..Facts::default() }
    }

    #[test]
    fn cards_that_know_one_address() {
        let checks = |kind, card| {
            let found = check(&facts(kind, card));
            found.into_iter().map(|found| (found.check, found.severity)).collect::<Vec<_>>()
        };
        let driver = |name: &str| Card { wireless: false, driver: Some(name.into()) };
        let wireless = || Card { wireless: true, driver: Some("iwlwifi".into()) };
        assert_eq!(checks("macvlan", driver("e1000e")), []);
        assert_eq!(checks("macvlan", driver("vmxnet3")), [("macvlan_in_virtual_machine", Severity::Hint)]);
        assert_eq!(checks("ipvlan", driver("vmxnet3")), []);
        assert_eq!(checks("macvlan", wireless()), [("macvlan_on_wireless", Severity::Warning)]);
        assert_eq!(checks("ipvlan", wireless()), []);
        assert_eq!(checks("veth", wireless()), []);
    }

    #[test]
    fn the_host_needs_a_child_of_its_own() {
        let mut facts = facts("macvlan", Card::default());
        assert_eq!(check(&facts), []);
        facts.links[0].addresses = vec!["10.0.0.1/24".parse().unwrap()];
        let severities = |facts: &Facts| check(facts).iter().map(|found| found.severity).collect::<Vec<_>>();
        assert_eq!(severities(&facts), [Severity::Hint]);
        assert!(check(&facts)[0].remedy.ends_with("ip route add 10.0.0.2 dev host0"));
        let mut child = HostLink {
            index: 2,
            lower: Some(1),
            kind: Some("macvlan".into()),
            up: true,
            ..HostLink::default()
        };
        child.addresses = vec!["10.0.0.3/32".parse().unwrap()];
        facts.links.push(child);
        assert_eq!(severities(&facts), []);
        facts.attachments[0].gateways = vec![("10.0.0.1".parse().unwrap(), Answer::No)];
        assert_eq!(severities(&facts), [Severity::Warning]);
    }
}
