//! One question to a container engine: HTTP over its unix socket.
//!
//! IO. Whatever listens there is not trusted to be an engine: it may stay silent, talk for ever or talk nonsense, and
//! each of that ends in one error and in time. The only place with async code; it lives as long as the question, or as the
//! connections of a batch.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use log::debug;
use nix::poll::PollTimeout;
use tokio::net::UnixStream;
use tokio::time::timeout_at;

use super::connection::{Connection, Engines, Open};
use super::error::{Refusal, plain};

/// No description of a container comes near this.
const MOST_BYTES: usize = 4 << 20;

/// An engine's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    socket: PathBuf,
}

/// What an engine said.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// All of the body.
    pub(super) body: Bytes,
    /// The user whose word it is.
    pub(super) owner: u32,
}

/// By when the answer must be there, and how long that was in the beginning; and the connections over which it may come
/// sooner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline<'a> {
    end: Instant,
    limit: Duration,
    engines: Option<&'a Engines>,
}

impl<'a> Deadline<'a> {
    pub(super) fn after(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, limit, engines: None }
    }

    /// The same over connections that are kept.
    pub(super) fn over(self, engines: Option<&'a Engines>) -> Self {
        Self { engines, ..self }
    }

    /// How long there is left, for poll(2).
    pub(super) fn left(self) -> PollTimeout {
        PollTimeout::try_from(self.end.saturating_duration_since(Instant::now())).unwrap_or(PollTimeout::MAX)
    }

    /// The answer did not come.
    pub(super) fn missed(self, socket: String) -> Refusal {
        Refusal::Late { socket, limit: self.limit }
    }

    /// Whether there is time left to go on with what is being read.
    pub(super) fn check(self, what: impl FnOnce() -> String) -> Result<(), Refusal> {
        if Instant::now() < self.end {
            Ok(())
        } else {
            Err(Refusal::Slow { path: what(), limit: self.limit })
        }
    }
}

impl Engine {
    pub(super) fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket's path for people.
    pub(super) fn socket(&self) -> String {
        plain(&self.socket.to_string_lossy())
    }

    /// An answer that makes no sense.
    pub(super) fn garbled(&self, fault: impl Into<String>) -> Refusal {
        Refusal::Garbled { socket: self.socket(), fault: fault.into() }
    }

    /// Asks for `path`. The answer may have any status.
    pub(super) fn get(&self, path: &str, deadline: Deadline) -> Result<Answer, Refusal> {
        if !exists(&self.socket) {
            return Err(Refusal::NoSocket { socket: self.socket() });
        }
        let mut connection = match deadline.engines.and_then(|engines| engines.take(&self.socket)) {
            Some(kept) => kept,
            None => self.prepare()?,
        };
        let Connection { runtime, open, .. } = &mut connection;
        let answer = runtime.block_on(async {
            timeout_at(deadline.end.into(), self.exchange(open, path))
                .await
                .unwrap_or_else(|_| Err(deadline.missed(self.socket())))
        })?;
        if let Some(engines) = deadline.engines {
            engines.put(connection);
        }
        Ok(answer)
    }

    fn prepare(&self) -> Result<Connection, Refusal> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| Refusal::kernel("preparing to ask the engine", error))?;
        Ok(Connection { socket: self.socket.clone(), open: None, runtime })
    }

    /// Asks over what is open, or over a new connection: the engine may have been started anew since.
    async fn exchange(&self, open: &mut Option<Open>, path: &str) -> Result<Answer, Refusal> {
        loop {
            let was_open = open.is_some();
            if open.is_none() {
                *open = Some(self.connect().await?);
            }
            let Some((sender, owner)) = open else { continue };
            match self.ask(sender, *owner, path).await {
                Err(why) if was_open => debug!("the connection to {} is gone: {why}", self.socket()),
                answer => return answer,
            }
            *open = None;
        }
    }

    fn broken(&self, error: &hyper::Error) -> Refusal {
        self.garbled(if error.is_parse() {
            "answers with something that is not HTTP"
        } else {
            "broke off its answer"
        })
    }

    /// Asks several at the same time; the answers in that order, none from one that does not answer in time.
    pub(super) fn ask_all(questions: Vec<(Self, &'static str)>, deadline: Deadline) -> Vec<Option<Answer>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let Ok(runtime) = runtime else { return Vec::new() };
        runtime.block_on(async {
            let ask = |(engine, path): (Self, &'static str)| {
                tokio::spawn(async move {
                    timeout_at(deadline.end.into(), engine.exchange(&mut None, path)).await
                })
            };
            let asked: Vec<_> = questions.into_iter().map(ask).collect();
            let mut answers = Vec::new();
            for answer in asked {
                answers.push(answer.await.ok().and_then(|answer| answer.ok()?.ok()));
            }
            answers
        })
    }

    /// Whether there is something that could be asked.
    pub(super) fn is_here(&self) -> bool {
        exists(&self.socket)
    }

    /// A connection, and the user who serves it.
    async fn connect(&self) -> Result<Open, Refusal> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| Refusal::Connect { socket: self.socket(), error: error.into() })?;
        let peer = stream.peer_cred();
        // The kernel shows a peer from a process namespace that we cannot see into as number 0. The numbers that it
        // names would be other processes here.
        if peer.as_ref().is_ok_and(|peer| peer.pid() == Some(0)) {
            return Err(Refusal::OutOfSight { socket: self.socket() });
        }
        let owner = peer
            .map_err(|error| Refusal::kernel(format_args!("asking who serves {}", self.socket()), error))?
            .uid();
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        tokio::spawn(connection);
        Ok((sender, owner))
    }

    async fn ask(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        owner: u32,
        path: &str,
    ) -> Result<Answer, Refusal> {
        sender.ready().await.map_err(|error| self.broken(&error))?;
        let request = Request::get(path)
            .header(HOST, "localhost")
            .body(Empty::<Bytes>::new())
            .map_err(|_| self.garbled("cannot be asked for this name"))?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(|error| {
            self.garbled(if error.is::<LengthLimitError>() {
                "gives an endless answer"
            } else {
                "broke off its answer"
            })
        })?;
        Ok(Answer { status, body: body.to_bytes(), owner })
    }
}

/// Whether something is there. What cannot be looked at may be there, and connecting says why it cannot.
fn exists(socket: &Path) -> bool {
    match fs::metadata(socket) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}
