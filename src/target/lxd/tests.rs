//! Engines that say what LXD says, and engines that change their mind.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::*;
use crate::target::sleeper::Sleeper;

/// An engine that gives one answer a connection.
struct Fake {
    socket: PathBuf,
    thread: JoinHandle<Vec<String>>,
}

impl Fake {
    fn saying<const N: usize>(answers: [(u16, String); N]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("rpipe-lxd-{}-{number}", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap();
        let thread = thread::spawn(move || {
            let answer = |(status, body): (u16, String)| {
                let mut stream = listener.accept().unwrap().0;
                let (mut question, mut byte) = (Vec::new(), [0]);
                while !question.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    question.extend(byte);
                }
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).unwrap();
                let question = String::from_utf8(question).unwrap();
                question.lines().next().unwrap().to_owned()
            };
            answers.into_iter().map(answer).collect()
        });
        Self { socket, thread }
    }

    fn engine(&self) -> Engine {
        Engine::at(&self.socket)
    }

    /// What was asked; all answers must have been given.
    fn asked(self) -> Vec<String> {
        fs::remove_file(&self.socket).unwrap();
        self.thread.join().unwrap()
    }
}

fn metadata(text: &str) -> (u16, String) {
    (200, format!(r#"{{"type":"sync","error":"","metadata":{text},"other":[{{}}]}}"#))
}

fn instance(name: &str) -> (u16, String) {
    metadata(&format!(r#"{{"name":"{name}","type":"container","location":"none","status":"Running"}}"#))
}

fn state(pid: impl std::fmt::Display) -> (u16, String) {
    metadata(&format!(r#"{{"status":"Running","pid":{pid}}}"#))
}

fn absent() -> (u16, String) {
    (404, r#"{"error":"Instance not found"}"#.to_owned())
}

fn ask(engines: &[&Fake], word: &str) -> Result<Found, Refusal> {
    let engines = engines.iter().map(|fake| fake.engine()).collect();
    find_among(engines, word, Deadline::after(Duration::from_secs(5)))
}

#[test]
fn a_container_is_named_as_the_engine_names_its_files() {
    let sleeper = Sleeper::old();
    for (word, name, entry, query) in [
        ("web", "web", "web", "default"),
        ("default/web", "web", "web", "default"),
        ("shop/web", "shop/web", "shop_web", "shop"),
        ("caf\u{e9} &co/web", "caf\u{e9} &co/web", "caf\u{e9} &co_web", "caf%C3%A9%20%26co"),
    ] {
        let fake = Fake::saying([instance("web"), state(sleeper.pid())]);
        let found = ask(&[&fake], word).unwrap();
        assert_eq!((found.name.as_str(), found.inner_name().as_str()), (name, entry));
        assert_eq!(found.pinned.0.pid(), sleeper.pid());
        let path = "GET /1.0/instances/web";
        let questions =
            [format!("{path}?project={query} HTTP/1.1"), format!("{path}/state?project={query} HTTP/1.1")];
        assert_eq!(fake.asked(), questions);
    }
}

#[test]
fn a_younger_process_is_asked_for_twice() {
    // Started after the question, as a stranger would be that got the number of a dead container's process.
    let young = Sleeper::new();
    let fake = Fake::saying([instance("web"), state(young.pid()), state(young.pid())]);
    assert_eq!(ask(&[&fake], "web").map(|found| found.name).as_deref(), Ok("web"));
    fake.asked();
    for second in [state(1), state(0), absent()] {
        let young = Sleeper::new();
        let fake = Fake::saying([instance("web"), state(young.pid()), second]);
        assert_eq!(ask(&[&fake], "web").unwrap_err(), Refusal::Restarted);
        fake.asked();
    }
}

#[test]
fn the_engine_that_knows_it_is_found_behind_the_others() {
    let sleeper = Sleeper::old();
    let broken = || (200, "[]".to_owned());
    for first in [absent(), broken()] {
        let (lxd, incus) = (Fake::saying([first]), Fake::saying([instance("web"), state(sleeper.pid())]));
        assert!(ask(&[&lxd, &incus], "web").is_ok());
        lxd.asked();
        incus.asked();
    }
    for (first, second) in [(absent(), broken()), (broken(), absent())] {
        let (lxd, incus) = (Fake::saying([first]), Fake::saying([second]));
        let why = ask(&[&lxd, &incus], "web").unwrap_err();
        assert!(matches!(why, Refusal::Garbled { .. }), "what could not be asked is told: {why:?}");
        lxd.asked();
        incus.asked();
    }
    let why = ask(&[], "web").unwrap_err();
    assert_eq!(why, Refusal::NoSocket { socket: "/var/lib/lxd/unix.socket".into() });
}

#[test]
fn a_member_of_a_cluster_knows_its_own() {
    let sleeper = Sleeper::old();
    let at =
        |member: &str| metadata(&format!(r#"{{"name":"web","type":"container","location":"{member}"}}"#));
    let server = || metadata(r#"{"environment":{"server_name":"n1"}}"#);
    let fake = Fake::saying([at("n1"), server(), state(sleeper.pid())]);
    assert!(ask(&[&fake], "web").is_ok());
    fake.asked();
    let fake = Fake::saying([at("n2"), server()]);
    assert_eq!(ask(&[&fake], "web").unwrap_err(), Refusal::Elsewhere { member: "n2".into() });
    fake.asked();
}

#[test]
fn a_container_without_a_process_is_named_with_its_state() {
    for (status, pid, said) in [
        ("Stopped", 0, "stopped"),
        ("Error", -1, "error"),
        ("Running", 0, "without a process"),
        ("\\u001b", 0, "without a process"),
    ] {
        let state = metadata(&format!(r#"{{"status":"{status}","pid":{pid}}}"#));
        let fake = Fake::saying([instance("web"), state]);
        let expected = Refusal::NotRunning { state: said.into(), name: "web".into() };
        assert_eq!(ask(&[&fake], "web").unwrap_err(), expected);
        fake.asked();
    }
}

#[test]
fn only_what_can_be_a_container_is_asked_for() {
    let long = "x".repeat(64);
    for name in
        ["", ".", "..", "-x", "a/b/c", "a?b", "a b", "a%2fb", "web:80", "\u{e4}", "a\r\nb", "p/a_b", &long]
    {
        // And nobody is asked: there is no such socket.
        let why = find_at(&Engine::at("/nowhere"), name, Deadline::after(Duration::ZERO));
        assert_eq!(why.unwrap_err(), Refusal::NoContainer, "{name:?}");
    }
}

#[test]
fn the_environment_says_where_the_engines_are() {
    let of = |set: &[(&str, &str)]| {
        let value =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        engines_of(value).iter().map(Engine::socket).collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), SOCKETS);
    assert_eq!(of(&[("LXD_DIR", ""), ("INCUS_DIR", "")]), SOCKETS);
    assert_eq!(of(&[("LXD_DIR", "/a")]), ["/a/unix.socket"]);
    assert_eq!(of(&[("INCUS_DIR", "/b"), ("LXD_DIR", "/a")]), ["/a/unix.socket", "/b/unix.socket"]);
    assert_eq!(of(&[("INCUS_DIR", "/b"), ("INCUS_SOCKET", "/c")]), ["/c"]);
}

#[test]
fn a_process_of_nobody_we_asked_for_is_a_stranger() {
    for line in [
        "0::/lxc.payload.web",
        "0::/lxc.payload.web-1",
        "4:memory:/a/lxc.payload.web/init.scope",
        "0::/lxc.payload.web/lxc.payload.db",
    ] {
        assert!(is_payload(line, "web"), "{line}");
    }
    for line in [
        "",
        "0::/",
        "0::/web",
        "0::/lxc.monitor.web",
        "0::/lxc.payload.web2",
        "0::/lxc.payload.web-",
        "0::/lxc.payload.web-x",
        "0::/lxc.payload.db/lxc.payload.web",
    ] {
        assert!(!is_payload(line, "web"), "{line}");
    }
    let sleeper = Sleeper::old();
    let fake = Fake::saying([instance("web"), state(sleeper.pid())]);
    let why = ask(&[&fake], "web").unwrap().target(&NetNs::own().unwrap()).unwrap_err();
    assert_eq!(why, Refusal::Stranger { pid: sleeper.pid() });
    fake.asked();
}
