//! What the plan must know, asked of the kernel: one question a fact, nothing listed, nothing changed.
//!
//! IO, read-only. The answer is plain [`Facts`].

use std::io;

use log::debug;
use md5::{Digest, Md5};

use crate::error::Error;
use crate::kernel::{self, DefaultRoute, EntryState, KernelError, Link, RouteSocket};
use crate::machine::Machine;
use crate::plan::{Entry, Facts, Found, OldDefault, Side, Uplink, UplinkKind, default_metric};
use crate::spec::{Attach, IfName, Mac, UplinkWord};
use crate::target::Target;

/// `ARPHRD_ETHER`, include/uapi/linux/if_arp.h.
const ETHERNET: u16 = 1;

/// Looks at everything that bears on this attach.
///
/// # Errors
/// When the kernel does not answer a question, which is not the same as "there is none".
pub fn observe(asked: &Attach, target: &Target, machine: &mut Machine<'_>) -> Result<Facts, Error> {
    let uplink = find_uplink(&asked.uplink, machine)
        .map_err(|error| Error::kernel(format!("looking up uplink {:?}", asked.uplink.to_string()), error))?;
    let look = |error| Error::kernel(format!("looking at the links of {:?}", target.name), error);
    let ifname = &asked.ifname;
    let ifname_taken = kernel::find_link(&mut machine.target, ifname.as_str()).map_err(look)?.is_some();
    let is_parent = matches!(&uplink, Found::Link(uplink) if uplink.kind == UplinkKind::Parent);
    let look = |error| Error::kernel("looking at the links of the host", error);
    let host_has_ifname =
        is_parent && kernel::find_link(&mut machine.host, ifname.as_str()).map_err(look)?.is_some();
    // A macvlan has no end on the host; it takes a second name only on its way past a host link of the first.
    let (host_ifname, host_ifname_taken) = if is_parent && !host_has_ifname {
        (ifname.clone(), false)
    } else {
        host_ifname(asked, target, &mut machine.host).map_err(look)?
    };
    let gateways = asked.defaults();
    let mut defaults = [None, None];
    for (i, gateway) in [gateways.v4, gateways.v6].into_iter().enumerate() {
        if gateway.is_some() {
            let look =
                |error| Error::kernel(format!("looking for the default route of {:?}", target.name), error);
            let route = kernel::find_default(&mut machine.target, i == 0, default_metric(asked, i == 0))
                .map_err(look)?;
            defaults[i] = route.as_ref().map(|route| describe(route, machine));
            machine.defaults[i] = route;
        }
    }
    let [default_v4, default_v6] = defaults;
    let entry = match (&target.entry, &target.process) {
        (Some(name), Some(_)) => match kernel::look_up_entry(name.as_str(), &target.netns) {
            EntryState::Missing => Entry::Missing(name.clone()),
            EntryState::Right => Entry::Right(name.clone()),
            EntryState::Foreign => Entry::Foreign(name.clone()),
        },
        _ => Entry::None,
    };
    Ok(Facts {
        target: target.name.clone(),
        pid: target.process.as_ref().map(crate::target::Process::pid),
        uplink,
        host_ifname,
        host_ifname_taken,
        host_has_ifname,
        ifname_taken,
        default_v4,
        default_v6,
        ipv6_disabled: machine.ipv6_disabled,
        entry,
    })
}

fn find_uplink(word: &UplinkWord, machine: &mut Machine<'_>) -> Result<Found, KernelError> {
    let link = match word {
        UplinkWord::Name(name) => kernel::find_link(&mut machine.host, name.as_str())?,
        UplinkWord::Mac(mac) => kernel::link_by_mac(&mut machine.host, mac.bytes())?,
    };
    let Some(link) = link else {
        let mut bytes = [0; 6];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
            .map_err(io::Error::from)?;
        return Ok(Found::Nothing { fresh_mac: Mac::local(bytes) });
    };
    // A kernel's name always parses: it has been through the same rules. Were it not so, there is no such link for us.
    let name = link.name.parse::<IfName>().map_err(|_| nix::errno::Errno::EBADMSG)?;
    debug!("uplink {name}: {link:?}");
    let mac = link.mac().parse().ok();
    let uplink = Uplink { name: name.clone(), kind: kind(&link), mac, mtu: link.mtu, up: link.up };
    machine.learn(Side::Host, &name, link);
    Ok(Found::Link(uplink))
}

fn kind(link: &Link) -> UplinkKind {
    match link.kind.as_deref() {
        Some("bridge") => UplinkKind::Bridge,
        Some("openvswitch") => UplinkKind::OpenVswitch,
        _ if link.port_kind.as_deref() == Some("bridge") => UplinkKind::Port,
        _ if link.layer != ETHERNET => UplinkKind::NotEthernet,
        _ => UplinkKind::Parent,
    }
}

fn describe(route: &DefaultRoute, machine: &mut Machine<'_>) -> OldDefault {
    // Only for people: a name that cannot be had is left out.
    let link = route.oif.and_then(|index| kernel::link_by_index(&mut machine.target, index).ok().flatten());
    OldDefault { gateway: route.gateway, dev: link.map(|link| link.name), metric: route.metric }
}

/// The name of the host's end, and whether it is taken: the one asked for; else `v<IFNAME>pl<PID>` where it fits and is
/// free; else a short one that is the same for the same interface of the same namespace.
fn host_ifname(
    asked: &Attach,
    target: &Target,
    host: &mut RouteSocket,
) -> Result<(IfName, bool), KernelError> {
    if let Some(name) = &asked.host_ifname {
        let taken = kernel::find_link(host, name.as_str())?.is_some();
        return Ok((name.clone(), taken));
    }
    let usual = target.process.as_ref().map(|process| format!("v{}pl{}", asked.ifname, process.pid()));
    let short = (0..).map(|attempt: u32| short_name(&asked.ifname, target.netns.inode(), attempt));
    let names = usual.into_iter().chain(short.take(4)).filter_map(|name| name.parse::<IfName>().ok());
    let mut last = asked.ifname.clone();
    for name in names {
        if kernel::find_link(host, name.as_str())?.is_none() {
            return Ok((name, false));
        }
        last = name;
    }
    Ok((last, true))
}

fn short_name(ifname: &IfName, inode: u64, attempt: u32) -> String {
    let digest = Md5::new().chain_update(format!("{ifname} {inode} {attempt}")).finalize();
    let number = digest.iter().take(5).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("veth{number:010x}")
}
