//! Open vSwitch, through `ovs-vsctl`: the one room that runs it.
//!
//! IO. Its database has a protocol of its own, for which this program is the documented way in. It gets its words as they
//! are, never through a shell, has a limit of time, and is only run where the uplink can be a bridge of Open vSwitch.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use log::{debug, info};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::Value;

use crate::kernel::{self, KernelError, Link, Watch};
use crate::machine::Machine;
use crate::plan::{OvsChange, ovs_quote};
use crate::spec::{IfName, Mac};

/// How long one run may take. The switch answers within milliseconds, or is not there.
pub const LIMIT: Duration = Duration::from_secs(10);

/// The program.
#[derive(Debug)]
pub struct Ovs {
    program: PathBuf,
    /// Whether the switch has not answered once: then only the database is changed, for waiting again would be in vain.
    silent: bool,
}

/// What Open vSwitch has under two names.
#[derive(Debug)]
pub struct Known {
    /// The uplink.
    pub uplink: KnownUplink,
    /// What it says of the uplink's interface when that cannot be had.
    pub error: Option<String>,
    /// Whether there is a port of the other name and, if so, whether it was made for a container.
    pub port: Option<bool>,
}

/// What the uplink is to Open vSwitch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownUplink {
    /// A bridge, or a "fake" one, which is a VLAN of a bridge.
    Bridge,
    /// A port of a bridge.
    Port,
    /// It does not know it.
    Nothing,
}

/// What the database has of ours, and the ports that it has.
#[derive(Debug, Default)]
pub struct Records {
    /// The names of all ports.
    pub ports: HashSet<String>,
    /// The interfaces whose record says that they were made for a container.
    pub of_containers: Vec<String>,
    /// The bridges that rpipe made: the name, the MAC address that it set, and the names of the ports.
    pub bridges: Vec<(String, Option<Mac>, Vec<String>)>,
}

/// A change that failed, and whether something may have been changed all the same.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: KernelError,
    /// Whether there may be something to take back.
    pub changed: bool,
}

impl From<KernelError> for Failed {
    fn from(error: KernelError) -> Self {
        Self { error, changed: false }
    }
}

