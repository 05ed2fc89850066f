//! Words and flags: what can be typed, its help, and what it means.
//!
//! PURE: from the words to [`Asked`] no system call is made. `args` and `words` hold the one description of the flags, from
//! which help, man pages and completions are made; `classic` puts in the verb that pipework's form leaves out; `plain` reads
//! the plainest lines without that description; [`complete`] tells what can stand where the cursor of a shell is.

mod args;
mod batch;
mod classic;
pub mod complete;
mod order;
mod pipework;
mod plain;
mod shells;
mod usage;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, FromArgMatches};

use crate::colour::When;
use crate::error::Error;
use crate::spec::{Attach, IfName, Probe, Sharing, SpecError, TargetWord, UplinkWord, VlanWord};

pub use args::Cli;
use args::{Global, VerbArgs};
pub use batch::{BatchReader, MOST_BYTES};
pub use pipework::{SYNTAX, Style};
pub use shells::Shell;
pub use words::WaitFor;
use words::{
    AttachArgs, BatchArgs, DetachArgs, DoctorArgs, ExecArgs, GcArgs, LinkArgs, ListArgs, RunArgs, ToolArgs,
    WaitArgs,
};

/// The smallest MTU of a link that carries IPv6 (RFC 8200 section 5); the kernel would turn IPv6 off in silence.
const LEAST_MTU_V6: u32 = 1280;

/// The routing tables that the kernel uses itself.
const KERNELS_TABLES: [(u32, &str); 3] = [(253, "default"), (254, "main"), (255, "local")];

/// What was asked for, every word valid.
#[derive(Debug)]
pub struct Asked {
    /// The verb with its words.
    pub verb: Verb,
    /// How often `-v` was given.
    pub verbosity: u8,
    /// Whether `-q` was given. pipework is always silent.
    pub quiet: bool,
    /// When there are colours.
    pub colour: When,
}

/// A verb with its words.
#[derive(Debug)]
pub enum Verb {
    /// Print this: version, a completion script.
    Show(String),
    /// Print this help.
    Help(String),
    /// Print pipework's grammar, which is what it says when words are missing.
    Syntax,
    /// Attach a running container.
    Attach(AttachWords),
    /// Take attachments of a container back.
    Detach(DetachWords),
    /// List what is attached.
    List(ListWords),
    /// Put what is left over in order.
    Gc(GcWords),
    /// Do many lines.
    Batch(BatchWords),
    /// Run a command in a fresh namespace.
    Run(RunWords),
    /// Wait for an interface.
    Wait(WaitWords),
    /// Find out why it does not work.
    Doctor(DoctorWords),
    /// Run a command in a container's namespace.
    Exec(ExecWords),
}

/// The words of `attach`.
#[derive(Debug)]
pub struct AttachWords {
    /// Whom to attach.
    pub target: TargetWord,
    /// How long engines have to answer; the usual time without it.
    pub timeout: Option<Duration>,
    /// What to, and how.
    pub attach: Attach,
    /// Change what is attached otherwise.
    pub replace: bool,
    /// Print the plan instead.
    pub dry_run: bool,
    /// Print the result, or the plan, as JSON.
    pub json: bool,
}

/// The words of `detach`.
#[derive(Debug)]
pub struct DetachWords {
    /// Whose attachments.
    pub target: TargetWord,
    /// Which one; the only one without it.
    pub ifname: Option<IfName>,
    /// All of them.
    pub all: bool,
    /// How long all engines together may take to answer.
    pub timeout: Option<Duration>,
    /// Print the plan instead, as a batch can be asked to.
    pub dry_run: bool,
    /// Print the result as JSON.
    pub json: bool,
}

/// The words of `list`.
#[derive(Debug)]
pub struct ListWords {
    /// Whose attachments; everybody's without it.
    pub target: Option<TargetWord>,
    /// How long all engines together may take to answer.
    pub timeout: Option<Duration>,
    /// Print them as JSON.
    pub json: bool,
}

/// The words of `gc`.
#[derive(Debug)]
pub struct GcWords {
    /// Print the plan instead.
    pub dry_run: bool,
    /// Print the result, or the plan, as JSON.
    pub json: bool,
}

