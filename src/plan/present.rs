//! An attachment that is there already, against what is asked for.

use std::fmt;

use crate::spec::{Attach, Claim, IfName, Mac, MacWord, Mark, OwnAddress, Sharing, UplinkWord, Vlan};

use super::{Facts, Found, Hop, Path, Rule, UplinkKind, routing};

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
    /// The addresses that somebody has set, in the kernel's order.
    pub addresses: Vec<OwnAddress>,
    /// The default routes over it, the preferred ones first.
    pub hops: Vec<Hop>,
    /// The other routes over it.
    pub paths: Vec<Path>,
    /// The rules that lead into its tables.
    pub rules: Vec<Rule>,
    /// The name of the host's end.
    pub host_ifname: Option<IfName>,
    /// What it is wired to, as the host has it.
    pub uplink: Option<IfName>,
    /// The VLAN that it is in, as the host has it.
    pub vlan: Option<u16>,
    /// The claims to addresses that the host's end carries.
    pub claims: Vec<Claim>,
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
    // What a lease brings is not known from the words: only the fixed ones are compared with it.
    let leased = asked.addresses.dhcp().is_some();
    let fixed = in_kernels_order(asked.addresses.own());
    let kept = |own: &&OwnAddress| !leased || own.ip().is_ipv6() || fixed.contains(own);
    compare("the address", list(present.addresses.iter().filter(kept)), list(&fixed));
    let tables = present.mark.as_ref().and_then(|mark| mark.tables);
    let table = |tables: Option<(u32, u32)>| list(tables.map(|(first, _)| first));
    compare("the table", table(tables), table(asked.tables()));
    let wanted = routing(asked);
    for v4 in [true, false] {
        let of_family = |hops: &[Hop]| list(hops.iter().filter(|hop| hop.gateway.is_ipv4() == v4));
        if !(v4 && leased && asked.defaults().first(true).is_none()) {
            compare("the gateway", of_family(&present.hops), of_family(&wanted.hops));
        }
    }
    let there = |wanted: &Path| {
        let same = |is: &&Path| {
            (is.route, is.real_metric(), is.table) == (wanted.route, wanted.real_metric(), wanted.table)
        };
        present.paths.iter().find(same).is_some()
    };
    for path in wanted.paths.iter().filter(|path| !there(path)) {
        compare("a route", "none".to_owned(), path.to_string());
    }
    for rule in wanted.rules.iter().filter(|rule| !present.rules.contains(rule)) {
        compare("a rule", "none".to_owned(), rule.to_string());
    }
    if !present.up {
        compare("the interface", "down".to_owned(), "up".to_owned());
    }
    found
}

/// Addresses that are added in this order, as the kernel tells of them: of IPv4 the first of each subnet, then the others;
/// then those of IPv6.
fn in_kernels_order(addresses: impl Iterator<Item = OwnAddress>) -> Vec<OwnAddress> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.partition(|own| own.ip().is_ipv4());
    let (mut first, mut secondary): (Vec<OwnAddress>, Vec<OwnAddress>) = Default::default();
    for own in v4 {
        let is_second = first.iter().any(|first| first.prefix() == own.prefix());
        (if is_second { &mut secondary } else { &mut first }).push(own);
    }
    first.into_iter().chain(secondary).chain(v6).collect()
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
