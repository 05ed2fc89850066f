//! Called as `pipework`, rpipe is pipework: the same grammar, silence on success, exit code 1 for every failure.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::ErrorKind;

use crate::colour::When;
use crate::error::{Error, Exit};

use super::{Asked, Verb, asked, classic, read, show, usage};

/// What pipework prints, and then fails, when words are missing.
pub const SYNTAX: &str = "\
Syntax:
pipework [--direct-phys] INTERFACE [-i CONTAINER_INTERFACE] [-l HOST_INTERFACE] [-a 4|6] CONTAINER ADDRESS [MAC][@VLAN]
pipework route|rule|tc CONTAINER ARGUMENTS...
pipework --wait [-i CONTAINER_INTERFACE]
INTERFACE is a host interface, mac:ITS_MAC_ADDRESS, or a new br*, ovs* or dummy*.
ADDRESS is IP/LEN[@GATEWAY], 0/0[@GATEWAY], or dhcp, udhcpc, dhclient, dhcpcd[:OPTIONS].
This is rpipe under the name of pipework; `rpipe --help` tells what else it can.
";

/// Whose manners are asked for, by the name that the program was called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Its own.
    Rpipe,
    /// Those of pipework.
    Pipework,
}

impl Style {
    /// Told by the last part of the first word.
    #[must_use]
    pub fn of(args: &[OsString]) -> Self {
        match args.first().and_then(|path| Path::new(path).file_name()) {
            Some(name) if name == OsStr::new("pipework") => Self::Pipework,
            _ => Self::Rpipe,
        }
    }

    /// The name in front of messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rpipe => "rpipe",
            Self::Pipework => "pipework",
        }
    }

    /// What the process ends with. pipework knows one code for all failures.
    #[must_use]
    pub fn exit_code(self, error: &Error) -> u8 {
        match self {
            Self::Rpipe => error.exit_code(),
            Self::Pipework => Exit::Failed as u8,
        }
    }

    /// The words that are verbs.
    pub(super) fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Rpipe => &classic::VERBS,
            Self::Pipework => &classic::PASSED_ON,
        }
    }
}

/// Reads a command line of pipework; its verb is already put in.
pub(super) fn parse(args: Vec<OsString>) -> Result<Asked, Error> {
    if args.len() < 2 {
        return Ok(Asked { verb: Verb::Syntax, verbosity: 0, quiet: true, colour: When::Never });
    }
    let cli = match read(args) {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp) => return Ok(show(SYNTAX.to_owned())),
        Err(error) if !error.use_stderr() => return Ok(show(error.to_string())),
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            return Ok(Asked { verb: Verb::Syntax, verbosity: 0, quiet: true, colour: When::Never });
        }
        Err(error) => return Err(Error::Usage(usage::one_line(&error, "attach"))),
    };
    let mut asked = asked(cli)?;
    asked.quiet = true;
    match &mut asked.verb {
        Verb::Attach(words) => words.attach.pipework = true,
        // `ip route` and its like alone would show something; pipework wants to be told what.
        Verb::Exec(words) if nothing_for_the_tool(&words.command) => asked.verb = Verb::Syntax,
        _ => {}
    }
    Ok(asked)
}

/// Whether the command is only the tool's name: `ip route`, `ip rule`, `tc`.
fn nothing_for_the_tool(command: &[OsString]) -> bool {
    let name = usize::from(command.first().is_some_and(|tool| tool == "ip"));
    command.len() <= 1 + name
}
