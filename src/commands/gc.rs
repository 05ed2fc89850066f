//! `rpipe gc`: what dead containers left behind goes, and what belongs to the host comes back into order.

use crate::cli::GcWords;
use crate::error::{Error, Left};
use crate::leftovers::{self, put_in_order};
use crate::machine::Machine;
use crate::plan::{self, Script, Step};
use crate::report::{self, Collected};
use crate::signals::{ENDING, Held};
use crate::voice::Voice;

use super::attach::own_namespace;

/// Finds and removes what is left over, and tells of each.
#[inline(never)]
pub fn gc(words: &GcWords, voice: Voice<'_>) -> Result<(), Error> {
    let home = own_namespace()?;
    let found = leftovers::leftovers(&home).map_err(|error| Error::kernel("looking for leftovers", error))?;
    let (litter, homeless) = plan::gc(&found);
    for stray in &homeless {
        let (name, taken) = (&stray.name, &stray.nic.name);
        voice.tell(&format_args!(
            "{name} came home from a container and was called {taken} before, a name that another interface has now: \
             it is left alone (`ip link set dev {name} name …` names it, rpipe gc does the rest)"
        ));
    }
    let steps: Vec<Step> = litter.iter().flat_map(|litter| litter.steps.iter().cloned()).collect();
    let script = Script::of_host(&steps);
    if words.dry_run {
        return report::planned(&steps, &script, words.json, voice);
    }
    let mut machine = Machine::of_host(&home)
        .map_err(|error| Error::kernel("opening a socket in rpipe's own network namespace", error))?;
    let held = Held::hold(&ENDING).map_err(|error| Error::kernel("holding signals back", error))?;
    let (mut done, mut left) = (Vec::new(), Vec::new());
    for litter in litter {
        let failures = put_in_order(&litter, &mut machine);
        if failures.is_empty() {
            done.push(Collected { what: litter.what.word(), name: litter.name, from: litter.from });
        }
        left.extend(failures);
    }
    drop(held);
    report::collected(&done, words.json, voice)?;
    if left.is_empty() {
        return Ok(());
    }
    let with_command = |failure: crate::apply::UndoFailure| Left {
        command: script.command(&failure.0),
        failure,
        is_undo: false,
    };
    Err(Error::Collect(left.into_iter().map(with_command).collect()))
}
