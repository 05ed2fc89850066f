//! Which program a DHCP word means.
//!
//! IO, read-only, before anything is changed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::plan::{FoundClient, Refusal};
use crate::spec::Client;

/// The client that was named, or the first that is installed.
///
/// # Errors
/// When it is not installed.
pub fn find(named: Option<Client>) -> Result<FoundClient, Refusal> {
    let clients = named.map_or(Client::ALL.to_vec(), |client| vec![client]);
    clients.into_iter().find_map(look_for).ok_or(Refusal::NoClient(named))
}

fn look_for(client: Client) -> Option<FoundClient> {
    if let Some(program) = which(client.as_str()) {
        return Some(FoundClient { client, program, applet: false });
    }
    let program = (client == Client::Udhcpc).then(|| which("busybox")).flatten()?;
    has_udhcpc(&program).then_some(FoundClient { client, program, applet: true })
}

/// The file itself: a link may lead through `/run`, which the client does not see.
fn which(name: &str) -> Option<PathBuf> {
    which::which(name).ok()?.canonicalize().ok()
}

/// A busybox can be built without it.
fn has_udhcpc(busybox: &PathBuf) -> bool {
    let list = Command::new(busybox).arg("--list").stdin(Stdio::null()).output();
    list.is_ok_and(|list| list.stdout.split(|byte| *byte == b'\n').any(|applet| applet == b"udhcpc"))
}
