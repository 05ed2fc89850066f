//! The steps that make the container's link: each kind of uplink has its own way.

use crate::spec::{Attach, IfName, Mac, MacWord, Mark, Nic, Role, Sharing, UplinkWord, Vlan};

use super::{Facts, Found, OvsChange, OvsPort, Refusal, Side, Step, Uplink, UplinkKind, VlanLink, conflict};

/// The MTU of a bridge without ports (`br_mtu_auto_adjust`, net/bridge/br_if.c).
pub(super) const NEW_BRIDGE_MTU: u32 = 1500;

/// What a name that does not exist asks for.
enum Creatable {
    Bridge(IfName),
    OvsBridge(IfName),
    Dummy,
}

/// The link itself, under its final name, in its namespace, still down.
pub(super) fn create(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts) -> Result<(), Refusal> {
    match &facts.uplink {
        Found::Link(uplink) if asked.direct => direct(steps, asked, facts, uplink),
        Found::Link(uplink) => match uplink.kind {
            UplinkKind::Bridge { filtering, default_vlan } => {
                let vlan = vlan(asked)?;
                if vlan.is_some() && !filtering {
                    return Err(Refusal::BridgeNotFiltering(uplink.name.to_string()));
                }
                steps.extend(set_up(uplink));
                on_bridge(steps, asked, facts, uplink, vlan.map(|vlan| (vlan, default_vlan)))
            }
            UplinkKind::OpenVswitch => on_ovs_bridge(steps, asked, facts, uplink),
            UplinkKind::OvsPort => Err(Refusal::UplinkIsOvsPort(uplink.name.to_string())),
            UplinkKind::Ipoib => on_ipoib(steps, asked, facts, uplink),
            UplinkKind::Parent => on_parent(steps, asked, facts, uplink),
            UplinkKind::Port(of) => Err(Refusal::UplinkIsPort { name: uplink.name.to_string(), of }),
            UplinkKind::NotEthernet => Err(Refusal::UplinkNotEthernet(uplink.name.to_string())),
        },
        Found::Nothing { fresh_mac } => match creatable(asked)? {
            Creatable::Bridge(name) => on_new_bridge(steps, asked, facts, name, *fresh_mac),
            Creatable::OvsBridge(name) => on_new_ovs_bridge(steps, asked, facts, name, *fresh_mac),
            Creatable::Dummy => dummy(steps, asked, facts),
        },
        Found::OvsWithoutLink(why) => {
            Err(Refusal::OvsWithoutLink { bridge: asked.uplink.to_string(), why: why.clone() })
        }
    }
}

fn creatable(asked: &Attach) -> Result<Creatable, Refusal> {
    let refused = || Refusal::NoUplink { name: asked.uplink.to_string(), near: Vec::new() };
    let UplinkWord::Name(name) = &asked.uplink else { return Err(refused()) };
    match name.as_str() {
        _ if asked.direct => Err(refused()),
        word if word.starts_with("br") => Ok(Creatable::Bridge(name.clone())),
        word if word.starts_with("ovs") => Ok(Creatable::OvsBridge(name.clone())),
        word if word.starts_with("dummy") => Ok(Creatable::Dummy),
        _ => Err(refused()),
    }
}

fn mac(asked: &Attach) -> Option<Mac> {
    asked.link_address.mac.as_ref().map(MacWord::mac)
}

fn vlan(asked: &Attach) -> Result<Option<Vlan>, Refusal> {
    asked.link_address.vlan.as_ref().map(|word| word.vlan().map_err(Refusal::Word)).transpose()
}

fn set_up(uplink: &Uplink) -> Option<Step> {
    (!uplink.up).then(|| Step::SetLink { side: Side::Host, ifname: uplink.name.clone(), up: true })
}

/// A bridge that is made because its name asks for one.
fn on_new_bridge(
    steps: &mut Vec<Step>,
    asked: &Attach,
    facts: &Facts,
    name: IfName,
    mac: Mac,
) -> Result<(), Refusal> {
    let vlan = vlan(asked)?;
    let bridge = Uplink {
        name: name.clone(),
        kind: UplinkKind::Bridge { filtering: vlan.is_some(), default_vlan: Vlan::try_from(1).ok() },
        // Its address is its own whatever its ports, so there is none to be given back.
        mac: None,
        mtu: asked.mtu.unwrap_or(NEW_BRIDGE_MTU),
        up: true,
        carrier: true,
        alias: String::new(),
        phy: None,
    };
    steps.push(Step::CreateBridge { name: name.clone(), mac, filtering: vlan.is_some() });
    steps.push(mark_made(name, Role::Bridge));
    on_bridge(steps, asked, facts, &bridge, vlan.map(|vlan| (vlan, Vlan::try_from(1).ok())))
}

