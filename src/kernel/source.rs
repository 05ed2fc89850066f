//! What a namespace does about the source of packets: whom it takes them from, and rules by which answers leave.

use ipnet::IpNet;

use super::socket::{attributes, ip, number};
use super::{KernelError, Request, RouteSocket};

/// `AF_INET`.
const INET: u8 = 2;
/// `RTM_GETRULE` and `RTM_GETNETCONF`, include/uapi/linux/rtnetlink.h.
const GETRULE: u16 = 34;
const GETNETCONF: u16 = 82;
/// Bytes of `struct fib_rule_hdr`, and of `struct netconfmsg`, aligned.
const RULE_HEADER: usize = 12;
const CONF_HEADER: usize = 4;
/// `FRA_SRC`, include/uapi/linux/fib_rules.h.
const SOURCE: u16 = 2;
/// `NETCONFA_IFINDEX`, `NETCONFA_RP_FILTER` and `NETCONFA_IFINDEX_ALL`, include/uapi/linux/netconf.h.
const INDEX: u16 = 1;
const FILTER: u16 = 3;
const ALL: i32 = -1;

/// The links that drop packets whose answer would leave over another one. Equal to `sysctl
/// net.ipv4.conf.{all,IFNAME}.rp_filter`, of which the higher counts, being 1.
///
/// # Errors
/// The kernel's refusal.
pub fn strict_links(socket: &mut RouteSocket) -> Result<Vec<u32>, KernelError> {
    let mut payload = vec![INET];
    payload.resize(CONF_HEADER, 0);
    let settings = socket.dump(&Request::raw(GETNETCONF, 0, payload), read_filter)?;
    let all = settings.iter().find(|(index, _)| *index == ALL).map_or(0, |(_, filter)| *filter);
    let strict = settings.iter().filter(|(_, filter)| (*filter).max(all) == 1);
    Ok(strict.filter_map(|(index, _)| u32::try_from(*index).ok()).collect())
}

fn read_filter(payload: &[u8]) -> Option<(i32, u32)> {
    let find = |kind| {
        attributes(payload, CONF_HEADER).find(|it| it.kind() == kind).and_then(|it| number(it.value()))
    };
    Some((find(INDEX)?.cast_signed(), find(FILTER)?))
}

/// The sources for which there is a rule of IPv4. Equal to `ip -4 rule`, the words behind `from`.
///
/// # Errors
/// The kernel's refusal.
pub fn rule_sources(socket: &mut RouteSocket) -> Result<Vec<IpNet>, KernelError> {
    let mut payload = vec![INET];
    payload.resize(RULE_HEADER, 0);
    socket.dump(&Request::raw(GETRULE, 0, payload), read_source)
}

fn read_source(payload: &[u8]) -> Option<IpNet> {
    let header: &[u8; RULE_HEADER] = payload.first_chunk()?;
    let source = attributes(payload, RULE_HEADER).find(|it| it.kind() == SOURCE)?;
    IpNet::new(ip(source.value(), header[0] == INET)?, header[2]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_the_kernel_sends_panics() {
        let rule = [2, 0, 32, 0, 100, 0, 0, 1, 0, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 2];
        assert_eq!(read_source(&rule), Some("10.0.0.2/32".parse().unwrap()));
        let filter = [2, 0, 0, 0, 8, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 8, 0, 3, 0, 1, 0, 0, 0];
        assert_eq!(read_filter(&filter), Some((ALL, 1)));
        for end in 0..rule.len() {
            let _ = (read_source(&rule[..end]), read_filter(&filter[..end]));
        }
    }
}
