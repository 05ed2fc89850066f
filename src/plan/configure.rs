//! The steps that give the link its addresses and routes.

use crate::spec::{Attach, OwnAddress};

use super::{Facts, Side, Step, conflict, lease, link, routing};

/// Addresses before the link comes up, so that the kernel announces them; routes after, or it refuses them.
pub(super) fn configure(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts) {
    let ifname = || facts.ifname.clone();
    // One that was moved is marked already.
    if !asked.direct {
        let alias = link::mark(asked, facts).to_string();
        steps.push(Step::SetAlias { side: Side::Target, ifname: ifname(), alias, old: None });
    }
    if asked.speaks(false) && facts.ipv6_disabled {
        steps.push(Step::EnableIpv6 { ifname: ifname() });
    }
    // Whoever probes must be up, and have no address.
    let probe = conflict::probe(asked, facts);
    let is_up = probe.is_some();
    let set_up = || Step::SetLink { side: Side::Target, ifname: ifname(), up: true };
    if let Some(probe) = probe {
        steps.extend([set_up(), probe]);
    }
    let announce = asked.addresses.nets().any(|net| net.addr().is_ipv4());
    if announce {
        steps.push(Step::ArpNotify { ifname: ifname(), on: true });
    }
    steps.extend(in_order(asked).map(|OwnAddress { net, peer }| Step::AddAddress {
        ifname: ifname(),
        net,
        peer,
    }));
    steps.push(if is_up { Step::Announce { ifname: ifname() } } else { set_up() });
    if announce {
        steps.push(Step::ArpNotify { ifname: ifname(), on: false });
    }
    steps.extend(lease::lease(asked, facts));
    routing::steps(steps, asked, facts);
    steps.push(Step::Finish { ifname: ifname() });
}

/// The addresses in the order in which they are to be added. Of those of IPv4 the kernel prefers the first of a subnet; of
/// those of IPv6 the last, all else being equal (`ipv6_link_dev_addr`, net/ipv6/addrconf.c).
fn in_order(asked: &Attach) -> impl Iterator<Item = OwnAddress> {
    let of = |v4: bool| asked.addresses.own().filter(move |own| own.ip().is_ipv4() == v4);
    let mut v6: Vec<_> = of(false).collect();
    v6.reverse();
    of(true).chain(v6)
}
