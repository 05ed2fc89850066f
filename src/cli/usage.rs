//! Errors of the grammar in one line, as all errors of rpipe are.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What `rpipe` alone says.
pub const NOTHING_ASKED: &str =
    "nothing asked for (try `rpipe br0 CONTAINER 192.168.0.123/24@192.168.0.1`, or rpipe --help)";

/// The first paragraph of clap's message on one line, with the way to the help.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let paragraph: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let mut line: String = match error.kind() {
        ErrorKind::MissingRequiredArgument => missing(error).unwrap_or_else(|| paragraph.join(" ")),
        _ => paragraph.join(" "),
    };
    // The words come from anywhere: nothing in them may steer the terminal.
    line = line
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    let tip =
        match error.get(ContextKind::SuggestedArg).or_else(|| error.get(ContextKind::SuggestedSubcommand)) {
            Some(ContextValue::String(word)) => format!("did you mean {word}?"),
            Some(ContextValue::Strings(words)) if !words.is_empty() => format!("did you mean {}?", words[0]),
            _ => format!("try `rpipe help{}`", verb(&text_of_usage(error))),
        };
    format!("{line} ({tip})")
}

fn missing(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(words)) => Some(format!("missing {}", words.join(" "))),
        _ => None,
    }
}

fn text_of_usage(error: &clap::Error) -> String {
    error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default()
}

/// The verb in clap's usage line, with a space before it.
fn verb(usage: &str) -> String {
    let word = usage.split_whitespace().skip_while(|word| *word != "rpipe").nth(1);
    word.filter(|word| word.chars().all(char::is_lowercase))
        .map(|word| format!(" {word}"))
        .unwrap_or_default()
}
