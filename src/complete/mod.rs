//! What the completion scripts of the shells ask for: `rpipe __complete SHELL …`, which nobody types.
//!
//! IO, read-only, and in a short time: whoever pressed a key waits. What cannot be had is left out in silence. The answer is a
//! line that says what comes: `words` with one on each further line, behind a tab what it is; `files` or `command` when the
//! shell knows those better. Names come from anywhere: those that could steer a terminal are left out, and no
//! script does anything with one but insert it.

mod inside;
mod uplink;

use std::ffi::OsString;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::cli::Style;
use crate::cli::complete::{Candidate, Kind, Position, address, bash, position};
use crate::kernel::NetNs;
use crate::target;

/// The first word.
const NAME: &str = "__complete";

/// How long looking at the machine may take. An engine that answers does so in a tenth of it.
const LIMIT: Duration = Duration::from_millis(200);

/// The variable of the environment with another limit in milliseconds, for machines that are slow.
const LIMIT_VARIABLE: &str = "RPIPE_COMPLETION_LIMIT";

/// Answers a script, and tells the exit code; none for words of people.
#[must_use]
pub fn behind_the_scenes(args: &[OsString]) -> Option<u8> {
    if args.get(1)? != NAME || Style::of(args) != Style::Rpipe {
        return None;
    }
    let words: Vec<_> = args.get(2..)?.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (shell, words) = words.split_first()?;
    let text = answer(shell, words);
    // Nobody is left to be told when the shell has gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Some(0)
}

fn answer(shell: &str, words: &[String]) -> String {
    match (shell, words) {
        ("bash", [breaks, line]) => {
            let line = bash::read(line, breaks);
            told(&line.words, |one| line.insertion(&one.word))
        }
        ("fish", [words @ .., begun]) => {
            let mut words = words.to_vec();
            words.push(bash::fish_word(begun));
            told(&words, |one| Some(described(one)))
        }
        ("zsh", words) => told(words, |one| Some(described(one))),
        _ => String::new(),
    }
}

/// A line for the shells that show what a word is.
fn described(one: &Candidate) -> String {
    format!("{}\t{}", one.word, one.about)
}

/// The whole answer, a line for each candidate.
fn told(words: &[String], line: impl Fn(&Candidate) -> Option<String>) -> String {
    let position = position(words);
    if position.kinds.contains(&Kind::Command) {
        return "command\n".to_owned();
    }
    if position.kinds.contains(&Kind::File) && !position.begun.starts_with('-') {
        return "files\n".to_owned();
    }
    let found = candidates(&position);
    let mut text = "words".to_owned();
    for one in &found {
        if let Some(line) = line(one) {
            text.push('\n');
            text.push_str(&line);
        }
    }
    text.push('\n');
    text
}

/// What fits, and begins as the word does.
fn candidates(position: &Position) -> Vec<Candidate> {
    let limit = std::env::var(LIMIT_VARIABLE).ok().and_then(|limit| limit.parse::<u16>().ok());
    let limit = limit.map_or(LIMIT, |limit| Duration::from_millis(limit.into()));
    let mut found = position.words.clone();
    for kind in &position.kinds {
        let words = of(*kind, position, limit).unwrap_or_default();
        // No name that somebody chose becomes a flag.
        found.extend(words.into_iter().filter(|one| !one.word.starts_with('-')));
    }
    found.retain(|one| one.word.starts_with(&position.begun) && is_plain(&one.word));
    for one in &mut found {
        one.word.insert_str(0, &position.before);
        one.about.retain(is_shown);
    }
    found
}

/// What the machine has of a kind.
fn of(kind: Kind, position: &Position, limit: Duration) -> Option<Vec<Candidate>> {
    let begun = &position.begun;
    let uplink = || position.uplink.as_deref();
    Some(match kind {
        Kind::Uplink => uplink::all(begun)?,
        Kind::Target => target::running(begun, limit)
            .into_iter()
            .map(|(word, about)| Candidate::new(word, about))
            .collect(),
        Kind::Address => {
            let around = uplink()
                .and_then(|uplink| uplink::surroundings(uplink, Instant::now() + limit))
                .unwrap_or_default();
            address::suggestions(begun, &around)
        }
        Kind::LinkAddress => {
            let mut words = uplink::vlans(uplink()?, begun).unwrap_or_default();
            let hash = position.target.iter().filter(|_| begun.starts_with('U'));
            words.extend(
                hash.map(|target| Candidate::new(format!("U:{target}"), "always the same MAC address")),
            );
            words
        }
        // What a new interface is to be called is nowhere to be read.
        Kind::IfName if position.verb == "attach" || position.verb == "run" => return None,
        Kind::IfName => inside::interfaces(
            position.target.as_deref(),
            position.verb != "wait",
            limit,
            &NetNs::own().ok()?,
        ),
        Kind::File | Kind::Command => return None,
    })
}

/// Whether a word can be shown and typed as it is.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(is_shown)
}

fn is_shown(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\') || c.escape_debug().count() == 1
}
