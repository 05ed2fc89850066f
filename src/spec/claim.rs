//! Claims: an alternative interface name on a host's end says which address it carries, so that the kernel itself
//! keeps an address from being given twice on one uplink.
//!
//! `rpipe:UPLINK:ADDRESS`, or `rpipe:UPLINK:vlanNUMBER:ADDRESS`, at most 127 bytes, which is what such a name holds
//! (`ALTIFNAMSIZ`, include/uapi/linux/if.h). The kernel has each name once in a namespace, finds a link by it without
//! a list, and forgets it with the link. No name of an interface has a colon (`dev_valid_name`, net/core/dev.c), so
//! it is clear where the uplink's ends; no address begins with a `v`.
//!
//! By name and not by number: Open vSwitch gives its bridge a new number whenever it starts. A bridge that is renamed
//! is another uplink.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{IfName, SpecError, Vlan};

const START: &str = "rpipe:";
const VLAN: &str = "vlan";

/// That an address on an uplink is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The uplink.
    pub uplink: IfName,
    /// The VLAN, where it is not the uplink's usual one: the same address in another one is another host.
    pub vlan: Option<Vlan>,
    /// The address.
    pub ip: IpAddr,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{START}{}:", self.uplink)?;
        self.vlan.iter().try_for_each(|vlan| write!(f, "{VLAN}{vlan}:"))?;
        self.ip.fmt(f)
    }
}

impl FromStr for Claim {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        let refused = || SpecError::new("claim", name, "is not rpipe's");
        let (uplink, rest) =
            name.strip_prefix(START).and_then(|rest| rest.split_once(':')).ok_or_else(refused)?;
        let (vlan, ip) = match rest.strip_prefix(VLAN).and_then(|rest| rest.split_once(':')) {
            Some((vlan, ip)) => (Some(vlan.parse().map_err(|_| refused())?), ip),
            None => (None, rest),
        };
        Ok(Self { uplink: uplink.parse()?, vlan, ip: ip.parse().map_err(|_| refused())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_reads_as_it_was_written() {
        for name in [
            "rpipe:br0:10.0.0.5",
            "rpipe:br0:vlan10:10.0.0.5",
            "rpipe:br@10:fd00::5",
            "rpipe:vlan10:vlan4094:10:a::5",
            "rpipe:br0:::5",
        ] {
            assert_eq!(name.parse::<Claim>().unwrap().to_string(), name);
        }
        let longest = "rpipe:fifteen-letters:vlan4094:1111:2222:3333:4444:5555:6666:7777:8888";
        assert!(longest.parse::<Claim>().unwrap().to_string().len() <= 127);
    }

    #[test]
    fn strangers_names_are_no_claims() {
        for name in
            ["", "rpipe:", "rpipe:br0", "rpipe:br0:", "rpipe::10.0.0.5", "rpipe:br0:vlan0:10.0.0.5", "enp1s0"]
        {
            assert!(name.parse::<Claim>().is_err(), "{name}");
        }
    }
}
