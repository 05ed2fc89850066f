//! The plan of an attach.

use crate::spec::Attach;

use super::announce::Way;
use super::{Entry, Facts, Found, Refusal, Step, UplinkKind, configure, conflict, link};

/// The metric `ip -6 route` gives and the kernel assumes (`IP6_RT_PRIO_USER`, include/net/ip6_route.h).
const METRIC_V6: u32 = 1024;

/// The metric of the default route that an attach sets.
#[must_use]
pub fn default_metric(asked: &Attach, v4: bool) -> u32 {
    asked.metric.unwrap_or(usual_metric(v4))
}

/// The metric that the kernel gives a route when none is named.
#[must_use]
pub fn usual_metric(v4: bool) -> u32 {
    if v4 { 0 } else { METRIC_V6 }
}

/// The steps that wire `asked` on a machine as `facts` show it.
///
/// # Errors
/// What is known to fail.
pub fn attach(asked: &Attach, facts: &Facts) -> Result<Vec<Step>, Refusal> {
    if facts.ifname_taken {
        let (target, ifname) = (facts.target.clone(), facts.ifname.to_string());
        return Err(Refusal::IfnameTaken { target, ifname });
    }
    speaks_ipv6(asked, facts)?;
    let mut steps = Vec::with_capacity(12);
    if let (Entry::Missing(entry), Some(pid)) = (&facts.entry, facts.pid) {
        steps.push(Step::LinkNamespace { entry: entry.clone(), pid });
    }
    link::create(&mut steps, asked, facts)?;
    conflict::free(asked, facts, &[])?;
    let way = Way::of_new(&steps, asked, facts);
    configure::configure(&mut steps, asked, facts, &way);
    Ok(steps)
}

/// Whether IPv6 can be had where it is asked for.
///
/// # Errors
/// When somebody has switched it off in the target, and nobody has said to switch it on.
pub fn speaks_ipv6(asked: &Attach, facts: &Facts) -> Result<(), Refusal> {
    if asked.speaks(false) && facts.ipv6_disabled && !asked.enable_ipv6 {
        return Err(Refusal::Ipv6Disabled(facts.target.clone()));
    }
    Ok(())
}

/// What will work and still may not be what was meant.
#[must_use]
pub fn warnings(facts: &Facts) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(vlan), Found::Link(uplink)) = (facts.vlan, &facts.uplink)
        && matches!(uplink.kind, UplinkKind::Bridge { filtering: true, .. })
        && !facts.vlan_has_ports
    {
        let name = &uplink.name;
        warnings.push(format!(
            "warning: no other port of {name} carries VLAN {vlan}, so it leads nowhere yet (`bridge vlan add dev PORT \
             vid {vlan}` adds one)"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests;
