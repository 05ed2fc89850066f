//! The cage: a mount namespace in which a client can write nowhere, and a process namespace that ends with it.
//!
//! IO. The whole of the host is there, so that any program runs, and all of it is read-only; so no client, no option and no
//! hook of it can write `/etc/resolv.conf` or anything else, whatever file a distribution keeps it in. What clients want
//! to write to is a fresh tmpfs: `/run`, and their places under `/var/lib`. One directory is shared with the host, the
//! keeper's own.
//!
//! Mounts come from the host as a slave, so that what the host unmounts is unmounted here too and no disk is kept busy.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, fstat, stat};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::sys::wait::wait;
use nix::unistd::Pid;

use crate::kernel::KernelError;
use crate::target::Process;

use super::client::IscPaths;
use super::place;

/// Where clients keep their files.
const STATE: [&str; 4] = ["/var/lib/dhcp", "/var/lib/dhcpcd", "/var/lib/dhcpcd5", "/var/db/dhcpcd"];
/// The settings of the network namespace that the client is in.
const SETTINGS: &str = "/proc/sys/net/ipv4/conf";
/// `mount -o remount,bind,rw,nosuid,nodev`
const WRITABLE: MsFlags =
    MsFlags::MS_REMOUNT.union(MsFlags::MS_BIND).union(MsFlags::MS_NOSUID).union(MsFlags::MS_NODEV);
/// What must not be writable. The last one may be a link to anywhere, which is what is looked at.
const GUARDED: [&str; 3] = ["/", "/etc", "/etc/resolv.conf"];
const ISC_SCRIPT: &str = "/sbin/dhclient-script";
const ISC_DIRECTORY: &str = "/etc/dhcp";
const ISC_CONFIG: &str = "/etc/dhcp/rpipe.conf";

/// Where ISC's client finds its files in a cage of this host.
pub fn isc_paths() -> IscPaths {
    IscPaths {
        script: if Path::new(ISC_SCRIPT).is_file() { ISC_SCRIPT } else { "/run/rpipe/rpipe-dhcp-courier" },
        config: if Path::new(ISC_DIRECTORY).is_dir() { ISC_CONFIG } else { "/run/rpipe/dhclient.conf" },
    }
}

/// `rpipe-dhcp-cage PLACE PROGRAM ARG0 ARGS…`: builds the cage, starts the program in it, and stays as long as that lives.
///
/// It stays because it is the one that surely ends with the keeper: a program that changes its user, as dhcpcd does, loses
/// the signal that it should get then (man 2 `PR_SET_PDEATHSIG`). And it is the first process of its namespace, so that all
/// others end with it.
#[inline(never)]
pub fn run(args: &[OsString]) -> u8 {
    let [_, place, program, name, words @ ..] = args else { return 2 };
    // Only a keeper starts it as the first process of a process namespace.
    if std::process::id() != 1 {
        return 2;
    }
    let started = build(Path::new(place)).and_then(|()| start(program, name, words));
    let client = match started {
        Ok(client) => client,
        Err((tried, why)) => {
            eprintln!("{tried}: {why}");
            return 1;
        }
    };
    // Those whose parents have ended are its children too.
    loop {
        match wait() {
            Ok(status) if status.pid() == Some(client) => return 0,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 1,
        }
    }
}

/// Starts the client and writes its number down as the host has it.
fn start(program: &OsStr, name: &OsStr, words: &[OsString]) -> Result<Pid, Failed> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.arg0(name).args(words).env_clear().env("PATH", path);
    let client = command.spawn().map_err(|error| ("starting it", error.into()))?;
    let pid = i32::try_from(client.id()).map_err(|_| ("starting it", Errno::ERANGE.into()))?;
    let number = number_on_host(pid).map_err(|error| ("writing client.pid", error))?;
    let file = place::inside(place::PID_FILE);
    fs::write(file, format!("{number}\n")).map_err(|error| ("writing client.pid", error.into()))?;
    Ok(Pid::from_raw(pid))
}

