//! What requests and replies begin with, as bytes. What a peer wrote is checked here.

use crate::shm::layout::LINE;

/// Bytes of the header of a request: client, call, deadline, format, nothing.
pub(super) const REQUEST_HEADER: usize = 40;
/// Bytes of the header of a reply: call, status, nothing.
pub(super) const REPLY_HEADER: usize = 16;

/// What a slot of bytes has beside its message: its word, and the message's length.
const SLOT: usize = 16;

/// The limit of messages of `bytes`, or a little more, with which each slot has cache lines of
/// its own: it begins one, and none is fetched for a neighbour.
pub(super) fn in_lines_of_its_own(bytes: usize) -> usize {
    let slot = bytes.saturating_add(SLOT);
    let slot = slot.checked_next_multiple_of(LINE).unwrap_or(slot);
    slot - SLOT
}

/// The number of this format, in each request, and in the schema tag of both rings.
pub(super) const FORMAT: u32 = 1;
/// The deadline of a call that has none.
const NEVER: u64 = u64::MAX;

/// What a request says of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Names the ring of replies.
    pub client: u128,
    /// The client's own number of the call.
    pub call: u64,
    /// On the monotonic clock, in nanoseconds.
    pub deadline: Option<u64>,
}

impl Head {
    /// Writes itself over the first bytes of `request`, which has them.
    pub(super) fn write(&self, request: &mut [u8]) {
        request[..16].copy_from_slice(&self.client.to_le_bytes());
        request[16..24].copy_from_slice(&self.call.to_le_bytes());
        request[24..32].copy_from_slice(&self.deadline.unwrap_or(NEVER).to_le_bytes());
        request[32..36].copy_from_slice(&FORMAT.to_le_bytes());
        request[36..REQUEST_HEADER].fill(0);
    }

    /// The head and the body of a request; `None` if it is none.
    pub(super) fn read(request: &[u8]) -> Option<(Head, &[u8])> {
        let (client, rest) = request.split_first_chunk()?;
        let (call, rest) = rest.split_first_chunk()?;
        let (deadline, rest) = rest.split_first_chunk()?;
        let (format, rest) = rest.split_first_chunk()?;
        let (reserved, body) = rest.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*format) != FORMAT || *reserved != [0; 4] {
            return None;
        }
        let deadline = u64::from_le_bytes(*deadline);
        let head = Head {
            client: u128::from_le_bytes(*client),
            call: u64::from_le_bytes(*call),
            deadline: (deadline != NEVER).then_some(deadline),
        };
        Some((head, body))
    }
}

/// How a call ended, as its server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The body is the response.
    Done,
    /// The handler's error: its text.
    Failed,
    /// The handler's panic: its message.
    Panicked,
    /// The policy of the service ends the call.
    ServerDied,
    /// It was not handed out before its deadline.
    Expired,
    /// Request or response are not what they should be: a text.
    Invalid,
}

const STATUSES: [Status; 6] = [
    Status::Done,
    Status::Failed,
    Status::Panicked,
    Status::ServerDied,
    Status::Expired,
    Status::Invalid,
];

/// Writes the header of a reply over its first bytes, which it has.
pub(super) fn write_reply(reply: &mut [u8], call: u64, status: Status) {
    reply[..8].copy_from_slice(&call.to_le_bytes());
    reply[8..12].copy_from_slice(&(status as u32).to_le_bytes());
    reply[12..REPLY_HEADER].fill(0);
}

/// Call, status and body of a reply; `None` if it is none.
pub(super) fn read_reply(reply: &[u8]) -> Option<(u64, Status, &[u8])> {
    let (call, rest) = reply.split_first_chunk()?;
    let (status, rest) = rest.split_first_chunk()?;
    let (reserved, body) = rest.split_first_chunk::<4>()?;
    let status = usize::try_from(u32::from_le_bytes(*status)).ok()?;
    let status = *STATUSES.get(status)?;
    (*reserved == [0; 4]).then_some((u64::from_le_bytes(*call), status, body))
}

/// The beginning of `text` that has at most `limit` bytes.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_written() {
        for deadline in [None, Some(0), Some(17)] {
            let head = Head {
                client: u128::MAX - 3,
                call: 7 << 32 | 5,
                deadline,
            };
            let mut request = [0xff; REQUEST_HEADER + 3];
            head.write(&mut request);
            assert_eq!(Head::read(&request), Some((head, &[0xff; 3][..])));
        }
        for status in STATUSES {
            let mut reply = [0xff; REPLY_HEADER + 1];
            write_reply(&mut reply, 9, status);
            assert_eq!(read_reply(&reply), Some((9, status, &[0xff][..])));
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut request = [0; REQUEST_HEADER];
        assert_eq!(Head::read(&request), None); // format 0
        let head = Head {
            client: 1,
            call: 1,
            deadline: None,
        };
        head.write(&mut request);
        for length in 0..REQUEST_HEADER {
            assert_eq!(Head::read(&request[..length]), None);
        }
        request[39] = 1;
        assert_eq!(Head::read(&request), None);
        let mut reply = [0; REPLY_HEADER];
        for length in 0..REPLY_HEADER {
            assert_eq!(read_reply(&reply[..length]), None);
        }
        for wrong in [6, 255] {
            reply[8] = wrong;
            assert_eq!(read_reply(&reply), None);
        }
        reply[8..].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(read_reply(&reply), None);
        reply[8..].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(read_reply(&reply), None);
    }

    #[test]
    fn slots_have_lines_of_their_own() {
        for (bytes, limit) in [(48, 48), (49, 112), (0, 48), (112, 112), (256, 304)] {
            assert_eq!(in_lines_of_its_own(bytes), limit);
        }
        let most = in_lines_of_its_own(usize::MAX);
        assert!(most >= usize::MAX - 64);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("é", 1), "");
    }
}
