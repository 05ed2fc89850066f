//! A plan as the equal commands: what `--dry-run` prints, and the remedy when an undo fails.

use std::fmt;
use std::net::Ipv4Addr;

use crate::spec::{Claim, Client, EntryName, IfName, Mac};

use super::routing::RULE_PRIORITY;
use super::{Entry, Facts, LeaseRequest, Rule, Side, Step};

/// The namespace that a command is in already.
const HERE: &str = "/proc/self/ns/net";

/// How a command reaches the target's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// `ip netns` knows it.
    Entry(EntryName),
    /// By a file.
    Path(String),
}

/// Steps printed as a POSIX shell script that does the same when it is run as root.
#[derive(Debug)]
pub struct Script<'a> {
    steps: &'a [Step],
    reach: Reach,
}

impl<'a> Script<'a> {
    /// The script of `steps` on the machine that `facts` show; `path` is a file of the target's namespace, for
    /// when `ip netns` does not know it.
    #[must_use]
    pub fn new(steps: &'a [Step], facts: &Facts, path: &str) -> Self {
        let named = path.strip_prefix("/var/run/netns/").and_then(|name| name.parse().ok());
        let reach = match (&facts.entry, named) {
            (Entry::Missing(entry) | Entry::Right(entry), _) if facts.pid.is_some() => {
                Reach::Entry(entry.clone())
            }
            (_, Some(entry)) => Reach::Entry(entry),
            _ => Reach::Path(path.to_owned()),
        };
        Self { steps, reach }
    }

    /// The script of `steps` on a namespace that is reached by a file.
    #[must_use]
    pub fn of_path(steps: &'a [Step], path: &str) -> Self {
        let named = path.strip_prefix("/var/run/netns/").and_then(|name| name.parse().ok());
        let reach = named.map_or_else(|| Reach::Path(path.to_owned()), Reach::Entry);
        Self { steps, reach }
    }

    /// The script of `steps` on the host alone: what is the target's is done there.
    #[must_use]
    pub fn of_host(steps: &'a [Step]) -> Self {
        Self { steps, reach: Reach::Path(HERE.to_owned()) }
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &'a [Step] {
        self.steps
    }