/// A veth pair whose host end is a port of the bridge: untagged in its VLAN where one is asked for.
fn on_bridge(
    steps: &mut Vec<Step>,
    asked: &Attach,
    facts: &Facts,
    bridge: &Uplink,
    vlan: Option<(Vlan, Option<Vlan>)>,
) -> Result<(), Refusal> {
    steps.push(veth(asked, facts, bridge, Some(bridge.name.clone()))?);
    steps.push(mark_port(asked, facts, false));
    steps.push(Step::NoOwnAddress { ifname: facts.host_ifname.clone() });
    conflict::claim(steps, asked, facts, bridge);
    if let Some((vlan, default)) = vlan.filter(|(vlan, default)| Some(*vlan) != *default) {
        let port = || facts.host_ifname.clone();
        steps.push(Step::SetPortVlan { port: port(), vlan, old: None });
        steps.extend(default.map(|vlan| Step::LeaveVlan { port: port(), vlan }));
    }
    Ok(())
}

/// A bridge of Open vSwitch that is made because its name asks for one. It is not set up: it switches all the same.
fn on_new_ovs_bridge(
    steps: &mut Vec<Step>,
    asked: &Attach,
    facts: &Facts,
    name: IfName,
    mac: Mac,
) -> Result<(), Refusal> {
    let bridge = Uplink {
        name: name.clone(),
        kind: UplinkKind::OpenVswitch,
        mac: None,
        mtu: NEW_BRIDGE_MTU,
        up: false,
        carrier: false,
        alias: String::new(),
        phy: None,
    };
    steps.push(Step::Ovs(OvsChange::AddBridge { name: name.clone(), mac }));
    steps.push(mark_made(name, Role::Bridge));
    on_ovs_bridge(steps, asked, facts, &bridge)
}

/// A veth pair whose host end Open vSwitch is told to take.
fn on_ovs_bridge(
    steps: &mut Vec<Step>,
    asked: &Attach,
    facts: &Facts,
    bridge: &Uplink,
) -> Result<(), Refusal> {
    let vlan = vlan(asked)?;
    let veth = veth(asked, facts, bridge, None)?;
    let port = facts.host_ifname.clone();
    if facts.ovs_port == OvsPort::Taken {
        return Err(Refusal::OvsPortTaken(port.to_string()));
    }
    if facts.ovs_port == OvsPort::Stale {
        // Apart and before: a port that goes and comes in one transaction is the same one to the switch, which then goes
        // on with the link that is gone.
        steps.push(Step::Ovs(OvsChange::DeletePort { bridge: None, port: port.clone() }));
    }
    let name = bridge.name.clone();
    steps.push(veth);
    steps.push(mark_port(asked, facts, true));
    steps.push(Step::NoOwnAddress { ifname: port.clone() });
    conflict::claim(steps, asked, facts, bridge);
    steps.push(Step::Ovs(OvsChange::AddPort {
        vlan,
        ids: ovs_ids(asked, facts, &name, vlan),
        bridge: name,
        port,
    }));
    Ok(())
}

/// What the record of a port says of its container.
fn ovs_ids(asked: &Attach, facts: &Facts, bridge: &IfName, vlan: Option<Vlan>) -> Vec<(String, String)> {
    let name = match (asked.pipework, &facts.id) {
        (false, _) => Some(facts.target.clone()),
        // pipework asks Docker for the name and takes it as it comes, with a slash.
        (true, Some(_)) => Some(format!("/{}", facts.target)),
        (true, None) => None,
    };
    let prefix = if asked.pipework { "pipework" } else { "rpipe" };
    let ids = [
        ("interface", Some(facts.host_ifname.to_string())),
        ("bridge", Some(bridge.to_string())),
        ("containerid", facts.id.clone()),
        ("containername", name),
        ("nspid", facts.pid.map(|pid| pid.to_string())),
        ("vlan", vlan.map(|vlan| vlan.to_string())),
    ];
    ids.into_iter().filter_map(|(key, value)| Some((format!("{prefix}.{key}"), value?))).collect()
}

