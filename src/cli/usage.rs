//! Errors of the grammar, each written for the mistake that was probably made.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::spec::near;

use super::classic::VERBS;

/// What `rpipe` alone says.
pub const NOTHING_ASKED: &str = "\
nothing asked for. What is needed most:
  rpipe br0 test01 192.168.0.123/24@192.168.0.1   wire container test01 to bridge br0: address and default route
  rpipe eth0 test01 192.168.0.123/24              wire it to the network of eth0, by a macvlan
  rpipe list                                      show what is attached
  rpipe detach test01                             take it back
  rpipe help attach                               every word and flag, with examples";

/// An address to show the form of one.
const AS_IN: &str = "192.168.0.123/24@192.168.0.1";

/// The first word that is no flag, as it was typed.
pub fn first_word(args: &[OsString]) -> String {
    let word = args.iter().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    word.map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What clap says, on one line, with the way out; `typed` is the first word.
pub fn one_line(error: &clap::Error, typed: &str) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let paragraph: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let verb = verb(&error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default());
    let missing = (error.kind() == ErrorKind::MissingRequiredArgument).then(|| missing(error));
    let line = match &missing {
        Some(words) if !words.is_empty() => format!("missing {words}"),
        _ => paragraph.join(" "),
    };
    let line = printable(&line);
    format!("{line} ({})", tip(error, &verb, missing.as_deref(), typed))
}

/// What to do instead.
fn tip(error: &clap::Error, verb: &str, missing: Option<&str>, typed: &str) -> String {
    let suggested =
        match error.get(ContextKind::SuggestedArg).or_else(|| error.get(ContextKind::SuggestedSubcommand)) {
            Some(ContextValue::String(word)) => Some(word.as_str()),
            Some(ContextValue::Strings(words)) => words.first().map(String::as_str),
            _ => None,
        };
    let invalid =
        match error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand)) {
            Some(ContextValue::String(word)) => printable(word),
            _ => String::new(),
        };
    let like_a_verb = |word: &str| near(word, VERBS.into_iter()).first().map(ToString::to_string);
    match (error.kind(), verb) {
        _ if suggested.is_some() => format!("did you mean {}?", suggested.unwrap_or_default()),
        (ErrorKind::InvalidSubcommand, _) => match like_a_verb(&invalid) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "try `rpipe help`".to_owned(),
        },
        // A first word that is no verb was taken for an uplink.
        (ErrorKind::MissingRequiredArgument, "attach") if typed != "attach" => match like_a_verb(typed) {
            Some(meant) => format!("did you mean `rpipe {meant}`?"),
            None if missing.is_some_and(|words| words.starts_with("ADDRESS")) => {
                format!("as in {AS_IN}; try `rpipe help attach`")
            }
            None => format!("as in `rpipe br0 test01 {AS_IN}`; try `rpipe help attach`"),
        },
        (ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument, "exec" | "run") => {
            "the command comes behind --, as in `-- ip address`".to_owned()
        }
        (_, "") => "try `rpipe help`".to_owned(),
        (_, verb) => format!("try `rpipe help {verb}`"),
    }
}

/// The words that are missing, as the help calls them.
fn missing(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(words)) => {
            let name = |word: &String| word.trim_end_matches("...").trim_matches(['<', '>']).to_owned();
            words.iter().map(name).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// The words come from anywhere: nothing in them may steer the terminal.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The verb in clap's usage line.
fn verb(usage: &str) -> String {
    let word = usage.split_whitespace().skip_while(|word| *word != "rpipe").nth(1);
    word.filter(|word| word.chars().all(char::is_lowercase)).unwrap_or_default().to_owned()
}
