//! Plans of attaches as the script they print.

use super::*;
use crate::plan::{Script, Uplink};
use crate::spec::OldDefault;

const BRIDGE: UplinkKind = UplinkKind::Bridge { filtering: false, default_vlan: None };

fn asked(words: [&str; 3]) -> Attach {
    let [uplink, ifname, addresses] = words;
    Attach { ifname: Some(ifname.parse().unwrap()), ..Attach::plain(uplink, addresses) }
}

fn facts(kind: UplinkKind) -> Facts {
    let uplink = Uplink {
        name: "up0".parse().unwrap(),
        kind,
        mac: None,
        mtu: 9000,
        up: false,
        carrier: false,
        alias: String::new(),
        phy: None,
    };
    Facts {
        target: "web".into(),
        runtime: crate::spec::Runtime::Docker,
        id: None,
        netns: 4,
        pid: Some(7),
        ifname: "eth1".parse().unwrap(),
        vlan: None,
        vlan_link: None,
        vlan_has_ports: false,
        uplink: Found::Link(uplink),
        host_ifname: "veth1pl7".parse().unwrap(),
        host_ifname_taken: false,
        ovs_port: crate::plan::OvsPort::Free,
        host_has_ifname: false,
        ifname_taken: false,
        default_v4: None,
        default_v6: None,
        kept_old: [None, None],
        ipv6_disabled: false,
        client: None,
        entry: Entry::Missing("web".parse().unwrap()),
        conflicts: Vec::new(),
        stale: Vec::new(),
    }
}

fn script(asked: &Attach, facts: &Facts) -> String {
    let steps = attach(asked, facts).unwrap();
    let script = Script::new(&steps, facts, "/proc/7/ns/net").to_string();
    script.strip_prefix("#!/bin/sh\nset -e\n").unwrap().to_owned()
}

#[test]
fn a_bridge_gets_a_veth_and_routes_come_after_the_link_is_up() {
    let facts = facts(BRIDGE);
    assert_eq!(
        script(&asked(["up0", "eth1", "10.0.0.2/24@10.9.0.1"]), &facts),
        "\
mkdir -p /var/run/netns && ln -sfn /proc/7/ns/net /var/run/netns/web
ip link set dev up0 up
ip link add name veth1pl7 mtu 9000 numtxqueues 1 numrxqueues 1 master up0 up type veth \
         peer name eth1 netns web mtu 9000 numtxqueues 1 numrxqueues 1
ip link set dev veth1pl7 alias 'rpipe 1 port uplink=up0 ifname=eth1 netns=4 target=docker:web'
ip link set dev veth1pl7 addrgenmode none
ip link property add dev veth1pl7 altname rpipe:up0:10.0.0.2
ip -n web address add 10.0.0.2/24 brd + dev eth1
ip -n web link set dev eth1 alias 'rpipe 1 link uplink=up0 addresses=1 target=docker:web'
ip -n web link set dev eth1 up
ip -n web route add 10.9.0.1 dev eth1 proto static
ip -n web route add default via 10.9.0.1 dev eth1 proto static
ip -n web link set dev eth1 group default
for try in $(seq 350); do bridge link show dev veth1pl7 | grep -q 'state forwarding' && break; sleep 0.1; done
ip netns exec web sh -c 'set -f -- $(ip -br link show dev eth1); echo 1 >/proc/sys/net/ipv4/conf/eth1/arp_notify; \
         ip link set dev eth1 address $3; echo 0 >/proc/sys/net/ipv4/conf/eth1/arp_notify'
"
    );
}

#[test]
fn a_parent_is_set_up_and_a_name_that_the_host_has_too_is_given_later() {
    let mut facts = facts(UplinkKind::Parent);
    facts.host_has_ifname = true;
    facts.ifname = "eth0".parse().unwrap();
    facts.ipv6_disabled = true;
    let mut asked = asked(["up0", "eth0", "fd00::2/64@fe80::1"]);
    (asked.enable_ipv6, asked.no_dad, asked.announce) = (true, true, 0);
    facts.entry = Entry::Foreign("web".parse().unwrap());
    assert_eq!(
        script(&asked, &facts),
        "\
ip link set dev up0 up
ip link add link up0 name veth1pl7 netns /proc/7/ns/net mtu 9000 numtxqueues 1 numrxqueues 1 type macvlan mode bridge
nsenter --net=/proc/7/ns/net ip link set dev veth1pl7 name eth0
nsenter --net=/proc/7/ns/net sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6'
nsenter --net=/proc/7/ns/net ip address add fd00::2/64 dev eth0 nodad
nsenter --net=/proc/7/ns/net ip link set dev eth0 alias 'rpipe 1 link uplink=up0 addresses=1 target=docker:web'
nsenter --net=/proc/7/ns/net ip link set dev eth0 up
nsenter --net=/proc/7/ns/net ip -6 route add default via fe80::1 dev eth0 metric 1024 proto static
for try in $(seq 50); do nsenter --net=/proc/7/ns/net ip -6 route get fd00::2 | grep -q ^local && break; sleep 0.1; done
nsenter --net=/proc/7/ns/net ip link set dev eth0 group default
"
    );
}

