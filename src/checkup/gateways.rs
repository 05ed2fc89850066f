//! Whether gateways answer: the kernel asks them all, and then all have the same time.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use log::debug;

use crate::census::Place;
use crate::doctor::{Answer, Attachment};
use crate::kernel::{self, KernelError, Neighbour, Neighbours, NetNs, RouteSocket, Watch};

use super::{Asked, Round};

/// How long gateways have to answer, all together: the kernel asks every second, so one question falls into it even when
/// somebody was just asking.
const ANSWERS_WITHIN: Duration = Duration::from_millis(1100);

/// A gateway that was asked and has not answered yet.
pub(super) struct Pending {
    path: PathBuf,
    inode: u64,
    index: u32,
    gateway: IpAddr,
    /// Whose it is: the place in the list of attachments, and in its list of gateways.
    of: (usize, usize),
}

impl Round<'_> {
    /// Has the kernel ask all gateways of an attachment. The answers are heard when all have been asked.
    pub(super) fn ask_gateways(
        &mut self,
        place: &Place<'_>,
        index: u32,
        socket: &mut RouteSocket,
        neighbours: &mut Neighbours,
        mut attachment: Attachment,
    ) -> Result<(), KernelError> {
        for gateway in kernel::gateways(socket, index)? {
            let known = neighbours.find(index, gateway)?;
            let answer = match known {
                Neighbour::Reachable | Neighbour::Fixed => Answer::Yes,
                _ => match neighbours.ask(index, gateway, known) {
                    Ok(()) => Answer::No,
                    Err(error) => {
                        debug!("asking {gateway}: {error}");
                        Answer::Unknown
                    }
                },
            };
            if answer == Answer::No {
                let of = (self.facts.attachments.len(), attachment.gateways.len());
                let (path, inode) = (place.path.to_owned(), place.netns.inode());
                self.pending.push(Pending { path, inode, index, gateway, of });
            }
            attachment.gateways.push((gateway, answer));
        }
        self.facts.attachments.push(attachment);
        Ok(())
    }

    /// Waits for the gateways that have not answered yet; all of them have the same time.
    pub(super) fn hear_gateways(&mut self) {
        let end = Instant::now() + ANSWERS_WITHIN;
        for pending in std::mem::take(&mut self.pending) {
            let answer = self.hear(&pending, end).unwrap_or_else(|error| {
                debug!("waiting for {}: {error}", pending.gateway);
                Answer::Unknown
            });
            let attachment = self.facts.attachments.get_mut(pending.of.0);
            if let Some(entry) = attachment.and_then(|attachment| attachment.gateways.get_mut(pending.of.1)) {
                entry.1 = answer;
            }
        }
    }

    fn hear(&self, pending: &Pending, end: Instant) -> Result<Answer, KernelError> {
        let opened;
        let netns = match self.asked {
            Asked::Target(target) if target.netns.inode() == pending.inode => &target.netns,
            _ => {
                opened = NetNs::open(&pending.path)?;
                &opened
            }
        };
        // The number of a process can have come to mean another one.
        if netns.inode() != pending.inode {
            return Ok(Answer::Unknown);
        }
        let open = || Ok::<_, KernelError>((Watch::open()?.with_gateways()?, Neighbours::open()?));
        let (watch, mut neighbours) = netns.enter(self.home, open)??;
        let mut given_up = false;
        loop {
            let known = neighbours.find(pending.index, pending.gateway)?;
            match known {
                Neighbour::Reachable | Neighbour::Fixed => return Ok(Answer::Yes),
                Neighbour::Silent if given_up => return Ok(Answer::No),
                // Somebody else's question came to its end just now.
                Neighbour::Silent => {
                    given_up = true;
                    neighbours.ask(pending.index, pending.gateway, known)?;
                }
                Neighbour::Asked | Neighbour::Stale => {}
            }
            if !watch.changed(Some(end), &[])? {
                let asked = known == Neighbour::Asked;
                return Ok(if asked { Answer::No } else { Answer::Unknown });
            }
        }
    }
}
