//! rpipe wires running Linux containers to networks.
pub mod kernel;
pub mod spec;
pub mod target;
