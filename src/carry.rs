//! Waiting until a link carries what is sent over it: carrier inside, and a bridge that forwards what comes out of the
//! host's end.
//!
//! IO. The kernel settles both a moment after a link is up, and a bridge with STP lets nothing through for twice its
//! forward delay, fifteen seconds as a rule.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use crate::kernel::{self, KernelError, Link, Watch};
use crate::machine::Machine;
use crate::plan::Side;
use crate::signals::{Arrived, Held};
use crate::spec::IfName;

/// `BR_STATE_*`, include/uapi/linux/if_bridge.h.
const LISTENING: u8 = 1;
const LEARNING: u8 = 2;
const FORWARDING: u8 = 3;
/// How long a carrier may take to come.
const CARRIER: Duration = Duration::from_secs(2);
/// How long a bridge may listen and learn: twice the longest forward delay (IEEE 802.1D table 8-3).
const LISTEN: Duration = Duration::from_secs(62);

/// How the waiting ended.
#[derive(Debug)]
pub enum Carries {
    /// The link carries.
    Yes,
    /// It does not, and this is what is missing.
    No(&'static str),
    /// A signal came in between.
    Interrupted(Arrived),
}

/// What keeps a link from carrying.
enum Missing {
    Carrier,
    Port,
    /// It comes by itself.
    Stp,
}

impl Missing {
    fn words(&self) -> &'static str {
        match self {
            Self::Carrier => "it has no carrier",
            Self::Port => "the bridge has its port disabled or blocked",
            Self::Stp => "the bridge's STP still listens",
        }
    }
}

/// Waits until a link of the target carries, told by the kernel's events.
///
/// # Errors
/// When the kernel does not answer.
pub fn wait(machine: &mut Machine<'_>, ifname: &IfName, held: &Held) -> Result<Carries, KernelError> {
    if missing(machine, ifname)?.is_none() {
        return Ok(Carries::Yes);
    }
    // The carrier is the container's news, the bridge's port the host's. Subscribed first and asked afterwards.
    let inside = machine.netns.enter(machine.home, Watch::open)??;
    let outside = Watch::open()?;
    let start = Instant::now();
    loop {
        let Some(missing) = missing(machine, ifname)? else { return Ok(Carries::Yes) };
        let limit = if matches!(missing, Missing::Stp) { LISTEN } else { CARRIER };
        let now = Instant::now();
        if now >= start + limit {
            return Ok(Carries::No(missing.words()));
        }
        if let Some(arrived) = pause(&[&inside, &outside], start + limit - now, held)? {
            return Ok(Carries::Interrupted(arrived));
        }
        // They are only to be read empty: the state itself is asked for.
        for watch in [&inside, &outside] {
            watch.changed(Some(now), &[])?;
        }
    }
}

/// Waits for the first news, a signal, or for so long. Gives the signal.
///
/// # Errors
/// When nothing can be waited for.
pub fn pause(news: &[&dyn AsFd], limit: Duration, held: &Held) -> Result<Option<Arrived>, KernelError> {
    let fds = news.iter().map(|news| news.as_fd()).chain([held.as_fd()]);
    let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    // Rounded up, or the last millisecond would be waited for in a busy loop.
    let timeout = u16::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(held.arrived()),
        Err(errno) => Err(errno.into()),
    }
}

fn missing(machine: &mut Machine<'_>, ifname: &IfName) -> Result<Option<Missing>, KernelError> {
    let link = kernel::find_link(&mut machine.target, ifname.as_str())?.ok_or(Errno::ENODEV)?;
    let state = host_end(&link, machine)?.and_then(|port| port.port_state);
    let missing = match state {
        _ if !link.carrier => Some(Missing::Carrier),
        None | Some(FORWARDING) => None,
        Some(LISTENING | LEARNING) => Some(Missing::Stp),
        Some(_) => Some(Missing::Port),
    };
    machine.learn(Side::Target, ifname, link);
    Ok(missing)
}

/// The host's end of a veth; none for what has no such end.
fn host_end(link: &Link, machine: &mut Machine<'_>) -> Result<Option<Link>, KernelError> {
    let peer = match (link.kind.as_deref(), link.lower) {
        (Some("veth"), Some(peer)) => kernel::link_by_index(&mut machine.host, peer)?,
        _ => None,
    };
    Ok(peer.filter(|peer| peer.kind.as_deref() == Some("veth") && peer.lower == Some(link.index)))
}
