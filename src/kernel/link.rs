//! Links: found by one question, changed by one request.

use std::time::Duration;

use netlink_packet_core::NlasIterator;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkExtentMask, LinkInfo, LinkMessage};
use nix::errno::Errno;
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use super::socket::{attributes, number};
use super::{KernelError, Request, RouteSocket};

/// The group of a container's link that is not finished: whatever ends rpipe in the middle, the next call knows by it what
/// to take away. The number is of no other use (`rpip`).
pub const UNFINISHED: u32 = 0x7270_6970;

/// Bytes of `struct ifinfomsg`.
pub(super) const HEADER: usize = 16;
/// `IFF_UP`.
const UP: u32 = 1;
/// `IFF_RUNNING`.
const RUNNING: u32 = 1 << 6;
/// `IFF_LOWER_UP`, include/uapi/linux/if.h.
const LOWER_UP: u32 = 1 << 16;
// IFLA_*, include/uapi/linux/if_link.h.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const LOWER: u16 = 5;
const LOWER_NETNS: u16 = 37;
const MASTER: u16 = 10;
const LINKINFO: u16 = 18;
const ALIAS: u16 = 20;
const GROUP: u16 = 27;
const TX_QUEUES: u16 = 31;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
const PROPERTIES: u16 = 52;
pub(super) const OTHER_NAME: u16 = 53;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `IFLA_BRPORT_STATE`.
const PORT_STATE: u16 = 1;
const PARENT_NAME: u16 = 56;
const PARENT_BUS: u16 = 57;
const BRIDGE_FORWARD_DELAY: u16 = 1;
const BRIDGE_STP: u16 = 5;
const VLAN_ID: u16 = 1;
const MODE: u16 = 1;
const BRIDGE_VLAN_FILTERING: u16 = 7;
const BRIDGE_VLAN_DEFAULT_PVID: u16 = 39;
/// `BR_STATE_FORWARDING`, include/uapi/linux/if_bridge.h.
const FORWARDING: u8 = 3;

/// What the kernel says of a link, as far as rpipe needs it.
///
/// Read leniently: an attribute that a newer kernel adds or changes must not stop an attach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it, unique in its namespace.
    pub index: u32,
    /// Its name: the real one, also when it was found by an alternative name.
    pub name: String,
    /// `ARPHRD_*`: 1 for Ethernet.
    pub layer: u16,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether there is a signal from the other end.
    pub carrier: bool,
    /// Whether everybody has been told of that signal: bridges and IPv6 begin with a link only then.
    pub running: bool,
    /// The largest packet in bytes.
    pub mtu: u32,
    /// How many queues it has for sending.
    pub queues: u32,
    /// The hardware address: six bytes for Ethernet.
    pub address: Vec<u8>,
    /// `veth`, `bridge` …; physical interfaces have none.
    pub kind: Option<String>,
    /// The bridge, bond … it is a port of.
    pub master: Option<u32>,
    /// What kind of port it is: `bridge`, `bond` …
    pub port_kind: Option<String>,
    /// The link it is on, as a VLAN or a macvlan is; in its own namespace or another.
    pub lower: Option<u32>,
    /// The namespace of that number where it is another one, as this one numbers its neighbours (ip-netns(8),
    /// `list-id`).
    pub lower_netns: Option<i32>,
    /// The mode of a macvlan or an ipvlan, as `ip link` calls it.
    pub mode: Option<&'static str>,
    /// Its alias, empty when it has none.
    pub alias: String,
    /// Whether it is in the group of links that rpipe has not finished.
    pub unfinished: bool,
    /// The VLAN of an 802.1Q link.
    pub vlan: Option<u16>,
    /// Whether a bridge's ports can be in different VLANs.
    pub vlan_filtering: bool,
    /// The VLAN that a bridge puts new ports into; 0 for none.
    pub default_vlan: u16,
    /// Its alternative names.
    pub other_names: Vec<String>,
    /// Whether a bridge speaks STP.
    pub stp: bool,
    /// How long a port of a bridge listens, and how long it learns, where STP is on.
    pub forward_delay: Duration,
    /// What a port of a bridge does: `BR_STATE_*`, 3 for forwarding.
    pub port_state: Option<u8>,
    /// The device behind a physical interface, and the bus that it is on (Linux 5.14).
    pub device: [String; 2],
}