/// The words of `batch`.
#[derive(Debug)]
pub struct BatchWords {
    /// The file with the lines; standard input without one.
    pub file: Option<PathBuf>,
    /// Go on behind a line that fails.
    pub keep_going: bool,
    /// Print the plan instead.
    pub dry_run: bool,
    /// Print the results, or the plan, as JSON.
    pub json: bool,
}

/// The words of `run`.
#[derive(Debug)]
pub struct RunWords {
    /// What to attach to, and how.
    pub attach: Attach,
    /// The command and its arguments: at least one word.
    pub command: Vec<OsString>,
}

/// The words of `exec`, and of the verbs that are short for it.
#[derive(Debug)]
pub struct ExecWords {
    /// Whose namespace.
    pub target: TargetWord,
    /// How long engines have to answer; the usual time without it.
    pub timeout: Option<Duration>,
    /// The command and its arguments: at least one word.
    pub command: Vec<OsString>,
}

/// The words of `wait`.
#[derive(Debug)]
pub struct WaitWords {
    /// Whose interface; our own namespace's without it.
    pub target: Option<TargetWord>,
    /// Its name.
    pub ifname: IfName,
    /// What for.
    pub wait_for: WaitFor,
    /// How long at most; for ever without it.
    pub timeout: Option<Duration>,
}

/// The words of `doctor`.
#[derive(Debug)]
pub struct DoctorWords {
    /// Whom to look at; everything that is attached without it.
    pub patient: Option<Patient>,
    /// How long all engines together may take to answer.
    pub timeout: Option<Duration>,
    /// Print JSON.
    pub json: bool,
}

/// A word that names an interface of the host or a target.
#[derive(Debug)]
pub struct Patient {
    /// As an interface, where it can be one: that is looked for first.
    pub uplink: Option<UplinkWord>,
    /// As a target.
    pub target: TargetWord,
}

/// Reads a command line; the first word is the program's name.
///
/// # Errors
/// [`Error::Usage`] and [`Error::Spec`], both exit code 2.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, Error> {
    let args: Vec<_> = args.into_iter().collect();
    let style = Style::of(&args);
    let (typed, colour) = (usage::first_word(&args), When::of(&args));
    let args = classic::with_verb(args, style);
    if style == Style::Pipework {
        return pipework::parse(args);
    }
    if args.len() < 2 {
        return Err(Error::Usage(usage::NOTHING_ASKED.to_owned()));
    }
    match read(args) {
        Ok(cli) => asked(cli),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            Ok(Asked { verb: Verb::Help(error.to_string()), colour, ..show(String::new()) })
        }
        Err(error) if !error.use_stderr() => Ok(show(error.to_string())),
        Err(error) => Err(Error::Usage(usage::one_line(&error, &typed))),
    }
}

fn show(text: String) -> Asked {
    Asked { verb: Verb::Show(text), verbosity: 0, quiet: true, colour: When::Auto }
}

/// The words by the description of the flags.
fn read(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    match plain::attach(&args).or_else(|| quick(&args)) {
        Some(cli) => Ok(cli),
        None => Cli::command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)),
    }
}

/// An attach without the description of the other verbs, which costs a good part of what starting the process costs.
/// Whatever is not right about it is told by the full description.
fn quick(args: &[OsString]) -> Option<Cli> {
    let root = Global::augment_args(Command::new("rpipe").disable_help_subcommand(true));
    let attach = AttachArgs::augment_args(Command::new("attach"));
    let matches = root.subcommand(attach).try_get_matches_from(args).ok()?;
    let verb = AttachArgs::from_arg_matches(matches.subcommand_matches("attach")?).ok()?;
    Some(Cli { global: Global::from_arg_matches(&matches).ok()?, verb: VerbArgs::Attach(verb) })
}

