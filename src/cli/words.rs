//! The words and flags of each verb with their help.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// What `attach` and `run` say of the interface.
#[derive(Debug, Default, Args)]
pub struct LinkArgs {
    /// Name of the interface inside the container [default: eth1; ib0 on InfiniBand]
    #[arg(short = 'i', long = "ifname", value_name = "IFNAME")]
    pub ifname: Option<String>,
    /// Name of the host's end of a veth pair [default: v<IFNAME>pl<PID>, or a short unique name where that does not fit]
    #[arg(short = 'l', long = "host-ifname", value_name = "HOST_IFNAME")]
    pub host_ifname: Option<String>,
    /// How the interface shares an uplink that is no bridge: macvlan, or ipvlan with the uplink's MAC address [default:
    /// macvlan]
    #[arg(long = "type", value_name = "TYPE", hide_possible_values = true, value_parser = ["macvlan", "ipvlan"])]
    pub link_type: Option<String>,
    /// Mode of a macvlan: bridge, private, vepa or passthru; of an ipvlan: l2, l3 or l3s [default: bridge, l2]
    #[arg(long, value_name = "MODE", hide_possible_values = true,
        value_parser = ["bridge", "private", "vepa", "passthru", "l2", "l3", "l3s"])]
    pub mode: Option<String>,
    /// Move the uplink itself into the container, instead of sharing it
    #[arg(long)]
    pub direct_phys: bool,
    /// Largest packet in bytes [default: the uplink's]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(68..=65535))]
    pub mtu: Option<u32>,
    /// Queues each way of a veth pair, a macvlan or an ipvlan: more than one takes longer to make, and serves many processors
    /// that send at once [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub queues: Option<u32>,
    /// Metric of the routes, lower wins [default: the kernel's, 0 for IPv4 and 1024 for IPv6]
    ///
    /// A further gateway of the same family gets the next higher one: the first that is named is preferred.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub metric: Option<u32>,
    /// A further route, over the address's gateway unless it names one; may be given several times
    #[arg(long = "route", value_name = "CIDR[@GATEWAY]")]
    pub routes: Vec<String>,
    /// Leave the container's default route as it is
    #[arg(long)]
    pub no_default: bool,
    /// Put the routes into this routing table, for packets from these addresses only: answers leave as they came in
    ///
    /// The table gets the networks of the addresses, the further routes and the default route; a rule from each address
    /// leads into it. The container's default route stays as it is. Further gateways of the same family get the tables
    /// NUMBER+1 and so on, each with the addresses that name it. 253 to 255 are the kernel's own; names of tables are not
    /// known.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub table: Option<u32>,
    /// Ask the network by ARP whether somebody has the IPv4 addresses, before they are used: half a second, or with
    /// `full` the four to seven seconds of RFC 5227
    ///
    /// Who has one, or probes for it at the same time, is named by its MAC address, and everything is undone; so it is where
    /// nobody can be asked, for want of a carrier. An ipvlan, a dummy and InfiniBand cannot ask. For IPv6 the kernel does
    /// this itself. What the host and other attachments on the uplink have is known without it.
    #[arg(long, value_name = "TIMING", num_args = 0..=1, require_equals = true, default_missing_value = "short",
        hide_possible_values = true, value_parser = ["short", "full"])]
    pub probe: Option<String>,
    /// How long a DHCP lease may take to come; then everything is undone [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub dhcp_timeout: Option<Duration>,
    /// Tell the neighbours of the addresses this often, a second apart, for switches that forget [default: 1]
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub announce: Option<u32>,
    /// Do not tell the neighbours of the addresses
    #[arg(long, conflicts_with = "announce")]
    pub no_announce: bool,
    /// Use IPv6 addresses at once, without asking whether somebody else has them
    #[arg(long)]
    pub no_dad: bool,
    /// Switch IPv6 on for the interface where the container has it off for new ones, as Docker does
    #[arg(long)]
    pub enable_ipv6: bool,
    /// Address family, as pipework wants it told; not needed, rpipe sees it from the address
    #[arg(short = 'a', long = "family", value_name = "4|6", value_parser = family)]
    pub family: Option<u8>,
}

