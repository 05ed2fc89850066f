//! Why a plan cannot be made: known before the first change.

use std::fmt;

use crate::spec::Mode;

/// An attach that cannot work on this machine as it is. Exit code 1, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No link of that name, and not one that is created on demand.
    NoUplink(String),
    /// The uplink is a bridge's port: what arrives there belongs to the bridge.
    UplinkIsPort(String),
    /// A loopback, tunnel or other link that carries no Ethernet.
    UplinkNotEthernet(String),
    /// The target has a link of that name.
    IfnameTaken {
        /// The target's name.
        target: String,
        /// The interface's name.
        ifname: String,
    },
    /// The host has a link of the name for the veth's host end.
    HostIfnameTaken(String),
    /// A macvlan's mode, for an uplink that gets no macvlan.
    ModeWithoutMacvlan {
        /// The mode asked for.
        mode: Mode,
        /// The uplink.
        bridge: String,
    },
    /// A word that this version does not act on yet.
    Unsupported(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUplink(name) => {
                write!(
                    f,
                    "uplink {name:?}: no such interface (`ip link` lists them; a name br… creates a bridge)"
                )
            }
            Self::UplinkIsPort(name) => {
                write!(
                    f,
                    "uplink {name:?}: is a port of a bridge, which gets all its traffic (name the bridge instead)"
                )
            }
            Self::UplinkNotEthernet(name) => write!(f, "uplink {name:?}: is not an Ethernet interface"),
            Self::IfnameTaken { target, ifname } => {
                write!(f, "interface {ifname:?} in {target:?}: exists already (choose another name with -i)")
            }
            Self::HostIfnameTaken(name) => {
                write!(f, "host interface {name:?}: exists already (choose another name with -l)")
            }
            Self::ModeWithoutMacvlan { mode, bridge } => {
                write!(
                    f,
                    "mode {mode}: is for a macvlan, and {bridge:?} is a bridge, which gets a veth (leave --mode out)"
                )
            }
            Self::Unsupported(what) => write!(f, "{what}: not supported by this version"),
        }
    }
}

impl std::error::Error for Refusal {}
