//! The classic form: `rpipe br0 test01 192.168.0.123/24` has no verb and means `attach`.

use std::ffi::{OsStr, OsString};

use super::Style;

/// Words that are verbs wherever the first word stands. `rpipe attach run …` reaches an interface called `run`.
pub(super) const VERBS: [&str; 14] = [
    "attach",
    "detach",
    "list",
    "gc",
    "batch",
    "run",
    "wait",
    "doctor",
    "exec",
    "route",
    "rule",
    "tc",
    "completions",
    "help",
];
/// Verbs that pass everything behind the target on, also what looks like a flag of ours.
pub(super) const PASSED_ON: [&str; 3] = ["route", "rule", "tc"];
/// Flags that may come before the verb.
const BEFORE_THE_VERB: [&str; 3] = ["-q", "--quiet", "--verbose"];
/// The one of them that takes a word, the next one or behind `=`.
const COLOUR: [&str; 2] = ["--color", "--colour"];
/// The flag of [`PASSED_ON`] that takes the next word.
const WITH_A_VALUE: &str = "--timeout";
/// Flags that stand alone.
const ALONE: [&str; 4] = ["-h", "--help", "-V", "--version"];

/// Where the verb stands, or is left out: the first word behind the program's name that is no flag of all verbs.
pub(super) fn place(args: &[OsString]) -> Option<usize> {
    let verbose = |word: &OsStr| {
        word.to_str()
            .and_then(|word| word.strip_prefix('-'))
            .is_some_and(|flags| !flags.is_empty() && flags.bytes().all(|flag| matches!(flag, b'v' | b'q')))
    };
    let is = |word: &OsStr, list: &[&str]| list.iter().any(|known| word == *known);
    let of_colour =
        |word: &OsStr| word.to_str().is_some_and(|word| word.starts_with("--colo") && word.contains('='));
    let before = |i: usize| {
        let word = &args[i];
        is(word, &BEFORE_THE_VERB)
            || is(word, &COLOUR)
            || is(&args[i - 1], &COLOUR)
            || of_colour(word)
            || verbose(word)
    };
    (1..args.len()).find(|&i| !before(i))
}

/// Puts `attach` in where the verb is left out: before the first word that is neither a flag of all verbs nor
/// a verb.
pub fn with_verb(mut args: Vec<OsString>, style: Style) -> Vec<OsString> {
    let is = |word: &OsStr, list: &[&str]| list.iter().any(|known| word == *known);
    let Some(place) = place(&args) else { return args };
    if args[place] == "--wait" {
        args[place] = "wait".into();
    } else if is(&args[place], &PASSED_ON) {
        let is_target =
            |&i: &usize| !args[i].as_encoded_bytes().starts_with(b"-") && args[i - 1] != WITH_A_VALUE;
        let target = (place + 1..args.len()).find(is_target);
        args.insert(target.map_or(args.len(), |target| target + 1), "--".into());
    } else if !is(&args[place], style.verbs()) && !is(&args[place], &ALONE) {
        args.insert(place, "attach".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verbed(line: &str) -> String {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        let style = Style::of(&words);
        let words = with_verb(words, style);
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn a_missing_verb_is_attach() {
        assert_eq!(verbed("rpipe br0 web 10.0.0.2/24"), "rpipe attach br0 web 10.0.0.2/24");
        assert_eq!(verbed("rpipe -i eth2 br0 web 10.0.0.2/24"), "rpipe attach -i eth2 br0 web 10.0.0.2/24");
        assert_eq!(verbed("rpipe -vv -q br0 web x"), "rpipe -vv -q attach br0 web x");
        assert_eq!(verbed("rpipe --color never br0 web x"), "rpipe --color never attach br0 web x");
        assert_eq!(verbed("rpipe --colour=never list"), "rpipe --colour=never list");
    }

    #[test]
    fn what_is_meant_for_a_tool_is_no_flag_of_ours() {
        assert_eq!(verbed("rpipe route web -q --help"), "rpipe route web -- -q --help");
        assert_eq!(verbed("rpipe tc -v web -- -s qdisc"), "rpipe tc -v web -- -- -s qdisc");
        assert_eq!(verbed("rpipe rule --help"), "rpipe rule --help --");
        assert_eq!(verbed("rpipe route --timeout 5 web -q"), "rpipe route --timeout 5 web -- -q");
        assert_eq!(verbed("rpipe route --timeout=5 web -q"), "rpipe route --timeout=5 web -- -q");
    }

    #[test]
    fn pipework_has_few_verbs() {
        assert_eq!(verbed("/bin/pipework run web x"), "/bin/pipework attach run web x");
        assert_eq!(verbed("pipework --wait"), "pipework wait");
        assert_eq!(verbed("pipework route web show"), "pipework route web -- show");
        assert_eq!(verbed("rpipework run web x"), "rpipework run web x");
    }

    #[test]
    fn pipeworks_wait_is_a_verb() {
        assert_eq!(verbed("rpipe --wait -i eth2"), "rpipe wait -i eth2");
    }

    #[test]
    fn a_verb_wins_over_an_uplink_of_that_name() {
        for line in
            ["rpipe run br0 10.0.0.2/24 -- ip a", "rpipe -v attach run web x", "rpipe --help", "rpipe"]
        {
            assert_eq!(verbed(line), line);
        }
    }
}
