//! The plan of `gc`: what dead containers left behind goes, and what belongs to the host comes back into order. Nothing
//! is touched that does not carry a mark.

use std::collections::HashSet;

use crate::spec::{EntryName, IfName, Mac, Nic, Role};

use super::{OvsChange, Side, Step};

/// A link of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLink {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its kind, none for hardware.
    pub kind: Option<String>,
    /// What its mark says that it is.
    pub role: Option<Role>,
    /// The link that it is a port of.
    pub master: Option<u32>,
    /// The link of the host that it is on.
    pub lower: Option<u32>,
    /// Whether somebody gave it an address.
    pub has_addresses: bool,
    /// Whether a link of another namespace is on it.
    pub is_used_elsewhere: bool,
}

/// An interface that was moved into a container and came back by itself when that died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The name that it has now.
    pub name: IfName,
    /// Whether it is up.
    pub up: bool,
    /// How it was before.
    pub nic: Nic,
}

/// A bridge of Open vSwitch that rpipe made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OvsBridge {
    /// Its name.
    pub name: IfName,
    /// The MAC address by which it is known to be ours.
    pub mac: Mac,
    /// Its ports, with or without its own interface.
    pub ports: Vec<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Names of namespaces that lead nowhere any more, and the process that they led to.
    pub entries: Vec<(EntryName, i32)>,
    /// Ports of Open vSwitch that were made for a container and whose link is gone.
    pub ovs_ports: Vec<IfName>,
    /// Bridges of Open vSwitch.
    pub ovs_bridges: Vec<OvsBridge>,
    /// All links of the host.
    pub links: Vec<HostLink>,
    /// Interfaces that came back.
    pub strays: Vec<Stray>,
}

/// What something is that is put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An interface that came back.
    Nic,
    /// A name of a namespace.
    NamespaceLink,
    /// A port of Open vSwitch.
    OvsPort,
    /// An 802.1Q interface.
    Vlan,
    /// A bridge.
    Bridge,
    /// A bridge of Open vSwitch.
    OvsBridge,
}

impl What {
    /// The short name in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Nic => "nic",
            Self::NamespaceLink => "namespace_link",
            Self::OvsPort => "ovs_port",
            Self::Vlan => "vlan",
            Self::Bridge => "bridge",
            Self::OvsBridge => "ovs_bridge",
        }
    }
}

/// One thing to be put in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Litter {
    /// What it is.
    pub what: What,
    /// Its name; for an interface the one that it gets back.
    pub name: String,
    /// The name that an interface came back with.
    pub from: Option<String>,
    /// How it is done.
    pub steps: Vec<Step>,
}

/// The things to be put in order, and the interfaces that cannot be, because another link has their name.
#[must_use]
pub fn gc(found: &Leftovers) -> (Vec<Litter>, Vec<Stray>) {
    let (mut all, homeless) = homecoming(&found.strays, found.links.iter().map(|link| link.name.as_str()));
    let mut remove = |what, name: &str, step| {
        all.push(Litter { what, name: name.to_owned(), from: None, steps: vec![step] });
    };
    for (entry, pid) in &found.entries {
        remove(What::NamespaceLink, entry.as_str(), super::unlink(entry, *pid));
    }
    for port in &found.ovs_ports {
        let change = OvsChange::DeletePort { bridge: None, port: port.clone() };
        remove(What::OvsPort, port.as_str(), Step::Ovs(change));
    }
    let mut gone = HashSet::new();
    for (role, kind, what) in [(Role::Vlan, "vlan", What::Vlan), (Role::Bridge, "bridge", What::Bridge)] {
        for link in &found.links {
            let ours = link.role == Some(role) && link.kind.as_deref() == Some(kind);
            let Ok(name) = link.name.parse::<IfName>() else { continue };
            if !ours || is_used(link, &found.links, &gone) {
                continue;
            }
            gone.insert(link.index);
            let step = match what {
                What::Vlan => Step::DeleteLink { side: Side::Host, ifname: name },
                _ => Step::DeleteBridge { name },
            };
            remove(what, &link.name, step);
        }
    }
    for bridge in &found.ovs_bridges {
        let stale = |port: &&String| found.ovs_ports.iter().any(|stale| stale.as_str() == port.as_str());
        let name = bridge.name.as_str();
        let has_ports = bridge.ports.iter().any(|port| port != name && !stale(&port));
        let own = found.links.iter().find(|link| link.name == name);
        // Without its own interface it is not known whether somebody gave that an address: the switch does not run.
        if !has_ports && own.is_some_and(|own| !is_used(own, &found.links, &gone)) {
            let change = OvsChange::DeleteBridge { name: bridge.name.clone(), mac: bridge.mac };
            remove(What::OvsBridge, name, Step::Ovs(change));
        }
    }
    (all, homeless)
}

