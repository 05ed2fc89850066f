//! What is in containers: their interfaces, and the addresses of those that are on an uplink.
//!
//! IO, read-only. It needs the privilege to enter namespaces; without it there is what the host's own ends say.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::cli::complete::Candidate;
use crate::kernel::{self, KernelError, Link, NetNs, RouteSocket};
use crate::spec::{Mark, Role, TargetWord};
use crate::target::Target;

/// The interfaces in a container, or in our own namespace when none was named; `ours`: those that rpipe has attached.
pub(super) fn interfaces(target: Option<&str>, ours: bool, limit: Duration, home: &NetNs) -> Vec<Candidate> {
    if !ours && target.is_none() {
        return look(home, home).unwrap_or_default().iter().map(|link| described(link, None)).collect();
    }
    let word = target.and_then(|word| word.parse::<TargetWord>().ok());
    let opened = word.as_ref().and_then(|word| Target::open(word, home, limit).ok());
    if let Some(links) = opened.and_then(|target| look(&target.netns, home).ok()) {
        let mark = |link: &Link| Mark::of(&link.alias, Role::Link);
        let fits = links.iter().filter(|link| mark(link).is_some() || !ours);
        return fits.map(|link| described(link, mark(link).as_ref())).collect();
    }
    on_host(word.as_ref(), home)
}

fn look(netns: &NetNs, home: &NetNs) -> Result<Vec<Link>, KernelError> {
    let mut socket =
        if netns.is(home) { RouteSocket::open()? } else { netns.enter(home, RouteSocket::open)?? };
    let mut links = kernel::all_links(&mut socket)?;
    links.retain(|link| link.name != "lo");
    links.sort_by_cached_key(|link| link.name.clone());
    Ok(links)
}

fn described(link: &Link, mark: Option<&Mark>) -> Candidate {
    let kind = link.kind.as_deref().unwrap_or("card");
    let uplink = mark.and_then(|mark| mark.uplink.as_ref()).map(|uplink| format!(" on {uplink}"));
    Candidate::new(link.name.as_str(), format!("{kind}{}", uplink.unwrap_or_default()))
}

/// The interfaces that the marks of the host's ends name.
fn on_host(target: Option<&TargetWord>, home: &NetNs) -> Vec<Candidate> {
    let is_meant = |mark: &Mark| {
        let known = mark.target.as_deref().and_then(|target| target.parse::<TargetWord>().ok());
        target.is_none_or(|target| {
            known.is_some_and(|known| {
                known.name == target.name && (target.runtime.is_none() || target.runtime == known.runtime)
            })
        })
    };
    let mut found: Vec<Candidate> = Vec::new();
    for mark in
        look(home, home).unwrap_or_default().iter().filter_map(|link| Mark::of(&link.alias, Role::Port))
    {
        let name = mark.ifname.as_ref().filter(|_| is_meant(&mark)).map(ToString::to_string);
        let name = name.filter(|name| found.iter().all(|known| known.word != *name));
        found.extend(name.map(|name| Candidate::new(name, mark.target.unwrap_or_default())));
    }
    found
}

/// The addresses of the interfaces in containers that are on one of these of the host, each with the gateway over that
/// interface; none when they could not all be looked at in time.
pub(super) fn on(places: &HashSet<u32>, home: &NetNs, end: Instant) -> Option<Vec<(IpNet, Option<IpAddr>)>> {
    let mut found = Vec::new();
    for (_, netns) in kernel::namespaces(home) {
        if Instant::now() > end {
            return None;
        }
        // One that ends meanwhile has no addresses any more.
        found.extend(in_one(places, &netns, home).unwrap_or_default());
    }
    Some(found)
}

fn in_one(
    places: &HashSet<u32>,
    netns: &NetNs,
    home: &NetNs,
) -> Result<Vec<(IpNet, Option<IpAddr>)>, KernelError> {
    let mut socket = netns.enter(home, RouteSocket::open)??;
    let links = kernel::all_links(&mut socket)?;
    if !links.iter().any(Link::lower_is_elsewhere) {
        return Ok(Vec::new());
    }
    // Asked for after the links: it is in telling of them that the kernel numbers their namespaces.
    let number = kernel::neighbour(&mut socket, home)?;
    let is_on = |link: &&Link| link.lower_in(number).is_some_and(|index| places.contains(&index));
    let on: HashSet<_> = links.iter().filter(is_on).map(|link| link.index).collect();
    if on.is_empty() {
        return Ok(Vec::new());
    }
    let routes = kernel::routes(&mut socket, None)?;
    let gateway = |at: u32, net: &IpNet| {
        let defaults = routes.iter().filter(|(over, route)| *over == at && route.net.is_none());
        defaults.filter_map(|(_, route)| route.gateway).find(|gateway| net.contains(gateway))
    };
    let addresses = kernel::every_address(&mut socket)?.into_iter().filter(|(at, _)| on.contains(at));
    Ok(addresses.map(|(at, own)| (own.net, gateway(at, &own.net))).collect())
}
