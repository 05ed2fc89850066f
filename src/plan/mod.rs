//! What will be done, as a value: asked + facts → steps.
//!
//! PURE: no system call, no netlink, no clock; a plan can be compared, printed and tested. What cannot work is refused
//! here, before the first change. Each step knows its undo and prints itself as the equal command.

mod announce;
mod attach;
mod configure;
mod conflict;
mod detach;
mod facts;
mod gc;
mod imagine;
mod lease;
mod link;
mod ovs;
mod present;
mod refusal;
mod replace;
mod routing;
mod script;
mod step;
mod undo;
mod words;

pub use attach::{attach, default_metric, speaks_ipv6, usual_metric, warnings};
pub use conflict::{Conflict, Holder, Stale, claims, free};
pub use detach::{Attachment, detach, detach_all, unlink};
pub use facts::{Entry, Facts, Found, OvsPort, Uplink, UplinkKind, VlanLink};
pub use gc::{HostLink, Leftovers, Litter, OvsBridge, Stray, What, gc, homecoming};
pub use imagine::Imagined;
pub use lease::{FoundClient, LeaseRequest};
pub use ovs::{OvsChange, quote as ovs_quote};
pub use present::{Difference, Present, differences};
pub use refusal::Refusal;
pub use replace::{in_place, replace};
pub use routing::{Hop, Path, RULE_PRIORITY, Routing, Rule, routing};
pub use script::{Script, quote};
pub use step::{Side, Step};