/// The equal commands from the one that sets the interface up.
fn from_up(asked: &Attach, facts: &Facts) -> Vec<String> {
    let script = script(asked, facts);
    let lines = script.lines().map(|line| line.replace("ip -n web ", "").replace("dev eth1", "ETH1"));
    lines.skip_while(|line| line != "link set ETH1 up").skip(1).collect()
}

#[test]
fn addresses_of_ipv6_come_when_others_can_be_asked() {
    let mut asked = asked(["up0", "eth1", "10.0.0.2/24,fd00::2/64@fd00::1"]);
    let parent = from_up(&asked, &facts(UplinkKind::Parent));
    assert!(parent[0].contains("echo 0 >/proc/sys/net/ipv4/conf/eth1/arp_notify"), "{parent:#?}");
    assert_eq!(parent[1], "-6 route add default via fd00::1 ETH1 metric 1024 proto static");
    assert_eq!(
        parent[2],
        "for try in $(seq 50); do [ -z \"$(-6 address show ETH1 tentative -dadfailed)\" ] && break; sleep 0.1; \
         done; [ -z \"$(-6 address show ETH1 dadfailed)\" ]"
    );
    assert_eq!(parent[3], "link set ETH1 group default");
    assert!(parent[4].contains("ipv6/conf/eth1/ndisc_notify") && parent.len() == 5, "{parent:#?}");

    let bridge = from_up(&asked, &facts(BRIDGE));
    assert!(bridge[0].contains("state forwarding"), "{bridge:#?}");
    assert_eq!(bridge[1], "address add fd00::2/64 ETH1");
    assert_eq!(bridge.len(), 6, "it is waited for once: {bridge:#?}");

    // Instantly.
    asked.no_dad = true;
    let bridge = from_up(&asked, &facts(BRIDGE));
    assert!(bridge[0].starts_with("-6 route add") && bridge[3].contains("state forwarding"), "{bridge:#?}");
    assert_eq!(
        bridge[1],
        "for try in $(seq 50); do -6 route get fd00::2 | grep -q ^local && break; sleep 0.1; done"
    );
    asked.announce = 0;
    let bridge = from_up(&asked, &facts(BRIDGE));
    assert_eq!((bridge.len(), &*bridge[2]), (3, "link set ETH1 group default"), "{bridge:#?}");
}

#[test]
fn announcements_are_counted() {
    let mut asked = asked(["up0", "eth1", "10.0.0.2/24"]);
    let announced = |asked: &Attach, kind| {
        let steps = attach(asked, &facts(kind)).unwrap();
        let counted = steps.iter().map(|step| match step {
            Step::ArpNotify { on: true, .. } => 1,
            Step::Announce { told, times, .. } => *times - u32::from(*told),
            _ => 0,
        });
        counted.sum::<u32>()
    };
    for times in [1, 0, 3] {
        asked.announce = times;
        for kind in [BRIDGE, UplinkKind::Parent, UplinkKind::OpenVswitch, UplinkKind::Ipoib] {
            assert_eq!(announced(&asked, kind), times, "{kind:?}");
        }
    }
    asked.sharing = Some(crate::spec::Sharing::Ipvlan(crate::spec::IpvlanMode::L3));
    assert_eq!(announced(&asked, UplinkKind::Parent), 0, "it has no ARP");
}

