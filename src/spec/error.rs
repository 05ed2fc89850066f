//! Why a word of the command line was refused.

use std::fmt;

/// A word that cannot mean anything: what it was for, the word itself, why, and what to do instead.
///
/// Always exit code 2: nothing was looked at and nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// What the word stands for: `address`, `gateway`, `interface name` …
    what: &'static str,
    /// The word as it was given.
    word: String,
    /// Why it was refused, lower case.
    why: String,
    /// The remedy, shown in parentheses.
    hint: Option<String>,
}

impl SpecError {
    pub(crate) fn new(what: &'static str, word: &str, why: impl Into<String>) -> Self {
        Self { what, word: word.to_owned(), why: why.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `{:?}` keeps control characters and line breaks of a hostile word out of the terminal.
        write!(f, "{} {:?}: {}", self.what, self.word, self.why)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SpecError {}
