//! One attach as it was asked for: every word valid, nothing looked up yet.

use super::{AddressList, IfName, LinkAddress, UplinkWord};

/// What to wire, and how. The target is apart: `attach` looks one up, `run` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// What the container is wired to.
    pub uplink: UplinkWord,
    /// The name inside the container.
    pub ifname: IfName,
    /// The name of the host's end of a veth pair; without one a name is made.
    pub host_ifname: Option<IfName>,
    /// The addresses and gateways.
    pub addresses: AddressList,
    /// MAC and VLAN.
    pub link_address: LinkAddress,
}