#[test]
fn routes_go_over_the_gateway_of_their_family() {
    let mut asked = asked(["up0", "eth1", "10.0.0.2/24@10.0.0.1"]);
    asked.routes =
        ["10.1.0.0/16", "10.2.0.0/16@10.9.9.9", "fd00::/8"].map(|word| word.parse().unwrap()).into();
    asked.no_default = true;
    asked.metric = Some(7);
    let mut facts = facts(UplinkKind::Parent);
    facts.entry = Entry::Right("web".parse().unwrap());
    let script = script(&asked, &facts);
    assert_eq!(
        script.split_once("arp_notify'\nip -n web route").map(|(_, routes)| routes),
        Some(
            " add 10.9.9.9 dev eth1 proto static
ip -n web route add 10.1.0.0/16 via 10.0.0.1 dev eth1 metric 7 proto static
ip -n web route add 10.2.0.0/16 via 10.9.9.9 dev eth1 metric 7 proto static
ip -n web -6 route add fd00::/8 dev eth1 metric 7 proto static
ip -n web link set dev eth1 group default
"
        )
    );
}

#[test]
fn addresses_with_peers_and_tables_are_said_as_ip_would() {
    let mut asked = asked([
        "up0",
        "eth1",
        "10.0.0.2=10.0.0.1/32@10.0.0.1,10.1.0.2/31@10.9.9.9,fd00::2=fd00::1/128@fd00::1",
    ]);
    let mut facts = facts(BRIDGE);
    facts.entry = Entry::Right("web".parse().unwrap());
    let said = |asked: &Attach| {
        let script = script(asked, &facts);
        let lines = script.lines().filter_map(|line| line.strip_prefix("ip -n web "));
        let lines = lines.filter(|line| !line.starts_with("link set"));
        lines.map(|line| line.replace(" dev eth1", "").replace(" proto static", "")).collect::<Vec<_>>()
    };
    let addresses = [
        "address add 10.0.0.2 peer 10.0.0.1/32",
        "address add 10.1.0.2/31",
        "address add fd00::2 peer fd00::1/128",
    ];
    // The way to a peer of IPv6 is there only when duplicate address detection is over.
    let main = [
        "route add 10.9.9.9",
        "-6 route add fd00::1",
        "route add default via 10.0.0.1",
        "route add default via 10.9.9.9 metric 1",
        "-6 route add default via fd00::1 metric 1024",
    ];
    assert_eq!(said(&asked), [&addresses[..], &main[..]].concat());
    asked.table = Some(300);
    let tables = [
        "route add 10.9.9.9 table 301",
        "route add 10.0.0.1/32 table 300",
        "route add 10.1.0.2/31 table 300",
        "route add 10.0.0.1/32 table 301",
        "route add 10.1.0.2/31 table 301",
        "-6 route add fd00::1/128 table 300",
        "route add default via 10.0.0.1 table 300",
        "route add default via 10.9.9.9 table 301",
        "-6 route add default via fd00::1 metric 1024 table 300",
        "rule add from 10.0.0.2 lookup 300 pref 1000",
        "rule add from 10.1.0.2 lookup 301 pref 1000",
        "-6 rule add from fd00::2 lookup 300 pref 1000",
    ];
    assert_eq!(said(&asked), [&addresses[..], &tables[..]].concat());
}

#[test]
fn who_probes_is_up_before_it_has_an_address() {
    let mut asked = asked(["up0", "eth1", "10.0.0.2/24,fd00::2/64,10.0.0.3/24"]);
    asked.probe = Some(crate::spec::Probe::Short);
    asked.no_dad = true;
    let mut facts = facts(UplinkKind::Parent);
    facts.entry = Entry::Right("web".parse().unwrap());
    let script = script(&asked, &facts);
    assert_eq!(
        script.split_once("target=docker:web'\n").map(|(_, steps)| steps),
        Some(
            "\
ip -n web link set dev eth1 up
ip netns exec web arping -q -D -c 3 -w 1 -I eth1 10.0.0.2 && ip netns exec web arping -q -D -c 3 -w 1 -I eth1 10.0.0.3
ip -n web address add 10.0.0.2/24 brd + dev eth1
ip -n web address add 10.0.0.3/24 brd + dev eth1
ip -n web address add fd00::2/64 dev eth1 nodad
for try in $(seq 50); do ip -n web -6 route get fd00::2 | grep -q ^local && break; sleep 0.1; done
ip -n web link set dev eth1 group default
ip netns exec web sh -c 'set -f -- $(ip -br link show dev eth1); echo 1 >/proc/sys/net/ipv4/conf/eth1/arp_notify; \
         echo 1 >/proc/sys/net/ipv6/conf/eth1/ndisc_notify; ip link set dev eth1 address $3; \
         echo 0 >/proc/sys/net/ipv4/conf/eth1/arp_notify; echo 0 >/proc/sys/net/ipv6/conf/eth1/ndisc_notify'
"
        )
    );
}