/// A veth pair that inherits the bridge's MTU.
fn veth(asked: &Attach, facts: &Facts, bridge: &Uplink, port_of: Option<IfName>) -> Result<Step, Refusal> {
    if let Some(sharing) = asked.sharing {
        return Err(Refusal::SharingOnBridge { sharing, bridge: bridge.name.to_string() });
    }
    if facts.host_ifname_taken {
        return Err(Refusal::HostIfnameTaken(facts.host_ifname.to_string()));
    }
    let mtu = asked.mtu.unwrap_or(bridge.mtu);
    Ok(Step::CreateVeth {
        host_ifname: facts.host_ifname.clone(),
        bridge: port_of,
        bridge_mac: bridge.mac,
        ifname: facts.ifname.clone(),
        host_mtu: mtu.max(bridge.mtu),
        mtu,
        mac: mac(asked),
        queues: asked.queues.unwrap_or(1),
    })
}

/// A macvlan or an ipvlan, on the parent or on its interface for the VLAN.
fn on_parent(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, uplink: &Uplink) -> Result<(), Refusal> {
    let parent = parent(steps, asked, facts, uplink)?;
    let sharing = asked.sharing.unwrap_or_default();
    let mac = mac(asked);
    if let (Sharing::Ipvlan(_), Some(_)) = (sharing, mac) {
        return Err(Refusal::MacOfIpvlan);
    }
    let mtu = asked.mtu.unwrap_or(uplink.mtu);
    let queues = asked.queues.unwrap_or(1);
    under_its_name(steps, facts, |ifname| Step::CreateShared { parent, ifname, sharing, mtu, mac, queues });
    Ok(())
}

/// The parent, up; with a VLAN its 802.1Q interface, made where there is none.
fn parent(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, uplink: &Uplink) -> Result<IfName, Refusal> {
    let vlan = vlan(asked)?;
    steps.extend(set_up(uplink));
    match (&facts.vlan_link, vlan) {
        (Some(VlanLink::Missing(name)), Some(vlan)) => {
            steps.push(Step::CreateVlan { parent: uplink.name.clone(), name: name.clone(), vlan });
            steps.push(mark_made(name.clone(), Role::Vlan));
            Ok(name.clone())
        }
        (Some(VlanLink::There(link)), Some(_)) => {
            steps.extend(set_up(link));
            Ok(link.name.clone())
        }
        (Some(VlanLink::Taken(name)), Some(vlan)) => {
            Err(Refusal::VlanNameTaken { name: name.to_string(), vlan, parent: uplink.name.to_string() })
        }
        _ => Ok(uplink.name.clone()),
    }
}

/// Kernels before 6.14 look for the name of a link that is made in another namespace here as well: where it is taken,
/// the link gets its own name only there.
fn under_its_name(steps: &mut Vec<Step>, facts: &Facts, create: impl FnOnce(IfName) -> Step) {
    let last = facts.ifname.clone();
    if facts.host_has_ifname {
        steps.push(create(facts.host_ifname.clone()));
        steps.push(Step::Rename { from: facts.host_ifname.clone(), to: last });
    } else {
        steps.push(create(last));
    }
}

/// A child of an InfiniBand interface: of its partition, or of the one that is asked for.
fn on_ipoib(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, uplink: &Uplink) -> Result<(), Refusal> {
    if asked.link_address.mac.is_some() {
        return Err(Refusal::MacOfIpoib(uplink.name.to_string()));
    }
    if let Some(sharing) = asked.sharing {
        return Err(Refusal::SharingOnIpoib { sharing, uplink: uplink.name.to_string() });
    }
    let pkey = asked.link_address.vlan.as_ref().map(|word| word.pkey().map_err(Refusal::Word)).transpose()?;
    steps.extend(set_up(uplink));
    let parent = uplink.name.clone();
    under_its_name(steps, facts, |ifname| Step::CreateIpoib { parent, ifname, pkey });
    steps.extend(asked.mtu.map(|mtu| Step::SetMtu { ifname: facts.ifname.clone(), mtu, old: uplink.mtu }));
    Ok(())
}

/// A link that leads nowhere.
fn dummy(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts) -> Result<(), Refusal> {
    if asked.link_address.vlan.is_some() {
        return Err(Refusal::VlanOfDummy);
    }
    if let Some(sharing) = asked.sharing {
        return Err(Refusal::SharingOnDummy(sharing));
    }
    steps.push(Step::CreateDummy { ifname: facts.ifname.clone(), mtu: asked.mtu, mac: mac(asked) });
    Ok(())
}

