//! VLANs of bridge ports, as `bridge vlan` shows and changes them.

use std::collections::BTreeSet;

use netlink_packet_core::NlasIterator;
use netlink_packet_route::link::{BridgeVlanInfoFlags, LinkAttribute, LinkExtentMask};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{LinkBridgeVlan, LinkMessageBuilder, LinkUnspec};

use super::link::{HEADER, change};
use super::socket::{attributes, number};
use super::{KernelError, Request, RouteSocket};

/// `IFLA_MASTER` and `IFLA_AF_SPEC`, include/uapi/linux/if_link.h.
const MASTER: u16 = 10;
const AF_SPEC: u16 = 26;
/// `IFLA_BRIDGE_VLAN_INFO` and the flags of `struct bridge_vlan_info`, include/uapi/linux/if_bridge.h.
const VLAN_INFO: u16 = 2;
const RANGE_BEGIN: u16 = 1 << 3;
const RANGE_END: u16 = 1 << 4;

/// `bridge vlan add dev … vid VLAN pvid untagged`: what comes in untagged is in that VLAN, and what goes out of it is
/// untagged.
#[must_use]
pub fn set_port_vlan(port: u32, vlan: u16) -> Request {
    let flags = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
    change(LinkBridgeVlan::new(port).vlan(vlan, flags).build())
}

/// `bridge vlan del dev … vid VLAN`.
#[must_use]
pub fn leave_vlan(port: u32, vlan: u16) -> Request {
    let message = LinkBridgeVlan::new(port).vlan(vlan, BridgeVlanInfoFlags::empty()).build();
    Request::new(&RouteNetlinkMessage::DelLink(message), 0)
}

/// Whether a port of the bridge is in that VLAN, or the bridge itself is. Equal to `bridge vlan show vid VLAN`.
///
/// # Errors
/// The kernel's refusal.
pub fn vlan_has_ports(socket: &mut RouteSocket, bridge: u32, vlan: u16) -> Result<bool, KernelError> {
    Ok(vlans_of_bridge(socket, bridge)?.contains(&vlan))
}

/// The VLANs in which the bridge or one of its ports is. Equal to `bridge vlan show`.
///
/// # Errors
/// The kernel's refusal.
pub fn vlans_of_bridge(socket: &mut RouteSocket, bridge: u32) -> Result<BTreeSet<u16>, KernelError> {
    let mut message =
        LinkMessageBuilder::<LinkUnspec>::default().interface_family(AddressFamily::Bridge).build();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    let request = Request::new(&RouteNetlinkMessage::GetLink(message), 0);
    let found = socket.dump(&request, |payload| Some(vlans_of_port(payload, bridge)))?;
    Ok(found.into_iter().flatten().collect())
}

/// The VLANs in this answer when it is of a port of that bridge, or of the bridge.
fn vlans_of_port(payload: &[u8], bridge: u32) -> Vec<u16> {
    let index = payload.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
    let (mut belongs, mut vlans) = (index == Some(bridge), Vec::new());
    for attribute in attributes(payload, HEADER) {
        // The nesting flag in the highest bits is not part of the number.
        match attribute.kind() & 0x3fff {
            MASTER => {
                belongs |= number(attribute.value()) == Some(bridge);
            }
            AF_SPEC => vlans.extend(listed(attribute.value())),
            _ => {}
        }
    }
    vlans.retain(|_| belongs);
    vlans
}

/// The VLANs of a list of VLANs and ranges of VLANs.
fn listed(specs: &[u8]) -> Vec<u16> {
    let (mut vlans, mut begin) = (Vec::new(), None);
    for spec in NlasIterator::new(specs).flatten().filter(|spec| spec.kind() == VLAN_INFO) {
        let Some([a, b, c, d]) = spec.value().first_chunk().copied() else { continue };
        // A number has 12 bits.
        let (flags, id) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]) & 0xfff);
        if flags & RANGE_BEGIN != 0 {
            begin = Some(id);
            continue;
        }
        let first = if flags & RANGE_END != 0 { begin.take().unwrap_or(id) } else { id };
        vlans.extend(first..=id);
    }
    vlans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_vlans_and_ranges_are_found() {
        let info = |flags: u16, id: u16| {
            let mut bytes = vec![8, 0, 2, 0];
            bytes.extend(flags.to_ne_bytes());
            bytes.extend(id.to_ne_bytes());
            bytes
        };
        let list = [info(6, 1), info(RANGE_BEGIN, 10), info(RANGE_END, 20), info(0, 30)].concat();
        assert_eq!(listed(&list), [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 30]);
        for end in 0..list.len() {
            listed(&list[..end]);
        }
    }
}
