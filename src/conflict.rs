//! Whether an address is in use on the network that it is asked for on, as far as that can be known without asking the
//! network.
//!
//! IO, read-only. The host's own addresses and the claims of attachments with a host's end are asked for in one
//! datagram. Macvlans and ipvlans have nothing on the host: the namespaces in `/var/run/netns`, which is where rpipe
//! enters those that it wires, are each asked one question. What an attachment says is believed only with the kernel's
//! word for it: a container may have lost an address since.

use std::net::IpAddr;
use std::time::Duration;

use log::{debug, info};
use nix::errno::Errno;

use crate::kernel::{self, KernelError, Link, NetNs, RouteSocket};
use crate::machine::Machine;
use crate::plan::{Conflict, Found, Holder, Side, Stale, Uplink, UplinkKind, VlanLink, claims};
use crate::spec::{Attach, Claim, IfName, Mark, Role, Vlan};

/// How long somebody else may take to give an address to a macvlan, before it is done all the same.
const TURN: Duration = Duration::from_secs(5);

/// How often a holder is looked at again before it is believed, and how long after.
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// What is asked for, and what was seen of its uplink.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// What is asked for.
    pub asked: &'a Attach,
    /// The uplink.
    pub uplink: &'a Found,
    /// The VLAN.
    pub vlan: Option<Vlan>,
    /// The 802.1Q interface for it.
    pub vlan_link: Option<&'a VlanLink>,
    /// The interface inside: what it has already is no conflict.
    pub ifname: &'a IfName,
}

/// Looks for the addresses of an attach.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn look(
    place: &Place<'_>,
    machine: &mut Machine<'_>,
) -> Result<(Vec<Conflict>, Vec<Stale>), KernelError> {
    let (mut conflicts, mut stale) = (Vec::new(), Vec::new());
    let Found::Link(uplink) = place.uplink else { return Ok((conflicts, stale)) };
    let mut ips: Vec<IpAddr> = place.asked.addresses.nets().map(|net| net.addr()).collect();
    ips.sort_unstable();
    ips.dedup();
    if ips.is_empty() || place.asked.direct {
        return Ok((conflicts, stale));
    }
    let network = Network::of(place, uplink, machine)?;
    let claims = claims(place.asked, uplink, place.vlan);
    let claim_to = |ip: IpAddr| claims.iter().find(|claim| claim.ip == ip);
    let questions: Vec<_> = ips.iter().map(|ip| (*ip, claim_to(*ip).map(ToString::to_string))).collect();
    let known = kernel::known(&mut machine.host, &questions)?;
    for (known, ip) in known.into_iter().zip(&ips) {
        let own = known.own.map(|index| network.name_of(index, &mut machine.host)).transpose()?.flatten();
        if let Some(ifname) = own {
            conflicts.push(Conflict { ip: *ip, holder: Holder::Host(ifname) });
            continue;
        }
        let (Some(port), Some(claim)) = (known.holder, claim_to(*ip)) else { continue };
        match patiently(|| verify(claim, &port, place, &network, machine)) {
            Verdict::Ours => {}
            Verdict::Held(holder) => conflicts.push(Conflict { ip: *ip, holder }),
            Verdict::Stale => {
                info!("{} no longer has {ip}", port.name);
                // A kernel's name always parses: it has been through the same rules.
                stale.extend(port.name.parse().map(|port| Stale { port, claim: claim.clone() }));
            }
        }
    }
    ips.retain(|ip| !conflicts.iter().any(|conflict| conflict.ip == *ip));
    if uplink.kind == UplinkKind::Parent && !ips.is_empty() {
        in_namespaces(&ips, place, &network, machine, &mut conflicts)?;
    }
    Ok((conflicts, stale))
}

/// Who has claimed an address just now, while we were at it.
#[must_use]
pub fn claimed_by(claim: &Claim, machine: &mut Machine<'_>) -> Conflict {
    let question = [(claim.ip, Some(claim.to_string()))];
    let known = kernel::known(&mut machine.host, &question).unwrap_or_default();
    let holder = known.into_iter().next().and_then(|known| known.holder);
    let holder = holder.map_or_else(
        || Holder::Attachment {
            target: "another container".to_owned(),
            ifname: None,
            doubt: Some("which is gone by now"),
        },
        |port| attachment(&port, None, None),
    );
    Conflict { ip: claim.ip, holder }
}

/// The links of the host that are on the network which the container is to be on.
struct Network {
    /// The link itself: the bridge, the parent, or the parent's 802.1Q interface. None where that has no link of its own.
    link: Option<u32>,
    /// The link that an 802.1Q interface of this VLAN is on.
    carrier: Option<(u32, u16)>,
}

