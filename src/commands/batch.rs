//! `rpipe batch FILE|-`: many lines in one process. All are read before the first is done; each is done wholly or not at
//! all.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};

use log::log_enabled;

use crate::cli::{BatchReader, BatchWords, MOST_BYTES, Verb};
use crate::error::{Error, Exit};
use crate::kernel::KernelError;
use crate::progress::Progress;
use crate::report;
use crate::session::Session;
use crate::voice::{Line, Voice};

use super::attach::own_namespace;
use super::together::{Answer, Together};
use super::{attach, detach, gc, ports, wait};

/// Nobody types or generates more; what never ends is no batch.
const MOST_LINES: usize = 1_000_000;
/// Bytes of a line with its end, and one that is too much.
const LONGEST: u64 = MOST_BYTES as u64 + 2;

/// A line that asks for something.
#[derive(Debug)]
pub struct Item {
    /// Its number in the file, from 1.
    pub number: usize,
    /// What it asks for.
    pub verb: Verb,
    /// Whether it has a `-q` of its own.
    quiet: bool,
}

/// Does all lines; the exit code tells whether all worked.
pub fn batch(words: &BatchWords, voice: Voice<'_>) -> Result<u8, Error> {
    let file = match &words.file {
        Some(path) => path.to_string_lossy().escape_debug().to_string(),
        None => "stdin".to_owned(),
    };
    let items = read(words, &file)?;
    if words.dry_run && !words.json {
        report::show("#!/bin/sh\nset -e\n")?;
    }
    let home = own_namespace()?;
    if !words.keep_going && !words.dry_run {
        ports::check(&items, &file, &home)?;
    }
    let mut session = Session::many(&home);
    session.hold()?;
    let silent = voice.quiet || words.dry_run || log_enabled!(log::Level::Info);
    // Not between the lines of a report that goes to the same terminal.
    let bar = !silent && Progress::has_a_terminal() && !(words.json && io::stdout().is_terminal());
    let mut run = Run {
        words,
        file: &file,
        whole: voice,
        items: &items,
        session,
        together: Together::new(),
        progress: Progress::new(items.len(), bar),
        bar,
    };
    let outcome = run.all();
    run.progress.finish();
    outcome?;
    Ok(if run.progress.has_failed() { Exit::Failed } else { Exit::Done } as u8)
}

/// Every line, its words checked.
fn read(words: &BatchWords, file: &str) -> Result<Vec<Item>, Error> {
    let failed =
        |error: io::Error| Error::Input { file: file.to_owned(), why: KernelError::from(error).to_string() };
    let mut input: Box<dyn BufRead> = match &words.file {
        Some(path) => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
        None => Box::new(io::stdin().lock()),
    };
    let mut reader = BatchReader::new(words.dry_run, words.json);
    let (mut items, mut line) = (Vec::new(), Vec::new());
    for number in 1.. {
        line.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let at = |error| Error::Line { place: format!("{file}:{number}"), error: Box::new(error) };
        if number > MOST_LINES {
            return Err(at(Error::Usage(format!("a batch has at most {MOST_LINES} lines"))));
        }
        if let Some(asked) = reader.line(&line).map_err(at)? {
            items.push(Item { number, verb: asked.verb, quiet: asked.quiet });
        }
    }
    Ok(items)
}

/// A batch that is being done.
struct Run<'a> {
    words: &'a BatchWords,
    file: &'a str,
    /// How the whole is told of.
    whole: Voice<'a>,
    items: &'a [Item],
    session: Session<'a>,
    together: Together,
    progress: Progress,
    bar: bool,
}

impl<'a> Run<'a> {
    /// One line after the other. Those of detach wait for the next that is none.
    fn all(&mut self) -> Result<(), Error> {
        for (index, item) in self.items.iter().enumerate() {
            if let Some(signal) = self.session.interrupted() {
                let first = self.together.first().and_then(|first| self.items.get(first));
                return Err(self.at(first.unwrap_or(item), Error::Interrupted(signal)));
            }
            self.progress.show(|| label(&item.verb), may_last(&item.verb));
            if !self.wait_together(index, item)? {
                self.flush()?;
                let outcome = self.alone(item);
                self.settle(item, outcome)?;
            }
        }
        self.flush()
    }