fn family(word: &str) -> Result<u8, &'static str> {
    match word {
        "4" => Ok(4),
        "6" => Ok(6),
        _ => Err("4 or 6"),
    }
}

/// The words of `attach`.
#[derive(Debug, Default, Args)]
pub struct AttachArgs {
    /// What to wire to: a host interface by name or as mac:xx:…; br…, ovs… and dummy… that do not exist are created
    ///
    /// A Linux bridge or one of Open vSwitch gets a veth pair. Any other interface is shared by a macvlan, or goes into the
    /// container itself with --direct-phys. InfiniBand gets a child of its own kind.
    #[arg(value_name = "UPLINK")]
    pub uplink: String,
    #[command(flatten)]
    pub link: LinkArgs,
    /// Whom to wire: a container by name, id or unique id prefix
    ///
    /// A word before it says who knows it: `docker:NAME`, `podman:NAME`, `containerd:NAME` or
    /// `containerd:NAMESPACE/NAME`, `cri:POD` or `cri:POD/CONTAINER` or `cri:NAMESPACE/POD/CONTAINER`, `lxc:NAME` or
    /// `lxc:/FOLDER/NAME`, `lxd:NAME` or `lxd:PROJECT/NAME` for LXD and Incus, `nspawn:NAME` for systemd-nspawn, `oci:ID`
    /// for runc, crun and youki, `pid:NUMBER`, `netns:NAME` or `netns:/PATH`. Without one they are asked in this order, and the
    /// first that knows the name is taken; containers that users run without root come last.
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Addresses: IP/LEN[@GATEWAY], several with commas; 0/0[@GATEWAY] for none; dhcp or a client's name for a lease
    ///
    /// `IP=PEER/LEN` is an address whose other end is known, as in `ip address add IP peer PEER/LEN`. Of several gateways of
    /// a family the first is the default route, and the others are default routes of the next higher metrics.
    ///
    /// `dhcp` takes the first that is installed of `udhcpc`, `dhcpcd` and `dhclient`; those words name one. The client gets the
    /// lease and ends; with `-f` behind its name (`dhcp-f`, `udhcpc-f` …) it stays, renews the lease, and ends with the
    /// interface or the container. `:OPTIONS` behind that are further words for it, so it comes last in a list.
    #[arg(value_name = "ADDRESS[,ADDRESS…]")]
    pub addresses: String,
    /// MAC address: xx:xx:xx:xx:xx:xx, or U:STRING for one made of a string; then the VLAN, as @10
    ///
    /// Without a MAC address it is random. On a bridge with VLAN filtering the VLAN is that of the container's port,
    /// untagged; on Open vSwitch the tag of the port; on any other interface an 802.1Q interface is made for it, or
    /// used again. On InfiniBand it is the partition key, in hexadecimal.
    // Optional words are shown in brackets, and these are two.
    #[arg(value_name = "MAC][@VLAN")]
    pub link_address: Option<String>,
    /// How long all engines together may take to answer [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Where the interface is attached otherwise already, change it: in place where the kernel can
    #[arg(long)]
    pub replace: bool,
    /// Print the plan as a shell script and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print what was done as JSON; with --dry-run the steps
    #[arg(long)]
    pub json: bool,
}

/// The words of `detach`.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// Whose attachment: a container by name, id or unique id prefix, or with a word before it as in `rpipe help attach`
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Name of the interface inside the container [default: the only one that rpipe has attached]
    #[arg(short = 'i', long = "ifname", value_name = "IFNAME", conflicts_with = "all")]
    pub ifname: Option<String>,
    /// All that rpipe has attached
    #[arg(long)]
    pub all: bool,
    /// How long all engines together may take to answer [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// The words of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Whose attachments: a container by name, id or unique id prefix, or with a word before it as in `rpipe help
    /// attach`; everybody's without it
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// How long all engines together may take to answer [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The words of `gc`.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Print the plan as a shell script and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print what was done as JSON; with --dry-run the steps
    #[arg(long)]
    pub json: bool,
}