/// The interface itself, or its 802.1Q interface for the VLAN, moved into the container.
///
/// The mark is written first: whatever comes in between, the interface carries what it needs to get home.
fn direct(steps: &mut Vec<Step>, asked: &Attach, facts: &Facts, uplink: &Uplink) -> Result<(), Refusal> {
    let name = uplink.name.to_string();
    match uplink.kind {
        UplinkKind::Bridge { .. } | UplinkKind::OpenVswitch => return Err(Refusal::BridgeCannotMove(name)),
        UplinkKind::Port(of) => return Err(Refusal::UplinkIsPort { name, of }),
        UplinkKind::OvsPort => return Err(Refusal::UplinkIsOvsPort(name)),
        UplinkKind::NotEthernet => return Err(Refusal::UplinkNotEthernet(name)),
        UplinkKind::Parent | UplinkKind::Ipoib => {}
    }
    if let Some(sharing) = asked.sharing {
        return Err(Refusal::SharingOfDirect(sharing));
    }
    let mut moved = uplink.clone();
    if asked.link_address.vlan.is_some() {
        moved.name = parent(steps, asked, facts, uplink)?;
        moved.up = true;
        if let Some(VlanLink::There(link)) = &facts.vlan_link {
            moved = link.clone();
        }
    }
    let nic = Nic {
        name: moved.name.clone(),
        up: moved.up,
        mac: moved.mac,
        mtu: moved.mtu,
        phy: moved.phy,
        // One that came home by itself, from a container that died, still carries its mark.
        alias: match moved.alias.parse::<Mark>() {
            Ok(mark) => mark.nic.map(|nic| nic.alias).unwrap_or_default(),
            Err(_) => moved.alias.clone(),
        },
    };
    // Where it is to be: found there it is in its place, found anywhere else it came home.
    let mark = Mark { nic: Some(nic), netns: Some(facts.netns), ..mark(asked, facts) };
    steps.push(Step::SetAlias {
        side: Side::Host,
        ifname: moved.name.clone(),
        alias: mark.to_string(),
        old: Some(moved.alias),
    });
    let ifname = || facts.ifname.clone();
    steps.push(Step::MoveLink { from: moved.name, to: ifname(), up: moved.up, phy: moved.phy });
    steps.extend(mac(asked).map(|mac| Step::SetMac { ifname: ifname(), mac, old: moved.mac }));
    steps.extend(asked.mtu.map(|mtu| Step::SetMtu { ifname: ifname(), mtu, old: moved.mtu }));
    Ok(())
}

/// The mark of the container's end: what is needed to take the attachment back, and to tell of it.
pub(super) fn mark(asked: &Attach, facts: &Facts) -> Mark {
    let uplink = match (&facts.uplink, &asked.uplink) {
        (Found::Link(uplink), _) => Some(uplink.name.clone()),
        (_, UplinkWord::Name(name)) => Some(name.clone()),
        _ => None,
    };
    let [kept_v4, kept_v6] = &facts.kept_old;
    let old =
        [facts.default_v4.as_ref().or(kept_v4.as_ref()), facts.default_v6.as_ref().or(kept_v6.as_ref())];
    Mark {
        target: Some(format!("{}:{}", facts.runtime, facts.target)),
        // As many digits as the engines show.
        id: facts.id.as_ref().and_then(|id| id.get(..12)).map(str::to_owned),
        uplink,
        vlan: facts.vlan.map(Vlan::id),
        addresses: u16::try_from(
            asked.addresses.nets().count() + usize::from(asked.addresses.dhcp().is_some()),
        )
        .unwrap_or(u16::MAX),
        tables: asked.tables(),
        old: old.map(|old| old.cloned().filter(|old| !old.partial)),
        ..Mark::new(Role::Link)
    }
}

/// The step that marks a link of the host that is made for a container.
fn mark_made(ifname: IfName, role: Role) -> Step {
    Step::SetAlias { side: Side::Host, ifname, alias: Mark::new(role).to_string(), old: None }
}

/// The step that marks the host's end.
fn mark_port(asked: &Attach, facts: &Facts, ovs: bool) -> Step {
    let alias = port_mark(asked, facts, ovs).to_string();
    Step::SetAlias { side: Side::Host, ifname: facts.host_ifname.clone(), alias, old: None }
}

/// The mark of the host's end: whose it is.
pub(super) fn port_mark(asked: &Attach, facts: &Facts, ovs: bool) -> Mark {
    Mark {
        role: Role::Port,
        ifname: Some(facts.ifname.clone()),
        netns: Some(facts.netns),
        addresses: 0,
        tables: None,
        old: [None, None],
        ovs,
        ..mark(asked, facts)
    }
}
