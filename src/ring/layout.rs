//! The bytes of a ring in its region: where everything lies. No behaviour.
//!
//! ```text
//! 0x0040  ring header, 128 B     the object header of the region
//! 0x0400  tail                   each of these words has a pair of cache lines
//! 0x0480  head                   (128 bytes) to itself or shares it only with
//! 0x0500  sent, busy             words of the same writer
//! 0x0580  taken, done
//! 0x0600  credit
//! 0x0680  requeues
//! 0x0700  closed
//! 0x0780  lost, redelivered
//! 0x0800  reserved, zero
//! 0x5000  slots: capacity * stride bytes
//!           +0 slot word         +payload offset: the message
//! ```
//!
//! The rest of the region is every object's: see [`shm::layout`](crate::shm::layout).

use bytemuck::{Pod, Zeroable};

use crate::error::Side;
use crate::members::Role;
use crate::shm::layout::{
    CONTROL_OFFSET, Contents, DATA_OFFSET, LINE, ObjectKind, TABLE_ENTRIES, TABLE_OFFSET,
};

/// The number of rings among the kinds of object.
pub(crate) const RING: ObjectKind = ObjectKind(1);
/// Version of what is described here.
pub(crate) const RING_VERSION: u32 = 1;

/// What is fixed when a ring is made.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(crate) struct RingHeader {
    /// Bit 0: many senders. Bit 1: many receivers.
    pub kind: u32,
    /// 0: endpoints never sleep. 1: endpoints may sleep.
    pub wakeups: u32,
    /// 0: redeliver. 1: discard.
    pub on_death: u32,
    /// How many times a message may be delivered, the first included.
    pub max_deliveries: u32,
    /// 0: one fixed-size type. 1: bytes with a length.
    pub shape: u32,
    pub reserved: u32,
    pub capacity: u64,
    /// Size of the type, or the limit on bytes.
    pub message_size: u64,
    pub message_align: u64,
    pub stride: u64,
    /// The user's own tag for the meaning of the messages.
    pub schema: u64,
    /// The position at which the ring began to count.
    pub start: u64,
    pub reserved_words: [u64; 7],
}

/// A shared 64-bit word, named by its offset in the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Cell {
    /// Hint: first position that no sender of many has claimed.
    Tail = 0x400,
    /// Hint: first position that no receiver of many has claimed.
    Head = 0x480,
    /// Positions that the single sender of a single receiver has published; lags.
    Sent = 0x500,
    /// 1 while the single sender is inside an operation.
    Busy = 0x508,
    /// Single receiver: one past the last position handed out in place.
    Taken = 0x580,
    /// Exact: positions that the single receiver has acknowledged or passed.
    Done = 0x588,
    /// The single receiver's progress as published to senders now and then.
    Credit = 0x600,
    /// Counts messages given back behind the head.
    Requeues = 0x680,
    /// [`CLOSED`] once the ring is closed, [`CLOSED_AND_FENCED`] later.
    Closed = 0x700,
    /// Messages dropped because their receiver died or their deliveries ran out.
    Lost = 0x780,
    /// Messages given back to be received again.
    Redelivered = 0x788,
}

/// The ring is closed; a send that began before may not be visible yet.
pub(crate) const CLOSED: u64 = 1;
/// The ring is closed, and every send that began before is visible (R17).
pub(crate) const CLOSED_AND_FENCED: u64 = 2;

/// Ids of senders. The first is that of a single sender.
pub(crate) const SENDERS: Role = Role {
    index: 0,
    first: 1,
    end: 512,
};
/// Ids of receivers. The first is that of a single receiver.
pub(crate) const RECEIVERS: Role = Role {
    index: 1,
    first: 512,
    end: TABLE_ENTRIES as u16,
};
/// The roles of a ring's members.
pub(crate) const ROLES: [Role; 2] = [SENDERS, RECEIVERS];

impl Side {
    /// The role of the endpoints of this side.
    #[inline(always)]
    pub(crate) const fn role(self) -> Role {
        match self {
            Side::Sender => SENDERS,
            Side::Receiver => RECEIVERS,
        }
    }

    #[inline]
    pub(crate) fn other(self) -> Side {
        match self {
            Side::Sender => Side::Receiver,
            Side::Receiver => Side::Sender,
        }
    }
}

/// The widest alignment of a message: a page.
pub(crate) const MAX_ALIGN: usize = 4096;
/// The most slots that a ring may have.
pub(crate) const MAX_CAPACITY: u64 = 1 << 31;
/// A byte message's length goes before its bytes.
pub(crate) const LENGTH_SIZE: usize = 8;

/// How one slot is laid out, derived from the message's size and alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotLayout {
    /// Bytes from the slot word to the message.
    pub payload: usize,
    /// Bytes from slot to slot.
    pub stride: usize,
}

impl SlotLayout {
    /// The slot of a message of `size` bytes aligned to `align`.
    ///
    /// Word and message share a cache line whenever together they fit in one;
    /// the payload area is a whole number of 8-byte words. `None` on overflow
    /// or an alignment that is not a power of two up to [`MAX_ALIGN`].
    pub(crate) const fn of(size: usize, align: usize) -> Option<Self> {
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return None;
        }
        let payload = if align > 8 { align } else { 8 };
        let Some(words) = size.checked_next_multiple_of(8) else {
            return None;
        };
        let Some(end) = words.checked_add(payload) else {
            return None;
        };
        let stride = if end <= LINE {
            end.next_power_of_two()
        } else {
            let unit = if align > 8 { align } else { 8 };
            match end.checked_next_multiple_of(unit) {
                Some(stride) => stride,
                None => return None,
            }
        };
        Some(SlotLayout { payload, stride })
    }

    /// The slot of a byte message of up to `limit` bytes.
    pub(crate) const fn of_bytes(limit: usize) -> Option<Self> {
        match limit.checked_add(LENGTH_SIZE) {
            Some(size) => Self::of(size, 8),
            None => None,
        }
    }

    /// Bytes of a whole region with `capacity` such slots.
    pub(crate) const fn region_size(self, capacity: u64) -> Option<u64> {
        match capacity.checked_mul(self.stride as u64) {
            Some(slots) => slots.checked_add(DATA_OFFSET as u64),
            None => None,
        }
    }
}

const _: () = {
    assert!(size_of::<RingHeader>() == size_of::<Contents>());
    assert!(Cell::Tail as usize == CONTROL_OFFSET);
    assert!((Cell::Redelivered as usize) < TABLE_OFFSET);
    assert!(DATA_OFFSET.is_multiple_of(MAX_ALIGN));
    assert!(SENDERS.end == RECEIVERS.first);
};

#[cfg(all(test, not(loom)))]
mod tests;
