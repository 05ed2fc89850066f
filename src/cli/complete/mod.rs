//! What can stand where the cursor of a shell is.
//!
//! PURE. [`position`] reads the words in front of the cursor by the one description of the flags, so a verb or a flag that is
//! new there is completed too: the names of its values say what they mean. [`bash`] knows how words are written on a
//! command line, [`address`] what an address could be.

pub mod address;
pub mod bash;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::args::Cli;
use super::{Style, classic};

/// What a word means of which only the machine knows what it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A host interface.
    Uplink,
    /// A container.
    Target,
    /// Addresses.
    Address,
    /// A MAC address and a VLAN.
    LinkAddress,
    /// The name of an interface that is in the container.
    IfName,
    /// A file.
    File,
    /// A command, and the words behind it are that command's.
    Command,
}

/// A word that fits, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// A few words about it, for shells that show them.
    pub about: String,
}

impl Candidate {
    /// A word and what it is.
    pub fn new(word: impl Into<String>, about: impl Into<String>) -> Self {
        Self { word: word.into(), about: about.into() }
    }
}

/// What can stand where the cursor is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The verb, where it is certain.
    pub verb: String,
    /// What of the word is there already and stays: `--ifname=`.
    pub before: String,
    /// What of the word, or of the value in it, is there already.
    pub begun: String,
    /// Words that fit on every machine: verbs, flags, values.
    pub words: Vec<Candidate>,
    /// What else it can be.
    pub kinds: Vec<Kind>,
    /// The uplink that was given in front of it.
    pub uplink: Option<String>,
    /// The target that was given in front of it.
    pub target: Option<String>,
}

/// Reads the words up to the cursor: the program's name first, last the one that was begun.
#[must_use]
pub fn position(words: &[String]) -> Position {
    let Some((begun, before)) = words.split_last().filter(|(_, before)| !before.is_empty()) else {
        return Position::default();
    };
    let mut root = Cli::command();
    root.build();
    let args: Vec<_> = before.iter().map(OsString::from).collect();
    let style = Style::of(&args);
    let mut position = Position { begun: begun.clone(), ..Position::default() };
    let Some(place) = classic::place(&args) else {
        position.first(&root, style);
        return position;
    };
    let word = before.get(place).map_or("", String::as_str);
    let (verb, rest) = match word {
        "--wait" => ("wait", place + 1),
        "-h" | "--help" | "-V" | "--version" => return position,
        _ if style.verbs().contains(&word) => (word, place + 1),
        _ => ("attach", place),
    };
    verb.clone_into(&mut position.verb);
    if verb == "help" {
        position.words = verbs(&root, style);
    } else if let Some(command) = root.find_subcommand(verb) {
        position.within(command, before.get(rest..).unwrap_or_default());
    }
    position
}

/// What a command line says of a verb's words, in front of the cursor.
struct Said<'a> {
    given: Vec<&'a Arg>,
    /// The flag whose value the next word is.
    pending: Option<&'a Arg>,
    /// Whether `--` stood there.
    behind: bool,
    /// Whether the rest is another program's.
    passed_on: bool,
}

impl Position {
    /// The first word: a verb, or with `attach` left out its uplink or its flags.
    fn first(&mut self, root: &Command, style: Style) {
        let attach = root.find_subcommand("attach");
        if self.begun.starts_with('-') {
            self.words = flags(root, &[], &self.begun);
            let more = attach.map(|attach| flags(attach, &[], &self.begun)).unwrap_or_default();
            let is_new = |flag: &Candidate| self.words.iter().all(|known| known.word != flag.word);
            let more: Vec<_> = more.into_iter().filter(is_new).collect();
            self.words.extend(more);
            if style == Style::Pipework {
                self.words.push(Candidate::new("--wait", "Wait until an interface is there"));
            }
        } else {
            self.words = verbs(root, style);
            let uplink = attach.and_then(|attach| attach.get_positionals().next());
            if let Some(uplink) = uplink {
                self.value(uplink);
            }
        }
    }

