//! One message to the kernel, and when two of them are as good as one.

use netlink_packet_core::{NLM_F_REQUEST, NetlinkBuffer, NetlinkSerializable, NlaBuffer};
use netlink_packet_route::RouteNetlinkMessage;

use super::socket::attributes;

/// Bytes of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;
/// Bytes of `struct ifinfomsg`, and the places of its index, its flags, and which of them are to change.
const LINK_HEADER: usize = 16;
const INDEX: usize = 4;
const FLAGS: usize = 8;
const CHANGE: usize = 12;
/// `RTM_SETLINK`, include/uapi/linux/rtnetlink.h.
const SETLINK: u16 = 19;
// IFLA_*, include/uapi/linux/if_link.h.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const ALIAS: u16 = 20;
const PER_FAMILY: u16 = 26;
const GROUP: u16 = 27;

/// One message to the kernel.
#[derive(Debug)]
pub struct Request {
    message_type: u16,
    flags: u16,
    payload: Vec<u8>,
}

impl Request {
    /// A message made by a builder. `NLM_F_REQUEST` is implied.
    #[must_use]
    pub fn new(message: &RouteNetlinkMessage, flags: u16) -> Self {
        let mut payload = vec![0; message.buffer_len()];
        message.serialize(&mut payload);
        Self::raw(message.message_type(), flags, payload)
    }

    /// A message whose bytes the kernel itself once sent.
    #[must_use]
    pub fn raw(message_type: u16, flags: u16, payload: Vec<u8>) -> Self {
        Self { message_type, flags: flags | NLM_F_REQUEST, payload }
    }

    /// The most bytes that [`Self::emit`] adds.
    pub(super) fn room(&self) -> usize {
        HEADER + self.payload.len() + 4
    }

    pub(super) fn emit(&self, sequence: u32, extra_flags: u16, out: &mut Vec<u8>) {
        let start = out.len();
        let length = HEADER + self.payload.len();
        out.extend_from_slice(&[0; HEADER]);
        out.extend_from_slice(&self.payload);
        pad(out);
        let mut header = NetlinkBuffer::new(&mut out[start..start + length]);
        header.set_length(u32::try_from(length).unwrap_or(u32::MAX));
        header.set_message_type(self.message_type);
        header.set_flags(self.flags | extra_flags);
        header.set_sequence_number(sequence);
    }

    /// Takes a later message along where both change the same link, called the same, and the kernel would do what they
    /// say in the same order; false where it does not.
    ///
    /// Each message has the kernel tell all of itself, and all who listen, that the link has changed: that is most of its
    /// cost.
    #[must_use]
    pub fn join(&mut self, later: &Self) -> bool {
        let (Some(first), Some(second)) = (Change::read(self), Change::read(later)) else { return false };
        if first.link != second.link || first.last >= second.first {
            return false;
        }
        pad(&mut self.payload);
        self.payload.extend_from_slice(second.attributes);
        for place in FLAGS..LINK_HEADER {
            self.payload[place] |= later.payload[place];
        }
        true
    }
}

/// To the next multiple of four, as netlink wants it.
fn pad(bytes: &mut Vec<u8>) {
    let missing = bytes.len().next_multiple_of(4) - bytes.len();
    bytes.extend_from_slice(&[0; 3][..missing]);
}

/// What an `RTM_SETLINK` is about.
struct Change<'a> {
    /// The link: its index, or 0 and the attribute with its name.
    link: (&'a [u8], &'a [u8]),
    /// What is set, without the name.
    attributes: &'a [u8],
    /// The places of the first and the last of it in the kernel's order.
    first: u8,
    last: u8,
}

