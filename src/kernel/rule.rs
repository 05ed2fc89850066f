//! Routing rules: which table packets from an address look for their way in.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::socket::{attributes, ip, number};
use super::{KernelError, Request, RouteSocket};

/// `RTM_*`, include/uapi/linux/rtnetlink.h.
const NEWRULE: u16 = 32;
const DELRULE: u16 = 33;
const GETRULE: u16 = 34;
/// Bytes of `struct fib_rule_hdr`, include/uapi/linux/fib_rules.h.
const HEADER: usize = 12;
// FRA_*.
const SOURCE: u16 = 2;
const PRIORITY: u16 = 6;
const SUPPRESS_GROUP: u16 = 13;
const SUPPRESS_PREFIX: u16 = 14;
const TABLE: u16 = 15;
const PADDING: u16 = 18;
const PROTOCOL: u16 = 21;
/// `FR_ACT_TO_TBL`.
const TO_TABLE: u8 = 1;
/// `RTPROT_STATIC`.
const STATIC: u8 = 4;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

/// `ip rule add from ADDRESS lookup TABLE pref PRIORITY proto static`.
#[must_use]
pub fn add_rule(from: IpAddr, table: u32, priority: u32) -> Request {
    Request::raw(NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule(from, table, priority))
}

/// `ip rule del from ADDRESS lookup TABLE pref PRIORITY proto static`.
#[must_use]
pub fn delete_rule(from: IpAddr, table: u32, priority: u32) -> Request {
    Request::raw(DELRULE, 0, rule(from, table, priority))
}

// rtnetlink makes these messages only for its own asynchronous connection.
fn rule(from: IpAddr, table: u32, priority: u32) -> Vec<u8> {
    let (family, length, address) = match from {
        IpAddr::V4(ip) => (INET, 32, ip.octets().to_vec()),
        IpAddr::V6(ip) => (INET6, 128, ip.octets().to_vec()),
    };
    // Family, lengths of destination and source, type of service, table (as an attribute, which holds any), two reserved
    // bytes, action, flags.
    let mut bytes = vec![family, 0, length, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0];
    let mut put = |kind: u16, value: &[u8]| {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    };
    put(SOURCE, &address);
    put(TABLE, &table.to_ne_bytes());
    put(PRIORITY, &priority.to_ne_bytes());
    put(PROTOCOL, &[STATIC]);
    bytes
}

/// The rules of that priority that lead what comes from one address into a table, and say no more than that. Equal to
/// `ip rule show pref PRIORITY proto static`, IPv4 and IPv6.
///
/// # Errors
/// The kernel's refusal.
pub fn rules(socket: &mut RouteSocket, priority: u32) -> Result<Vec<(IpAddr, u32)>, KernelError> {
    let all = Request::raw(GETRULE, 0, vec![0; HEADER]);
    socket.dump(&all, |payload| read(payload, priority))
}

fn read(payload: &[u8], wanted: u32) -> Option<(IpAddr, u32)> {
    let [family, to_length, length, tos, table, _, _, action, flags @ ..] =
        *payload.first_chunk::<HEADER>()?;
    let v4 = match (family, length) {
        (INET, 32) => true,
        (INET6, 128) => false,
        _ => return None,
    };
    let (mut from, mut into, mut priority, mut protocol) = (None, u32::from(table), 0, 0);
    for attribute in attributes(payload, HEADER) {
        let value = attribute.value();
        match attribute.kind() {
            SOURCE => from = ip(value, v4),
            TABLE => into = number(value)?,
            PRIORITY => priority = number(value)?,
            PROTOCOL => protocol = *value.first()?,
            // Both say that nothing is suppressed.
            SUPPRESS_GROUP | SUPPRESS_PREFIX if value == [0xff; 4] => {}
            PADDING => {}
            _ => return None,
        }
    }
    let plain = (to_length, tos, action, flags) == (0, 0, TO_TABLE, [0; 4]);
    (plain && priority == wanted && protocol == STATIC).then_some((from?, into))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for (from, table) in [("10.0.0.2", 1), ("10.0.0.2", 252), ("fd00::2", u32::MAX)] {
            let from = from.parse().unwrap();
            let bytes = rule(from, table, 7);
            assert_eq!(read(&bytes, 7), Some((from, table)));
            assert_eq!(read(&bytes, 8), None);
            for end in 0..bytes.len() {
                let _ = read(&bytes[..end], 7);
            }
        }
    }

    #[test]
    fn a_rule_that_says_more_is_not_ours() {
        let ours = rule("10.0.0.2".parse().unwrap(), 100, 7);
        for (at, byte) in [(0, 10), (1, 24), (2, 24), (3, 8), (7, 3), (8, 2)] {
            let mut other = ours.clone();
            other[at] = byte;
            assert_eq!(read(&other, 7), None, "byte {at}");
        }
        // FRA_FWMARK.
        let marked = [ours.as_slice(), &[8, 0, 10, 0, 1, 0, 0, 0]].concat();
        assert_eq!(read(&marked, 7), None);
    }
}
