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
const PVID: u16 = 1 << 1;
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
    let belongs = |port: &PortVlans| port.index == bridge || port.bridge == Some(bridge);
    let ports = socket.dump(&every_port(), |payload| read_port(payload).filter(belongs))?;
    Ok(ports.iter().flat_map(|port| &port.ranges).flat_map(|(first, last)| *first..=*last).collect())
}

fn every_port() -> Request {
    let mut message =
        LinkMessageBuilder::<LinkUnspec>::default().interface_family(AddressFamily::Bridge).build();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    Request::new(&RouteNetlinkMessage::GetLink(message), 0)
}

/// The VLANs of a port of a bridge, or of the bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortVlans {
    /// The number of the link.
    pub index: u32,
    /// The number of its bridge.
    pub bridge: Option<u32>,
    /// First and last of each range.
    pub ranges: Vec<(u16, u16)>,
    /// The one that untagged frames are put into.
    pub untagged: Option<u16>,
}

/// The VLANs of all ports of all bridges. Equal to `bridge vlan show`.
///
/// # Errors
/// The kernel's refusal.
pub fn port_vlans(socket: &mut RouteSocket) -> Result<Vec<PortVlans>, KernelError> {
    socket.dump(&every_port(), read_port)
}

fn read_port(payload: &[u8]) -> Option<PortVlans> {
    let index = payload.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)?;
    let mut port = PortVlans { index, ..PortVlans::default() };
    for attribute in attributes(payload, HEADER) {
        // The nesting flag in the highest bits is not part of the number.
        match attribute.kind() & 0x3fff {
            MASTER => port.bridge = number(attribute.value()),
            AF_SPEC => {
                for (flags, range) in ranges(attribute.value()) {
                    port.ranges.push(range);
                    if flags & PVID != 0 {
                        port.untagged = Some(range.0);
                    }
                }
            }
            _ => {}
        }
    }
    Some(port)
}

/// A list of VLANs and ranges of VLANs, each with its flags.
fn ranges(specs: &[u8]) -> impl Iterator<Item = (u16, (u16, u16))> {
    let mut begin = None;
    let specs = NlasIterator::new(specs).flatten().filter(|spec| spec.kind() == VLAN_INFO);
    specs.filter_map(move |spec| {
        let [a, b, c, d] = *spec.value().first_chunk()?;
        // A number has 12 bits.
        let (flags, id) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]) & 0xfff);
        if flags & RANGE_BEGIN != 0 {
            begin = Some(id);
            return None;
        }
        let first = if flags & RANGE_END != 0 { begin.take().unwrap_or(id) } else { id };
        Some((flags, (first, id)))
    })
}
