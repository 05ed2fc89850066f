//! A finding, and findings as text.

use std::fmt::Write as _;

use serde::Serialize;

use crate::colour::{Ink, Tone};
use crate::listing::printable;

/// How weighty a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work, or is about to stop working.
    Warning,
    /// It may be meant, or rpipe cannot know.
    Hint,
}

/// Something that people trip over, in the keys of the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The short name of the check.
    pub check: &'static str,
    /// How weighty it is.
    pub severity: Severity,
    /// What it is about: a link of the host, or `TARGET IFNAME`.
    pub subject: String,
    /// What is the case.
    pub text: String,
    /// What helps.
    pub remedy: String,
}

impl Finding {
    pub(super) fn warning(check: &'static str, subject: &str, text: String, remedy: String) -> Self {
        Self { check, severity: Severity::Warning, subject: subject.to_owned(), text, remedy }
    }

    pub(super) fn hint(self) -> Self {
        Self { severity: Severity::Hint, ..self }
    }
}

/// Two lines for each: what is the case, and indented what helps.
#[must_use]
pub fn text(findings: &[Finding], ink: Ink) -> String {
    let mut out = String::new();
    for Finding { severity, subject, text, remedy, .. } in findings {
        let (hint, tone) = match severity {
            Severity::Hint => ("hint: ", Tone::Strong),
            Severity::Warning => ("", Tone::Doubtful),
        };
        // Names that containers chose are in all of them.
        let subject = printable(subject);
        let subject = ink.paint(tone, &subject);
        let _ = writeln!(out, "{hint}{subject} {}\n    {}", printable(text), printable(remedy));
    }
    out
}

/// A list of names for people: the first few and how many more there are.
pub(super) fn list(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names.get(..SHOWN.min(names.len())).unwrap_or_default().join(", ");
    match names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        Some(more) => format!("{shown} and {more} more"),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_steers_the_terminal() {
        let finding = Finding::warning("c", "docker:a\u{1b}[2J eth1", "is\n down".into(), "do it".into());
        let shown = text(&[finding.clone(), finding.hint()], Ink::NONE);
        assert_eq!(
            shown,
            "docker:a\\u{1b}[2J eth1 is\\n down\n    do it\n\
             hint: docker:a\\u{1b}[2J eth1 is\\n down\n    do it\n"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b, c");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
