use super::*;

fn at(line: &str) -> Position {
    position(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

/// What is offered, of that which was begun.
fn words(line: &str) -> String {
    let position = at(line);
    let words = position.words.iter().filter(|one| one.word.starts_with(&position.begun));
    words.map(|one| one.word.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_place_has_its_meaning() {
    for (line, kinds) in [
        ("rpipe ", &[Kind::Uplink][..]),
        ("rpipe br0 ", &[Kind::Target]),
        ("rpipe -v -q br0 ", &[Kind::Target]),
        ("rpipe br0 web ", &[Kind::Address]),
        ("rpipe br0 web 10.0.0.2/24 ", &[Kind::LinkAddress]),
        ("rpipe br0 web 10.0.0.2/24 @1 ", &[]),
        ("rpipe -i eth2 br0 ", &[Kind::Target]),
        ("rpipe -vi eth2 br0 ", &[Kind::Target]),
        ("rpipe --ifname=eth2 br0 ", &[Kind::Target]),
        ("rpipe br0 --replace ", &[Kind::Target]),
        ("rpipe attach run ", &[Kind::Target]),
        ("rpipe run ", &[Kind::Uplink]),
        ("rpipe run br0 ", &[Kind::Address]),
        ("rpipe run br0 10.0.0.2/24 -- ", &[Kind::Command]),
        ("rpipe run br0 10.0.0.2/24 -- ls -", &[Kind::Command]),
        ("rpipe detach ", &[Kind::Target]),
        ("rpipe detach web -i ", &[Kind::IfName]),
        ("rpipe detach web --ifname=e", &[Kind::IfName]),
        ("rpipe exec web -- ", &[Kind::Command]),
        ("rpipe route ", &[Kind::Target]),
        ("rpipe route --timeout 3 ", &[Kind::Target]),
        ("rpipe route web ", &[]),
        ("rpipe route web -", &[]),
        ("rpipe --wait ", &[Kind::Target]),
        ("rpipe gc ", &[]),
        ("rpipe --help ", &[]),
        ("pipework br0 ", &[Kind::Target]),
        ("/opt/pipework run ", &[Kind::Target]),
        ("rpipe", &[]),
    ] {
        assert_eq!(at(line).kinds, kinds, "{line}");
    }
}

#[test]
fn what_was_given_is_known() {
    let position = at("rpipe -i eth2 br0 web 10.");
    assert_eq!((position.uplink.as_deref(), position.target.as_deref()), (Some("br0"), Some("web")));
    assert_eq!(at("rpipe detach web -i ").target.as_deref(), Some("web"));
    let position = at("rpipe detach web --ifname=et");
    assert_eq!((position.before.as_str(), position.begun.as_str()), ("--ifname=", "et"));
    assert_eq!(position.verb, "detach");
}

#[test]
fn verbs_flags_and_values_are_offered() {
    assert_eq!(words("rpipe ru"), "run rule");
    assert_eq!(words("rpipe help ex"), "exec");
    assert_eq!(words("rpipe completions "), "bash zsh fish");
    assert_eq!(words("rpipe attach --d"), "--direct-phys --dhcp-timeout --dry-run");
    assert_eq!(words("rpipe br0 web 10.0.0.2/24 --dr"), "--dry-run");
    assert_eq!(words("rpipe --dry-run br0 web 10.0.0.2/24 --dr"), "", "once is enough");
    assert_eq!(words("rpipe --route 10.0.0.0/8 br0 --ro"), "--route", "as often as one likes");
    assert_eq!(words("rpipe -vi eth0 --if"), "");
    assert_eq!(words("rpipe run br0 --dr"), "");
    assert_eq!(words("rpipe br0 --type "), "macvlan ipvlan");
    assert_eq!(words("rpipe br0 --mode=pri"), "private");
    assert_eq!(words("rpipe br0 -a "), "4 6");
    assert_eq!(words("rpipe wait --for c"), "carrier");
    assert_eq!(words("rpipe exec web "), "--");
    assert_eq!(words("rpipe exec "), "");
    assert_eq!(words("rpipe run br0 10.0.0.2/24 "), "--");
    assert_eq!(words("rpipe exec web -- --"), "");
    assert!(words("rpipe gc ").starts_with("--dry-run --json"), "nothing else fits");
    assert!(words("rpipe -").contains("--version") && words("rpipe -").contains("--mtu"));
    assert!(!words("rpipe br0 -").contains("--version"));
    assert_eq!(words("pipework "), "route rule tc");
    assert_eq!(words("pipework --w"), "--wait");
}

#[test]
fn every_flag_and_verb_has_a_word_about_it() {
    for line in ["rpipe ", "rpipe -", "rpipe detach -", "rpipe run -", "rpipe wait -", "rpipe wait --for "] {
        for one in at(line).words {
            assert!(!one.about.is_empty(), "{line}: {}", one.word);
        }
    }
}

#[test]
fn a_value_is_known_by_its_name() {
    let of = |name: &'static str| {
        let (words, kinds) = meaning(&Arg::new("x").value_name(name));
        (words.into_iter().map(|one| one.word).collect::<Vec<_>>().join(" "), kinds)
    };
    let none = String::new;
    assert_eq!(of("FILE|-"), ("-".to_owned(), vec![Kind::File]));
    assert_eq!(of("TARGET|UPLINK"), (none(), vec![Kind::Target, Kind::Uplink]));
    assert_eq!(of("HOST_IFNAME"), (none(), vec![]));
    assert_eq!(of("auto|always|never"), ("auto always never".to_owned(), vec![]));
    assert_eq!(of("SECONDS"), (none(), vec![]));
}

#[test]
fn no_words_are_too_strange() {
    for line in [
        "",
        " ",
        "rpipe - -",
        "rpipe --= --=",
        "rpipe -\u{e9}i",
        "rpipe -i",
        "rpipe br0 web x y z zz ",
        "rpipe -- -- --",
    ] {
        let _ = at(line);
    }
    assert_eq!(position(&[]), Position::default());
}