/// The words of `batch`.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// The file with the lines; - is standard input, which is read to its end first
    #[arg(value_name = "FILE|-")]
    pub file: OsString,
    /// Go on behind a line that fails, and fail at the end
    #[arg(long)]
    pub keep_going: bool,
    /// Print the plan of all lines as one shell script and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object a line: what was done, or why it failed; with --dry-run the steps
    #[arg(long)]
    pub json: bool,
}

/// The words of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to wire to: a host interface by name or as mac:xx:…; br…, ovs… and dummy… that do not exist are created
    ///
    /// A Linux bridge or one of Open vSwitch gets a veth pair. Any other interface is shared by a macvlan, or goes into the
    /// container itself with --direct-phys. InfiniBand gets a child of its own kind.
    #[arg(value_name = "UPLINK")]
    pub uplink: String,
    #[command(flatten)]
    pub link: LinkArgs,
    /// Addresses: IP/LEN[@GATEWAY], several with commas; 0/0[@GATEWAY] for none; dhcp or a client's name for a lease
    ///
    /// `IP=PEER/LEN` is an address whose other end is known, as in `ip address add IP peer PEER/LEN`. Of several gateways of
    /// a family the first is the default route, and the others are default routes of the next higher metrics.
    ///
    /// `dhcp` takes the first that is installed of `udhcpc`, `dhcpcd` and `dhclient`; those words name one. The client gets the
    /// lease and ends; with `-f` behind its name (`dhcp-f`, `udhcpc-f` …) it stays, renews the lease, and ends with the
    /// interface or the container. `:OPTIONS` behind that are further words for it, so it comes last in a list.
    #[arg(value_name = "ADDRESS[,ADDRESS…]")]
    pub addresses: String,
    /// MAC address: xx:xx:xx:xx:xx:xx, or U:STRING for one made of a string; then the VLAN, as @10
    ///
    /// Without a MAC address it is random. On a bridge with VLAN filtering the VLAN is that of the container's port,
    /// untagged; on Open vSwitch the tag of the port; on any other interface an 802.1Q interface is made for it, or
    /// used again. On InfiniBand it is the partition key, in hexadecimal.
    // Optional words are shown in brackets, and these are two.
    #[arg(value_name = "MAC][@VLAN")]
    pub link_address: Option<String>,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<OsString>,
}

/// The words of `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// Whose network: a container by name, id or unique id prefix, or with a word before it as in `rpipe help attach`
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// How long all engines together may take to answer [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<OsString>,
}

/// The words of `route`, `rule` and `tc`.
#[derive(Debug, Args)]
pub struct ToolArgs {
    /// Whose network: a container by name, id or unique id prefix, or with a word before it as in `rpipe help attach`
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// How long all engines together may take to answer [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// What the tool is to do, passed on untouched
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// The words of `wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Whose interface: a container by name, id or unique id prefix, as for `rpipe attach`; rpipe's own without it
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Name of the interface
    #[arg(short = 'i', long = "ifname", value_name = "IFNAME", default_value = "eth1")]
    pub ifname: String,
    /// What for: `link` itself, its `carrier`, an `address` that can be used (no duplicate found), or its `gateway`, once
    /// that answers
    #[arg(
        long = "for",
        value_name = "STATE",
        value_enum,
        default_value = "carrier",
        hide_possible_values = true
    )]
    pub wait_for: WaitFor,
    /// How long at most [default: for ever]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// The words of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// An interface of the host, or a container by name, id or unique id prefix, or with a word before it as in `rpipe
    /// help attach`; everything that is attached without it
    ///
    /// An interface of that name is taken first: `docker:br0` reaches the container that is called so.
    #[arg(value_name = "TARGET|UPLINK")]
    pub patient: Option<String>,
    /// How long all engines together may take to answer [default: 2]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// The interface is there.
    Link,
    /// It is up and has carrier.
    Carrier,
    /// It has an address of global scope whose duplicate address detection is over.
    Address,
    /// The gateways of its routes answer ARP or neighbour discovery.
    Gateway,
}

/// Seconds, also with a fraction, up to a day.
fn seconds(word: &str) -> Result<Duration, &'static str> {
    let number: f64 = word.parse().map_err(|_| "not a number of seconds")?;
    if (0.0..=86_400.0).contains(&number) {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err("not 0 to 86400")
    }
}
