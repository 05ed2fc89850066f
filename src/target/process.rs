//! A pinned process.
/// placeholder
#[derive(Debug)]
pub struct Process;
