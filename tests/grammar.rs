//! No words make rpipe panic, and every word prints as it is read.

use std::ffi::OsString;
use std::fmt::{Debug, Display};
use std::os::unix::ffi::OsStringExt;
use std::str::FromStr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rpipe::spec::{
    Address, AddressList, EntryName, IfName, LinkAddress, Mac, MacWord, OwnAddress, TargetWord, UplinkWord,
    Vlan,
};

/// Pieces of words that mean something somewhere, and the characters that separate them.
const PIECES: [&str; 74] = [
    "rpipe",
    "attach",
    "run",
    "completions",
    "help",
    "bash",
    "br0",
    "eth0",
    "eth1",
    "test01",
    "docker:",
    "pid:",
    "netns:",
    "mac:",
    "U:",
    "1",
    "0",
    "24",
    "32",
    "64",
    "128",
    "129",
    "4095",
    "4096",
    "99999999999999999999",
    "192.168.0.123",
    "192.168.0.1",
    "10.0.0.255",
    "255.255.255.0",
    "0.0.0.0",
    "224.0.0.1",
    "127.0.0.1",
    "fd00::1",
    "fe80::1",
    "::",
    "ff02::1",
    "::ffff:10.0.0.1",
    "0/0",
    "=",
    "10.0.0.2=10.0.0.1/32",
    "--table",
    "--table=100",
    "02:00:00:00:00:01",
    "ff:ff:ff:ff:ff:ff",
    "/",
    "@",
    ",",
    ":",
    ".",
    "..",
    "-",
    "--",
    "-i",
    "-l",
    "-a",
    "-v",
    "-vv",
    "-q",
    "--json",
    "--dry-run",
    "--ifname",
    "--ifname=",
    "--host-ifname",
    "--help",
    "--version",
    "%",
    "%d",
    " ",
    "\n",
    "\u{1b}[31m",
    "\0",
    "Ü",
    "🦀",
    "",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&PIECES[..]).prop_map(str::to_owned),
        4 => vec(select(&PIECES[..]), 1..5).prop_map(|pieces| pieces.concat()),
        2 => vec(select(&PIECES[..]), 1..4).prop_map(|pieces| pieces.join(",")),
        1 => any::<String>(),
    ]
}

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        8 => text().prop_map(OsString::from),
        1 => vec(any::<u8>(), 0..20).prop_map(OsString::from_vec),
    ]
}

/// A line that is right, for the words to be put into.
fn nearly_right() -> impl Strategy<Value = Vec<OsString>> {
    let right = ["br0", "-i", "eth1", "test01", "10.0.0.2/24@10.0.0.1", "U:web@10"].map(OsString::from);
    (0..right.len(), word(), any::<bool>()).prop_map(move |(place, word, replace)| {
        let mut words = right.to_vec();
        if replace {
            words[place] = word;
        } else {
            words.insert(place, word);
        }
        words
    })
}

/// If it can be read, then what it prints is read as the same.
fn round_trip<T: FromStr + Display + PartialEq + Debug>(word: &str) {
    if let Ok(value) = word.parse::<T>() {
        let printed = value.to_string();
        let again = printed.parse::<T>().unwrap_or_else(|_| panic!("{word:?} prints as {printed:?}"));
        assert_eq!(again, value, "{word:?} prints as {printed:?}");
    }
}

fn ip4() -> impl Strategy<Value = String> {
    any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string())
}

fn ip6() -> impl Strategy<Value = String> {
    any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string())
}

fn address() -> impl Strategy<Value = String> {
    let gateway = |ip: BoxedStrategy<String>| {
        prop_oneof![Just(String::new()), ip.prop_map(|ip| format!("@{ip}"))].boxed()
    };
    prop_oneof![
        (ip4(), 0..34_u8, gateway(ip4().boxed()))
            .prop_map(|(ip, len, gateway)| format!("{ip}/{len}{gateway}")),
        (ip6(), 0..130_u8, gateway(ip6().boxed()))
            .prop_map(|(ip, len, gateway)| format!("{ip}/{len}{gateway}")),
        (ip4(), ip4(), 0..34_u8, gateway(ip4().boxed()))
            .prop_map(|(ip, peer, len, gateway)| format!("{ip}={peer}/{len}{gateway}")),
        (ip6(), ip6(), 0..130_u8, gateway(ip6().boxed()))
            .prop_map(|(ip, peer, len, gateway)| format!("{ip}={peer}/{len}{gateway}")),
        gateway(ip4().boxed()).prop_map(|gateway| format!("0/0{gateway}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_panics(words in vec(word(), 0..9)) {
        let alone = words.is_empty();
        let line = std::iter::once(OsString::from("rpipe")).chain(words);
        if let Err(error) = rpipe::cli::parse(line) {
            prop_assert_eq!(error.exit_code(), 2);
            let said = error.to_string();
            prop_assert!(!said.is_empty());
            // Alone it shows what is needed most, in lines of their own.
            prop_assert!(!said.chars().any(|c| c.is_control() && !(alone && c == '\n')), "{:?}", said);
        }
    }

    #[test]
    fn no_line_that_is_nearly_right_panics(words in nearly_right()) {
        let line = std::iter::once(OsString::from("rpipe")).chain(words);
        if let Err(error) = rpipe::cli::parse(line) {
            prop_assert_eq!(error.exit_code(), 2);
            let said = error.to_string();
            prop_assert!(!said.chars().any(char::is_control), "{:?}", said);
        }
    }

    #[test]
    fn no_line_without_a_program_name_panics(words in vec(word(), 0..2)) {
        let _ = rpipe::cli::parse(words);
    }

    #[test]
    fn every_word_prints_as_it_is_read(word in text()) {
        round_trip::<Address>(&word);
        round_trip::<AddressList>(&word);
        round_trip::<OwnAddress>(&word);
        round_trip::<EntryName>(&word);
        round_trip::<IfName>(&word);
        round_trip::<LinkAddress>(&word);
        round_trip::<Mac>(&word);
        round_trip::<MacWord>(&word);
        round_trip::<TargetWord>(&word);
        round_trip::<UplinkWord>(&word);
        round_trip::<Vlan>(&word);
    }

    #[test]
    fn every_address_prints_as_it_is_read(words in vec(address(), 1..4)) {
        for word in &words {
            round_trip::<Address>(word);
        }
        round_trip::<AddressList>(&words.join(","));
    }

    #[test]
    fn every_mac_prints_as_it_is_read(bytes in any::<[u8; 6]>(), vlan in 0..5000_u16) {
        let mac = bytes.map(|byte| format!("{byte:02X}")).join(":");
        round_trip::<Mac>(&mac);
        round_trip::<LinkAddress>(&format!("{mac}@{vlan}"));
        let local = Mac::local(bytes);
        prop_assert_eq!(local.to_string().parse(), Ok(local), "a made one is unicast and local");
    }
}
