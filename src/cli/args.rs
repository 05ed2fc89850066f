//! The program and its verbs with their help. With the words and flags of `words` this is the one description from which the
//! parser, the help texts, the man pages and the completions are made.

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::colour::When;

use super::shells::Shell;
use super::words::{
    AttachArgs, BatchArgs, DetachArgs, DoctorArgs, ExecArgs, GcArgs, ListArgs, RunArgs, ToolArgs, WaitArgs,
};

/// Wires running Linux containers to networks.
///
/// Finds the container's process, links its network namespace into /var/run/netns, makes a veth pair, a macvlan or what
/// else the uplink calls for, names it, gives it addresses and a gateway, brings it up and tells the neighbours: in one
/// pass through netlink. When it fails, host and container are as they were before.
///
/// Called as pipework, by a link of that name, it takes pipework's words, is silent, and fails with 1.
#[derive(Debug, Parser)]
#[command(name = "rpipe", version, disable_help_flag = false, propagate_version = false)]
#[command(
    override_usage = "rpipe [OPTIONS] UPLINK TARGET ADDRESS[,ADDRESS…] [MAC][@VLAN]\n       rpipe [OPTIONS] COMMAND …"
)]
#[command(after_help = "\
Examples:
  rpipe br0 test01 192.168.0.123/24@192.168.0.1   attach container test01 to bridge br0
  rpipe eth0 test01 192.168.0.123/24              the same by a macvlan on eth0
  rpipe br0 test01 10.0.0.2/24,fd00::2/64         two addresses
  rpipe run br0 10.0.0.2/24 -- ip address         without any container engine
  rpipe exec test01 -- ss -tlnp                   a command of the host in the container's network
  rpipe --dry-run br0 test01 10.0.0.2/24          only print what would be done

Exit status: 0 done, 1 it failed and nothing was changed, 2 the words were wrong. A signal that interrupts it ends it,
once everything is undone.
")]
pub struct Cli {
    /// The flags of all verbs
    #[command(flatten)]
    pub global: Global,
    /// What to do
    #[command(subcommand)]
    pub verb: VerbArgs,
}

