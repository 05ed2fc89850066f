//! Whether the bridges of a batch have room for its ports, told before the first change.

use crate::cli::Verb;
use crate::error::Error;
use crate::kernel::{self, KernelError, NetNs, RouteSocket};
use crate::spec::{IfName, UplinkWord};
use crate::target::Target;

use super::batch::Item;

/// `BR_MAX_PORTS`, net/bridge/br_private.h; port number 0 is none.
const MOST: usize = 1023;

/// Counts the ports that each bridge would have. What an earlier line takes away again is not foreseen, so only the lines
/// before the first that takes anything away count; nor do those that cannot be looked at, which fail in their turn.
///
/// # Errors
/// [`Error::Ports`].
pub fn check(items: &[Item], file: &str, home: &NetNs) -> Result<(), Error> {
    let mut wanted: Vec<(&IfName, Vec<&Item>)> = Vec::new();
    for item in items {
        let Verb::Attach(words) = &item.verb else { break };
        if let (UplinkWord::Name(name), false) = (&words.attach.uplink, words.replace) {
            match wanted.iter_mut().find(|(known, _)| *known == name) {
                Some((_, items)) => items.push(item),
                None => wanted.push((name, vec![item])),
            }
        }
    }
    for (name, items) in wanted {
        let look = |error| Error::kernel(format!("counting the ports of {name}"), error);
        if let Some(present) = ports(name).map_err(look)?
            && present + items.len() > MOST
        {
            let count = present + added(&items, home);
            if count > MOST {
                return Err(Error::Ports { file: file.to_owned(), bridge: name.to_string(), count });
            }
        }
    }
    Ok(())
}

/// How many ports the bridge has; none where it would be made, and nothing where it is no bridge.
fn ports(name: &IfName) -> Result<Option<usize>, KernelError> {
    let mut socket = RouteSocket::open()?;
    match kernel::find_link(&mut socket, name.as_str())? {
        Some(link) if link.kind.as_deref() == Some("bridge") => {
            kernel::count_ports(&mut socket, link.index).map(Some)
        }
        None if name.as_str().starts_with("br") => Ok(Some(0)),
        _ => Ok(None),
    }
}

/// How many interfaces are not there yet. Looked at only when it matters: it takes a look into each container.
fn added(items: &[&Item], home: &NetNs) -> usize {
    let usual = "eth1".parse::<IfName>().ok();
    let mut new = Vec::new();
    for item in items {
        let Verb::Attach(words) = &item.verb else { continue };
        let limit = words.timeout.unwrap_or(crate::target::LOOKUP_LIMIT);
        let Ok(target) = Target::open(&words.target, home, limit) else { continue };
        let Some(ifname) = words.attach.ifname.as_ref().or(usual.as_ref()) else { continue };
        let socket = target.netns.enter(home, RouteSocket::open).and_then(|socket| socket);
        let found = socket.and_then(|mut socket| kernel::find_link(&mut socket, ifname.as_str()));
        if matches!(found, Ok(None)) {
            new.push((target.netns.inode(), ifname.clone()));
        }
    }
    new.sort_unstable();
    new.dedup();
    new.len()
}
