//! What the plan must know, asked of the kernel: one question a fact, nothing listed, nothing changed.
//!
//! IO, read-only. The answer is plain [`Facts`].

use std::io;

use log::debug;
use md5::{Digest, Md5};
use nix::errno::Errno;

use crate::conflict::{self, Place};
use crate::dhcp;
use crate::error::Error;
use crate::kernel::{self, Belongings, DefaultRoute, EntryState, KernelError, Link, RouteSocket, Settings};
use crate::machine::Machine;
use crate::ovs::{self, KnownUplink, Ovs};
use crate::phy;
use crate::plan::{Entry, Facts, Found, OvsPort, Side, Uplink, UplinkKind, VlanLink, default_metric};
use crate::spec::{Attach, IfName, Mac, OldDefault, UplinkWord, Vlan};
use crate::target::Target;

/// `ARPHRD_ETHER` and `ARPHRD_INFINIBAND`, include/uapi/linux/if_arp.h.
const ETHERNET: u16 = 1;
const INFINIBAND: u16 = 32;

/// Looks at everything that bears on this attach.
///
/// # Errors
/// When the kernel does not answer a question, which is not the same as "there is none".
pub fn observe(asked: &Attach, target: &Target, machine: &mut Machine<'_>) -> Result<Facts, Error> {
    let uplink = find_uplink(asked, machine)
        .map_err(|error| Error::kernel(format!("looking up uplink {:?}", asked.uplink.to_string()), error))?;
    let (uplink, ovs_port) = look_at_ovs(uplink, asked, target, machine)?;
    let kind = uplink_kind(&uplink);
    let vlan = asked.link_address.vlan.as_ref().filter(|_| kind != Some(UplinkKind::Ipoib));
    let vlan = vlan.and_then(|word| word.vlan().ok());
    let client = asked.addresses.dhcp().map(|word| dhcp::find_client(word.client)).transpose()?;
    let look = |error| Error::kernel("looking at the links of the host", error);
    let (vlan_link, vlan_has_ports) = look_at_vlan(&uplink, vlan, machine).map_err(look)?;
    let ifname = ifname(asked, kind)?;
    let (host_ifname, host_ifname_taken, host_has_ifname) =
        host_names(asked, &ifname, kind, target, &mut machine.host).map_err(look)?;
    if asked.direct {
        let moved = match (&uplink, &vlan_link) {
            (_, Some(VlanLink::There(link))) => Some(link.name.clone()),
            (Found::Link(uplink), None) => Some(uplink.name.clone()),
            _ => None,
        };
        machine.belongings = moved.map(|name| save(machine, &name)).transpose().map_err(look)?;
    }
    let look = |error| Error::kernel(format!("looking at the links of {:?}", target.name), error);
    let ifname_taken = kernel::find_link(&mut machine.target, ifname.as_str()).map_err(look)?.is_some();
    let [default_v4, default_v6] = defaults(asked, target, machine)?;
    let entry = match (&target.entry, &target.process) {
        (Some(name), Some(_)) if !asked.pipework => match kernel::look_up_entry(name.as_str(), &target.netns)
        {
            EntryState::Missing => Entry::Missing(name.clone()),
            EntryState::Right => Entry::Right(name.clone()),
            EntryState::Foreign => Entry::Foreign(name.clone()),
        },
        _ => Entry::None,
    };
    let place = Place { asked, uplink: &uplink, vlan, vlan_link: vlan_link.as_ref(), ifname: &ifname };
    let (conflicts, stale) = conflict::look(&place, machine)
        .map_err(|error| Error::kernel("looking for others with these addresses", error))?;
    Ok(Facts {
        target: target.name.clone(),
        runtime: target.runtime,
        id: target.id.clone(),
        netns: target.netns.inode(),
        pid: target.process.as_ref().map(crate::target::Process::pid),
        ifname,
        uplink,
        vlan,
        vlan_link,
        vlan_has_ports,
        host_ifname,
        host_ifname_taken,
        ovs_port,
        host_has_ifname,
        ifname_taken,
        default_v4,
        default_v6,
        kept_old: [None, None],
        ipv6_disabled: machine.ipv6_disabled.unwrap_or_default(),
        client,
        entry,
        conflicts,
        stale,
    })
}

