//! Man pages are made of the one description of the words, and committed: this compares.
//!
//! `RPIPE_REGENERATE=1 cargo test --test generated` writes them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use clap::{Command, CommandFactory};
use clap_mangen::Man;

/// The date in the foot of the pages: when their words last changed.
const DATE: &str = "2026-11-21";
/// What a page refers to besides its sisters.
const SEE_ALSO: [(&str, u8); 5] =
    [("ip-link", 8), ("ip-netns", 8), ("bridge", 8), ("network_namespaces", 7), ("netlink", 7)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages with their content: rpipe.1 and one for each verb.
fn pages() -> Vec<(PathBuf, String)> {
    let mut cli = rpipe::cli::Cli::command().disable_help_subcommand(true);
    cli.build();
    let commands: Vec<_> = std::iter::once(&cli).chain(cli.get_subcommands()).collect();
    let names: Vec<_> = commands.iter().map(|command| name(command)).collect();
    let page = |command: &&Command| {
        let file = format!("{}.1", name(command));
        (root().join("man").join(file), page(command, &names))
    };
    commands.iter().map(page).collect()
}

fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

/// One page: what clap knows, the examples and the exit status from the help, and what no help has room for.
fn page(command: &Command, names: &[String]) -> String {
    let name = name(command);
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .date(DATE)
        .source(format!("rpipe {}", env!("CARGO_PKG_VERSION")))
        .manual("rpipe manual");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    page.extend(synopsis(command).as_bytes());
    man.render_description_section(&mut page).unwrap();
    page.extend(written(&name).0.as_bytes());
    man.render_options_section(&mut page).unwrap();
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).unwrap();
    }
    // A definition that roff's own output needs once at most; there is an escape for the same.
    let prelude = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";
    let mut page = String::from_utf8(page).unwrap().replace(prelude, "").replace("\\*(Aq", "\\(aq");
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for (heading, text) in sections(&help) {
        match heading {
            "Examples" => write!(page, ".SH EXAMPLES\n.EX\n{}\n.EE\n", escaped(&text)).unwrap(),
            "Exit status" => {
                let (first, rest) = text.split_at(1);
                let text = first.to_uppercase() + rest;
                write!(page, ".SH \"EXIT STATUS\"\n{}\n", escaped(&text)).unwrap();
            }
            "A file" => write!(page, ".SH \"A FILE\"\n.EX\n{}\n.EE\n", escaped(&text)).unwrap(),
            _ => panic!("no section of a man page is made of {heading:?}"),
        }
    }
    for part in written(&name).1 {
        page.push_str(part);
    }
    let sisters = names.iter().filter(|sister| **sister != name).map(|sister| (sister.as_str(), 1));
    let others = SEE_ALSO.into_iter().filter(|_| name != "rpipe-completions");
    let all: Vec<_> =
        sisters.chain(others).map(|(page, section)| format!(".BR {} ({section}),", escaped(page))).collect();
    write!(page, ".SH \"SEE ALSO\"\n{}\n", all.join("\n").trim_end_matches(',')).unwrap();
    folded(&page)
}

/// Lines of text that are at most 80 bytes long, as mandoc likes them; requests and what is shown as it stands stay.
fn folded(page: &str) -> String {
    let mut folded = String::new();
    let mut as_it_stands = false;
    // mandoc reads a letter that is not of ASCII as the escape for it, eight bytes.
    let width = |word: &str| word.chars().map(|c| if c.is_ascii() { 1 } else { 8 }).sum::<usize>();
    for line in page.lines() {
        as_it_stands = line == ".EX" || as_it_stands && line != ".EE";
        let mut length = 0;
        for (i, word) in line.split(' ').enumerate() {
            let breaks = !as_it_stands && !line.starts_with('.') && length + width(word) >= 80;
            match i {
                0 => {}
                // No request and no empty word is at the start of a line.
                _ if breaks && !word.is_empty() && !word.starts_with(['.', '\'']) => {
                    folded.push('\n');
                    length = 0;
                }
                _ => folded.push(' '),
            }
            folded.push_str(word);
            length += width(word) + 1;
        }
        folded.push('\n');
    }
    folded
}

