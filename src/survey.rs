//! What is attached already, asked of the kernel: the container's end, what hangs on it, and the host's end.
//!
//! IO, read-only. The answer is a plain [`Present`].

use std::collections::HashMap;

use crate::error::Error;
use crate::kernel::{self, KernelError, Link, NetNs, RouteSocket, SeenRoute};
use crate::machine::Machine;
use crate::plan::{Attachment, Hop, Path, Present, RULE_PRIORITY, Rule, Side};
use crate::spec::{Claim, IfName, Mark, OwnAddress, Role, Route};

/// Looks at an interface of the target. What the host says of its own end counts; the mark inside says only what the
/// host does not know.
///
/// # Errors
/// When the kernel does not answer a question.
pub fn present(ifname: &IfName, machine: &mut Machine<'_>) -> Result<Option<Present>, Error> {
    look(ifname, machine).map_err(|error| Error::kernel(format!("looking at {ifname}"), error))
}

fn look(ifname: &IfName, machine: &mut Machine<'_>) -> Result<Option<Present>, KernelError> {
    let Some(link) = kernel::find_link(&mut machine.target, ifname.as_str())? else { return Ok(None) };
    machine.learn(Side::Target, ifname, link.clone());
    let carried = Carried {
        addresses: kernel::addresses(&mut machine.target, None)?,
        routes: kernel::routes(&mut machine.target, Some(link.index))?,
        rules: rules(&mut machine.target, std::slice::from_ref(&link))?,
    };
    let home = kernel::neighbour(&mut machine.target, machine.home)?;
    let host = host_end(&link, home, &mut Host::Asked(&mut machine.host))?;
    Ok(Some(described(&link, &carried, host)))
}

/// What the links of a namespace carry, each thing with the number of its link.
#[derive(Debug, Default)]
pub struct Carried {
    /// The addresses.
    pub addresses: Vec<(u32, OwnAddress)>,
    /// The routes.
    pub routes: Vec<(u32, SeenRoute)>,
    /// The rules, which are no link's.
    pub rules: Vec<Rule>,
}

/// The rules that rpipe has made in a namespace, where one of the links is marked with a table.
fn rules(socket: &mut RouteSocket, links: &[Link]) -> Result<Vec<Rule>, KernelError> {
    let tables = |link: &Link| Mark::of(&link.alias, Role::Link).is_some_and(|mark| mark.tables.is_some());
    if !links.iter().any(tables) {
        return Ok(Vec::new());
    }
    let rules = kernel::rules(socket, RULE_PRIORITY)?;
    Ok(rules.into_iter().map(|(from, table)| Rule { from, table }).collect())
}

/// All attachments of the target.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Those that rpipe has made, without their addresses and routes: they go with their links.
    pub attachments: Vec<Attachment>,
    /// The 802.1Q interfaces of ours on the host that they use.
    pub vlan_links: Vec<(IfName, Link)>,
    /// The interfaces that others have made.
    pub others: Vec<IfName>,
}

/// Looks at all interfaces of the target.
///
/// # Errors
/// When the kernel does not answer a question.
pub fn inventory(machine: &mut Machine<'_>) -> Result<Inventory, Error> {
    take_stock(machine).map_err(|error| Error::kernel("looking at the attachments", error))
}

fn take_stock(machine: &mut Machine<'_>) -> Result<Inventory, KernelError> {
    let (target, host) = (&mut machine.target, &mut machine.host);
    let links = kernel::all_links(target)?;
    let home = kernel::neighbour(target, machine.home)?;
    let mut inventory = Inventory::default();
    let is_ours = |link: &Link| link.unfinished || Mark::of(&link.alias, Role::Link).is_some();
    // Addresses and routes go with their links; rules do not, and are known by the addresses.
    let with_rules =
        |link: &Link| Mark::of(&link.alias, Role::Link).is_some_and(|mark| mark.tables.is_some());
    let carried = if links.iter().any(with_rules) {
        Carried {
            addresses: kernel::addresses(target, None)?,
            routes: kernel::routes(target, None)?,
            rules: rules(target, &links)?,
        }
    } else {
        Carried::default()
    };
    for link in links {
        // A kernel's name always parses: it has been through the same rules.
        let Ok(ifname) = link.name.parse::<IfName>() else { continue };
        if !is_ours(&link) {
            inventory.others.push(ifname);
            continue;
        }
        let end = host_end(&link, home, &mut Host::Asked(host))?;
        let ovs = end.ovs;
        inventory.vlan_links.extend(end.vlan_link.clone().map(|vlan| (ifname.clone(), vlan)));
        let host_end = end.index.filter(|_| end.mark.is_some() && !ovs);
        let present = described(&link, &carried, end);
        // Hardware has no kind, and what is on a link of another namespace was made from there.
        let from_outside = link.kind.is_none() || link.lower_is_elsewhere();
        let moved = present.mark.as_ref().is_some_and(|mark| mark.nic.is_some());
        let doubtful = moved && !from_outside;
        let index = link.index;
        inventory.attachments.push(Attachment {
            ifname,
            present,
            ovs,
            doubtful,
            vlan_link: None,
            index,
            host_end,
        });
    }
    Ok(inventory)
}