/// From words to what they mean.
fn asked(cli: Cli) -> Result<Asked, Error> {
    let verb = match cli.verb {
        VerbArgs::Attach(words) => Verb::Attach(attach(words)?),
        VerbArgs::Detach(DetachArgs { target, ifname, all, timeout, json }) => Verb::Detach(DetachWords {
            target: order::target(&target)?,
            ifname: ifname.as_deref().map(str::parse).transpose()?,
            all,
            timeout,
            dry_run: false,
            json,
        }),
        VerbArgs::List(ListArgs { target, timeout, json }) => {
            Verb::List(ListWords { target: target.as_deref().map(order::target).transpose()?, timeout, json })
        }
        VerbArgs::Gc(GcArgs { dry_run, json }) => Verb::Gc(GcWords { dry_run, json }),
        VerbArgs::Batch(BatchArgs { file, keep_going, dry_run, json }) => {
            let file = (file != "-").then(|| file.into());
            Verb::Batch(BatchWords { file, keep_going, dry_run, json })
        }
        VerbArgs::Run(words) => Verb::Run(run(words)?),
        VerbArgs::Exec(ExecArgs { target, timeout, command }) => {
            Verb::Exec(ExecWords { target: order::target(&target)?, timeout, command })
        }
        VerbArgs::Doctor(DoctorArgs { patient, timeout, json }) => {
            let patient = patient.as_deref().map(patient_word).transpose()?;
            Verb::Doctor(DoctorWords { patient, timeout, json })
        }
        VerbArgs::Wait(WaitArgs { target, ifname, wait_for, timeout }) => Verb::Wait(WaitWords {
            target: target.as_deref().map(order::target).transpose()?,
            ifname: ifname.parse()?,
            wait_for,
            timeout,
        }),
        VerbArgs::Route(words) => tool(&["ip", "route"], words)?,
        VerbArgs::Rule(words) => tool(&["ip", "rule"], words)?,
        VerbArgs::Tc(words) => tool(&["tc"], words)?,
        VerbArgs::Completions { shell } => Verb::Show(shell.script().to_owned()),
    };
    let Global { verbose, quiet, colour } = cli.global;
    Ok(Asked { verb, verbosity: verbose, quiet, colour: colour.unwrap_or_default() })
}

fn attach(args: AttachArgs) -> Result<AttachWords, Error> {
    let AttachArgs { uplink, link, target, addresses, link_address, timeout, replace, dry_run, json } = args;
    let target = order::target(&target)?;
    let attach = spec(&uplink, &link, &addresses, link_address.as_deref())?;
    Ok(AttachWords { target, timeout, attach, replace, dry_run, json })
}

fn run(args: RunArgs) -> Result<RunWords, Error> {
    let RunArgs { uplink, link, addresses, link_address, command } = args;
    Ok(RunWords { attach: spec(&uplink, &link, &addresses, link_address.as_deref())?, command })
}

/// A verb that is short for `exec`.
fn tool(program: &[&str], words: ToolArgs) -> Result<Verb, SpecError> {
    let command = program.iter().map(OsString::from).chain(words.args).collect();
    Ok(Verb::Exec(ExecWords { target: order::target(&words.target)?, timeout: words.timeout, command }))
}

fn patient_word(word: &str) -> Result<Patient, SpecError> {
    let target = order::target(word)?;
    let uplink = word.parse().ok().filter(|_| target.runtime.is_none());
    Ok(Patient { uplink, target })
}

