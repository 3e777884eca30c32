//! The bytes of a segment: where everything lies. No behaviour.
//!
//! ```text
//! 0x0000  header          128 B  written once, before the ring has a name
//! 0x0100  tail            each of these words has a pair of cache lines
//! 0x0180  head            (128 bytes) to itself or shares it only with
//! 0x0200  sent, busy      words of the same writer
//! 0x0280  taken, done
//! 0x0300  credit
//! 0x0380  requeues
//! 0x0400  closed, membership of senders, membership of receivers
//! 0x0480  event that receivers sleep on        (u32)
//! 0x0500  event that senders sleep on          (u32)
//! 0x0580  lost, redelivered
//! 0x0600  reserved, zero
//! 0x1000  participant table: 1024 entries of 16 bytes
//!           +0 entry: generation << 1 | dirty     +8 process id, for display
//! 0x5000  slots: capacity * stride bytes
//!           +0 slot word     +payload offset: the message
//! ```
//!
//! Numbers are in the byte order of the machine that made the segment; the
//! header says which. `docs/format.md` tells the same for other languages.

use bytemuck::{Pod, Zeroable};

/// The first eight bytes of every segment.
pub(crate) const MAGIC: [u8; 8] = *b"memring\0";
/// Version of the format described here; moves apart from the crate's.
pub(crate) const VERSION: u32 = 2;
/// Reads as these bytes in order only on a machine of the same byte order.
pub(crate) const BYTE_ORDER: u32 = u32::from_le_bytes([1, 2, 3, 4]);

/// The geometry and the terms of a ring, fixed at creation.
///
/// An opener copies it once into private memory and checks it there.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(crate) struct Header {
    pub magic: [u8; 8],
    pub version: u32,
    pub byte_order: u32,
    /// Bit 0: many senders. Bit 1: many receivers.
    pub kind: u32,
    /// 0: nobody sleeps. 1: endpoints may sleep.
    pub wake: u32,
    /// 0: fences. 1: `membarrier`.
    pub barrier: u32,
    /// 0: redeliver. 1: discard.
    pub on_death: u32,
    /// How many times a message may be handed out in all.
    pub attempts: u32,
    /// 0: one fixed-size type. 1: bytes with a length.
    pub shape: u32,
    pub capacity: u64,
    /// Size of the type, or the limit on bytes.
    pub message_size: u64,
    pub message_align: u64,
    pub stride: u64,
    pub table_offset: u64,
    pub table_entries: u64,
    pub slots_offset: u64,
    pub total_size: u64,
    /// The user's own tag for the meaning of the messages.
    pub schema: u64,
    /// The position at which the ring began to count.
    pub start: u64,
    pub reserved: u64,
}

/// A shared 64-bit word, named by its offset in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Cell {
    /// Hint: first position that no sender of many has claimed.
    Tail = 0x100,
    /// Hint: first position that no receiver of many has claimed.
    Head = 0x180,
    /// Exact: positions that the single sender has published.
    Sent = 0x200,
    /// 1 while the single sender is inside an operation.
    Busy = 0x208,
    /// Single receiver: one past the last position handed out in place.
    Taken = 0x280,
    /// Exact: positions that the single receiver is done with.
    Done = 0x288,
    /// The single receiver's progress as told to senders, now and then.
    Credit = 0x300,
    /// Counts messages given back behind the head.
    Requeues = 0x380,
    /// [`CLOSED`] once the ring is closed, [`CLOSED_AND_FENCED`] later.
    Closed = 0x400,
    /// Counts comings and goings of senders; 0: there has never been one.
    SenderChanges = 0x408,
    /// Counts comings and goings of receivers; 0: there has never been one.
    ReceiverChanges = 0x410,
    /// Messages dropped because their receiver died or attempts ran out.
    Lost = 0x580,
    /// Messages given back to be received again.
    Redelivered = 0x588,
}

/// The ring is closed; a send that began before may not be visible yet.
pub(crate) const CLOSED: u64 = 1;
/// The ring is closed, and every send that began before shows (R17).
pub(crate) const CLOSED_AND_FENCED: u64 = 2;

/// The two futex words, named by who sleeps on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Bell {
    /// Receivers sleep here, senders ring it.
    Receivers = 0x480,
    /// Senders sleep here, receivers ring it.
    Senders = 0x500,
}

/// Where the participant table begins.
pub(crate) const TABLE_OFFSET: usize = 0x1000;
/// Entries in the table; entry 0 is nobody.
pub(crate) const TABLE_ENTRIES: usize = 1024;
/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: usize = 16;
/// Where the slots begin: a page boundary, so that lines and slots agree.
pub(crate) const SLOTS_OFFSET: usize = 0x5000;

/// Ids of senders. The first is that of a single sender.
pub(crate) const SENDER_IDS: core::ops::Range<u16> = 1..512;
/// Ids of receivers. The first is that of a single receiver.
pub(crate) const RECEIVER_IDS: core::ops::Range<u16> = 512..1024;

/// The lock byte that everyone who has the ring open shares.
pub(crate) const USERS_BYTE: u64 = 0;

/// The widest alignment of a message: a page.
pub(crate) const MAX_ALIGN: usize = 4096;
/// The most slots that a ring may have.
pub(crate) const MAX_CAPACITY: u64 = 1 << 31;
/// A byte message's length goes before its bytes.
pub(crate) const LENGTH_SIZE: usize = 8;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

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

    /// Bytes of a whole segment with `capacity` such slots.
    pub(crate) const fn segment_size(self, capacity: u64) -> Option<u64> {
        match capacity.checked_mul(self.stride as u64) {
            Some(slots) => slots.checked_add(SLOTS_OFFSET as u64),
            None => None,
        }
    }
}

const _: () = {
    assert!(size_of::<Header>() == 128);
    assert!(TABLE_OFFSET + TABLE_ENTRIES * ENTRY_SIZE == SLOTS_OFFSET);
    assert!(SLOTS_OFFSET.is_multiple_of(MAX_ALIGN));
    assert!(RECEIVER_IDS.end as usize == TABLE_ENTRIES);
    assert!(SENDER_IDS.end == RECEIVER_IDS.start);
};

#[cfg(test)]
mod tests;
