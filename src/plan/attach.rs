//! The plan of an attach.

use std::net::IpAddr;

use crate::spec::{Attach, IfName, UplinkWord};

use super::{Entry, Facts, Found, Refusal, Side, Step, Uplink, UplinkKind};

/// The metric `ip -6 route` gives and the kernel assumes (`IP6_RT_PRIO_USER`, include/net/ip6_route.h).
const METRIC_V6: u32 = 1024;

/// The MTU of a bridge without ports (`br_mtu_auto_adjust`, net/bridge/br_if.c).
const NEW_BRIDGE_MTU: u32 = 1500;

/// The metric of the default route that an attach sets.
#[must_use]
pub fn default_metric(asked: &Attach, v4: bool) -> u32 {
    asked.metric.unwrap_or(if v4 { 0 } else { METRIC_V6 })
}

/// The steps that wire `asked` on a machine as `facts` show it.
///
/// # Errors
/// What is known to fail.
pub fn attach(asked: &Attach, facts: &Facts) -> Result<Vec<Step>, Refusal> {
    if asked.link_address.vlan.is_some() {
        return Err(Refusal::Unsupported("a VLAN"));
    }
    if facts.ifname_taken {
        let (target, ifname) = (facts.target.clone(), asked.ifname.to_string());
        return Err(Refusal::IfnameTaken { target, ifname });
    }
    let mut steps = Vec::with_capacity(10);
    if let (Entry::Missing(entry), Some(pid)) = (&facts.entry, facts.pid) {
        steps.push(Step::LinkNamespace { entry: entry.clone(), pid });
    }
    create_link(&mut steps, asked, facts)?;
    configure(&mut steps, asked, facts);
    Ok(steps)
}

/// The link itself, under its final name, in its namespace, still down.
fn create_link(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts) -> Result<(), Refusal> {
    let ifname = asked.ifname.clone();
    let mac = asked.link_address.mac.as_ref().map(crate::spec::MacWord::mac);
    let host_ifname = facts.host_ifname.clone();
    let taken = facts.host_ifname_taken.then(|| Refusal::HostIfnameTaken(host_ifname.to_string()));
    let (uplink, create) = match &facts.uplink {
        Found::Link(uplink) => (uplink.clone(), None),
        Found::Nothing { fresh_mac } => {
            let name = creatable(&asked.uplink)?;
            let create = Step::CreateBridge { name: name.clone(), mac: *fresh_mac };
            let mtu = asked.mtu.unwrap_or(NEW_BRIDGE_MTU);
            // Its address is its own whatever its ports, so there is none to be given back.
            (Uplink { name, kind: UplinkKind::Bridge, mac: None, mtu, up: true }, Some(create))
        }
    };
    let (name, mtu) = (uplink.name.clone(), asked.mtu.unwrap_or(uplink.mtu));
    if let (UplinkKind::Bridge, Some(mode)) = (uplink.kind, asked.mode) {
        return Err(Refusal::ModeWithoutMacvlan { mode, bridge: name.to_string() });
    }
    let set_up = (!uplink.up).then(|| Step::SetLink { side: Side::Host, ifname: name.clone(), up: true });
    match (uplink.kind, taken) {
        (UplinkKind::Bridge, Some(refusal)) => return Err(refusal),
        (UplinkKind::Bridge, None) => {
            steps.extend(create.into_iter().chain(set_up));
            steps.push(Step::CreateVeth {
                host_ifname,
                bridge: name,
                bridge_mac: uplink.mac,
                ifname,
                host_mtu: mtu.max(uplink.mtu),
                mtu,
                mac,
            });
        }
        (UplinkKind::Parent, _) => {
            steps.extend(set_up);
            // Kernels before 6.14 look for the name of a link that is made in another namespace here as well.
            let first = if facts.host_has_ifname { host_ifname } else { ifname.clone() };
            let mode = asked.mode.unwrap_or_default();
            let renamed = (first != ifname).then(|| Step::Rename { from: first.clone(), to: ifname });
            steps.push(Step::CreateMacvlan { parent: name, ifname: first, mode, mtu, mac });
            steps.extend(renamed);
        }
        (UplinkKind::OpenVswitch, _) => return Err(Refusal::Unsupported("an Open vSwitch bridge as uplink")),
        (UplinkKind::Port, _) => return Err(Refusal::UplinkIsPort(name.to_string())),
        (UplinkKind::NotEthernet, _) => return Err(Refusal::UplinkNotEthernet(name.to_string())),
    }
    Ok(())
}

