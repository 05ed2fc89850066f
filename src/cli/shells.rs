//! Completion scripts: clap's own, taught that the verb may be left out.
//!
//! PURE. The words of each script that are put in here say in the shell's language what `classic` says in Rust.

use std::fmt::Write as _;

use clap::{Command, CommandFactory, ValueHint};
use clap_complete::Shell;

use super::args::Cli;

/// The description of the words as the shells get it: the flags of `attach` stand at the top too, and no value is
/// completed with the name of a file.
#[must_use]
pub fn command_for_shells() -> Command {
    let cli = Cli::command();
    let attach = cli.find_subcommand("attach").map(|attach| attach.get_arguments().cloned().collect());
    let flags = Vec::into_iter(attach.unwrap_or_default()).filter(|arg| !arg.is_positional());
    let values = |command: Command| {
        command.mut_args(|arg| match arg.get_id().as_str() {
            "command" => arg.value_hint(ValueHint::CommandName),
            _ if arg.get_action().takes_values() => arg.value_hint(ValueHint::Other),
            _ => arg,
        })
    };
    values(cli.args(flags)).mut_subcommands(values)
}

/// The completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut command = command_for_shells();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "rpipe", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let verbs: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    match shell {
        // The first word that is no flag and no verb.
        Shell::Bash => script.replacen(
            "            *)\n                ;;\n",
            "            rpipe,[!-]*)\n                cmd=\"rpipe__subcmd__attach\"\n                ;;\n            *)\n                ;;\n",
            1,
        ),
        Shell::Zsh => {
            let place = "        words=($line[1] \"${words[@]}\")\n";
            let attach = format!(
                "        if [[ $line[1] != ({}) ]]; then\n            words=($line[1] \"${{words[@]}}\")\n            \
                 (( CURRENT += 1 ))\n            line[1]=attach\n        fi\n",
                verbs.join("|")
            );
            script.replacen(place, &(attach + place), 1)
        }
        Shell::Fish => {
            let place = "    contains -- $cmd[1] $argv\n";
            let attach =
                format!("    contains -- $cmd[1] {}\n    or set cmd attach\n", verbs.join(" "));
            script.replacen(place, &(attach + place), 1) + &words_for_fish(&command)
        }
        _ => script,
    }
}

/// What clap leaves out for fish: that no word is a file's name, and the words that can stand in a place.
fn words_for_fish(command: &Command) -> String {
    let mut lines = "complete -c rpipe -n \"not __fish_rpipe_using_subcommand run\" -f\n".to_owned();
    for verb in command.get_subcommands() {
        let values = verb.get_positionals().flat_map(clap::Arg::get_possible_values);
        let words: Vec<_> = values.map(|value| value.get_name().to_owned()).collect();
        if !words.is_empty() {
            let (verb, words) = (verb.get_name(), words.join(" "));
            let _ = writeln!(
                lines,
                "complete -c rpipe -n \"__fish_rpipe_using_subcommand {verb}\" -f -a \"{words}\""
            );
        }
    }
    lines
}
