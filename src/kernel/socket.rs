//! The route socket: requests go out, answers come back, matched by sequence number.

use std::io::ErrorKind;
use std::net::IpAddr;

use log::{debug, log_enabled, trace};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkDeserializable,
    NetlinkHeader, NlaBuffer, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;

use super::KernelError;
use super::request::{HEADER, Request};

/// Room for one answer.
const RECEIVE: usize = 16 * 1024;
/// Room for one part of a dump: the kernel fits them to the reader's buffer up to this size (`netlink_dump`,
/// net/netlink/af_netlink.c).
const RECEIVE_DUMP: usize = 32 * 1024;
/// `NLMSGERR_ATTR_MSG`, include/uapi/linux/netlink.h.
const ERROR_TEXT: u16 = 1;
/// `NLM_F_ACK_TLVS`: attributes follow the error.
const ACK_TLVS: u16 = 0x200;
/// How many questions go in one datagram: their answers have to fit into the socket's buffer.
const QUESTIONS: usize = 16;
/// How often a dump that changed under way is asked for again.
const DUMP_TRIES: usize = 5;

/// A blocking `NETLINK_ROUTE` socket of the namespace in which it was opened.
#[derive(Debug)]
pub struct RouteSocket {
    socket: Socket,
    sequence: u32,
    received: Vec<u8>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel did it.
    Done,
    /// It was a question, and this is the answer.
    Told(Vec<u8>),
    /// The kernel refused; nothing was changed.
    Refused(KernelError),
    /// It was sent, but no answer could be read.
    Unknown(KernelError),
}

