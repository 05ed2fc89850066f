//! The steps: one closed list of everything that can be done to a machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::spec::{Claim, EntryName, IfName, Mac, OldDefault, Pkey, Route, Sharing, Vlan};

use super::{LeaseRequest, OvsChange, Rule};

/// Which of the two namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one rpipe runs in.
    Host,
    /// The container's.
    Target,
}

/// One change. Links go by name: their index is known only when they exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the namespace known to `ip netns` under a name.
    LinkNamespace {
        /// The name in `/var/run/netns`.
        entry: EntryName,
        /// The process whose namespace it is.
        pid: i32,
    },
    /// Take that name away again.
    UnlinkNamespace {
        /// The name in `/var/run/netns`.
        entry: EntryName,
        /// The process that it leads to.
        pid: i32,
    },
    /// Create a bridge on the host, up, with a MAC address that stays.
    CreateBridge {
        /// Its name.
        name: IfName,
        /// Its MAC address.
        mac: Mac,
        /// Whether its ports can be in different VLANs.
        filtering: bool,
    },
    /// Create a veth pair: one end up on the host, the other in the target, down.
    CreateVeth {
        /// The host's end.
        host_ifname: IfName,
        /// The bridge that the host's end is a port of; none where another program makes it one.
        bridge: Option<IfName>,
        /// The MAC address that the bridge has; one that is created keeps its own.
        bridge_mac: Option<Mac>,
        /// The target's end.
        ifname: IfName,
        /// The largest packet in bytes of the host's end. Smaller than the bridge's, it would shrink the bridge's own.
        host_mtu: u32,
        /// The largest packet in bytes of the target's end.
        mtu: u32,
        /// The MAC address of the target's end.
        mac: Option<Mac>,
        /// How many queues each way both ends have.
        queues: u32,
    },
    /// Put a bridge port into a VLAN, untagged.
    SetPortVlan {
        /// The port.
        port: IfName,
        /// Its VLAN.
        vlan: Vlan,
        /// The VLAN it was in, for a port that was there.
        old: Option<Vlan>,
    },
    /// Take a bridge port out of a VLAN.
    LeaveVlan {
        /// The port.
        port: IfName,
        /// The VLAN it is in so far.
        vlan: Vlan,
    },
    /// Create an 802.1Q interface on the host, up.
    CreateVlan {
        /// The host interface that carries it.
        parent: IfName,
        /// Its name.
        name: IfName,
        /// Its VLAN.
        vlan: Vlan,
    },
    /// Create a macvlan or an ipvlan in the target, down.
    CreateShared {
        /// The host interface that carries it.
        parent: IfName,
        /// Its name.
        ifname: IfName,
        /// What it is.
        sharing: Sharing,
        /// The largest packet in bytes.
        mtu: u32,
        /// Its MAC address.
        mac: Option<Mac>,
        /// How many queues each way it has.
        queues: u32,
    },
    /// Create a child of an IP over InfiniBand interface in the target, down.
    CreateIpoib {
        /// The host interface that carries it.
        parent: IfName,
        /// Its name.
        ifname: IfName,
        /// Its partition; the parent's without one.
        pkey: Option<Pkey>,
    },
    /// Create a dummy in the target, down.
    CreateDummy {
        /// Its name.
        ifname: IfName,
        /// The largest packet in bytes; the kernel's usual one without it.
        mtu: Option<u32>,
        /// Its MAC address.
        mac: Option<Mac>,
    },
    /// Write an alias, which is how rpipe knows its links again.
    SetAlias {
        /// Where the link is.
        side: Side,
        /// Its name.
        ifname: IfName,
        /// What is written.
        alias: String,
        /// What stood there; none for a link of our own making.
        old: Option<String>,
    },
    /// Move an interface of the host into the target. It goes down on the way and loses its addresses.
    MoveLink {
        /// Its name on the host.
        from: IfName,
        /// Its name in the target.
        to: IfName,
        /// Whether it was up.
        up: bool,
        /// The wireless device to move, for an interface that cannot go without it.
        phy: Option<u32>,
    },
    /// Move it back, under its old name.
    ReturnLink {
        /// Its name in the target.
        from: IfName,
        /// Its name on the host.
        to: IfName,
        /// The wireless device to move, for an interface that cannot go without it.
        phy: Option<u32>,
    },
    /// Give an interface that is back on the host the settings that it had.
    RestoreSettings {
        /// Its name.
        ifname: IfName,
    },
    /// Give an interface that is back on the host the addresses and routes that it had.
    RestoreAddresses {
        /// Its name.
        ifname: IfName,
    },
    /// Change the MAC address of a link of the target.
    SetMac {
        /// Its name.
        ifname: IfName,
        /// What it gets.
        mac: Mac,
        /// What it had.
        old: Option<Mac>,
    },
    /// Change the largest packet of a link of the target.
    SetMtu {
        /// Its name.
        ifname: IfName,
        /// What it gets, in bytes.
        mtu: u32,
        /// What it had.
        old: u32,
    },
    /// Rename a link of the target that is down.
    Rename {
        /// The name it has.
        from: IfName,
        /// The name it gets.
        to: IfName,
    },
    /// Set a link up or down.
    SetLink {
        /// Where the link is.
        side: Side,
        /// Its name.
        ifname: IfName,
        /// Up or down.
        up: bool,
    },
    /// Let a link of the target speak IPv6 although new ones there do not.
    EnableIpv6 {
        /// Its name.
        ifname: IfName,
    },
    /// Have the kernel tell the neighbours when the link comes up, or stop that.
    ArpNotify {
        /// A link of the target.
        ifname: IfName,
        /// On or off.
        on: bool,
    },
    /// Give a link of the target an address.
    AddAddress {
        /// Its name.
        ifname: IfName,
        /// The address with its prefix.
        net: IpNet,
        /// Who is at the other end of the link; the prefix is that one's.
        peer: Option<IpAddr>,
        /// Whether nobody is asked if it is theirs, as is usual with IPv6.
        no_dad: bool,
    },
    /// Keep the kernel from giving a link of the host an IPv6 address of its own.
    NoOwnAddress {
        /// Its name.
        ifname: IfName,
    },
    /// Wait until a link lets something through: it has a carrier and, as a port of a bridge, forwards. Not for ever: when
    /// it is late, things go on.
    AwaitLink {
        /// Where the link is.
        side: Side,
        /// Its name.
        ifname: IfName,
        /// The bridge that it is a port of.
        bridge: Option<IfName>,
    },
    /// Wait until the IPv6 addresses of a link of the target can be used, and are known to be nobody else's.
    AwaitDetection {
        /// Its name.
        ifname: IfName,
        /// The addresses.
        ips: Vec<Ipv6Addr>,
        /// Whether others are asked if they have them.
        asked: bool,
    },
    /// Tell the neighbours of the addresses of a link of the target, which is up.
    Announce {
        /// Its name.
        ifname: IfName,
        /// The addresses, but for one that is leased.
        ips: Vec<IpAddr>,
        /// Whether the kernel has told of those of IPv4 when the link came up.
        told: bool,
        /// How often, a second apart.
        times: u32,
        /// Its MAC address, where it was changed.
        mac: Option<Mac>,
    },
    /// Make a gateway reachable that none of the addresses' prefixes covers.
    AddHostRoute {
        /// The link it is reached by.
        ifname: IfName,
        /// The gateway.
        host: IpAddr,
        /// Its table, unless that is the main one.
        table: Option<u32>,
    },
    /// Add a route over a link of the target.
    AddRoute {
        /// The link.
        ifname: IfName,
        /// Where to, and over which gateway.
        route: Route,
        /// Its metric; `None` leaves the kernel's own.
        metric: Option<u32>,
        /// Its table, unless that is the main one.
        table: Option<u32>,
    },
    /// Make a gateway the target's default route.
    SetDefault {
        /// The link it is reached by.
        ifname: IfName,
        /// The gateway.
        gateway: IpAddr,
        /// Its metric.
        metric: u32,
        /// Its table, unless that is the main one.
        table: Option<u32>,
        /// The route that is replaced.
        old: Option<OldDefault>,
    },
    /// Have packets from an address look for their way in a table of the target.
    AddRule {
        /// The rule.
        rule: Rule,
    },
    /// Take such a rule away.
    DeleteRule {
        /// The rule.
        rule: Rule,
    },
    /// Have a DHCP client get an address for a link of the target.
    Lease {
        /// The link.
        ifname: IfName,
        /// Who asks, and how.
        request: Box<LeaseRequest>,
        /// The default route that the lease's router replaces.
        old: Option<OldDefault>,
    },
    /// End the DHCP client that stayed.
    EndLease {
        /// The link.
        ifname: IfName,
    },
    /// Give a bridge that has lost its last port, and with it its MAC address, the one it had before.
    RestoreMac {
        /// The bridge.
        bridge: IfName,
        /// What it had.
        mac: Mac,
    },
    /// Put the replaced default route back.
    RestoreDefault {
        /// Its family.
        v4: bool,
        /// What it was.
        old: OldDefault,
    },
    /// Claim an address on an uplink for a host's end: the kernel gives each claim once.
    Claim {
        /// The host's end.
        port: IfName,
        /// The address, and where.
        claim: Claim,
    },
    /// Give such a claim up.
    Release {
        /// The host's end.
        port: IfName,
        /// The address, and where.
        claim: Claim,
    },
    /// Ask the network, over a link of the target that is up, whether somebody has addresses already.
    Probe {
        /// The link.
        ifname: IfName,
        /// The addresses.
        addresses: Vec<Ipv4Addr>,
        /// Whether with the timing of RFC 5227.
        full: bool,
    },
    /// Say that the container's link is all that it is to be. Until then the next call knows it for unfinished.
    Finish {
        /// Its name.
        ifname: IfName,
    },
    /// Take all addresses and routes from a link of the target, which stays up.
    ClearLink {
        /// Its name.
        ifname: IfName,
    },
    /// Give it those back that it had, instead of what it has now.
    RefillLink {
        /// Its name.
        ifname: IfName,
    },
    /// Put the default route back that an attach had replaced, unless something else has taken its place or it leads
    /// nowhere by now.
    ReplaceDefault {
        /// Its family.
        v4: bool,
        /// Its outgoing link.
        dev: IfName,
        /// What it was.
        old: OldDefault,
    },
    /// Delete a link, and with it its peer, its addresses and its routes.
    DeleteLink {
        /// Where the link is.
        side: Side,
        /// Its name.
        ifname: IfName,
    },
    /// Delete several links of the target at the cost of one.
    DeleteLinks {
        /// Their names.
        ifnames: Vec<IfName>,
    },
    /// Delete an 802.1Q interface unless somebody else uses it by now.
    DeleteVlan {
        /// Its name.
        name: IfName,
    },
    /// Delete a bridge unless somebody else uses it by now.
    DeleteBridge {
        /// Its name.
        name: IfName,
    },
    /// Have Open vSwitch do something.
    Ovs(OvsChange),
}