impl Network {
    fn of(place: &Place<'_>, uplink: &Uplink, machine: &mut Machine<'_>) -> Result<Self, KernelError> {
        let index = machine.index(Side::Host, &uplink.name)?;
        let usual = match uplink.kind {
            UplinkKind::Bridge { default_vlan, .. } => default_vlan,
            _ => None,
        };
        let Some(vlan) = place.vlan.filter(|vlan| Some(*vlan) != usual) else {
            return Ok(Self { link: Some(index), carrier: None });
        };
        let link = match place.vlan_link {
            Some(VlanLink::There(link)) => Some(machine.index(Side::Host, &link.name)?),
            _ => None,
        };
        Ok(Self { link, carrier: Some((index, vlan.id())) })
    }

    /// The name of a link of the host that has an address, where it has it on this network: it is the network's own, the
    /// host's VLAN interface on the bridge, or a macvlan beside the container's.
    fn name_of(&self, index: u32, host: &mut RouteSocket) -> Result<Option<String>, KernelError> {
        let Some(link) = kernel::link_by_index(host, index)? else { return Ok(None) };
        let lower = link.lower.filter(|_| !link.lower_is_elsewhere());
        let tagged = self.carrier.is_some_and(|(carrier, vlan)| {
            lower == Some(carrier) && link.vlan == Some(vlan) && link.kind.as_deref() == Some("vlan")
        });
        let beside = is_shared(&link) && lower.is_some() && lower == self.link;
        Ok((Some(index) == self.link || tagged || beside).then_some(link.name))
    }
}

fn is_shared(link: &Link) -> bool {
    matches!(link.kind.as_deref(), Some("macvlan" | "macvtap" | "ipvlan"))
}

/// What became of a claim.
enum Verdict {
    /// It is of the interface that is asked for.
    Ours,
    /// The address is in use, or that it is not cannot be said.
    Held(Holder),
    /// The address is gone.
    Stale,
}

/// Looks once more where the answer is a no: a container that was started anew finds its last life still there for a
/// moment, while the kernel takes its namespace apart, and nobody tells when that is over.
fn patiently(mut look: impl FnMut() -> Verdict) -> Verdict {
    let mut verdict = look();
    for _ in 0..LOOKS {
        if !matches!(verdict, Verdict::Held(_)) {
            break;
        }
        std::thread::sleep(PAUSE);
        verdict = look();
    }
    verdict
}

/// Looks at what the host's end with the claim leads to.
fn verify(
    claim: &Claim,
    port: &Link,
    place: &Place<'_>,
    network: &Network,
    machine: &mut Machine<'_>,
) -> Verdict {
    let mark = Mark::of(&port.alias, Role::Port);
    let ours = mark.as_ref().is_some_and(|mark| {
        mark.netns == Some(machine.netns.inode()) && mark.ifname.as_ref() == Some(place.ifname)
    });
    if ours {
        return Verdict::Ours;
    }
    let by_ovs = mark.is_some_and(|mark| mark.ovs);
    let bridge = network.link.or(network.carrier.map(|(carrier, _)| carrier));
    if !by_ovs && port.master != bridge {
        // It was taken from the bridge, and what it carries is no longer on its network.
        return Verdict::Stale;
    }
    let unknown = |error: &KernelError| {
        debug!("looking behind {}: {error}", port.name);
        Verdict::Held(attachment(port, None, Some("or was: it cannot be looked at")))
    };
    let link = match other_end(port) {
        Ok(link) => link,
        // The namespace is on its way out, and takes its links along in its own time: its container has been started anew.
        Err(error) if error.errno == Errno::EINVAL => return Verdict::Stale,
        Err(error) => return unknown(&error),
    };
    if link.unfinished {
        return Verdict::Held(attachment(
            port,
            Some(&link),
            Some("which is just being attached, or was left half done"),
        ));
    }
    match has(port, claim.ip) {
        Ok(true) => return Verdict::Held(attachment(port, Some(&link), None)),
        Ok(false) => {}
        Err(error) => return unknown(&error),
    }
    // Whoever changes that container just now may be about to give the address back.
    if let Some(netns) = behind(port, machine).filter(|netns| !has_turn(netns, machine)) {
        match netns.lock(Duration::ZERO, || false) {
            Ok(turn) => machine.turns.push((netns.inode(), turn)),
            Err(_) => {
                return Verdict::Held(attachment(port, Some(&link), Some("which is just being changed")));
            }
        }
        if has(port, claim.ip).unwrap_or(true) {
            return Verdict::Held(attachment(port, Some(&link), None));
        }
    }
    Verdict::Stale
}

