//! What was done, for people and for programs.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::colour::{Ink, Tone, When};
use crate::doctor::{self, Finding};
use crate::error::Error;
use crate::listing::{Listed, table};
use crate::plan::{Script, Step};
use crate::voice::Voice;

/// One attachment, in the keys of the JSON report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The target's name.
    pub target: String,
    /// Who holds it: `docker`, `pid`, `netns` …
    pub runtime: &'static str,
    /// The engine's id, null when there is none.
    pub id: Option<String>,
    /// The container whose network this one shares, and which is therefore wired too; null when there is none.
    pub shares: Option<String>,
    /// The process whose namespace it is, null for a namespace by name.
    pub pid: Option<i32>,
    /// The interface in the target.
    pub ifname: String,
    /// The host's end, null when the link has none.
    pub host_ifname: Option<String>,
    /// The uplink.
    pub uplink: String,
    /// The kind of link: `veth`, `macvlan`.
    pub kind: String,
    /// The addresses with their prefixes.
    pub addresses: Vec<String>,
    /// The default gateways.
    pub gateways: Vec<String>,
    /// The default routes that these have replaced, as `ip route` tells of them; null when there were none.
    pub replaced_default: Option<Vec<String>>,
    /// The first of the routing tables that the routes are in, null for the main one.
    pub table: Option<u32>,
    /// The MAC address, null when it is not known yet (`--dry-run`).
    pub mac: Option<String>,
    /// The largest packet in bytes.
    pub mtu: Option<u32>,
    /// The VLAN number.
    pub vlan: Option<u16>,
    /// Whether anything was changed.
    pub changed: bool,
}

/// One attachment that was taken back, in the keys of the JSON report.
#[derive(Debug, Serialize)]
pub struct Detached {
    /// The target's name.
    pub target: String,
    /// Who holds it.
    pub runtime: &'static str,
    /// The interface in the target.
    pub ifname: String,
    /// What it was wired to, null when nobody knows.
    pub uplink: Option<String>,
    /// The kind of link.
    pub kind: String,
    /// Whether anything was changed.
    pub changed: bool,
}

/// Something that `gc` has put in order, in the keys of the JSON report.
#[derive(Debug, Serialize)]
pub struct Collected {
    /// What it is: `bridge`, `vlan`, `ovs_port`, `ovs_bridge`, `namespace_link`; `nic` for an interface that came home.
    pub what: &'static str,
    /// Its name; for an interface the one that it has again.
    pub name: String,
    /// The name that an interface came home with, null for what was removed.
    pub from: Option<String>,
}

/// A step in the JSON of `--dry-run`.
#[derive(Debug, Serialize)]
struct StepReport {
    step: &'static str,
    description: String,
    command: String,
}

/// Tells of a trouble on standard error, in the form of all messages. When nobody can hear it, there is nobody to tell
/// that either.
pub fn tell(trouble: &impl std::fmt::Display) {
    tell_as("rpipe", trouble, When::Never);
}

/// The same under the name that the program was called by, which stands out where there are colours.
pub fn tell_as(program: &str, trouble: &impl std::fmt::Display, colour: When) {
    let ink = Ink::of(colour, &io::stderr());
    let _ = writeln!(io::stderr(), "{}: {trouble}", ink.paint(Tone::Bad, program));
}

/// Prints to standard output, which belongs to what was asked for.
///
/// # Errors
/// When standard output cannot be written.
pub fn show(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

/// Tells what was done: JSON on standard output when it was asked for, else one line on a terminal,
/// else nothing.
///
/// # Errors
/// When standard output cannot be written.
pub fn attached(report: &Report, json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if json {
        return print_json(report, "attached", voice);
    }
    if voice.is_heard() {
        let Report { target, ifname, uplink, kind, .. } = report;
        let unchanged = if report.changed { "" } else { " unchanged" };
        let mut line = format!("{target:?}: {ifname} on {uplink} ({kind}){unchanged}");
        for address in &report.addresses {
            let _ = write!(line, " {address}");
        }
        for gateway in &report.gateways {
            let _ = write!(line, " via {gateway}");
        }
        for (i, old) in report.replaced_default.iter().flatten().enumerate() {
            let old = old.strip_prefix("via ").unwrap_or(old);
            let _ = write!(line, "{} {old}", if i == 0 { " instead of" } else { "," });
        }
        if let Some(table) = report.table {
            let _ = write!(line, " table {table}");
        }
        voice.say(&line);
    }
    Ok(())
}

/// Tells what was taken back: JSON on standard output when it was asked for, else a line each on a terminal.
///
/// # Errors
/// When standard output cannot be written.
pub fn detached(done: &[Detached], json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if json {
        return print_json(&done, "detached", voice);
    }
    if voice.is_heard() {
        if done.is_empty() {
            voice.say(&"nothing is attached");
        }
        for Detached { target, ifname, kind, .. } in done {
            voice.say(&format_args!("{target:?}: {ifname} ({kind}) detached"));
        }
    }
    Ok(())
}

/// Prints what is attached: a table, or JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn listed(rows: &[Listed], json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if json {
        return print_json(&rows, "listed", voice);
    }
    if rows.is_empty() {
        voice.say(&"nothing is attached");
    }
    show(&table(rows, Ink::of(voice.colour, &io::stdout())))
}

