//! The steps that have to do with others on the same network: waiting until they can be reached, hearing whether they have
//! an address too, telling them of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use log::{debug, info};
use nix::sys::signal::Signal;

use crate::carry;
use crate::kernel::{self, Detection, Icmpv6, KernelError, Link, Outcome, Request, Watch};
use crate::machine::Machine;
use crate::plan::{Side, Step};
use crate::signals::Held;
use crate::spec::IfName;

use super::Cause;

/// How long a link may take to have a carrier: cards that find out about each other's speed take a few seconds.
const CARRIER: Duration = Duration::from_secs(5);
/// How much longer than twice its delay STP may take.
const STP_MARGIN: Duration = Duration::from_secs(3);
/// From one announcement to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// What kept a step from being done.
pub(super) enum Stopped {
    /// The kernel's refusal, or somebody else's address.
    Refused(KernelError),
    /// A signal arrived.
    Signal(Signal),
}

impl Stopped {
    /// The same, of that step.
    pub(super) fn at(self, step: &Step) -> Cause {
        match self {
            Self::Signal(signal) => Cause::Signal(signal),
            Self::Refused(error) => Cause::Step(Box::new(step.clone()), error),
        }
    }
}

impl From<KernelError> for Stopped {
    fn from(error: KernelError) -> Self {
        Self::Refused(error)
    }
}

/// A step of this room; none where it is another's.
pub(super) fn perform(step: &Step, machine: &mut Machine<'_>, held: &Held) -> Option<Result<(), Stopped>> {
    Some(match step {
        Step::AwaitLink { side, ifname, bridge } => {
            await_link((*side, ifname), bridge.as_ref(), machine, held)
        }
        Step::AwaitDetection { ifname, ips, .. } => await_detection(ifname, ips, machine, held),
        Step::Announce { ifname, ips, told, times, mac } => {
            let mac = mac.map(|mac| mac.bytes().to_vec());
            announce(ifname, ips, mac, (*told, *times), machine, held)
        }
        _ => return None,
    })
}

/// What the next steps ask and tell the neighbours, where it can travel with the steps before.
pub(super) struct Along<'a> {
    /// The steps of this room that it is the whole of, if all goes well.
    pub(super) steps: &'a [Step],
    /// The place of the question whether the port forwards among its requests.
    glance: Option<usize>,
}

impl<'a> Along<'a> {
    /// To be told once, of IPv4 addresses only, by way of a bridge or of a link that is up. The question whether the port
    /// forwards makes it so: see [`await_link`].
    ///
    /// With what is to be sent, in its order.
    pub(super) fn of(steps: &'a [Step], machine: &Machine<'_>) -> Option<(Self, Vec<Request>)> {
        let (through, announce, count) = match steps {
            [Step::AwaitLink { side: Side::Host, .. }, announce, ..] => (true, announce, 2),
            [announce, ..] => (false, announce, 1),
            [] => return None,
        };
        let Step::Announce { ifname, ips, told: false, times: 1, mac } = announce else { return None };
        if ips.iter().any(IpAddr::is_ipv6) || ips.is_empty() || machine.lease.is_some() {
            return None;
        }
        let link = machine.known(Side::Target, ifname)?;
        // With how much of it may come before the question, and share a message with the steps before.
        let (mut requests, before): (Vec<_>, _) = match ips[..] {
            // The cheaper way, for an interface of ours that has no other address.
            [IpAddr::V4(ip)] if link.unfinished => (kernel::ask_for_oneself(link.index, ip).into(), 0),
            _ => {
                let mac = mac.map_or_else(|| link.address.clone(), |mac| mac.bytes().to_vec());
                (kernel::announce(link.index, mac).into(), 1)
            }
        };
        let mut glance = None;
        if through {
            requests.insert(before, kernel::question_elsewhere(Some(link.lower_netns?), link.lower?));
            glance = Some(before);
        }
        Some((Self { steps: &steps[..count], glance }, requests))
    }

    /// Whether it was heard, as far as the kernel can say.
    pub(super) fn was_heard<'o>(&self, outcomes: impl Iterator<Item = &'o Outcome>) -> bool {
        let forwards = |payload: &[u8]| Link::read(payload).is_some_and(|port| port.forwards());
        outcomes.enumerate().all(|(place, outcome)| match outcome {
            Outcome::Told(payload) => Some(place) != self.glance || forwards(payload),
            Outcome::Done => Some(place) != self.glance,
            Outcome::Refused(_) | Outcome::Unknown(_) => false,
        })
    }
}

