//! The plainest attach, read without the description of the flags.
//!
//! PURE. Making that description costs more than all the netlink messages of an attach take to be made, and most lines are
//! nothing but words in their places. Whatever else is on a line, or wrong with it, is left to the description: this knows
//! nothing that it does not know, which a test compares.

use std::ffi::{OsStr, OsString};

use super::args::{Cli, Global, VerbArgs};
use super::words::{AttachArgs, LinkArgs};

/// `rpipe attach UPLINK [-i IFNAME] [-l HOST_IFNAME] TARGET ADDRESSES [MAC][@VLAN]`, with the two flags anywhere behind
/// the verb.
pub(super) fn attach(args: &[OsString]) -> Option<Cli> {
    let (verb, words) = args.get(1..)?.split_first()?;
    if verb != "attach" {
        return None;
    }
    let mut link = LinkArgs::default();
    let mut places = Vec::with_capacity(4);
    let mut words = words.iter().map(OsString::as_os_str);
    while let Some(word) = words.next() {
        let name = match word.to_str()? {
            "-i" => &mut link.ifname,
            "-l" => &mut link.host_ifname,
            _ => {
                places.push(plain(word)?);
                continue;
            }
        };
        if name.replace(plain(words.next()?)?).is_some() {
            return None;
        }
    }
    let mut places = places.into_iter();
    let (uplink, target, addresses) = (places.next()?, places.next()?, places.next()?);
    let verb =
        AttachArgs { uplink, link, target, addresses, link_address: places.next(), ..Default::default() };
    match places.next() {
        None => Some(Cli { global: Global::default(), verb: VerbArgs::Attach(verb) }),
        Some(_) => None,
    }
}

/// A word that cannot be a flag.
fn plain(word: &OsStr) -> Option<String> {
    word.to_str().filter(|word| !word.starts_with('-')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn it_reads_what_the_description_reads() {
        for line in [
            "rpipe attach br0 web 10.0.0.2/24",
            "rpipe attach br0 pid:7 10.0.0.2/24@10.0.0.1 @10",
            "/usr/bin/rpipe attach list attach fd00::2/64 U:web@7",
            "rpipe attach br0 -i eth2 web 10.0.0.2/24",
            "rpipe attach -l veth0 br0 web -i eth2 10.0.0.2/24",
            "rpipe attach br0 web 10.0.0.2/24 @1 -i eth2",
            "rpipe attach br0  10.0.0.2/24 ",
        ] {
            let plain = attach(&words(line)).expect(line);
            assert_eq!(
                format!("{plain:?}"),
                format!("{:?}", Cli::try_parse_from(words(line)).unwrap()),
                "{line}"
            );
        }
    }

    #[test]
    fn what_it_does_not_know_it_leaves_alone() {
        for line in [
            "rpipe",
            "rpipe attach",
            "rpipe attach br0 web",
            "rpipe detach br0 web 10.0.0.2/24",
            "rpipe attach br0 web 10.0.0.2/24 @1 more",
            "rpipe attach br0 web 10.0.0.2/24 -i",
            "rpipe attach br0 web 10.0.0.2/24 -i -l",
            "rpipe attach br0 web 10.0.0.2/24 -i eth2 -i eth3",
            "rpipe attach br0 web 10.0.0.2/24 -ieth2",
            "rpipe attach br0 web 10.0.0.2/24 --mtu 1400",
            "rpipe attach -- br0 web 10.0.0.2/24",
            "rpipe attach br0 web -",
            "rpipe -q attach br0 web 10.0.0.2/24",
        ] {
            assert!(attach(&words(line)).is_none(), "{line}");
        }
    }
}