/// Whether it is our turn there already: the target, or another holder.
fn has_turn(netns: &NetNs, machine: &Machine<'_>) -> bool {
    netns.is(machine.netns) || machine.turns.iter().any(|(inode, _)| *inode == netns.inode())
}

/// The other end of a host's end, which must be of it.
fn other_end(port: &Link) -> Result<Link, KernelError> {
    let index = port.lower.ok_or(Errno::ENODEV)?;
    let link = kernel::link_elsewhere(&mut RouteSocket::open_strict()?, port.lower_netns, index)?;
    link.filter(|link| link.lower == Some(port.index)).ok_or(Errno::ENODEV.into())
}

fn has(port: &Link, ip: IpAddr) -> Result<bool, KernelError> {
    let index = port.lower.ok_or(Errno::ENODEV)?;
    let mut socket = RouteSocket::open_strict()?;
    let addresses = kernel::addresses_elsewhere(&mut socket, port.lower_netns, index, ip.is_ipv4())?;
    Ok(addresses.contains(&ip))
}

/// The namespace that the other end is in, where it can be found.
fn behind(port: &Link, machine: &mut Machine<'_>) -> Option<NetNs> {
    let number = port.lower_netns?;
    let host = &mut machine.host;
    let is_it = |netns: &NetNs| kernel::neighbour(host, netns).is_ok_and(|found| found == Some(number));
    kernel::namespaces(machine.home).map(|(_, netns)| netns).find(is_it)
}

/// An attachment in the words of its mark.
fn attachment(port: &Link, link: Option<&Link>, doubt: Option<&'static str>) -> Holder {
    let mark = Mark::of(&port.alias, Role::Port);
    let marked = mark.as_ref().and_then(|mark| mark.ifname.as_ref()).map(ToString::to_string);
    Holder::Attachment {
        target: mark
            .and_then(|mark| mark.target)
            .unwrap_or_else(|| format!("the container at {}", port.name)),
        ifname: link.map(|link| link.name.clone()).or(marked),
        doubt,
    }
}

/// Asks every namespace that has an entry, and the target's own, for the addresses.
fn in_namespaces(
    ips: &[IpAddr],
    place: &Place<'_>,
    network: &Network,
    machine: &mut Machine<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Result<(), KernelError> {
    // An 802.1Q interface that is not there yet carries nobody.
    let Some(parent) = network.link else { return Ok(()) };
    let home = machine.home;
    // Nothing in the kernel keeps two from looking at the same time and both finding nobody. Probes would meet.
    if place.asked.probe.is_none() && machine.network_turn.is_none() {
        machine.network_turn =
            home.lock(TURN, || false).inspect_err(|error| info!("waiting for others: {error}")).ok();
    }
    for (ip, link) in on_parent(ips, parent, home, &mut machine.target)? {
        if link.name != place.ifname.as_str() {
            let (target, ifname) = ("the same container".to_owned(), Some(link.name));
            conflicts.push(Conflict { ip, holder: Holder::Attachment { target, ifname, doubt: None } });
        }
    }
    for path in kernel::entries() {
        let found = home.sibling(&path).and_then(|netns| {
            if netns.is(machine.netns) {
                return Ok(Vec::new());
            }
            let mut socket = netns.enter(home, RouteSocket::open)??;
            on_parent(ips, parent, home, &mut socket)
        });
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match found {
            Ok(found) => conflicts.extend(found.into_iter().map(|(ip, link)| Conflict {
                ip,
                holder: Holder::Attachment { target: name(), ifname: Some(link.name), doubt: None },
            })),
            Err(error) => debug!("{}: {error}", name()),
        }
    }
    Ok(())
}

/// Which of the addresses links of that namespace have that are on the host's link of that number.
fn on_parent(
    ips: &[IpAddr],
    parent: u32,
    home: &NetNs,
    socket: &mut RouteSocket,
) -> Result<Vec<(IpAddr, Link)>, KernelError> {
    let mut found = Vec::new();
    for (ip, index) in ips.iter().zip(kernel::local(socket, ips)?) {
        let Some(index) = index else { continue };
        let Some(link) = kernel::link_by_index(socket, index)? else { continue };
        let number = kernel::neighbour(socket, home)?;
        if is_shared(&link) && link.lower_in(number) == Some(parent) {
            found.push((*ip, link));
        }
    }
    Ok(found)
}