impl Link {
    /// What the kernel says of a link: the payload of an `RTM_NEWLINK`. None where that is none.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = payload.first_chunk()?;
        let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
        let mut link = Self {
            layer: u16::from_ne_bytes([header[2], header[3]]),
            index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
            up: flags & UP != 0,
            carrier: flags & LOWER_UP != 0,
            running: flags & RUNNING != 0,
            ..Self::default()
        };
        for attribute in attributes(payload, HEADER) {
            let value = attribute.value();
            match attribute.kind() {
                ADDRESS => link.address = value.to_vec(),
                NAME => link.name = text(value),
                MTU => link.mtu = number(value)?,
                LOWER => link.lower = number(value),
                LOWER_NETNS => link.lower_netns = number(value).map(u32::cast_signed),
                MASTER => link.master = number(value),
                ALIAS => link.alias = text(value),
                PARENT_NAME => link.device[0] = text(value),
                PARENT_BUS => link.device[1] = text(value),
                TX_QUEUES => link.queues = number(value).unwrap_or_default(),
                GROUP => link.unfinished = number(value) == Some(UNFINISHED),
                LINKINFO => link.read_info(value),
                kind if kind & !NESTED == PROPERTIES => {
                    let names = NlasIterator::new(value).flatten().filter(|one| one.kind() == OTHER_NAME);
                    link.other_names = names.map(|name| text(name.value())).collect();
                }
                _ => {}
            }
        }
        Some(link)
    }

    /// The kernel puts the kind first, so that it is known how to read the rest (`rtnl_link_info_fill`).
    fn read_info(&mut self, value: &[u8]) {
        for info in NlasIterator::new(value).flatten() {
            match info.kind() {
                INFO_KIND => self.kind = Some(text(info.value())),
                INFO_SLAVE_KIND => self.port_kind = Some(text(info.value())),
                INFO_DATA => self.read_data(info.value()),
                INFO_SLAVE_DATA if self.port_kind.as_deref() == Some("bridge") => {
                    let state = NlasIterator::new(info.value()).flatten().find(|it| it.kind() == PORT_STATE);
                    self.port_state = state.and_then(|state| state.value().first().copied());
                }
                _ => {}
            }
        }
    }

    fn read_data(&mut self, value: &[u8]) {
        let short = |value: &[u8]| value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
        for data in NlasIterator::new(value).flatten() {
            match (self.kind.as_deref(), data.kind()) {
                (Some("vlan"), VLAN_ID) => self.vlan = short(data.value()),
                (Some("macvlan"), MODE) => self.mode = number(data.value()).and_then(macvlan_mode),
                (Some("ipvlan"), MODE) => self.mode = short(data.value()).and_then(ipvlan_mode),
                (Some("bridge"), BRIDGE_VLAN_FILTERING) => {
                    self.vlan_filtering = data.value().first().is_some_and(|on| *on != 0);
                }
                (Some("bridge"), BRIDGE_FORWARD_DELAY) => {
                    // In hundredths of a second (`USER_HZ`).
                    let delay = number(data.value()).unwrap_or_default();
                    self.forward_delay = Duration::from_millis(u64::from(delay) * 10);
                }
                (Some("bridge"), BRIDGE_STP) => self.stp = number(data.value()).is_some_and(|on| on != 0),
                (Some("bridge"), BRIDGE_VLAN_DEFAULT_PVID) => {
                    self.default_vlan = short(data.value()).unwrap_or_default();
                }
                _ => {}
            }
        }
    }

    /// Whether frames get through it.
    #[must_use]
    pub fn carries(&self) -> bool {
        self.carrier && self.running && self.port_state.is_none_or(|state| state == FORWARDING)
    }

    /// Whether it is a port of a bridge, and frames get through.
    #[must_use]
    pub fn forwards(&self) -> bool {
        self.carries() && self.port_state.is_some()
    }

    /// The link it is on, where that is in the namespace that goes by this number here. What goes by none is nobody's.
    #[must_use]
    pub fn lower_in(&self, netns: Option<i32>) -> Option<u32> {
        self.lower.filter(|_| netns.is_some() && self.lower_netns == netns)
    }

    /// Whether what it is on is in another namespace.
    #[must_use]
    pub fn lower_is_elsewhere(&self) -> bool {
        self.lower_netns.is_some()
    }

    /// The MAC address in the usual notation, empty when it has none.
    #[must_use]
    pub fn mac(&self) -> String {
        hardware_address(&self.address)
    }
}

