//! The bar that shows how far a batch is, on a terminal.
//!
//! IO. A few lines of our own: the crates for it bring templates, threads and colours that nobody needs here.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthChar;

/// How often it is drawn at most: a person sees no more.
const PAUSE: Duration = Duration::from_millis(80);
/// The width of a terminal that does not tell.
const USUAL_WIDTH: usize = 80;
/// The most cells of the bar itself.
const MOST_CELLS: usize = 30;

/// How far it is.
#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: usize,
    failed: usize,
    started: Instant,
    drawn: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Of so many lines; `shown` when somebody is to see it.
    #[must_use]
    pub fn new(total: usize, shown: bool) -> Self {
        Self { total, done: 0, failed: 0, started: Instant::now(), drawn: None, shown }
    }

    /// Whether there is a terminal that can show a bar.
    #[must_use]
    pub fn has_a_terminal() -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// One more line is done, or has failed.
    pub fn step(&mut self, worked: bool) {
        self.done += 1;
        self.failed += usize::from(!worked);
    }

    /// Whether any line has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Shows what is being done, unless it has shown something just now. What may last is shown in any case.
    pub fn show(&mut self, what: impl FnOnce() -> String, may_last: bool) {
        if !self.shown || (!may_last && self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE)) {
            return;
        }
        self.drawn = Some(Instant::now());
        let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col.into());
        let width = if width == 0 { USUAL_WIDTH } else { width };
        // One cell less: a full line would make some terminals begin another.
        let text = line((self.done, self.total), self.started.elapsed(), &what(), width.saturating_sub(1));
        let _ = write!(io::stderr(), "\r{text}\x1b[K");
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if self.shown && self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Tells in the place of the bar what came of it.
    pub fn finish(&mut self) {
        self.clear();
        if self.shown {
            let seconds = self.started.elapsed().as_secs_f32();
            let failures = if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) };
            let done = self.done - self.failed;
            let _ = writeln!(io::stderr(), "{done} of {} done in {seconds:.1} s{failures}", self.total);
        }
    }
}

/// The bar in at most so many cells.
fn line((done, total): (usize, usize), spent: Duration, what: &str, width: usize) -> String {
    let digits = total.to_string().len();
    let rate = match (done as u128 * 1000).checked_div(spent.as_millis()) {
        Some(rate) if done > 0 => format!("{rate:>4}/s"),
        // There is nothing to tell yet.
        _ => "      ".to_owned(),
    };
    let cells = (width / 3).min(MOST_CELLS);
    let full = (cells * done).checked_div(total).unwrap_or(cells).min(cells);
    let bar = match cells {
        0..5 => String::new(),
        cells => format!("[{}{}] ", "#".repeat(full), "-".repeat(cells - full)),
    };
    let mut text = String::new();
    let mut used = 0;
    // Names come from others, and nothing in them may steer the terminal.
    let what = what.escape_debug().to_string();
    for c in format!("{bar}{done:>digits$}/{total} {rate} {what}").chars() {
        used += c.width().unwrap_or_default();
        if used > width {
            break;
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits() {
        let show = |done, what, width| line((done, 400), Duration::from_secs(2), what, width);
        let bar = format!("[{}{}]", "#".repeat(6), "-".repeat(20));
        assert_eq!(show(100, "web eth1", 79), format!("{bar} 100/400   50/s web eth1"));
        assert_eq!(show(0, "web", 40), "[-------------]   0/400        web");
        assert_eq!(show(400, "", 30), "[##########] 400/400  200/s ");
        assert_eq!(show(400, "web", 14), "400/400  200/s");
        assert_eq!(
            show(9, "w\x1b[2J\r\n\u{202e}b", 79).split("/s ").last(),
            Some(r"w\u{1b}[2J\r\n\u{202e}b")
        );
        assert_eq!(show(9, "\u{6f22}\u{6f22}", 42), "[--------------]   9/400    4/s \u{6f22}\u{6f22}");
        for width in 0..90 {
            let text = show(7, "\u{6f22}\u{301}\u{202e}x", width);
            assert!(unicode_width::UnicodeWidthStr::width(text.as_str()) <= width, "{width}: {text:?}");
        }
        assert_eq!(line((0, 0), Duration::ZERO, "", 10), "0/0       ");
    }
}
