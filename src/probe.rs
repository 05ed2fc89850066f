//! Address conflict detection for IPv4 (RFC 5227): the network is asked whether somebody has an address before it is used.
//!
//! IO. The short form is enough where the answer is a matter of milliseconds, which is so on every wired network with
//! hosts that are awake: three questions, because the first may be lost while switches learn, and a wait after the last.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::carry::{self, Carries};
use crate::kernel::{self, KernelError, Prober};
use crate::machine::Machine;
use crate::plan::Side;
use crate::signals::Held;
use crate::spec::IfName;

/// `PROBE_NUM`.
const PROBES: u32 = 3;
/// Between two probes of the short form, and after its last.
const SHORT_INTERVAL: Duration = Duration::from_millis(100);
const SHORT_WAIT: Duration = Duration::from_millis(200);
/// `PROBE_WAIT`, `PROBE_MIN` and `PROBE_MAX`, `ANNOUNCE_WAIT` (RFC 5227 1.1): at random up to the first, between the
/// next two, and the last.
const WAIT: u64 = 1000;
const MIN: u64 = 1000;
const MAX: u64 = 2000;
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);

/// Why the addresses cannot be used.
#[derive(Debug)]
pub enum Failure {
    /// Somebody has one, or nobody can be asked: in words.
    Said(String),
    /// A signal came in between.
    Signal(Signal),
    /// The kernel's refusal.
    Kernel(KernelError),
}

impl<E: Into<KernelError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Kernel(error.into())
    }
}

/// Asks for all addresses together, over an interface of the target that is up.
///
/// # Errors
/// When one is in use, or the network cannot be asked: whoever wants to know does not want to be left in doubt.
pub fn probe(
    machine: &mut Machine<'_>,
    ifname: &IfName,
    (addresses, full): (&[Ipv4Addr], bool),
    held: &Held,
) -> Result<(), Failure> {
    match carry::wait(machine, ifname, held)? {
        Carries::Yes => {}
        Carries::Interrupted(arrived) => return Err(Failure::Signal(arrived.signal)),
        Carries::No(missing) => {
            return Err(Failure::Said(format!(
                "{missing}, so nobody can be asked (leave --probe out to attach all the same)"
            )));
        }
    }
    let index = machine.index(Side::Target, ifname)?;
    let prober = machine.netns.enter(machine.home, || Prober::open(index))??;
    if full {
        listen(&prober, addresses, random(0, WAIT)?, held)?;
    }
    for number in 1..=PROBES {
        for ip in addresses {
            prober.ask(*ip)?;
        }
        let pause = match (full, number == PROBES) {
            (false, false) => SHORT_INTERVAL,
            (false, true) => SHORT_WAIT,
            (true, false) => random(MIN, MAX)?,
            (true, true) => ANNOUNCE_WAIT,
        };
        listen(&prober, addresses, pause, held)?;
    }
    Ok(())
}

/// Listens for so long to who has one of the addresses.
fn listen(prober: &Prober, addresses: &[Ipv4Addr], time: Duration, held: &Held) -> Result<(), Failure> {
    let end = Instant::now() + time;
    loop {
        let heard = prober.hear()?;
        if let Some(arp) = heard
            && let Some(ip) = addresses.iter().find(|ip| prober.is_conflict(&arp, **ip))
        {
            let mac = kernel::hardware_address(&arp.mac);
            let does = if arp.sender == *ip { "has" } else { "is about to take" };
            let which = if addresses.len() > 1 { ip.to_string() } else { "this address".to_owned() };
            return Err(Failure::Said(format!("{mac} {does} {which} (choose another address)")));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        // Whoever floods the network keeps nobody from ending this.
        let left = if heard.is_some() { Duration::ZERO } else { left };
        if let Some(arrived) = carry::pause(&[prober], left, held)? {
            return Err(Failure::Signal(arrived.signal));
        }
    }
}

/// A random number of milliseconds.
fn random(least: u64, most: u64) -> Result<Duration, KernelError> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(std::io::Error::from)?;
    Ok(Duration::from_millis(least + u64::from_ne_bytes(bytes) % (most - least + 1)))
}
