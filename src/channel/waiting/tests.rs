//! What a call does at most, counted, when a peer that knows this code wants it
//! late; and that what cannot be is said in the call that meets it.

use std::cell::Cell as Shared;

use super::*;
use crate::kind::{Mpmc, Spsc};
use crate::ring::layout::{RECEIVER_IDS, SENDER_IDS, TABLE_ENTRIES};
use crate::members::MAX_PROBES_OF_A_RECOVERY;
use crate::ring::slot::{Geometry, MemberId, SlotState, SlotWord};
use crate::sys::atomic::Ordering;
use crate::sys::atomic::watched::{Access, watched_by};
use crate::{Receiver, Ring, Sender, WaitStrategy};

const NONSENSE: Corruption = Corruption {
    what: "a test's word",
    position: 7,
    found: 8,
};

thread_local! {
    static ACCESSES: Shared<u64> = const { Shared::new(0) };
}

/// Counts accesses while `body` runs. Loads find what is there; changes are taken
/// for made, and are not: whatever `body` does, it finds the same again.
fn accesses(body: impl FnOnce()) -> u64 {
    fn count(found: u64, _: Access) -> Option<u64> {
        ACCESSES.set(ACCESSES.get() + 1);
        Some(found)
    }
    ACCESSES.set(0);
    watched_by(count, body).expect("nobody is suspended");
    ACCESSES.get()
}

/// Every id but a living one was somebody's who died; what is in the slots is
/// `slot` of a position and an id.
fn kill_everybody(ring: &Ring<u64, Mpmc>, slot: impl Fn(Geometry, u64, MemberId) -> u64) {
    let block = ring.segment().block();
    let geometry = block.geometry();
    for id in SENDER_IDS.start..RECEIVER_IDS.end {
        let entry = block.entry(MemberId(id));
        entry.store(entry.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
    }
    for position in 0..geometry.capacity() {
        let owner = MemberId(1 + (position % (RECEIVER_IDS.end as u64 - 1)) as u16);
        let word = slot(geometry, position, owner);
        block.word(position).store(word, Ordering::Relaxed);
    }
}

/// A sweep for each of the dead would be 1022 times as much.
#[test]
fn a_patrol_looks_at_each_slot_once_however_many_have_died() {
    const CAPACITY: u64 = 1 << 12;
    type Slot = fn(Geometry, u64, MemberId) -> u64;
    let slots: [(Slot, u64); 4] = [
        (|geometry, at, _| geometry.free(at).0, 1),
        (|geometry, at, owner| geometry.claimed(at, owner).0, 2),
        // Counted, too.
        (|g, at, owner| g.published(at).reading(owner).0, 3),
        // Of somebody who is alive, or of nobody.
        (|g, at, owner| g.claimed(at, MemberId(owner.0 % 2 * 512)).0, 1),
    ];
    for (slot, each) in slots {
        let ring = Ring::<u64, Mpmc>::anonymous(CAPACITY as usize).expect("make a ring");
        let mut rx = ring.receiver().expect("attach");
        kill_everybody(&ring, slot);
        // An entry: looked at, its death counted, marked clean.
        let bound = each * CAPACITY + 4 * TABLE_ENTRIES as u64;
        let found = accesses(|| assert!(rx.port().patrol_all()));
        assert!(found >= CAPACITY, "{found} accesses: nothing was swept");
        assert!(found <= bound, "{found} accesses, {bound} expected at most");
    }
}

/// Each is a system call. What one patrol leaves, the next does; and the end is
/// not reported before all is done.
#[test]
fn a_patrol_takes_so_many_slots_out_of_dead_hands_and_the_next_goes_on() {
    const PATROLS: usize = 4;
    let capacity = PATROLS * MAX_PROBES_OF_A_RECOVERY;
    let ring = Ring::<u64, Mpmc>::anonymous(capacity).expect("make a ring");
    let mut rx = ring.receiver().expect("attach");
    let nothing = |_: &mut Receiver<u64, Mpmc>| Err::<(), _>(ClaimError::NotReady);
    ring.close().expect("close it");
    kill_everybody(&ring, |geometry, at, owner| {
        geometry.claimed(at, MemberId(1 + owner.0 % 511)).0
    });
    let block = ring.segment().block();
    let left = || {
        let word = |at| SlotWord(block.word(at).load(Ordering::Relaxed));
        (0..capacity as u64)
            .filter(|at| word(*at).state() == SlotState::Claimed)
            .count()
    };
    for patrol in 1..=PATROLS {
        let result = once(&mut rx, Err(ClaimError::NotReady), nothing);
        assert_eq!(left(), capacity - patrol * MAX_PROBES_OF_A_RECOVERY);
        let outcome = if left() == 0 {
            Outcome::Closed
        } else {
            Outcome::NotYet
        };
        assert_eq!(result, Err(outcome), "after patrol {patrol}");
    }
    let still_dirty =
        (1..512).filter(|id| block.entry(MemberId(*id)).load(Ordering::Relaxed) & 1 != 0);
    assert_eq!(still_dirty.count(), 0);
}

/// The receiver of a closed ring: what finds nothing there is made sure of.
fn at_the_end(strategy: WaitStrategy) -> Receiver<u64, Spsc> {
    let ring = Ring::<u64, Spsc>::anonymous(4).expect("make a ring");
    ring.close().expect("close it");
    ring.receiver_with(strategy).expect("attach")
}

/// The slot in question is in living hands: the receiver's own.
fn held(rx: &Receiver<u64, Spsc>) -> ClaimError {
    let geometry = rx.memory().geometry();
    let word = geometry.claimed(0, MemberId(RECEIVER_IDS.start));
    ClaimError::Held(Held { position: 0, word })
}

/// A look round the whole ring may take long. 64 of them were made before the
/// first look at the clock.
#[test]
fn the_clock_is_looked_at_after_each_look_round_the_ring() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::Park] {
        let mut rx = at_the_end(strategy);
        let stall = held(&rx);
        let mut attempts = 0;
        let past = Some(MonotonicTime::now());
        let result = until(&mut rx, past, Err(stall), |_| {
            attempts += 1;
            Err::<(), _>(stall)
        });
        assert!(matches!(result, Err(Outcome::Timeout(_))), "{result:?}");
        assert_eq!(attempts, 1, "{strategy:?}");
    }
}

