//! The memory of one part, as its handles see it.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use super::memory::address;
use super::shared::Shared;
use super::word::latest::LatestHead;
use super::word::rwlock::RwHead;
use super::word::semaphore::SemaphoreHead;
use crate::error::Failure;
use crate::members::MemberId;
use crate::sys::atomic::{AtomicU32, AtomicU64};
use crate::sys::fork::Sentinel;

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
    /// Bytes of the part.
    length: usize,
    index: usize,
    /// The member that its handles are, and whether they are good: at hand, for those paths
    /// that take no more than some nanoseconds.
    me: MemberId,
    sentinel: Sentinel,
}

/// What a part may begin with: atomics and nothing else, so that any bytes are a value.
pub(super) trait PartHead {}

impl PartHead for AtomicU64 {}
impl PartHead for AtomicU32 {}
impl PartHead for LatestHead {}
impl PartHead for SemaphoreHead {}
impl PartHead for RwHead {}

// SAFETY: O7, V9: addresses and numbers; the word is an atomic, and the value is reached
// by its lock's holder only.
unsafe impl<W: Sync> Send for PartHandle<W> {}
// SAFETY: O7, V9, as above.
unsafe impl<W: Sync> Sync for PartHandle<W> {}

impl<W> PartHandle<W> {
    fn new(shared: Arc<Shared>, index: usize) -> Self
    where
        W: PartHead,
    {
        let part = &shared.parts()[index];
        let (at, room) = (part.offset, (part.size, part.align));
        debug_assert!(size_of::<W>() <= part.length);
        let length = part.length;
        let word = address(shared.region(), at, length, align_of::<W>()).cast();
        let value = address(shared.region(), at + part.value, part.size, part.align);
        PartHandle {
            word,
            value,
            room,
            length,
            index,
            me: shared.id(),
            sentinel: shared.region().sentinel().clone(),
            shared,
        }
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The member that this handle is of.
    #[inline(always)]
    pub(super) fn me(&self) -> MemberId {
        self.me
    }

    /// Whether fast paths may be taken: as [`Region::has_fast_paths`](crate::shm::Region).
    #[inline(always)]
    pub(super) fn has_fast_paths(&self) -> bool {
        self.sentinel.get() == Sentinel::USABLE
    }

    /// Is this handle good? A relaxed load.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.has_fast_paths() {
            true => Ok(()),
            false => self.shared.region().check(),
        }
    }

    /// Whether the memory is there: not in a forked child.
    #[inline(always)]
    pub(super) fn is_mapped(&self) -> bool {
        self.sentinel.get() != Sentinel::FORKED
    }

    /// The part's first word.
    #[inline(always)]
    pub(super) fn word(&self) -> &W {
        // SAFETY: V9: mapped, aligned, and only ever an atomic of this width.
        unsafe { self.word.as_ref() }
    }

    /// Which part of the region it is.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Words of the part from `at` on, or none, if there are not so many.
    #[inline(always)]
    pub(super) fn words(&self, at: usize, count: usize) -> &[AtomicU64] {
        let is_inside = at <= self.length && count <= (self.length - at) / 8;
        if !is_inside || !at.is_multiple_of(8) {
            return &[];
        }
        // SAFETY: V9: inside the part, which is mapped and begins at a multiple of 128; the
        // callers ask for words that are only ever 64-bit atomics.
        unsafe { std::slice::from_raw_parts(self.word.byte_add(at).cast().as_ptr(), count) }
    }

    /// The word of the part at `at`.
    #[inline(always)]
    pub(super) fn word_at(&self, at: usize) -> &AtomicU64 {
        // By V9 it is there: what is asked for is inside the part.
        &self.words(at, 1)[0]
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
        PartHandle::new(shared, index)
    }
}

impl PartHandle<AtomicU32> {
    /// The part of this index, whose first word is of 32 bits.
    pub(super) fn of_half(shared: Arc<Shared>, index: usize) -> Self {
        PartHandle::new(shared, index)
    }
}

impl PartHandle<LatestHead> {
    /// The part of this index, which is a [`Latest`](super::Latest).
    pub(super) fn of_latest(shared: Arc<Shared>, index: usize) -> Self {
        PartHandle::new(shared, index)
    }
}

impl PartHandle<SemaphoreHead> {
    /// The part of this index, which is a [`Semaphore`](super::Semaphore).
    pub(super) fn of_semaphore(shared: Arc<Shared>, index: usize) -> Self {
        PartHandle::new(shared, index)
    }
}

impl PartHandle<RwHead> {
    /// The part of this index, which is a [`RwLock`](super::RwLock).
    pub(super) fn of_rwlock(shared: Arc<Shared>, index: usize) -> Self {
        PartHandle::new(shared, index)
    }
}

impl<W> Clone for PartHandle<W> {
    fn clone(&self) -> Self {
        PartHandle {
            shared: Arc::clone(&self.shared),
            sentinel: self.sentinel.clone(),
            ..*self
        }
    }
}