    /// The command of one step.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "a table: one line a step")]
    pub fn command(&self, step: &Step) -> String {
        let inside = |words: String| self.inside(&words);
        let on = |side: Side, words: String| match side {
            Side::Host => format!("ip {words}"),
            Side::Target => inside(words),
        };
        let netns = match &self.reach {
            Reach::Entry(entry) => quote(entry.as_str()),
            Reach::Path(path) => quote(path),
        };
        match step {
            Step::LinkNamespace { entry, pid } => {
                let name = quote(&format!("/var/run/netns/{entry}"));
                format!("mkdir -p /var/run/netns && ln -sfn /proc/{pid}/ns/net {name}")
            }
            Step::UnlinkNamespace { entry, .. } => {
                format!("rm {}", quote(&format!("/var/run/netns/{entry}")))
            }
            Step::CreateBridge { name, mac, filtering } => format!(
                "ip link add name {} address {mac} up type bridge stp_state 0{}",
                quote(name.as_str()),
                if *filtering { " vlan_filtering 1" } else { "" },
            ),
            Step::CreateVeth { host_ifname, bridge, ifname, host_mtu, mtu, mac, queues, .. } => format!(
                "ip link add name {} mtu {host_mtu} numtxqueues {queues} numrxqueues {queues}{} up type veth \
                 peer name {} netns {netns} mtu {mtu}{} numtxqueues {queues} numrxqueues {queues}",
                quote(host_ifname.as_str()),
                bridge
                    .as_ref()
                    .map(|bridge| format!(" master {}", quote(bridge.as_str())))
                    .unwrap_or_default(),
                quote(ifname.as_str()),
                mac_words(*mac),
            ),
            Step::SetPortVlan { port, vlan, .. } => {
                format!("bridge vlan add dev {} vid {vlan} pvid untagged", quote(port.as_str()))
            }
            Step::LeaveVlan { port, vlan } => {
                format!("bridge vlan del dev {} vid {vlan}", quote(port.as_str()))
            }
            Step::CreateVlan { parent, name, vlan } => format!(
                "ip link add link {} name {} up type vlan id {vlan}",
                quote(parent.as_str()),
                quote(name.as_str())
            ),
            Step::CreateShared { parent, ifname, sharing, mtu, mac, queues } => format!(
                "ip link add link {} name {} netns {netns} mtu {mtu}{} numtxqueues {queues} numrxqueues {queues} \
                 type {} mode {}",
                quote(parent.as_str()),
                quote(ifname.as_str()),
                mac_words(*mac),
                sharing.kind(),
                sharing.mode(),
            ),
            Step::CreateIpoib { parent, ifname, pkey } => format!(
                "ip link add link {} name {} netns {netns} type ipoib{}",
                quote(parent.as_str()),
                quote(ifname.as_str()),
                pkey.map(|pkey| format!(" pkey {pkey}")).unwrap_or_default(),
            ),
            Step::CreateDummy { ifname, mtu, mac } => inside(format!(
                "link add name {}{}{} type dummy",
                quote(ifname.as_str()),
                mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default(),
                mac_words(*mac),
            )),
            Step::SetAlias { side, ifname, alias, .. } => {
                on(*side, format!("link set dev {} alias {}", quote(ifname.as_str()), quote(alias)))
            }
            Step::MoveLink { from, to, phy, .. } => self.moved(&netns, from, to, *phy),
            Step::ReturnLink { from, to, phy } => self.returned(from, to, *phy),
            Step::RestoreSettings { ifname } => {
                format!("sysctl --system # the saved ones of {}", quote(ifname.as_str()))
            }
            Step::RestoreAddresses { ifname } | Step::RefillLink { ifname } => {
                format!("ip addr restore && ip route restore # the saved ones of {}", quote(ifname.as_str()))
            }
            Step::SetMac { ifname, mac, .. } => {
                inside(format!("link set dev {} address {mac}", quote(ifname.as_str())))
            }
            Step::SetMtu { ifname, mtu, .. } => {
                inside(format!("link set dev {} mtu {mtu}", quote(ifname.as_str())))
            }
            Step::Rename { from, to } => {
                inside(format!("link set dev {} name {}", quote(from.as_str()), quote(to.as_str())))
            }
            Step::SetLink { side, ifname, up } => {
                let state = if *up { "up" } else { "down" };
                on(*side, format!("link set dev {} {state}", quote(ifname.as_str())))
            }
            Step::EnableIpv6 { ifname } => self.setting("ipv6", ifname.as_str(), "disable_ipv6", false),
            Step::ArpNotify { ifname, on } => self.setting("ipv4", ifname.as_str(), "arp_notify", *on),
            Step::AddAddress { ifname, net, peer: Some(peer), no_dad } => {
                let (own, len) = (net.addr(), net.prefix_len());
                let no_dad = if *no_dad && own.is_ipv6() { " nodad" } else { "" };
                inside(format!("address add {own} peer {peer}/{len} dev {}{no_dad}", quote(ifname.as_str())))
            }
            Step::AddAddress { ifname, net, peer: None, no_dad } => {
                let broadcast = if net.addr().is_ipv4() && net.prefix_len() < 31 { " brd +" } else { "" };
                let no_dad = if *no_dad && net.addr().is_ipv6() { " nodad" } else { "" };
                inside(format!("address add {net}{broadcast} dev {}{no_dad}", quote(ifname.as_str())))
            }
            Step::NoOwnAddress { ifname } => {
                format!("ip link set dev {} addrgenmode none", quote(ifname.as_str()))
            }
            Step::AwaitLink { side, ifname, bridge } => self.awaited_link(*side, ifname, bridge.is_some()),
            Step::AwaitDetection { ifname, ips, asked } => self.awaited_detection(ifname, ips, *asked),
            Step::Announce { ifname, ips, times, .. } => self.announced(ifname, ips, *times),
            Step::AddHostRoute { ifname, host, table } => inside(format!(
                "{}route add {host} dev {}{} proto static",
                family(host.is_ipv4()),
                quote(ifname.as_str()),
                table_words(*table),
            )),
            Step::AddRoute { ifname, route, metric, table } => {
                let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
                inside(format!(
                    "{}route add {}{via} dev {}{}{} proto static",
                    family(route.net.addr().is_ipv4()),
                    route.net,
                    quote(ifname.as_str()),
                    metric_words(metric.unwrap_or_default()),
                    table_words(*table),
                ))
            }
            Step::SetDefault { ifname, gateway, metric, table, old } => {
                let verb = if old.is_some() { "replace" } else { "add" };
                inside(format!(
                    "{}route {verb} default via {gateway} dev {}{}{} proto static",
                    family(gateway.is_ipv4()),
                    quote(ifname.as_str()),
                    metric_words(*metric),
                    table_words(*table),
                ))
            }
            Step::AddRule { rule } => inside(rule_words("add", *rule)),
            Step::DeleteRule { rule } => inside(rule_words("del", *rule)),
            Step::Lease { ifname, request, .. } => self.leased(ifname, request),
            // The client ends with the interface.
            Step::EndLease { ifname } => inside(format!("link delete dev {}", quote(ifname.as_str()))),
            Step::RestoreMac { bridge, mac } => {
                format!("ip link set dev {} address {mac}", quote(bridge.as_str()))
            }
            Step::RestoreDefault { v4, old } => {
                let via = old.gateway.map(|ip| format!(" via {ip}")).unwrap_or_default();
                let dev =
                    old.dev.as_ref().map(|dev| format!(" dev {}", quote(dev.as_str()))).unwrap_or_default();
                inside(format!("{}route replace default{via}{dev}{}", family(*v4), metric_words(old.metric)))
            }
            Step::Claim { port, claim } => property("add", port, claim),
            Step::Release { port, claim } => property("del", port, claim),
            Step::Probe { ifname, addresses, full } => self.probed(ifname, addresses, *full),
            Step::Finish { ifname } => {
                inside(format!("link set dev {} group default", quote(ifname.as_str())))
            }
            Step::ClearLink { ifname } => {
                let name = quote(ifname.as_str());
                let clear = |words: &str| inside(format!("{words} dev {name} scope global"));
                let routes =
                    |family: &str| inside(format!("{family}route flush table all dev {name} proto static"));
                [routes(""), routes("-6 "), clear("address flush")].join(" && ")
            }
            Step::ReplaceDefault { v4, dev, old } => {
                let via = old.gateway.map(|ip| format!(" via {ip}")).unwrap_or_default();
                let source = old.source.map(|ip| format!(" src {ip}")).unwrap_or_default();
                let mtu = old.mtu.map(|mtu| format!(" mtu {mtu}")).unwrap_or_default();
                let onlink = if old.onlink { " onlink" } else { "" };
                inside(format!(
                    "{}route add default{via} dev {}{} proto {}{source}{mtu}{onlink}",
                    family(*v4),
                    quote(dev.as_str()),
                    metric_words(old.metric),
                    old.protocol,
                ))
            }
            Step::DeleteLink { side, ifname } => {
                on(*side, format!("link delete dev {}", quote(ifname.as_str())))
            }
            Step::Ovs(change) => {
                change.words().iter().fold("ovs-vsctl".to_owned(), |line, word| line + " " + &quote(word))
            }
            Step::DeleteLinks { ifnames } => {
                let one = |ifname: &IfName| inside(format!("link delete dev {}", quote(ifname.as_str())));
                ifnames.iter().map(one).collect::<Vec<_>>().join("; ")
            }
            Step::DeleteVlan { name } | Step::DeleteBridge { name } => {
                format!("ip link delete dev {}", quote(name.as_str()))
            }
        }
    }

