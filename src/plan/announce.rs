//! The steps by which others get to know the interface, and by which it gets to know of others with the same address.

use std::net::{IpAddr, Ipv6Addr};

use crate::spec::{Attach, IfName, IpvlanMode, MacWord, Sharing};

use super::script::quote;
use super::{Facts, Found, Script, Side, Step, UplinkKind};

/// How what the interface sends gets to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// At once when it comes up.
    Straight,
    /// Through a port of a bridge, which lets something through a moment later, with STP half a minute later.
    Port {
        /// The port.
        port: IfName,
        /// The bridge.
        bridge: IfName,
    },
    /// A card that had a carrier before it was moved: it may take a while to have it again, and so may what it is plugged
    /// into.
    Card,
    /// At once, and it is up already.
    Standing,
    /// Not at all: there is nobody there, or no ARP.
    Silent,
}

impl Way {
    /// The way of an interface that these steps make.
    pub(super) fn of_new(steps: &[Step], asked: &Attach, facts: &Facts) -> Self {
        for step in steps {
            match step {
                Step::CreateVeth { host_ifname, bridge: Some(bridge), .. } => {
                    return Self::Port { port: host_ifname.clone(), bridge: bridge.clone() };
                }
                Step::CreateDummy { .. } => return Self::Silent,
                _ => {}
            }
        }
        match (&facts.uplink, asked.sharing) {
            (Found::Link(uplink), _) if asked.direct && uplink.carrier => Self::Card,
            (_, Some(Sharing::Ipvlan(IpvlanMode::L3 | IpvlanMode::L3s))) => Self::Silent,
            _ => Self::Straight,
        }
    }

    /// The way of an interface that is there.
    pub(super) fn of_present(facts: &Facts, port: Option<&IfName>) -> Self {
        match (&facts.uplink, port) {
            (Found::Link(uplink), Some(port)) if matches!(uplink.kind, UplinkKind::Bridge { .. }) => {
                Self::Port { port: port.clone(), bridge: uplink.name.clone() }
            }
            _ => Self::Standing,
        }
    }

    /// The step that waits until others can be reached.
    fn wait(&self, ifname: &IfName) -> Option<Step> {
        let (side, ifname, bridge) = match self {
            Self::Port { port, bridge } => (Side::Host, port, Some(bridge.clone())),
            Self::Card => (Side::Target, ifname, None),
            Self::Straight | Self::Standing | Self::Silent => return None,
        };
        Some(Step::AwaitLink { side, ifname: ifname.clone(), bridge })
    }
}

/// What is to be told and asked, and when.
pub(super) struct Telling {
    /// Whether the kernel tells of the IPv4 addresses when the interface comes up.
    pub on_up: bool,
    /// Whether the IPv6 addresses come only when others can hear the questions about them.
    pub v6_later: bool,
    /// Directly after the interface came up.
    pub early: Option<Step>,
    /// Before the interface is finished.
    pub detection: Option<Step>,
    /// At the end.
    pub late: Vec<Step>,
}

impl Telling {
    pub(super) fn new(asked: &Attach, facts: &Facts, way: &Way, is_up: bool) -> Self {
        let ifname = || facts.ifname.clone();
        let v4 = asked.addresses.nets().any(|net| net.addr().is_ipv4());
        let v6: Vec<Ipv6Addr> = asked.addresses.nets().filter_map(|net| only_v6(net.addr())).collect();
        let leased = asked.addresses.dhcp().is_some();
        let loud = asked.announce > 0 && *way != Way::Silent;
        let on_up = loud && v4 && *way == Way::Straight && !is_up;
        let asks = !v6.is_empty() && !asked.no_dad;
        // A lease is asked for over the same way.
        let wait_early = asks || leased;
        let again = !on_up || asked.announce > 1;
        let announce = loud && (leased || !v6.is_empty() || (v4 && again));
        let mut late = Vec::new();
        if announce {
            late.extend(way.wait(&facts.ifname).filter(|_| !wait_early));
            late.push(Step::Announce {
                ifname: ifname(),
                ips: asked.addresses.nets().map(|net| net.addr()).collect(),
                told: on_up,
                times: asked.announce,
                mac: asked.link_address.mac.as_ref().map(MacWord::mac),
            });
        }
        Self {
            on_up,
            v6_later: asks && way.wait(&facts.ifname).is_some(),
            early: way.wait(&facts.ifname).filter(|_| wait_early),
            detection: (!v6.is_empty()).then(|| Step::AwaitDetection {
                ifname: ifname(),
                ips: v6,
                asked: asks,
            }),
            late,
        }
    }
}

fn only_v6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V6(ip) => Some(ip),
        IpAddr::V4(_) => None,
    }
}

impl Script<'_> {
    /// A loop of the shell that ends when the command succeeds, or after so many seconds.
    fn until(command: &str, seconds: u32) -> String {
        format!("for try in $(seq {}); do {command} && break; sleep 0.1; done", seconds * 10)
    }

    pub(super) fn awaited_link(&self, side: Side, ifname: &IfName, bridge: bool) -> String {
        let name = quote(ifname.as_str());
        match (side, bridge) {
            (Side::Host, true) => {
                Self::until(&format!("bridge link show dev {name} | grep -q 'state forwarding'"), 35)
            }
            (Side::Host, false) => Self::until(&format!("ip link show dev {name} | grep -q LOWER_UP"), 5),
            (Side::Target, _) => {
                Self::until(&(self.inside(&format!("link show dev {name}")) + " | grep -q LOWER_UP"), 5)
            }
        }
    }

    pub(super) fn awaited_detection(&self, ifname: &IfName, ips: &[Ipv6Addr], asked: bool) -> String {
        let name = quote(ifname.as_str());
        if !asked {
            let one =
                |ip| Self::until(&(self.inside(&format!("-6 route get {ip}")) + " | grep -q ^local"), 5);
            return ips.iter().map(one).collect::<Vec<_>>().join("; ");
        }
        let show = |what| self.inside(&format!("-6 address show dev {name} {what}"));
        let settled = Self::until(&format!("[ -z \"$({})\" ]", show("tentative -dadfailed")), 5);
        format!("{settled}; [ -z \"$({})\" ]", show("dadfailed"))
    }

    /// What makes the kernel tell again: the same MAC address.
    pub(super) fn announced(&self, ifname: &IfName, ips: &[IpAddr], times: u32) -> String {
        let name = ifname.as_str();
        let v6 = ips.iter().any(IpAddr::is_ipv6).then_some(("ipv6", "ndisc_notify"));
        let settings: Vec<_> = [("ipv4", "arp_notify")].into_iter().chain(v6).collect();
        let set = |on: u8| {
            let line = |(family, key): &(&str, &str)| {
                format!("echo {on} >{}", quote(&format!("/proc/sys/net/{family}/conf/{name}/{key}")))
            };
            settings.iter().map(line).collect::<Vec<_>>().join("; ")
        };
        let name = quote(name);
        let again = format!("ip link set dev {name} address $3");
        let repeat = match times {
            0 | 1 => String::new(),
            _ => format!("; for n in $(seq {}); do sleep 1; {again}; done", times - 1),
        };
        // The MAC address is the third word of the short form.
        let mac = format!("set -f -- $(ip -br link show dev {name})");
        self.shell(&format!("{mac}; {}; {again}{repeat}; {}", set(1), set(0)))
    }
}
