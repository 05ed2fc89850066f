//! What `doctor` must know, asked of the kernel: the host's links, what is attached, and whether gateways answer.
//!
//! IO. It changes nothing but what the kernel remembers of neighbours that it asks, loads no module, and runs no program.
//! Each namespace is looked into once, and only where something is attached for more than its links.

mod gateways;
mod warning;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ipnet::IpNet;
use log::debug;

use crate::census::{Owner, Place};
use crate::doctor::{
    Attachment, Card, DefaultRoute, DroppingChain, Facts, Family, Firewall, HostLink, Multihomed, PortState,
    PortVlans,
};
use crate::error::Error;
use crate::kernel::{self, KernelError, Link, Neighbours, NetNs, RouteSocket};
use crate::phy;
use crate::spec::{Mark, OwnAddress, Role};
use crate::survey::{self, Host};
use crate::target::Target;

use gateways::Pending;

pub use warning::warning;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// All that is attached, and what it is attached to.
    Everything,
    /// What is attached to this target.
    Target(&'a Target),
    /// This link of the host, by its number, and what is attached to it.
    Uplink(u32),
}

/// The look around.
struct Round<'a> {
    home: &'a NetNs,
    asked: Asked<'a>,
    links: HashMap<u32, Link>,
    facts: Facts,
    pending: Vec<Pending>,
    /// The uplinks that are Open vSwitch's, which the kernel knows little of.
    switched: Vec<u32>,
}

/// Looks at everything that bears on what is asked about.
///
/// # Errors
/// When the host, or the target that is asked about, cannot be looked at.
pub fn look(home: &NetNs, asked: Asked<'_>) -> Result<Facts, Error> {
    let mut round = Round::start(home, asked)
        .map_err(|error| Error::kernel("looking at the links of the host", error))?;
    // Without the privilege no namespace would be seen, and nothing attached.
    home.enter(home, || ()).map_err(|error| Error::kernel("entering network namespaces", error))?;
    let of_target = match asked {
        Asked::Target(target) => {
            let path = target.process.as_ref().map(crate::target::Process::netns_path).unwrap_or_default();
            let place = Place { netns: &target.netns, path: &path, target: Some(target) };
            round.look_into(&place).map_err(|error| {
                Error::kernel(format!("looking at the links of {:?}", target.name), error)
            })?;
            Some(target.netns.inode())
        }
        _ => None,
    };
    for (path, netns) in kernel::namespaces(home).filter(|(_, netns)| Some(netns.inode()) != of_target) {
        let place = Place { netns: &netns, path: &path, target: None };
        if let Err(error) = round.look_into(&place) {
            debug!("{}: {error}", path.display());
        }
    }
    round.hear_gateways();
    round.mark_uplinks();
    round.look_at_cards();
    if round.facts.uplinks().any(HostLink::is_bridge) {
        round.facts.firewall =
            firewall().map_err(|error| Error::kernel("looking at the chains of the firewall", error))?;
    }
    Ok(round.facts)
}

impl<'a> Round<'a> {
    fn start(home: &'a NetNs, asked: Asked<'a>) -> Result<Self, KernelError> {
        let mut socket = RouteSocket::open()?;
        let links = kernel::all_links(&mut socket)?;
        let addresses = nets(kernel::every_address(&mut socket)?);
        let filtering = links.iter().any(|link| link.vlan_filtering);
        let vlans = if filtering { kernel::port_vlans(&mut socket)? } else { Vec::new() };
        let mut vlans: HashMap<_, _> = vlans.into_iter().map(|port| (port.index, port)).collect();
        let mut facts = Facts {
            links: links.iter().map(|link| host_link(link, &addresses)).collect(),
            ..Facts::default()
        };
        for link in &mut facts.links {
            if let Some(port) = vlans.remove(&link.index) {
                link.vlans = PortVlans { ranges: port.ranges, untagged: port.untagged };
            }
        }
        let links = links.into_iter().map(|link| (link.index, link)).collect();
        Ok(Self { home, asked, links, facts, pending: Vec::new(), switched: Vec::new() })
    }