impl Ovs {
    /// Looks for the program in `PATH`.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn find() -> Result<Self, KernelError> {
        match which::which("ovs-vsctl") {
            Ok(program) => Ok(Self { program, silent: false }),
            Err(_) => Err(KernelError::said(
                "there is no program ovs-vsctl in PATH (install Open vSwitch, package openvswitch-switch)",
            )),
        }
    }

    /// Asks for an uplink and for the name that a port is to get; both in one run.
    ///
    /// # Errors
    /// When it cannot be asked: `ovsdb-server` does not run.
    pub fn look(&self, uplink: &IfName, port: &IfName) -> Result<Known, KernelError> {
        let uplink = format!("name={}", ovs_quote(uplink.as_str()));
        let port = format!("name={}", ovs_quote(port.as_str()));
        let tables = self.ask(&[
            &["--columns=name", "find", "Bridge", &uplink],
            &["--columns=fake_bridge", "find", "Port", &uplink],
            &["--columns=error", "find", "Interface", &uplink],
            &["--columns=external_ids", "find", "Interface", &port],
            &["--columns=external_ids", "find", "Port", &port],
        ])?;
        let first = |table: usize| tables.get(table).and_then(|rows| rows.first());
        let is_fake = first(1).is_some_and(|row| row.first() == Some(&Value::Bool(true)));
        let is_port = first(1).or(first(2)).is_some();
        let record = first(3).or(first(4)).and_then(|row| row.first());
        Ok(Known {
            uplink: match first(0) {
                Some(_) => KnownUplink::Bridge,
                None if is_fake => KnownUplink::Bridge,
                None if is_port => KnownUplink::Port,
                None => KnownUplink::Nothing,
            },
            error: first(2).and_then(|row| row.first()).and_then(Value::as_str).map(one_line),
            port: record.map(is_of_container),
        })
    }

    /// Asks for everything that is of rpipe's making.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn records(&self) -> Result<Records, KernelError> {
        let mut tables = self
            .ask(&[
                &["--columns=_uuid,name", "list", "Port"],
                &["--columns=name,external_ids", "list", "Interface"],
                &["--columns=name,external_ids,other_config,ports", "list", "Bridge"],
            ])?
            .into_iter();
        let mut rows = || tables.next().unwrap_or_default();
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let uuid = |value: &Value| text(value.get(1));
        let ports: HashMap<_, _> =
            rows().iter().filter_map(|row| Some((uuid(row.first()?)?, text(row.get(1))?))).collect();
        let of_containers = rows()
            .iter()
            .filter(|row| row.get(1).is_some_and(is_of_container))
            .filter_map(|row| text(row.first()))
            .collect();
        let ours = |row: &&Vec<Value>| {
            row.get(1).is_some_and(|ids| pairs(ids).any(|(key, _)| key == "rpipe.created"))
        };
        let bridge = |row: &Vec<Value>| {
            let mac = pairs(row.get(2)?)
                .find(|(key, _)| *key == "hwaddr")
                .and_then(|(_, mac)| mac.as_str()?.parse().ok());
            let ids = members(row.get(3)?);
            let named = ids.filter_map(|id| ports.get(&uuid(id)?).cloned()).collect();
            Some((text(row.first())?, mac, named))
        };
        let bridges = rows().iter().filter(ours).filter_map(bridge).collect();
        Ok(Records { of_containers, bridges, ports: ports.into_values().collect() })
    }

    /// Queries in one run: the rows of each.
    fn ask(&self, queries: &[&[&str]]) -> Result<Vec<Vec<Vec<Value>>>, KernelError> {
        let mut words = vec!["--format=json"];
        for query in queries {
            words.push("--");
            words.extend(*query);
        }
        let (out, _) = self.run(&words).map_err(|failed| failed.error)?;
        // A line for each.
        let table = |line: &str| -> Option<Vec<Vec<Value>>> {
            let mut table: Value = serde_json::from_str(line).ok()?;
            serde_json::from_value(table.get_mut("data")?.take()).ok()
        };
        let tables: Option<Vec<_>> = out.lines().map(table).collect();
        match tables {
            Some(tables) if tables.len() == queries.len() => Ok(tables),
            _ => Err(KernelError::said("ovs-vsctl does not answer in the form that it documents")),
        }
    }

    /// Makes one change.
    fn change(&mut self, change: &OvsChange) -> Result<(), Failed> {
        let words = change.words();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let result = self.run(&words);
        if let Err(Failed { error: KernelError { errno: Errno::ETIMEDOUT, .. }, .. }) = &result {
            self.silent = true;
        }
        let (_, complaint) = result?;
        let made = match change {
            OvsChange::AddBridge { name, .. } | OvsChange::AddPort { port: name, .. } => name,
            OvsChange::DeletePort { .. } | OvsChange::DeleteBridge { .. } => return Ok(()),
        };
        if complaint.is_empty() {
            return Ok(());
        }
        // It ends with success when the record was written, whatever the switch can make of it.
        self.has_failed(made, &complaint).map_err(|error| Failed { error, changed: true })
    }

    /// Whether the switch really took the interface: then it has given it a number.
    fn has_failed(&self, name: &IfName, complaint: &str) -> Result<(), KernelError> {
        let name = format!("name={}", ovs_quote(name.as_str()));
        let tables = self.ask(&[&["--columns=ofport,error", "find", "Interface", &name]])?;
        let row = tables.first().and_then(|rows| rows.first());
        if row.and_then(|row| row.first()).and_then(Value::as_i64).is_some_and(|number| number > 0) {
            debug!("ovs-vsctl: {complaint}");
            return Ok(());
        }
        let error = row.and_then(|row| row.get(1)).and_then(Value::as_str);
        Err(KernelError::said(&one_line(error.unwrap_or(complaint))))
    }

    /// Runs the program: what it printed, and what it complained of.
    fn run(&self, words: &[&str]) -> Result<(String, String), Failed> {
        let mut command = Command::new(&self.program);
        command.arg(format!("--timeout={}", LIMIT.as_secs()));
        if self.silent {
            command.arg("--no-wait");
        }
        debug!("ovs-vsctl {}", words.join(" "));
        // Into memory, not into pipes: those want to be read at once, and the standard library panics when it cannot.
        let (out, said) = (Paper::new()?, Paper::new()?);
        command.args(words).stdin(Stdio::null()).stdout(out.writer()?).stderr(said.writer()?);
        // Signals that are held back are so for the program too: Ctrl-C does not end it halfway.
        let mut child = command.spawn().map_err(KernelError::from)?;
        let unknown = |error: io::Error| Failed { error: error.into(), changed: true };
        let status = match child.wait() {
            Ok(status) => Some(status),
            // Whoever started rpipe has SIGCHLD ignored: the kernel waits for the end all the same, and forgets how it was.
            Err(error) if error.raw_os_error() == Some(nix::libc::ECHILD) => None,
            Err(error) => return Err(unknown(error)),
        };
        let said = said.read().map_err(unknown)?;
        let complaint = one_line(said.lines().next().unwrap_or_default());
        if status.map_or(complaint.is_empty(), |status| status.success()) {
            return Ok((out.read().map_err(unknown)?, complaint));
        }
        match status.and_then(|status| status.signal()) {
            // The database has been changed by then, and it is the switch that does not follow.
            Some(nix::libc::SIGALRM) => Err(Failed { error: Errno::ETIMEDOUT.into(), changed: true }),
            Some(signal) => {
                let error = KernelError::said(&format!("ovs-vsctl was ended by signal {signal}"));
                Err(Failed { error, changed: true })
            }
            None => Err(Failed { error: KernelError::said(&complaint), changed: status.is_none() }),
        }
    }

    /// The bridge of that name: its address where that was set, and how many ports it has beside its own interface.
    fn bridge(&self, name: &IfName) -> Result<Option<(Option<String>, usize)>, KernelError> {
        let name = format!("name={}", ovs_quote(name.as_str()));
        let tables = self.ask(&[&["--columns=other_config,ports", "find", "Bridge", &name]])?;
        let Some(row) = tables.first().and_then(|rows| rows.first()) else { return Ok(None) };
        let config = row.first().unwrap_or(&Value::Null);
        let mac = pairs(config).find(|(key, _)| *key == "hwaddr").and_then(|(_, value)| value.as_str());
        let ports = row.get(1).map_or(0, |ports| match ports.get(1).and_then(Value::as_array) {
            // A set that does not hold exactly one (RFC 7047, 5.1).
            Some(set) => set.len(),
            None => 1,
        });
        Ok(Some((mac.map(str::to_owned), ports.saturating_sub(1))))
    }
}