/// What is written by hand for a page: behind its description, and towards its end.
fn written(name: &str) -> (&'static str, Vec<&'static str>) {
    let around = include_str!("../man/written/surroundings.roff");
    let attach = include_str!("../man/written/json_attach.roff");
    match name {
        "rpipe" => (include_str!("../man/written/rpipe.roff"), vec![attach, around]),
        "rpipe-attach" => ("", vec![attach, around]),
        "rpipe-detach" => ("", vec![include_str!("../man/written/json_detach.roff"), around]),
        "rpipe-list" => ("", vec![include_str!("../man/written/json_list.roff"), around]),
        "rpipe-gc" => ("", vec![include_str!("../man/written/json_gc.roff"), around]),
        "rpipe-doctor" => ("", vec![include_str!("../man/written/json_doctor.roff"), around]),
        "rpipe-batch" => ("", vec![include_str!("../man/written/json_batch.roff"), around]),
        "rpipe-run" => ("", vec![include_str!("../man/written/logging.roff")]),
        "rpipe-completions" => ("", Vec::new()),
        _ => ("", vec![around]),
    }
}

/// The usage lines of the help: what is typed as it stands in bold, what stands for something else in italics.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let mut synopsis = String::from(".SH SYNOPSIS\n");
    for (i, line) in usage.trim_start_matches("Usage:").trim().lines().enumerate() {
        let word = |word: &str| match word.trim_matches(['<', '>']) {
            literal if literal.chars().all(|c| c.is_lowercase() || c == '-') => {
                format!("\\fB{}\\fR", escaped(literal))
            }
            "…" => "…".to_owned(),
            stands_for => format!("\\fI{}\\fR", escaped(&stands_for.replace(">...", "\u{a0}…"))),
        };
        let words: Vec<_> = line.split_whitespace().map(word).collect();
        let separator = if i == 0 { "" } else { ".br\n" };
        writeln!(synopsis, "{separator}{}", words.join(" ")).unwrap();
    }
    synopsis
}

/// `Heading: text`, with an empty line between two.
fn sections(help: &str) -> Vec<(&str, String)> {
    let section =
        |text: &'_ str| text.split_once(':').map(|(heading, text)| (heading.len(), text.to_owned()));
    help.split("\n\n")
        .filter(|text| !text.trim().is_empty())
        .map(|text| {
            let (end, words) = section(text).expect("a heading");
            let lines: Vec<_> = words.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
            (&text[..end], lines.join("\n").trim().to_owned())
        })
        .collect()
}

/// Nothing in it is a request or an escape of roff.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('`', "\\(ga").replace('\'', "\\(aq");
    let line = |line: &str| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() };
    escaped.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn committed_files_are_what_the_description_says() {
    let write = std::env::var_os("RPIPE_REGENERATE").is_some();
    let mut stale = Vec::new();
    for (path, content) in pages() {
        if write {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &content).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != content {
            stale.push(path.strip_prefix(root()).unwrap().display().to_string());
        }
    }
    assert!(
        stale.is_empty(),
        "not what src/cli/args.rs says: {} (to write them: RPIPE_REGENERATE=1 cargo test --test generated)",
        stale.join(" ")
    );
}

#[test]
fn nothing_else_lies_beside_them() {
    let known: Vec<_> = pages().into_iter().map(|(path, _)| path).collect();
    for entry in fs::read_dir(root().join("man")).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.is_dir() || known.contains(&path), "{} is left over", path.display());
    }
}

#[test]
fn mandoc_has_no_complaint() {
    for (path, page) in pages() {
        let mut lint = Program::new("mandoc")
            .args(["-T", "lint"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("mandoc is needed");
        lint.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
        let lint = lint.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&lint.stdout);
        assert!(lint.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}
