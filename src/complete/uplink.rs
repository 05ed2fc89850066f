//! Host interfaces to wire to, and what is known of the networks and VLANs that they lead to.
//!
//! IO, read-only; works without privileges, but then knows nothing of what is in containers.

use std::collections::HashSet;
use std::time::Instant;

use nix::unistd::Uid;

use super::inside;
use crate::cli::complete::Candidate;
use crate::cli::complete::address::Surroundings;
use crate::kernel::{self, Link, NetNs, RouteSocket};
use crate::spec::{Mark, OwnAddress, Role};

/// The interface that Open vSwitch keeps for itself.
const OF_THE_SWITCH: &str = "ovs-system";

/// The host's interfaces, bridges first and the ends of containers last.
pub(super) fn all(begun: &str) -> Option<Vec<Candidate>> {
    let mut links = links()?;
    links.retain(|link| link.layer != nix::libc::ARPHRD_LOOPBACK && link.name != OF_THE_SWITCH);
    if begun.starts_with("mac:") {
        let macs = links.into_iter().filter(|link| !link.mac().is_empty());
        return Some(macs.map(|link| Candidate::new(format!("mac:{}", link.mac()), link.name)).collect());
    }
    let addresses = kernel::every_address(&mut RouteSocket::open().ok()?).unwrap_or_default();
    links.retain(|link| Mark::of(&link.alias, Role::Port).is_none());
    links.sort_by_cached_key(|link| (rank(link), link.name.clone()));
    let about = |link: &Link| {
        let nets = addresses.iter().filter(|(at, _)| *at == link.index).map(|(_, net)| format!(", {net}"));
        let down = if link.up { "" } else { ", down" };
        format!("{}{down}{}", kind(link), nets.collect::<String>())
    };
    let mut words: Vec<_> =
        links.iter().map(|link| Candidate::new(link.name.as_str(), about(link))).collect();
    if !begun.is_empty() {
        words.push(Candidate::new("mac:", "by its MAC address"));
    }
    Some(words)
}

fn links() -> Option<Vec<Link>> {
    kernel::all_links(&mut RouteSocket::open().ok()?).ok()
}

fn kind(link: &Link) -> &str {
    match link.kind.as_deref() {
        Some("openvswitch") => "bridge of Open vSwitch",
        Some(kind) => kind,
        None if link.layer == nix::libc::ARPHRD_INFINIBAND => "InfiniBand",
        None => "card",
    }
}

fn rank(link: &Link) -> u8 {
    match link.kind.as_deref() {
        Some("bridge" | "openvswitch") => 0,
        None | Some("bond" | "team") => 1,
        Some("veth") if link.master.is_some() => 3,
        Some(_) => 2,
    }
}

/// The interface that a word means.
fn find(word: &str, links: &[Link]) -> Option<Link> {
    let is_meant = |link: &&Link| match word.strip_prefix("mac:") {
        Some(mac) => link.mac().eq_ignore_ascii_case(mac),
        None => link.name == word,
    };
    links.iter().find(is_meant).cloned()
}

/// What is on an uplink: the numbers of the interfaces to which containers are wired.
fn places(uplink: &Link, links: &[Link]) -> HashSet<u32> {
    let is_port = |link: &&Link| {
        let marked = || Mark::of(&link.alias, Role::Port).filter(|mark| mark.ovs)?.uplink;
        link.master == Some(uplink.index) || marked().is_some_and(|name| name.as_str() == uplink.name)
    };
    links.iter().filter(is_port).map(|link| link.index).chain([uplink.index]).collect()
}

/// The networks that an uplink leads to: those of its own addresses, then those of what is attached to it.
pub(super) fn surroundings(word: &str, end: Instant) -> Option<Surroundings> {
    let links = links()?;
    let uplink = find(word, &links)?;
    let mut socket = RouteSocket::open().ok()?;
    let addresses = kernel::every_address(&mut socket).unwrap_or_default();
    let defaults = kernel::routes(&mut socket, None).unwrap_or_default();
    let defaults =
        defaults.iter().filter(|(_, route)| route.net.is_none()).filter_map(|(_, route)| route.gateway);
    let defaults: Vec<_> = defaults.collect();
    let places = places(&uplink, &links);
    let others = inside::on(&places, &NetNs::own().ok()?, end);
    // Who is in a network is known when it ends here, and when everybody could be looked at.
    let is_bridge = matches!(uplink.kind.as_deref(), Some("bridge" | "openvswitch"));
    let is_end = |link: &Link| matches!(link.kind.as_deref(), Some("veth" | "tun" | "dummy"));
    let leads_out =
        links.iter().any(|link| places.contains(&link.index) && link.index != uplink.index && !is_end(link));
    let local = (is_bridge && !leads_out || uplink.kind.as_deref() == Some("dummy"))
        && others.is_some()
        && Uid::effective().is_root();
    let mut around = Surroundings::default();
    for (_, OwnAddress { net, .. }) in addresses.iter().filter(|(at, _)| *at == uplink.index) {
        let usual = defaults.iter().find(|gateway| net.contains(*gateway)).copied();
        // What shares a card cannot reach the host by it.
        around.add(*net, usual.or_else(|| is_bridge.then(|| net.addr())), local);
    }
    around.used.extend(addresses.iter().map(|(_, own)| own.ip()));
    for (net, gateway) in others.unwrap_or_default() {
        let usual = defaults.iter().find(|gateway| net.contains(*gateway)).copied();
        around.add(net, gateway.or(usual), local);
        around.used.insert(net.addr());
    }
    Some(around)
}

/// The VLANs that are in use on an uplink.
pub(super) fn vlans(word: &str, begun: &str) -> Option<Vec<Candidate>> {
    let links = links()?;
    let uplink = find(word, &links)?;
    let mut found: Vec<(u16, String)> = Vec::new();
    for link in &links {
        if let Some(vlan) =
            link.vlan.filter(|_| link.lower == Some(uplink.index) && !link.lower_is_elsewhere())
        {
            found.push((vlan, link.name.clone()));
        }
        let mark = Mark::of(&link.alias, Role::Port);
        let here = mark.filter(|mark| mark.uplink.as_ref().is_some_and(|name| name.as_str() == uplink.name));
        found.extend(here.and_then(|mark| Some((mark.vlan?, format!("{} is in it", mark.target?)))));
    }
    if uplink.vlan_filtering {
        let on_bridge =
            kernel::vlans_of_bridge(&mut RouteSocket::open().ok()?, uplink.index).unwrap_or_default();
        found.extend(
            on_bridge
                .into_iter()
                .filter(|vlan| *vlan != uplink.default_vlan)
                .map(|vlan| (vlan, format!("in use on {}", uplink.name))),
        );
    }
    found.sort_by_key(|(vlan, _)| *vlan);
    found.dedup_by_key(|(vlan, _)| *vlan);
    let before = begun.split('@').next().unwrap_or_default();
    Some(
        found
            .into_iter()
            .map(|(vlan, about)| Candidate::new(format!("{before}@{vlan}"), format!("VLAN {vlan}, {about}")))
            .collect(),
    )
}
