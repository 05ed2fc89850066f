//! Leases: a DHCP client runs in the container's network and touches nothing else.
//!
//! IO. Four processes, each knowing only what it needs:
//!
//! ```text
//! attach ──starts, waits for the report──► keeper, in the container's network
//!                                            │ sets addresses and routes, ends the client in time
//!                                            └─► cage → client, in a process and a mount namespace of its own
//!                                                          └─► courier: the client's "script"
//! ```
//!
//! The client only speaks DHCP. It hands each lease to its script, which is rpipe again, as courier: the courier reads
//! the lease as addresses and numbers, for they come from the network, and passes those on to the keeper, which sets them
//! by netlink. So no shell ever sees a word of the server's, all clients give the same result, and there is one place that
//! knows how to take it back.
//!
//! The first three are rpipe started under names that nobody types; they are no verbs.

mod cage;
mod client;
mod configure;
mod courier;
mod keeper;
mod lease;
mod place;
mod program;
mod start;

use std::ffi::{OsStr, OsString};
use std::path::Path;

pub use lease::Lease;
pub use program::find as find_client;
pub use start::{Failure, Keeper, Owner, start};

/// The names under which rpipe is started behind the scenes.
const KEEPER: &str = "rpipe-dhcp-keeper";
const CAGE: &str = "rpipe-dhcp-cage";
const COURIER: &str = "rpipe-dhcp-courier";
/// What ISC's client has for a script, and AppArmor lets it start.
const ISC_COURIER: &str = "dhclient-script";

/// Does the work of the process that goes by this name, and tells its exit code; none for a name that people use.
///
/// The three are kept apart (`inline(never)`), for every attach comes by here.
///
/// Called by hand, keeper and cage refuse words that are not theirs, and the courier finds nobody to tell.
#[must_use]
pub fn behind_the_scenes(args: &[OsString]) -> Option<u8> {
    let name = args.first().and_then(|name| Path::new(name).file_name()).and_then(OsStr::to_str)?;
    match name {
        KEEPER => Some(keeper::run(args)),
        CAGE => Some(cage::run(args)),
        COURIER | ISC_COURIER => Some(courier::run(args)),
        _ => None,
    }
}
