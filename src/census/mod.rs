//! Every attachment of the machine, found by the marks of its links.
//!
//! IO, read-only. The host's links are asked for once; a namespace is asked for its links, and for more only when one of
//! them is ours. What a mark inside a container says is shown where the host knows nothing better, and used for
//! nothing else.

mod drift;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use log::debug;

use crate::error::Error;
use crate::kernel::{self, KernelError, Link, NetNs, RouteSocket};
use crate::listing::Listed;
use crate::ovs::Ovs;
use crate::plan::Present;
use crate::spec::{Mark, Role, Runtime};
use crate::survey::{self, Carried, Host, HostEnd};
use crate::target::Target;

use drift::{Condition, Port};

/// The host, looked at once.
struct View<'a> {
    home: &'a NetNs,
    links: HashMap<u32, Link>,
    /// The ports of Open vSwitch, where it has any of ours and answers.
    switch: Option<HashSet<String>>,
    /// The host's ends whose other ends were found.
    found: HashSet<u32>,
}

/// A namespace that is looked into.
pub(crate) struct Place<'a> {
    pub netns: &'a NetNs,
    pub path: &'a Path,
    /// Whose it is, where it was asked for by name.
    pub target: Option<&'a Target>,
}

/// The attachments of one target, or of all.
///
/// # Errors
/// When the host, or the one namespace that was asked for, cannot be looked at.
pub fn census(home: &NetNs, target: Option<&Target>) -> Result<Vec<Listed>, Error> {
    let mut view =
        View::new(home).map_err(|error| Error::kernel("looking at the links of the host", error))?;
    let mut rows = Vec::new();
    if let Some(target) = target {
        let path = target.process.as_ref().map(crate::target::Process::netns_path).unwrap_or_default();
        let place = Place { netns: &target.netns, path: &path, target: Some(target) };
        view.look_into(&place, &mut rows)
            .map_err(|error| Error::kernel(format!("looking at the links of {:?}", target.name), error))?;
    } else {
        // Without the privilege no namespace would be seen, and nothing attached.
        home.enter(home, || ()).map_err(|error| Error::kernel("entering network namespaces", error))?;
        for (path, netns) in kernel::namespaces(home) {
            let place = Place { netns: &netns, path: &path, target: None };
            if let Err(error) = view.look_into(&place, &mut rows) {
                debug!("{}: {error}", path.display());
            }
        }
        view.without_another_end(&mut rows);
    }
    rows.sort_by(|a, b| (&a.target, &a.ifname, a.pid).cmp(&(&b.target, &b.ifname, b.pid)));
    Ok(rows)
}

impl<'a> View<'a> {
    fn new(home: &'a NetNs) -> Result<Self, KernelError> {
        let links = kernel::all_links(&mut RouteSocket::open()?)?;
        let switched =
            links.iter().any(|link| Mark::of(&link.alias, Role::Port).is_some_and(|mark| mark.ovs));
        let links = links.into_iter().map(|link| (link.index, link)).collect();
        let records = switched.then(|| Ovs::find().and_then(|ovs| ovs.records()));
        let switch = records.and_then(|records| {
            records.inspect_err(|error| debug!("Open vSwitch: {error}")).ok().map(|records| records.ports)
        });
        Ok(Self { home, links, switch, found: HashSet::new() })
    }

    /// The host's marked end of a veth.
    fn port(&self, link: &Link, home: Option<i32>) -> Option<(&Link, Mark)> {
        let index = link.lower_in(home)?;
        let port = self.links.get(&index).filter(|port| port.lower == Some(link.index))?;
        Some((port, Mark::of(&port.alias, Role::Port)?))
    }