    fn look_into(&mut self, place: &Place<'_>) -> Result<(), KernelError> {
        let (socket, neighbours) =
            place.netns.enter(self.home, || (RouteSocket::open(), Neighbours::open()))?;
        let (mut socket, mut neighbours) = (socket?, neighbours?);
        let links = kernel::all_links(&mut socket)?;
        let leads_out = links.iter().any(Link::lower_is_elsewhere);
        // Asked for after the links: it is in telling of them that the kernel numbers their namespaces.
        let home = if leads_out { kernel::neighbour(&mut socket, self.home)? } else { None };
        let ours: Vec<_> = links.iter().filter(|link| self.is_ours(link, home)).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let addresses = nets(kernel::every_address(&mut socket)?);
        let refused = kernel::refused_addresses(&mut socket)?;
        let first = self.facts.attachments.len();
        for link in &ours {
            let attachment = self.attachment(place, link, home, &addresses, &refused)?;
            if attachment.asked && link.up && link.carrier {
                self.ask_gateways(place, link.index, &mut socket, &mut neighbours, attachment)?;
            } else {
                self.facts.attachments.push(attachment);
            }
        }
        let asked = self.facts.attachments.iter().skip(first).find(|attachment| attachment.asked);
        if let Some(target) = asked.map(|attachment| attachment.target.clone()) {
            self.look_at_routes(place, &target, &links, &addresses, &mut socket)?;
        }
        Ok(())
    }

    fn is_ours(&self, link: &Link, home: Option<i32>) -> bool {
        let port = || {
            let port = self.links.get(&link.lower_in(home)?)?;
            Mark::of(&port.alias, Role::Port).filter(|_| port.lower == Some(link.index))
        };
        Mark::of(&link.alias, Role::Link).is_some() || port().is_some()
    }

    fn attachment(
        &mut self,
        place: &Place<'_>,
        link: &Link,
        home: Option<i32>,
        addresses: &[(u32, IpNet)],
        refused: &[(u32, IpNet)],
    ) -> Result<Attachment, KernelError> {
        let end = survey::host_end(link, home, &mut Host::Known(&self.links))?;
        let inside = Mark::of(&link.alias, Role::Link);
        // What was moved here is on nothing of the host's.
        let moved = inside.as_ref().is_some_and(|mark| mark.nic.is_some());
        let lower = link.lower_in(home).filter(|_| !moved);
        let owner = Owner::of(place, end.mark.as_ref(), inside.as_ref());
        let by_name = |name: &str| self.links.values().find(|link| link.name == name).map(|link| link.index);
        let uplink = match (&end.ifname, &end.uplink) {
            _ if moved => None,
            (Some(_), Some(uplink)) => by_name(uplink.as_str()),
            (Some(_), None) => None,
            (None, _) => lower,
        };
        if end.ovs {
            self.switched.extend(uplink);
        }
        let of_link = |list: &[(u32, IpNet)]| {
            list.iter().filter(|(at, _)| *at == link.index).map(|(_, net)| *net).collect::<Vec<_>>()
        };
        let asked = match self.asked {
            Asked::Everything => true,
            Asked::Target(_) => place.target.is_some(),
            Asked::Uplink(index) => uplink.is_some_and(|uplink| self.is_on(uplink, index)),
        };
        Ok(Attachment {
            target: format!("{}:{}", owner.runtime, owner.target),
            netns: place.netns.inode(),
            ifname: link.name.clone(),
            kind: link.kind.clone().unwrap_or_default(),
            passthru: link.mode == Some("passthru"),
            up: link.up,
            carrier: link.carrier,
            ovs: end.ovs,
            vlan: end.vlan.filter(|_| end.ovs),
            mtu: link.mtu,
            mac: link.mac(),
            addresses: of_link(addresses),
            refused: of_link(refused),
            host_end: lower.filter(|_| end.ifname.is_some()),
            uplink,
            gateways: Vec::new(),
            asked,
        })
    }

    /// Whether a link of the host is that one, or on it.
    fn is_on(&self, link: u32, index: u32) -> bool {
        let lower =
            self.links.get(&link).filter(|link| !link.lower_is_elsewhere()).and_then(|link| link.lower);
        link == index || lower == Some(index)
    }

    /// The default routes of a container, and the interfaces whose answers may be dropped.
    fn look_at_routes(
        &mut self,
        place: &Place<'_>,
        target: &str,
        links: &[Link],
        addresses: &[(u32, IpNet)],
        socket: &mut RouteSocket,
    ) -> Result<(), KernelError> {
        let name = |index: u32| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
        let routes = kernel::routes(socket, None)?;
        let defaults: Vec<_> =
            routes.iter().filter(|(_, route)| route.net.is_none() && route.table.is_none()).collect();
        for (index, route) in &defaults {
            self.facts.defaults.push(DefaultRoute {
                target: target.to_owned(),
                netns: place.netns.inode(),
                v4: route.v4,
                gateway: route.gateway,
                metric: route.metric,
                ifname: name(*index).unwrap_or_default(),
            });
        }
        let over: Vec<_> = defaults.iter().filter(|(_, route)| route.v4).map(|(index, _)| *index).collect();
        let Some(default_over) = over.first().and_then(|index| name(*index)) else { return Ok(()) };
        let own = |(_, net): &&(u32, IpNet)| net.addr().is_ipv4() && !net.addr().is_loopback();
        let with_address: Vec<_> =
            addresses.iter().filter(own).filter(|(at, _)| !over.contains(at)).collect();
        if with_address.is_empty() {
            return Ok(());
        }
        let (strict, rules) = (kernel::strict_links(socket)?, kernel::rule_sources(socket)?);
        for (index, net) in with_address {
            let address = net.addr();
            let has_rule = rules.iter().any(|from| from.contains(&address));
            let Some(ifname) = name(*index).filter(|_| strict.contains(index) && !has_rule) else { continue };
            let (target, default_over) = (target.to_owned(), default_over.clone());
            self.facts.multihomed.push(Multihomed { target, ifname, address, default_over });
        }
        Ok(())
    }

