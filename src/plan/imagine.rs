//! What earlier lines of a batch would have made on the host, where only the plan is asked for: a second line for the same
//! new bridge finds it there.

use crate::spec::{Attach, IfName, UplinkWord, Vlan};

use super::link::NEW_BRIDGE_MTU;
use super::{Facts, Found, OvsChange, Step, Uplink, UplinkKind, VlanLink};

/// Links of the host that are not there yet.
#[derive(Debug, Default)]
pub struct Imagined {
    made: Vec<Uplink>,
}

impl Imagined {
    /// Adds them to what was seen.
    pub fn enrich(&self, asked: &Attach, facts: &mut Facts) {
        if let (Found::Nothing { .. }, UplinkWord::Name(name)) = (&facts.uplink, &asked.uplink)
            && let Some(made) = self.find(name)
        {
            facts.uplink = Found::Link(made.clone());
        }
        if let Some(VlanLink::Missing(name)) = &facts.vlan_link
            && let Some(made) = self.find(name)
        {
            facts.vlan_link = Some(VlanLink::There(made.clone()));
        }
    }

    fn find(&self, name: &IfName) -> Option<&Uplink> {
        self.made.iter().find(|made| made.name == *name)
    }

    /// Adds what these steps make.
    pub fn learn(&mut self, steps: &[Step], facts: &Facts) {
        for step in steps {
            let (name, kind, mtu) = match step {
                Step::CreateBridge { name, filtering, .. } => {
                    let kind =
                        UplinkKind::Bridge { filtering: *filtering, default_vlan: Vlan::try_from(1).ok() };
                    (name, kind, NEW_BRIDGE_MTU)
                }
                Step::Ovs(OvsChange::AddBridge { name, .. }) => {
                    (name, UplinkKind::OpenVswitch, NEW_BRIDGE_MTU)
                }
                Step::CreateVlan { name, .. } => {
                    let parent = match &facts.uplink {
                        Found::Link(uplink) => uplink.mtu,
                        _ => NEW_BRIDGE_MTU,
                    };
                    (name, UplinkKind::Parent, parent)
                }
                _ => continue,
            };
            let name = name.clone();
            self.made.push(Uplink {
                name,
                kind,
                mac: None,
                mtu,
                up: true,
                carrier: false,
                alias: String::new(),
                phy: None,
            });
        }
    }
}