/// A hardware address as `ip` prints it, whatever its length.
#[must_use]
pub fn hardware_address(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 {
            text.push(':');
        }
        let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

/// `MACVLAN_MODE_*`, include/uapi/linux/if_link.h.
fn macvlan_mode(mode: u32) -> Option<&'static str> {
    Some(match mode {
        1 => "private",
        2 => "vepa",
        4 => "bridge",
        8 => "passthru",
        _ => return None,
    })
}

/// `IPVLAN_MODE_*`.
fn ipvlan_mode(mode: u16) -> Option<&'static str> {
    Some(match mode {
        0 => "l2",
        1 => "l3",
        2 => "l3s",
        _ => return None,
    })
}

pub(super) fn text(value: &[u8]) -> String {
    let value = value.strip_suffix(&[0]).unwrap_or(value);
    String::from_utf8_lossy(value).into_owned()
}

pub(super) fn get(mut message: LinkMessage) -> Request {
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    Request::new(&RouteNetlinkMessage::GetLink(message), 0)
}

fn find(socket: &mut RouteSocket, message: LinkMessage) -> Result<Option<Link>, KernelError> {
    match socket.ask(&get(message), Link::read) {
        Ok(Some(link)) => Ok(Some(link)),
        Ok(None) => Err(Errno::EBADMSG.into()),
        Err(error) if error.errno == Errno::ENODEV => Ok(None),
        Err(error) => Err(error),
    }
}

/// The link of that name, or none. Equal to `ip link show dev NAME`.
///
/// # Errors
/// Whatever the kernel says other than "no such device".
pub fn find_link(socket: &mut RouteSocket, name: &str) -> Result<Option<Link>, KernelError> {
    find(socket, LinkUnspec::new_with_name(name).build())
}

/// The link of that number, or none.
///
/// # Errors
/// Whatever the kernel says other than "no such device".
pub fn link_by_index(socket: &mut RouteSocket, index: u32) -> Result<Option<Link>, KernelError> {
    find(socket, LinkUnspec::new_with_index(index).build())
}

/// The link with that hardware address. Equal to `ip -o link | grep MAC`; there is no question for one.
///
/// Of several, one that is no macvlan and no VLAN: those share or copy the address of the real interface.
///
/// # Errors
/// The kernel's refusal.
pub fn link_by_mac(socket: &mut RouteSocket, mac: [u8; 6]) -> Result<Option<Link>, KernelError> {
    let mut links = all_links(socket)?;
    links.retain(|link| link.address == mac);
    let copies = |link: &Link| {
        matches!(link.kind.as_deref(), Some("macvlan" | "macvtap" | "ipvlan" | "vlan" | "bridge" | "bond"))
    };
    links.sort_by_key(copies);
    Ok(links.into_iter().next())
}

/// All links of the socket's namespace. Equal to `ip -d link show`.
///
/// # Errors
/// The kernel's refusal.
pub fn all_links(socket: &mut RouteSocket) -> Result<Vec<Link>, KernelError> {
    socket.dump(&get(LinkMessageBuilder::<LinkUnspec>::default().build()), Link::read)
}

