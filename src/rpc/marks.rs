//! How the rings of a service are told from others: by marks in their schema tags.

use super::wire::REQUEST_HEADER;
use crate::ring::config::MessageKind;
use crate::ring::kind::RingKind;

/// The first 16 bits of the tag of a ring of requests: `rq`.
pub(super) const REQUESTS: u64 = 0x7271 << 48;
/// The first 16 bits of the tag of a ring of replies: `rp`.
pub(super) const REPLIES: u64 = 0x7270 << 48;
const MARK: u64 = 0xffff << 48;

/// What a ring is to a service: from [`Inspection::service_ring`](crate::Inspection::service_ring).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceRing {
    /// The service itself: its ring of requests, whose senders are clients, and whose receivers
    /// are servers.
    Requests {
        /// The most bytes of a request.
        limit: usize,
    },
    /// The replies to one client.
    Replies,
}

/// A tag with this mark.
pub(super) fn marked(mark: u64, fingerprint: u64) -> u64 {
    // No bit of it is left out of account.
    let folded = fingerprint ^ (fingerprint >> 48);
    mark | folded & !MARK
}

/// What the ring is to a service, by all that can be seen from outside. It may be wrong of a
/// ring whose user chose a tag that begins with a mark.
pub(crate) fn service_ring(
    kind: RingKind,
    message: MessageKind,
    schema: u64,
) -> Option<ServiceRing> {
    let MessageKind::Bytes { limit } = message else {
        return None;
    };
    match (kind, schema & MARK) {
        (RingKind::Mpmc, REQUESTS) => Some(ServiceRing::Requests {
            limit: limit.checked_sub(REQUEST_HEADER)?,
        }),
        (RingKind::Mpsc, REPLIES) => Some(ServiceRing::Replies),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_seen_and_fingerprints_differ() {
        let requests = |tag| service_ring(RingKind::Mpmc, MessageKind::Bytes { limit: 100 }, tag);
        let tag = marked(REQUESTS, 0x1234_5678_9abc_def0);
        let found = Some(ServiceRing::Requests { limit: 60 });
        assert_eq!(requests(tag), found);
        assert_eq!(requests(marked(REPLIES, 7)), None);
        assert_eq!(requests(0), None);
        for bit in 0..64 {
            let other = marked(REQUESTS, 0x1234_5678_9abc_def0 ^ 1 << bit);
            assert_ne!(other, tag, "bit {bit}");
        }
        let replies = |kind, message| service_ring(kind, message, marked(REPLIES, 7));
        let bytes = MessageKind::Bytes { limit: 10 };
        assert_eq!(replies(RingKind::Mpsc, bytes), Some(ServiceRing::Replies));
        assert_eq!(replies(RingKind::Spsc, bytes), None);
        let typed = MessageKind::Typed { size: 8, align: 8 };
        assert_eq!(replies(RingKind::Mpsc, typed), None);
        let short = service_ring(RingKind::Mpmc, MessageKind::Bytes { limit: 39 }, tag);
        assert_eq!(short, None);
    }
}