/// A bridge that is made because its name asks for one.
fn creatable(uplink: &UplinkWord) -> Result<IfName, Refusal> {
    match uplink {
        UplinkWord::Name(name) if name.as_str().starts_with("br") => Ok(name.clone()),
        word => Err(Refusal::NoUplink(word.to_string())),
    }
}

/// Addresses before the link comes up, so that the kernel announces them; routes after, or it refuses them.
fn configure(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts) {
    let ifname = || asked.ifname.clone();
    if asked.speaks(false) && facts.ipv6_disabled {
        steps.push(Step::EnableIpv6 { ifname: ifname() });
    }
    let announce = asked.addresses.nets().any(|net| net.addr().is_ipv4());
    if announce {
        steps.push(Step::ArpNotify { ifname: ifname(), on: true });
    }
    steps.extend(asked.addresses.nets().map(|net| Step::AddAddress { ifname: ifname(), net }));
    steps.push(Step::SetLink { side: Side::Target, ifname: ifname(), up: true });
    if announce {
        steps.push(Step::ArpNotify { ifname: ifname(), on: false });
    }
    let mut hops = Vec::new();
    let next_hops = asked.defaults().iter().chain(asked.routes().filter_map(|route| route.gateway));
    for gateway in next_hops.filter(|gateway| !is_on_link(asked, *gateway)) {
        if !hops.contains(&gateway) {
            hops.push(gateway);
        }
    }
    steps.extend(hops.into_iter().map(|host| Step::AddHostRoute { ifname: ifname(), host }));
    steps.extend(asked.routes().map(|route| Step::AddRoute {
        ifname: ifname(),
        route,
        metric: asked.metric,
    }));
    steps.extend(asked.defaults().iter().map(|gateway| {
        let v4 = gateway.is_ipv4();
        let old = if v4 { facts.default_v4.clone() } else { facts.default_v6.clone() };
        Step::SetDefault { ifname: ifname(), gateway, metric: default_metric(asked, v4), old }
    }));
}

