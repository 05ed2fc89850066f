//! The lines of a batch: words quoted as in a shell, which mean what they would mean behind `rpipe`.
//!
//! PURE. No word is expanded, and no shell sees any.

use std::ffi::OsString;

use clap::{Command, CommandFactory, FromArgMatches};

use crate::error::Error;

use super::args::Cli;
use super::{Asked, Style, Verb, asked, classic, usage};

/// The longest line: no line that means something comes near it.
pub const MOST_BYTES: usize = 64 * 1024;

/// The verbs that can be a line.
const CAN_BE_A_LINE: [&str; 4] = ["attach", "detach", "gc", "wait"];

/// Reads lines, with one description of the flags for all of them.
#[derive(Debug)]
pub struct BatchReader {
    command: Command,
    /// What holds for all lines.
    dry_run: bool,
    json: bool,
}

impl BatchReader {
    /// For a batch of which plans or results are to be printed like this.
    #[must_use]
    pub fn new(dry_run: bool, json: bool) -> Self {
        Self { command: Cli::command(), dry_run, json }
    }

    /// What a line asks for; nothing when it is blank or a comment.
    ///
    /// # Errors
    /// [`Error::Usage`] and [`Error::Spec`], both exit code 2.
    pub fn line(&mut self, line: &[u8]) -> Result<Option<Asked>, Error> {
        let mut words = words(line)?;
        if words.is_empty() {
            return Ok(None);
        }
        if words.first().is_none_or(|word| word != "rpipe") {
            words.insert(0, "rpipe".into());
        }
        if words.len() < 2 {
            return Err(Error::Usage("nothing asked for".into()));
        }
        let typed = usage::first_word(&words);
        let words = classic::with_verb(words, Style::Rpipe);
        let cannot = |verb: &str| {
            Err(Error::Usage(format!(
                "{verb} cannot be a line of a batch ({} can)",
                CAN_BE_A_LINE.join(", ")
            )))
        };
        let matches = match self.command.try_get_matches_from_mut(words) {
            Ok(matches) => matches,
            Err(error) if !error.use_stderr() => return cannot("a question for help"),
            Err(error) => return Err(Error::Usage(usage::one_line(&error, &typed))),
        };
        if let Some(verb) = matches.subcommand_name().filter(|verb| !CAN_BE_A_LINE.contains(verb)) {
            return cannot(verb);
        }
        let cli =
            Cli::from_arg_matches(&matches).map_err(|error| Error::Usage(usage::one_line(&error, &typed)))?;
        let mut asked = asked(cli)?;
        self.share(&mut asked)?;
        Ok(Some(asked))
    }

    /// What is said of the whole holds for the line, and is not said of it alone.
    fn share(&self, asked: &mut Asked) -> Result<(), Error> {
        let mut unsaid = false;
        let (dry_run, json) = match &mut asked.verb {
            Verb::Attach(words) => (&mut words.dry_run, &mut words.json),
            Verb::Detach(words) => (&mut words.dry_run, &mut words.json),
            Verb::Gc(words) => (&mut words.dry_run, &mut words.json),
            _ => (&mut unsaid, &mut false),
        };
        let own = [(*dry_run, "--dry-run"), (*json, "--json"), (asked.verbosity > 0, "-v")];
        if let Some((_, flag)) = own.iter().find(|(given, _)| *given) {
            let what = format!("{flag} is for the whole batch, not for a line of it (rpipe batch {flag} …)");
            return Err(Error::Usage(what));
        }
        (*dry_run, *json) = (self.dry_run, self.json);
        Ok(())
    }
}