/// Tells what `gc` has done: JSON on standard output when it was asked for, else a line each on standard error.
///
/// # Errors
/// When standard output cannot be written.
pub fn collected(done: &[Collected], json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if json {
        return print_json(&done, "collected", voice);
    }
    if !voice.quiet {
        let tell = |what: &String| voice.tell(what);
        for Collected { what, name, from } in done {
            match (*what, from) {
                (_, Some(from)) if from != name => tell(&format!("{from} came home and is {name} again")),
                (_, Some(_)) => tell(&format!("{name} came home and is as it was")),
                ("namespace_link", _) => tell(&format!("removed /var/run/netns/{name}: its process is gone")),
                ("vlan", _) => tell(&format!("removed 802.1Q interface {name}: nobody uses it")),
                ("ovs_port", _) => {
                    tell(&format!("removed port {name} of Open vSwitch: its container is gone"));
                }
                ("ovs_bridge", _) => tell(&format!("removed Open vSwitch bridge {name}: it was empty")),
                _ => tell(&format!("removed {what} {name}: it was empty")),
            }
        }
        if done.is_empty() && voice.is_heard() {
            voice.say(&"nothing is left over");
        }
    }
    Ok(())
}

/// Prints what `doctor` has found: two lines each, or JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn found(findings: &[Finding], json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if json {
        return print_json(&findings, "found", voice);
    }
    if findings.is_empty() {
        voice.say(&"nothing wrong was found");
    }
    show(&doctor::text(findings, Ink::of(voice.colour, &io::stdout())))
}

/// Prints a plan: as a script, or its steps as JSON.
///
/// # Errors
/// When standard output cannot be written.
pub fn planned(steps: &[Step], script: &Script<'_>, json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if !json {
        return match voice.line {
            None => show(&script.to_string()),
            Some(line) => {
                let commands = steps.iter().map(|step| script.command(step) + "\n");
                show(&(format!("# line {}\n", line.number) + &commands.collect::<String>()))
            }
        };
    }
    let steps: Vec<_> = steps
        .iter()
        .map(|step| StepReport {
            step: step.word(),
            description: step.to_string(),
            command: script.command(step),
        })
        .collect();
    print_json(&steps, "steps", voice)
}

/// Tells that what was waited for is there: JSON when it was asked for, else only line by line of a batch.
///
/// # Errors
/// When standard output cannot be written.
pub fn waited(ifname: &str, json: bool, voice: Voice<'_>) -> Result<(), Error> {
    if json {
        return print_json(&[ifname], "waited", voice);
    }
    if voice.line.is_some() {
        voice.say(&format_args!("{ifname} is there"));
    }
    Ok(())
}

/// Tells in JSON why a line of a batch failed.
///
/// # Errors
/// When standard output cannot be written.
pub fn failed(error: &Error, voice: Voice<'_>) -> Result<(), Error> {
    print_json(&error.to_string(), "error", voice)
}

/// One line of JSON. In a batch it is one object, with the number of its line; a list is under a name in there.
fn print_json(value: &impl Serialize, name: &str, voice: Voice<'_>) -> Result<(), Error> {
    let json = serde_json::to_string(value).map_err(|error| Error::Output(error.into()))?;
    print_text(json, name, voice)
}

fn print_text(mut json: String, name: &str, voice: Voice<'_>) -> Result<(), Error> {
    if let Some(line) = voice.line {
        line.clear();
        json = match json.strip_prefix('{') {
            Some(rest) => format!("{{\"line\":{},{rest}", line.number),
            None => format!("{{\"line\":{},\"{name}\":{json}}}", line.number),
        };
    }
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // JSON lets these stand as they are, and a terminal obeys them.
        if c.is_control() {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text.push('\n');
    show(&text)
}