/// One message from the kernel.
struct Answer<'a> {
    message_type: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl RouteSocket {
    /// Opens a socket in the current namespace, with extended acknowledgements (Linux 4.12).
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn open() -> Result<Self, KernelError> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        // Old kernels only explain less: both options are wishes.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self { socket, sequence: 0, received: Vec::with_capacity(RECEIVE) })
    }

    /// Opens a socket whose questions the kernel reads to the last attribute (`NETLINK_GET_STRICT_CHK`, Linux 4.20): only so
    /// does it answer for another namespace, and not in its stead for this one.
    ///
    /// # Errors
    /// `ENOPROTOOPT` from older kernels, `EMFILE` and its like.
    pub fn open_strict() -> Result<Self, KernelError> {
        let socket = Self::open()?;
        socket.socket.set_netlink_get_strict_chk(true)?;
        Ok(socket)
    }

    /// A socket of another protocol of netlink, for asking; with so much room for an answer, and with all there can be for
    /// a dump.
    pub(super) fn of(protocol: isize, room: Option<usize>) -> Result<Self, KernelError> {
        let received = Vec::with_capacity(room.unwrap_or(RECEIVE));
        Ok(Self { socket: Socket::new(protocol)?, sequence: 0, received })
    }

    /// Sends all requests as one datagram and tells for each whether it worked.
    ///
    /// The kernel handles them in order and **goes on after a failing one**. Only the last asks for an
    /// acknowledgement: errors come in any case and come first, so an acknowledged end without an error for
    /// an earlier number means that this one worked.
    ///
    /// # Errors
    /// When nothing could be sent, so nothing was changed.
    pub fn batch(&mut self, requests: &[Request]) -> Result<Vec<Outcome>, KernelError> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(requests.iter().map(Request::room).sum());
        for (i, request) in requests.iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let ack = if i + 1 == requests.len() { NLM_F_ACK } else { 0 };
            request.emit(self.sequence, ack, &mut bytes);
        }
        self.send(&bytes)?;
        let last = self.sequence;
        let mut outcomes = vec![Outcome::Done; requests.len()];
        let mut finished = requests.is_empty();
        while !finished {
            let read = self.receive(&mut |answer| {
                let place = answer.sequence.wrapping_sub(first) as usize;
                if let Some(outcome) = outcomes.get_mut(place) {
                    if answer.message_type != NLMSG_ERROR {
                        *outcome = Outcome::Told(answer.payload.to_vec());
                    } else if let Some(error) = answer.error() {
                        *outcome = Outcome::Refused(error);
                    }
                }
                finished |= answer.message_type == NLMSG_ERROR && answer.sequence == last;
            });
            if let Err(error) = read {
                let unknown = |outcome: &mut Outcome| {
                    if *outcome == Outcome::Done {
                        *outcome = Outcome::Unknown(error.clone());
                    }
                };
                outcomes.iter_mut().for_each(unknown);
                finished = true;
            }
        }
        Ok(outcomes)
    }

    /// Sends one request that changes something.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn execute(&mut self, request: Request) -> Result<(), KernelError> {
        match self.batch(&[request])?.pop() {
            Some(Outcome::Refused(error) | Outcome::Unknown(error)) => Err(error),
            Some(Outcome::Done | Outcome::Told(_)) | None => Ok(()),
        }
    }

    /// Asks for one thing and hands the payload of the answer to `read`.
    ///
    /// # Errors
    /// The kernel's refusal: `ENODEV`, `ENETUNREACH` … say that it does not exist.
    pub fn ask<T>(&mut self, request: &Request, read: impl Fn(&[u8]) -> T) -> Result<T, KernelError> {
        let mut outcome = None;
        self.ask_once(request, &mut |payload| outcome = Some(read(payload)))?;
        outcome.ok_or(Errno::EBADMSG.into())
    }

    /// One question. Apart from [`Self::ask`], which is compiled for each kind of thing.
    fn ask_once(&mut self, request: &Request, each: &mut dyn FnMut(&[u8])) -> Result<(), KernelError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::with_capacity(request.room());
        request.emit(sequence, 0, &mut bytes);
        self.send(&bytes)?;
        let mut outcome = None;
        while outcome.is_none() {
            self.receive(&mut |answer| {
                if answer.sequence == sequence && outcome.is_none() {
                    outcome = Some(if answer.message_type == NLMSG_ERROR {
                        Err(answer.error().unwrap_or_else(|| Errno::EBADMSG.into()))
                    } else {
                        each(answer.payload);
                        Ok(())
                    });
                }
            })?;
        }
        outcome.unwrap_or(Err(Errno::EBADMSG.into()))
    }

    /// Asks for several things in one datagram, and gives the payload of each answer. The kernel answers in the order of
    /// the questions.
    ///
    /// # Errors
    /// When nothing could be sent or read; the kernel's refusal of a question is its answer.
    pub fn ask_all(
        &mut self,
        requests: &[Request],
    ) -> Result<Vec<Result<Vec<u8>, KernelError>>, KernelError> {
        let mut answers = Vec::with_capacity(requests.len());
        for requests in requests.chunks(QUESTIONS) {
            let first = self.sequence.wrapping_add(1);
            let mut bytes = Vec::new();
            for request in requests {
                self.sequence = self.sequence.wrapping_add(1);
                request.emit(self.sequence, 0, &mut bytes);
            }
            self.send(&bytes)?;
            for i in 0..requests.len() {
                let sequence = first.wrapping_add(u32::try_from(i).unwrap_or_default());
                let mut outcome = None;
                while outcome.is_none() {
                    self.receive(&mut |answer| {
                        if answer.sequence == sequence && outcome.is_none() {
                            outcome = Some(match answer.message_type {
                                NLMSG_ERROR => Err(answer.error().unwrap_or_else(|| Errno::EBADMSG.into())),
                                _ => Ok(answer.payload.to_vec()),
                            });
                        }
                    })?;
                }
                answers.push(outcome.unwrap_or(Err(Errno::EBADMSG.into())));
            }
        }
        Ok(answers)
    }

    /// Asks for all things of a kind. A dump during which the kernel's tables changed is no whole one
    /// (`NLM_F_DUMP_INTR`) and is asked for again.
    ///
    /// # Errors
    /// The kernel's refusal, `EAGAIN` when the tables never hold still.
    pub fn dump<T>(
        &mut self,
        request: &Request,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, KernelError> {
        self.received.clear();
        self.received.reserve(RECEIVE_DUMP);
        for _ in 0..DUMP_TRIES {
            let mut found = Vec::new();
            if self.dump_once(request, &mut |payload| found.extend(read(payload)))? {
                return Ok(found);
            }
            debug!("the tables changed during a dump, asking again");
        }
        Err(Errno::EAGAIN.into())
    }

    /// One dump, and whether it is a whole one. Apart from [`Self::dump`], which is compiled for each kind of thing.
    fn dump_once(&mut self, request: &Request, each: &mut dyn FnMut(&[u8])) -> Result<bool, KernelError> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::new();
        request.emit(sequence, NLM_F_DUMP, &mut bytes);
        self.send(&bytes)?;
        let (mut done, mut interrupted, mut error) = (false, false, None);
        while !done {
            self.receive(&mut |answer| {
                if answer.sequence != sequence {
                    return;
                }
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.message_type {
                    NLMSG_DONE => done = true,
                    NLMSG_ERROR => (error, done) = (answer.error(), true),
                    _ => each(answer.payload),
                }
            })?;
        }
        error.map_or(Ok(!interrupted), Err)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), KernelError> {
        if log_enabled!(log::Level::Debug) {
            log_messages("to the kernel", bytes);
        }
        loop {
            match self.socket.send(bytes, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads one datagram. A failed read is tried once more: what was asked for has been done or refused by
    /// then, and giving up on the answer would leave that unknown.
    fn receive(&mut self, each: &mut dyn FnMut(&Answer<'_>)) -> Result<(), KernelError> {
        let mut failed = false;
        loop {
            self.received.clear();
            match self.socket.recv(&mut self.received, 0) {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if failed => return Err(error.into()),
                Err(_) => failed = true,
            }
        }
        if log_enabled!(log::Level::Debug) {
            log_messages("from the kernel", &self.received);
        }
        for answer in messages(&self.received) {
            each(&answer);
        }
        Ok(())
    }
}

/// The messages of a datagram; a malformed rest is dropped.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        // The end is no fault: the crate would put one into words.
        let message = NetlinkBuffer::new_checked(Some(bytes).filter(|bytes| !bytes.is_empty())?).ok()?;
        let answer = Answer {
            message_type: message.message_type(),
            flags: message.flags(),
            sequence: message.sequence_number(),
            payload: message.payload(),
        };
        bytes = bytes.get((message.length() as usize).next_multiple_of(4)..).unwrap_or_default();
        Some(answer)
    })
}

