//! A firewall between the ports of a bridge: Docker's policy for what the host routes, applied to what bridges pass on.

use crate::plan::quote;

use super::finding::list;
use super::{DroppingChain, Facts, Family, Finding};

const CHECK: &str = "bridge_firewall";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let bridges: Vec<_> =
        facts.uplinks().filter(|link| link.is_bridge()).map(|link| link.name.as_str()).collect();
    let Some(bridge) = bridges.first() else { return Vec::new() };
    let mut found = Vec::new();
    let firewall = &facts.firewall;
    let families = [
        ("IPv4", "iptables", firewall.bridged_v4, Family::V4, firewall.legacy[0], true),
        ("IPv6", "ip6tables", firewall.bridged_v6, Family::V6, firewall.legacy[1], speaks_v6(facts)),
    ];
    for (name, tool, bridged, family, legacy, spoken) in families {
        if !bridged || !spoken {
            continue;
        }
        let seen = |chain: &&DroppingChain| chain.family == family || chain.family == Family::Inet;
        let dropping = firewall.dropping.iter().find(seen);
        let setting = format!("net.bridge.bridge-nf-call-{tool}");
        if let Some(chain) = dropping {
            let text = format!(
                "may not pass {name} from port to port: {setting} is 1, and {} drops what no rule accepts",
                words(chain)
            );
            found.push(Finding::warning(CHECK, &list(&bridges), text, remedy(&setting, tool, chain, bridge)));
        } else if legacy {
            let text = format!(
                "may not pass {name} from port to port: {setting} is 1, and there are tables of the old {tool}, \
                 whose policy cannot be seen"
            );
            let remedy = format!("see `{tool}-legacy -S FORWARD`; sysctl -w {setting}=0");
            found.push(Finding::warning(CHECK, &list(&bridges), text, remedy).hint());
        }
    }
    // These see frames whatever the settings say.
    if let Some(chain) = firewall.dropping.iter().find(|chain| chain.family == Family::Bridge) {
        let text =
            format!("may not pass frames from port to port: {} drops what no rule accepts", words(chain));
        let remedy = format!("nft add rule {} ibrname {} accept", path(chain), quote(bridge));
        found.push(Finding::warning(CHECK, &list(&bridges), text, remedy));
    }
    found
}

fn speaks_v6(facts: &Facts) -> bool {
    facts.asked().flat_map(|attachment| &attachment.addresses).any(|net| net.addr().is_ipv6())
}

/// What an attach to a bridge says, that has only asked for the chain of iptables.
pub(super) fn of_bridge(bridge: &str) -> Finding {
    let chain = DroppingChain { family: Family::V4, table: "filter".into(), name: "FORWARD".into() };
    let setting = "net.bridge.bridge-nf-call-iptables";
    let text = format!("may not pass IPv4 from port to port: {setting} is 1, and FORWARD of iptables drops");
    Finding::warning(CHECK, bridge, text, remedy(setting, "iptables", &chain, bridge))
}

fn words(chain: &DroppingChain) -> String {
    format!("chain {}", path(chain))
}

/// The family, the table and the chain, as `nft` wants them.
fn path(chain: &DroppingChain) -> String {
    let family = match chain.family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
        Family::Inet => "inet",
        Family::Bridge => "bridge",
    };
    format!("{family} {} {}", quote(&chain.table), quote(&chain.name))
}

/// Rules that accept are for people to read: whether there is one that accepts these packets is not looked for.
fn remedy(setting: &str, tool: &str, chain: &DroppingChain, bridge: &str) -> String {
    let bridge = quote(bridge);
    let accept = if (chain.table.as_str(), chain.name.as_str()) == ("filter", "FORWARD")
        && chain.family != Family::Inet
    {
        format!("{tool} -I FORWARD -i {bridge} -o {bridge} -j ACCEPT")
    } else {
        format!("nft insert rule {} iifname {bridge} oifname {bridge} accept", path(chain))
    };
    format!("unless a rule accepts it: {accept}; or for all bridges: sysctl -w {setting}=0")
}

#[cfg(test)]
mod tests {
    use super::super::{Attachment, Firewall, HostLink};
    use super::*;

    fn facts(family: Family, bridged: [bool; 2], legacy: bool) -> Facts {
        let bridge =
            HostLink { name: "br0".into(), kind: Some("bridge".into()), asked: true, ..HostLink::default() };
        let dropping = vec![DroppingChain { family, table: "t".into(), name: "f".into() }];
        let dropping = if legacy { Vec::new() } else { dropping };
        let addresses = vec!["fd00::2/64".parse().unwrap()];
        Facts {
            links: vec![bridge],
            attachments: vec![Attachment { asked: true, addresses, ..Attachment::default() }],
            firewall: Firewall {
                bridged_v4: bridged[0],
                bridged_v6: bridged[1],
                dropping,
                legacy: [legacy; 2],
            },
            ..Facts::default()
        }
    }

    #[test]
    fn each_family_has_its_setting() {
        let count = |family, bridged, legacy| check(&facts(family, bridged, legacy)).len();
        assert_eq!(count(Family::V4, [true, false], false), 1);
        assert_eq!(count(Family::V4, [false, true], false), 0);
        assert_eq!(count(Family::V6, [true, false], false), 0);
        assert_eq!(count(Family::V6, [false, true], false), 1);
        assert_eq!(count(Family::Inet, [true, true], false), 2);
        assert_eq!(count(Family::Bridge, [false, false], false), 1);
        assert_eq!(count(Family::V4, [true, true], true), 2);
        assert_eq!(count(Family::V4, [false, false], true), 0);
        let mut without = facts(Family::V6, [false, true], false);
        without.attachments.clear();
        assert_eq!(check(&without), []);
        without.links.clear();
        assert_eq!(check(&without), []);
    }

    #[test]
    fn the_remedy_is_one_for_that_chain() {
        let mut facts = facts(Family::Inet, [true, false], false);
        assert!(check(&facts)[0].remedy.contains("nft insert rule inet t f iifname br0 oifname br0 accept"));
        facts.firewall.dropping[0] =
            DroppingChain { family: Family::V4, table: "filter".into(), name: "FORWARD".into() };
        let remedy = &check(&facts)[0].remedy;
        assert!(remedy.contains("iptables -I FORWARD -i br0 -o br0 -j ACCEPT"), "{remedy}");
        facts.firewall.dropping[0].name = "a;b".into();
        let remedy = &check(&facts)[0].remedy;
        assert!(remedy.contains("'a;b'"), "{remedy}");
    }
}