/// Whether the kernel knows the way to the gateway from the addresses alone. Link-local addresses are
/// on every link (RFC 4291 2.5.6).
fn is_on_link(asked: &Attach, gateway: IpAddr) -> bool {
    let link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
    link_local || asked.addresses.nets().any(|net| net.contains(&gateway))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{OldDefault, Script};

    fn asked(words: [&str; 3]) -> Attach {
        let [uplink, ifname, addresses] = words;
        Attach {
            uplink: uplink.parse().unwrap(),
            ifname: ifname.parse().unwrap(),
            host_ifname: None,
            addresses: addresses.parse().unwrap(),
            link_address: crate::spec::LinkAddress::default(),
            mode: None,
            mtu: None,
            metric: None,
            routes: Vec::new(),
            no_default: false,
        }
    }

    fn facts(kind: UplinkKind) -> Facts {
        let uplink = Uplink { name: "up0".parse().unwrap(), kind, mac: None, mtu: 9000, up: false };
        Facts {
            target: "web".into(),
            pid: Some(7),
            uplink: Found::Link(uplink),
            host_ifname: "veth1pl7".parse().unwrap(),
            host_ifname_taken: false,
            host_has_ifname: false,
            ifname_taken: false,
            default_v4: None,
            default_v6: None,
            ipv6_disabled: false,
            entry: Entry::Missing("web".parse().unwrap()),
        }
    }

    fn script(asked: &Attach, facts: &Facts) -> String {
        let steps = attach(asked, facts).unwrap();
        let script = Script::new(&steps, facts, "/proc/7/ns/net").to_string();
        script.strip_prefix("#!/bin/sh\nset -e\n").unwrap().to_owned()
    }

    #[test]
    fn a_bridge_gets_a_veth_and_routes_come_after_the_link_is_up() {
        let facts = facts(UplinkKind::Bridge);
        assert_eq!(
            script(&asked(["up0", "eth1", "10.0.0.2/24@10.9.0.1"]), &facts),
            "\
mkdir -p /var/run/netns && ln -sfn /proc/7/ns/net /var/run/netns/web
ip link set dev up0 up
ip link add name veth1pl7 mtu 9000 numtxqueues 1 numrxqueues 1 master up0 up type veth \
             peer name eth1 netns web mtu 9000 numtxqueues 1 numrxqueues 1
ip netns exec web sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth1/arp_notify'
ip -n web address add 10.0.0.2/24 brd + dev eth1
ip -n web link set dev eth1 up
ip netns exec web sh -c 'echo 0 >/proc/sys/net/ipv4/conf/eth1/arp_notify'
ip -n web route add 10.9.0.1 dev eth1 proto static
ip -n web route add default via 10.9.0.1 dev eth1 proto static
"
        );
    }

    #[test]
    fn a_parent_is_set_up_and_a_name_that_the_host_has_too_is_given_later() {
        let mut facts = facts(UplinkKind::Parent);
        facts.host_has_ifname = true;
        facts.ipv6_disabled = true;
        facts.entry = Entry::Foreign("web".parse().unwrap());
        assert_eq!(
            script(&asked(["up0", "eth0", "fd00::2/64@fe80::1"]), &facts),
            "\
ip link set dev up0 up
ip link add link up0 name veth1pl7 netns /proc/7/ns/net mtu 9000 numtxqueues 1 numrxqueues 1 type macvlan mode bridge
nsenter --net=/proc/7/ns/net ip link set dev veth1pl7 name eth0
nsenter --net=/proc/7/ns/net sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6'
nsenter --net=/proc/7/ns/net ip address add fd00::2/64 dev eth0
nsenter --net=/proc/7/ns/net ip link set dev eth0 up
nsenter --net=/proc/7/ns/net ip -6 route add default via fe80::1 dev eth0 metric 1024 proto static
"
        );
    }

    #[test]
    fn routes_go_over_the_gateway_of_their_family() {
        let mut asked = asked(["up0", "eth1", "10.0.0.2/24@10.0.0.1"]);
        asked.routes =
            ["10.1.0.0/16", "10.2.0.0/16@10.9.9.9", "fd00::/8"].map(|word| word.parse().unwrap()).into();
        asked.no_default = true;
        asked.metric = Some(7);
        let mut facts = facts(UplinkKind::Bridge);
        facts.entry = Entry::Right("web".parse().unwrap());
        let script = script(&asked, &facts);
        assert_eq!(
            script.split_once("arp_notify'\nip -n web route").map(|(_, routes)| routes),
            Some(
                " add 10.9.9.9 dev eth1 proto static
ip -n web route add 10.1.0.0/16 via 10.0.0.1 dev eth1 metric 7 proto static
ip -n web route add 10.2.0.0/16 via 10.9.9.9 dev eth1 metric 7 proto static
ip -n web -6 route add fd00::/8 dev eth1 metric 7 proto static
"
            )
        );
    }

    #[test]
    fn only_what_outlives_the_link_has_an_undo_of_its_own() {
        let mut facts = facts(UplinkKind::Parent);
        let gateway = Some("172.17.0.1".parse().unwrap());
        facts.default_v4 = Some(OldDefault { gateway, dev: Some("eth0".into()), metric: 0 });
        let steps = attach(&asked(["up0", "eth1", "10.0.0.2/24@10.0.0.1"]), &facts).unwrap();
        let undo: Vec<_> = steps.iter().flat_map(Step::undo).map(|step| step.to_string()).collect();
        assert_eq!(
            undo,
            [
                "removing /var/run/netns/web",
                "setting up0 down",
                "deleting eth1",
                "restoring the default route via 172.17.0.1",
            ]
        );
    }

    #[test]
    fn what_cannot_work_is_refused_before_anything_is_done() {
        let refusal = |words, facts: &Facts| attach(&asked(words), facts).unwrap_err();
        let words = ["up0", "eth1", "10.0.0.2/24"];
        assert_eq!(refusal(words, &facts(UplinkKind::Port)), Refusal::UplinkIsPort("up0".into()));
        let taken = Facts { ifname_taken: true, ..facts(UplinkKind::Bridge) };
        let expected = Refusal::IfnameTaken { target: "web".into(), ifname: "eth1".into() };
        assert_eq!(refusal(words, &taken), expected);
        let nothing = Found::Nothing { fresh_mac: crate::spec::Mac::local([0; 6]) };
        let nothing = Facts { uplink: nothing, ..facts(UplinkKind::Bridge) };
        assert_eq!(refusal(["eth7", "eth1", "0/0"], &nothing), Refusal::NoUplink("eth7".into()));
    }
}