impl Answer<'_> {
    /// The refusal in an `NLMSG_ERROR`, `None` for an acknowledgement.
    fn error(&self) -> Option<KernelError> {
        let code = self.payload.first_chunk().map_or(-nix::libc::EBADMSG, |code| i32::from_ne_bytes(*code));
        if code == 0 {
            return None;
        }
        let message = (self.flags & ACK_TLVS != 0).then(|| self.error_text()).flatten();
        Some(KernelError { errno: Errno::from_raw(code.saturating_abs()), message })
    }

    /// The kernel's own words: the string attribute behind the error number and the header of the request.
    /// They can quote a name, so control characters are left out.
    fn error_text(&self) -> Option<String> {
        let attributes = self.payload.get(4 + HEADER..)?;
        let text = NlasIterator::new(attributes).flatten().find(|nla| nla.kind() == ERROR_TEXT)?;
        let text = String::from_utf8_lossy(text.value());
        Some(text.chars().filter(|c| !c.is_control()).collect())
    }
}

/// A number of four bytes in the host's order, as attributes hold it.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// An address as attributes hold it.
pub(super) fn ip(value: &[u8], v4: bool) -> Option<IpAddr> {
    if v4 {
        value.first_chunk::<4>().map(|ip| (*ip).into())
    } else {
        value.first_chunk::<16>().map(|ip| (*ip).into())
    }
}

/// The attributes of a payload behind its fixed header of `header` bytes.
pub(super) fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).flatten()
}

fn log_messages(direction: &str, bytes: &[u8]) {
    for answer in messages(bytes) {
        let Answer { message_type, flags, sequence, payload } = answer;
        debug!(
            "{direction}: type {message_type} flags {flags:#x} sequence {sequence}, {} bytes",
            payload.len()
        );
        trace!("{payload:02x?}");
        if matches!(message_type, NLMSG_ERROR | NLMSG_DONE) {
            continue;
        }
        let mut header = NetlinkHeader::default();
        header.message_type = message_type;
        match RouteNetlinkMessage::deserialize(&header, payload) {
            Ok(message) => debug!("  {message:?}"),
            Err(error) => debug!("  {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_dropped_not_trusted() {
        for bytes in
            [&[][..], &[0; 15], &[0; 16], &[0xff; 64], &[17, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            for answer in messages(bytes) {
                let _ = answer.error();
            }
        }
    }

    #[test]
    fn the_kernels_words_are_read_without_control_characters() {
        let mut payload = vec![];
        payload.extend((-22_i32).to_ne_bytes());
        payload.extend([0; HEADER]);
        payload.extend([11, 0, 1, 0]);
        payload.extend(b"no\x1bway\0\0");
        let answer = Answer { message_type: NLMSG_ERROR, flags: ACK_TLVS, sequence: 1, payload: &payload };
        let error = answer.error().unwrap();
        assert_eq!((error.errno, error.message.as_deref()), (Errno::EINVAL, Some("noway")));
    }
}