/// The number that a process has in the namespace that `/proc` is of (man 2 `pidfd_open`).
fn number_on_host(pid: i32) -> Result<u32, KernelError> {
    let process = Process::pin(pid)?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_fd().as_raw_fd()))?;
    let line = info.lines().find_map(|line| line.strip_prefix("Pid:"));
    line.and_then(|number| number.trim().parse().ok()).ok_or_else(|| Errno::ESRCH.into())
}

type Failed = (&'static str, KernelError);

fn build(place: &Path) -> Result<(), Failed> {
    fn tried<T, E: Into<KernelError>>(what: &'static str) -> impl FnOnce(Result<T, E>) -> Result<T, Failed> {
        move |result| result.map_err(|error| (what, error.into()))
    }
    let die = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    tried("asking to end with the keeper")(die.map_err(std::io::Error::from))?;
    // A keeper that had died before that no longer listens.
    let keeper = UnixDatagram::unbound().and_then(|socket| socket.connect(place.join(place::NEWS)));
    tried("reaching the keeper")(keeper)?;
    // What the keeper holds back is nothing to the client.
    tried("releasing signals")(SigSet::empty().thread_set_mask())?;

    tried("making a mount namespace")(unshare(CloneFlags::CLONE_NEWNS))?;
    let none = None::<&str>;
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    tried("parting from the host's mounts")(mount(none, "/", none, slave, none))?;
    let mounts = tried("reading /proc/self/mountinfo")(fs::read("/proc/self/mountinfo"))?;
    for (path, flags) in mounts.split(|byte| *byte == b'\n').filter_map(read_mount) {
        // Not all can be reached: some lie below others, some are other users'. What counts is looked at below.
        let flags = flags | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        let _ = mount(none, &path, none, flags, none);
    }

    // The container's own settings, which are another namespace's than the host's: dhcpcd sets promote_secondaries.
    let _ = mount(Some(SETTINGS), SETTINGS, none, MsFlags::MS_BIND, none)
        .and_then(|()| mount(none, SETTINGS, none, WRITABLE, none));
    // In this namespace: a mount of another one cannot be bound. Before /run is covered.
    let directory = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let shared = tried("opening the keeper's directory")(open(place, directory, Mode::empty()))?;
    let own = tried("looking for rpipe's own file")(own_file())?;
    let run = tried("looking for /run")(fs::canonicalize("/run"))?;
    tried("mounting /run")(tmpfs(&run))?;
    if let Ok(other) = fs::canonicalize("/var/run")
        && other != run
    {
        tried("mounting /var/run")(tmpfs(&other))?;
    }
    let inside = Path::new(place::ROOM);
    tried("making /run/rpipe")(fs::create_dir(inside))?;
    let shared = format!("/proc/self/fd/{}", shared.as_raw_fd());
    tried("binding /run/rpipe")(mount(Some(shared.as_str()), inside, none, MsFlags::MS_BIND, none))?;
    tried("mounting /run/rpipe")(mount(none, inside, none, WRITABLE, none))?;
    for state in STATE.iter().chain([&ISC_DIRECTORY]).filter(|path| Path::new(path).is_dir()) {
        tried("mounting a client's own directory")(tmpfs(Path::new(state)))?;
    }

    let courier = place::inside(place::COURIER);
    tried("making the courier's file")(File::create_new(&courier))?;
    tried("mounting the courier")(mount_file(&own, &courier))?;
    if isc_paths().script == ISC_SCRIPT {
        tried("mounting the courier")(mount_file(&own, Path::new(ISC_SCRIPT)))?;
    }
    let config = place::inside(place::ISC_CONFIG);
    if Path::new(ISC_DIRECTORY).is_dir() && config.exists() {
        tried("writing dhclient.conf")(fs::copy(config, ISC_CONFIG))?;
    }
    for path in GUARDED {
        match statvfs(path) {
            Ok(stat) if stat.flags().contains(FsFlags::ST_RDONLY) => {}
            // A link that leads nowhere here, most likely into /run.
            Err(Errno::ENOENT) => {}
            // One that leads into /run is nobody's but the client's.
            Ok(_) if fs::canonicalize(path).is_ok_and(|real| real.starts_with(&run)) => {}
            Ok(_) => return Err(("keeping the host's files read-only", Errno::EROFS.into())),
            Err(errno) => return Err(("looking at the host's files", errno.into())),
        }
    }
    Ok(())
}

/// `mount -t tmpfs`
fn tmpfs(path: &Path) -> Result<(), Errno> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("rpipe"), path, Some("tmpfs"), flags, Some("mode=0755,size=4m"))
}