    /// A word of a verb.
    fn within(&mut self, command: &Command, before: &[String]) {
        let said = self.read(command, before);
        let last = command.get_positionals().find(|arg| arg.is_last_set());
        if said.passed_on {
            return;
        }
        if said.behind {
            if let Some(last) = last {
                self.value(last);
            }
            return;
        }
        if let Some(arg) = said.pending {
            return self.value(arg);
        }
        if let Some((name, value)) = self.begun.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
            if let Some(arg) = long(command, name) {
                (self.before, self.begun) = (format!("--{name}="), value.to_owned());
                self.value(arg);
            }
            return;
        }
        if self.begun.starts_with('-') {
            self.words = flags(command, &said.given, &self.begun);
        } else {
            let is_next = |arg: &&Arg| !said.given.contains(arg) && !arg.is_last_set();
            let next = command.get_positionals().find(is_next);
            if let Some(next) = next {
                self.value(next);
            }
            if next.is_none() && last.is_none() {
                self.words = flags(command, &said.given, "-");
            }
            if next.is_some_and(Arg::is_required_set) {
                return;
            }
        }
        if let Some(last) = last {
            self.words.push(Candidate::new("--", help(last)));
        }
    }

    /// Reads the words of a verb in front of the cursor.
    fn read<'a>(&mut self, command: &'a Command, before: &[String]) -> Said<'a> {
        let mut said = Said { given: Vec::new(), pending: None, behind: false, passed_on: false };
        let mut positionals = command.get_positionals();
        for word in before {
            if said.behind || said.passed_on {
                continue;
            }
            let known = if let Some(arg) = said.pending.take() {
                Some(arg)
            } else if word == "--" {
                said.behind = true;
                None
            } else if let Some(flag) = word.strip_prefix("--") {
                let name = flag.split_once('=').map_or(flag, |(name, _)| name);
                let arg = long(command, name);
                said.pending = arg.filter(|arg| takes_value(arg) && !flag.contains('='));
                arg
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                let arg = |letter| command.get_arguments().find(|arg| arg.get_short() == Some(letter));
                let known = |(at, letter): (usize, char)| Some((at + letter.len_utf8(), arg(letter)?));
                let flags: Vec<_> = letters.char_indices().filter_map(known).collect();
                let valued = flags.iter().find(|(_, arg)| takes_value(arg));
                said.pending = valued.filter(|(end, _)| *end == letters.len()).map(|(_, arg)| *arg);
                said.given.extend(flags.iter().map(|(_, arg)| *arg));
                None
            } else {
                let arg = positionals.next();
                said.passed_on = arg.is_some_and(Arg::is_trailing_var_arg_set);
                let kinds = arg.map(|arg| meaning(arg).1).unwrap_or_default();
                if kinds.contains(&Kind::Uplink) {
                    self.uplink = Some(word.clone());
                }
                if kinds.contains(&Kind::Target) {
                    self.target = Some(word.clone());
                }
                // What comes behind the target of `ip route` and its like is not looked at.
                said.passed_on |= classic::PASSED_ON.contains(&command.get_name());
                arg
            };
            said.given.extend(known);
        }
        said
    }

    /// The value of a flag, or a positional word.
    fn value(&mut self, arg: &Arg) {
        let (words, kinds) = meaning(arg);
        self.words.extend(words);
        self.kinds.extend(kinds);
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn long<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(name))
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

fn verbs(root: &Command, style: Style) -> Vec<Candidate> {
    let about = |verb: &Command| verb.get_about().map(ToString::to_string).unwrap_or_default();
    let verbs = root.get_subcommands().filter(|verb| style.verbs().contains(&verb.get_name()));
    verbs.map(|verb| Candidate::new(verb.get_name(), about(verb))).collect()
}

/// The flags that can still be given. The short ones are known to those who use them: they are shown when a dash asks for all.
fn flags(command: &Command, given: &[&Arg], begun: &str) -> Vec<Candidate> {
    let repeats = |arg: &Arg| matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
    let fits =
        |arg: &&Arg| !arg.is_positional() && !arg.is_hide_set() && (repeats(arg) || !given.contains(arg));
    let args: Vec<_> = command.get_arguments().filter(fits).collect();
    let long =
        args.iter().filter_map(|arg| Some(Candidate::new(format!("--{}", arg.get_long()?), help(arg))));
    let short =
        args.iter().filter_map(|arg| Some(Candidate::new(format!("-{}", arg.get_short()?), help(arg))));
    long.chain(short.filter(|_| !begun.starts_with("--"))).collect()
}

/// What the value of a flag can be, told by the values that it lists, or by its name: `UPLINK`, `FILE|-`, `4|6`.
fn meaning(arg: &Arg) -> (Vec<Candidate>, Vec<Kind>) {
    let possible = arg.get_possible_values();
    let about =
        |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    let mut words: Vec<_> =
        possible.iter().map(|value| Candidate::new(value.get_name(), about(value))).collect();
    let mut kinds = Vec::new();
    let names = arg.get_value_names().unwrap_or_default();
    for name in names.iter().flat_map(|name| name.split('|')).filter(|_| possible.is_empty()) {
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            words.push(Candidate::new(name, ""));
        }
        for name in name.split(|c: char| !c.is_ascii_uppercase() && c != '_') {
            kinds.extend(match name {
                "UPLINK" => Some(Kind::Uplink),
                "TARGET" => Some(Kind::Target),
                "ADDRESS" => Some(Kind::Address),
                "VLAN" => Some(Kind::LinkAddress),
                "IFNAME" => Some(Kind::IfName),
                "FILE" => Some(Kind::File),
                "COMMAND" => Some(Kind::Command),
                _ => None,
            });
        }
    }
    kinds.dedup();
    (words, kinds)
}

#[cfg(test)]
mod tests;
