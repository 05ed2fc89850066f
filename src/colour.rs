//! Colours: for people at a terminal, never for programs.
//!
//! `--color` says when; `auto` means on a terminal that knows them, unless `NO_COLOR` is set (<https://no-color.org>).

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;

use clap::ValueEnum;

/// When there are to be colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal.
    #[default]
    Auto,
    /// Even in a file or a pipe.
    Always,
    /// Not even on a terminal.
    Never,
}

impl When {
    /// What the words say, before they are read and even if they are wrong.
    #[must_use]
    pub fn of(args: &[OsString]) -> Self {
        let mut words = args.iter().skip(1).map_while(|word| word.to_str().filter(|word| *word != "--"));
        while let Some(word) = words.next() {
            let when = match word.split_once('=').unwrap_or((word, "")) {
                ("--color" | "--colour", "") => words.next().unwrap_or_default(),
                ("--color" | "--colour", when) => when,
                _ => continue,
            };
            return Self::from_str(when, false).unwrap_or_default();
        }
        Self::default()
    }
}

/// What a piece of text is, by which it gets its colour: the eight that every terminal has, as its owner has set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A heading, or what a line is about.
    Strong,
    /// What is as it should be.
    Good,
    /// What may not be as it should be.
    Doubtful,
    /// What is wrong.
    Bad,
}

/// Whether one stream gets colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(bool);

/// Text with its tone; printing it without colours prints the text alone.
#[derive(Debug, Clone, Copy)]
pub struct Painted<'a> {
    ink: Ink,
    tone: Tone,
    text: &'a str,
}

impl Ink {
    /// No colours.
    pub const NONE: Self = Self(false);

    /// For what goes to that stream.
    #[must_use]
    pub fn of(when: When, stream: &impl IsTerminal) -> Self {
        Self(match when {
            When::Always => true,
            When::Never => false,
            When::Auto => stream.is_terminal() && wanted(),
        })
    }

    /// That text in that tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: &str) -> Painted<'_> {
        Painted { ink: self, tone, text }
    }

    /// Help with its headings and flags set off. clap could colour it itself, with a crate that asks the terminal again.
    #[must_use]
    pub fn help(self, text: &str) -> String {
        let mut help = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let heading = line.find(':').filter(|_| line.starts_with(|c: char| c.is_ascii_uppercase()));
            // `Usage:` and the headings of lists; in `Exit status: 0 done …` only what is before the colon.
            match heading.filter(|end| line[..*end].split(' ').count() < 3) {
                Some(end) => {
                    help.push_str(&self.paint(Tone::Strong, &line[..=end]).to_string());
                    help.push_str(&line[end + 1..]);
                }
                None => help.push_str(line),
            }
        }
        help
    }
}

/// Whether the environment has nothing against colours.
fn wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_some_and(|term| term != "dumb" && !term.is_empty())
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ink.0 || self.text.is_empty() {
            return f.write_str(self.text);
        }
        let code = match self.tone {
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "1;31",
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Ink = Ink(true);

    #[test]
    fn without_colours_text_is_text() {
        assert_eq!(Ink::NONE.paint(Tone::Bad, "dead").to_string(), "dead");
        assert_eq!(Ink::NONE.help("Usage: rpipe\n"), "Usage: rpipe\n");
        assert_eq!(INK.paint(Tone::Bad, "dead").to_string(), "\u{1b}[1;31mdead\u{1b}[0m");
        assert_eq!(INK.paint(Tone::Bad, "").to_string(), "");
    }

    #[test]
    fn headings_of_help_stand_out() {
        let help = "Wires: it does\n\nUsage: rpipe\n\nOptions:\n  -q  a: b\nExit status: 0 done: fine\nA line that says: no\n";
        assert_eq!(
            INK.help(help).replace("\u{1b}[1m", "<").replace("\u{1b}[0m", ">"),
            "<Wires:> it does\n\n<Usage:> rpipe\n\n<Options:>\n  -q  a: b\n<Exit status:> 0 done: fine\nA line that says: no\n"
        );
    }
}
