//! Engines of all kinds, honest and otherwise, on a socket of the test's own.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::target::TargetError;
use crate::target::sleeper::Sleeper;

const ID: &str = "8cb9e7363dfaebcd7ee14565e2388fda8203e858266db6dafa4a0d8c44051554";

/// An engine on a fresh socket that plays each script for one connection and remembers nothing.
///
/// It speaks for Podman, which need not make control groups: the processes of the tests are in none.
struct Fake {
    socket: PathBuf,
    runtime: Runtime,
}

impl Fake {
    fn new(scripts: Vec<Box<dyn FnOnce(UnixStream) + Send>>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("rpipe-engine-{}-{number}", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for script in scripts {
                script(listener.accept().unwrap().0);
            }
        });
        Self { socket, runtime: Runtime::Podman }
    }

    /// Reads the question and sends these bytes, one list a connection.
    fn saying<const N: usize>(answers: [Vec<u8>; N]) -> Self {
        let script = |answer: Vec<u8>| -> Box<dyn FnOnce(UnixStream) + Send> {
            Box::new(move |mut stream| {
                let question = read_question(&mut stream);
                assert!(question.starts_with("GET /containers/web/json HTTP/1.1\r\n"), "{question}");
                assert!(question.to_lowercase().contains("\r\nhost: localhost\r\n"), "{question}");
                // The client may have had enough before all is said.
                let _ = stream.write_all(&answer);
            })
        };
        Self::new(answers.into_iter().map(script).collect())
    }

    fn find(&self, home: &NetNs, limit: Duration) -> Result<Target, Refusal> {
        find_at(&Engine::at(&self.socket), self.runtime, "web", home, Deadline::after(limit))
    }

    /// The text of the error, with the socket's path replaced by SOCKET.
    fn error(&self) -> String {
        self.error_within(Duration::from_secs(5))
    }

    fn error_within(&self, limit: Duration) -> String {
        let why = self.find(&NetNs::own().unwrap(), limit).unwrap_err();
        let error = TargetError::Refused { target: "web".into(), runtime: self.runtime, why, near: vec![] };
        let text = error.to_string().replace(self.socket.to_str().unwrap(), "SOCKET");
        text.strip_prefix("target \"web\": ").unwrap().to_owned()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

fn read_question(stream: &mut UnixStream) -> String {
    let (mut question, mut byte) = (Vec::new(), [0]);
    while !question.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        question.extend(byte);
    }
    String::from_utf8(question).unwrap()
}

fn http(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

fn container(pid: impl std::fmt::Display) -> Vec<u8> {
    described(&format!(r#""Status":"running","Running":true,"Paused":false,"Pid":{pid}"#))
}

fn described(state: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"Id":"{ID}","Name":"/web-1","State":{{{state}}},"HostConfig":{{"NetworkMode":"none"}},"Other":[{{}}]}}"#
    );
    http("200 OK", &body)
}

/// Some other namespace, from which that of the tests is a foreign one.
fn elsewhere() -> NetNs {
    NetNs::open(Path::new("/proc/self/ns/user")).unwrap()
}

