//! The steps that give the link its addresses and routes.

use crate::spec::{Attach, OwnAddress};

use super::announce::{Telling, Way};
use super::{Facts, Side, Step, conflict, lease, link, routing};

/// Addresses before the link comes up, so that the kernel announces them; routes after, or it refuses them. What sets
/// something of the link itself stands together, as far as it may: that travels as one message.
pub(super) fn configure(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, way: &Way) {
    let ifname = || facts.ifname.clone();
    if asked.speaks(false) && facts.ipv6_disabled {
        steps.push(Step::EnableIpv6 { ifname: ifname() });
    }
    // One that was moved is marked already.
    let mut mark = (!asked.direct).then(|| {
        let alias = link::mark(asked, facts).to_string();
        Step::SetAlias { side: Side::Target, ifname: ifname(), alias, old: None }
    });
    let mut set_up = Some(Step::SetLink { side: Side::Target, ifname: ifname(), up: true });
    // Whoever probes must be up, and have no address.
    let probe = conflict::probe(asked, facts);
    let telling = Telling::new(asked, facts, way, probe.is_some());
    if probe.is_some() {
        steps.extend(mark.take().into_iter().chain(set_up.take()).chain(probe));
    }
    if telling.on_up {
        steps.extend(mark.take());
        steps.push(Step::ArpNotify { ifname: ifname(), on: true });
    }
    let add =
        |OwnAddress { net, peer }| Step::AddAddress { ifname: ifname(), net, peer, no_dad: asked.no_dad };
    let (later, now): (Vec<_>, Vec<_>) =
        in_order(asked).partition(|own| telling.v6_later && own.ip().is_ipv6());
    steps.extend(now.into_iter().map(add));
    steps.extend(mark.into_iter().chain(set_up));
    if telling.on_up {
        steps.push(Step::ArpNotify { ifname: ifname(), on: false });
    }
    steps.extend(telling.early);
    steps.extend(later.into_iter().map(add));
    steps.extend(lease::lease(asked, facts));
    routing::steps(steps, asked, facts);
    steps.extend(telling.detection);
    steps.push(Step::Finish { ifname: ifname() });
    steps.extend(telling.late);
}

/// The addresses in the order in which they are to be added. Of those of IPv4 the kernel prefers the first of a subnet; of
/// those of IPv6 the last, all else being equal (`ipv6_link_dev_addr`, net/ipv6/addrconf.c).
fn in_order(asked: &Attach) -> impl Iterator<Item = OwnAddress> {
    let of = |v4: bool| asked.addresses.own().filter(move |own| own.ip().is_ipv4() == v4);
    let mut v6: Vec<_> = of(false).collect();
    v6.reverse();
    of(true).chain(v6)
}
