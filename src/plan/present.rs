//! An attachment that is there already, against what is asked for.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::spec::{Attach, IfName, Mac, MacWord, Mark, Sharing, UplinkWord, Vlan};

use super::attach::usual_metric;
use super::{Facts, Found, UplinkKind, default_metric};

/// An interface of the target under the name that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Whether an attach was ended in the middle of making it.
    pub unfinished: bool,
    /// Its mark; without one it is somebody else's.
    pub mark: Option<Mark>,
    /// The mark of the host's end.
    pub port_mark: Option<Mark>,
    /// The kind of link.
    pub kind: String,
    /// The mode of a macvlan or an ipvlan.
    pub mode: Option<String>,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its MAC address.
    pub mac: Option<Mac>,
    /// Its largest packet in bytes.
    pub mtu: u32,
    /// How many queues it has for sending.
    pub queues: u32,
    /// The addresses that somebody has set.
    pub addresses: Vec<IpNet>,
    /// The default routes over it: the gateway and the metric.
    pub defaults: Vec<(Option<IpAddr>, u32)>,
    /// The other routes over it: where to, the gateway and the metric.
    pub routes: Vec<(IpNet, Option<IpAddr>, u32)>,
    /// The name of the host's end.
    pub host_ifname: Option<IfName>,
    /// What it is wired to, as the host has it.
    pub uplink: Option<IfName>,
    /// The VLAN that it is in, as the host has it.
    pub vlan: Option<u16>,
}

/// Something that is not as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What: `address`, `gateway` …
    pub what: &'static str,
    /// How it is.
    pub is: String,
    /// How it should be.
    pub asked: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, not {}", self.what, self.is, self.asked)
    }
}

/// Words with commas, or `none`.
fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(",") }
}

/// Everything in which `present` is not what `asked` asks for.
#[must_use]
pub fn differences(asked: &Attach, facts: &Facts, present: &Present) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what, is: String, asked: String| {
        if is != asked {
            found.push(Difference { what, is, asked });
        }
    };
    compare("the uplink", list(present.uplink.as_ref()), asked_uplink(asked, facts));
    let (kind, mode) = asked_kind(asked, facts);
    compare("the kind", present.kind.clone(), kind.unwrap_or(&present.kind).to_owned());
    if let (Some(mode), Some(is)) = (mode, &present.mode) {
        compare("the mode", is.clone(), mode.to_owned());
    }
    compare("the VLAN", list(present.vlan), list(facts.vlan.map(Vlan::id)));
    if let Some(mac) = asked.link_address.mac.as_ref().map(MacWord::mac) {
        compare("the MAC address", list(present.mac), mac.to_string());
    }
    if let Some(mtu) = asked.mtu {
        compare("the MTU", present.mtu.to_string(), mtu.to_string());
    }
    if let (Some(queues), "veth" | "macvlan" | "ipvlan") = (asked.queues, present.kind.as_str()) {
        compare("the number of queues", present.queues.to_string(), queues.to_string());
    }
    if let Some(host_ifname) = &asked.host_ifname {
        compare("the host's end", list(present.host_ifname.as_ref()), host_ifname.to_string());
    }
    let sorted = |mut nets: Vec<IpNet>| {
        nets.sort_unstable();
        list(nets)
    };
    // What a lease brings is not known from the words: only the fixed ones are compared with it.
    let leased = asked.addresses.dhcp().is_some();
    let fixed: Vec<IpNet> = asked.addresses.nets().collect();
    let kept = |net: &IpNet| !leased || net.addr().is_ipv6() || fixed.contains(net);
    compare(
        "the address",
        sorted(present.addresses.iter().copied().filter(kept).collect()),
        sorted(fixed.clone()),
    );
    let gateways = asked.defaults();
    for (v4, gateway) in [(true, gateways.v4), (false, gateways.v6)] {
        if v4 && leased && gateway.is_none() {
            continue;
        }
        let metric = default_metric(asked, v4);
        let of_family = |(hop, _): &&(Option<IpAddr>, u32)| hop.is_some_and(|hop| hop.is_ipv4() == v4);
        let is = present.defaults.iter().filter(of_family);
        let with_metric = |hop: IpAddr, metric: u32| {
            if metric == usual_metric(v4) { hop.to_string() } else { format!("{hop} metric {metric}") }
        };
        let is = list(is.filter_map(|(hop, metric)| Some(with_metric((*hop)?, *metric))));
        compare("the gateway", is, list(gateway.map(|hop| with_metric(hop, metric))));
    }
    for route in asked.routes() {
        let metric = asked.metric.unwrap_or(usual_metric(route.net.addr().is_ipv4()));
        let wanted = (route.net.trunc(), route.gateway, metric);
        if !present.routes.contains(&wanted) {
            compare("a route", "none".to_owned(), route.to_string());
        }
    }
    if !present.up {
        compare("the interface", "down".to_owned(), "up".to_owned());
    }
    found
}

fn asked_uplink(asked: &Attach, facts: &Facts) -> String {
    match (&facts.uplink, &asked.uplink) {
        (Found::Link(uplink), _) => uplink.name.to_string(),
        (_, UplinkWord::Name(name)) => name.to_string(),
        (_, word) => word.to_string(),
    }
}

/// The kind and the mode that an attach would make; no kind where it is whatever the interface is.
fn asked_kind(asked: &Attach, facts: &Facts) -> (Option<&'static str>, Option<&'static str>) {
    let sharing = asked.sharing.unwrap_or_default();
    let shared = |sharing: Sharing| (Some(sharing.kind()), Some(sharing.mode()));
    match &facts.uplink {
        _ if asked.direct => (None, None),
        Found::Link(uplink) => match uplink.kind {
            UplinkKind::Bridge { .. } | UplinkKind::OpenVswitch => (Some("veth"), None),
            UplinkKind::Ipoib => (Some("ipoib"), None),
            _ => shared(sharing),
        },
        _ if asked_uplink(asked, facts).starts_with("dummy") => (Some("dummy"), None),
        _ => (Some("veth"), None),
    }
}
