//! After a failure: what may have been meant instead. It is looked up only then.

use crate::error::Error;
use crate::kernel::{self, RouteSocket};
use crate::machine::Machine;
use crate::plan::Refusal;
use crate::spec::{Attach, IfName, TargetWord, UplinkWord, near};
use crate::target::TargetError;

/// A target that nobody knows can be the uplink's name, in the wrong place.
pub(super) fn order(error: TargetError, target: &TargetWord, asked: &Attach) -> Error {
    let UplinkWord::Name(uplink) = &asked.uplink else { return error.into() };
    let name: Option<IfName> = target.runtime.is_none().then(|| target.name.parse().ok()).flatten();
    let (TargetError::Unknown { .. }, Some(name)) = (&error, name) else { return error.into() };
    let Ok(mut host) = RouteSocket::open() else { return error.into() };
    let mut is_there = |name: &IfName| matches!(kernel::find_link(&mut host, name.as_str()), Ok(Some(_)));
    if is_there(&name) && !is_there(uplink) {
        Error::Swapped { uplink: uplink.to_string(), target: name.to_string() }
    } else {
        error.into()
    }
}

/// An uplink that is not there can be one of nearly the same name.
pub(super) fn uplink(refusal: Refusal, machine: &mut Machine<'_>) -> Error {
    let Refusal::NoUplink { name, .. } = refusal else { return refusal.into() };
    let links = kernel::all_links(&mut machine.host).unwrap_or_default();
    let names = links.iter().map(|link| link.name.as_str()).filter(|name| !name.contains(char::is_control));
    let near = near(&name, names).into_iter().map(str::to_owned).collect();
    Refusal::NoUplink { name, near }.into()
}
