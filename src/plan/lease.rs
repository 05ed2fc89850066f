//! The step that gets an address from a DHCP server.

use std::path::PathBuf;
use std::time::Duration;

use crate::spec::{Attach, Client, DhcpWord};

use super::{Facts, Found, Step, default_metric};

/// The time limit of a lease when none is given. A server that pings an address before it grants it takes a few seconds;
/// only a bridge with STP, which lets nothing through for thirty, needs more.
const USUAL_LIMIT: Duration = Duration::from_secs(30);

/// The client that was found for a DHCP word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundClient {
    /// Which one.
    pub client: Client,
    /// Its program.
    pub program: PathBuf,
    /// Whether the program is busybox, which wants the client's name as its first word.
    pub applet: bool,
}

/// How a lease is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Who asks.
    pub client: FoundClient,
    /// Whether the client stays and renews.
    pub keep: bool,
    /// Further words for it.
    pub options: Vec<String>,
    /// The host name that the server is told.
    pub hostname: Option<String>,
    /// How long the first lease may take.
    pub limit: Duration,
    /// Whether the lease's router becomes the default route.
    pub default: bool,
    /// The metric of that route.
    pub metric: u32,
    /// What the interface is wired to, for messages.
    pub uplink: String,
}

/// The step for the DHCP word, where there is one.
pub(super) fn lease(asked: &Attach, facts: &Facts) -> Option<Step> {
    let word: &DhcpWord = asked.addresses.dhcp()?;
    let uplink = match &facts.uplink {
        Found::Link(uplink) => uplink.name.to_string(),
        Found::Nothing { .. } | Found::OvsWithoutLink(_) => asked.uplink.to_string(),
    };
    let request = LeaseRequest {
        client: facts.client.clone()?,
        keep: word.keep,
        options: word.options().map(str::to_owned).collect(),
        hostname: hostname(&facts.target),
        limit: asked.lease_limit.unwrap_or(USUAL_LIMIT),
        default: asked.leases_default(),
        metric: default_metric(asked, true),
        uplink,
    };
    let old = facts.default_v4.clone().filter(|_| request.default);
    Some(Step::Lease { ifname: facts.ifname.clone(), request: Box::new(request), old })
}

/// The container's name, where it can be a host's (RFC 1123 2.1). Others chose it, and it becomes a word of a command line
/// and of a configuration file.
fn hostname(name: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let good = name.len() <= 63
        && name.bytes().all(fits)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    good.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::hostname;

    #[test]
    fn only_what_can_be_a_host_name_is_sent() {
        for name in ["web", "web-1.example.org", "4711"] {
            assert_eq!(hostname(name).as_deref(), Some(name));
        }
        let long = "a".repeat(64);
        for name in ["", "-x", ".x", "a b", "a\"b", "a;b", "a:b", "$(x)", "/run/x", "ä", &long] {
            assert_eq!(hostname(name), None, "{name:?}");
        }
    }
}
