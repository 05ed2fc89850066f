//! How a link speaks IPv6: whether at all, with what address, and how long it takes to know that an address is nobody
//! else's.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::time::Duration;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{AfSpecInet6, AfSpecUnspec, LinkAttribute};
use rtnetlink::LinkUnspec;

use super::link::change;
use super::{KernelError, NetNs, Request};

/// `IFLA_INET6_ADDR_GEN_MODE` and `IN6_ADDR_GEN_MODE_NONE`, include/uapi/linux/if_link.h.
const ADDR_GEN_MODE: u16 = 8;
const NONE: u8 = 1;
/// The most that is believed of a container's own settings.
const LONGEST: Duration = Duration::from_secs(30);
/// How much longer than said it may take.
const MARGIN: Duration = Duration::from_secs(2);

/// One setting of IPv6 of one link in the current namespace: procfs shows the settings of the namespace that the
/// opening thread is in.
fn path(ifname: &str, setting: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{ifname}/{setting}")
}

/// A setting that is a number.
fn number(path: String) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether links of that name come without IPv6; `default` is every new link.
/// Equal to `sysctl net.ipv6.conf.IFNAME.disable_ipv6`. To be called inside the namespace.
///
/// A kernel without IPv6 has no such setting: then nothing is disabled and the address itself is refused.
#[must_use]
pub fn ipv6_is_disabled(ifname: &str) -> bool {
    let mut value = [0];
    OpenOptions::new()
        .read(true)
        .open(path(ifname, "disable_ipv6"))
        .is_ok_and(|mut file| file.read_exact(&mut value).is_ok())
        && value != *b"0"
}

/// Turns IPv6 on or off for one link. Equal to `sysctl net.ipv6.conf.IFNAME.disable_ipv6=…`. Netlink cannot.
///
/// # Errors
/// `ENOENT` when the link is gone.
pub fn set_ipv6_disabled(
    netns: &NetNs,
    home: &NetNs,
    ifname: &str,
    disabled: bool,
) -> Result<(), KernelError> {
    // Only the opening has to happen inside.
    let file = netns.enter(home, || OpenOptions::new().write(true).open(path(ifname, "disable_ipv6")))?;
    file?.write_all(if disabled { b"1" } else { b"0" })?;
    Ok(())
}

/// Whether a link passes on what is not for it, so that others may go through it: `sysctl net.ipv6.conf.IFNAME.forwarding`.
/// To be called inside the namespace.
#[must_use]
pub fn is_router(ifname: &str) -> bool {
    number(path(ifname, "forwarding")).is_some_and(|on| on != 0)
}

/// The longest that duplicate address detection may take on that link (RFC 4862 5.4): a random delay, the probes, and a
/// margin. To be called inside the namespace.
#[must_use]
pub fn detection_limit(ifname: &str) -> Duration {
    let positive = |number: Option<i64>, usual| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(usual);
    let delay = positive(number(path(ifname, "router_solicitation_delay")), 1);
    let probes = positive(number(path(ifname, "dad_transmits")), 1);
    let between = number(format!("/proc/sys/net/ipv6/neigh/{ifname}/retrans_time_ms"));
    let probing = Duration::from_millis(probes.saturating_mul(positive(between, 1000)));
    Duration::from_secs(delay).saturating_add(probing).saturating_add(MARGIN).min(LONGEST)
}

/// `ip link set dev NAME addrgenmode none`: the kernel gives the link no address of its own, and so has nothing to probe
/// and no group to report. By name, so that it can travel with the creation of the link.
///
/// Without IPv6 the kernel says `EAFNOSUPPORT`.
#[must_use]
pub fn no_own_address(name: &str) -> Request {
    let mode = AfSpecInet6::Other(DefaultNla::new(ADDR_GEN_MODE, vec![NONE]));
    let mut message = LinkUnspec::new_with_name(name).build();
    message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]));
    change(message)
}
