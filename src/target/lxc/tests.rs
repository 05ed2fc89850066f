//! The words of LXC, and a monitor that is too busy.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};

use super::*;

fn container(folder: &str, name: &str) -> Container {
    Container { folder: folder.into(), name: name.to_owned() }
}

#[test]
fn a_path_is_the_folder_of_a_container() {
    assert_eq!(Container::read("/srv/lxc/web"), Ok(container("/srv/lxc", "web")));
    for word in ["/srv/lxc/..", "/srv/lxc/", "/srv/lxc/-x", "", "..", "-x", "a\nb"] {
        assert_eq!(Container::read(word), Err(Refusal::NoContainer), "{word:?}");
    }
}

#[test]
fn the_settings_say_where_the_containers_are() {
    let path = |settings| setting(settings, "lxc.lxcpath");
    assert_eq!(path("# comment\nlxc.bdev.lvm.vg = a\n lxc.lxcpath=/srv/lxc//\n"), Some("/srv/lxc"));
    assert_eq!(path("lxc.lxcpath = /a b\nlxc.lxcpath = /c\n"), Some("/a b"));
    for settings in
        ["", "lxc.lxcpath", "lxc.lxcpath =", "lxc.lxcpath = srv", "#lxc.lxcpath = /srv", "lxc.lxcpath=/"]
    {
        assert_eq!(path(settings), None, "{settings:?}");
    }
}

#[test]
fn a_long_path_becomes_a_hash() {
    assert_eq!(container("/var/lib/lxc", "web").socket(), "/var/lib/lxc/web/command");
    // As lxc-info of LXC 5.0 asks for them.
    let folder = |zeros| format!("/run/{}", "0".repeat(zeros));
    assert_eq!(container(&folder(88), "c88").socket(), format!("{}/c88/command", folder(88)));
    assert_eq!(container(&folder(89), "c89").socket(), "lxc/ee2990e088cb56c5/command");
    assert_eq!(container(&folder(90), "c90").socket(), "lxc/639baf1f281dca73/command");
}

#[test]
fn only_an_answer_of_lxc_has_a_process() {
    let answer = |error: i32, length: i32, pointer: i64| {
        [&error.to_ne_bytes()[..], &length.to_ne_bytes(), &pointer.to_ne_bytes()].concat()
    };
    assert_eq!(init_pid(&answer(0, 0, 318)), Some(318));
    for wrong in [
        answer(-13, 0, 318),
        answer(0, 4, 318),
        answer(0, 0, 0),
        answer(0, 0, -1),
        answer(0, 0, 4_194_305),
        answer(0, 0, (1 << 32) + 318),
        // What LXC 1.0 says to this question: the flags of clone(2).
        answer(0, 0, 0x2c02_0000),
        answer(0, 0, 318)[..15].to_vec(),
        [answer(0, 0, 318), vec![0]].concat(),
        Vec::new(),
    ] {
        assert_eq!(init_pid(&wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_status_tells_the_namespaces() {
    assert_eq!(levels(b"Name:\tx\nNSpid:\t318\n"), Some(1));
    assert_eq!(levels(b"NStgid:\t1\nNSpid:\t318\t1\n"), Some(2));
    assert_eq!(levels(b"Name:\tx\n"), None);
}

#[test]
fn a_monitor_that_takes_no_more_questions_gives_no_answer_in_time() {
    let busy = container(&format!("/rpipe-test-{}", std::process::id()), "web");
    let address = SocketAddr::from_abstract_name(busy.socket()).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let _first = UnixStream::connect_addr(&address).unwrap();
    let why = busy.ask(Deadline::after(Duration::from_secs(2))).unwrap_err();
    assert!(matches!(why, Refusal::Late { .. }), "{why:?}");
    drop(listener);
    assert!(busy.ask(Deadline::after(Duration::from_secs(2))).unwrap().is_none());
}
