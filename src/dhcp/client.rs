//! The command lines of the clients.
//!
//! PURE. Each runs in the foreground, hands what it gets to the courier, and configures nothing itself. Their own words
//! come first and people's last, so that people have the last word.

use crate::plan::LeaseRequest;
use crate::spec::Client;

use super::place;

/// Where ISC's client finds what it needs. AppArmor confines it to these paths where there is a profile for it.
#[derive(Debug, Clone, Copy)]
pub struct IscPaths {
    /// What it starts as its script.
    pub script: &'static str,
    /// Its configuration.
    pub config: &'static str,
}

/// The first word and the others.
pub fn words(request: &LeaseRequest, ifname: &str, isc: IscPaths) -> Vec<String> {
    let hostname = request.hostname.as_deref();
    let own = match request.client.client {
        Client::Udhcpc => udhcpc(request.client.applet, ifname, hostname),
        Client::Dhcpcd => dhcpcd(hostname),
        Client::Dhclient => dhclient(isc),
    };
    let last = (request.client.client != Client::Udhcpc).then(|| ifname.to_owned());
    own.into_iter().chain(request.options.iter().cloned()).chain(last).collect()
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn courier() -> String {
    place::inside(place::COURIER).display().to_string()
}

/// `-T 1 -A 3`: a packet that is lost while a bridge port comes up is asked for again soon.
fn udhcpc(applet: bool, ifname: &str, hostname: Option<&str>) -> Vec<String> {
    let mut words = if applet { own(&["busybox", "udhcpc"]) } else { own(&["udhcpc"]) };
    words.extend(own(&[
        "-f",
        "-i",
        ifname,
        "-s",
        &courier(),
        "-t",
        "5",
        "-T",
        "1",
        "-A",
        "3",
        "-O",
        "staticroutes",
    ]));
    if let Some(name) = hostname {
        words.extend(own(&["-x", &format!("hostname:{name}")]));
    }
    words
}

/// `--noconfigure` is of dhcpcd 9. The client identifier is the MAC address, for the file with its own one is not there
/// in the cage; without `-L` it would make up an address when nobody answers, without `-A` it waits five seconds.
fn dhcpcd(hostname: Option<&str>) -> Vec<String> {
    let mut words = own(&["dhcpcd", "-B", "-4", "-A", "-L", "--noconfigure", "--nodev", "-I", "", "-t", "0"]);
    words.extend(own(&["-f", "/dev/null", "-o", "routers,classless_static_routes", "-c", &courier()]));
    if let Some(name) = hostname {
        words.extend(own(&["-h", name]));
    }
    words
}

fn dhclient(isc: IscPaths) -> Vec<String> {
    own(&[
        "dhclient",
        "-4",
        "-d",
        "--no-pid",
        "-sf",
        isc.script,
        "-cf",
        isc.config,
        "-lf",
        "/run/dhclient.leases",
    ])
}

/// The configuration of ISC's client, which takes these from nowhere else.
pub fn isc_config(hostname: Option<&str>) -> String {
    let mut text = "option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n\
         request subnet-mask, broadcast-address, routers, rfc3442-classless-static-routes;\n\
         initial-interval 1;\nbackoff-cutoff 5;\nretry 1;\n"
        .to_owned();
    if let Some(name) = hostname {
        // Only letters, digits, dots and dashes.
        text.extend(["send host-name \"", name, "\";\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::FoundClient;
    use std::time::Duration;

    fn line(client: Client, applet: bool, hostname: Option<&str>) -> String {
        let request = LeaseRequest {
            client: FoundClient { client, program: "/x".into(), applet },
            keep: true,
            options: vec!["-r".into(), "$(x) *".into()],
            hostname: hostname.map(str::to_owned),
            limit: Duration::from_secs(1),
            default: true,
            metric: 0,
            uplink: "br0".into(),
        };
        let isc = IscPaths { script: "/sbin/dhclient-script", config: "/etc/dhcp/rpipe.conf" };
        words(&request, "eth1", isc).join("|")
    }

    #[test]
    fn each_client_has_its_words() {
        assert_eq!(
            line(Client::Udhcpc, true, Some("web")),
            "busybox|udhcpc|-f|-i|eth1|-s|/run/rpipe/rpipe-dhcp-courier|-t|5|-T|1|-A|3|-O|staticroutes|-x|hostname:web|\
             -r|$(x) *"
        );
        assert_eq!(
            line(Client::Dhcpcd, false, Some("web")),
            "dhcpcd|-B|-4|-A|-L|--noconfigure|--nodev|-I||-t|0|-f|/dev/null|-o|routers,classless_static_routes|\
             -c|/run/rpipe/rpipe-dhcp-courier|-h|web|-r|$(x) *|eth1"
        );
        assert_eq!(
            line(Client::Dhclient, false, None),
            "dhclient|-4|-d|--no-pid|-sf|/sbin/dhclient-script|-cf|/etc/dhcp/rpipe.conf|-lf|/run/dhclient.leases|\
             -r|$(x) *|eth1"
        );
        assert!(isc_config(Some("web")).ends_with("send host-name \"web\";\n"));
        assert!(!isc_config(None).contains("host-name"));
    }
}