fn uplink_kind(uplink: &Found) -> Option<UplinkKind> {
    match uplink {
        Found::Link(uplink) => Some(uplink.kind),
        Found::Nothing { .. } | Found::OvsWithoutLink(_) => None,
    }
}

/// The name inside: pipework's usual one, and InfiniBand's where that is what there is.
fn ifname(asked: &Attach, kind: Option<UplinkKind>) -> Result<IfName, Error> {
    let usual = if kind == Some(UplinkKind::Ipoib) { "ib0" } else { "eth1" };
    Ok(asked.ifname.clone().map_or_else(|| usual.parse(), Ok)?)
}

fn save(machine: &mut Machine<'_>, name: &IfName) -> Result<Belongings, KernelError> {
    let index = machine.index(Side::Host, name)?;
    let mut belongings = kernel::belongings(&mut machine.host, index)?;
    belongings.settings = Settings::read(name.as_str());
    Ok(belongings)
}

/// The default routes that ours would replace, remembered as the kernel has them.
fn defaults(
    asked: &Attach,
    target: &Target,
    machine: &mut Machine<'_>,
) -> Result<[Option<OldDefault>; 2], Error> {
    let gateways = asked.defaults();
    let mut defaults = [None, None];
    for (i, gateway) in [true, false].map(|v4| gateways.first(v4)).into_iter().enumerate() {
        if gateway.is_some() || (i == 0 && asked.leases_default()) {
            let look =
                |error| Error::kernel(format!("looking for the default route of {:?}", target.name), error);
            let route = kernel::find_default(&mut machine.target, i == 0, default_metric(asked, i == 0))
                .map_err(look)?;
            defaults[i] = route.as_ref().map(|route| describe(route, machine));
            machine.defaults[i] = route;
        }
    }
    Ok(defaults)
}

fn find_uplink(asked: &Attach, machine: &mut Machine<'_>) -> Result<Found, KernelError> {
    let link = match &asked.uplink {
        UplinkWord::Name(name) => kernel::find_link(&mut machine.host, name.as_str())?,
        UplinkWord::Mac(mac) => kernel::link_by_mac(&mut machine.host, mac.bytes())?,
    };
    let Some(link) = link else {
        let mut bytes = [0; 6];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .map_err(io::Error::from)?;
        return Ok(Found::Nothing { fresh_mac: Mac::local(bytes) });
    };
    let mut uplink = learn_uplink(link, machine)?;
    if asked.direct && uplink.kind == UplinkKind::Parent {
        uplink.phy = phy::of(&uplink.name);
    }
    Ok(Found::Link(uplink))
}

/// A link of the host as the plan sees it.
fn learn_uplink(link: Link, machine: &mut Machine<'_>) -> Result<Uplink, KernelError> {
    // A kernel's name always parses: it has been through the same rules. Were it not so, there is no such link for us.
    let name = link.name.parse::<IfName>().map_err(|_| Errno::EBADMSG)?;
    debug!("uplink {name}: {link:?}");
    let uplink = Uplink {
        name: name.clone(),
        kind: kind(&link),
        mac: Mac::of(&link.address),
        mtu: link.mtu,
        up: link.up,
        carrier: link.carrier,
        alias: link.alias.clone(),
        phy: None,
    };
    machine.learn(Side::Host, &name, link);
    Ok(uplink)
}

fn kind(link: &Link) -> UplinkKind {
    match link.kind.as_deref() {
        Some("bridge") => UplinkKind::Bridge {
            filtering: link.vlan_filtering,
            // 0 is none, which is no fault to be put into words.
            default_vlan: Some(link.default_vlan)
                .filter(|vlan| *vlan != 0)
                .and_then(|vlan| Vlan::try_from(vlan).ok()),
        },
        Some("openvswitch") => UplinkKind::OpenVswitch,
        _ => match link.port_kind.as_deref() {
            Some("openvswitch") => UplinkKind::OvsPort,
            Some("bridge") => UplinkKind::Port("bridge"),
            Some("bond") => UplinkKind::Port("bond"),
            Some("team") => UplinkKind::Port("team"),
            _ if link.layer == INFINIBAND => UplinkKind::Ipoib,
            _ if link.layer != ETHERNET => UplinkKind::NotEthernet,
            _ => UplinkKind::Parent,
        },
    }
}

