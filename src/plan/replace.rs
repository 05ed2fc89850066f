//! The plan of a change in place: what the kernel can change while the link stays up.

use crate::spec::{Attach, LinkAddress, MacWord, Mode, OldDefault, Route, Sharing, UplinkWord, Vlan};

use super::announce::Way;
use super::attach::usual_metric;
use super::{
    Difference, Facts, Found, Hop, Path, Present, Rule, Side, Step, Uplink, UplinkKind, configure, conflict,
    link, routing,
};

/// What can be changed in place: other differences take a new link.
const IN_PLACE: [&str; 8] = [
    "the address",
    "the table",
    "the gateway",
    "a route",
    "a rule",
    "the MTU",
    "the MAC address",
    "the interface",
];

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
    let rules = routing(asked).rules;
    let gone = present.rules.iter().rev().filter(|rule| !rules.contains(rule));
    steps.extend(gone.map(|rule| Step::DeleteRule { rule: *rule }));
    // What the first attach replaced is still what a detach has to put back; our own route is not.
    let old = present.mark.as_ref().map(|mark| mark.old.clone()).unwrap_or_default();
    let ours = |default: &Option<OldDefault>| {
        default.as_ref().is_none_or(|route| route.dev.as_ref() == Some(&facts.ifname))
    };
    let mut facts = facts.clone();
    let gateways = asked.defaults();
    for v4 in [true, false] {
        let gateway = gateways.first(v4);
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
    let way = Way::of_present(&facts, present.host_ifname.as_ref());
    configure::configure(&mut steps, asked, &facts, &way);
    steps.retain(|step| !matches!(step, Step::AddRule { rule } if present.rules.contains(rule)));
    conflict::probe_first(&mut steps, present);
    conflict::claim_anew(&mut steps, asked, &facts, present);
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
        let mut words: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        for hop in &self.hops {
            let gateway = hop.gateway;
            let mut placed = false;
            for (word, own) in words.iter_mut().zip(&self.addresses) {
                let of_table = |rule: &Rule| rule.from == own.ip() && Some(rule.table) == hop.table;
                // In tables of its own every address has its gateway; in the main one a gateway needs one address.
                let takes = match hop.table {
                    None => !placed,
                    Some(_) => self.rules.iter().any(of_table),
                };
                if takes && own.ip().is_ipv4() == gateway.is_ipv4() && !word.contains('@') {
                    *word = format!("{word}@{gateway}");
                    placed = true;
                }
            }
            if !placed {
                words.push(format!("0/0@{gateway}"));
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
            metric: self.metric(),
            routes: self.further_routes(),
            no_default: false,
            table: self.mark.as_ref().and_then(|mark| mark.tables).map(|(first, _)| first),
            // What was there is put back as it was: nobody is asked anything.
            no_dad: true,
            enable_ipv6: true,
            ..asked.clone()
        }
    }

    /// The metric that was asked for, where that was one.
    fn metric(&self) -> Option<u32> {
        let unusual = |v4: bool, metric: u32| Some(metric).filter(|metric| *metric != usual_metric(v4));
        let of_hop = |hop: &Hop| unusual(hop.gateway.is_ipv4(), hop.metric);
        let over_gateway = |path: &&Path| path.route.gateway.is_some();
        let of_path = |path: &Path| unusual(path.route.net.addr().is_ipv4(), path.real_metric());
        let first = |v4: bool| self.hops.iter().find(|hop| hop.gateway.is_ipv4() == v4);
        match (first(true), first(false)) {
            (None, None) => self.paths.iter().find(over_gateway).and_then(of_path),
            (v4, v6) => v4.into_iter().chain(v6).find_map(of_hop),
        }
    }

    /// The routes that were asked for: those that an attach makes by itself left out, and each once, whatever tables it is
    /// in.
    fn further_routes(&self) -> Vec<Route> {
        let gateways = self.hops.iter().map(|hop| hop.gateway);
        let gateways: Vec<_> =
            gateways.chain(self.paths.iter().filter_map(|path| path.route.gateway)).collect();
        let mut routes: Vec<Route> = Vec::new();
        for Path { route, table, .. } in &self.paths {
            let host = route.net.prefix_len() == route.net.max_prefix_len();
            let to_gateway = host && gateways.contains(&route.net.addr());
            let connected = table.is_some() && self.addresses.iter().any(|own| own.prefix() == route.net);
            if route.gateway.is_none() && (to_gateway || connected)
                || routes.iter().any(|other| other.net == route.net)
            {
                continue;
            }
            // That of the table is left to be that of each table.
            let of_table = |hop: &Hop| hop.table == *table && Some(hop.gateway) == route.gateway;
            let usual = table.is_some() && self.hops.iter().any(of_table);
            routes.push(Route { gateway: route.gateway.filter(|_| !usual), ..*route });
        }
        routes
    }
}
