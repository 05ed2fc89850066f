//! What the answers of runtimes say.

use super::*;

fn refused(why: Refusal) -> String {
    let text = TargetError::Refused { target: "web".into(), runtime: Runtime::Docker, why, near: vec![] }
        .to_string();
    text.strip_prefix("target \"web\": ").unwrap().to_owned()
}

#[test]
fn lack_of_privilege_has_its_remedy() {
    let socket = || "/s".to_owned();
    let denied = Refusal::Connect { socket: socket(), error: Errno::EACCES.into() };
    let because = "connecting to /s: Permission denied";
    let remedy = "(needs root, or CAP_NET_ADMIN and CAP_SYS_ADMIN)";
    assert_eq!(refused(denied.clone()), format!("{because} {remedy}"));
    let unknown = TargetError::Unknown {
        target: "web".into(),
        asked: vec![(Runtime::Docker, denied), (Runtime::Netns, Refusal::NoEntry)],
        near: vec![],
    };
    assert_eq!(
        unknown.to_string(),
        format!(
            "target \"web\": {because}, and nobody else knows the name (needs root, or CAP_NET_ADMIN and \
             CAP_SYS_ADMIN; netns: no such entry)"
        )
    );
    assert_eq!(
        refused(Refusal::Unreadable { path: "/var/lib/lxc/web".into(), error: Errno::EACCES.into() }),
        format!("/var/lib/lxc/web: Permission denied {remedy}")
    );
    assert_eq!(
        refused(Refusal::kernel("/proc/7/ns/net", Errno::EACCES)),
        format!("/proc/7/ns/net: Permission denied {remedy}")
    );
    assert_eq!(
        refused(Refusal::kernel("entering /run/netns/red", Errno::EPERM)),
        format!("entering /run/netns/red: Operation not permitted {remedy}")
    );
}

#[test]
fn other_refusals_have_theirs() {
    assert_eq!(
        refused(Refusal::kernel("pinning process 7", Errno::ENOSYS)),
        "pinning process 7: Function not implemented (needs Linux 5.3)"
    );
    assert_eq!(
        refused(Refusal::OutOfSight { socket: "/s".into() }),
        "the engine at /s is in another process namespace, its process numbers mean nothing here \
         (run rpipe where the engine runs)"
    );
    assert_eq!(
        refused(Refusal::OtherKind { path: "/proc/1/ns/user".into() }),
        "/proc/1/ns/user is a namespace of another kind"
    );
    assert_eq!(
        refused(Refusal::Link { name: "web".into() }),
        "the entry is only a link, netns:web follows it"
    );
}

#[test]
fn words_of_others_fit_on_a_line() {
    assert_eq!(plain(" a\tb\r\n\u{1b}[0m\u{9b}c\n"), "ab[0mc");
    assert_eq!(plain(&"ü".repeat(200)), "ü".repeat(200));
    assert_eq!(plain(&"ü".repeat(201)), format!("{}…", "ü".repeat(200)));
}
