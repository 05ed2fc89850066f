//! `rpipe list [TARGET]`: what is attached, and what of it has changed.

use crate::census::census;
use crate::cli::ListWords;
use crate::error::Error;
use crate::kernel;
use crate::leftovers;
use crate::report;
use crate::target::{LOOKUP_LIMIT, Target};
use crate::voice::Voice;

use super::attach::own_namespace;

/// Lists the attachments of a target, or of all.
#[inline(never)]
pub fn list(words: &ListWords, voice: Voice<'_>) -> Result<(), Error> {
    let home = own_namespace()?;
    let limit = words.timeout.unwrap_or(LOOKUP_LIMIT);
    let target = words.target.as_ref().map(|word| Target::open(word, &home, limit)).transpose()?;
    kernel::sweep_entries();
    leftovers::bring_home(&home);
    report::listed(&census(&home, target.as_ref())?, words.json, voice)
}