/// Waits for news; false when the time is over.
fn news(watch: &Watch, other: Option<BorrowedFd<'_>>, held: &Held, end: Instant) -> Result<bool, Stopped> {
    let others: Vec<_> = other.into_iter().chain([held.as_fd()]).collect();
    let news = watch.changed(Some(end), &others)?;
    match held.arrived() {
        Some(arrived) => Err(Stopped::Signal(arrived.signal)),
        None => Ok(news),
    }
}

/// Waits until a link lets something through.
///
/// The question itself often makes it so: since Linux 6.8 it brings the state of carriers up to date, and with it the
/// bridge's port (`linkwatch_sync_dev` in `rtnl_getlink`, net/core/rtnetlink.c). Before, or with STP, the kernel tells.
fn await_link(
    (side, ifname): (Side, &IfName),
    bridge: Option<&IfName>,
    machine: &mut Machine<'_>,
    held: &Held,
) -> Result<(), Stopped> {
    if carries(side, ifname, machine)? {
        return Ok(());
    }
    let watch = match side {
        Side::Host => Watch::open()?,
        Side::Target => machine.netns.enter(machine.home, Watch::open)??,
    };
    let bridge = match bridge {
        Some(bridge) => kernel::find_link(&mut machine.host, bridge.as_str())?,
        None => None,
    };
    let delay = bridge.filter(|bridge| bridge.stp).map(|bridge| bridge.forward_delay);
    let limit = delay.map_or(CARRIER, |delay| delay.saturating_mul(2).saturating_add(STP_MARGIN));
    debug!("{ifname} lets nothing through yet: waiting {limit:?} at most");
    let end = Instant::now() + limit;
    while !carries(side, ifname, machine)? {
        if !news(&watch, None, held, end)? {
            info!("{ifname} still lets nothing through");
            break;
        }
    }
    Ok(())
}

/// What is gone or down is not waited for.
fn carries(side: Side, ifname: &IfName, machine: &mut Machine<'_>) -> Result<bool, KernelError> {
    let link = kernel::find_link(machine.socket(side), ifname.as_str())?;
    Ok(link.is_none_or(|link| !link.up || link.carries()))
}

/// Waits until IPv6 addresses can be used: duplicate address detection is over, if there is one, and the kernel listens to
/// them.
fn await_detection(
    ifname: &IfName,
    ips: &[Ipv6Addr],
    machine: &mut Machine<'_>,
    held: &Held,
) -> Result<(), Stopped> {
    let index = machine.index(Side::Target, ifname)?;
    let (mut end, mut holders) = (None, Vec::new());
    loop {
        // This question, too, may make it so: see `await_link`.
        let link = kernel::find_link(&mut machine.target, ifname.as_str())?;
        if link.as_ref().is_none_or(|link| !link.up || !link.carrier) {
            info!("{ifname} has no carrier, so nobody can be asked whether they have its addresses");
            return Ok(());
        }
        let found = kernel::detection(&mut machine.target, index, ips)?;
        // What they said came before the kernel drew its conclusion.
        let heard = machine.listener.iter().filter_map(|ears| ears.icmp.as_ref()).flat_map(Icmpv6::heard);
        holders.extend(heard.filter(|(ip, _)| ips.contains(ip)));
        match found {
            Detection::Passed if link.is_some_and(|link| link.running) && all_own(ips, machine)? => {
                return Ok(());
            }
            Detection::Passed | Detection::Running => {}
            Detection::Duplicate(ip) => return Err(KernelError::said(&taken(ip, ips, &holders)).into()),
            // On a duplicate link-local address, where accept_dad is 2 (`addrconf_dad_stop`, net/ipv6/addrconf.c).
            Detection::Gone(ip) => {
                let why = format!(
                    "{ip} is gone: IPv6 was switched off, as the kernel does when another host has the same MAC address"
                );
                return Err(KernelError::said(&why).into());
            }
        }
        let limit = || kernel::detection_limit(ifname.as_str());
        let end = match end {
            Some(end) => end,
            None => *end.insert(Instant::now() + machine.netns.enter(machine.home, limit)?),
        };
        let Some(listener) = &machine.listener else {
            // What happened before is asked for once more.
            machine.listen()?;
            continue;
        };
        if !news(&listener.watch, listener.icmp.as_ref().map(AsFd::as_fd), held, end)? {
            info!("it is still not known whether somebody else has an address of {ifname}");
            return Ok(());
        }
    }
}

