//! `rpipe doctor [TARGET | UPLINK]`: what keeps packets from arriving, and what helps.

use crate::checkup::{self, Asked};
use crate::cli::{DoctorWords, Patient};
use crate::doctor::{self, Severity};
use crate::error::{Error, Exit};
use crate::kernel::{self, KernelError, Link, RouteSocket};
use crate::report;
use crate::spec::UplinkWord;
use crate::target::{LOOKUP_LIMIT, Target};
use crate::voice::Voice;

use super::attach::own_namespace;

/// Looks, tells, and answers with the exit code: failure where something does not work.
pub fn doctor(words: &DoctorWords, voice: Voice<'_>) -> Result<u8, Error> {
    let home = own_namespace()?;
    let limit = words.timeout.unwrap_or(LOOKUP_LIMIT);
    let target;
    let asked = match &words.patient {
        None => Asked::Everything,
        Some(patient) => {
            if let Some(link) = uplink(patient)? {
                Asked::Uplink(link.index)
            } else {
                target = Target::open(&patient.target, &home, limit)?;
                Asked::Target(&target)
            }
        }
    };
    let found = doctor::findings(&checkup::look(&home, asked)?);
    report::found(&found, words.json, voice)?;
    let sick = found.iter().any(|finding| finding.severity == Severity::Warning);
    Ok(if sick { Exit::Failed } else { Exit::Done } as u8)
}

/// The interface of the host that the word names, if there is one.
fn uplink(patient: &Patient) -> Result<Option<Link>, Error> {
    let find = |word: &UplinkWord| -> Result<Option<Link>, KernelError> {
        let mut socket = RouteSocket::open()?;
        match word {
            UplinkWord::Name(name) => kernel::find_link(&mut socket, name.as_str()),
            UplinkWord::Mac(mac) => kernel::link_by_mac(&mut socket, mac.bytes()),
        }
    };
    let look = |error| Error::kernel(format!("looking up {:?}", patient.target.name), error);
    Ok(patient.uplink.as_ref().map(find).transpose().map_err(look)?.flatten())
}
