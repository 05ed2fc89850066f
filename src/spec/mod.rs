//! What was asked, as values: the words of the command line, parsed and checked.
//!
//! PURE: no system call, no file, no clock. Everything here is `FromStr` and `Display`, and the two
//! round-trip: `parse(print(x)) == x`. A word that fails here ends the program with exit code 2 before
//! anything was looked at, so each rule that needs no knowledge of the machine belongs here.

mod address;
mod attach;
mod claim;
mod dhcp;
mod error;
mod ifname;
mod likeness;
mod link_address;
mod mac;
mod mark;
mod mode;
mod old_default;
mod own_address;
mod route;
mod target;
mod uplink;
mod vlan;

pub use address::{Address, AddressList, Gateways};
pub use attach::{Attach, Probe};
pub use claim::Claim;
pub use dhcp::{Client, DhcpWord};
pub use error::SpecError;
pub use ifname::IfName;
pub use likeness::near;
pub use link_address::LinkAddress;
pub use mac::{Mac, MacWord};
pub use mark::{Mark, Nic, Role};
pub use mode::{IpvlanMode, Mode, Sharing};
pub use old_default::OldDefault;
pub use own_address::OwnAddress;
pub use route::Route;
pub use target::{EntryName, Runtime, TargetWord};
pub use uplink::UplinkWord;
pub use vlan::{Pkey, Vlan, VlanWord};
