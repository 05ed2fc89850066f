//! `rpipe wait`, and pipework's `--wait`: until an interface is there, from inside a container or for one.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::cli::{WaitFor, WaitWords};
use crate::error::Error;
use crate::kernel::{self, KernelError, Neighbour, Neighbours, RouteSocket, Watch};
use crate::session::Session;
use crate::target::{LOOKUP_LIMIT, Target};

use super::attach::own_namespace;

/// Waits until the interface is as asked for; told by the kernel's events, not by asking again and again. Signals that a
/// session holds back end it.
#[inline(never)]
pub fn wait(words: &WaitWords, session: Option<&Session<'_>>) -> Result<(), Error> {
    let waiting = |error| Error::kernel(format!("waiting for {}", words.ifname), error);
    let end = words.timeout.map(|limit| Instant::now() + limit);
    let open = || {
        let (watch, socket) = (Watch::open()?, RouteSocket::open()?);
        if words.wait_for != WaitFor::Gateway {
            return Ok((watch, socket, None));
        }
        Ok((watch.with_gateways()?, socket, Some(Gateways::new(Neighbours::open()?))))
    };
    // A container that is not there yet is not waited for: no engine tells by an event that all of them have.
    let target = match &words.target {
        None => None,
        Some(word) => {
            let limit = words.timeout.unwrap_or(LOOKUP_LIMIT).min(LOOKUP_LIMIT);
            let home = own_namespace()?;
            let target = Target::open(word, &home, limit)?;
            Some((target, home))
        }
    };
    let (watch, mut socket, mut gateways) = match &target {
        None => open(),
        Some((target, home)) => target.netns.enter(home, open).and_then(|opened| opened),
    }
    .map_err(waiting)?;
    let target = target.map(|(target, _)| target);
    let process = target.as_ref().and_then(|target| target.process.as_ref());
    // Subscribed first and asked afterwards: nothing can happen in between unseen.
    loop {
        let missing = missing(words, &mut socket, gateways.as_mut()).map_err(waiting)?;
        let Some(missing) = missing else { return Ok(()) };
        if let Some(target) = target.as_ref().filter(|target| !target.is_alive()) {
            return Err(Error::Ended { ifname: words.ifname.to_string(), target: target.name.clone() });
        }
        let others: Vec<_> =
            process.map(AsFd::as_fd).into_iter().chain(session.and_then(Session::signals)).collect();
        let changed = watch.changed(end, &others).map_err(waiting)?;
        if let Some(signal) = session.and_then(Session::interrupted) {
            return Err(Error::Interrupted(signal));
        }
        if !changed {
            let limit = words.timeout.unwrap_or(Duration::ZERO);
            return Err(Error::TimedOut { ifname: words.ifname.to_string(), missing, limit });
        }
    }
}

/// What is not there yet.
fn missing(
    words: &WaitWords,
    socket: &mut RouteSocket,
    gateways: Option<&mut Gateways>,
) -> Result<Option<String>, KernelError> {
    let Some(link) = kernel::find_link(socket, words.ifname.as_str())? else {
        return Ok(Some("no such interface".to_owned()));
    };
    let missing = match words.wait_for {
        WaitFor::Link => None,
        _ if !link.up => Some("it is down"),
        _ if !link.carrier => Some("it has no carrier"),
        WaitFor::Carrier => None,
        WaitFor::Address => {
            (!kernel::has_usable_address(socket, link.index)?).then_some("it has no usable address")
        }
        WaitFor::Gateway => match gateways {
            Some(gateways) => return gateways.missing(socket, link.index),
            None => None,
        },
    };
    Ok(missing.map(str::to_owned))
}

/// The gateways that were asked, and those that have answered since. What the kernel knew before does not count: a gateway
/// that answered half a minute ago may be gone.
struct Gateways {
    neighbours: Neighbours,
    asked: Vec<IpAddr>,
    answered: Vec<IpAddr>,
}

impl Gateways {
    fn new(neighbours: Neighbours) -> Self {
        Self { neighbours, asked: Vec::new(), answered: Vec::new() }
    }

    /// Has the kernel ask those that have not answered, and again each time when it has given up; tells of the first.
    fn missing(&mut self, socket: &mut RouteSocket, index: u32) -> Result<Option<String>, KernelError> {
        let all = kernel::gateways(socket, index)?;
        if all.is_empty() {
            return Ok(Some("it has no gateway".to_owned()));
        }
        for gateway in &all {
            if self.answered.contains(gateway) {
                continue;
            }
            let known = self.neighbours.find(index, *gateway)?;
            let was_asked = self.asked.contains(gateway);
            if known == Neighbour::Fixed || (known == Neighbour::Reachable && was_asked) {
                self.answered.push(*gateway);
            } else if known == Neighbour::Silent || !was_asked {
                match self.neighbours.ask(index, *gateway, known) {
                    Ok(()) if !was_asked => self.asked.push(*gateway),
                    Ok(()) => {}
                    // A link that goes down just now refuses, and that is told by an event.
                    Err(error) => log::debug!("asking {gateway}: {error}"),
                }
            }
        }
        let silent = all.iter().find(|gateway| !self.answered.contains(gateway));
        Ok(silent.map(|gateway| format!("its gateway {gateway} does not answer")))
    }
}
