//! Words that are right in another place: said so, instead of what is wrong with them in this one.

use std::net::IpAddr;
use std::str::FromStr;

use crate::spec::{AddressList, LinkAddress, SpecError, TargetWord};

const ORDER: &str = "the order is UPLINK TARGET ADDRESS";

/// The word for the target. An address in its place is not a strange name, it is the wrong order.
pub(super) fn target(word: &str) -> Result<TargetWord, SpecError> {
    if is_address(word) {
        return Err(SpecError::new("target", word, "is an address").hint(ORDER));
    }
    word.parse()
}

/// The other words, before they are read.
pub(super) fn check(uplink: &str, addresses: &str, link_address: Option<&str>) -> Result<(), SpecError> {
    if is_address(uplink) {
        return Err(SpecError::new("uplink", uplink, "is an address").hint(ORDER));
    }
    // A list of addresses has a slash, and begins like none of these.
    let may_be_of_link = !addresses.contains('/') || addresses.starts_with(['U', '@']);
    if may_be_of_link && LinkAddress::from_str(addresses).is_ok() {
        let what = if addresses.starts_with('@') { "is a VLAN" } else { "is a MAC address" };
        return Err(SpecError::new("address", addresses, what).hint("that comes behind the address"));
    }
    let Some(word) = link_address.filter(|_| AddressList::from_str(addresses).is_ok()) else { return Ok(()) };
    if word.parse::<IpAddr>().is_ok() && !addresses.contains('@') {
        let hint = format!("a gateway goes behind the address: {addresses}@{word}");
        return Err(SpecError::new("MAC address", word, "is an IP address").hint(hint));
    }
    if is_address(word) && word != "0/0" {
        let hint = format!("several go into one word: {addresses},{word}");
        return Err(SpecError::new("MAC address", word, "is an IP address").hint(hint));
    }
    if !word.is_empty() && word.len() <= 4 && word.bytes().all(|digit| digit.is_ascii_digit()) {
        let refused = SpecError::new("MAC address", word, "is a number");
        return Err(refused.hint(format!("a VLAN is written @{word}")));
    }
    Ok(())
}

/// Whether it can only be an address: a container can be called dhcp. Without a slash it is none; so much is seen at a
/// glance, for this is asked of every line.
fn is_address(word: &str) -> bool {
    word.contains('/') && AddressList::from_str(word).is_ok_and(|list| list.dhcp().is_none())
}
