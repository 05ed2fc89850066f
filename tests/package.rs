//! What `.ci/release` makes: archives, Debian packages, and that they are the same whoever makes them.
//!
//! Not among the tests of a plain `cargo test`: tests/run has them made meanwhile, says in `RPIPE_PACKAGES` where, and
//! runs this at the end.
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Output, World, finish};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where it lies what `.ci/release` has made for a machine.
fn packages(machine: &str) -> PathBuf {
    let packages = std::env::var_os("RPIPE_PACKAGES").expect("tests/run has them made and names it");
    PathBuf::from(packages).join(machine)
}

fn archive(machine: &str) -> String {
    format!("rpipe-{VERSION}-{machine}-unknown-linux-musl")
}

fn deb(machine: &str) -> PathBuf {
    let architecture = if machine == "aarch64" { "arm64" } else { "amd64" };
    packages(machine).join(format!("rpipe_{VERSION}-1_{architecture}.deb"))
}

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rpipe-package-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The archive for a machine, unpacked.
    fn unpacked(&self, machine: &str) -> PathBuf {
        let file = packages(machine).join(archive(machine) + ".tar.gz");
        finish(Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(&self.0)).ok();
        self.0.join(archive(machine))
    }

    /// The Debian package for a machine, unpacked with what says how it is installed.
    fn deb(&self, machine: &str) -> PathBuf {
        let to = self.0.join(machine);
        finish(Command::new("dpkg-deb").arg("-R").arg(deb(machine)).arg(&to)).ok();
        to
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sh(directory: &Path, script: &str) -> String {
    finish(Command::new("sh").args(["-euc", script]).current_dir(directory)).ok()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// What install.sh makes of an archive in a root of its own, where nothing is but what every system has.
fn installed(from: &Path, root: &Path, words: &[&str]) -> String {
    let mut script = Command::new("/bin/sh");
    script.arg(from.join("install.sh")).args(words).env_clear();
    script.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DESTDIR", root).env("PREFIX", "/usr/local");
    finish(&mut script).ok()
}

#[test]
fn the_sums_are_those_of_all_files() {
    for machine in ["x86_64", "aarch64"] {
        let directory = packages(machine);
        sh(&directory, "sha256sum --check --strict --quiet SHA256SUMS");
        let mut expected = vec![
            deb(machine).file_name().unwrap().to_str().unwrap().to_owned(),
            archive(machine) + ".tar.gz",
            format!("rpipe-{VERSION}.buildinfo"),
        ];
        expected.sort();
        let summed = sh(&directory, "sed 's/^[0-9a-f]*  //' SHA256SUMS | LC_ALL=C sort");
        assert_eq!(lines(&summed), expected);
        expected.push("SHA256SUMS".to_owned());
        expected.sort();
        assert_eq!(lines(&sh(&directory, "LC_ALL=C ls -A")), expected);
    }
}

/// install.sh has built the one in the tree, `.ci/release` the other in a copy of it somewhere else.
#[test]
fn two_builds_have_the_same_bytes() {
    let scratch = Scratch::new("same");
    let one = fs::read(std::env::var_os("RPIPE_INSTALLED").expect("tests/run names it")).unwrap();
    let other = fs::read(scratch.unpacked("x86_64").join("rpipe")).unwrap();
    assert!(one == other, "the binaries differ: {} and {} bytes", one.len(), other.len());
    // Nor would they elsewhere, for all that can be seen: no path of this machine is in them.
    for path in [ROOT, "/.cargo/", "/registry/src/", "/rustlib/"] {
        let found = one.windows(path.len()).any(|bytes| bytes == path.as_bytes());
        assert!(!found, "{path} is in the binary");
    }
}

#[test]
fn an_archive_holds_nothing_of_who_made_it() {
    for machine in ["x86_64", "aarch64"] {
        let name = archive(machine);
        let file = packages(machine).join(name.clone() + ".tar.gz");
        let listed = finish(Command::new("tar").args(["--numeric-owner", "--utc", "-tvzf"]).arg(file)).ok();
        let mut times: Vec<_> = Vec::new();
        let mut found = Vec::new();
        for line in listed.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            assert!(matches!(words[0], "drwxr-xr-x" | "-rw-r--r--" | "-rwxr-xr-x"), "{line}");
            assert_eq!(words[1], "0/0", "{line}");
            times.push((words[3], words[4]));
            found.push(words[5].strip_prefix(&name).unwrap_or_else(|| panic!("{line}")).to_owned());
        }
        times.dedup();
        assert_eq!(times.len(), 1, "{listed}");
        let tree =
            "cd man && ls *.1 | sed 's,^,/man/,'; cd ../completions && ls -A | sed 's,^,/completions/,'";
        let mut expected = lines(&sh(Path::new(ROOT), tree));
        expected.extend(
            [
                "/",
                "/man/",
                "/completions/",
                "/rpipe",
                "/install.sh",
                "/README.md",
                "/CHANGELOG.md",
                "/LICENSE",
            ]
            .map(str::to_owned),
        );
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}

#[test]
fn an_archive_is_installed_and_attaches_and_leaves() {
    let scratch = Scratch::new("archive");
    let from = scratch.unpacked("x86_64");
    let root = scratch.0.join("root");
    fs::create_dir(&root).unwrap();
    installed(&from, &root, &["--pipework"]);
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let container = world.container();
    let bin = root.join("usr/local/bin");
    let attach = [&container.target(), "192.168.0.123/24@192.168.0.1"];
    finish(world.command(bin.join("rpipe")).arg("br0").args(attach)).ok();
    container.pings("192.168.0.1");
    let again = ["br0", "-i", "eth2", &container.pid, "192.168.0.124/24"];
    finish(world.command(bin.join("pipework")).args(again)).ok();
    assert_eq!(container.links(), ["lo", "eth1", "eth2"]);
    let page = root.join("usr/local/share/man");
    let shown = finish(Command::new("man").arg("-M").arg(page).args(["-w", "rpipe", "rpipe-attach"])).ok();
    assert_eq!(lines(&shown).len(), 2, "{shown}");
    installed(&from, &root, &["--uninstall"]);
    assert_eq!(sh(&root, "find . -mindepth 1"), "");
}

/// An emulator that knows netlink does what a machine of that kind would.
#[test]
fn the_archive_for_aarch64_works_there() {
    let scratch = Scratch::new("aarch64");
    let root = scratch.0.join("root");
    fs::create_dir(&root).unwrap();
    // The root is another machine's: what is installed in it is not run here.
    installed(&scratch.unpacked("aarch64"), &root, &[]);
    let there = root.join("usr/local/bin/rpipe");
    let world = World::new();
    world.bridge("br0", "192.168.0.1/24");
    let container = world.container();
    let emulated = |words: &[&str]| finish(world.command("qemu-aarch64").arg(&there).args(words)).ok();
    assert_eq!(emulated(&["--version"]), format!("rpipe {VERSION}\n"));
    let target = container.target();
    let attach = ["br0", &target, "192.168.0.123/24@192.168.0.1,fd00::123/64"];
    let plan = emulated(&[&["--dry-run"], &attach[..]].concat());
    assert_eq!(plan, world.rpipe(&[&["--dry-run"], &attach[..]].concat()).ok());
    // The emulator does not know all messages of an attach, and says so of the first datagram.
    assert_eq!(container.links(), ["lo"]);
    installed(&scratch.unpacked("aarch64"), &root, &["--uninstall"]);
    assert_eq!(sh(&root, "find . -mindepth 1"), "");
}

/// This machine's Debian, with every change only in memory.
struct Debian(World);

impl Debian {
    fn new() -> Self {
        let world = World::new();
        world
            .sh("mkdir /run/changes /run/work /run/debian
                 mount -t overlay overlay -o lowerdir=/,upperdir=/run/changes,workdir=/run/work /run/debian
                 mount -t tmpfs tmpfs /run/debian/mnt
                 mount -t tmpfs tmpfs /run/debian/tmp
                 mount -t tmpfs tmpfs /run/debian/run
                 mount -t proc proc /run/debian/proc
                 mount --rbind /dev /run/debian/dev")
            .ok();
        let debian = Self(world);
        // What the machine has of it, if somebody has installed it there.
        debian.sh("dpkg -P rpipe 2>/dev/null; rm -f /usr/bin/pipework");
        debian
    }

    fn sh(&self, script: &str) -> Output {
        let mut chroot = self.0.command("chroot");
        finish(chroot.args(["/run/debian", "sh", "-euc", script]).env("DEBIAN_FRONTEND", "noninteractive"))
    }

    fn dpkg(&self, words: &str, package: &Path) {
        let name = package.file_name().unwrap().to_str().unwrap();
        fs::copy(package, self.0.path("/run/debian/mnt").join(name)).unwrap();
        let done = self.sh(&format!("dpkg {words} /mnt/{name}"));
        assert!(done.status.success(), "{done:#?}");
    }

    /// What is there that was not, but for the notes of the package manager and of man.
    fn changed(&self) -> Vec<String> {
        let found = "cd /run/changes && find . ! -type d ! -path './var/lib/dpkg/*' ! -path './var/log/*' \
                     ! -path './var/cache/man/*' | LC_ALL=C sort";
        lines(&self.0.sh(found).ok())
    }
}

#[test]
fn a_debian_package_is_installed_removed_and_purged() {
    let debian = Debian::new();
    let before = debian.changed();
    let foreign = "#!/bin/sh\necho theirs\n";
    fs::write(debian.0.path("/run/debian/usr/local/bin/pipework"), foreign).unwrap();
    debian.sh("chmod +x /usr/local/bin/pipework").ok();
    debian.dpkg("-i", &deb("x86_64"));

    assert_eq!(debian.sh("dpkg -V rpipe").ok(), "");
    assert_eq!(
        debian.sh("dpkg-query -W -f '${Status} ${Version} ${Depends}' rpipe").ok(),
        format!("install ok installed {VERSION}-1 ")
    );
    assert_eq!(debian.sh("rpipe --version").ok(), format!("rpipe {VERSION}\n"));
    assert_eq!(debian.sh("man -w rpipe-attach").ok(), "/usr/share/man/man1/rpipe-attach.1.gz\n");
    // The script that somebody has in /usr/local is found first, as it was; the other is there too.
    assert_eq!(debian.sh("pipework").ok(), "theirs\n");
    assert_eq!(
        debian.sh("readlink -f /usr/bin/pipework; man -w pipework").ok(),
        "/usr/bin/rpipe\n/usr/share/man/man1/rpipe.1.gz\n"
    );
    let said = debian.sh("/usr/bin/pipework");
    assert!(said.stdout.contains("pipework [--direct-phys]"), "{said:#?}");

    // As in a fresh login.
    let bash = ". /usr/share/bash-completion/bash_completion; _completion_loader rpipe || [ $? = 124 ]; complete -p rpipe";
    assert!(debian.sh(&format!("bash --norc -c '{bash}'")).ok().ends_with(" rpipe\n"));
    let zsh = "autoload -U compinit; compinit -D -u; print $_comps[rpipe]; autoload +X _rpipe";
    assert_eq!(debian.sh(&format!("zsh -f -c '{zsh}'")).ok(), "_rpipe\n");
    let fish = debian.sh("HOME=/tmp fish -c 'complete -C \"rpipe det\"'").ok();
    assert!(fish.starts_with("detach\t"), "{fish}");

    let removed = debian.sh("dpkg -r rpipe; dpkg -P rpipe 2>/dev/null");
    assert!(removed.status.success(), "{removed:#?}");
    assert_eq!(debian.sh("pipework; rm /usr/local/bin/pipework").ok(), "theirs\n");
    assert_eq!(debian.changed(), before);
    assert_eq!(debian.sh("update-alternatives --get-selections | grep pipework || true").ok(), "");
}

#[test]
fn an_upgrade_keeps_the_pipework_that_was_chosen() {
    let scratch = Scratch::new("upgrade");
    let older = scratch.deb("x86_64");
    sh(&older, "sed -i 's/^Version: .*/Version: 0.0.1-1/' DEBIAN/control; echo >usr/share/doc/rpipe/former");
    let former = scratch.0.join("rpipe_0.0.1.deb");
    finish(Command::new("dpkg-deb").args(["--root-owner-group", "-z1", "-b"]).arg(older).arg(&former));
    let debian = Debian::new();
    let before = debian.changed();
    debian.dpkg("-i", &former);
    debian.sh("update-alternatives --install /usr/bin/pipework pipework /bin/true 10").ok();
    debian.sh("update-alternatives --set pipework /bin/true");
    debian.dpkg("-i", &deb("x86_64"));
    assert_eq!(
        debian.sh("dpkg -V rpipe; readlink -f /usr/bin/pipework").ok(),
        debian.sh("readlink -f /bin/true").ok()
    );
    assert!(!debian.0.path("/run/debian/usr/share/doc/rpipe/former").exists());
    let removed =
        debian.sh("dpkg -P rpipe; readlink -f /usr/bin/pipework; update-alternatives --remove-all pipework");
    assert!(removed.status.success(), "{removed:#?}");
    assert_eq!(debian.changed(), before);
}

#[test]
fn a_pipework_that_is_no_alternative_stays() {
    let debian = Debian::new();
    let theirs = debian.0.path("/run/debian/usr/bin/pipework");
    fs::write(&theirs, "theirs").unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
    let before = debian.changed();
    debian.dpkg("-i", &deb("x86_64"));
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    let removed = debian.sh("dpkg -P rpipe");
    assert!(removed.status.success(), "{removed:#?}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    assert_eq!(debian.changed(), before);
}

#[test]
fn packages_and_archives_hold_the_same() {
    let scratch = Scratch::new("contents");
    for (machine, architecture) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let package = scratch.deb(machine);
        let archive = scratch.unpacked(machine);
        let field = finish(Command::new("dpkg-deb").arg("-f").arg(deb(machine)).arg("Architecture")).ok();
        assert_eq!(field.trim_end(), architecture);
        let same = |one: &str, other: &str| {
            assert!(fs::read(package.join(one)).unwrap() == fs::read(archive.join(other)).unwrap(), "{one}");
        };
        same("usr/bin/rpipe", "rpipe");
        same("usr/share/bash-completion/completions/rpipe", "completions/rpipe.bash");
        same("usr/share/zsh/vendor-completions/_rpipe", "completions/_rpipe");
        same("usr/share/fish/vendor_completions.d/rpipe.fish", "completions/rpipe.fish");
        let pages = sh(&package.join("usr/share/man/man1"), "ls | sed 's/[.]gz$//'; gunzip *.gz");
        assert_eq!(pages, sh(&archive.join("man"), "ls"));
        for page in pages.lines() {
            same(&format!("usr/share/man/man1/{page}"), &format!("man/{page}"));
        }
    }
}

#[test]
fn the_registry_gets_what_is_needed_to_build_and_to_pack() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "-q", "--list", "--allow-dirty", "--offline", "--locked"]).current_dir(ROOT);
    let listed = lines(&finish(&mut cargo).ok());
    for file in [
        "Cargo.lock",
        "src/main.rs",
        "src/lib.rs",
        "man/rpipe.1",
        "completions/_rpipe",
        "LICENSE",
        "README.md",
    ] {
        assert!(listed.iter().any(|listed| listed == file), "{file} is missing in {listed:?}");
    }
    assert!(!listed.iter().any(|file| file.starts_with(".ci/") || file.starts_with("target/")), "{listed:?}");
}

#[test]
fn the_changelogs_know_the_version() {
    let debian = fs::read_to_string(Path::new(ROOT).join(".ci/debian/changelog")).unwrap();
    assert!(debian.starts_with(&format!("rpipe ({VERSION}-1) ")), "{debian}");
    let ours = fs::read_to_string(Path::new(ROOT).join("CHANGELOG.md")).unwrap();
    assert!(ours.contains(&format!("\n## [{VERSION}] - ")), "{VERSION} is missing in CHANGELOG.md");
}
