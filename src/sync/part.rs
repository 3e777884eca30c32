//! The memory of one part, as its handles see it.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use super::memory::address;
use super::shared::Shared;
use crate::sys::atomic::{AtomicU32, AtomicU64};

/// A part of an open region: its first word, of type `W`, and its value.
///
/// V9: the region stays mapped as long as `shared`; the addresses are those of a part that
/// was checked in private memory.
pub struct PartHandle<W> {
    shared: Arc<Shared>,
    word: NonNull<W>,
    value: NonNull<u8>,
    /// Bytes of the value, and its alignment.
    room: (usize, usize),
}

// SAFETY: O7, V9: addresses and numbers; the word is an atomic, and the value is reached
// by its lock's holder only.
unsafe impl<W: Sync> Send for PartHandle<W> {}
// SAFETY: O7, V9, as above.
unsafe impl<W: Sync> Sync for PartHandle<W> {}

impl<W> PartHandle<W> {
    fn new(shared: Arc<Shared>, index: usize, align: usize) -> Self {
        let part = &shared.parts()[index];
        let (at, room) = (part.offset, (part.size, part.align));
        let word = address(shared.region(), at, size_of::<W>(), align).cast();
        let value = address(shared.region(), at + part.value, part.size, part.align);
        PartHandle {
            word,
            value,
            room,
            shared,
        }
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The part's first word.
    #[inline(always)]
    pub(super) fn word(&self) -> &W {
        // SAFETY: V9: mapped, aligned, and only ever an atomic of this width.
        unsafe { self.word.as_ref() }
    }

    /// The address of the value, which is a `T`.
    #[inline(always)]
    pub(super) fn value<T>(&self) -> NonNull<T> {
        // By V9 it was checked when the part was opened.
        debug_assert_eq!(self.room, (size_of::<T>(), align_of::<T>()));
        self.value.cast()
    }
}

impl PartHandle<AtomicU64> {
    /// The part of this index, whose first word is of 64 bits.
    pub(super) fn of_word(shared: Arc<Shared>, index: usize) -> Self {
        PartHandle::new(shared, index, 8)
    }
}

impl PartHandle<AtomicU32> {
    /// The part of this index, whose first word is of 32 bits.
    pub(super) fn of_half(shared: Arc<Shared>, index: usize) -> Self {
        PartHandle::new(shared, index, 4)
    }
}

impl<W> Clone for PartHandle<W> {
    fn clone(&self) -> Self {
        PartHandle {
            shared: Arc::clone(&self.shared),
            ..*self
        }
    }
}