/// The flags of all verbs.
#[derive(Debug, Default, Args)]
pub struct Global {
    /// Tell each step as it is done; twice: the netlink messages
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// No status line, not even on a terminal
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]
    #[arg(
        long = "color",
        visible_alias = "colour",
        global = true,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    pub colour: Option<When>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum VerbArgs {
    /// Attach a running container to a network (the verb may be left out)
    ///
    /// Makes an interface in the container's network namespace, wired to UPLINK, with the given addresses. The MTU of the
    /// uplink is inherited. The same words again change nothing; other words for the same interface are an error that
    /// says what differs, unless --replace is given.
    #[command(after_help = "\
Examples:
  rpipe br0 test01 192.168.0.123/24@192.168.0.1      address and default route
  rpipe br1 -i eth2 test01 10.1.0.2/24               a second interface; br1 is created if it does not exist
  rpipe br1 --table 9 test01 10.1.0.2/24@10.1.0.1    a second way out, for answers to that address
  rpipe eth0 test01 192.168.0.7/24 U:test01          a macvlan with a MAC address made of a word
  rpipe eth0 test01 10.10.0.7/24 @10                 on VLAN 10 of eth0
  rpipe ovs0 test01 10.20.0.7/24 @20                 a port of Open vSwitch with tag 20
  rpipe --type ipvlan eth0 test01 192.168.0.8/24     where the switch allows one MAC address a port
  rpipe --direct-phys eth3 test01 192.168.0.9/24     the card itself
  rpipe br0 pid:4711 10.0.0.2/24                     any process with a network namespace of its own
  rpipe br0 netns:red fd00::2/64@fd00::1             a namespace made by `ip netns add`
  rpipe br0 test01 0/0                               no address, the link only
  rpipe br0 test01 dhcp-f                            a lease by DHCP, and its renewals

Exit status: 0 done, 1 it failed and nothing was changed, 2 the words were wrong. A signal that interrupts it ends it,
once everything is undone.
")]
    Attach(AttachArgs),
    /// Take an attachment back
    ///
    /// The interface goes, with the host's end of it; a default route that it had replaced is put back when its gateway can
    /// still be reached; an interface that was moved with --direct-phys comes home with its name, MAC address and MTU;
    /// the port of Open vSwitch, the 802.1Q interface that nobody else uses and the name of the namespace go too. Only
    /// what rpipe has made or moved is touched. A container that is gone has nothing left to detach, which is no error.
    #[command(after_help = "\
Examples:
  rpipe detach test01              its one attachment
  rpipe detach test01 -i eth2      this one
  rpipe detach test01 --all        all of them

Exit status: 0 done, or there was nothing to do, 1 something could not be taken back, 2 the words were wrong.
")]
    Detach(DetachArgs),
    /// Show what is attached, and what of it has changed since
    ///
    /// One line for each interface that rpipe has put into a container: whose it is, what it is wired to, its addresses and
    /// its state. It is found by the marks that rpipe leaves on links, in every network namespace that a process is in or
    /// that is kept in /var/run/netns, so it needs no container engine and no file of its own.
    ///
    /// The state is `up`, or what is different: `port gone` (the host's end is not on its bridge any more), `left BRIDGE`
    /// (it is on another one), `port unknown` (Open vSwitch does not answer), `down`, `host end down`, `uplink down`, `no
    /// carrier`, `no address` (all that it was given are gone), `address removed` (some are), `renamed from IFNAME`, `came
    /// from TARGET` (somebody moved it on), `mark gone` (rpipe detach does not know it any more), `dead` (its namespace
    /// cannot be found: the container is gone, or nothing shows where it is), and `came home` (see rpipe gc).
    #[command(after_help = "\
Examples:
  rpipe list                                    everything
  rpipe list test01                             this container's
  rpipe list --json | jq '.[] | select(.state != \"up\")'

Exit status: 0 done, also when nothing is attached, 1 it cannot be looked at, 2 the words were wrong.
")]
    List(ListArgs),
    /// Remove what dead containers left behind
    ///
    /// Removes names in /var/run/netns whose process is gone, ports of Open vSwitch that were made for a container and whose
    /// interface is gone, 802.1Q interfaces that rpipe made and nobody uses, and bridges that rpipe made, empty and without
    /// an address. An interface that was moved with --direct-phys and came home when its container died gets its name, MAC
    /// address, MTU, alias and state back, unless another interface has its name by now. Only what carries rpipe's mark is
    /// touched. Each thing is told in a line on standard error.
    #[command(after_help = "\
Examples:
  rpipe gc                 put everything in order
  rpipe gc --dry-run       only print the commands that would do it

Exit status: 0 done, or there was nothing to do, 1 something could not be put in order, 2 the words were wrong.
")]
    Gc(GcArgs),
    /// Do many lines in one process
    ///
    /// Each line of FILE is what would be typed behind `rpipe`: an attach, with or without the verb, detach, gc or wait. Words
    /// are quoted as in a shell, by '…', "…" and \; nothing is expanded. Blank lines are nothing, and so is what
    /// follows a # at the beginning of a word.
    ///
    /// All lines are read before the first is done: with wrong words anywhere nothing is changed. Each line is done
    /// wholly or not at all. The first that fails ends the batch, and those before it stay, unless --keep-going is given.
    /// Lines of detach that follow each other are done together, at the cost of one.
    ///
    /// On a terminal a bar shows the progress; elsewhere one line on standard error tells of each that is done.
    #[command(after_help = "\
Examples:
  rpipe batch lab.rpipe                        all lines of a file
  generate | rpipe batch -                     those that another program writes
  rpipe batch --keep-going --json lab.rpipe    whatever can be done, and what came of each line
  rpipe batch --dry-run lab.rpipe              only print what would be done

A file:
  # the lab
  br0 web 10.0.0.2/24@10.0.0.1
  br0 db 10.0.0.3/24@10.0.0.1 -i lan0
  detach 'old one' --all

Exit status: 0 all is done, 1 a line failed, 2 the words of a line were wrong, and nothing was changed.
")]
    Batch(BatchArgs),
    /// Run a command in a fresh network namespace, attached; everything is gone when it ends
    ///
    /// The namespace has a loopback interface that is up and the attached interface, and nothing else. Signals are
    /// passed on to the command. No container engine is needed.
    #[command(after_help = "\
Examples:
  rpipe run br0 192.168.0.123/24@192.168.0.1 -- ip address   see what the command sees
  rpipe run eth0 192.168.0.7/24 -- ping -c 1 192.168.0.1     a macvlan on eth0
  rpipe run br0 -i net0 10.0.0.2/24,fd00::2/64 -- bash       a shell in there, its interface called net0

Exit status: the command's own, or 128 and the signal's number when a signal ended it; 1 it could not be attached and
nothing was changed, 2 the words were wrong.
")]
    Run(RunArgs),
    /// Run a command in the network namespace of a container
    ///
    /// Only the network is the container's: the command, its files and its privileges are the host's. Its words are
    /// passed on untouched.
    #[command(after_help = "\
Examples:
  rpipe exec test01 -- ss -tlnp
  rpipe exec pid:4711 -- tcpdump -ni eth1

Exit status: the command's own; 1 there is no such container or command, 2 the words were wrong.
")]
    Exec(ExecArgs),
    /// Show or change the routes of a container: `ip route` in its namespace
    ///
    /// Everything after TARGET is passed on.
    #[command(after_help = "\
Examples:
  rpipe route test01                                           show them
  rpipe route test01 add 10.0.0.0/8 via 192.168.0.2 dev eth1   add one

Exit status: that of `ip` or `tc`; 1 there is no such container or tool, 2 the words were wrong.
")]
    Route(ToolArgs),
    /// Show or change the routing rules of a container: `ip rule` in its namespace
    ///
    /// Everything after TARGET is passed on.
    #[command(after_help = "\
Examples:
  rpipe rule test01                                     show them
  rpipe rule test01 add from 192.168.0.123 table 100    add one

Exit status: that of `ip` or `tc`; 1 there is no such container or tool, 2 the words were wrong.
")]
    Rule(ToolArgs),
    /// Show or change the traffic control of a container: `tc` in its namespace
    ///
    /// Everything after TARGET is passed on.
    #[command(after_help = "\
Examples:
  rpipe tc test01 qdisc show
  rpipe tc test01 qdisc add dev eth1 root tbf rate 1mbit burst 10kb latency 50ms

Exit status: that of `ip` or `tc`; 1 there is no such container or tool, 2 the words were wrong.
")]
    Tc(ToolArgs),
    /// Wait until an interface is there (also: rpipe --wait)
    ///
    /// Without TARGET it waits in the network namespace that it runs in: put rpipe into the container and let its first
    /// command be `rpipe wait`. With TARGET it waits for an interface of that container, which has to be running. The kernel
    /// tells when something changes; nothing is polled.
    ///
    /// For `gateway` the kernel asks the gateways of the default routes over the interface, or where it has none, those
    /// of its other routes, by ARP and neighbour discovery, again and again until all have answered.
    #[command(after_help = "\
Examples:
  rpipe wait                               in the container: until eth1 has carrier
  rpipe wait -i eth2 --for address         until eth2 has an address that can be used
  rpipe wait test01 --timeout 10           from the host, for ten seconds at most
  rpipe wait test01 --for gateway          until its gateway answers

Exit status: 0 it is there, 1 it did not come in time, 2 the words were wrong.
")]
    Wait(WaitArgs),
    /// Find out why it does not work: what keeps packets from arriving, and what helps
    ///
    /// Looks at everything that rpipe attached and at what it is attached to, or only at one container or one uplink. What
    /// is found is told in two lines: what is the case, and indented what helps, as a command where there is one. A
    /// `hint` may be meant, or rpipe cannot know.
    ///
    /// It looks for: an uplink that is down or has no carrier; a firewall that drops what a bridge passes on (a forward chain
    /// with the policy drop and bridge-nf-call-iptables, as Docker sets it; whether a rule accepts it is not evaluated); a
    /// bridge that leads nowhere, that is nearly full, whose ports STP keeps closed, or whose ways out do not carry the VLAN
    /// of a container; a macvlan on a wireless card or on one of a virtual machine; a macvlan or ipvlan and its host, who do
    /// not see each other; MTUs that do not fit; an IP or MAC address that two have; a gateway that does not answer; several
    /// default routes; rp_filter that drops what comes in over another interface than the answer leaves by.
    ///
    /// Nothing is changed, and no program is run. Gateways that the kernel has not heard of lately are asked by the kernel,
    /// by ARP or neighbour discovery, and have one second; nothing else is sent.
    #[command(after_help = "\
Examples:
  rpipe doctor                      everything that is attached
  rpipe doctor test01               what is attached to container test01
  rpipe doctor br0                  bridge br0 and what is attached to it
  rpipe doctor --json | jq -r '.[] | select(.severity == \"warning\") | .text'

Exit status: 0 nothing is wrong, there may be hints; 1 something is wrong, or it cannot be looked at; 2 the words were
wrong.
")]
    Doctor(DoctorArgs),
    /// Print the completion script of a shell
    ///
    /// It is the file that install.sh puts where the shell looks for it.
    #[command(after_help = "\
Examples:
  . <(rpipe completions bash)        for this shell only
  rpipe completions fish | source    the same in fish

Exit status: 0 done, 2 the words were wrong.
")]
    Completions {
        /// bash, zsh or fish
        #[arg(value_enum, hide_possible_values = true)]
        shell: Shell,
    },
}
