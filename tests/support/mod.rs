//! What the tests stand on: worlds of their own on the real kernel, and `ip -j` as the witness.
//!
//! Nothing here touches the machine: each test has its own network, mount and process namespaces, and
//! they die with it, however it ends.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, unused_imports)]

mod containerd;
pub mod dhcp;
mod docker;
mod life;
mod lxc;
mod lxd;
mod nspawn;
mod oci;
mod ovs;
mod podman;
mod shells;
mod snapshot;
mod world;

pub use containerd::Containerd;
pub use docker::Docker;
pub use life::{lives_and_dies, offered, until};
pub use lxc::Lxc;
pub use lxd::{LXD_DIR, Lxd};
pub use nspawn::Nspawn;
pub use oci::{Bundle, kill};
pub use ovs::{IN_USERSPACE, Ovs, fails, replace_vsctl, rpipe_with_path, unchanged, with_vsctl};
pub use podman::Podman;
pub use shells::{SHELLS, Shell, source};
pub use snapshot::{assert_same, fails_as_before, snapshot};
pub use world::{
    Called, Container, Output, RPIPE, World, addresses, container_with_routes, finish, first_line, flag,
    json, names, words,
};
