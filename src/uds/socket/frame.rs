//! What goes over a socket: frames, the same for all sorts.
//!
//! A frame is 8 bytes, and then the message: a tag of 4 bytes, which says what it is, and the
//! length of the message in bytes, as a 32-bit number; both little-endian. In a stream one
//! frame follows the other; elsewhere a frame is one message of the socket.

use crate::error::Failure;

/// Bytes before the message.
pub(super) const HEADER: usize = 8;

const MESSAGE: u32 = u32::from_le_bytes(*b"mrM1");
const END: u32 = u32::from_le_bytes(*b"mrE1");

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameHeader {
    /// A message of so many bytes follows.
    Message(usize),
    /// No message comes after this: the sender closed. Back from a receiver: it closed.
    End,
}

fn bytes_of(tag: u32, length: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&tag.to_le_bytes());
    bytes[4..].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// The header of a message; `None`: it is too long for any.
pub(super) fn message_header(length: usize) -> Option<[u8; HEADER]> {
    u32::try_from(length)
        .ok()
        .map(|length| bytes_of(MESSAGE, length))
}

/// The frame that ends it all.
pub(super) fn end_frame() -> [u8; HEADER] {
    bytes_of(END, 0)
}

impl FrameHeader {
    /// What `bytes` begin with; `None`: there are too few to say. `limit`: bytes that a message may
    /// have; `fixed`: and must have.
    pub(super) fn parse(
        bytes: &[u8],
        limit: usize,
        fixed: bool,
    ) -> Option<Result<FrameHeader, Failure>> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let [t0, t1, t2, t3, l0, l1, l2, l3] = *header;
        let tag = u32::from_le_bytes([t0, t1, t2, t3]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let not_a_message = |what, found: u32| {
            Some(Err(Failure::NotAMessage {
                what,
                found: found.into(),
            }))
        };
        match (tag, length as usize) {
            (END, 0) => Some(Ok(FrameHeader::End)),
            (END, _) => not_a_message("the end has a length", length),
            (MESSAGE, length) if length > limit => {
                Some(Err(Failure::TooLongToReceive { length, limit }))
            }
            (MESSAGE, shorter) if fixed && shorter != limit => {
                not_a_message("its length is not that of the type", length)
            }
            (MESSAGE, length) => Some(Ok(FrameHeader::Message(length))),
            _ => not_a_message("it does not begin with a known tag", tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_both_ways() {
        for length in [0, 1, 8, 70_000] {
            let bytes = message_header(length).unwrap();
            let parsed = FrameHeader::parse(&bytes, 70_000, false);
            assert_eq!(parsed, Some(Ok(FrameHeader::Message(length))));
            let too_few = FrameHeader::parse(&bytes[..7], 70_000, false);
            assert_eq!(too_few, None);
        }
        let end = FrameHeader::parse(&end_frame(), 8, true);
        assert_eq!(end, Some(Ok(FrameHeader::End)));
        assert_eq!(message_header(usize::MAX), None);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let refused = |bytes: [u8; 8], limit, fixed| {
            FrameHeader::parse(&bytes, limit, fixed)
                .expect("a whole header")
                .unwrap_err()
        };
        let nine = message_header(9).unwrap();
        assert_eq!(
            refused(nine, 8, false),
            Failure::TooLongToReceive {
                length: 9,
                limit: 8
            }
        );
        assert!(matches!(
            refused(message_header(7).unwrap(), 8, true),
            Failure::NotAMessage { found: 7, .. }
        ));
        assert!(matches!(
            refused(*b"GET / HT", 8, false),
            Failure::NotAMessage { .. }
        ));
        let mut long_end = end_frame();
        long_end[4] = 1;
        assert!(matches!(
            refused(long_end, 8, false),
            Failure::NotAMessage { found: 1, .. }
        ));
        let most = refused(bytes_of(MESSAGE, u32::MAX), 8, false);
        assert!(matches!(most, Failure::TooLongToReceive { .. }));
    }
}