/// The 802.1Q link for that VLAN of the link of that index. Equal to `ip -d link show type vlan`, searched.
///
/// # Errors
/// The kernel's refusal.
pub fn find_vlan(socket: &mut RouteSocket, parent: u32, vlan: u16) -> Result<Option<Link>, KernelError> {
    let mut message = LinkMessageBuilder::<LinkUnspec>::default().build();
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan)]));
    let of_parent = |link: &Link| link.lower == Some(parent) && link.vlan == Some(vlan);
    let links = socket.dump(&get(message), |payload| Link::read(payload).filter(of_parent))?;
    Ok(links.into_iter().next())
}

/// Whether the bridge of that index has a port. Equal to `ip link show master BRIDGE`.
///
/// # Errors
/// The kernel's refusal.
pub fn has_ports(socket: &mut RouteSocket, bridge: u32) -> Result<bool, KernelError> {
    Ok(count_ports(socket, bridge)? > 0)
}

/// How many ports the bridge of that index has.
///
/// # Errors
/// The kernel's refusal.
pub fn count_ports(socket: &mut RouteSocket, bridge: u32) -> Result<usize, KernelError> {
    let request = get(LinkMessageBuilder::<LinkUnspec>::default().controller(bridge).build());
    let ports =
        socket.dump(&request, |payload| Link::read(payload).filter(|link| link.master == Some(bridge)))?;
    Ok(ports.len())
}

/// A change of a link that is there.
pub(super) fn change(message: LinkMessage) -> Request {
    Request::new(&RouteNetlinkMessage::SetLink(message), 0)
}

/// `ip link set dev … up`, or `down`.
#[must_use]
pub fn set_link(index: u32, up: bool) -> Request {
    let link = LinkUnspec::new_with_index(index);
    change(if up { link.up() } else { link.down() }.build())
}

/// `ip link set dev … address MAC`.
#[must_use]
pub fn set_mac(index: u32, mac: [u8; 6]) -> Request {
    change(LinkUnspec::new_with_index(index).address(mac.to_vec()).build())
}

/// `ip link set dev … mtu BYTES`.
#[must_use]
pub fn set_mtu(index: u32, mtu: u32) -> Request {
    change(LinkUnspec::new_with_index(index).mtu(mtu).build())
}

/// `ip link set dev NAME alias TEXT`; an empty text takes the alias away. By name where there is no index yet, so that it
/// can travel with the creation of the link.
#[must_use]
pub fn set_alias(name: &str, index: Option<u32>, alias: &str) -> Request {
    // A name is looked up only when no index is given (`__rtnl_setlink`, net/core/rtnetlink.c).
    let link = index.map_or_else(|| LinkUnspec::new_with_name(name), LinkUnspec::new_with_index);
    change(link.alias(alias).build())
}

/// `ip link set dev … group NUMBER`.
#[must_use]
pub fn set_group(index: u32, group: u32) -> Request {
    change(LinkUnspec::new_with_index(index).link_group(group).build())
}

/// `ip link delete group NUMBER`: all links of a group in the time of one (`rtnl_group_dellink`, net/core/rtnetlink.c).
#[must_use]
pub fn delete_group(group: u32) -> Request {
    let message = LinkMessageBuilder::<LinkUnspec>::default().link_group(group).build();
    Request::new(&RouteNetlinkMessage::DelLink(message), 0)
}

/// `ip link set dev … name NAME`, for a link that is down.
#[must_use]
pub fn rename_link(index: u32, name: &str) -> Request {
    change(LinkUnspec::new_with_index(index).name(name).build())
}

/// `ip link delete dev …`. A veth takes its peer along; a link takes its addresses and routes along.
#[must_use]
pub fn delete_link(index: u32) -> Request {
    Request::new(&RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(index).build()), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let mut payload = vec![0; HEADER];
        payload.extend([4, 0, 3, 0, 5, 0, 4, 0, 1]);
        for end in 0..payload.len() {
            let _ = Link::read(&payload[..end]);
        }
    }
}
