//! install.sh on an unpacked release: what it puts where, over what, and that nothing of it stays.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What an installation consists of, below PREFIX, besides the pages.
const FILES: [(&str, u32); 5] = [
    ("bin/rpipe", 0o755),
    ("share/bash-completion/completions/rpipe", 0o644),
    ("share/fish/vendor_completions.d/rpipe.fish", 0o644),
    ("share/rpipe/installed", 0o644),
    ("share/zsh/site-functions/_rpipe", 0o644),
];
/// Somebody without privileges.
const NOBODY: u32 = 65534;

/// A directory with an unpacked release in `a release` and an empty `root`.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rpipe-install-{}-{test}", std::process::id()));
        let release = path.join("a release");
        fs::create_dir_all(&release).unwrap();
        fs::create_dir(path.join("root")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::copy(source.join("install.sh"), release.join("install.sh")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_rpipe"), release.join("rpipe")).unwrap();
        for directory in ["completions", "man"] {
            fs::create_dir(release.join(directory)).unwrap();
            for entry in fs::read_dir(source.join(directory)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    fs::copy(entry.path(), release.join(directory).join(entry.file_name())).unwrap();
                }
            }
        }
        Self(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// The command, with nothing in its environment but what is given.
    fn script(&self, environment: &[(&str, &Path)], words: &[&str]) -> Command {
        // By its shell: a file that was just written can still be open in a process another test is starting.
        let mut command = Command::new("/bin/sh");
        command
            .arg(self.0.join("a release/install.sh"))
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(environment.iter().copied());
        command
    }

    /// Runs it with DESTDIR.
    fn run(&self, words: &[&str]) -> Output {
        let root = self.root();
        let environment = [("DESTDIR", root.as_path()), ("PREFIX", Path::new("/opt/our own"))];
        self.script(&environment, words).output().unwrap()
    }

    fn prefix(&self) -> PathBuf {
        self.root().join("opt/our own")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Everything below a directory but directories.
fn files(directory: &Path) -> Vec<String> {
    fn walk(directory: &Path, top: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, top, found);
            } else {
                found.push(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, directory, &mut found);
    found.sort();
    found
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[track_caller]
fn worked(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{}: {complaint}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn assert_installed(prefix: &Path) {
    let pages = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("man"));
    let pages = pages.iter().filter(|page| page.ends_with(".1"));
    let pages = pages.map(|page| (format!("share/man/man1/{page}"), 0o644));
    let mut expected: Vec<_> =
        FILES.map(|(file, mode)| (file.to_owned(), mode)).into_iter().chain(pages).collect();
    expected.sort();
    let mode = |file: &String| prefix.join(file).metadata().unwrap().permissions().mode() & 0o7777;
    let found: Vec<_> = files(prefix).into_iter().map(|file| (file.clone(), mode(&file))).collect();
    assert_eq!(found, expected);
    let version = Command::new(prefix.join("bin/rpipe")).arg("--version").output().unwrap();
    assert_eq!(worked(&version), concat!("rpipe ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn everything_is_in_its_place_and_leaves_without_a_trace() {
    let scratch = Scratch::new("place");
    worked(&scratch.run(&[]));
    assert_installed(&scratch.prefix());
    worked(&scratch.run(&["--uninstall"]));
    assert!(is_empty(&scratch.root()), "{:?}", files(&scratch.root()));
    let again = worked(&scratch.run(&["--uninstall"]));
    assert!(again.contains("nothing to remove"), "{again}");
}

#[test]
fn what_others_have_there_stays() {
    let scratch = Scratch::new("others");
    let other = scratch.prefix().join("share/man/man1/other.1");
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::create_dir(scratch.prefix().join("bin")).unwrap();
    fs::write(&other, "").unwrap();
    worked(&scratch.run(&["--pipework"]));
    worked(&scratch.run(&[]));
    worked(&scratch.run(&["--uninstall"]));
    assert_eq!(files(&scratch.root()), ["opt/our own/share/man/man1/other.1"]);
    let left = fs::read_dir(scratch.prefix()).unwrap().count();
    assert_eq!(left, 2, "the empty bin was there before, and share has the other page");
    assert!(!scratch.prefix().join("share/rpipe").exists());
}

#[test]
fn an_older_version_is_replaced() {
    let scratch = Scratch::new("older");
    let prefix = scratch.prefix();
    // A version that had one page more, and whose program is being run by somebody.
    let page = scratch.0.join("a release/man/rpipe-former.1");
    fs::write(&page, "").unwrap();
    let program = scratch.0.join("a release/rpipe");
    let new = fs::read(&program).unwrap();
    fs::copy("/bin/sleep", &program).unwrap();
    worked(&scratch.script(&[("PREFIX", prefix.as_path())], &[]).output().unwrap());
    assert!(prefix.join("share/man/man1/rpipe-former.1").exists());
    let mut running = Command::new(prefix.join("bin/rpipe")).arg("60").spawn().unwrap();

    fs::remove_file(&page).unwrap();
    fs::write(&program, new).unwrap();
    let replaced = scratch.script(&[("PREFIX", prefix.as_path())], &[]).output().unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    worked(&replaced);
    assert_installed(&prefix);
    worked(&scratch.script(&[("PREFIX", prefix.as_path())], &["--uninstall"]).output().unwrap());
    assert!(is_empty(&scratch.root()), "{:?}", files(&scratch.root()));
}

#[test]
fn pipework_is_a_link_that_is_kept_and_removed() {
    let scratch = Scratch::new("link");
    let link = scratch.prefix().join("bin/pipework");
    worked(&scratch.run(&["--pipework"]));
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("rpipe"));
    worked(&scratch.run(&[]));
    worked(&scratch.run(&["--pipework"]));
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("rpipe"));
    worked(&scratch.run(&["--uninstall"]));
    assert!(is_empty(&scratch.root()), "{:?}", files(&scratch.root()));
}

#[test]
fn a_foreign_pipework_is_left_alone() {
    let scratch = Scratch::new("foreign");
    let link = scratch.prefix().join("bin/pipework");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    for foreign in ["file", "link"] {
        match foreign {
            "file" => fs::write(&link, "theirs").unwrap(),
            _ => symlink("/nowhere/pipework", &link).unwrap(),
        }
        let refused = scratch.run(&["--pipework"]);
        assert_eq!(refused.status.code(), Some(1));
        let why = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(
            why,
            format!(
                "install.sh: {}: exists already and is no link to rpipe (move it away first)\n",
                link.display()
            )
        );
        assert_eq!(files(&scratch.root()), ["opt/our own/bin/pipework"], "nothing was installed");
        // One that appeared after ours was installed.
        worked(&scratch.run(&[]));
        worked(&scratch.run(&["--uninstall"]));
        assert_eq!(files(&scratch.root()), ["opt/our own/bin/pipework"]);
        fs::remove_file(&link).unwrap();
    }
}

#[test]
fn it_needs_no_privilege_in_a_home() {
    let scratch = Scratch::new("home");
    let home = scratch.root();
    let me = fs::metadata(&home).unwrap().uid();
    let nobody = if me == 0 { NOBODY } else { me };
    if me == 0 {
        chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = |words: &[&str]| {
        let mut script = scratch.script(&[("HOME", home.as_path())], words);
        if me == 0 {
            script.uid(NOBODY).gid(NOBODY);
        }
        script.output().unwrap()
    };
    let told = worked(&run(&[]));
    assert!(told.contains("is in PATH"), "{told}");
    assert_installed(&home.join(".local"));
    assert_eq!(fs::metadata(home.join(".local/bin/rpipe")).unwrap().uid(), nobody);
    worked(&run(&["--uninstall"]));
    assert!(is_empty(&home), "{:?}", files(&home));
}

/// The lines that say what to do, each with the word it begins with.
fn advice(told: &str, shell: &str) -> Option<String> {
    let line = told.lines().find(|line| line.starts_with(&format!("{shell} ")))?;
    Some(line.split_once(": ").expect("what to do comes after a colon").1.to_owned())
}

/// What a shell prints that knows nothing but where its user's home is, and what else is given.
fn said(home: &Path, environment: &[(&str, &str)], shell: &str, words: &[&str]) -> String {
    let mut command = Command::new(shell);
    command.args(words).env_clear().env("HOME", home).env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(environment.iter().copied());
    let output = command.output().unwrap_or_else(|error| panic!("{shell} is needed: {error}"));
    worked(&output)
}

/// What bash offers for `rpipe det`, after some lines that stand for ~/.bashrc.
fn bash_offers(home: &Path, environment: &[(&str, &str)], setup: &str) -> String {
    let program = format!(
        ". /usr/share/bash-completion/bash_completion
        {setup}
        complete -p rpipe >/dev/null 2>&1 || _completion_loader rpipe || [ $? = 124 ] || exit
        [[ $(complete -p rpipe) =~ -F\\ ([^\\ ]+) ]] || exit
        COMP_LINE='rpipe det' COMP_POINT=9 COMP_WORDS=(rpipe det) COMP_CWORD=1 COMP_TYPE=9 COMP_KEY=9
        \"${{BASH_REMATCH[1]}}\" rpipe det rpipe
        printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    said(home, environment, "bash", &["--norc", "-c", &program])
}

/// The same of zsh: one types into another, which has a terminal.
fn zsh_offers(home: &Path, environment: &[(&str, &str)], setup: &str) -> String {
    let program = r#"
        zmodload zsh/zpty
        zpty inner zsh -f -i
        zpty -w inner "PS1=; unsetopt beep; $1; autoload -U compinit; compinit -D -u; print be''gun"
        zpty -r -m inner out '*begun*' || exit 3
        # The word is finished in its place: between the two are only what the terminal is told.
        zpty -w -n inner $'rpipe det	\C-aprint -r -- \C-e
'
        zpty -r -m inner out $'*
rpipe detach*' || exit 4
        print -r -- detach
    "#;
    said(home, environment, "timeout", &["20", "zsh", "-f", "-c", program, "zsh", setup])
}

/// And of fish.
fn fish_offers(home: &Path, environment: &[(&str, &str)], setup: &str) -> String {
    let program = format!("{setup}\ncomplete -C 'rpipe det'");
    let offers = said(home, environment, "fish", &["-c", &program]);
    let words = offers.lines().filter_map(|line| line.split('\t').next());
    words.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn shells_and_man_find_it_in_a_home() {
    let scratch = Scratch::new("shells");
    let home = scratch.root();
    let mut script = scratch.script(&[("HOME", home.as_path())], &[]);
    let prefix = home.join(".local");
    script.env("PREFIX", &prefix);
    let told = worked(&script.output().unwrap());
    let bin = prefix.join("bin");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display());
    let environment = [("PATH", path.as_str())];

    let page = said(&home, &environment, "man", &["-w", "rpipe-attach"]);
    assert_eq!(page.trim_end(), prefix.join("share/man/man1/rpipe-attach.1").to_str().unwrap());
    assert!(said(&home, &environment, "man", &["rpipe"]).contains("SYNOPSIS"));

    assert_eq!(advice(&told, "bash"), None);
    assert_eq!(bash_offers(&home, &environment, ""), "detach\n");
    assert_eq!(advice(&told, "fish"), None);
    assert_eq!(fish_offers(&home, &environment, ""), "detach\n");
    let for_zsh = advice(&told, "zsh").expect("zsh looks at no home by itself");
    assert_eq!(zsh_offers(&home, &environment, &for_zsh), "detach\n");
}

#[test]
fn what_is_not_found_by_itself_is_told_and_works() {
    let scratch = Scratch::new("told");
    let home = scratch.root().join("home");
    fs::create_dir(&home).unwrap();
    let prefix = scratch.prefix();
    let environment = [("HOME", home.as_path()), ("PREFIX", prefix.as_path())];
    let told = worked(&scratch.script(&environment, &[]).output().unwrap());
    let shown = prefix.display();
    let expected = format!(
        "rpipe is installed: {shown}/bin/rpipe
It is found by its name when {shown}/bin is in PATH.
bash completes it with this in ~/.bashrc: . '{shown}/share/bash-completion/completions/rpipe'
zsh completes it with this in ~/.zshrc, before compinit: fpath+=('{shown}/share/zsh/site-functions')
fish completes it with this in ~/.config/fish/config.fish: set -a fish_complete_path '{shown}/share/fish/vendor_completions.d'
"
    );
    assert_eq!(told, expected);
    let path = format!("{shown}/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let share = format!("{shown}/share:/usr/share");
    let alone = [("PATH", path.as_str())];
    let with_share = [("PATH", path.as_str()), ("XDG_DATA_DIRS", share.as_str())];
    let advised = |shell| advice(&told, shell).unwrap();
    assert_eq!(bash_offers(&home, &alone, &advised("bash")), "detach\n");
    assert_eq!(bash_offers(&home, &with_share, ""), "detach\n");
    assert_eq!(fish_offers(&home, &alone, &advised("fish")), "detach\n");
    assert_eq!(fish_offers(&home, &with_share, ""), "detach\n");
    assert_eq!(zsh_offers(&home, &alone, &advised("zsh")), "detach\n");

    // Who has all that hears nothing of it, but of another one that would be called.
    let other = home.join("rpipe");
    fs::copy("/bin/true", &other).unwrap();
    let path = format!("{}:{path}", home.display());
    let mut script = scratch.script(&environment, &[]);
    script.env("PATH", &path).env("XDG_DATA_DIRS", &share);
    let told = worked(&script.output().unwrap());
    let lines: Vec<_> = told.lines().filter(|line| !line.starts_with("zsh ")).collect();
    let expected = [
        format!("rpipe is installed: {shown}/bin/rpipe"),
        format!("Another one comes before it in PATH: {}", other.display()),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_unpacked_release_is_not_built() {
    let scratch = Scratch::new("build");
    let refused = scratch.run(&["--build"]);
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8(refused.stderr).unwrap();
    let release = scratch.0.join("a release");
    assert_eq!(
        why,
        format!("install.sh: {}: neither a binary nor source to build one from\n", release.display())
    );
    assert_eq!(
        scratch.run(&["x86_64-unknown-linux-musl"]).status.code(),
        Some(2),
        "a target without --build"
    );
    assert!(is_empty(&scratch.root()));
}

#[test]
fn what_a_killed_run_was_writing_goes_too() {
    let scratch = Scratch::new("killed");
    worked(&scratch.run(&[]));
    fs::write(scratch.prefix().join("bin/.rpipe.4711"), "half a bin").unwrap();
    fs::write(scratch.prefix().join("share/rpipe/.rpipe.4711"), "half a li").unwrap();
    worked(&scratch.run(&["--uninstall"]));
    assert!(is_empty(&scratch.root()), "{:?}", files(&scratch.root()));
}

#[test]
fn it_can_be_called() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    assert_eq!(script.metadata().unwrap().permissions().mode() & 0o111, 0o111);
}

#[test]
fn wrong_words_change_nothing() {
    let scratch = Scratch::new("words");
    let wrong = scratch.run(&["--unistall"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(worked(&scratch.run(&["--help"])).starts_with("Usage: "));
    let root = scratch.root();
    let environment = [("DESTDIR", root.as_path()), ("PREFIX", Path::new("opt"))];
    let relative = scratch.script(&environment, &[]).output().unwrap();
    assert_eq!(relative.status.code(), Some(1));
    assert!(is_empty(&scratch.root()));
}

#[test]
fn a_run_that_fails_in_between_leaves_what_uninstall_removes() {
    let scratch = Scratch::new("between");
    fs::create_dir_all(scratch.prefix().join("bin/rpipe")).unwrap();
    let failed = scratch.run(&[]);
    assert_eq!(failed.status.code(), Some(1), "the place of the binary is a directory");
    fs::remove_dir(scratch.prefix().join("bin/rpipe")).unwrap();
    worked(&scratch.run(&["--uninstall"]));
    assert_eq!(files(&scratch.root()), [""; 0]);
}