    /// An interface that goes into the target.
    fn moved(&self, netns: &str, from: &IfName, to: &IfName, phy: Option<u32>) -> String {
        let (old, new) = (quote(from.as_str()), quote(to.as_str()));
        match phy {
            Some(phy) => format!(
                "iw phy#{phy} set netns name {netns} && {}",
                self.inside(&format!("link set dev {old} name {new}"))
            ),
            None => format!("ip link set dev {old} netns {netns} name {new}"),
        }
    }

    /// An interface that comes back, to where process 1 is.
    fn returned(&self, from: &IfName, to: &IfName, phy: Option<u32>) -> String {
        let (old, new) = (quote(from.as_str()), quote(to.as_str()));
        let ip = |words: &str| self.inside(words);
        match phy {
            Some(phy) => {
                let iw = match &self.reach {
                    Reach::Entry(entry) => format!("ip netns exec {} iw", quote(entry.as_str())),
                    Reach::Path(path) => format!("nsenter --net={} iw", quote(path)),
                };
                let rename = ip(&format!("link set dev {old} down name {new}"));
                format!("{rename} && {iw} phy#{phy} set netns 1")
            }
            None => ip(&format!("link set dev {old} netns 1 name {new}")),
        }
    }

    /// A DHCP client in the target's namespace, with nothing to write resolv.conf to.
    fn leased(&self, ifname: &IfName, request: &LeaseRequest) -> String {
        let client = request.client.client;
        let hostname = request.hostname.as_deref();
        let mut words: Vec<String> = Vec::new();
        let mut add = |list: &[&str]| words.extend(list.iter().map(|word| quote(word)));
        match client {
            Client::Udhcpc => {
                add(if request.client.applet { &["busybox", "udhcpc"] } else { &["udhcpc"] });
                add(&["-n", if request.keep { "-b" } else { "-q" }, "-i", ifname.as_str()]);
                if let Some(name) = hostname {
                    add(&["-x", &format!("hostname:{name}")]);
                }
            }
            Client::Dhcpcd => {
                add(&["dhcpcd", "-4", "-w", "-p", "--nohook", "resolv.conf"]);
                if !request.keep {
                    add(&["-1"]);
                }
                if let Some(name) = hostname {
                    add(&["-h", name]);
                }
            }
            // It takes a host name from its configuration only.
            Client::Dhclient => add(&["dhclient", "-4", "-1"]),
        }
        words.extend(request.options.iter().map(|word| quote(word)));
        if client != Client::Udhcpc {
            words.push(quote(ifname.as_str()));
        }
        let inner = format!("mount --bind /dev/null /etc/resolv.conf && exec {}", words.join(" "));
        let enter = match &self.reach {
            Reach::Entry(entry) => format!("ip netns exec {}", quote(entry.as_str())),
            Reach::Path(path) => format!("nsenter --net={}", quote(path)),
        };
        format!("{enter} unshare --mount sh -c {}", quote(&inner))
    }

