//! Addresses that two have.

use std::collections::HashMap;

use crate::plan::quote;

use super::{Attachment, Facts, Finding};

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<_> = facts.asked().flat_map(refused).collect();
    let mut seen: HashMap<(Option<u32>, Option<u16>, String), &Attachment> = HashMap::new();
    for attachment in facts.attachments.iter().filter(|attachment| attachment.uplink.is_some()) {
        let untagged = || attachment.host_end.and_then(|index| facts.link(index)?.vlans.untagged);
        let vlan = attachment.vlan.or_else(untagged);
        for (word, address) in addresses(attachment) {
            let place = (attachment.uplink, vlan, address.clone());
            match seen.get(&place) {
                Some(other) if other.asked || attachment.asked => {
                    let (one, other) =
                        if attachment.asked { (attachment, *other) } else { (*other, attachment) };
                    found.push(twin(word, &address, one, &other.subject()));
                }
                Some(_) => {}
                None => {
                    seen.insert(place, attachment);
                }
            }
        }
    }
    for attachment in facts.asked() {
        let Some(uplink) = attachment.uplink.and_then(|index| facts.link(index)) else { continue };
        let own = |address: &str| uplink.addresses.iter().any(|net| net.addr().to_string() == address);
        let mac = |address: &str| uplink.mac == address;
        let twins =
            addresses(attachment).filter(|(word, address)| own(address) || (*word == MAC && mac(address)));
        found.extend(twins.map(|(word, address)| twin(word, &address, attachment, &uplink.name)));
    }
    found
}

const MAC: &str = "MAC address";

/// The addresses by which others on the same network know it.
fn addresses(attachment: &Attachment) -> impl Iterator<Item = (&'static str, String)> {
    let ips = attachment.addresses.iter().map(|net| ("address", net.addr().to_string()));
    // All ipvlans have the one of the link that they are on, and a macvlan in mode passthru too.
    let mac = (attachment.kind == "veth" || attachment.kind == "macvlan").then(|| attachment.mac.clone());
    let mac = mac.filter(|mac| !mac.is_empty() && !attachment.passthru);
    ips.chain(mac.map(|mac| (MAC, mac)))
}

fn twin(word: &str, address: &str, attachment: &Attachment, other: &str) -> Finding {
    let check = if word == MAC { "duplicate_mac" } else { "duplicate_address" };
    let text = format!("has the {word} {address}, which {other} has too");
    let remedy = if word == MAC {
        format!(
            "rpipe --replace with another MAC address, or {}",
            attachment.command(&format!("ip link set {} address MAC", quote(&attachment.ifname)))
        )
    } else {
        "rpipe --replace with another address".to_owned()
    };
    Finding::warning(check, &attachment.subject(), text, remedy)
}

/// Those that the kernel does not use because somebody else has them.
fn refused(attachment: &Attachment) -> Vec<Finding> {
    let find = |net: &ipnet::IpNet| {
        let text = format!(
            "cannot use {}: somebody else on the link has it (duplicate address detection)",
            net.addr()
        );
        let remedy = "take it from the other, then rpipe detach and attach again; or rpipe --replace with another address";
        Finding::warning("duplicate_address", &attachment.subject(), text, remedy.to_owned())
    };
    attachment.refused.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{HostLink, PortVlans};
    use super::*;

    fn attachment(target: &str, uplink: u32, address: &str, mac: &str) -> Attachment {
        Attachment {
            target: target.into(),
            ifname: "eth1".into(),
            kind: "veth".into(),
            uplink: Some(uplink),
            addresses: vec![address.parse().unwrap()],
            mac: mac.into(),
            asked: true,
            ..Attachment::default()
        }
    }

    fn texts(attachments: Vec<Attachment>) -> Vec<String> {
        let link = |index, untagged| HostLink {
            index,
            name: format!("l{index}"),
            addresses: vec!["10.0.0.1/24".parse().unwrap()],
            vlans: PortVlans { ranges: Vec::new(), untagged },
            ..HostLink::default()
        };
        let links = vec![link(1, None), link(2, None), link(8, Some(8)), link(9, Some(9))];
        let found = check(&Facts { links, attachments, ..Facts::default() });
        found.into_iter().map(|found| format!("{} {}", found.subject, found.text)).collect()
    }

    #[test]
    fn twins_are_on_the_same_network() {
        let a = || attachment("a", 1, "10.0.0.2/24", "m1");
        assert_eq!(texts(vec![a(), attachment("b", 1, "10.0.0.3/24", "m2")]), [""; 0]);
        assert_eq!(texts(vec![a(), attachment("b", 2, "10.0.0.2/24", "m1")]), [""; 0], "another uplink");
        assert_eq!(
            texts(vec![a(), attachment("b", 1, "10.0.0.2/16", "m1")]),
            [
                "b eth1 has the address 10.0.0.2, which a eth1 has too",
                "b eth1 has the MAC address m1, which a eth1 has too"
            ]
        );
        let in_vlan = |host_end| Attachment { host_end: Some(host_end), ..a() };
        assert_eq!(texts(vec![in_vlan(8), in_vlan(9)]), [""; 0], "another VLAN");
        let ipvlan = || Attachment { kind: "ipvlan".into(), ..attachment("c", 1, "10.0.0.4/24", "m1") };
        assert_eq!(texts(vec![a(), ipvlan()]), [""; 0]);
        assert_eq!(
            texts(vec![attachment("d", 1, "10.0.0.1/24", "m1")]),
            ["d eth1 has the address 10.0.0.1, which l1 has too"]
        );
        let unasked = || Attachment { asked: false, ..a() };
        assert_eq!(texts(vec![unasked(), unasked()]), [""; 0]);
        assert_eq!(texts(vec![unasked(), a()]).len(), 2);
    }
}