/// An attempt that is answered by each of `stalls` in turn, then by nonsense.
fn then_nonsense(stalls: Vec<ClaimError>) -> impl FnMut(&mut Receiver<u64, Spsc>) -> Result<(), ClaimError> {
    let mut stalls = stalls.into_iter();
    move |_| Err(stalls.next().unwrap_or(ClaimError::Corrupted(NONSENSE)))
}

/// The call that meets it says so, and the handle is poisoned.
fn assert_corrupted(rx: &mut Receiver<u64, Spsc>, result: Result<(), Outcome>) {
    let Err(Outcome::Failed(Failure::Corrupted(corruption))) = result else {
        panic!("{result:?}");
    };
    assert_eq!(
        (corruption.what, corruption.position, corruption.found),
        (NONSENSE.what, NONSENSE.position, NONSENSE.found)
    );
    let failure = Failure::Corrupted(corruption);
    assert_eq!(rx.port().segment.check(), Err(failure));
}

#[test]
fn nonsense_met_by_the_last_look_before_the_end_is_corrupted() {
    for looks in 0..2 {
        let mut rx = at_the_end(WaitStrategy::Spin);
        let attempt = then_nonsense(vec![ClaimError::NotReady; looks]);
        let result = once(&mut rx, Err(ClaimError::NotReady), attempt);
        assert_corrupted(&mut rx, result);
    }
}

#[test]
fn nonsense_met_by_the_last_look_before_a_time_out_is_corrupted() {
    // Open, so that only the attempts of the wait itself are made: before a sleep
    // that was announced, and when it is too late to sleep.
    for looks in 0..2 {
        let ring = Ring::<u64, Spsc>::anonymous(4).expect("make a ring");
        let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
        let attempt = then_nonsense(vec![ClaimError::NotReady; looks]);
        let past = Some(MonotonicTime::now());
        let result = until(&mut rx, past, Err(ClaimError::NotReady), attempt);
        assert_corrupted(&mut rx, result);
    }
}

/// A full ring, of which one message was received since, and no credit given.
fn with_room_that_credit_does_not_tell(
    strategy: WaitStrategy,
) -> (Sender<u64, Spsc>, Receiver<u64, Spsc>) {
    let ring = Ring::<u64, Spsc>::anonymous(64).expect("make a ring");
    let mut tx = ring.sender_with(strategy).expect("attach");
    let mut rx = ring.receiver().expect("attach");
    for message in 0..64 {
        tx.try_send(message).expect("there is room");
    }
    assert_eq!(rx.try_recv(), Ok(0));
    (tx, rx)
}

/// R5: who waits may glance at credit, but not before a sleep, nor at the last.
#[test]
fn a_sender_judges_by_progress_before_it_sleeps() {
    let (mut tx, _rx) = with_room_that_credit_does_not_tell(WaitStrategy::Park);
    let past = Some(MonotonicTime::now());
    let result = until(&mut tx, past, Err(ClaimError::NotReady), |tx| {
        tx.if_promising(|tx| tx.offer(&64))
    });
    assert_eq!(result, Ok(()));
}

/// R5: nor for ever, if it does not sleep at all.
#[test]
fn a_sender_that_spins_judges_by_progress_now_and_then() {
    let (mut tx, _rx) = with_room_that_credit_does_not_tell(WaitStrategy::Spin);
    let guard = MonotonicTime::now().checked_add(std::time::Duration::from_secs(30));
    let mut attempts = 0;
    let result = until(&mut tx, guard, Err(ClaimError::NotReady), |tx| {
        attempts += 1;
        tx.if_promising(|tx| tx.offer(&64))
    });
    assert_eq!(result, Ok(()));
    assert!(
        attempts > 1,
        "the first look was no glance: this tests nothing"
    );
}
