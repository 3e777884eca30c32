//! A ring on the heap, for tests of the protocols in one process.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};

use crate::message::Message;
use crate::ring::layout::{Arrangement, Frame, LENGTH_SIZE};
use crate::ring::memory::{Block, Memory, View, start_at};
use crate::ring::spsc::LINE_ROOM;
use crate::ring::{Multi, Pairing, Single};
use crate::sys::atomic::{Fences, Ordering};

// SAFETY: V1: the memory is the ring's own until it is dropped, and reached through the
// view only, which may be shared.
unsafe impl<T: Message + ?Sized, P: Pairing> Sync for HeapRing<T, P> {}
// SAFETY: V1: as above.
unsafe impl<T: Message + ?Sized, P: Pairing> Send for HeapRing<T, P> {}

pub(crate) struct HeapRing<T: Message + ?Sized, P: Pairing> {
    view: View<T, P>,
    base: *mut u8,
    layout: Layout,
}

impl<T: Message + ?Sized, P: Pairing> HeapRing<T, P> {
    /// A ring that begins to count at `start`.
    pub(crate) fn new(capacity: u64, limit: usize, start: u64) -> Self {
        let arrangement = match (P::ONE_TO_ONE, T::FIXED) {
            (false, _) => Arrangement::Slots,
            (true, Some((0..=LINE_ROOM, _))) => Arrangement::Lines,
            (true, None) if limit + LENGTH_SIZE <= LINE_ROOM => Arrangement::Lines,
            (true, _) => Arrangement::Dense,
        };
        Self::arranged(arrangement, capacity, limit, start)
    }

    /// The same, arranged in this way.
    pub(crate) fn arranged(
        arrangement: Arrangement,
        capacity: u64,
        limit: usize,
        start: u64,
    ) -> Self {
        let frame = match T::FIXED {
            Some((size, align)) => Frame::typed(arrangement, size, align, capacity).unwrap(),
            None => Frame::bytes(arrangement, limit, capacity).unwrap(),
        };
        let size = frame.size as usize;
        let layout = Layout::from_size_align(size, 4096).unwrap();
        // SAFETY: V1: the size is not zero.
        let base = unsafe { alloc_zeroed(layout) };
        assert!(!base.is_null());
        // SAFETY: the block is page-aligned, of the right size and lives
        // as long as `self`, which hands out only borrows (V1); the slot is
        // that of `T` (V3).
        let view = unsafe { View::new(Block::new(base, frame, Fences::Full), limit) };
        start_at(&view, start, P::ONE_TO_ONE);
        HeapRing { view, base, layout }
    }

    pub(crate) fn view(&self) -> &View<T, P> {
        &self.view
    }
}

impl<T: Message + ?Sized, P: Pairing> Drop for HeapRing<T, P> {
    fn drop(&mut self) {
        // SAFETY: V1: allocated in `new` with this very layout.
        unsafe { dealloc(self.base, self.layout) }
    }
}

#[test]
fn payloads_of_every_length_survive() {
    let limit = 1000;
    let ring = HeapRing::<[u8], (Single, Multi)>::new(2, limit, 0);
    for length in 0..=limit {
        let sent: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
        let payload = ring.view().payload(length as u64);
        assert_eq!(payload.room, limit);
        payload.store(&sent);
        assert_eq!(payload.length(), Ok(length));
        let mut received = vec![0; length];
        payload.load(&mut received);
        assert_eq!(received, sent);
    }
    assert_eq!(ring.view().word(0).load(Ordering::Relaxed), 0);
    assert_eq!(ring.view().word(1).load(Ordering::Relaxed), 0);
}

#[test]
fn a_hostile_length_is_found_out() {
    let ring = HeapRing::<[u8], (Single, Multi)>::new(1, 24, 0);
    let payload = ring.view().payload(0);
    payload.set_length(payload.room + 1);
    assert_eq!(payload.length(), Err(payload.room as u64 + 1));
    payload.set_length(usize::MAX);
    assert_eq!(payload.length(), Err(u64::MAX));
}