/// Whether an interface in any namespace but the host's and `but` is on the host's link of that number. When in doubt it
/// is: numbers of yet another namespace count as well.
#[must_use]
pub fn is_used_elsewhere(index: u32, home: &NetNs, but: &NetNs) -> bool {
    let on_it = |link: &Link| link.lower == Some(index) && link.lower_is_elsewhere();
    kernel::namespaces(home).filter(|(_, netns)| !netns.is(but)).any(|(path, netns)| {
        let links = netns.enter(home, RouteSocket::open).and_then(|socket| kernel::all_links(&mut socket?));
        match links {
            Ok(links) => links.iter().any(on_it),
            Err(error) => {
                log::debug!("{}: {error}", path.display());
                true
            }
        }
    })
}

/// Whether an interface in any namespace is on the host's link of that number.
///
/// # Errors
/// The kernel's refusal on the host or in the target.
pub fn is_used(index: u32, machine: &mut Machine<'_>) -> Result<bool, KernelError> {
    let on_it = |link: &Link| link.lower == Some(index);
    let here =
        kernel::all_links(&mut machine.host)?.iter().any(|link| on_it(link) && !link.lower_is_elsewhere());
    let there =
        kernel::all_links(&mut machine.target)?.iter().any(|link| on_it(link) && link.lower_is_elsewhere());
    Ok(here || there || is_used_elsewhere(index, machine.home, machine.netns))
}

/// Where the links of the host are looked up.
#[derive(Debug)]
pub enum Host<'a> {
    /// The kernel is asked for each.
    Asked(&'a mut RouteSocket),
    /// All of them were asked for at once, by their numbers.
    Known(&'a HashMap<u32, Link>),
}

impl Host<'_> {
    fn link(&mut self, index: u32) -> Result<Option<Link>, KernelError> {
        match self {
            Self::Asked(socket) => kernel::link_by_index(socket, index),
            Self::Known(links) => Ok(links.get(&index).cloned()),
        }
    }
}

/// The host's end of an attachment.
#[derive(Debug, Default)]
pub struct HostEnd {
    /// Its name, where it has one of its own.
    pub ifname: Option<IfName>,
    /// What it is wired to.
    pub uplink: Option<IfName>,
    /// The VLAN it is in.
    pub vlan: Option<u16>,
    /// The 802.1Q interface between it and its uplink.
    pub vlan_link: Option<Link>,
    /// Whether it is a port of Open vSwitch.
    pub ovs: bool,
    /// Its mark.
    pub mark: Option<Mark>,
    /// Its number, where it is the other end of a veth.
    pub index: Option<u32>,
    /// The claims to addresses that it carries.
    pub claims: Vec<Claim>,
}

