//! The bytes of a ring in its region: where everything lies. No behaviour.
//!
//! ```text
//! 0x0040  ring header, 128 B     the object header of the region
//! 0x0400  tail                   each of these words has a pair of cache lines
//! 0x0480  head                   (128 bytes) to itself or shares it only with
//! 0x0500  sent, busy             words of the same writer
//! 0x0580  taken, done, marked
//! 0x0600  credit
//! 0x0680  requeues
//! 0x0700  closed, final
//! 0x0780  lost, redelivered
//! 0x0800  slot words of a rendezvous ring, 64 of 8 B
//! 0x0a00  its waiter words, 64 of 8 B
//! 0x0c00  reserved, zero
//! 0x5000  the messages, in one of three arrangements
//! ```
//!
//! Many on a side: slots, `capacity` of them.
//!
//! ```text
//! +0 slot word    +payload offset: the message    +stride: the next slot
//! ```
//!
//! One sender, one receiver, messages of up to 56 bytes: lines. As many as hold the
//! capacity, rounded up to a power of two.
//!
//! ```text
//! +0 message    +stride: the next message, if it fits    ...    +56 word of the line
//! ```
//!
//! One sender, one receiver, larger messages: dense. As many as the capacity, rounded up
//! to a power of two; `sent` is the word of all.
//!
//! ```text
//! +0 message    +stride: the next message
//! ```
//!
//! Lines and dense messages are followed by a byte for each position of a lap (padded to
//! 8), which counts how often the message there was given back.
//!
//! The rest of the region is every object's: see [`shm::layout`](crate::shm::layout).

use bytemuck::{Pod, Zeroable};

use super::slot::Geometry;
use super::spsc::Places;
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
    /// 0: slots, each with a word. 1: lines. 2: dense.
    pub arrangement: u32,
    pub capacity: u64,
    /// Size of the type, or the limit on bytes.
    pub message_size: u64,
    pub message_align: u64,
    pub stride: u64,
    /// The user's own tag for the meaning of the messages.
    pub schema: u64,
    /// The position at which the ring began to count.
    pub start: u64,
    /// Of a rendezvous ring, whose capacity is 0: slots. Else 0.
    pub handovers: u64,
    pub reserved_words: [u64; 6],
}

/// A shared 64-bit word, named by its offset in the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Cell {
    /// Hint: first position that no sender of many has claimed.
    Tail = CONTROL_OFFSET,
    /// Hint: first position that no receiver of many has claimed.
    Head = 0x480,
    /// One past the last position that the one sender of one receiver has published.
    /// Exact in a dense ring; in lines a hint.
    Sent = 0x500,
    /// 1 while the single sender is inside an operation.
    Busy = 0x508,
    /// Single receiver: one past the last position handed out in place.
    Taken = 0x580,
    /// Exact: positions that the single receiver has acknowledged or passed.
    Done = 0x588,
    /// One sender, one receiver: the attempts before this position are valid (S16).
    Marked = 0x590,
    /// The single receiver's progress as published to senders now and then.
    Credit = 0x600,
    /// Counts messages given back behind the head.
    Requeues = 0x680,
    /// [`CLOSED`] once the ring is closed, [`CLOSED_AND_FENCED`] later.
    Closed = 0x700,
    /// One sender, one receiver: where the ring ended, once fixed (S20).
    Final = 0x708,
    /// Messages dropped because their receiver died or their deliveries ran out.
    Lost = 0x780,
    /// Messages given back to be received again.
    Redelivered = 0x788,
}

/// The most slots of a rendezvous ring: so many messages are under way at once.
pub(crate) const MAX_HANDOVERS: u64 = 64;

/// The words in which receivers announce themselves.
pub(crate) const WAITERS: usize = 64;

/// Bytes that the messages of a rendezvous ring may take, if there are to be as many slots
/// as there can be.
const ROOM: usize = 1 << 20;

/// The fewest slots.
const MIN_HANDOVERS: u64 = 4;

/// How many slots a rendezvous ring has for messages of `size` bytes.
pub(crate) fn slots_for(size: usize) -> u64 {
    let fitting = (ROOM / size.max(1)) as u64;
    let fitting = fitting.clamp(MIN_HANDOVERS, MAX_HANDOVERS);
    1 << fitting.ilog2()
}