fn all_own(ips: &[Ipv6Addr], machine: &mut Machine<'_>) -> Result<bool, KernelError> {
    for ip in ips {
        if !kernel::is_own(&mut machine.target, *ip)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whose address it is.
fn taken(ip: Ipv6Addr, ips: &[Ipv6Addr], holders: &[(Ipv6Addr, [u8; 6])]) -> String {
    let what = if ips.len() > 1 { ip.to_string() } else { "the address".to_owned() };
    match holders.iter().find(|(held, _)| *held == ip) {
        Some((_, mac)) => {
            format!("{what} is in use by {}", kernel::hardware_address(mac))
        }
        // Whoever only asks for it as well says nothing of itself (RFC 4862 5.4.2).
        None => format!("{what} is in use by another host, or asked for by one"),
    }
}

/// Tells the neighbours. That it cannot be done is no failure: what was asked for is there.
fn announce(
    ifname: &IfName,
    ips: &[IpAddr],
    mac: Option<Vec<u8>>,
    (told, times): (bool, u32),
    machine: &mut Machine<'_>,
    held: &Held,
) -> Result<(), Stopped> {
    let index = machine.index(Side::Target, ifname)?;
    let known = machine.known(Side::Target, ifname).map(|link| link.address.clone());
    let mac = mac.or(known).unwrap_or_default();
    let leased = machine.lease.as_ref().map(|lease| IpAddr::from(lease.net.addr()));
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for ip in ips.iter().copied().chain(leased) {
        match ip {
            IpAddr::V4(ip) => v4.push(ip),
            IpAddr::V6(ip) => v6.push(ip),
        }
    }
    let ethernet = <[u8; 6]>::try_from(&mac[..]).ok().filter(|_| !v6.is_empty());
    let by_icmp = ethernet.and_then(|mac| Some((open_icmp(ifname, machine)?, mac)));
    for round in 0..times {
        if round > 0 {
            pause(held)?;
        }
        if !v4.is_empty() && (round > 0 || !told) {
            tell_v4(index, &mac, &v4, machine);
        }
        let Some(((icmp, router), mac)) = &by_icmp else { continue };
        for ip in &v6 {
            if let Err(error) = icmp.advertise(index, *ip, *mac, *router) {
                info!("{ip} was not announced: {error}");
            }
        }
    }
    Ok(())
}

/// A socket of the target, and whether it is a router.
fn open_icmp(ifname: &IfName, machine: &mut Machine<'_>) -> Option<(Icmpv6, bool)> {
    let open = || (Icmpv6::open(), kernel::is_router(ifname.as_str()));
    let (opened, router) = machine.netns.enter(machine.home, open).ok()?;
    opened
        .inspect_err(|error| info!("nothing of IPv6 was announced: {error}"))
        .ok()
        .map(|icmp| (icmp, router))
}

fn tell_v4(index: u32, mac: &[u8], ips: &[Ipv4Addr], machine: &mut Machine<'_>) {
    let outcomes = machine.target.batch(&kernel::announce(index, mac.to_vec()));
    if outcomes.is_ok_and(|outcomes| outcomes.iter().all(|outcome| *outcome == Outcome::Done)) {
        return;
    }
    // A kind of link whose MAC address cannot be set.
    for ip in ips {
        match machine.target.batch(&kernel::ask_for_oneself(index, *ip)) {
            Ok(outcomes) if outcomes.iter().all(|outcome| *outcome == Outcome::Done) => {}
            refused => info!("{ip} was not announced: {refused:?}"),
        }
    }
}

/// A second, or less when a signal comes.
fn pause(held: &Held) -> Result<(), Stopped> {
    let end = Instant::now() + PAUSE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        if let Some(arrived) = carry::pause(&[], left, held)? {
            return Err(Stopped::Signal(arrived.signal));
        }
    }
}