#[test]
fn a_running_container_is_found_in_one_round_trip() {
    let sleeper = Sleeper::old();
    for answer in [
        container(sleeper.pid()),
        described(&format!(r#""Status":"paused","Running":true,"Paused":true,"Pid":{}"#, sleeper.pid())),
    ] {
        let target = Fake::saying([answer]).find(&elsewhere(), Duration::from_secs(5)).unwrap();
        assert_eq!(target.name, "web-1");
        assert_eq!(target.id.as_deref(), Some(ID));
        assert_eq!(target.runtime, Runtime::Podman);
        assert_eq!(target.entry.as_ref().map(ToString::to_string).as_deref(), Some("web-1"));
        assert_eq!(target.process.as_ref().map(super::super::Process::pid), Some(sleeper.pid()));
        assert!(target.netns.is(&NetNs::own().unwrap()));
        assert!(target.is_alive());
    }
}

#[test]
fn a_younger_process_is_asked_for_twice() {
    // Started after the question came in, as a stranger would be that got the number of a dead container's process.
    let play = |second: fn(i32) -> Vec<u8>| {
        let (tell, told) = std::sync::mpsc::channel();
        let first = move |mut stream: UnixStream| {
            read_question(&mut stream);
            let sleeper = Sleeper::new();
            stream.write_all(&container(sleeper.pid())).unwrap();
            tell.send(sleeper).unwrap();
        };
        let again = move |mut stream: UnixStream| {
            read_question(&mut stream);
            let sleeper = told.recv().unwrap();
            stream.write_all(&second(sleeper.pid())).unwrap();
            // Alive until the client has looked.
            let _ = stream.read(&mut [0]);
            thread::sleep(Duration::from_millis(200));
        };
        let fake = Fake::new(vec![Box::new(first), Box::new(again)]);
        let found = fake.find(&elsewhere(), Duration::from_secs(5));
        found.map(|target| target.name)
    };
    assert_eq!(play(container), Ok("web-1".to_owned()));
    assert_eq!(play(|_| container(1)), Err(Refusal::Restarted));
    assert_eq!(play(|_| http("404 Not Found", "{}")), Err(Refusal::Restarted));
    assert_eq!(play(|_| described(r#""Running":false,"Pid":0"#)), Err(Refusal::Restarted));
    let other = |pid| {
        let text = String::from_utf8(container(pid)).unwrap();
        text.replace(ID, &ID.replace('8', "9")).into_bytes()
    };
    assert_eq!(play(other), Err(Refusal::Restarted));
}

#[test]
fn dockers_process_is_in_dockers_control_group() {
    let sleeper = Sleeper::old();
    let mut fake = Fake::saying([container(sleeper.pid())]);
    fake.runtime = Runtime::Docker;
    assert_eq!(
        fake.error(),
        format!(
            "process {}, which the engine names, is not in the container's control group, it is another's (try again)",
            sleeper.pid()
        )
    );
}

#[test]
fn the_hosts_network_is_refused() {
    let shares = "the container shares the host's network (--net=host), there is nothing to attach to";
    let sleeper = Sleeper::old();
    assert_eq!(Fake::saying([container(sleeper.pid())]).error(), shares);

    let text = String::from_utf8(container(sleeper.pid())).unwrap();
    let declared = text.replace(r#""NetworkMode":"none""#, r#""NetworkMode":"host""#).into_bytes();
    let why = Fake::saying([declared]).find(&elsewhere(), Duration::from_secs(5)).unwrap_err();
    assert_eq!(why.to_string(), shares);
}

#[test]
fn a_dead_process_is_not_found() {
    let sleeper = Sleeper::old();
    let pid = sleeper.pid();
    drop(sleeper);
    assert_eq!(
        Fake::saying([container(pid)]).error(),
        "the process ended while it was being looked up (try again)"
    );
}

#[test]
fn a_container_without_a_process_is_named_with_its_state() {
    for (state, text) in [
        (
            r#""Status":"exited","Running":false,"Pid":0"#,
            "the container is not running, it is exited (podman start web-1)",
        ),
        (
            r#""Status":"created","Running":false,"Pid":0"#,
            "the container is not running, it is created (podman start web-1)",
        ),
        (
            r#""Status":"restarting","Running":true,"Restarting":true,"Pid":0"#,
            "the container is not running, it is restarting (try again when it is up)",
        ),
        (
            r#""Running":true,"Pid":0"#,
            "the container is not running, it is without a process (podman start web-1)",
        ),
    ] {
        assert_eq!(Fake::saying([described(state)]).error(), text);
    }
}

#[test]
fn what_the_engine_says_instead_is_told() {
    for (status, body, text) in [
        ("404 Not Found", r#"{"message":"No such container: web"}"#, "no such container"),
        ("404 Not Found", "<html>", "no such container"),
        (
            "500 Internal Server Error",
            r#"{"message":"Multiple IDs found with provided prefix: b"}"#,
            "the ids of several containers start with it (give more digits of the id)",
        ),
        (
            "404 Not Found",
            r#"{"message":"multiple IDs found with provided prefix: b"}"#,
            "the ids of several containers start with it (give more digits of the id)",
        ),
        (
            "500 Internal Server Error",
            r#"{"message":"out of \u001b[31mcheese\n"}"#,
            "the engine at SOCKET says: out of [31mcheese, HTTP status 500",
        ),
        (
            "400 Bad Request",
            "Client sent an HTTP request to an HTTPS server.\n",
            "the engine at SOCKET says: Client sent an HTTP request to an HTTPS server., HTTP status 400",
        ),
        ("204 No Content", "", "the engine at SOCKET says nothing but HTTP status 204"),
    ] {
        assert_eq!(Fake::saying([http(status, body)]).error(), text);
    }
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5000));
    assert_eq!(
        Fake::saying([http("503 Service Unavailable", &long)]).error(),
        format!("the engine at SOCKET says: {}…, HTTP status 503", "x".repeat(200))
    );
}

#[test]
fn nonsense_is_refused() {
    let not_http = "the engine at SOCKET answers with something that is not HTTP";
    let broken = "the engine at SOCKET broke off its answer";
    let no_container = "the engine at SOCKET answers with something that describes no container";
    for (answer, text) in [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n".to_vec(), not_http),
        (vec![0xff; 1000], not_http),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n".to_vec(), not_http),
        (Vec::new(), broken),
        (b"HTTP/1.1 200".to_vec(), broken),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":".to_vec(), broken),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Id\"\r\n".to_vec(), broken),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(), broken),
        (http("200 OK", ""), no_container),
        (http("200 OK", "{\"Id\":"), no_container),
        (http("200 OK", "[]"), no_container),
        (http("200 OK", &"[".repeat(100_000)), no_container),
        (http("200 OK", r#"{"Id":"ab","State":{"Running":"yes","Pid":1}}"#), no_container),
        (container("1.5"), no_container),
        (container("99999999999999999999"), no_container),
        (container(-1), "the engine at SOCKET describes a container with an impossible process number"),
        (
            container(4_194_305),
            "the engine at SOCKET describes a container with an impossible process number",
        ),
        (
            http("200 OK", r#"{"Id":"../x","State":{"Running":true,"Pid":1}}"#),
            "the engine at SOCKET describes a container with an impossible id",
        ),
        (
            http("200 OK", r#"{"Id":"ab","Name":"/a\u001bb","State":{"Running":true,"Pid":1}}"#),
            "the engine at SOCKET describes a container with control characters",
        ),
    ] {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
        assert_eq!(Fake::saying([answer]).error(), text, "{shown}");
    }
}

#[test]
fn an_endless_answer_is_cut_off() {
    let endless = "the engine at SOCKET gives an endless answer";
    let ten_megabytes = " ".repeat(10 << 20);
    assert_eq!(Fake::saying([http("200 OK", &ten_megabytes)]).error(), endless);
    let unmeasured = format!("HTTP/1.1 200 OK\r\n\r\n{ten_megabytes}");
    assert_eq!(Fake::saying([unmeasured.into()]).error(), endless);
    let header = format!("HTTP/1.1 200 OK\r\nX: {ten_megabytes}\r\n\r\n");
    assert_eq!(
        Fake::saying([header.into()]).error(),
        "the engine at SOCKET answers with something that is not HTTP"
    );
}

#[test]
fn a_silent_engine_costs_no_more_than_the_limit() {
    let hold = |answer: &'static [u8]| {
        let script = move |mut stream: UnixStream| {
            // An answer before the question would be another fault.
            read_question(&mut stream);
            let _ = stream.write_all(answer);
            // Silent until the client gives up.
            while stream.read(&mut [0; 256]).is_ok_and(|bytes| bytes > 0) {}
        };
        Fake::new(vec![Box::new(script)])
    };
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
        let begin = Instant::now();
        assert_eq!(
            hold(answer).error_within(Duration::from_millis(200)),
            "the engine at SOCKET gave no answer within 200ms"
        );
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn a_socket_that_nobody_serves_is_told_from_none() {
    let socket = std::env::temp_dir().join(format!("rpipe-nobody-{}", std::process::id()));
    let fake = Fake { socket, runtime: Runtime::Docker };
    drop(UnixListener::bind(&fake.socket).unwrap());
    assert_eq!(fake.error(), "connecting to SOCKET: Connection refused (is the Docker engine running?)");
    fs::remove_file(&fake.socket).unwrap();
    assert_eq!(fake.error(), "no socket at SOCKET (is the Docker engine running?)");
}

#[test]
fn only_what_can_be_a_container_is_asked_for() {
    for name in ["web", "0", "Web_1.x-y", ID] {
        assert!(is_container_name(name), "{name:?}");
    }
    let long = "x".repeat(4097);
    for name in ["", ".", "..", "-x", "_x", "a/b", "a?b", "a b", "a%2fb", "web:80", "ä", "a\r\nb", &long] {
        assert!(!is_container_name(name), "{name:?}");
        // And nobody is asked: there is no such socket.
        assert_eq!(
            ask(&Engine::at("/nowhere"), name, Deadline::after(Duration::ZERO)).unwrap_err(),
            Refusal::NoContainer
        );
    }
}

#[test]
fn the_socket_is_the_one_of_docker_host() {
    let engine = |host: Option<&OsStr>| engine_of("DOCKER_HOST", host, SOCKET);
    let of = |host: &str| engine(Some(host.as_ref())).map(|engine| engine.socket());
    assert_eq!(engine(None), Ok(Engine::at(SOCKET)));
    assert_eq!(of("").as_deref(), Ok(SOCKET));
    assert_eq!(of("unix://").as_deref(), Ok(SOCKET));
    assert_eq!(of("unix:///run/user/1000/docker.sock").as_deref(), Ok("/run/user/1000/docker.sock"));
    for host in ["tcp://127.0.0.1:2375", "ssh://root@web", "/run/docker.sock", "npipe:////./pipe/docker"] {
        assert_eq!(
            of(host).unwrap_err().to_string(),
            format!("DOCKER_HOST {host:?}: only unix:// is understood")
        );
    }
}
