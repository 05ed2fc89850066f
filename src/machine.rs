//! The two namespaces of an attach, each with its socket, and what was learned of their links.

use std::fs::File;

use log::debug;
use nix::errno::Errno;
use nix::fcntl::Flock;

use crate::dhcp::{Lease, Owner};
use crate::kernel::{self, Belongings, DefaultRoute, Icmpv6, KernelError, Link, NetNs, RouteSocket, Watch};
use crate::ovs::Ovs;
use crate::plan::Side;
use crate::spec::IfName;

/// The host and the target. IO: opened once, used by `observe` and `apply`.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The namespace rpipe runs in.
    pub home: &'a NetNs,
    /// The target's namespace.
    pub netns: &'a NetNs,
    /// A socket of the host.
    pub host: RouteSocket,
    /// A socket of the target.
    pub target: RouteSocket,
    /// Whether new links of the target come without IPv6, where that was asked.
    pub ipv6_disabled: Option<bool>,
    /// The default routes that were there, IPv4 and IPv6, to be put back if need be.
    pub defaults: [Option<DefaultRoute>; 2],
    /// What an interface that is to move has to lose.
    pub belongings: Option<Belongings>,
    /// What a link of the target had before it was cleared.
    pub cleared: Option<Belongings>,
    /// Open vSwitch, where it is needed.
    pub ovs: Option<Ovs>,
    /// The socket by which the firewall was asked, to be closed with the others.
    pub firewall: Option<RouteSocket>,
    /// With whom a DHCP client that stays is to end.
    pub owner: Owner<'a>,
    /// What a DHCP client got.
    pub lease: Option<Lease>,
    /// While it is held, nobody else gives an address to a macvlan.
    pub network_turn: Option<Flock<File>>,
    /// Namespaces, by number, that nobody else may change until this is done.
    pub turns: Vec<(u64, Flock<File>)>,
    /// What is heard of IPv6 addresses while they are being asked about.
    pub listener: Option<Listener>,
    /// Links that were looked up.
    links: Vec<(Side, IfName, Link)>,
}

/// What is opened on both sides, and outlives the machine where another line follows.
#[derive(Debug)]
pub struct Sockets {
    /// A socket of the host.
    pub host: RouteSocket,
    /// A socket of the target.
    pub target: RouteSocket,
    /// Whether new links of the target come without IPv6, where that was asked.
    pub ipv6_disabled: Option<bool>,
}

/// Ears in the target's namespace.
#[derive(Debug)]
pub struct Listener {
    /// Tells when an address has changed.
    pub watch: Watch,
    /// Hears who has an address; none where that cannot be had.
    pub icmp: Option<Icmpv6>,
}

impl<'a> Machine<'a> {
    /// Both sides are the host: for what is to be put in order there.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn of_host(home: &'a NetNs) -> Result<Self, KernelError> {
        let (host, target) = (RouteSocket::open()?, RouteSocket::open()?);
        Ok(Self::with(home, home, Sockets { host, target, ipv6_disabled: None }))
    }

    /// A host and a target whose sockets are open.
    #[must_use]
    pub fn with(home: &'a NetNs, netns: &'a NetNs, sockets: Sockets) -> Self {
        let Sockets { host, target, ipv6_disabled } = sockets;
        Self {
            home,
            netns,
            host,
            target,
            ipv6_disabled,
            defaults: [None, None],
            belongings: None,
            cleared: None,
            ovs: None,
            firewall: None,
            owner: Owner::Caller,
            lease: None,
            network_turn: None,
            turns: Vec::new(),
            listener: None,
            links: Vec::new(),
        }
    }

    /// What outlives it.
    #[must_use]
    pub fn into_sockets(self) -> Sockets {
        Sockets { host: self.host, target: self.target, ipv6_disabled: self.ipv6_disabled }
    }

    /// Begins to listen in the target's namespace.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn listen(&mut self) -> Result<(), KernelError> {
        let open = || Ok(Listener { watch: Watch::open()?, icmp: Icmpv6::open().ok() });
        let opened: Result<Listener, KernelError> = self.netns.enter(self.home, open)?;
        self.listener = Some(opened?);
        Ok(())
    }

    /// The socket of a side.
    pub fn socket(&mut self, side: Side) -> &mut RouteSocket {
        match side {
            Side::Host => &mut self.host,
            Side::Target => &mut self.target,
        }
    }

    /// What is already known of a link.
    #[must_use]
    pub fn known(&self, side: Side, name: &IfName) -> Option<&Link> {
        self.links.iter().find(|(at, known, _)| *at == side && known == name).map(|(_, _, link)| link)
    }

    /// The index of a link, looked up when it is not known yet.
    ///
    /// # Errors
    /// `ENODEV` when there is none of that name.
    pub fn index(&mut self, side: Side, name: &IfName) -> Result<u32, KernelError> {
        if let Some(link) = self.known(side, name) {
            return Ok(link.index);
        }
        let link = kernel::find_link(self.socket(side), name.as_str())?.ok_or(Errno::ENODEV)?;
        debug!("{name} has index {}", link.index);
        let index = link.index;
        self.learn(side, name, link);
        Ok(index)
    }

    /// Remembers a link.
    pub fn learn(&mut self, side: Side, name: &IfName, link: Link) {
        self.forget(side, name);
        self.links.push((side, name.clone(), link));
    }

    /// Forgets a link that is gone.
    pub fn forget(&mut self, side: Side, name: &IfName) {
        self.links.retain(|(at, known, _)| *at != side || known != name);
    }

    /// Forgets all links, after much has changed.
    pub fn forget_all(&mut self) {
        self.links.clear();
    }

    /// Follows a link to its new name.
    pub fn rename(&mut self, from: &IfName, to: &IfName) {
        for (side, name, _) in &mut self.links {
            if *side == Side::Target && name == from {
                *name = to.clone();
            }
        }
    }
}
