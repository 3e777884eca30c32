//! The words and values of shared objects in a mapped region.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::layout::{Part, SEATS_OFFSET};
use super::word::barrier::BarrierWords;
use super::word::rwlock::RwHead;
use crate::shm::Region;
use crate::sys::atomic::{AtomicU32, AtomicU64, Ordering};

/// The address of `length` bytes of a region.
///
/// `offset` and `length` come from private memory and were checked against the region's
/// size, so the assertion holds; that it is there is what V9 rests on.
pub(super) fn address(region: &Region, offset: usize, length: usize, align: usize) -> NonNull<u8> {
    let end = offset.checked_add(length);
    assert!(end.is_some_and(|end| end <= region.size()) && offset.is_multiple_of(align));
    // SAFETY: V6, V9: inside the mapping.
    unsafe { region.base().add(offset) }
}

/// The word at `offset`.
pub(super) fn word(region: &Region, offset: usize) -> &AtomicU64 {
    let at = address(region, offset, 8, 8).cast::<AtomicU64>();
    // SAFETY: V9: in bounds, aligned, mapped as long as the region is borrowed, and only
    // ever a 64-bit atomic.
    unsafe { at.as_ref() }
}

/// `count` words from `offset` on.
pub(super) fn words(region: &Region, offset: usize, count: usize) -> &[AtomicU64] {
    let at = address(region, offset, 8 * count, 8).cast::<AtomicU64>();
    // SAFETY: V9: as for `word`, of each of them.
    unsafe { std::slice::from_raw_parts(at.as_ptr(), count) }
}

/// The words of a barrier.
pub(super) fn barrier<'r>(region: &'r Region, part: &Part) -> BarrierWords<'r> {
    BarrierWords {
        word: word(region, part.offset),
        // 24 at most: the part was checked.
        seats: words(region, part.offset + SEATS_OFFSET, part.parameter as usize),
    }
}

/// The word of 32 bits at `offset`.
pub(super) fn half_word(region: &Region, offset: usize) -> &AtomicU32 {
    let at = address(region, offset, 4, 4).cast::<AtomicU32>();
    // SAFETY: V9, as above; only ever a 32-bit atomic.
    unsafe { at.as_ref() }
}

/// The words of a reader-writer lock at `offset`.
pub(super) fn rw_head(region: &Region, offset: usize) -> &RwHead {
    let at = address(region, offset, size_of::<RwHead>(), 8).cast::<RwHead>();
    // SAFETY: V9, as above; atomics and nothing else.
    unsafe { at.as_ref() }
}

/// Copies `words` words from `offset` on into private memory, each read once.
pub(super) fn copy_out(region: &Region, offset: usize, words: usize) -> Vec<u64> {
    let all = 0..words;
    // Relaxed: written before the region had a name.
    all.map(|index| word(region, offset + 8 * index).load(Ordering::Relaxed))
        .collect()
}

/// Writes into a region that no other process has seen yet.
pub(super) fn write(region: &Region, offset: usize, bytes: &[u8]) {
    let to = address(region, offset, bytes.len(), 1);
    // SAFETY: V9: in bounds; `bytes` is private and does not overlap.
    unsafe {
        to.as_ptr()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
    }
}
