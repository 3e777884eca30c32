//! Figures of an open ring.

use super::segment::Segment;
use crate::error::{Holder, Side};
use crate::members::{MemberId, Peer, Table};
use crate::ring::layout::Cell;
use crate::ring::memory::Memory;
use crate::ring::progress::Progress;
use crate::ring::{end, progress, rendezvous};
use crate::sys::atomic::Ordering;

/// Figures of a ring. They are taken without stopping any endpoint, so they may differ from each
/// other by some messages.
///
/// With the feature `serde`, it and its parts are `Serialize`, under the names of their
/// fields; a side is `"sender"` or `"receiver"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Messages sent and not yet received, roughly; never more than `capacity`. (Messages of a
    /// rendezvous ring count only in `sent` and `received`.)
    pub len: usize,
    /// The most messages that the ring holds.
    pub capacity: usize,
    /// Positions that senders have used since the ring was made: messages, and
    /// claims that were given up.
    pub sent: u64,
    /// Positions that receivers have passed.
    pub received: u64,
    /// Messages dropped because their receiver died (`OnDeath::Discard`), or because they had
    /// been given back too often. The count may be one too high for each process that was killed
    /// while it recovered a slot.
    pub lost: u64,
    /// How often a message was given back to be received again.
    pub redelivered: u64,
    /// Whether the ring is closed.
    pub closed: bool,
    /// Attached senders, and dead ones that no member has reaped yet.
    pub senders: Vec<Peer>,
    /// Attached receivers, and dead ones that no member has reaped yet.
    pub receivers: Vec<Peer>,
    /// The endpoint that holds the slot that senders need next, if one does. It may be dead, or
    /// may release the slot at this moment.
    pub senders_blocked_by: Option<Holder>,
    /// The endpoint that holds the slot that receivers need next, if one does. It may be dead, or
    /// may release the slot at this moment.
    pub receivers_blocked_by: Option<Holder>,
}

/// The figures of an open ring.
pub(crate) fn stats(segment: &Segment) -> Stats {
    let block = segment.block();
    let config = &segment.config;
    let progress = progress_of(segment);
    let cell = |cell| block.cell(cell).load(Ordering::Acquire);
    let members = segment.members();
    Stats {
        len: progress.len,
        capacity: config.capacity as usize,
        sent: progress.sent,
        received: progress.received,
        lost: cell(Cell::Lost),
        redelivered: cell(Cell::Redelivered),
        closed: end::is_closed(&block),
        senders: members.list(Side::Sender.role()),
        receivers: members.list(Side::Receiver.role()),
        senders_blocked_by: holder(segment, Side::Sender),
        receivers_blocked_by: holder(segment, Side::Receiver),
    }
}

/// How far the ring is.
pub(crate) fn progress_of(segment: &Segment) -> Progress {
    let config = &segment.config;
    match config.is_rendezvous() {
        true => rendezvous::progress(&segment.handover(), config.start),
        false => progress::progress(&segment.block(), config.kind, config.start),
    }
}

/// The endpoint that holds the slot that `side` needs next, by a look without
/// consequences.
pub(crate) fn holder(segment: &Segment, side: Side) -> Option<Holder> {
    if segment.config.is_rendezvous() {
        return None; // every slot is as good
    }
    let (position, id) = progress::holder(&segment.block(), segment.config.kind, side)?;
    Some(holder_of(segment, position, id))
}

/// The endpoint of this id as the holder of `position`.
pub(crate) fn holder_of(segment: &Segment, position: u64, id: MemberId) -> Holder {
    Holder {
        side: Segment::side_of(id),
        id: id.0,
        pid: segment.pid(id).load(Ordering::Relaxed) as u32,
        position,
    }
}
