//! `rpipe wait`, and pipework's `--wait`: until an interface is there, from inside a container or for one.

use std::time::{Duration, Instant};

use crate::cli::{WaitFor, WaitWords};
use crate::error::Error;
use crate::kernel::{self, KernelError, RouteSocket, Watch};
use crate::target::{LOOKUP_LIMIT, Target};

use super::attach::own_namespace;

/// Waits until the interface is as asked for; told by the kernel's events, not by asking again and again.
#[inline(never)]
pub fn wait(words: &WaitWords) -> Result<(), Error> {
    let waiting = |error| Error::kernel(format!("waiting for {}", words.ifname), error);
    let end = words.timeout.map(|limit| Instant::now() + limit);
    let open = || Ok((Watch::open()?, RouteSocket::open()?));
    let (watch, mut socket) = match &words.target {
        None => open(),
        Some(word) => {
            let home = own_namespace()?;
            let limit = words.timeout.unwrap_or(LOOKUP_LIMIT).min(LOOKUP_LIMIT);
            let target = Target::open(word, &home, limit)?;
            target.netns.enter(&home, open).and_then(|opened| opened)
        }
    }
    .map_err(waiting)?;
    // Subscribed first and asked afterwards: nothing can happen in between unseen.
    loop {
        let missing = missing(words, &mut socket).map_err(waiting)?;
        let Some(missing) = missing else { return Ok(()) };
        if !watch.changed(end).map_err(waiting)? {
            let limit = words.timeout.unwrap_or(Duration::ZERO);
            return Err(Error::TimedOut { ifname: words.ifname.to_string(), missing, limit });
        }
    }
}

/// What is not there yet.
fn missing(words: &WaitWords, socket: &mut RouteSocket) -> Result<Option<&'static str>, KernelError> {
    let Some(link) = kernel::find_link(socket, words.ifname.as_str())? else {
        return Ok(Some("no such interface"));
    };
    Ok(match words.wait_for {
        WaitFor::Link => None,
        _ if !link.up => Some("it is down"),
        _ if !link.carrier => Some("it has no carrier"),
        WaitFor::Carrier => None,
        WaitFor::Address => {
            (!kernel::has_usable_address(socket, link.index)?).then_some("it has no usable address")
        }
    })
}
