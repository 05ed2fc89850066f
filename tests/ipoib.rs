//! IP over InfiniBand. There is no hardware, so a tap stands in that says it is InfiniBand: all goes as it would until
//! the kernel is to make the child, which it refuses. The request itself is compared with that of `ip`, byte by byte.
mod support;

use support::{Called, RPIPE, World, assert_same, finish, snapshot};

/// `TUNSETIFF` of a tap without a header, `TUNSETLINK` to `ARPHRD_INFINIBAND`, `TUNSETPERSIST`.
const INFINIBAND: &str = r#"
    open(F, "+</dev/net/tun") or die;
    my $request = pack("a16 S x22", "ib7", 0x1002);
    ioctl(F, 0x400454ca, $request) or die "TUNSETIFF $!";
    ioctl(F, 0x400454cd, 32) or die "TUNSETLINK $!";
    ioctl(F, 0x400454cb, 1) or die "TUNSETPERSIST $!";
"#;

// Attributes of a link, include/uapi/linux/if_link.h.
const NAME: u16 = 3;
const LINKINFO: u16 = 18;
const NET_NS_FD: u16 = 28;
const INFO_KIND: u16 = 1;

fn world() -> World {
    let world = World::new();
    finish(world.command("perl").args(["-e", INFINIBAND])).ok();
    // The first time up changes what the kernel keeps of a link that is down.
    world.sh("ip link set ib7 addrgenmode none; ip link set ib7 up; ip link set ib7 down").ok();
    world
}

/// The datagram that asks for an ipoib link, from strace's dump of what was written.
fn request(world: &World, command: &str) -> Vec<u8> {
    let strace = "strace -qq -e trace=sendmsg,sendto -e write=all -o /run/trace";
    let trace = world.sh(&format!("{strace} {command} >/dev/null 2>&1 || cat /run/trace")).ok();
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    for line in trace.lines() {
        match line.strip_prefix(" | ") {
            // An offset, sixteen bytes, the same as text.
            Some(dump) => {
                let hex = dump.get(7..56).unwrap_or_default().split_whitespace();
                let bytes = hex.map(|byte| u8::from_str_radix(byte, 16).unwrap());
                datagrams.last_mut().unwrap().extend(bytes);
            }
            None => datagrams.push(Vec::new()),
        }
    }
    let asks = |datagram: &&Vec<u8>| datagram.windows(5).any(|bytes| bytes == b"ipoib");
    datagrams.iter().find(asks).unwrap_or_else(|| panic!("{command} asks for none: {trace}")).clone()
}

/// The attributes of the last message of a datagram, those of the nest as well, sorted. Descriptors are numbered by
/// chance and left out; so is the zero at the end of the kind, which not everybody sends.
fn attributes(datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut message = datagram;
    loop {
        let length = u32::from_ne_bytes(message[..4].try_into().unwrap()) as usize;
        match message.get(length.next_multiple_of(4)..) {
            Some(next) if !next.is_empty() => message = next,
            _ => break,
        }
    }
    // `struct nlmsghdr` and `struct ifinfomsg`, of which only the zeros are there.
    assert_eq!(message[16..32], [0; 16]);
    let mut list = Vec::new();
    read(&message[32..], &mut list);
    list.retain(|(kind, _)| *kind != NET_NS_FD);
    list.sort_unstable();
    list
}

fn read(mut bytes: &[u8], list: &mut Vec<(u16, Vec<u8>)>) {
    while bytes.len() >= 4 {
        let number = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let (length, kind) = (usize::from(number(0)), number(2));
        let value = &bytes[4..length];
        match kind {
            LINKINFO => read(value, list),
            INFO_KIND => list.push((kind, value.strip_suffix(&[0]).unwrap_or(value).to_vec())),
            _ => list.push((kind, value.to_vec())),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

#[test]
fn the_request_is_that_of_ip() {
    let world = world();
    let container = world.container();
    for (key, word) in
        [(" pkey 0x8001", " @8001"), (" pkey 0x8001", " @0x8001"), (" pkey 0x10", " @10"), ("", "")]
    {
        let netns = format!("/proc/{}/ns/net", container.pid);
        let theirs = request(&world, &format!("ip link add link ib7 name ib3 netns {netns} type ipoib{key}"));
        let ours = request(&world, &format!("{RPIPE} ib7 -i ib3 {} 10.0.0.2/24{word}", container.target()));
        assert_eq!(attributes(&theirs), attributes(&ours), "{word}");
    }
}

#[test]
fn inside_it_is_called_ib0() {
    let world = world();
    let container = world.container();
    for name in ["rpipe", "pipework"] {
        world.sh(&format!("ln -sf {RPIPE} /run/{name}")).ok();
        let ours = request(&world, &format!("/run/{name} ib7 {} 10.0.0.2/24", container.target()));
        assert!(attributes(&ours).contains(&(NAME, b"ib0\0".to_vec())), "{name}");
    }
}

/// The one thing that is missing here is the last one, so everything before it is undone.
#[test]
fn the_kernels_refusal_changes_nothing() {
    let world = world();
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    let said = world.line(&format!("ib7 {} 10.0.0.2/24 @8001", container.target())).refused(1);
    assert!(said.contains("ipoib") && said.contains("kernel"), "{said}");
    assert_same(&before, &snapshot(&world, &[&container]), &said);
}

#[test]
fn what_infiniband_cannot_do_is_refused() {
    let world = world();
    let container = world.container();
    let before = snapshot(&world, &[&container]);
    for (words, code, why) in [
        ("02:00:00:00:00:01", 1, "MAC address"),
        ("--mode vepa", 1, "child of its own kind"),
        ("--type ipvlan", 1, "child of its own kind"),
        ("@8000", 2, "VLAN"),
        ("@12345", 2, "VLAN"),
    ] {
        let said = world.line(&format!("ib7 {} 10.0.0.2/24 {words}", container.target())).refused(code);
        assert!(said.contains(why), "{said}");
    }
    let output = world.called(Called::Pipework, &format!("ib7 {} 10.0.0.2/24 U:web", container.target()));
    assert_eq!(output.code(), 1, "{output:?}");
    assert_same(&before, &snapshot(&world, &[&container]), "refused");
}