#[test]
fn an_address_in_use_is_refused_and_a_claim_without_one_is_taken_over() {
    use crate::plan::{Conflict, Holder, Stale};
    let asked = asked(["up0", "eth1", "10.0.0.2/24"]);
    let mut facts = facts(BRIDGE);
    let claim = "rpipe:up0:10.0.0.2".parse().unwrap();
    facts.stale = vec![Stale { port: "old".parse().unwrap(), claim }];
    let steps = attach(&asked, &facts).unwrap();
    let claims = |step: &&Step| matches!(step, Step::Claim { .. } | Step::Release { .. });
    let steps: Vec<_> = steps.iter().filter(claims).collect();
    assert_eq!(
        steps.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["giving up the claim of old to 10.0.0.2 on up0", "claiming 10.0.0.2 on up0 for veth1pl7"]
    );
    let undo: Vec<_> = steps.iter().flat_map(|step| step.undo()).map(|step| step.to_string()).collect();
    assert_eq!(
        undo,
        ["claiming 10.0.0.2 on up0 for old", "giving up the claim of veth1pl7 to 10.0.0.2 on up0"]
    );
    let holder =
        Holder::Attachment { target: "docker:a\x1bb".into(), ifname: Some("eth0".into()), doubt: None };
    facts.conflicts = vec![Conflict { ip: "10.0.0.2".parse().unwrap(), holder }];
    assert_eq!(
        attach(&asked, &facts).unwrap_err().to_string(),
        "attaching \"web\" to up0: 10.0.0.2 is already the address of eth0 of docker:a\\u{1b}b (choose another \
         address, or detach that one)"
    );
}

#[test]
fn open_vswitch_is_told_whose_port_it_is() {
    let mut asked = asked(["up0", "eth1", "0/0"]);
    asked.link_address = "@10".parse().unwrap();
    let mut facts = facts(UplinkKind::OpenVswitch);
    facts.id = Some("5eed".into());
    facts.ovs_port = crate::plan::OvsPort::Stale;
    let said = |asked: &Attach, facts: &Facts| {
        let script = script(asked, facts).replace("external-ids:", "");
        let lines = script.lines().filter_map(|line| line.strip_prefix("ovs-vsctl "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        said(&asked, &facts),
        [
            "--if-exists del-port veth1pl7",
            "add-port up0 veth1pl7 'tag=10' -- set Interface veth1pl7 'rpipe.interface=\"veth1pl7\"' \
             'rpipe.bridge=\"up0\"' 'rpipe.containerid=\"5eed\"' 'rpipe.containername=\"web\"' \
             'rpipe.nspid=\"7\"' 'rpipe.vlan=\"10\"'"
        ]
    );
    asked.pipework = true;
    asked.link_address.vlan = None;
    facts.ovs_port = crate::plan::OvsPort::Free;
    assert_eq!(
        said(&asked, &facts),
        ["add-port up0 veth1pl7 -- set Interface veth1pl7 'pipework.interface=\"veth1pl7\"' \
         'pipework.bridge=\"up0\"' 'pipework.containerid=\"5eed\"' 'pipework.containername=\"/web\"' \
         'pipework.nspid=\"7\"'"]
    );
}

#[test]
fn only_what_outlives_the_link_has_an_undo_of_its_own() {
    let mut facts = facts(UplinkKind::Parent);
    let gateway = Some("172.17.0.1".parse().unwrap());
    facts.default_v4 = Some(OldDefault { gateway, .."dev,eth0".parse().unwrap() });
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
    let port = Refusal::UplinkIsPort { name: "up0".into(), of: "bridge" };
    assert_eq!(refusal(words, &facts(UplinkKind::Port("bridge"))), port);
    let taken = Facts { ifname_taken: true, ..facts(BRIDGE) };
    let expected = Refusal::IfnameTaken { target: "web".into(), ifname: "eth1".into() };
    assert_eq!(refusal(words, &taken), expected);
    let without = Facts { ipv6_disabled: true, ..facts(BRIDGE) };
    let expected = Refusal::Ipv6Disabled("web".into());
    assert_eq!(refusal(["up0", "eth1", "fd00::2/64"], &without), expected);
    assert!(attach(&asked(words), &without).is_ok(), "IPv4 is not concerned");
    let nothing = Found::Nothing { fresh_mac: crate::spec::Mac::local([0; 6]) };
    let nothing = Facts { uplink: nothing, ..facts(BRIDGE) };
    assert_eq!(
        refusal(["eth7", "eth1", "0/0"], &nothing),
        Refusal::NoUplink { name: "eth7".into(), near: Vec::new() }
    );
}