impl<'a> Change<'a> {
    /// None where it is something else, or sets what has no known place in that order.
    fn read(request: &'a Request) -> Option<Self> {
        if request.message_type != SETLINK {
            return None;
        }
        let payload = &request.payload[..];
        let index = payload.get(INDEX..FLAGS)?;
        let mut start = LINK_HEADER;
        if index == [0; 4] {
            let name =
                NlaBuffer::new_checked(payload.get(LINK_HEADER..)?).ok().filter(|it| it.kind() == NAME)?;
            start += usize::from(name.length()).next_multiple_of(4);
        }
        let (name, attributes_set) = (payload.get(LINK_HEADER..start)?, payload.get(start..)?);
        let (mut first, mut last) = (u8::MAX, 0);
        let mut comes = |place: u8| (first, last) = (first.min(place), last.max(place));
        if payload.get(CHANGE..LINK_HEADER)? != [0; 4] {
            comes(FLAGS_SET);
        }
        for attribute in attributes(attributes_set, 0) {
            comes(place(attribute.kind())?);
        }
        if first > last {
            return None;
        }
        Some(Self { link: (index, name), attributes: attributes_set, first, last })
    }
}

/// The place of the flags among what [`place`] tells.
const FLAGS_SET: u8 = 3;

/// When `do_setlink` (net/core/rtnetlink.c, the same since Linux 3.0) comes to an attribute, among those that we set.
fn place(kind: u16) -> Option<u8> {
    Some(match kind {
        ADDRESS => 0,
        GROUP => 1,
        ALIAS => 2,
        PER_FAMILY => 4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn joined(requests: impl IntoIterator<Item = Request>) -> usize {
        let mut messages: Vec<Request> = Vec::new();
        for request in requests {
            if !messages.last_mut().is_some_and(|last| last.join(&request)) {
                messages.push(request);
            }
        }
        messages.len()
    }

    #[test]
    fn what_the_kernel_does_in_the_same_order_is_one_message() {
        let up = kernel::set_link(7, true);
        let mut all = kernel::set_mac(7, MAC);
        for request in [
            kernel::set_group(7, 0),
            kernel::set_alias("eth1", Some(7), "word"),
            up,
            kernel::set_arp_notify(7, false),
        ] {
            assert!(all.join(&request), "{all:?}");
        }
        assert_eq!(all.payload[FLAGS..LINK_HEADER], [1, 0, 0, 0, 1, 0, 0, 0]);
        let kinds: Vec<_> = attributes(&all.payload, LINK_HEADER).map(|attribute| attribute.kind()).collect();
        assert_eq!(kinds, [ADDRESS, GROUP, ALIAS, PER_FAMILY]);
        assert_eq!(all.payload.len() % 4, 0);
    }

    #[test]
    fn by_name_it_is_the_same_name() {
        let of = |name| [kernel::set_alias(name, None, "some words"), kernel::no_own_address("port")];
        assert_eq!(joined(of("port")), 1);
        assert_eq!(joined(of("porz")), 2);
        let [mut alias, mode] = of("port");
        assert!(alias.join(&mode));
        let kinds: Vec<_> =
            attributes(&alias.payload, LINK_HEADER).map(|attribute| attribute.kind()).collect();
        assert_eq!(kinds, [NAME, ALIAS, PER_FAMILY]);
    }

    #[test]
    fn what_would_come_in_another_order_stays_apart() {
        let on = || kernel::set_arp_notify(7, true);
        assert_eq!(joined([on(), kernel::set_mac(7, MAC)]), 2, "the address would come first");
        assert_eq!(joined([on(), kernel::set_arp_notify(7, false)]), 2);
        assert_eq!(joined([on(), kernel::set_link(7, true)]), 2);
        assert_eq!(joined([kernel::set_link(7, true), kernel::set_alias("eth1", Some(7), "word")]), 2);
    }

    #[test]
    fn another_link_and_another_kind_of_change_stay_apart() {
        assert_eq!(joined([kernel::set_group(7, 0), kernel::set_link(8, true)]), 2);
        assert_eq!(joined([kernel::set_group(7, 0), kernel::set_mtu(7, 1500)]), 2);
        assert_eq!(joined([kernel::set_alias("a", None, "word"), kernel::rename_link(7, "b")]), 2);
        assert_eq!(joined([kernel::delete_link(7), kernel::set_link(7, true)]), 2);
        let garbage = |payload: &[u8]| Request::raw(SETLINK, 0, payload.to_vec());
        for payload in [&[][..], &[0; 15], &[0; 16], &[0xff; 18], &[0; 24]] {
            assert_eq!(joined([garbage(payload), garbage(payload)]), 2);
        }
    }
}
