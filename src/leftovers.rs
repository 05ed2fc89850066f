//! What dead containers left on the host, asked of the kernel and of Open vSwitch; and interfaces that came home from one.
//!
//! IO. What is read is plain [`Leftovers`]; only [`bring_home`] changes something.

use std::collections::HashSet;

use log::{debug, info};

use crate::apply;
use crate::kernel::{self, KernelError, Link, NetNs, RouteSocket};
use crate::machine::Machine;
use crate::ovs::{self, Ovs, Records};
use crate::plan::{self, HostLink, Leftovers, Litter, OvsBridge, Step, Stray};
use crate::spec::{EntryName, Mark, Role};

/// Looks for everything that `gc` can put in order.
///
/// # Errors
/// When the kernel does not answer.
pub fn leftovers(home: &NetNs) -> Result<Leftovers, KernelError> {
    let entries = kernel::stale_entries().into_iter().filter_map(|path| {
        let name: EntryName = path.file_name()?.to_str()?.parse().ok()?;
        Some((name, kernel::process_of_entry(&path)?))
    });
    let entries = entries.collect();
    // Before the links: a link is made before its record, so what has a record by now and no link then is dead.
    let records = records();
    let mut socket = RouteSocket::open()?;
    let links = kernel::all_links(&mut socket)?;
    let addressed: HashSet<u32> =
        kernel::addresses(&mut socket, None)?.into_iter().map(|(index, _)| index).collect();
    let ours = |link: &Link| link.alias.parse::<Mark>().ok().map(|mark| mark.role);
    // Whoever is on a link of another namespace is looked for only when there is something that could go.
    let candidate = |link: &Link| matches!(ours(link), Some(Role::Vlan | Role::Bridge));
    let used = if links.iter().any(candidate) { used_elsewhere(home)? } else { UsedElsewhere::default() };
    let host_link = |link: &Link| HostLink {
        index: link.index,
        name: link.name.clone(),
        kind: link.kind.clone(),
        role: ours(link),
        master: link.master,
        lower: link.lower.filter(|_| !link.lower_is_elsewhere()),
        has_addresses: addressed.contains(&link.index),
        is_used_elsewhere: used.unseen || used.indexes.contains(&link.index),
    };
    let gone = |name: &String| !links.iter().any(|link| link.name == *name);
    let bridges = records
        .bridges
        .into_iter()
        .filter_map(|(name, mac, ports)| Some(OvsBridge { name: name.parse().ok()?, mac: mac?, ports }));
    Ok(Leftovers {
        entries,
        ovs_ports: records
            .of_containers
            .iter()
            .filter(|name| gone(name))
            .flat_map(|name| name.parse())
            .collect(),
        ovs_bridges: bridges.collect(),
        strays: strays(&links, home),
        links: links.iter().map(host_link).collect(),
    })
}

/// What Open vSwitch has; nothing where it does not run.
fn records() -> Records {
    let asked = ovs::was_started().then(|| Ovs::find().and_then(|ovs| ovs.records()));
    match asked {
        Some(Ok(records)) => records,
        Some(Err(error)) => {
            info!("Open vSwitch is left out: {error}");
            Records::default()
        }
        None => Records::default(),
    }
}

/// The links of the host that links of other namespaces are on.
#[derive(Debug, Default)]
struct UsedElsewhere {
    indexes: HashSet<u32>,
    /// Whether some namespace could not be looked into, which may use any.
    unseen: bool,
}

fn used_elsewhere(home: &NetNs) -> Result<UsedElsewhere, KernelError> {
    // Without the privilege none could be looked into.
    home.enter(home, || ())?;
    let mut used = UsedElsewhere::default();
    for (path, netns) in kernel::namespaces(home) {
        let look = || {
            let mut socket = netns.enter(home, RouteSocket::open)??;
            let links = kernel::all_links(&mut socket)?;
            let leads_out = links.iter().any(Link::lower_is_elsewhere);
            let here = if leads_out { kernel::neighbour(&mut socket, home)? } else { None };
            Ok::<_, KernelError>(links.iter().filter_map(|link| link.lower_in(here)).collect::<Vec<_>>())
        };
        match look() {
            Ok(indexes) => used.indexes.extend(indexes),
            Err(error) => {
                debug!("{}: {error}", path.display());
                used.unseen = true;
            }
        }
    }
    Ok(used)
}

/// The interfaces on the host that carry the mark of a container's.
///
/// One that is up under its own name is none: it is just being moved, and gets its mark first; or somebody has put it
/// right by hand. The kernel sets down what it returns. In the container that it was moved to it is in its place.
fn strays(links: &[Link], home: &NetNs) -> Vec<Stray> {
    let stray = |link: &Link| {
        let mark = Mark::of(&link.alias, Role::Link)?;
        let in_its_place = mark.netns == Some(home.inode());
        let (nic, name) = (mark.nic.filter(|_| !in_its_place)?, link.name.parse().ok()?);
        let settled = link.up && name == nic.name;
        (!settled).then_some(Stray { name, up: link.up, nic })
    };
    links.iter().filter_map(stray).collect()
}

/// In passing: interfaces that came home from a dead container get their names and all else back. What cannot be put
/// right is left to `gc`, which tells why.
pub fn bring_home(home: &NetNs) {
    if let Err(error) = try_home(home, |_| true) {
        debug!("interfaces that came home: {error}");
    }
}

/// The same for the one that once had this name. Tells whether it has it again.
#[must_use]
pub fn bring_home_as(name: &str, home: &NetNs) -> bool {
    try_home(home, |stray| stray.nic.name.as_str() == name).unwrap_or_else(|error| {
        debug!("{name} did not come home: {error}");
        false
    })
}

fn try_home(home: &NetNs, wanted: impl Fn(&Stray) -> bool) -> Result<bool, KernelError> {
    let links = kernel::all_links(&mut RouteSocket::open()?)?;
    let mut strays = strays(&links, home);
    // One that goes by its own name, down as it always was, may be on its way into a container.
    strays.retain(|stray| wanted(stray) && (stray.name != stray.nic.name || stray.nic.up));
    let (coming, _) = plan::homecoming(&strays, links.iter().map(|link| link.name.as_str()));
    if coming.is_empty() {
        return Ok(false);
    }
    let mut machine = Machine::of_host(home)?;
    Ok(coming.iter().map(|litter| put_in_order(litter, &mut machine)).all(|failures| failures.is_empty()))
}

/// Does what a thing needs, on a machine whose target is the host itself, and tells what did not work.
pub fn put_in_order(litter: &Litter, machine: &mut Machine<'_>) -> Vec<apply::UndoFailure> {
    let mut left = Vec::new();
    for step in &litter.steps {
        let failures = apply::take_apart(std::slice::from_ref(step), machine);
        // Under another name nothing that follows would find it; and its mark must stay for the next time.
        let ends = !failures.is_empty() && matches!(step, Step::Rename { .. });
        left.extend(failures);
        if ends {
            break;
        }
    }
    left
}