/// Whether Open vSwitch was started since the machine was: its sockets are below `/run`, which starts empty. Where it was
/// not, a tap is none of its bridges, whether it can be asked or not.
#[must_use]
pub fn was_started() -> bool {
    std::env::var_os("OVS_RUNDIR").is_some() || Path::new("/var/run/openvswitch").exists()
}

/// A file in memory that a program writes and that is read when it has ended.
struct Paper(File);

impl Paper {
    fn new() -> Result<Self, KernelError> {
        Ok(Self(memfd_create(c"ovs-vsctl", MFdFlags::MFD_CLOEXEC)?.into()))
    }

    fn writer(&self) -> Result<File, KernelError> {
        Ok(self.0.try_clone()?)
    }

    fn read(mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.0.rewind()?;
        self.0.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Does a change, and looks for the program first where nobody has.
///
/// # Errors
/// What Open vSwitch says; `EEXIST` for a bridge that somebody else has made just now, `ETIMEDOUT` when the switch does not
/// answer.
pub fn perform(change: &OvsChange, machine: &mut Machine<'_>) -> Result<(), Failed> {
    let ovs = match &mut machine.ovs {
        Some(ovs) => ovs,
        none => none.insert(Ovs::find()?),
    };
    match change {
        OvsChange::AddBridge { name, .. } => {
            match ovs.change(change) {
                Err(Failed { changed: false, error }) => {
                    let there = ovs.bridge(name)?.is_some();
                    Err(if there { Errno::EEXIST.into() } else { error })?;
                }
                result => result?,
            }
            wait_for_link(machine, name).map(drop).map_err(|error| Failed { error, changed: true })
        }
        OvsChange::DeleteBridge { name, mac } => delete_bridge(ovs, change, name, *mac),
        OvsChange::AddPort { .. } | OvsChange::DeletePort { .. } => ovs.change(change),
    }
}

fn delete_bridge(ovs: &mut Ovs, change: &OvsChange, name: &IfName, mac: Mac) -> Result<(), Failed> {
    match ovs.bridge(name)? {
        None => Ok(()),
        Some((Some(hwaddr), 0)) if hwaddr == mac.to_string() => ovs.change(change),
        Some(_) => {
            info!("bridge {name} stays: somebody else uses it by now");
            Ok(())
        }
    }
}

/// Waits until the bridge's own interface is there.
///
/// # Errors
/// `ETIMEDOUT` when it does not come.
pub fn wait_for_link(machine: &mut Machine<'_>, name: &IfName) -> Result<Link, KernelError> {
    let watch = Watch::open()?;
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(link) = kernel::find_link(&mut machine.host, name.as_str())? {
            return Ok(link);
        }
        if !watch.changed(Some(end), &[])? {
            return Err(Errno::ETIMEDOUT.into());
        }
    }
}

/// The pairs of an OVSDB map: `["map", [[key, value], …]]` (RFC 7047, 5.1).
fn pairs(map: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let pairs = map.get(1).and_then(Value::as_array).into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.get(0)?, pair.get(1)?)))
}

/// The members of an OVSDB set: `["set", [member, …]]`, or the one member itself.
fn members(set: &Value) -> impl Iterator<Item = &Value> {
    let of_set = set.get(1).and_then(Value::as_array);
    let alone = of_set.is_none().then_some(set);
    of_set.into_iter().flatten().chain(alone)
}

/// Whether `external-ids` say that it was made for a container.
fn is_of_container(ids: &Value) -> bool {
    let mut keys = pairs(ids).filter_map(|(key, _)| key.as_str());
    keys.any(|key| key.starts_with("rpipe.") || key.starts_with("pipework."))
}

/// Words of another program as a part of one of our lines.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("ovs-vsctl: ").unwrap_or(text);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim_end().to_owned()
}