    /// One `arping` an address: it fails when somebody answers.
    fn probed(&self, ifname: &IfName, addresses: &[Ipv4Addr], full: bool) -> String {
        let seconds = if full { 6 } else { 1 };
        let one = |ip: &Ipv4Addr| {
            self.program(&format!("arping -q -D -c 3 -w {seconds} -I {} {ip}", quote(ifname.as_str())))
        };
        addresses.iter().map(one).collect::<Vec<_>>().join(" && ")
    }

    /// A command in the target's namespace that is not of `ip`.
    fn program(&self, words: &str) -> String {
        match &self.reach {
            Reach::Entry(entry) => format!("ip netns exec {} {words}", quote(entry.as_str())),
            Reach::Path(path) => format!("nsenter --net={} {words}", quote(path)),
        }
    }

    /// `ip …` in the target's namespace.
    pub(super) fn inside(&self, words: &str) -> String {
        match &self.reach {
            Reach::Entry(entry) => format!("ip -n {} {words}", quote(entry.as_str())),
            Reach::Path(path) if path == HERE => format!("ip {words}"),
            Reach::Path(path) => format!("nsenter --net={} ip {words}", quote(path)),
        }
    }

    /// A setting of a link of the target that `ip` does not know.
    fn setting(&self, family: &str, ifname: &str, key: &str, on: bool) -> String {
        let path = quote(&format!("/proc/sys/net/{family}/conf/{ifname}/{key}"));
        self.shell(&format!("echo {} >{path}", u8::from(on)))
    }

    /// Commands of the shell in the target's namespace.
    pub(super) fn shell(&self, inner: &str) -> String {
        match &self.reach {
            Reach::Entry(entry) => format!("ip netns exec {} sh -c {}", quote(entry.as_str()), quote(inner)),
            Reach::Path(path) => format!("nsenter --net={} sh -c {}", quote(path), quote(inner)),
        }
    }
}

impl fmt::Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("#!/bin/sh\nset -e\n")?;
        for step in self.steps {
            writeln!(f, "{}", self.command(step))?;
        }
        Ok(())
    }
}

/// An alternative name of a link of the host, put on or taken off.
fn property(verb: &str, port: &IfName, claim: &Claim) -> String {
    let (port, name) = (quote(port.as_str()), quote(&claim.to_string()));
    format!("ip link property {verb} dev {port} altname {name}")
}

/// `ip` takes the family of `default` from a flag only.
fn family(v4: bool) -> &'static str {
    if v4 { "" } else { "-6 " }
}

fn mac_words(mac: Option<Mac>) -> String {
    mac.map(|mac| format!(" address {mac}")).unwrap_or_default()
}

fn metric_words(metric: u32) -> String {
    if metric == 0 { String::new() } else { format!(" metric {metric}") }
}

fn table_words(table: Option<u32>) -> String {
    table.map(|table| format!(" table {table}")).unwrap_or_default()
}

fn rule_words(verb: &str, rule: Rule) -> String {
    format!("{}rule {verb} {rule} pref {RULE_PRIORITY} proto static", family(rule.from.is_ipv4()))
}

/// A word for a POSIX shell: as it is when nothing in it means anything to the shell.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@,+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn the_shell_sees_one_word() {
        assert_eq!(quote("eth1"), "eth1");
        assert_eq!(quote("a$(b)"), "'a$(b)'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
