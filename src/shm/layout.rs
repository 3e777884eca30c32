//! The bytes that belong to every object: where everything lies. No behaviour.
//!
//! ```text
//! 0x0000  region header     64 B  written once, before the object has a name
//! 0x0040  object header    128 B  the object's own part, written with it
//! 0x0100  epochs of roles 0 to 3 (u64 each); the rest of the line is zero
//! 0x0140  mark (u64): whether the region was removed
//! 0x0180  wait word of role 0 (u32)    each wait word has a pair of cache
//! 0x0200  wait word of role 1          lines (128 bytes) to itself
//! 0x0280  wait word of role 2
//! 0x0300  wait word of role 3
//! 0x0400  control words of the object
//! 0x1000  table of members: 1024 entries of 16 bytes
//!           +0 entry: generation << 1 | dirty     +8 process id, for display
//! 0x5000  the object's data
//! ```
//!
//! Numbers are in the byte order of the machine that made the region; the header
//! says which. `docs/format.md` tells the same for other languages.

use bytemuck::{Pod, Zeroable};

use crate::members::IDS;

/// The first eight bytes of every region.
pub(crate) const MAGIC: [u8; 8] = *b"memring\0";
/// Version of what is described here; moves apart from the crate's.
pub(crate) const VERSION: u32 = 3;
/// Reads as these bytes in order only on a machine of the same byte order.
pub(crate) const BYTE_ORDER: u32 = u32::from_le_bytes([1, 2, 3, 4]);

/// What every region says of itself, fixed at creation.
///
/// An opener copies it once into private memory and checks it there.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(crate) struct Header {
    pub magic: [u8; 8],
    pub version: u32,
    pub byte_order: u32,
    /// What the region holds: see [`ObjectKind`].
    pub object: u32,
    /// The version of the object's own layout.
    pub object_version: u32,
    /// 0: fences. 1: `membarrier`.
    pub fences: u32,
    pub reserved: u32,
    /// Bytes of the whole region.
    pub total_size: u64,
    pub table_offset: u64,
    pub table_entries: u64,
    pub data_offset: u64,
    /// The object's own part.
    pub contents: Contents,
}

/// The object's own part of the header.
pub(crate) type Contents = [u8; 128];

/// What a region holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectKind(pub u32);

/// The most roles that an object may have.
pub(crate) const MAX_ROLES: usize = 4;

/// Where the epoch of the role of this index is.
pub(crate) const fn epoch_offset(role: usize) -> usize {
    assert!(role < MAX_ROLES);
    0x100 + 8 * role
}

/// Where the mark is.
pub(crate) const MARK_OFFSET: usize = 0x140;
/// The mark of a region that was removed while its object was in use: that is the
/// object's end.
pub(crate) const REMOVED: u64 = 1;
/// The mark of a region that was removed after its object had ended.
pub(crate) const REMOVED_AFTER_END: u64 = 2;

/// Where the word is that members of the role of this index sleep on.
#[inline(always)]
pub(crate) const fn wait_word_offset(role: usize) -> usize {
    assert!(role < MAX_ROLES);
    0x180 + 128 * role
}

/// Where the control words of an object begin.
pub(crate) const CONTROL_OFFSET: usize = 0x400;
/// Where the table of members begins.
pub(crate) const TABLE_OFFSET: usize = 0x1000;
/// Entries in the table; entry 0 is no member's.
pub(crate) const TABLE_ENTRIES: usize = IDS;
/// Bytes of an entry.
pub(crate) const ENTRY_SIZE: usize = 16;
/// Where the object's data begin: on a page boundary, so that lines and slots
/// agree.
pub(crate) const DATA_OFFSET: usize = 0x5000;

/// The lock byte that is shared by all processes that have the region open.
/// The bytes of members follow.
pub(crate) const USERS_BYTE: u64 = 0;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

const _: () = {
    assert!(size_of::<Header>() == 64 + size_of::<Contents>());
    assert!(size_of::<Header>() <= epoch_offset(0));
    assert!(epoch_offset(MAX_ROLES - 1) + 8 <= MARK_OFFSET);
    assert!(MARK_OFFSET + 8 <= wait_word_offset(0));
    assert!(wait_word_offset(MAX_ROLES - 1) + 128 <= CONTROL_OFFSET);
    assert!(TABLE_OFFSET + TABLE_ENTRIES * ENTRY_SIZE == DATA_OFFSET);
};

#[cfg(all(test, not(loom)))]
mod tests;
