//! Which barrier makes sure of which end (R17).

use std::cell::Cell as Count;

use super::*;
use crate::ring::end::{self, End};
use crate::ring::layout::{CLOSED, CLOSED_AND_FENCED};
use crate::ring::{Multi, Single};

/// Which barrier is made is the same for all kinds.
type AnyRing = HeapRing<u64, (Multi, Single)>;

/// Barriers of one `fence_end`: heavy ones, and whether the closer was waited for; and
/// what it said.
fn looks(ring: &AnyRing, end: End, closer_is_dead: bool) -> (u32, u32, bool) {
    let (heavy, unfenced) = (Count::new(0), Count::new(0));
    let fenced = end::fence_end(
        ring.view(),
        end,
        || heavy.set(heavy.get() + 1),
        || {
            unfenced.set(unfenced.get() + 1);
            closer_is_dead
        },
    );
    (heavy.get(), unfenced.get(), fenced)
}

fn closed(ring: &AnyRing) -> u64 {
    ring.view().cell(Cell::Closed).load(Ordering::SeqCst)
}

/// What a closer does that dies before its barrier.
fn half_close(ring: &AnyRing) {
    let closed = ring.view().cell(Cell::Closed);
    closed.store(CLOSED, Ordering::SeqCst);
}

#[test]
fn closing_pays_for_its_own_barrier() {
    let ring = AnyRing::new(4, 8, 0);
    let (barriers, wakes) = (Count::new(0), Count::new(0));
    let close = || {
        let barrier = || {
            assert_eq!(closed(&ring), CLOSED, "said to be fenced before it was");
            barriers.set(barriers.get() + 1);
        };
        end::close(ring.view(), barrier, || {
            wakes.set(wakes.get() + 1);
            // Senders are woken before the barrier, receivers once more after it.
            let stage = [CLOSED, CLOSED_AND_FENCED][wakes.get().min(2) as usize - 1];
            assert_eq!(closed(&ring), stage);
        });
    };
    close();
    assert_eq!((barriers.get(), wakes.get()), (1, 2));
    assert_eq!(looks(&ring, End::Closed, false), (0, 0, true));
    // If it is closed again.
    close();
    assert_eq!((barriers.get(), wakes.get()), (1, 3));
    assert_eq!(closed(&ring), CLOSED_AND_FENCED);
}

#[test]
fn no_end_before_the_barrier() {
    let ring = AnyRing::new(4, 8, 0);
    half_close(&ring);
    assert_eq!(looks(&ring, End::Closed, false), (0, 1, false));
    assert_eq!(looks(&ring, End::Closed, true), (0, 1, true));
    // Another one makes up for what the closer left, once; or a second `close`.
    assert!(end::fence_closed(ring.view(), || assert_eq!(
        closed(&ring),
        CLOSED
    )));
    assert!(!end::fence_closed(ring.view(), || panic!(
        "a second barrier"
    )));
    assert_eq!(looks(&ring, End::Closed, false), (0, 0, true));
    let ring = AnyRing::new(4, 8, 0);
    half_close(&ring);
    end::close(ring.view(), || (), || ());
    assert_eq!(closed(&ring), CLOSED_AND_FENCED);
}

#[test]
fn each_look_at_a_disconnected_ring_makes_a_heavy_barrier() {
    let ring = AnyRing::new(4, 8, 0);
    for epoch in 0..3 {
        let end = End::Disconnected(epoch);
        assert_eq!(looks(&ring, end, false), (1, 0, true));
    }
    half_close(&ring);
    assert_eq!(looks(&ring, End::Disconnected(3), false), (1, 0, true));
}