/// What Open vSwitch says of the uplink, and of the name for the host's end.
///
/// That costs a program, so it is only asked about what can be its own: a link of its kind, a tap, which is what it makes
/// without its kernel module, and a name for which it is to make a bridge.
fn look_at_ovs(
    uplink: Found,
    asked: &Attach,
    target: &Target,
    machine: &mut Machine<'_>,
) -> Result<(Found, OvsPort), Error> {
    let (name, tap) = match (&uplink, &asked.uplink) {
        (Found::Link(link), _) if link.kind == UplinkKind::OpenVswitch => (link.name.clone(), false),
        (Found::Link(link), _) if link.kind == UplinkKind::Parent && is_tun(&link.name, machine) => {
            (link.name.clone(), true)
        }
        (Found::Nothing { .. }, UplinkWord::Name(name))
            if name.as_str().starts_with("ovs") && !asked.direct =>
        {
            (name.clone(), false)
        }
        _ => return Ok((uplink, OvsPort::Free)),
    };
    let look = |error| {
        Error::kernel(format!("asking Open vSwitch for uplink {name:?}", name = name.as_str()), error)
    };
    let (port, taken) =
        host_ifname(asked, &ifname(asked, uplink_kind(&uplink))?, target, &mut machine.host).map_err(look)?;
    let answer = Ovs::find().and_then(|program| program.look(&name, &port).map(|known| (program, known)));
    let (program, known) = match answer {
        Err(_) if tap && !ovs::was_started() => return Ok((uplink, OvsPort::Free)),
        answer => answer.map_err(look)?,
    };
    debug!("Open vSwitch: {known:?}");
    let port = match known.port {
        Some(ours) if !taken => {
            if ours {
                OvsPort::Stale
            } else {
                OvsPort::Taken
            }
        }
        _ => OvsPort::Free,
    };
    machine.ovs = Some(program);
    let found = match (uplink, known.uplink) {
        (Found::Link(link), KnownUplink::Bridge) => {
            Found::Link(Uplink { kind: UplinkKind::OpenVswitch, ..link })
        }
        (Found::Link(link), KnownUplink::Nothing) if tap => Found::Link(link),
        (Found::Link(link), _) => Found::Link(Uplink { kind: UplinkKind::OvsPort, ..link }),
        // Perhaps another rpipe is making it just now.
        (_, KnownUplink::Bridge) => match ovs::wait_for_link(machine, &name) {
            Ok(link) => {
                let link = learn_uplink(link, machine).map_err(look)?;
                Found::Link(Uplink { kind: UplinkKind::OpenVswitch, ..link })
            }
            Err(error) if error.errno == Errno::ETIMEDOUT => {
                Found::OvsWithoutLink(known.error.unwrap_or_default())
            }
            Err(error) => return Err(look(error)),
        },
        (found, _) => found,
    };
    Ok((found, port))
}

/// Whether it is a tap, or a tun, which is no Ethernet.
fn is_tun(name: &IfName, machine: &Machine<'_>) -> bool {
    machine.known(Side::Host, name).is_some_and(|link| link.kind.as_deref() == Some("tun"))
}

/// What there is for the VLAN: on a parent its 802.1Q interface, on a bridge other ports.
fn look_at_vlan(
    uplink: &Found,
    vlan: Option<Vlan>,
    machine: &mut Machine<'_>,
) -> Result<(Option<VlanLink>, bool), KernelError> {
    let (Found::Link(uplink), Some(vlan)) = (uplink, vlan) else { return Ok((None, false)) };
    let index = machine.index(Side::Host, &uplink.name)?;
    match uplink.kind {
        UplinkKind::Parent => Ok((Some(find_vlan(&uplink.name, index, vlan, machine)?), false)),
        UplinkKind::Bridge { filtering: true, .. } => {
            Ok((None, kernel::vlan_has_ports(&mut machine.host, index, vlan.id())?))
        }
        _ => Ok((None, false)),
    }
}

