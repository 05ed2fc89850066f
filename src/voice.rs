//! To whom what was done is told: to the one who typed one line, or line by line of a batch.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

use crate::colour::When;
use crate::report;

/// How much is told, and of which line.
#[derive(Debug, Clone, Copy)]
pub struct Voice<'a> {
    /// Whether only errors are told.
    pub quiet: bool,
    /// When there are colours.
    pub colour: When,
    /// The line of a batch that is being done.
    pub line: Option<Line<'a>>,
}

/// A line of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The file as it was named.
    pub file: &'a str,
    /// Its number, from 1.
    pub number: usize,
    /// Whether a progress bar shows what is done.
    pub bar: bool,
}

impl Voice<'_> {
    /// For a line that stands alone.
    #[must_use]
    pub fn alone(quiet: bool, colour: When) -> Self {
        Self { quiet, colour, line: None }
    }

    /// Whether somebody listens to what went well: a person at a terminal, or whoever reads along with a batch that has no
    /// bar.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.quiet && self.line.map_or_else(|| io::stderr().is_terminal(), |line| !line.bar)
    }

    /// Tells what went well to whoever listens.
    pub fn say(&self, what: &impl Display) {
        // When nobody can hear it, there is nobody to tell that either.
        let _ = match self.line {
            _ if !self.is_heard() => Ok(()),
            None => writeln!(io::stderr(), "{what}"),
            Some(line) => writeln!(io::stderr(), "{line}: {what}"),
        };
    }

    /// Tells of a trouble that is no error, unless quiet.
    pub fn tell(&self, trouble: &impl Display) {
        match self.line {
            _ if self.quiet => {}
            None => report::tell(trouble),
            Some(line) => {
                line.clear();
                report::tell(&format_args!("{line}: {trouble}"));
            }
        }
    }
}

impl Line<'_> {
    /// Makes room where the bar is.
    pub fn clear(&self) {
        if self.bar {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.number)
    }
}
