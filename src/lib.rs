//! rpipe wires a running Linux container to a network: one line to attach, one line to undo.
//!
//! The way of an attach through the house:
//!
//! ```text
//! argv → cli → spec → target → observe → plan → apply → report
//!         │     │       │         │        │       │       └ text and JSON of what was done
//!         │     │       │         │        │       └ runs the steps; on failure the undo of each, backwards
//!         │     │       │         │        └ PURE: asked + facts → steps (`--dry-run` prints them and stops here)
//!         │     │       │         └ what the plan must know, asked of the kernel
//!         │     │       └ a name becomes a live namespace, held by descriptors
//!         │     └ PURE: what was asked, every word checked (exit code 2, nothing looked at yet)
//!         └ words and flags with their help
//! ```
//!
//! [`kernel`] is the only room that knows netlink and setns, [`ovs`] the only one that runs `ovs-vsctl`;
//! [`machine`] holds the two namespaces with their sockets, [`session`] what outlives a line of a batch; [`commands`] has a file for each verb. [`dhcp`] has a client
//! get a lease, in processes of their own. [`complete`] answers the completion scripts of the shells.
//! [`checkup`] looks at everything that is attached, and [`doctor`], which is PURE, says what is wrong with it.

pub mod apply;
pub mod carry;
pub mod census;
pub mod checkup;
pub mod cli;
pub mod colour;
pub mod commands;
pub mod complete;
pub mod conflict;
pub mod dhcp;
pub mod doctor;
pub mod error;
pub mod kernel;
pub mod leftovers;
pub mod listing;
pub mod machine;
pub mod observe;
pub mod ovs;
pub mod phy;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod report;
pub mod session;
pub mod signals;
pub mod spec;
pub mod survey;
pub mod target;
pub mod voice;

pub use error::{Error, Exit};
