//! What the tests stand on: worlds of their own on the real kernel, and `ip -j` as the witness.
//!
//! Nothing here touches the machine: each test has its own network, mount and process namespaces, and
//! they die with it, however it ends.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, unused_imports)]

pub mod dhcp;
mod docker;
mod snapshot;
mod world;

pub use docker::Docker;
pub use snapshot::{assert_same, snapshot};
pub use world::{
    Container, Output, RPIPE, World, addresses, container_with_routes, finish, first_line, flag, json, names,
    words,
};
