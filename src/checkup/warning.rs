//! What an attach says of the uplink that it has just used.

use crate::doctor;
use crate::kernel;
use crate::machine::Machine;
use crate::plan::{self, Found, Side, UplinkKind};

use super::host_link;

/// What an attach says of its uplink: the first of what can be seen without looking further. A bridge's firewall is asked
/// one question, where bridges have one at all.
#[must_use]
pub fn warning(facts: &plan::Facts, machine: &mut Machine<'_>) -> Option<String> {
    of_uplink(facts, machine).or_else(|| plan::warnings(facts).into_iter().next())
}

fn of_uplink(facts: &plan::Facts, machine: &mut Machine<'_>) -> Option<String> {
    let Found::Link(uplink) = &facts.uplink else { return None };
    if !matches!(uplink.kind, UplinkKind::Bridge { .. } | UplinkKind::Parent) {
        return None;
    }
    let link = host_link(machine.known(Side::Host, &uplink.name)?, &[]);
    let mut is_dropped = false;
    if link.is_bridge() {
        (is_dropped, machine.firewall) = kernel::forward_drops_bridged();
    }
    doctor::warning(&link, is_dropped)
}