/// Whether anybody needs the link: it has an address, is a port, has one, or carries a link; those that go do not count.
fn is_used(link: &HostLink, links: &[HostLink], gone: &HashSet<u32>) -> bool {
    let on_it = |other: &HostLink| {
        other.index != link.index
            && (other.master == Some(link.index) || other.lower == Some(link.index))
            && !gone.contains(&other.index)
    };
    link.has_addresses || link.master.is_some() || link.is_used_elsewhere || links.iter().any(on_it)
}

/// The interfaces that came back, each under its own name, as it was; and those whose name is taken.
#[must_use]
pub fn homecoming<'a>(
    strays: &[Stray],
    names: impl IntoIterator<Item = &'a str>,
) -> (Vec<Litter>, Vec<Stray>) {
    let mut taken: HashSet<_> = names.into_iter().map(str::to_owned).collect();
    let (mut home, mut homeless) = (Vec::new(), Vec::new());
    for stray in strays {
        let name = stray.nic.name.as_str();
        if stray.name != stray.nic.name && !taken.insert(name.to_owned()) {
            homeless.push(stray.clone());
            continue;
        }
        home.push(Litter {
            what: What::Nic,
            name: name.to_owned(),
            from: Some(stray.name.to_string()),
            steps: put_right(stray),
        });
    }
    (home, homeless)
}

