//! The only room that knows netlink and setns.
//!
//! IO. Everything is blocking and runs on the one thread of the process: a namespace is a property of
//! a thread, and a socket belongs for ever to the namespace it was opened in.

mod error;
mod netns;

pub use error::KernelError;
pub use netns::NetNs;