    /// Puts a detach to those that wait. Tells whether it could.
    fn wait_together(&mut self, index: usize, item: &Item) -> Result<bool, Error> {
        let Verb::Detach(words) = &item.verb else { return Ok(false) };
        if words.dry_run {
            return Ok(false);
        }
        let voice = self.voice(item);
        loop {
            match self.together.add(words, index, &mut self.session, voice) {
                Ok(Answer::Waits) => return Ok(true),
                Ok(Answer::Alone) => return Ok(false),
                Ok(Answer::NotNow) => self.flush()?,
                Err(error) => {
                    // Those before it stay done, and are told of first.
                    self.flush()?;
                    self.settle(item, Err(error))?;
                    return Ok(true);
                }
            }
        }
    }

    fn alone(&mut self, item: &Item) -> Result<(), Error> {
        let voice = self.voice(item);
        match &item.verb {
            Verb::Attach(words) => attach::attach(words, &mut self.session, voice),
            Verb::Detach(words) => detach::detach(words, &mut self.session, voice),
            Verb::Gc(words) => gc::gc(words, voice),
            Verb::Wait(_) if self.words.dry_run => Ok(()),
            Verb::Wait(words) => {
                wait::wait(words, Some(&self.session))?;
                report::waited(words.ifname.as_str(), self.words.json, voice)
            }
            // The reader lets no other through.
            _ => Ok(()),
        }
    }

    /// Takes apart what waits for it.
    fn flush(&mut self) -> Result<(), Error> {
        let mut last_error = None;
        for (index, outcome) in self.together.flush(&mut self.session) {
            let Some(item) = self.items.get(index) else { continue };
            let outcome = outcome.and_then(|done| report::detached(&done, self.words.json, self.voice(item)));
            if let Err(error) = self.settle(item, outcome) {
                // They were done together, so each is told of that did not work.
                if let Some(earlier) = last_error.replace(error) {
                    self.tell(&earlier);
                }
            }
        }
        last_error.map_or(Ok(()), Err)
    }

    /// What became of a line. An error comes back when the batch ends here.
    fn settle(&mut self, item: &Item, outcome: Result<(), Error>) -> Result<(), Error> {
        self.progress.step(outcome.is_ok());
        let Err(error) = outcome else { return Ok(()) };
        // Nobody reads on, or somebody wants an end.
        let ends = matches!(error, Error::Output(_)) || error.signal().is_some();
        if self.words.json && !ends {
            report::failed(&error, self.voice(item))?;
        }
        let error = self.at(item, error);
        if ends || !self.words.keep_going {
            return Err(error);
        }
        self.tell(&error);
        Ok(())
    }

    fn tell(&mut self, error: &Error) {
        self.progress.clear();
        report::tell(error);
    }

    fn at(&self, item: &Item, error: Error) -> Error {
        Error::Line { place: self.line(item).to_string(), error: Box::new(error) }
    }

    fn line(&self, item: &Item) -> Line<'a> {
        Line { file: self.file, number: item.number, bar: self.bar }
    }

    fn voice(&self, item: &Item) -> Voice<'a> {
        Voice { quiet: self.whole.quiet || item.quiet, line: Some(self.line(item)), ..self.whole }
    }
}

/// What is being done, in a few words.
fn label(verb: &Verb) -> String {
    let eth1 = |ifname: &Option<_>| ifname.as_ref().map_or_else(|| "eth1".to_owned(), ToString::to_string);
    match verb {
        Verb::Attach(words) => format!("{} {}", words.target, eth1(&words.attach.ifname)),
        Verb::Detach(words) => format!("detach {}", words.target),
        Verb::Wait(words) => format!("wait for {}", words.ifname),
        _ => "gc".to_owned(),
    }
}

fn may_last(verb: &Verb) -> bool {
    match verb {
        Verb::Attach(words) => words.attach.addresses.dhcp().is_some(),
        Verb::Wait(_) => true,
        _ => false,
    }
}
