//! Packets that are too large for the next link.

use crate::plan::quote;

use super::{Attachment, Facts, Finding};

const CHECK: &str = "mtu_mismatch";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.asked().filter_map(|attachment| of(facts, attachment)).collect()
}

fn of(facts: &Facts, attachment: &Attachment) -> Option<Finding> {
    let uplink = attachment.uplink.and_then(|index| facts.link(index))?;
    let host_end = attachment.host_end.and_then(|index| facts.link(index));
    let (ifname, mtu) = (quote(&attachment.ifname), attachment.mtu);
    let find = |text: String, remedy| Finding::warning(CHECK, &attachment.subject(), text, remedy);
    let smaller = |bytes| attachment.command(&format!("ip link set {ifname} mtu {bytes}"));
    // The two ends of one pair: the smaller one drops what is larger.
    if let Some(end) = host_end.filter(|end| end.mtu < mtu) {
        let text = format!("sends packets of {mtu} bytes, and its host's end {} takes {}", end.name, end.mtu);
        return Some(find(text, smaller(end.mtu)));
    }
    if let Some(end) = host_end.filter(|end| end.mtu > mtu) {
        let text =
            format!("takes packets of {mtu} bytes, and its host's end {} passes on {}", end.name, end.mtu);
        return Some(find(text, format!("ip link set {} mtu {mtu}", quote(&end.name))));
    }
    // Open vSwitch has no MTU of its own.
    if attachment.ovs {
        return None;
    }
    let ports = if uplink.is_bridge() { facts.ways_out(uplink) } else { vec![uplink] };
    if let Some(narrow) = ports.iter().min_by_key(|link| link.mtu).filter(|link| link.mtu < mtu) {
        let text = format!("sends packets of {mtu} bytes, and {} takes {}", narrow.name, narrow.mtu);
        return Some(find(text, smaller(narrow.mtu)));
    }
    // A bridge goes by its smallest port unless somebody has set its MTU, and its ports do not ask it.
    let (name, own) = (&uplink.name, uplink.mtu);
    if own == mtu || !uplink.is_bridge() {
        return None;
    }
    let text = if own < mtu {
        format!("sends packets of {mtu} bytes, and not everybody on {name} takes more than {own}")
    } else {
        format!("takes packets of {mtu} bytes, and {name} passes on such of {own}: large ones are dropped")
    };
    Some(find(text, smaller(own)).hint())
}

#[cfg(test)]
mod tests {
    use super::super::HostLink;
    use super::*;

    fn texts(inside: u32, end: u32, bridge: u32, card: u32) -> Vec<String> {
        let link = |index, name: &str, mtu| HostLink { index, name: name.into(), mtu, ..HostLink::default() };
        let bridge = HostLink { kind: Some("bridge".into()), ..link(1, "br0", bridge) };
        let card = HostLink { bridge: Some(1), ..link(2, "card", card) };
        let end = HostLink { bridge: Some(1), to_container: true, ..link(3, "h1", end) };
        let attachment = Attachment {
            mtu: inside,
            host_end: Some(3),
            uplink: Some(1),
            asked: true,
            ..Attachment::default()
        };
        let facts =
            Facts { links: vec![bridge, card, end], attachments: vec![attachment], ..Facts::default() };
        check(&facts).into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn the_narrowest_link_counts() {
        assert_eq!(texts(1500, 1500, 1500, 1500), [""; 0]);
        assert_eq!(texts(1400, 1400, 1400, 1500), [""; 0]);
        assert_eq!(texts(9000, 9000, 1500, 1500), ["sends packets of 9000 bytes, and card takes 1500"]);
        assert_eq!(
            texts(1500, 1400, 1400, 1500),
            ["sends packets of 1500 bytes, and its host's end h1 takes 1400"]
        );
        assert_eq!(
            texts(1400, 1500, 1400, 1500),
            ["takes packets of 1400 bytes, and its host's end h1 passes on 1500"]
        );
        assert_eq!(
            texts(1500, 1500, 1400, 1500),
            ["sends packets of 1500 bytes, and not everybody on br0 takes more than 1400"]
        );
        assert_eq!(
            texts(1400, 1400, 1500, 1500),
            ["takes packets of 1400 bytes, and br0 passes on such of 1500: large ones are dropped"]
        );
    }
}
