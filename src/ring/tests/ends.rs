//! Which barrier makes sure of which end (R17).

use std::cell::Cell as Count;

use super::*;
use crate::ring::end::{self, End};
use crate::ring::layout::{CLOSED, CLOSED_AND_FENCED};

/// Heavy and thorough barriers of one `fence_end`.
fn barriers(ring: &HeapRing<u64>, end: End) -> (u32, u32) {
    let (heavy, thorough) = (Count::new(0), Count::new(0));
    let closed = || ring.view().cell(Cell::Closed).load(Ordering::SeqCst);
    let before = closed();
    end::fence_end(
        ring.view(),
        end,
        || heavy.set(heavy.get() + 1),
        || {
            assert_eq!(closed(), before, "said to be fenced before it was");
            thorough.set(thorough.get() + 1);
        },
    );
    (heavy.get(), thorough.get())
}

#[test]
fn the_first_at_a_closed_ring_makes_the_thorough_barrier() {
    let ring = HeapRing::<u64>::new(4, 8, 0);
    let closed = ring.view().cell(Cell::Closed);
    end::close(ring.view(), || ());
    assert_eq!(closed.load(Ordering::SeqCst), CLOSED);
    assert_eq!(barriers(&ring, End::Closed), (0, 1));
    assert_eq!(closed.load(Ordering::SeqCst), CLOSED_AND_FENCED);
    // By whichever endpoint, and if it is closed again.
    end::close(ring.view(), || ());
    for _ in 0..2 {
        assert_eq!(barriers(&ring, End::Closed), (0, 0));
    }
    assert_eq!(closed.load(Ordering::SeqCst), CLOSED_AND_FENCED);
}

#[test]
fn each_look_at_a_disconnected_ring_makes_a_heavy_barrier() {
    let ring = HeapRing::<u64>::new(4, 8, 0);
    for epoch in 0..3 {
        assert_eq!(barriers(&ring, End::Disconnected(epoch)), (1, 0));
    }
    end::close(ring.view(), || ());
    assert_eq!(barriers(&ring, End::Disconnected(3)), (1, 0));
    assert_eq!(barriers(&ring, End::Closed), (0, 1));
}