    fn look_into(&mut self, place: &Place<'_>, rows: &mut Vec<Listed>) -> Result<(), KernelError> {
        let mut socket = place.netns.enter(self.home, RouteSocket::open)??;
        let links = kernel::all_links(&mut socket)?;
        let leads_out = links.iter().any(Link::lower_is_elsewhere);
        // Asked for after the links: it is in telling of them that the kernel numbers their namespaces.
        let home = if leads_out { kernel::neighbour(&mut socket, self.home)? } else { None };
        let is_ours =
            |link: &&Link| Mark::of(&link.alias, Role::Link).is_some() || self.port(link, home).is_some();
        let ours: Vec<_> = links.iter().filter(is_ours).collect();
        if ours.is_empty() {
            return Ok(());
        }
        let carried = Carried {
            addresses: kernel::every_address(&mut socket)?,
            routes: kernel::routes(&mut socket, None)?,
            rules: Vec::new(),
        };
        for link in ours {
            let end = survey::host_end(link, home, &mut Host::Known(&self.links))?;
            rows.push(self.row(place, link, home, &carried, end));
            self.found.extend(link.lower);
        }
        Ok(())
    }

    fn row(
        &self,
        place: &Place<'_>,
        link: &Link,
        home: Option<i32>,
        carried: &Carried,
        end: HostEnd,
    ) -> Listed {
        let vlan_link = end.vlan_link.clone();
        let mut present = survey::described(link, carried, end);
        let port = self.port(link, home);
        let condition = self.condition(place, link, &present, port.as_ref(), vlan_link.as_ref());
        let on_host = port.map(|(_, mark)| mark);
        if present.uplink.is_none() {
            present.uplink = on_host.as_ref().and_then(|mark| mark.uplink.clone());
        }
        let owner = Owner::of(place, on_host.as_ref(), present.mark.as_ref());
        Listed {
            target: owner.target,
            runtime: owner.runtime,
            id: owner.id,
            pid: place.pid(),
            ifname: link.name.clone(),
            host_ifname: present.host_ifname.map(|name| name.to_string()),
            uplink: present.uplink.map(|name| name.to_string()),
            kind: present.kind,
            addresses: present.addresses.iter().map(ToString::to_string).collect(),
            gateways: present.hops.iter().map(|hop| hop.gateway.to_string()).collect(),
            mac: Some(link.mac()).filter(|mac| !mac.is_empty()),
            mtu: Some(present.mtu),
            vlan: present.vlan,
            state: condition.words(),
        }
    }

    fn condition(
        &self,
        place: &Place<'_>,
        link: &Link,
        present: &Present,
        port: Option<&(&Link, Mark)>,
        vlan_link: Option<&Link>,
    ) -> Condition {
        let uplink = match (port, vlan_link) {
            (Some((port, _)), _) => port.master,
            (None, Some(vlan)) => Some(vlan.index),
            // What was moved here is on nothing that an attach knows of.
            (None, None) if present.mark.as_ref().is_some_and(|mark| mark.nic.is_some()) => None,
            (None, None) => link.lower.filter(|_| present.uplink.is_some() && link.lower_is_elsewhere()),
        };
        let is_up = |link: &Link| link.up;
        let on_host = port.map(|(_, mark)| mark);
        let was_here = on_host.is_none_or(|mark| mark.netns.is_none_or(|netns| netns == place.netns.inode()));
        Condition {
            up: link.up,
            carrier: link.carrier,
            addresses: (
                present.addresses.len(),
                present.mark.as_ref().map_or(0, |mark| mark.addresses.into()),
            ),
            marked: present.mark.is_some(),
            renamed_from: on_host
                .and_then(|mark| mark.ifname.as_ref())
                .map(ToString::to_string)
                .filter(|name| *name != link.name),
            came_from: on_host.and_then(|mark| mark.target.clone()).filter(|_| !was_here),
            port: port.map(|(port, mark)| self.port_of(port, mark)),
            host_end_up: port.is_none_or(|(port, _)| port.up),
            uplink_up: uplink.and_then(|index| self.links.get(&index)).is_none_or(is_up)
                || on_host.is_some_and(|mark| mark.ovs),
        }
    }

    fn port_of(&self, port: &Link, mark: &Mark) -> Port {
        if mark.ovs {
            return match &self.switch {
                Some(ports) if ports.contains(&port.name) => Port::There,
                Some(_) => Port::Gone,
                None => Port::Unknown,
            };
        }
        let bridge = port.master.and_then(|index| self.links.get(&index));
        match (bridge, &mark.uplink) {
            (None, _) => Port::Gone,
            (Some(bridge), Some(marked)) if bridge.name != marked.as_str() => Port::Left(marked.to_string()),
            (Some(_), _) => Port::There,
        }
    }

