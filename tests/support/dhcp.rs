//! DHCP servers of a world, on the bridge `br0` and behind the interface `card`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::world::World;

/// A busy machine is slow; an idle one never gets near this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is the case.
#[track_caller]
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server in a network namespace of its own, reached by a port of `br0` and by `card`.
pub struct Server<'w> {
    world: &'w World,
}

/// A lease in the server's book.
pub struct Lease {
    pub ip: String,
    pub hostname: String,
}

/// Two wires lead to the server's own bridge: one is a port of `br0`, the other one is `card`.
const NETWORK: &str = "
ip netns add server
ip -n server link add lan type bridge
for link in br0 card; do
    ip link add $link-s type veth peer name $link netns server
done
ip link add br0 type bridge
ip link set br0-s master br0
ip link set card-s name card
for link in br0 br0-s card; do ip link set $link addrgenmode none up; done
for link in br0 card; do ip -n server link set $link master lan addrgenmode none up; done
ip -n server addr add 10.0.0.1/24 dev lan
ip -n server link set lan addrgenmode none up
ip -n server link set lo up
mkdir /run/server
";

impl<'w> Server<'w> {
    pub fn dnsmasq(world: &'w World) -> Self {
        Self::dnsmasq_with(world, "")
    }

    /// dnsmasq with further options.
    pub fn dnsmasq_with(world: &'w World, options: &str) -> Self {
        world.sh(NETWORK).ok();
        let mut command = world.command("nsenter");
        command.args(
            "--net=/run/netns/server -- dnsmasq --no-daemon --no-ping --port=0 --interface=lan".split(' '),
        );
        command.args("--conf-file=/dev/null --bind-interfaces --dhcp-authoritative --user=root".split(' '));
        command.args("--dhcp-range=10.0.0.50,10.0.0.200,120 --dhcp-leasefile=/run/server/leases".split(' '));
        command
            .args(["--log-facility=/run/server/log"])
            .args(options.split(' ').filter(|word| !word.is_empty()));
        world.daemon(&mut command);
        let server = Self { world };
        eventually("dnsmasq is up", || server.log().contains("sockets bound"));
        server
    }

    /// busybox udhcpd, which grants leases of a few seconds.
    pub fn with_short_leases(world: &'w World) -> Self {
        world.sh(NETWORK).ok();
        let config = "start 10.0.0.50\nend 10.0.0.200\ninterface lan\nmin_lease 4\nlease_file /run/server/leases\n\
                      pidfile /run/server/pid\noption subnet 255.255.255.0\noption router 10.0.0.1\noption lease 4\n";
        fs::write(world.path("/run/server/config"), config).unwrap();
        world.sh(": >/run/server/leases").ok();
        let start =
            "exec nsenter --net=/run/netns/server -- busybox udhcpd -f /run/server/config 2>/run/server/log";
        world.daemon(world.command("sh").args(["-c", start]));
        let server = Self { world };
        eventually("udhcpd is up", || server.log().contains("started"));
        server
    }

    fn log(&self) -> String {
        fs::read_to_string(self.world.path("/run/server/log")).unwrap_or_default()
    }

    /// How often udhcpd has granted or renewed the lease of this address.
    pub fn acks(&self, ip: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains("ACK") && line.split(' ').any(|word| word == ip))
            .count()
    }

    /// The last lease of this MAC address, from dnsmasq's log.
    #[track_caller]
    pub fn lease_of(&self, mac: &str) -> Lease {
        let log = self.log();
        let ack = log.lines().rfind(|line| line.contains("DHCPACK(lan)") && line.contains(mac));
        let mut words = ack
            .unwrap_or_else(|| panic!("no lease of {mac}:\n{log}"))
            .split(' ')
            .skip_while(|word| !word.starts_with("DHCPACK"));
        Lease {
            ip: words.nth(1).expect("an address").to_owned(),
            hostname: words.nth(1).unwrap_or_default().to_owned(),
        }
    }
}

pub const CLIENTS: [&str; 3] = ["udhcpc", "dhcpcd", "dhclient"];

/// Every process of the world that is a client or sees to one.
pub fn processes(world: &World) -> String {
    // Zombies are dead, whoever has yet to wait for them.
    let list = world
        .sh("ps -eo stat=,args= | grep -v '^Z' | grep -E 'udhcpc|dhcpcd|dhclient|rpipe-dhcp' || true")
        .ok();
    list.lines().filter(|line| !line.contains("grep")).collect::<Vec<_>>().join("\n")
}

/// Nothing of a client is there: no process, no file.
#[track_caller]
pub fn assert_gone(world: &World, why: &str) {
    // Who sees to the client has handed everything over before it ends.
    eventually(&format!("{why}: {}", processes(world)), || processes(world).is_empty());
    assert_eq!(world.sh("find /run/rpipe -mindepth 1 2>/dev/null || true").ok(), "", "{why}");
}

/// What a host file is, to the last bit that a writer would change.
pub fn identity(path: &PathBuf) -> (u64, i64, i64, Vec<u8>) {
    let file = fs::metadata(path).unwrap();
    (file.ino(), file.mtime(), file.mtime_nsec(), fs::read(path).unwrap())
}

/// A world with a bridge, a server on it, and a resolv.conf that a test may lose.
pub fn resolv_world() -> World {
    let world = World::new();
    world
        .sh("echo nameserver 192.0.2.1 >/run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf")
        .ok();
    world
}
