//! What the firewall does with frames that a bridge passes on. Read-only, and it loads nothing: asking a kernel module
//! that is not there would.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use netlink_packet_core::NlasIterator;
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::socket::attributes;
use super::{KernelError, Request, RouteSocket};

/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN`, include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h.
const GETCHAIN: u16 = 10 << 8 | 4;
/// Bytes of `struct nfgenmsg`.
const HEADER: usize = 4;
// NFTA_CHAIN_* and NFTA_HOOK_HOOKNUM.
const TABLE: u16 = 1;
const NAME: u16 = 3;
const HOOK: u16 = 4;
const POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
/// `NF_INET_FORWARD`, and `NF_BR_FORWARD` is the same.
const FORWARD: u32 = 2;
/// `NF_DROP`.
const DROP: u32 = 0;
/// Room for the answer about one chain.
const ROOM: usize = 4096;
/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;

/// A chain of the forward hook that drops what no rule accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardChain {
    /// `NFPROTO_*`: 1 for both, 2 for IPv4, 7 for bridges, 10 for IPv6.
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
}

/// Whether packets that cross a bridge of the current namespace pass the chains of `iptables` or `ip6tables`. Equal to
/// `sysctl net.bridge.bridge-nf-call-iptables`; there is no such setting before the module br_netfilter is loaded.
#[must_use]
pub fn bridges_call(tool: &str) -> bool {
    let mut value = [0];
    let file = File::open(setting(tool));
    file.is_ok_and(|mut file| file.read_exact(&mut value).is_ok()) && value != *b"0"
}

fn setting(tool: &str) -> String {
    format!("/proc/sys/net/bridge/bridge-nf-call-{tool}")
}

/// Whether the chain FORWARD of iptables drops what no rule accepts and sees what crosses a bridge. One question, and
/// none where the module br_netfilter is not loaded. Equal to `nft list chain ip filter FORWARD`.
///
/// The socket that was asked is handed back: whoever is about to end need not close it.
#[must_use]
pub fn forward_drops_bridged() -> (bool, Option<RouteSocket>) {
    if !Path::new(&setting("iptables")).exists() || !can_be_asked() {
        return (false, None);
    }
    let mut payload = vec![IPV4, 0, 0, 0];
    for (kind, text) in [(TABLE, "filter\0"), (NAME, "FORWARD\0")] {
        payload.extend(u16::try_from(text.len() + 4).unwrap_or_default().to_ne_bytes());
        payload.extend(kind.to_ne_bytes());
        payload.extend(text.as_bytes());
        payload.resize(payload.len().next_multiple_of(4), 0);
    }
    let Ok(mut socket) = RouteSocket::of(NETLINK_NETFILTER, Some(ROOM)) else { return (false, None) };
    // Most often there is no such chain.
    let chain = socket.ask(&Request::raw(GETCHAIN, 0, payload), read_chain).ok().flatten();
    (chain.is_some() && bridges_call("iptables"), Some(socket))
}

/// All chains of the forward hook that drop what no rule accepts. Equal to `nft list chains`, searched.
///
/// # Errors
/// The kernel's refusal.
pub fn dropping_chains() -> Result<Vec<ForwardChain>, KernelError> {
    if !can_be_asked() {
        return Ok(Vec::new());
    }
    RouteSocket::of(NETLINK_NETFILTER, None)?.dump(&Request::raw(GETCHAIN, 0, vec![0; HEADER]), read_chain)
}

/// Whether the old iptables, or with `v6` the old ip6tables, has a filter table in the current namespace. What is in it
/// is only told through calls that are not safe in Rust.
#[must_use]
pub fn has_legacy_filter(v6: bool) -> bool {
    let path = if v6 { "/proc/net/ip6_tables_names" } else { "/proc/net/ip_tables_names" };
    fs::read_to_string(path).is_ok_and(|names| names.lines().any(|name| name == "filter"))
}

/// Whether nf_tables is in the kernel: the first question would load it.
fn can_be_asked() -> bool {
    let mut modules = String::new();
    match File::open("/proc/modules") {
        // A kernel that loads nothing.
        Err(error) => return error.kind() == ErrorKind::NotFound,
        Ok(mut file) => {
            if file.read_to_string(&mut modules).is_err() {
                return false;
            }
        }
    }
    modules.lines().any(|line| line.starts_with("nf_tables ")) || is_built_in()
}

fn is_built_in() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let list = fs::read_to_string(format!("/lib/modules/{}/modules.builtin", release.trim_end()));
    list.is_ok_and(|list| list.lines().any(|line| line.ends_with("/nf_tables.ko")))
}

/// The chain, if it drops and is one of that hook.
fn read_chain(payload: &[u8]) -> Option<ForwardChain> {
    let mut chain = ForwardChain { family: *payload.first()?, table: String::new(), name: String::new() };
    let (mut hook, mut policy) = (None, None);
    for attribute in attributes(payload, HEADER) {
        let value = attribute.value();
        // The flag of nested attributes in the highest bits is no part of the number.
        match attribute.kind() & 0x3fff {
            TABLE => chain.table = text(value),
            NAME => chain.name = text(value),
            POLICY => policy = number(value),
            HOOK => {
                let mut hooks = NlasIterator::new(value).flatten();
                hook = hooks.find(|it| it.kind() == HOOK_NUMBER).and_then(|it| number(it.value()));
            }
            _ => {}
        }
    }
    (hook == Some(FORWARD) && policy == Some(DROP)).then_some(chain)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

/// Numbers here are in the order of the network.
fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let mut chain = vec![2, 0, 0, 0, 11, 0, 1, 0];
        chain.extend(b"filter\0\0");
        chain.extend([6, 0, 3, 0, b'F', 0, 0, 0, 12, 0, 4, 0x80, 8, 0, 1, 0, 0, 0, 0, 2]);
        chain.extend([8, 0, 5, 0, 0, 0, 0, 0]);
        let expected = ForwardChain { family: 2, table: "filter".into(), name: "F".into() };
        assert_eq!(read_chain(&chain), Some(expected));
        for end in 0..chain.len() {
            let _ = read_chain(&chain[..end]);
        }
        *chain.last_mut().unwrap() = 1;
        assert_eq!(read_chain(&chain), None, "it accepts");
    }
}
