//! Each completion script in its real shell: it loads, and offers what fits.

use std::path::Path;
use std::process::Command;

/// What is typed up to the tab, and a word that must and one that must not be offered.
const TYPED: [(&str, &str, &str); 9] = [
    ("rpipe ru", "run", "attach"),
    ("rpipe -", "--dry-run", "run"),
    ("rpipe attach --d", "--dry-run", "--json"),
    ("rpipe br0 web 10.0.0.1/24 --d", "--dry-run", "--json"),
    ("rpipe -i eth2 br0 web --j", "--json", "--dry-run"),
    ("rpipe -v br0 --h", "--host-ifname", "--version"),
    ("rpipe run br0 10.0.0.1/24 --i", "--ifname", "--dry-run"),
    ("rpipe run --", "--host-ifname", "--dry-run"),
    ("rpipe completions f", "fish", "elvish"),
];

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name);
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// What a shell prints; it must not complain.
fn said(shell: &str, args: &[&str]) -> String {
    let output = Command::new(shell).args(args).env("TERM", "dumb").env_remove("ZDOTDIR").output();
    let output = output.unwrap_or_else(|error| panic!("{shell} is needed: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{shell} {args:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks what a shell offers for each typed line, where `offered` gives whole words.
fn check(offered: impl Fn(&str) -> Vec<String>) {
    for (typed, with, without) in TYPED {
        let words = offered(typed);
        let has = |word: &str| words.iter().any(|offer| offer == word);
        assert!(has(with), "{typed:?}: {with} is missing in {words:?}");
        assert!(!has(without), "{typed:?}: {without} does not fit in {words:?}");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_offers_what_fits() {
    let program = r#"
        . "$1"
        complete -p rpipe >/dev/null || exit
        read -ra COMP_WORDS <<<"$2"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _rpipe rpipe "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let script = script("rpipe.bash");
    check(|typed| words(&said("bash", &["--norc", "-c", program, "bash", &script, typed])));
}

#[test]
fn fish_offers_what_fits() {
    let script = script("rpipe.fish");
    check(|typed| {
        let lines =
            said("fish", &["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", &script, typed]);
        // A word, a tab and its description on each line.
        lines.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
    });
}

/// The line editor of zsh needs a terminal: one zsh types into another.
#[test]
fn zsh_offers_what_fits() {
    let program = r#"
        zmodload zsh/zpty
        zpty inner zsh -f -i
        # What is offered is printed between two marks instead of shown.
        setup='
            PS1= ; unsetopt beep; fpath=($fpath ${1:h}); autoload -U compinit; compinit -D -u
            compadd() {
                if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
                typeset -a offered; builtin compadd -A offered "$@"
                print -lr -- $offered >>$offers
                builtin compadd "$@"
            }
            print begun'
        offers=$(mktemp)
        trap 'rm -f $offers' EXIT
        zpty -w inner "offers=$offers; set -- ${(q)1}; $setup"
        zpty -r -m inner out '*begun*begun*' || exit 3
        zpty -w -n inner "$2"$'\t'
        zpty -w -n inner $'\C-u'
        zpty -w inner 'print ended'
        zpty -r -m inner out '*ended*ended*' || exit 4
        zpty -d inner
        cat $offers
    "#;
    let script = script("_rpipe");
    said("zsh", &["-f", "-n", &script]);
    check(|typed| words(&said("zsh", &["-f", "-c", program, "zsh", &script, typed])));
}