/// The slot words of a rendezvous ring.
pub(crate) const HANDOVER_WORDS: usize = 0x800;
/// The words in which its receivers announce themselves.
pub(crate) const WAITER_WORDS: usize = HANDOVER_WORDS + MAX_HANDOVERS as usize * 8;

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
/// The largest capacity of a ring.
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

    /// A message of `size` bytes in a line, which holds it.
    pub(crate) const fn in_line(size: usize) -> Self {
        SlotLayout {
            payload: 0,
            stride: size.next_power_of_two(),
        }
    }

    /// Messages of `size` bytes, one after the other.
    pub(crate) const fn dense(size: usize) -> Self {
        SlotLayout {
            payload: 0,
            stride: size,
        }
    }

    /// Whether messages of up to `size` bytes can move as whole 8-byte words: the words
    /// are aligned, and the last one is not shared.
    #[inline(always)]
    pub(crate) const fn holds_words(self, size: usize) -> bool {
        self.stride.is_multiple_of(8) && size.next_multiple_of(8) <= self.stride - self.payload
    }
}

/// Bytes that a message of `size` bytes takes in a line, or dense: those that have none
/// keep their alignment.
pub(crate) const fn room_of(size: usize, align: usize) -> usize {
    if size == 0 { align } else { size }
}

/// How the messages of a ring are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// Slots, each with a word of its own: many on a side.
    Slots = 0,
    /// Lines, each with a word of its own: one on either side.
    Lines = 1,
    /// One message after the other: one on either side.
    Dense = 2,
}

/// Where the messages of a ring lie in its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub slot: SlotLayout,
    /// Of the positions of a lap.
    pub geometry: Geometry,
    /// One sender, one receiver: which positions hold messages.
    pub places: Option<Places>,
    /// Then, where the attempts lie, from the region's start.
    pub attempts: usize,
    /// Bytes of the region.
    pub size: u64,
}

impl Frame {
    /// Of no ring: one slot.
    pub(crate) const NONE: Frame = Frame {
        slot: SlotLayout {
            payload: 8,
            stride: 8,
        },
        geometry: Geometry::new(1),
        places: None,
        attempts: DATA_OFFSET,
        size: 0,
    };

    /// For messages of `size` bytes aligned to `align`. `None` if that cannot be: they do
    /// not fit a line, or an address space, or the alignment is none.
    pub(crate) fn typed(
        arrangement: Arrangement,
        size: usize,
        align: usize,
        capacity: u64,
    ) -> Option<Frame> {
        // (Of any size the alignment is checked there.)
        let slot = SlotLayout::of(size, align)?;
        let size = room_of(size, align);
        match arrangement {
            Arrangement::Slots => Frame::of_slots(slot, capacity),
            Arrangement::Lines => {
                let places = Places::lines(size, capacity)?;
                Frame::of_places(SlotLayout::in_line(size), places)
            }
            Arrangement::Dense => {
                Frame::of_places(SlotLayout::dense(size), Places::dense(capacity))
            }
        }
    }

    /// For byte messages of up to `limit` bytes, likewise.
    pub(crate) fn bytes(arrangement: Arrangement, limit: usize, capacity: u64) -> Option<Frame> {
        let slot = SlotLayout::of_bytes(limit)?;
        let size = limit
            .checked_next_multiple_of(8)?
            .checked_add(LENGTH_SIZE)?;
        match arrangement {
            Arrangement::Slots => Frame::of_slots(slot, capacity),
            _ => Frame::typed(arrangement, size, 8, capacity),
        }
    }

    fn of_slots(slot: SlotLayout, capacity: u64) -> Option<Frame> {
        if !capacity.is_power_of_two() {
            return None;
        }
        Frame::fitting(slot, capacity, None, 0)
    }

    fn of_places(slot: SlotLayout, places: Places) -> Option<Frame> {
        Frame::fitting(slot, places.lap()?, Some(places), 1)
    }

    /// With so many cold bytes for each position of a lap.
    fn fitting(slot: SlotLayout, lap: u64, places: Option<Places>, cold: u64) -> Option<Frame> {
        let messages = lap.checked_mul(slot.stride as u64)?;
        let attempts = messages
            .checked_next_multiple_of(8)?
            .checked_add(DATA_OFFSET as u64)?;
        let size = attempts.checked_add(lap.checked_mul(cold)?.checked_next_multiple_of(8)?)?;
        let is_addressable = size <= i64::MAX as u64 && usize::try_from(size).is_ok();
        is_addressable.then_some(Frame {
            slot,
            geometry: Geometry::new(lap),
            places,
            attempts: attempts as usize,
            size,
        })
    }
}

const _: () = {
    assert!(size_of::<RingHeader>() == size_of::<Contents>());
    assert!((Cell::Redelivered as usize) < HANDOVER_WORDS);
    assert!(MAX_HANDOVERS as usize <= WAITERS);
    assert!(WAITER_WORDS + WAITERS * 8 <= TABLE_OFFSET);
    assert!(DATA_OFFSET.is_multiple_of(MAX_ALIGN));
    assert!(SENDERS.end == RECEIVERS.first);
};

#[cfg(all(test, not(loom)))]
mod tests;
