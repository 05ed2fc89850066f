//! The only room that knows netlink and setns.
//!
//! IO. Everything is blocking and runs on the one thread of the process: a namespace is a property of
//! a thread, and a socket belongs for ever to the namespace it was opened in. Links, addresses and routes are
//! named here and looked up by name or index, never by listing all of them where one can be asked for.

mod addr;
mod announce;
mod claim;
mod create;
mod elsewhere;
mod entry;
mod error;
mod gateway;
mod icmpv6;
mod ipv6;
mod link;
mod moving;
mod namespaces;
mod neighbour;
mod netfilter;
mod netns;
mod probe;
mod request;
mod route;
mod rule;
mod settings;
mod socket;
mod source;
mod survey;
mod vlan;
mod watch;

pub use addr::{Detection, add_address, delete_address, detection, has_usable_address, is_own};
pub use announce::{announce, ask_for_oneself, set_arp_notify};
pub use claim::{Known, claim, known, local, release};
pub use create::{
    SharedLink, VethLink, create_bridge, create_dummy, create_ipoib, create_shared, create_veth, create_vlan,
};
pub use elsewhere::{addresses_elsewhere, link_elsewhere, question_elsewhere};
pub use entry::{
    ENTRIES, EntryState, entries, link_entry, look_up_entry, process_of_entry, stale_entries, sweep_entries,
    unlink_entry,
};
pub use error::KernelError;
pub use gateway::{Neighbour, Neighbours, gateways};
pub use icmpv6::Icmpv6;
pub use ipv6::{detection_limit, ipv6_is_disabled, is_router, no_own_address, set_ipv6_disabled};
pub use link::{
    Link, UNFINISHED, all_links, count_ports, delete_group, delete_link, find_link, find_vlan,
    hardware_address, has_ports, link_by_index, link_by_mac, rename_link, set_alias, set_group, set_link,
    set_mac, set_mtu,
};
pub use moving::{Belongings, belongings, move_link};
pub use namespaces::namespaces;
pub use neighbour::neighbour;
pub use netfilter::{ForwardChain, bridges_call, dropping_chains, forward_drops_bridged, has_legacy_filter};
pub use netns::NetNs;
pub use probe::{Arp, Prober};
pub use request::Request;
pub use route::{
    DefaultRoute, add_default, add_host_route, add_old_default, add_route, delete_default, delete_route,
    find_default, restore_default,
};
pub use rule::{add_rule, delete_rule, rules};
pub use settings::Settings;
pub use socket::{Outcome, RouteSocket};
pub use source::{rule_sources, strict_links};
pub use survey::{SeenRoute, addresses, every_address, refused_addresses, routes};
pub use vlan::{PortVlans, leave_vlan, port_vlans, set_port_vlan, vlan_has_ports, vlans_of_bridge};
pub use watch::Watch;