/// The 802.1Q interface for a VLAN: `IF.VLAN`, or whatever it is called, for a parent carries each VLAN once.
fn find_vlan(
    parent: &IfName,
    index: u32,
    vlan: Vlan,
    machine: &mut Machine<'_>,
) -> Result<VlanLink, KernelError> {
    let usual = format!("{parent}.{vlan}").parse::<IfName>();
    // Where that is too long, a name that is the same for the same VLAN of the same parent.
    let short = || format!("v{:06x}.{vlan}", digest(parent.as_str()) >> 16).parse();
    let Ok(name) = usual.or_else(|_| short()) else { return Err(Errno::ENAMETOOLONG.into()) };
    match kernel::find_link(&mut machine.host, name.as_str())? {
        Some(link) if link.lower == Some(index) && link.vlan == Some(vlan.id()) => {
            learn_uplink(link, machine).map(VlanLink::There)
        }
        Some(_) => Ok(VlanLink::Taken(name)),
        None => match kernel::find_vlan(&mut machine.host, index, vlan.id())? {
            Some(link) => learn_uplink(link, machine).map(VlanLink::There),
            None => Ok(VlanLink::Missing(name)),
        },
    }
}

fn describe(route: &DefaultRoute, machine: &mut Machine<'_>) -> OldDefault {
    // Only for people: a name that cannot be had is left out.
    let link = route.oif.and_then(|index| kernel::link_by_index(&mut machine.target, index).ok().flatten());
    OldDefault { dev: link.and_then(|link| link.name.parse().ok()), ..route.words.clone() }
}

/// The name on the host, whether it is taken, and whether the container's name is taken here.
///
/// A veth needs a name for its host end. What is made on the host for another namespace needs a second name when its
/// own is taken here. Nothing else has a name on the host.
fn host_names(
    asked: &Attach,
    ifname: &IfName,
    kind: Option<UplinkKind>,
    target: &Target,
    host: &mut RouteSocket,
) -> Result<(IfName, bool, bool), KernelError> {
    let shared = matches!(kind, Some(UplinkKind::Parent | UplinkKind::Ipoib));
    let host_has_ifname = shared && !asked.direct && kernel::find_link(host, ifname.as_str())?.is_some();
    if shared && !host_has_ifname {
        return Ok((ifname.clone(), false, false));
    }
    let (host_ifname, host_ifname_taken) = host_ifname(asked, ifname, target, host)?;
    Ok((host_ifname, host_ifname_taken, host_has_ifname))
}

/// The name of the host's end, and whether it is taken: the one asked for; else `v<IFNAME>pl<PID>` where it fits and is
/// free; else a short one that is the same for the same interface of the same namespace.
fn host_ifname(
    asked: &Attach,
    ifname: &IfName,
    target: &Target,
    host: &mut RouteSocket,
) -> Result<(IfName, bool), KernelError> {
    if let Some(name) = &asked.host_ifname {
        let taken = kernel::find_link(host, name.as_str())?.is_some();
        return Ok((name.clone(), taken));
    }
    let usual = target.process.as_ref().map(|process| format!("v{ifname}pl{}", process.pid()));
    let short = (0..4).map(|attempt: u32| {
        format!("veth{:010x}", digest(&format!("{ifname} {} {attempt}", target.netns.inode())))
    });
    let names = usual.into_iter().chain(short).filter_map(|name| name.parse::<IfName>().ok());
    let mut last = ifname.clone();
    for name in names {
        if kernel::find_link(host, name.as_str())?.is_none() {
            return Ok((name, false));
        }
        last = name;
    }
    Ok((last, true))
}

/// Forty bits that are the same for the same text.
fn digest(text: &str) -> u64 {
    let digest = Md5::new().chain_update(text).finalize();
    digest.iter().take(5).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
