//! What is asked of Open vSwitch: each change as the words of `ovs-vsctl`, its undo, and its name.
//!
//! One list of words serves the program that is run and the script that `--dry-run` prints.

use std::fmt;

use crate::spec::{IfName, Mac, Vlan};

use super::Step;

/// One transaction of Open vSwitch's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OvsChange {
    /// Create a bridge with a MAC address that stays.
    AddBridge {
        /// Its name.
        name: IfName,
        /// Its MAC address.
        mac: Mac,
    },
    /// Make a host interface a port of a bridge.
    AddPort {
        /// The bridge.
        bridge: IfName,
        /// The host interface.
        port: IfName,
        /// The VLAN that the port is in.
        vlan: Option<Vlan>,
        /// What the record says of the container: keys and values of `external-ids`.
        ids: Vec<(String, String)>,
    },
    /// Take a port away.
    DeletePort {
        /// The bridge; without one, whichever it is on.
        bridge: Option<IfName>,
        /// The host interface.
        port: IfName,
    },
    /// Delete a bridge unless somebody else uses it by now.
    DeleteBridge {
        /// Its name.
        name: IfName,
        /// The MAC address by which it is known to be ours.
        mac: Mac,
    },
}

impl OvsChange {
    /// The words for `ovs-vsctl`.
    ///
    /// A name is one word, and never an option, for none starts with a dash. A value is quoted as OVSDB quotes strings,
    /// which is as JSON does (ovs-vsctl(8), "Database Values"): whoever names a container writes into one value of
    /// one column.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        match self {
            Self::AddBridge { name, mac } => {
                add(&["add-br", name.as_str(), "--", "set", "Bridge", name.as_str()]);
                add(&[&setting("other-config", "hwaddr", &mac.to_string())]);
                add(&[&setting("external-ids", "rpipe.created", "1")]);
            }
            Self::AddPort { bridge, port, vlan, ids } => {
                add(&["add-port", bridge.as_str(), port.as_str()]);
                if let Some(vlan) = vlan {
                    add(&[&format!("tag={vlan}")]);
                }
                add(&["--", "set", "Interface", port.as_str()]);
                for (key, value) in ids {
                    add(&[&setting("external-ids", key, value)]);
                }
            }
            Self::DeletePort { bridge, port } => {
                add(&["--if-exists", "del-port"]);
                if let Some(bridge) = bridge {
                    add(&[bridge.as_str()]);
                }
                add(&[port.as_str()]);
            }
            Self::DeleteBridge { name, .. } => add(&["--if-exists", "del-br", name.as_str()]),
        }
        words
    }

    /// The change that takes this one back.
    #[must_use]
    pub fn undo(&self) -> Option<Step> {
        match self {
            Self::AddBridge { name, mac } => {
                Some(Step::Ovs(Self::DeleteBridge { name: name.clone(), mac: *mac }))
            }
            Self::AddPort { bridge, port, .. } => {
                Some(Step::Ovs(Self::DeletePort { bridge: Some(bridge.clone()), port: port.clone() }))
            }
            Self::DeletePort { .. } | Self::DeleteBridge { .. } => None,
        }
    }

    /// The short name in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::AddBridge { .. } => "create_ovs_bridge",
            Self::AddPort { .. } => "add_ovs_port",
            Self::DeletePort { .. } => "delete_ovs_port",
            Self::DeleteBridge { .. } => "delete_ovs_bridge",
        }
    }
}

impl fmt::Display for OvsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddBridge { name, .. } => write!(f, "creating Open vSwitch bridge {name}"),
            Self::AddPort { bridge, port, .. } => {
                write!(f, "adding port {port} to Open vSwitch bridge {bridge}")
            }
            Self::DeletePort { bridge: None, port } => {
                write!(f, "removing port {port} of a dead container from Open vSwitch")
            }
            Self::DeletePort { bridge: Some(bridge), port } => {
                write!(f, "removing port {port} from Open vSwitch bridge {bridge}")
            }
            Self::DeleteBridge { name, .. } => write!(f, "deleting Open vSwitch bridge {name}"),
        }
    }
}

/// `COLUMN:KEY="VALUE"`.
fn setting(column: &str, key: &str, value: &str) -> String {
    format!("{column}:{key}={}", quote(value))
}

/// A string as OVSDB reads it back (`ovsdb_token_parse`, lib/ovsdb-parser.c).
#[must_use]
pub fn quote(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_value() {
        let add = OvsChange::AddPort {
            bridge: "ovs0".parse().unwrap(),
            port: "h1".parse().unwrap(),
            vlan: Vlan::try_from(10).ok(),
            ids: vec![("rpipe.containername".into(), "a\",b=c -- del-br \\ovs0\n".into())],
        };
        let words = "add-port ovs0 h1 tag=10 -- set Interface h1";
        let mut expected: Vec<_> = words.split(' ').map(str::to_owned).collect();
        expected.push(r#"external-ids:rpipe.containername="a\",b=c -- del-br \\ovs0\n""#.into());
        assert_eq!(add.words(), expected);
    }
}
