//! Steps of one side that follow each other, on their way in one datagram.

use log::info;
use nix::errno::Errno;

use crate::conflict;
use crate::kernel::{KernelError, Outcome, Request};
use crate::machine::Machine;
use crate::plan::{Side, Step};
use crate::signals::Held;

use super::message::request;
use super::neighbours::{self, Along};
use super::{Armed, Cause, done, is_done};

/// What waits to be sent.
#[derive(Default)]
pub(super) struct Batch<'a> {
    side: Option<Side>,
    requests: Vec<Request>,
    /// The steps, each with the place of its request: some share one.
    steps: Vec<(usize, &'a Step)>,
    /// What tells the neighbours, with the places of its requests.
    along: Option<(Along<'a>, Vec<usize>)>,
}

impl<'a> Batch<'a> {
    /// What comes next is of this side.
    pub(super) fn turn_to(
        &mut self,
        side: Side,
        machine: &mut Machine<'_>,
        held: &Held,
        armed: &mut Armed,
    ) -> Result<(), Cause> {
        // What was told may have to be told again before anything else is done.
        if self.side != Some(side) || self.along.is_some() {
            self.send(machine, held, armed)?;
        }
        self.side = Some(side);
        Ok(())
    }

    /// Adds a step, in one message with the one before where that comes to the same.
    pub(super) fn add(&mut self, step: &'a Step, request: Request) {
        let place = self.put(request);
        self.steps.push((place, step));
    }

    /// Adds what tells the neighbours.
    pub(super) fn take_along(&mut self, along: Along<'a>, requests: Vec<Request>) {
        let places = requests.into_iter().map(|request| self.put(request)).collect();
        self.along = Some((along, places));
    }

    /// The place that the request has got.
    fn put(&mut self, request: Request) -> usize {
        if !self.requests.last_mut().is_some_and(|last| last.join(&request)) {
            self.requests.push(request);
        }
        self.requests.len() - 1
    }

    /// Sends what is waiting and arms the undo of what worked.
    pub(super) fn send(
        &mut self,
        machine: &mut Machine<'_>,
        held: &Held,
        armed: &mut Armed,
    ) -> Result<(), Cause> {
        let Some(side) = self.side.filter(|_| !self.requests.is_empty()) else { return Ok(()) };
        let Self { requests, steps, along, .. } = std::mem::take(self);
        let outcomes = match (machine.socket(side).batch(&requests), steps.first()) {
            (Ok(outcomes), _) => outcomes,
            (Err(error), Some((_, step))) => return Err(failed(step, error)),
            (Err(error), None) => vec![Outcome::Unknown(error); requests.len()],
        };
        let mut cause = None;
        for (place, step) in &steps {
            let shared = steps.iter().filter(|(other, _)| other == place).count() > 1
                || along.as_ref().is_some_and(|(_, places)| places.contains(place));
            let outcome = match &outcomes[*place] {
                Outcome::Refused(_) if shared => apart(step, side, machine),
                outcome => outcome.clone(),
            };
            if let Err(why) = conclude(step, outcome, machine, armed) {
                cause.get_or_insert(why);
            }
        }
        if steps.iter().any(|(_, step)| matches!(step, Step::AddAddress { .. })) {
            // From here on the next one sees them.
            machine.network_turn = None;
        }
        match (cause, held.arrived()) {
            (Some(cause), _) => return Err(cause),
            (None, Some(arrived)) => return Err(Cause::Signal(arrived.signal)),
            (None, None) => {}
        }
        let Some((along, places)) = along else { return Ok(()) };
        let was_heard = along.was_heard(places.iter().map(|place| &outcomes[*place]));
        for step in along.steps {
            if !was_heard && let Some(outcome) = neighbours::perform(step, machine, held) {
                outcome.map_err(|stopped| stopped.at(step))?;
            }
            done(step, armed);
        }
        Ok(())
    }
}

fn failed(step: &Step, error: KernelError) -> Cause {
    Cause::Step(Box::new(step.clone()), error)
}

/// Which of those that shared a message was refused? Each is what it was if it is done again.
#[cold]
fn apart(step: &Step, side: Side, machine: &mut Machine<'_>) -> Outcome {
    let again = request(step, machine).and_then(|request| machine.socket(side).batch(&[request]));
    match again {
        Ok(outcomes) => outcomes.into_iter().next().unwrap_or(Outcome::Done),
        Err(error) => Outcome::Refused(error),
    }
}

/// What the kernel's answer to a step means.
fn conclude(
    step: &Step,
    outcome: Outcome,
    machine: &mut Machine<'_>,
    armed: &mut Armed,
) -> Result<(), Cause> {
    match outcome {
        Outcome::Done | Outcome::Told(_) => done(step, armed),
        Outcome::Refused(error) if matches!(step, Step::Claim { .. } | Step::Release { .. }) => match step {
            Step::Claim { claim, .. } if error.errno == Errno::EEXIST => {
                let conflict = conflict::claimed_by(claim, machine).to_string();
                return Err(Cause::Taken(Box::new(step.clone()), conflict));
            }
            // Kernels before 5.5 know no such names: then it goes without. One that is gone is given up.
            _ => info!("{step}: {error}"),
        },
        Outcome::Refused(error) if error.errno == Errno::EEXIST && is_done(step, machine) => {}
        // Where there is no IPv6, there is no address of it either.
        Outcome::Refused(_) if matches!(step, Step::NoOwnAddress { .. }) => {}
        Outcome::Refused(error) => return Err(failed(step, error)),
        Outcome::Unknown(error) => {
            done(step, armed);
            return Err(failed(step, error));
        }
    }
    Ok(())
}