    /// Says of the host's links which are uplinks that are asked about.
    fn mark_uplinks(&mut self) {
        let mut used: Vec<_> = self.facts.asked().filter_map(|attachment| attachment.uplink).collect();
        if let Asked::Uplink(index) = self.asked {
            used.push(index);
        }
        used.retain(|index| !self.switched.contains(index));
        for link in &mut self.facts.links {
            link.asked = used.contains(&link.index);
        }
    }

    /// Looks at the cards that macvlans are on.
    fn look_at_cards(&mut self) {
        let shared = self.facts.asked().filter(|attachment| attachment.kind == "macvlan");
        let parents: Vec<_> = shared.filter_map(|attachment| attachment.uplink).collect();
        let below = parents.iter().filter_map(|index| self.facts.link(*index)?.lower);
        let cards: Vec<_> = parents.iter().copied().chain(below).collect();
        for link in self.facts.links.iter_mut().filter(|link| cards.contains(&link.index)) {
            let Some(seen) = self.links.get(&link.index) else { continue };
            let wireless = seen.name.parse().is_ok_and(|name| phy::of(&name).is_some());
            link.card = Card { wireless, driver: driver(seen) };
        }
    }
}

/// A link of the host as the checks see it.
/// The addresses without their peers, which nothing here is about.
fn nets(addresses: Vec<(u32, OwnAddress)>) -> Vec<(u32, IpNet)> {
    addresses.into_iter().map(|(at, own)| (at, own.net)).collect()
}

fn host_link(link: &Link, addresses: &[(u32, IpNet)]) -> HostLink {
    let is_port = link.port_kind.as_deref() == Some("bridge");
    let peer_is_elsewhere = link.kind.as_deref() == Some("veth") && link.lower_is_elsewhere();
    HostLink {
        index: link.index,
        name: link.name.clone(),
        kind: link.kind.clone(),
        up: link.up,
        carrier: link.carrier,
        mtu: link.mtu,
        mac: link.mac(),
        bridge: link.master.filter(|_| is_port),
        port_state: link.port_state.and_then(PortState::of),
        // The lower link of a veth is its other end.
        lower: link.lower.filter(|_| link.kind.as_deref() != Some("veth") && !link.lower_is_elsewhere()),
        to_container: peer_is_elsewhere || Mark::of(&link.alias, Role::Port).is_some(),
        stp: link.stp,
        forward_delay: u32::try_from(link.forward_delay.as_secs()).unwrap_or(u32::MAX),
        filtering: link.vlan_filtering,
        vlans: PortVlans::default(),
        addresses: addresses.iter().filter(|(at, _)| *at == link.index).map(|(_, net)| *net).collect(),
        card: Card::default(),
        asked: false,
    }
}

/// The driver of a card, by the device that the kernel names: its name is looked up where names are the machine's, not
/// those of a namespace.
fn driver(link: &Link) -> Option<String> {
    let [device, bus] = &link.device;
    let is_name = |word: &str| !word.is_empty() && !word.starts_with('.') && !word.contains('/');
    if !is_name(device) || !is_name(bus) {
        return None;
    }
    let path = Path::new("/sys/bus").join(bus).join("devices").join(device).join("driver");
    fs::read_link(path).ok()?.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn firewall() -> Result<Firewall, KernelError> {
    let chain = |chain: kernel::ForwardChain| {
        // NFPROTO_*, include/uapi/linux/netfilter.h.
        let family = match chain.family {
            1 => Family::Inet,
            2 => Family::V4,
            7 => Family::Bridge,
            10 => Family::V6,
            _ => return None,
        };
        Some(DroppingChain { family, table: chain.table, name: chain.name })
    };
    Ok(Firewall {
        bridged_v4: kernel::bridges_call("iptables"),
        bridged_v6: kernel::bridges_call("ip6tables"),
        dropping: kernel::dropping_chains()?.into_iter().filter_map(chain).collect(),
        legacy: [kernel::has_legacy_filter(false), kernel::has_legacy_filter(true)],
    })
}
