//! A lease becomes addresses and routes of the interface, and goes again.
//!
//! IO: netlink, in the container's network namespace.

use std::net::IpAddr;

use log::info;
use nix::errno::Errno;

use crate::kernel::{self, KernelError, Request, RouteSocket};

use super::lease::Lease;

/// An interface whose address is leased.
#[derive(Debug)]
pub struct Interface {
    /// A socket of its namespace.
    pub socket: RouteSocket,
    /// Its index.
    pub index: u32,
    /// Whether a lease's router becomes the default route.
    pub default: bool,
    /// Whether that replaces one that is there and is remembered by whoever would undo it.
    pub replace: bool,
    /// The metric of that route.
    pub metric: u32,
    /// The lease that is set now.
    pub current: Option<Lease>,
}

/// What was tried, and the kernel's refusal.
pub type Refused = (String, KernelError);

impl Interface {
    /// Sets what a lease says, in the place of the one before.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn bind(&mut self, lease: Lease) -> Result<(), Refused> {
        if self.current.as_ref() == Some(&lease) {
            return Ok(());
        }
        // The old address goes first: the first of a subnet takes the others along (`__inet_del_ifa`,
        // net/ipv4/devinet.c).
        if self.current.as_ref().is_some_and(|old| old.net != lease.net) {
            self.release();
        }
        info!("lease {lease}");
        let index = self.index;
        // Somebody may have given it this address already, or another route to a gateway.
        self.set(
            format!("adding address {}", lease.net),
            kernel::add_address(index, lease.net.into(), None, false),
            true,
        )?;
        let gateways = lease.routes.iter().map(|(_, via)| *via).chain(lease.router.filter(|_| self.default));
        for gateway in gateways.filter(|ip| !ip.is_unspecified() && !lease.net.contains(ip)) {
            let request = kernel::add_host_route(index, gateway.into(), None);
            self.set(format!("adding a route to gateway {gateway}"), request, true)?;
        }
        for (to, via) in &lease.routes {
            let via = Some(IpAddr::from(*via)).filter(|via| !via.is_unspecified());
            let metric = Some(self.metric).filter(|metric| *metric > 0);
            let request = kernel::add_route(index, (*to).into(), via, metric, None);
            self.set(format!("adding a route to {to}"), request, true)?;
        }
        if let Some(router) = lease.router.filter(|_| self.default) {
            let request = kernel::add_default(index, router.into(), self.metric, None, self.replace);
            self.set(format!("setting the default route via {router}"), request, false)?;
            // From now on it is this one's own that is replaced.
            self.replace = true;
        }
        self.current = Some(lease);
        Ok(())
    }

    /// Takes away what the lease had brought.
    pub fn release(&mut self) {
        let Some(old) = self.current.take() else { return };
        info!("lease {old} is over");
        if let Some(router) = old.router.filter(|_| self.default) {
            let _ = self.socket.execute(kernel::delete_default(self.index, router.into(), self.metric));
            self.replace = false;
        }
        // Routes over a gateway of the subnet go by themselves when nothing leads to the gateway any more, but not at
        // once.
        for (to, _) in &old.routes {
            let _ = self.socket.execute(kernel::delete_route(self.index, (*to).into()));
        }
        let _ = self.socket.execute(kernel::delete_address(self.index, old.net.into()));
    }

    fn set(&mut self, tried: String, request: Request, may_be_there: bool) -> Result<(), Refused> {
        match self.socket.execute(request) {
            Err(error) if error.errno == Errno::EEXIST && may_be_there => Ok(()),
            result => result.map_err(|error| (tried, error)),
        }
    }
}