/// The words of a line.
fn words(line: &[u8]) -> Result<Vec<OsString>, Error> {
    let wrong = |what: &str| Err(Error::Usage(what.to_owned()));
    if line.len() > MOST_BYTES {
        return wrong("the line is longer than 64 KiB");
    }
    if line.contains(&0) {
        return wrong("there is a NUL byte in the line: is this a text?");
    }
    let Ok(line) = std::str::from_utf8(line) else { return wrong("the line is not UTF-8") };
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let mut words = shlex::Shlex::new(line);
    let list = words.by_ref().map(OsString::from).collect();
    if words.had_error {
        return wrong("a quote is not closed, or a backslash has nothing behind it");
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &[u8]) -> String {
        match words(line) {
            Ok(words) => words.iter().map(|word| word.display().to_string()).collect::<Vec<_>>().join("|"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn words_are_quoted_as_in_a_shell() {
        for (line, expected) in [
            ("br0 web 10.0.0.2/24", "br0|web|10.0.0.2/24"),
            ("  br0\tweb  \r\n", "br0|web"),
            ("", ""),
            ("\n", ""),
            ("  # br0 'web", ""),
            ("br0 web # a 'comment", "br0|web"),
            ("br0 'web # 1' a#b", "br0|web # 1|a#b"),
            (r#"'a b'\'c "d \" e" f\ g ''"#, r#"a b'c|d " e|f g|"#),
            ("$HOME `id` $(id) * ~ ; | & > <", "$HOME|`id`|$(id)|*|~|;|||&|>|<"),
            ("br0 'web", "a quote is not closed, or a backslash has nothing behind it"),
            ("br0 web\\", "a quote is not closed, or a backslash has nothing behind it"),
            ("br0 web\\\r\n", "a quote is not closed, or a backslash has nothing behind it"),
            ("br0 \0", "there is a NUL byte in the line: is this a text?"),
            ("br0 ü", "br0|ü"),
        ] {
            assert_eq!(said(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(said(b"br0 \xff"), "the line is not UTF-8");
        assert_eq!(said(&vec![b'a'; MOST_BYTES + 1]), "the line is longer than 64 KiB");
    }

    #[test]
    fn some_verbs_can_be_lines() {
        let mut reader = BatchReader::new(true, true);
        let mut read = |line: &str| match reader.line(line.as_bytes()) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(asked)) => match asked.verb {
                Verb::Attach(words) => format!("attach {} {} {}", words.target, words.dry_run, words.json),
                Verb::Detach(words) => format!("detach {} {} {}", words.target, words.dry_run, words.json),
                verb => format!("{verb:?}").chars().take_while(|c| *c != '(').collect(),
            },
            Err(error) => format!("{}: {error}", error.exit_code()),
        };
        let cannot = |verb| format!("2: {verb} cannot be a line of a batch (attach, detach, gc, wait can)");
        for (line, expected) in [
            ("# nothing", "nothing".to_owned()),
            ("br0 web 10.0.0.2/24", "attach web true true".to_owned()),
            ("rpipe br0 web 10.0.0.2/24", "attach web true true".to_owned()),
            ("rpipe attach rpipe web 10.0.0.2/24 # x", "attach web true true".to_owned()),
            ("detach 'web' -i eth2", "detach web true true".to_owned()),
            ("gc", "Gc".to_owned()),
            ("wait web", "Wait".to_owned()),
            ("--wait", "Wait".to_owned()),
            ("rpipe", "2: nothing asked for".to_owned()),
            ("exec web -- id", cannot("exec")),
            ("route web show", cannot("route")),
            ("run br0 10.0.0.2/24 -- id", cannot("run")),
            ("list", cannot("list")),
            ("batch x", cannot("batch")),
            ("completions bash", cannot("completions")),
            ("--help", cannot("a question for help")),
            ("help attach", cannot("a question for help")),
            ("-V", cannot("a question for help")),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
        for flag in ["--json", "--dry-run", "-v"] {
            let said = read(&format!("br0 web 10.0.0.2/24 {flag}"));
            assert_eq!(
                said,
                format!("2: {flag} is for the whole batch, not for a line of it (rpipe batch {flag} …)")
            );
        }
        assert!(read("br0 web 10.0.0.2").starts_with("2: address "), "{}", read("br0 web 10.0.0.2"));
        assert!(read("br0 web").starts_with("2: missing "), "{}", read("br0 web"));
    }

    #[test]
    fn no_line_panics() {
        let mut reader = BatchReader::new(false, false);
        for line in ["'", "\\", "--", "-", "''", "rpipe ''", "tc", "\u{1b}[2J web 10.0.0.2/24", "- - - -"] {
            let _ = reader.line(line.as_bytes());
        }
    }
}
