//! The plan of a change in place: what the kernel can change while the link stays up.

use crate::spec::{Attach, LinkAddress, MacWord, Mode, OldDefault, Sharing, UplinkWord, Vlan};

use super::attach::usual_metric;
use super::{Difference, Facts, Found, Present, Side, Step, Uplink, UplinkKind, configure, link};

/// What can be changed in place: other differences take a new link.
const IN_PLACE: [&str; 6] =
    ["the address", "the gateway", "a route", "the MTU", "the MAC address", "the interface"];

/// Whether a link that differs in this can stay.
#[must_use]
pub fn in_place(differences: &[Difference], facts: &Facts) -> bool {
    let changes = |what| IN_PLACE.contains(&what) || (what == "the VLAN" && port_vlan(facts).is_some());
    differences.iter().all(|difference| changes(difference.what))
}

/// The VLAN that a port of the uplink is to be in, where it can be in one.
fn port_vlan(facts: &Facts) -> Option<Vlan> {
    match &facts.uplink {
        Found::Link(Uplink { kind: UplinkKind::Bridge { filtering: true, default_vlan }, .. }) => {
            facts.vlan.or(*default_vlan)
        }
        _ => None,
    }
}

/// The steps that put the port of the bridge into another VLAN.
fn change_vlan(steps: &mut Vec<Step>, facts: &Facts, present: &Present) {
    let is = Facts { vlan: present.vlan.and_then(|vlan| Vlan::try_from(vlan).ok()), ..facts.clone() };
    if let (Some(port), Some(vlan), Some(old)) = (&present.host_ifname, port_vlan(facts), port_vlan(&is))
        && vlan != old
    {
        steps.push(Step::SetPortVlan { port: port.clone(), vlan, old: Some(old) });
        steps.push(Step::LeaveVlan { port: port.clone(), vlan: old });
    }
}

/// The steps that make the link what is asked for. Addresses and routes are cleared and set anew: the kernel takes
/// secondary addresses along with their first one, so that nothing less is sure to end as asked.
#[must_use]
pub fn replace(asked: &Attach, facts: &Facts, present: &Present) -> Vec<Step> {
    let ifname = || facts.ifname.clone();
    let mut steps = Vec::new();
    let mtu = asked.mtu.filter(|mtu| *mtu != present.mtu);
    steps.extend(mtu.map(|mtu| Step::SetMtu { ifname: ifname(), mtu, old: present.mtu }));
    let mac = asked.link_address.mac.as_ref().map(MacWord::mac).filter(|mac| Some(*mac) != present.mac);
    steps.extend(mac.map(|mac| Step::SetMac { ifname: ifname(), mac, old: present.mac }));
    change_vlan(&mut steps, facts, present);
    if let (Some(port), Some(mark)) = (&present.host_ifname, &present.port_mark) {
        let alias = link::port_mark(asked, facts, mark.ovs).to_string();
        let old = Some(mark.to_string());
        steps.push(Step::SetAlias { side: Side::Host, ifname: port.clone(), alias, old });
    }
    steps.push(Step::ClearLink { ifname: ifname() });
    // What the first attach replaced is still what a detach has to put back; our own route is not.
    let old = present.mark.as_ref().map(|mark| mark.old.clone()).unwrap_or_default();
    let ours = |default: &Option<OldDefault>| {
        default.as_ref().is_none_or(|route| route.dev.as_ref() == Some(&facts.ifname))
    };
    let mut facts = facts.clone();
    let gateways = asked.defaults();
    for (v4, gateway) in [(true, gateways.v4), (false, gateways.v6)] {
        let old = old[usize::from(!v4)].clone();
        let found = if v4 { &mut facts.default_v4 } else { &mut facts.default_v6 };
        if ours(found) {
            *found = None;
        }
        match (gateway, old) {
            (None, Some(old)) => {
                steps.extend(old.dev.clone().map(|dev| Step::ReplaceDefault { v4, dev, old }));
            }
            (Some(_), Some(old)) if found.is_none() => facts.kept_old[usize::from(!v4)] = Some(old),
            _ => {}
        }
    }
    configure::configure(&mut steps, asked, &facts);
    let was = present.mark.as_ref().map(ToString::to_string);
    for step in &mut steps {
        if let Step::SetAlias { side: Side::Target, old, .. } = step {
            old.clone_from(&was);
        }
    }
    steps
}

impl Present {
    /// The words that would make it what it is now.
    #[must_use]
    pub fn as_asked(&self, asked: &Attach) -> Attach {
        let nets = self.addresses.iter().map(ToString::to_string);
        let mut words: Vec<String> = nets.collect();
        for (hop, _) in &self.defaults {
            let Some(hop) = hop else { continue };
            let of_family = words.iter_mut().find(|word| {
                !word.contains('@') && word.contains(':') == hop.is_ipv6() && !word.starts_with("0/0")
            });
            match of_family {
                Some(word) => *word = format!("{word}@{hop}"),
                None => words.push(format!("0/0@{hop}")),
            }
        }
        if words.is_empty() {
            words.push("0/0".to_owned());
        }
        let nic = self.mark.as_ref().and_then(|mark| mark.nic.as_ref());
        let mode = self.mode.as_deref();
        Attach {
            uplink: match self.uplink.clone() {
                Some(name) => UplinkWord::Name(name),
                None => asked.uplink.clone(),
            },
            ifname: asked.ifname.clone(),
            host_ifname: self.host_ifname.clone(),
            addresses: words.join(",").parse().unwrap_or_else(|_| asked.addresses.clone()),
            link_address: LinkAddress {
                mac: self.mac.map(MacWord::Fixed),
                vlan: self.vlan.and_then(|vlan| vlan.to_string().parse().ok()),
            },
            sharing: match self.kind.as_str() {
                "macvlan" => {
                    Some(Sharing::Macvlan(mode.and_then(|mode| mode.parse().ok()).unwrap_or(Mode::Bridge)))
                }
                "ipvlan" => mode.and_then(|mode| mode.parse().ok()).map(Sharing::Ipvlan),
                _ => None,
            },
            direct: nic.is_some(),
            mtu: Some(self.mtu),
            queues: Some(self.queues).filter(|queues| *queues > 0),
            metric: self
                .defaults
                .iter()
                .map(|(_, metric)| *metric)
                .find(|metric| ![usual_metric(true), usual_metric(false)].contains(metric)),
            routes: Vec::new(),
            no_default: false,
            ..asked.clone()
        }
    }
}
