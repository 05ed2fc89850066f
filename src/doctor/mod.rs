//! Why does it not work? From what is the case to what people trip over, each finding with its remedy.
//!
//! PURE. `facts` says what was looked at, `checkup` does the looking; each other file is a group of checks.

mod bridge;
mod facts;
mod finding;
mod firewall;
mod routing;
mod shared;
mod size;
mod twins;
mod uplink;

pub use facts::{
    Answer, Attachment, Card, DefaultRoute, DroppingChain, Facts, Family, Firewall, HostLink, Multihomed,
    PortState, PortVlans,
};
pub use finding::{Finding, Severity, text};

/// Everything that was found, the weightiest first.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for check in [
        uplink::check,
        firewall::check,
        bridge::check,
        shared::check,
        size::check,
        twins::check,
        routing::check,
    ] {
        found.extend(check(facts));
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

/// What an attach says of the uplink that it has just used: the first of what can be seen at no cost.
#[must_use]
pub fn warning(uplink: &HostLink, is_dropped: bool) -> Option<String> {
    let finding = is_dropped
        .then(|| firewall::of_bridge(&uplink.name))
        .or_else(|| uplink::without_signal(uplink))
        .or_else(|| bridge::will_wait(uplink))?;
    let Finding { subject, text, remedy, .. } = finding;
    Some(format!("warning: {subject} {text} ({remedy})"))
}