fn spec(
    uplink: &str,
    link: &LinkArgs,
    addresses: &str,
    link_address: Option<&str>,
) -> Result<Attach, SpecError> {
    order::check(uplink, addresses, link_address)?;
    let attach = Attach {
        uplink: uplink.parse()?,
        ifname: link.ifname.as_deref().map(str::parse).transpose()?,
        host_ifname: link.host_ifname.as_deref().map(str::parse).transpose()?,
        addresses: addresses.parse()?,
        link_address: link_address.map(str::parse).transpose()?.unwrap_or_default(),
        sharing: Sharing::of(link.link_type.as_deref(), link.mode.as_deref())?,
        direct: link.direct_phys,
        pipework: false,
        mtu: link.mtu,
        queues: link.queues,
        metric: link.metric,
        routes: link.routes.iter().map(|word| word.parse()).collect::<Result<_, _>>()?,
        no_default: link.no_default,
        table: link.table,
        lease_limit: link.dhcp_timeout,
        probe: link.probe.as_deref().map(|how| if how == "full" { Probe::Full } else { Probe::Short }),
        announce: if link.no_announce { 0 } else { link.announce.unwrap_or(1) },
        no_dad: link.no_dad,
        enable_ipv6: link.enable_ipv6,
    };
    if let Some(mtu) = attach.mtu.filter(|mtu| *mtu < LEAST_MTU_V6 && attach.speaks(false)) {
        let refused = SpecError::new("MTU", &mtu.to_string(), "is too small for IPv6");
        return Err(refused.hint(format!("it needs {LEAST_MTU_V6}, RFC 8200")));
    }
    if let Some(vlan) = &attach.link_address.vlan {
        check_vlan(&attach.uplink, vlan)?;
    }
    if attach.addresses.dhcp().is_some()
        && let Some(route) =
            attach.routes().find(|route| route.gateway.is_none() && route.net.addr().is_ipv4())
    {
        let refused =
            SpecError::new("route", &route.net.to_string(), "has no gateway, and a lease's is not known yet");
        return Err(refused.hint(format!("name it: {}@GATEWAY", route.net)));
    }
    if let Some(own) = attach
        .routes()
        .filter_map(|route| route.gateway)
        .find(|gateway| attach.addresses.nets().any(|net| net.addr() == *gateway))
    {
        return Err(SpecError::new("gateway", &own.to_string(), "is the interface's own address"));
    }
    check_table(&attach)?;
    let other_family = |four: bool| attach.addresses.nets().find(|net| net.addr().is_ipv4() != four);
    match link.family.and_then(|family| other_family(family == 4).map(|net| (family, net))) {
        Some((family, net)) => {
            let refused = SpecError::new(
                "address",
                &net.to_string(),
                format!("is not of the family that -a {family} says"),
            );
            Err(refused.hint("-a is not needed: the family is seen from the address"))
        }
        None => Ok(attach),
    }
}

/// The tables that are not the kernel's own (`RT_TABLE_*`, include/uapi/linux/rtnetlink.h), and the metrics of several
/// gateways.
fn check_table(attach: &Attach) -> Result<(), SpecError> {
    let gateways = attach.addresses.gateways();
    let most = gateways.of(true).count().max(gateways.of(false).count());
    let more = u32::try_from(most.saturating_sub(1)).unwrap_or(u32::MAX);
    let Some(first) = attach.table else {
        return match attach.metric.filter(|metric| metric.checked_add(more).is_none()) {
            Some(metric) => {
                let refused =
                    SpecError::new("metric", &metric.to_string(), "leaves none for the next gateway");
                Err(refused.hint("each further gateway gets the next higher one"))
            }
            None => Ok(()),
        };
    };
    let refuse = |why: &str| Err(SpecError::new("table", &first.to_string(), why));
    if attach.addresses.dhcp().is_some() {
        return refuse("is chosen by the address, and a lease's is not known yet");
    }
    if attach.addresses.own().next().is_none() {
        return refuse("is chosen by the address, and there is none");
    }
    let Some(last) = first.checked_add(more) else {
        return refuse("leaves none for the other gateways");
    };
    match KERNELS_TABLES.iter().find(|(number, _)| (first..=last).contains(number)) {
        Some((number, name)) if *number == first => refuse(&format!("is the kernel's own, {name}")),
        Some((number, name)) => {
            refuse(&format!("leaves {number} for another gateway, which is the kernel's own, {name}"))
        }
        None => Ok(()),
    }
}

/// A word that is only a partition key is a mistake unless the uplink can be InfiniBand, whose interfaces are called
/// `ib…` by the kernel and by udev. One with `0x` is meant.
fn check_vlan(uplink: &UplinkWord, word: &VlanWord) -> Result<(), SpecError> {
    let may_be_infiniband = match uplink {
        UplinkWord::Name(name) => name.as_str().starts_with("ib"),
        UplinkWord::Mac(_) => true,
    };
    match word.vlan() {
        Err(refused) if !may_be_infiniband && !word.to_string().starts_with("0x") => Err(refused),
        _ => Ok(()),
    }
}