/// The file of this very program. `/proc/self/exe` leads to it on a mount of the namespace before, so it is looked up again.
fn own_file() -> Result<OwnedFd, KernelError> {
    let file = open(&fs::read_link("/proc/self/exe")?, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    let (found, running) = (fstat(&file)?, stat("/proc/self/exe")?);
    if (found.st_dev, found.st_ino) != (running.st_dev, running.st_ino) {
        return Err(Errno::ESTALE.into());
    }
    Ok(file)
}

/// `mount --bind`, of an open file in the place of another.
fn mount_file(file: &OwnedFd, path: &Path) -> Result<(), Errno> {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    mount(Some(source.as_str()), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
}

/// A line of `/proc/self/mountinfo` (man 5 `proc_pid_mountinfo`): where it is mounted and with what flags of its own, which
/// a remount would take away.
fn read_mount(line: &[u8]) -> Option<(PathBuf, MsFlags)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let path = unescape(fields.nth(4)?);
    let options = fields.next()?;
    let mut flags = MsFlags::empty();
    for option in options.split(|byte| *byte == b',') {
        flags |= match option {
            b"nosuid" => MsFlags::MS_NOSUID,
            b"nodev" => MsFlags::MS_NODEV,
            b"noexec" => MsFlags::MS_NOEXEC,
            b"noatime" => MsFlags::MS_NOATIME,
            b"nodiratime" => MsFlags::MS_NODIRATIME,
            b"relatime" => MsFlags::MS_RELATIME,
            _ => MsFlags::empty(),
        };
    }
    Some((path, flags))
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits (`mangle`, fs/proc_namespace.c).
fn unescape(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.first_chunk::<3>().filter(|_| *first == b'\\').and_then(|digits| {
            digits.iter().try_fold(0_u32, |value, digit| {
                (b'0'..=b'7').contains(digit).then(|| value * 8 + u32::from(digit - b'0'))
            })
        });
        let byte = octal.and_then(|value| u8::try_from(value).ok());
        path.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { behind.get(3..).unwrap_or_default() } else { behind };
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_line_of_mountinfo_is_read() {
        let line = br"36 35 98:0 /mnt1 /mnt\0402/a\134b rw,noatime,nosuid master:1 - ext3 /dev/root rw,errors=continue";
        let (path, flags) = read_mount(line).unwrap();
        assert_eq!(path, Path::new(OsStr::from_bytes(br"/mnt 2/a\b")));
        assert_eq!(flags, MsFlags::MS_NOATIME | MsFlags::MS_NOSUID);
        for line in [&b""[..], b"1 2 3 4", b"1 2 3 4 /x"] {
            assert_eq!(read_mount(line), None);
        }
        for odd in [r"\", r"\04", r"\999", r"\777"] {
            assert_eq!(unescape(odd.as_bytes()), Path::new(odd));
        }
    }

    #[test]
    fn called_by_hand_it_does_nothing() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(run(&words("rpipe-dhcp-cage")), 2);
        assert_eq!(run(&words("rpipe-dhcp-cage / /bin/true true")), 2);
    }
}