/// The container's end in plain words.
#[must_use]
pub fn described(link: &Link, carried: &Carried, host: HostEnd) -> Present {
    let mark = Mark::of(&link.alias, Role::Link);
    let tables = mark.as_ref().and_then(|mark| mark.tables);
    let ours = |table: u32| tables.is_some_and(|(first, last)| (first..=last).contains(&table));
    // What somebody has put into other tables is nothing of ours.
    let routes = || {
        let of_link = carried.routes.iter().filter(|(at, _)| *at == link.index).map(|(_, route)| *route);
        of_link.filter(|route| route.table.is_none_or(ours))
    };
    let mut hops: Vec<Hop> = routes()
        .filter(|route| route.net.is_none())
        .filter_map(|SeenRoute { gateway, metric, table, .. }| Some(Hop { gateway: gateway?, metric, table }))
        .collect();
    hops.sort_by_key(|hop| (hop.gateway.is_ipv6(), hop.table, hop.metric));
    let path = |SeenRoute { net, gateway, metric, table, .. }| {
        Some(Path { route: Route { net: net?, gateway }, metric: Some(metric), table })
    };
    // A rule is also ours when its address is nobody's any more.
    let owner = |ip| carried.addresses.iter().find(|(_, own)| own.ip() == ip).map(|(at, _)| *at);
    let mine = |rule: &&Rule| ours(rule.table) && owner(rule.from).is_none_or(|at| at == link.index);
    let marked = mark.as_ref().and_then(|mark| mark.uplink.clone());
    // One that was moved has left nothing on the host that knows of it, whatever its other end is.
    let moved = mark.as_ref().filter(|mark| mark.nic.is_some());
    let host = match moved {
        Some(mark) => HostEnd { vlan: mark.vlan, ..HostEnd::default() },
        None => host,
    };
    Present {
        unfinished: link.unfinished,
        kind: link.kind.clone().unwrap_or_else(|| "physical".to_owned()),
        mode: link.mode.map(str::to_owned),
        up: link.up,
        mac: link.mac().parse().ok(),
        mtu: link.mtu,
        queues: link.queues,
        addresses: carried
            .addresses
            .iter()
            .filter(|(at, _)| *at == link.index)
            .map(|(_, own)| *own)
            .collect(),
        hops,
        paths: routes().filter_map(path).collect(),
        rules: carried.rules.iter().filter(mine).copied().collect(),
        // Where the host has no end, there is only the container's word.
        uplink: match host.ifname {
            Some(_) => host.uplink,
            None => host.uplink.or(marked),
        },
        host_ifname: host.ifname,
        vlan: host.vlan,
        port_mark: host.mark,
        claims: host.claims,
        mark,
    }
}

/// Finds the host's end by the number that the container's end names. It is one of the host's only where the kernel says
/// that it is of the namespace that it calls `home` in there; in a namespace of its own a container could choose any.
///
/// # Errors
/// The kernel's refusal.
pub fn host_end(link: &Link, home: Option<i32>, host: &mut Host<'_>) -> Result<HostEnd, KernelError> {
    let Some(index) = link.lower_in(home) else { return Ok(HostEnd::default()) };
    let Some(other) = host.link(index)? else { return Ok(HostEnd::default()) };
    match (link.kind.as_deref(), other.kind.as_deref()) {
        (Some("veth"), Some("veth")) if other.lower == Some(link.index) => port(&other, host),
        (Some("veth"), _) => Ok(HostEnd::default()),
        (_, Some("vlan")) if Mark::of(&other.alias, Role::Vlan).is_some() => vlan_end(other, host),
        _ => Ok(HostEnd { uplink: other.name.parse().ok(), ..HostEnd::default() }),
    }
}

/// A veth's host end: on a Linux bridge the kernel knows which, on Open vSwitch only its mark does.
fn port(port: &Link, host: &mut Host<'_>) -> Result<HostEnd, KernelError> {
    let mark = Mark::of(&port.alias, Role::Port);
    let bridge = match (&port.master, port.port_kind.as_deref()) {
        (Some(index), Some("bridge")) => host.link(*index)?,
        _ => None,
    };
    let marked = mark.as_ref().filter(|mark| mark.ovs);
    Ok(HostEnd {
        ifname: port.name.parse().ok(),
        uplink: match &bridge {
            Some(bridge) => bridge.name.parse().ok(),
            None => marked.and_then(|mark| mark.uplink.clone()),
        },
        vlan: mark.as_ref().and_then(|mark| mark.vlan),
        vlan_link: None,
        ovs: bridge.is_none() && marked.is_some(),
        mark,
        index: Some(port.index),
        claims: port.other_names.iter().filter_map(|name| name.parse().ok()).collect(),
    })
}

/// An 802.1Q interface of ours: the uplink is what it is on.
fn vlan_end(vlan: Link, host: &mut Host<'_>) -> Result<HostEnd, KernelError> {
    let parent = match vlan.lower {
        Some(index) => host.link(index)?,
        None => None,
    };
    Ok(HostEnd {
        ifname: None,
        uplink: parent.and_then(|parent| parent.name.parse().ok()),
        vlan: vlan.vlan,
        vlan_link: Some(vlan),
        ovs: false,
        mark: None,
        index: None,
        claims: Vec::new(),
    })
}
