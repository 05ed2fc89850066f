//! Addresses that are in use: what was seen of them, and the claims that keep the next one away.

use std::fmt;
use std::net::IpAddr;

use crate::spec::{Attach, Claim, IfName, Probe, Sharing, Vlan};

use super::{Facts, Found, Present, Refusal, Step, Uplink, UplinkKind};

/// An address asked for that is in use on the same network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The address.
    pub ip: IpAddr,
    /// Who has it.
    pub holder: Holder,
}

/// Who has an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The host itself, on this interface.
    Host(String),
    /// Another attachment.
    Attachment {
        /// Whose it is, as its mark says or the namespace is called.
        target: String,
        /// The interface inside, where that is known.
        ifname: Option<String>,
        /// Why it may still not have the address.
        doubt: Option<&'static str>,
    },
}

/// A claim to an address that its holder no longer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The host's end that carries it.
    pub port: IfName,
    /// The claim.
    pub claim: Claim,
}

/// The addresses asked for, each once: the kernel takes one with two prefixes.
pub(super) fn addresses(asked: &Attach) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = Vec::new();
    for net in asked.addresses.nets() {
        if !ips.contains(&net.addr()) {
            ips.push(net.addr());
        }
    }
    ips
}

/// The claims that an attach to this uplink makes: one an address where there is a host's end to carry them.
///
/// A VLAN that the bridge puts new ports into by itself is not told apart from none.
#[must_use]
pub fn claims(asked: &Attach, uplink: &Uplink, vlan: Option<Vlan>) -> Vec<Claim> {
    let vlan = match uplink.kind {
        _ if asked.direct => return Vec::new(),
        UplinkKind::Bridge { default_vlan, .. } => vlan.filter(|vlan| Some(*vlan) != default_vlan),
        UplinkKind::OpenVswitch => vlan,
        _ => return Vec::new(),
    };
    let claim = |ip| Claim { uplink: uplink.name.clone(), vlan, ip };
    addresses(asked).into_iter().map(claim).collect()
}

/// The steps that claim the addresses for a link that is just being made, after what others no longer use is freed.
pub(super) fn claim(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, uplink: &Uplink) {
    let release = |stale: &Stale| Step::Release { port: stale.port.clone(), claim: stale.claim.clone() };
    // Backwards, so that an undo gives them back in their order.
    steps.extend(facts.stale.iter().rev().map(release));
    let port = || facts.host_ifname.clone();
    let claims = claims(asked, uplink, facts.vlan).into_iter();
    steps.extend(claims.map(|claim| Step::Claim { port: port(), claim }));
}

/// The steps that make the claims of a link that stays those of what it is to carry. They come when it carries it: a
/// claim without its address counts as one that may be taken.
pub(super) fn claim_anew(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, present: &Present) {
    let (Some(port), Found::Link(uplink)) = (&present.host_ifname, &facts.uplink) else { return };
    let claims = claims(asked, uplink, facts.vlan);
    let gone = present.claims.iter().filter(|claim| !claims.contains(claim));
    steps.extend(gone.map(|claim| Step::Release { port: port.clone(), claim: claim.clone() }));
    let new = |claim: &&Claim| !present.claims.contains(claim);
    for claim in claims.iter().filter(new) {
        let stale = facts.stale.iter().find(|stale| stale.claim == *claim);
        let release = |stale: &Stale| Step::Release { port: stale.port.clone(), claim: stale.claim.clone() };
        steps.extend(stale.map(release));
        steps.push(Step::Claim { port: port.clone(), claim: claim.clone() });
    }
}

/// Whether the addresses are free as far as is known, but for those in `had`, and whether they can be probed for where
/// that is asked for.
///
/// # Errors
/// The first that is not.
pub fn free(asked: &Attach, facts: &Facts, had: &[IpAddr]) -> Result<(), Refusal> {
    if let Some(conflict) = facts.conflicts.iter().find(|conflict| !had.contains(&conflict.ip)) {
        let uplink = match &facts.uplink {
            Found::Link(uplink) => uplink.name.to_string(),
            Found::Nothing { .. } | Found::OvsWithoutLink(_) => asked.uplink.to_string(),
        };
        let (target, conflict) = (facts.target.clone(), Box::new(conflict.clone()));
        return Err(Refusal::AddressInUse { target, uplink, conflict });
    }
    match probe(asked, facts).and_then(|_| unfit(asked, facts)) {
        Some(kind) => Err(Refusal::ProbeOnUnfit(kind)),
        None => Ok(()),
    }
}

/// What an interface is that hears no answers to probes.
fn unfit(asked: &Attach, facts: &Facts) -> Option<&'static str> {
    match &facts.uplink {
        Found::Link(uplink) if uplink.kind == UplinkKind::Ipoib => Some("an InfiniBand interface"),
        // An answer goes to the one that has the address it is sent to (`ipvlan_rcv_frame`,
        // drivers/net/ipvlan/ipvlan_core.c), and who probes has none.
        Found::Link(_) if matches!(asked.sharing, Some(Sharing::Ipvlan(_))) => Some("an ipvlan"),
        Found::Nothing { .. } if asked.uplink.to_string().starts_with("dummy") => Some("a dummy"),
        _ => None,
    }
}

/// The step that asks the network for the IPv4 addresses, where that is asked for and there are any.
pub(super) fn probe(asked: &Attach, facts: &Facts) -> Option<Step> {
    let full = asked.probe? == Probe::Full;
    let v4 = |ip| match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    let addresses: Vec<_> = addresses(asked).into_iter().filter_map(v4).collect();
    (!addresses.is_empty()).then(|| Step::Probe { ifname: facts.ifname.clone(), addresses, full })
}

/// The probe of a change in place: before anything is changed where the link is up, and only for what it does not
/// have yet.
pub(super) fn probe_first(steps: &mut Vec<Step>, present: &Present) {
    let Some(at) = steps.iter().position(|step| matches!(step, Step::Probe { .. })) else { return };
    let Step::Probe { ifname, mut addresses, full } = steps.remove(at) else { return };
    addresses.retain(|ip| !present.has(IpAddr::V4(*ip)));
    if !addresses.is_empty() {
        let at = if present.up { 0 } else { at };
        steps.insert(at, Step::Probe { ifname, addresses, full });
    }
}

impl Present {
    /// Whether it has that address.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.ip() == ip)
    }
}

/// The words of a refusal, with the remedy.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ip, holder } = self;
        match holder {
            Holder::Host(ifname) => {
                write!(f, "{ip} is the address of the host itself, on {ifname} (choose another address)")
            }
            Holder::Attachment { target, ifname, doubt } => {
                let target = target.escape_debug();
                write!(f, "{ip} is already the address of ")?;
                ifname.iter().try_for_each(|ifname| write!(f, "{} of ", ifname.escape_debug()))?;
                write!(f, "{target}")?;
                doubt.iter().try_for_each(|doubt| write!(f, ", {doubt}"))?;
                f.write_str(" (choose another address, or detach that one)")
            }
        }
    }
}
