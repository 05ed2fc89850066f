//! Why a target could not be had.
use std::fmt;
/// placeholder
#[derive(Debug)]
pub struct TargetError;
impl fmt::Display for TargetError {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
