//! Whether a link speaks IPv6: the one setting that netlink cannot change.

use std::fs::OpenOptions;
use std::io::{Read, Write};

use super::{KernelError, NetNs};

/// The setting of one link in the current namespace: procfs shows the settings of the namespace that the
/// opening thread is in.
fn path(ifname: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{ifname}/disable_ipv6")
}

/// Whether links of that name come without IPv6; `default` is every new link.
/// Equal to `sysctl net.ipv6.conf.IFNAME.disable_ipv6`. To be called inside the namespace.
///
/// A kernel without IPv6 has no such setting: then nothing is disabled and the address itself is refused.
#[must_use]
pub fn ipv6_is_disabled(ifname: &str) -> bool {
    let mut value = [0];
    OpenOptions::new().read(true).open(path(ifname)).is_ok_and(|mut file| file.read_exact(&mut value).is_ok())
        && value != *b"0"
}

/// Turns IPv6 on or off for one link. Equal to `sysctl net.ipv6.conf.IFNAME.disable_ipv6=…`.
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
    let file = netns.enter(home, || OpenOptions::new().write(true).open(path(ifname)))?;
    file?.write_all(if disabled { b"1" } else { b"0" })?;
    Ok(())
}