    /// The host's ends whose other ends are in no namespace that can be found, and the interfaces that came home when
    /// their container died and still go by its names.
    fn without_another_end(&self, rows: &mut Vec<Listed>) {
        for link in self.links.values() {
            let mark = |role| Mark::of(&link.alias, role);
            if let Some(mark) = mark(Role::Port).filter(|_| !self.found.contains(&link.index)) {
                let bridge = link.master.and_then(|index| self.links.get(&index));
                let bridge = bridge.filter(|_| !mark.ovs).map(|bridge| bridge.name.clone());
                let uplink = bridge.or_else(|| mark.uplink.as_ref().map(ToString::to_string));
                let ifname = mark.ifname.as_ref().map(ToString::to_string).unwrap_or_default();
                rows.push(on_host(link, &mark, ifname, uplink, "dead"));
            } else if let Some(mark) = mark(Role::Link).filter(|mark| {
                // Up under its own name, it is just being moved.
                mark.nic.as_ref().is_some_and(|nic| !link.up || nic.name.as_str() != link.name)
            }) {
                let name = mark.nic.as_ref().map(|nic| nic.name.to_string());
                let row = on_host(link, &mark, link.name.clone(), name, "came home");
                rows.push(Listed { host_ifname: Some(link.name.clone()), ..row });
            }
        }
    }
}

/// A row of which only the host's link is left.
fn on_host(link: &Link, mark: &Mark, ifname: String, uplink: Option<String>, state: &str) -> Listed {
    let (runtime, target) = mark.target.as_deref().and_then(|word| word.split_once(':')).unwrap_or_default();
    Listed {
        target: target.to_owned(),
        runtime: runtime.to_owned(),
        id: mark.id.clone(),
        pid: None,
        ifname,
        host_ifname: Some(link.name.clone()),
        uplink,
        kind: link.kind.clone().unwrap_or_else(|| "physical".to_owned()),
        addresses: Vec::new(),
        gateways: Vec::new(),
        mac: None,
        mtu: None,
        vlan: mark.vlan,
        state: state.to_owned(),
    }
}

/// Whose an attachment is.
pub(crate) struct Owner {
    pub target: String,
    pub runtime: String,
    id: Option<String>,
}

impl Owner {
    /// The one that was asked for; else whose the host's mark says, then the container's own, then the way the namespace
    /// was found.
    pub fn of(place: &Place<'_>, on_host: Option<&Mark>, inside: Option<&Mark>) -> Self {
        if let Some(target) = place.target {
            let (runtime, id) = (target.runtime.to_string(), target.id.clone());
            return Self { target: target.name.clone(), runtime, id };
        }
        let on_host = on_host.filter(|mark| mark.netns == Some(place.netns.inode()));
        let said = |mark: &Mark| {
            let (runtime, target) = mark.target.as_deref()?.split_once(':')?;
            let known = Runtime::ALL.iter().any(|known| known.as_str() == runtime);
            known.then(|| Self {
                target: target.to_owned(),
                runtime: runtime.to_owned(),
                id: mark.id.clone(),
            })
        };
        on_host.or(inside).and_then(said).unwrap_or_else(|| {
            let (runtime, target) = match place.pid() {
                Some(pid) => (Runtime::Pid, pid.to_string()),
                None => (Runtime::Netns, place.name()),
            };
            Self { target, runtime: runtime.to_string(), id: None }
        })
    }
}

impl Place<'_> {
    /// The process through which the namespace was found.
    fn pid(&self) -> Option<i32> {
        self.path.to_str()?.strip_prefix("/proc/")?.strip_suffix("/ns/net")?.parse().ok()
    }

    /// The word by which a kept namespace can be named.
    fn name(&self) -> String {
        let name = self.path.strip_prefix(kernel::ENTRIES).unwrap_or(self.path);
        name.to_string_lossy().into_owned()
    }
}
