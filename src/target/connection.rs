//! Connections to engines that are kept from one line of a batch to the next: a thousand containers are asked about over
//! one.
//!
//! IO. An answer is never kept: between two lines a container may have died.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use tokio::runtime::Runtime;

/// No host has more engines that are asked again and again.
const MOST: usize = 8;

/// The connections that are open.
#[derive(Debug, Default)]
pub struct Engines {
    open: RefCell<Vec<Connection>>,
}

/// What is asked over, and the user who serves it.
pub(super) type Open = (SendRequest<Empty<Bytes>>, u32);

/// One of them, with what drives it.
#[derive(Debug)]
pub(super) struct Connection {
    /// The engine's socket.
    pub(super) socket: PathBuf,
    /// None before the first question.
    pub(super) open: Option<Open>,
    /// Without it nothing is sent or received.
    pub(super) runtime: Runtime,
}

impl Engines {
    /// The one to this socket, which is nobody else's until it is put back.
    pub(super) fn take(&self, socket: &Path) -> Option<Connection> {
        let mut open = self.open.try_borrow_mut().ok()?;
        let place = open.iter().position(|connection| connection.socket == socket)?;
        Some(open.swap_remove(place))
    }

    /// Keeps one over which an answer came to its end.
    pub(super) fn put(&self, connection: Connection) {
        if let Ok(mut open) = self.open.try_borrow_mut()
            && open.len() < MOST
        {
            open.push(connection);
        }
    }
}