/// The kernel has set it down; a name can only be changed while it is. The mark goes last but one: until then whoever comes
/// next can go on.
fn put_right(stray: &Stray) -> Vec<Step> {
    let Stray { name, up, nic } = stray;
    let side = Side::Target;
    let home = || nic.name.clone();
    let mut steps = Vec::new();
    if *up {
        steps.push(Step::SetLink { side, ifname: name.clone(), up: false });
    }
    if *name != nic.name {
        steps.push(Step::Rename { from: name.clone(), to: home() });
    }
    steps.extend(nic.mac.map(|mac| Step::SetMac { ifname: home(), mac, old: None }));
    steps.push(Step::SetMtu { ifname: home(), mtu: nic.mtu, old: nic.mtu });
    let alias = nic.old_alias().to_owned();
    steps.push(Step::SetAlias { side, ifname: home(), alias, old: None });
    if nic.up || *up {
        steps.push(Step::SetLink { side, ifname: home(), up: true });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Script;

    fn link(index: u32, name: &str, kind: &str, role: Option<Role>) -> HostLink {
        HostLink {
            index,
            name: name.into(),
            kind: Some(kind.into()),
            role,
            master: None,
            lower: None,
            has_addresses: false,
            is_used_elsewhere: false,
        }
    }

    fn names(found: &Leftovers) -> Vec<String> {
        gc(found).0.into_iter().map(|litter| litter.name).collect()
    }

    #[test]
    fn only_what_is_ours_and_unused_goes() {
        let (bridge, vlan) = (Some(Role::Bridge), Some(Role::Vlan));
        let mut found = Leftovers {
            links: vec![
                link(2, "br1", "bridge", bridge),
                link(3, "br2", "bridge", None),
                HostLink { has_addresses: true, ..link(4, "br3", "bridge", bridge) },
                link(5, "br4", "bridge", bridge),
                HostLink { master: Some(5), ..link(6, "port", "veth", Some(Role::Port)) },
                link(7, "nic.1", "vlan", vlan),
                HostLink { is_used_elsewhere: true, ..link(8, "nic.2", "vlan", vlan) },
                HostLink { lower: Some(10), ..link(9, "mac0", "macvlan", None) },
                link(10, "nic.3", "vlan", vlan),
                link(11, "nic.4", "vlan", None),
                // A mark on something else than what it says.
                link(12, "dummy0", "dummy", bridge),
                HostLink { kind: None, ..link(13, "nic", "", vlan) },
                link(14, "-x", "bridge", bridge),
                // One of ours on one of ours.
                link(15, "br5", "bridge", bridge),
                HostLink { lower: Some(15), ..link(16, "br5.7", "vlan", vlan) },
            ],
            ..Leftovers::default()
        };
        assert_eq!(names(&found), ["nic.1", "br5.7", "br1", "br5"]);
        found.links[15 - 1].master = Some(3);
        assert_eq!(names(&found), ["nic.1", "br1"]);
    }

    #[test]
    fn a_bridge_of_open_vswitch_goes_with_its_last_stale_port() {
        let mac = "02:00:00:00:00:01".parse().unwrap();
        let bridge = |name: &str, ports: &[&str]| OvsBridge {
            name: name.parse().unwrap(),
            mac,
            ports: ports.iter().map(|&port| port.to_owned()).collect(),
        };
        let found = Leftovers {
            ovs_ports: vec!["dead".parse().unwrap()],
            ovs_bridges: vec![
                bridge("ovs1", &["ovs1", "dead"]),
                bridge("ovs2", &["ovs2", "alive"]),
                bridge("ovs3", &["ovs3"]),
                bridge("ovs4", &["ovs4"]),
            ],
            links: vec![
                link(2, "ovs1", "openvswitch", None),
                link(3, "ovs2", "tun", None),
                HostLink { has_addresses: true, ..link(4, "ovs3", "tun", None) },
            ],
            ..Leftovers::default()
        };
        assert_eq!(names(&found), ["dead", "ovs1"]);
    }

    #[test]
    fn an_interface_comes_home_unless_its_name_is_taken() {
        let stray = |name: &str, home: &str| Stray {
            name: name.parse().unwrap(),
            up: false,
            nic: Nic {
                name: home.parse().unwrap(),
                up: true,
                mac: "02:00:00:00:00:01".parse().ok(),
                mtu: 1400,
                phy: None,
                alias: "to the lab".into(),
            },
        };
        let strays =
            [stray("eth1", "card"), stray("eth2", "card"), stray("same", "same"), stray("eth3", "lo")];
        let (home, homeless) = homecoming(&strays, ["lo", "eth1", "eth2", "eth3", "same"]);
        let names: Vec<_> = home.iter().map(|litter| litter.name.as_str()).collect();
        assert_eq!((names, homeless.len()), (vec!["card", "same"], 2));
        let script = Script::of_host(&home[0].steps).to_string();
        assert_eq!(
            script,
            "#!/bin/sh\nset -e\n\
             ip link set dev eth1 name card\n\
             ip link set dev card address 02:00:00:00:00:01\n\
             ip link set dev card mtu 1400\n\
             ip link set dev card alias 'to the lab'\n\
             ip link set dev card up\n"
        );
    }

    #[test]
    fn no_mark_and_no_escape_comes_home_as_an_alias() {
        for alias in ["rpipe 1 bridge", "a\u{1b}[2J"] {
            let nic = Nic {
                name: "card".parse().unwrap(),
                up: false,
                mac: None,
                mtu: 1400,
                phy: None,
                alias: alias.into(),
            };
            assert_eq!(nic.old_alias(), "");
        }
    }
}
