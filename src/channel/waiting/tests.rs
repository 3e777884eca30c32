//! What a call does at most, counted, when a peer that knows this code wants it
//! late; and that what cannot be is said in the call that meets it.

use std::cell::Cell as Shared;
use std::time::Duration;

use super::*;
use crate::error::Corruption;
use crate::members::{IDS, MAX_PROBES_OF_A_RECOVERY, MemberId};
use crate::ring::Held;
use crate::ring::end::End;
use crate::ring::kind::{Mpmc, Spsc};
use crate::ring::layout::{CLOSED, CLOSED_AND_FENCED, Cell, RECEIVERS, SENDERS};
use crate::ring::memory::Memory;
use crate::ring::slot::{Geometry, SlotState, SlotWord};
use crate::sys::atomic::Ordering;
use crate::sys::atomic::watched::{Access, watched_by};
use crate::{Receiver, Ring, Sender, WaitStrategy};

/// What no sequence of operations can produce.
const CORRUPTION: Corruption = Corruption {
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

/// Every other id was that of a member that died; what is in the slots is
/// `slot` of a position and an id.
fn mark_all_dead(ring: &Ring<u64, Mpmc>, slot: impl Fn(Geometry, u64, MemberId) -> u64) {
    let block = ring.segment().block();
    let geometry = block.geometry();
    for id in SENDERS.first..RECEIVERS.end {
        let entry = ring.segment().region.entry(MemberId(id));
        entry.store(entry.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
    }
    for position in 0..geometry.capacity() {
        let owner = MemberId(1 + (position % (RECEIVERS.end as u64 - 1)) as u16);
        let word = slot(geometry, position, owner);
        block.word(position).store(word, Ordering::Relaxed);
    }
}

/// A walk for each of the dead would be 1022 times as much.
#[test]
fn a_scan_looks_at_each_slot_once_however_many_have_died() {
    const CAPACITY: u64 = 1 << 12;
    type Slot = fn(Geometry, u64, MemberId) -> u64;
    let slots: [(Slot, u64); 4] = [
        (|geometry, at, _| geometry.free(at).0, 1),
        (|geometry, at, owner| geometry.claimed(at, owner).0, 2),
        // Counted, too.
        (|g, at, owner| g.published(at).reading(owner).0, 3),
        // Of a member that is alive, or of none.
        (
            |g, at, owner| g.claimed(at, MemberId(owner.0 % 2 * 512)).0,
            1,
        ),
    ];
    for (slot, each) in slots {
        let ring = Ring::<u64, Mpmc>::anonymous(CAPACITY as usize).expect("make a ring");
        let rx = ring.receiver().expect("attach");
        mark_all_dead(&ring, slot);
        // An entry: looked at, its death counted, marked clean.
        let bound = each * CAPACITY + 4 * IDS as u64;
        let found = accesses(|| assert_eq!(rx.connection.scan_all(), Scan::Complete));
        assert!(found >= CAPACITY, "{found} accesses: nothing was recovered");
        assert!(found <= bound, "{found} accesses, {bound} expected at most");
    }
}

/// An endpoint whose every claim fails, by what `answer` says.
struct Scripted<'e, E, F> {
    endpoint: &'e mut E,
    answer: F,
}

impl<E: WaitingEndpoint, F: FnMut() -> Option<ClaimError>> WaitingEndpoint for Scripted<'_, E, F> {
    type Claimed = E::Claimed;
    const SENDS: bool = E::SENDS;

    fn connection(&mut self) -> &mut EndpointConnection {
        self.endpoint.connection()
    }

    fn try_fast(&mut self) -> Option<E::Claimed> {
        None
    }

    fn try_slow(&mut self) -> Result<E::Claimed, ClaimError> {
        Err((self.answer)().unwrap_or(ClaimError::Corrupted(CORRUPTION)))
    }

    fn is_peer_quiescent(&mut self, end: End) -> bool {
        self.endpoint.is_peer_quiescent(end)
    }

    fn leaves_work(&self) -> bool {
        self.endpoint.leaves_work()
    }
}

/// How a claim ends that gets each of `answers` in turn, then meets corruption.
fn claim_with<E: WaitingEndpoint>(
    endpoint: &mut E,
    wait: Wait,
    answers: impl IntoIterator<Item = ClaimError>,
) -> WaitError {
    let mut answers = answers.into_iter();
    let answer = || answers.next();
    let result = claim(&mut Scripted { endpoint, answer }, wait);
    result.err().expect("every claim fails")
}

/// Each is a system call. What one scan leaves, the next does; and the end is not
/// reported before all is done.
#[test]
fn a_scan_recovers_so_many_slots_and_the_next_goes_on() {
    const SCANS: usize = 4;
    let capacity = SCANS * MAX_PROBES_OF_A_RECOVERY;
    let ring = Ring::<u64, Mpmc>::anonymous(capacity).expect("make a ring");
    let mut rx = ring.receiver().expect("attach");
    rx.connection.put_scans_off(); // but for those at the end
    ring.close().expect("close it");
    mark_all_dead(&ring, |geometry, at, owner| {
        geometry.claimed(at, MemberId(1 + owner.0 % 511)).0
    });
    let block = ring.segment().block();
    let left = || {
        let word = |at| SlotWord(block.word(at).load(Ordering::Relaxed));
        (0..capacity as u64)
            .filter(|at| word(*at).state() == SlotState::Claimed)
            .count()
    };
    for scan in 1..=SCANS {
        let answers = std::iter::repeat(ClaimError::NotReady);
        let error = claim_with(&mut rx, Wait::Not, answers);
        assert_eq!(left(), capacity - scan * MAX_PROBES_OF_A_RECOVERY);
        let expected = match left() {
            0 => WaitError::Closed,
            _ => WaitError::NotYet,
        };
        assert_eq!(error, expected, "after scan {scan}");
    }
    let entry = |id| ring.segment().region.entry(MemberId(id));
    let still_dirty = (1..512).filter(|id| entry(*id).load(Ordering::Relaxed) & 1 != 0);
    assert_eq!(still_dirty.count(), 0);
}

/// The receiver of a closed ring: what finds nothing there is made sure of.
fn at_the_end(strategy: WaitStrategy) -> Receiver<u64, Spsc> {
    let ring = Ring::<u64, Spsc>::anonymous(4).expect("make a ring");
    ring.close().expect("close it");
    ring.receiver_with(strategy).expect("attach")
}

/// The slot in question is held by a member that is alive: the receiver itself.
fn held(rx: &Receiver<u64, Spsc>) -> ClaimError {
    let word = rx.view.geometry().claimed(0, MemberId(RECEIVERS.first));
    ClaimError::Held(Held { position: 0, word })
}

/// A deadline that has passed.
fn late() -> Wait {
    Wait::Until(MonotonicTime::now())
}

/// A look round the whole ring may take long. 64 of them were made before the
/// first look at the clock.
#[test]
fn the_clock_is_looked_at_after_each_full_check() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::Park] {
        let mut rx = at_the_end(strategy);
        rx.connection.put_scans_off();
        let stall = held(&rx);
        let mut claims = 0;
        let answers = std::iter::repeat_with(|| {
            claims += 1;
            stall
        });
        let error = claim_with(&mut rx, late(), answers);
        assert!(matches!(error, WaitError::Timeout(_)), "{error:?}");
        // One, and one more to make sure of the end.
        assert_eq!(claims, 2, "{strategy:?}");
    }
}

/// The call that meets it says so, and the handle is poisoned.
fn assert_corrupted(rx: &Receiver<u64, Spsc>, error: WaitError) {
    let failure = Failure::Corrupted(CORRUPTION);
    assert_eq!(error, WaitError::Failed(failure));
    assert_eq!(rx.connection.segment.region.check(), Err(failure));
}

#[test]
fn corruption_met_by_the_last_look_before_the_end_is_reported() {
    for looks in 0..3 {
        let mut rx = at_the_end(WaitStrategy::Spin);
        let error = claim_with(&mut rx, Wait::Not, vec![ClaimError::NotReady; looks]);
        assert_corrupted(&rx, error);
    }
}

#[test]
fn corruption_met_by_the_last_look_before_a_time_out_is_reported() {
    // Open, so that only the checks of the wait itself are made: the first, and that
    // before a sleep.
    for looks in 0..2 {
        let ring = Ring::<u64, Spsc>::anonymous(4).expect("make a ring");
        let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
        let wait = Wait::at_most(Duration::from_secs(30));
        let error = claim_with(&mut rx, wait, vec![ClaimError::NotReady; looks]);
        assert_corrupted(&rx, error);
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

/// R5: a waiting sender may go by credit, but not at its last check.
#[test]
fn a_sender_judges_by_progress_before_it_gives_up() {
    let (mut tx, _rx) = with_room_that_credit_does_not_tell(WaitStrategy::Park);
    assert!(claim(&mut tx, late()).is_ok());
}

/// R5: nor for ever, if it does not sleep at all.
#[test]
fn a_sender_that_spins_judges_by_progress_now_and_then() {
    let (mut tx, _rx) = with_room_that_credit_does_not_tell(WaitStrategy::Spin);
    assert!(
        tx.try_fast().is_none(),
        "the hint tells of room: this tests nothing"
    );
    let guard = Wait::at_most(Duration::from_secs(30));
    assert!(claim(&mut tx, guard).is_ok());
}

/// A claim and a lease of members that are dead: their entries say that they were there, and
/// no process has their locks.
fn held_by_the_dead(ring: &Ring<u64, Mpmc>, slots: &[fn(Geometry, u64) -> SlotWord]) {
    let block = ring.segment().block();
    for id in [SENDERS.end - 1, RECEIVERS.end - 1] {
        let entry = ring.segment().region.entry(MemberId(id));
        entry.store(3, Ordering::Relaxed);
    }
    for (position, slot) in slots.iter().enumerate() {
        let word = slot(block.geometry(), position as u64);
        block.word(position as u64).store(word.0, Ordering::Relaxed);
    }
}

fn claimed_by_dead(geometry: Geometry, position: u64) -> SlotWord {
    geometry.claimed(position, MemberId(SENDERS.end - 1))
}

fn leased_by_dead(geometry: Geometry, position: u64) -> SlotWord {
    let id = MemberId(RECEIVERS.end - 1);
    geometry.published(position).reading(id)
}

/// As while another thread forks, attaches and detaches: no lock of this process is
/// free. Calls find nothing, scan, recover, and go on.
#[test]
fn calls_that_do_not_wait_and_probes_take_no_lock() {
    let pause = Duration::from_millis(10);
    let begun = MonotonicTime::now();
    let make = || Ring::<u64, Mpmc>::anonymous(2).expect("make a ring");
    let (behind_claim, behind_lease, timed) = (make(), make(), make());
    let mut senders = behind_lease.sender().expect("attach");
    let mut receivers = [&behind_claim, &timed].map(|ring| ring.receiver().expect("attach"));
    held_by_the_dead(&behind_claim, &[claimed_by_dead]);
    held_by_the_dead(&behind_lease, &[leased_by_dead, leased_by_dead]);
    held_by_the_dead(&timed, &[claimed_by_dead]);
    let fork = crate::sys::fork::ForkHold::new().expect("keep forks off");
    let rings = [&behind_claim, &behind_lease, &timed];
    let locks = rings.map(|ring| ring.segment().region.hold_locks());
    std::thread::scope(|scope| {
        let caller = scope.spawn(move || {
            let [polling, waiting] = &mut receivers;
            let mut calls = 0;
            let mut first = Some(polling.try_recv());
            // On a busy machine scans may be due at once, and no call is for nothing.
            let is_late = begun.until(MonotonicTime::now()) >= Duration::from_millis(80);
            // Held, until the scan that is due has passed over the claim: then gone.
            while first.take().unwrap_or_else(|| polling.try_recv())
                != Err(crate::TryRecvError::Disconnected)
            {
                calls += 1;
                std::thread::sleep(pause);
            }
            // Given back, and not received: full by a message in the way, no lease.
            while !matches!(
                senders.try_send(7),
                Err(crate::TrySendError::Disconnected(_))
            ) {
                calls += 1;
                std::thread::sleep(pause);
            }
            let end = waiting.recv_timeout(Duration::from_millis(1));
            assert!(end.is_err());
            while waiting.recv_timeout(pause) != Err(crate::RecvTimeoutError::Disconnected) {
                calls += 1;
            }
            (is_late, calls, senders, receivers) // they detach later, which needs the locks
        });
        let start = MonotonicTime::now();
        let limit = Duration::from_secs(60);
        while !caller.is_finished() && start.until(MonotonicTime::now()) < limit {
            std::thread::sleep(pause);
        }
        let waits = !caller.is_finished();
        drop((fork, locks)); // so that it ends in any case
        assert!(!waits, "a call waits for a lock");
        let (is_late, calls, ..) = caller.join().expect("the calls end as expected");
        assert!(calls > 0 || is_late);
    });
}

/// A ring whose closer has died before its barrier, and a receiver of it.
fn half_closed(strategy: WaitStrategy) -> Receiver<u64, Mpmc> {
    let ring = Ring::<u64, Mpmc>::anonymous(4).expect("make a ring");
    let rx = ring.receiver_with(strategy).expect("attach");
    let closed = ring
        .segment()
        .block()
        .cell(Cell::Closed)
        .fetch_add(1, Ordering::SeqCst);
    assert_eq!((closed, ring.is_closed()), (0, true));
    rx
}

fn stage_of_close(rx: &Receiver<u64, Mpmc>) -> u64 {
    rx.view.cell(Cell::Closed).load(Ordering::SeqCst)
}

/// R17: one that waits does what the closer has left, spinning or asleep; before that there is
/// no end.
#[test]
fn a_receiver_that_waits_stands_in_for_a_dead_closer() {
    for strategy in [WaitStrategy::Spin, WaitStrategy::Park] {
        let mut rx = half_closed(strategy);
        assert_eq!(rx.try_recv(), Err(crate::TryRecvError::Empty));
        assert_eq!(stage_of_close(&rx), CLOSED);
        assert_eq!(rx.recv(), Err(crate::RecvError::Closed), "{strategy:?}");
        assert_eq!(stage_of_close(&rx), CLOSED_AND_FENCED);
    }
}

/// R17: one that only polls has no time for that barrier, and yet comes to the end.
#[test]
fn a_receiver_that_polls_comes_to_an_end_without_the_closer() {
    let mut rx = half_closed(WaitStrategy::Park);
    let mut calls = 0;
    while rx.try_recv() == Err(crate::TryRecvError::Empty) {
        calls += 1;
        assert!(calls < 100, "the end never comes");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(calls > 1, "the closer had no time");
    assert_eq!(rx.try_recv(), Err(crate::TryRecvError::Closed));
    assert_eq!(stage_of_close(&rx), CLOSED);
}

/// R17: so that it stands in for a dead closer in time.
#[test]
fn a_receiver_that_finds_the_closer_at_work_sleeps_short() {
    let mut rx = half_closed(WaitStrategy::Park);
    assert!(!Operation::is_blocked(&mut rx));
    assert_eq!(rx.try_recv(), Err(crate::TryRecvError::Empty));
    assert!(Operation::is_blocked(&mut rx));
}

/// R17, M4: a call that waits has the time for the whole end.
#[test]
fn an_endpoint_that_finds_the_name_gone_ends_the_ring_as_far_as_it_has_time() {
    let path = std::env::temp_dir().join(format!("memring-unlinked-{}", std::process::id()));
    for (waits, stage) in [(true, CLOSED_AND_FENCED), (false, CLOSED)] {
        let ring = Ring::<u64, Mpmc>::create(&path, 4).expect("make a ring");
        let mut rx = ring.receiver().expect("attach");
        std::fs::remove_file(&path).expect("unlink");
        rx.connection.waits = waits;
        std::thread::sleep(Duration::from_millis(150)); // until a scan is due
        rx.connection.scan_after_sleep();
        assert_eq!(stage_of_close(&rx), stage, "waits: {waits}");
        assert!(rx.connection.segment.region.is_ended_by_removal());
    }
}

/// A send has returned behind a claim that is not finished: that is not `Empty`, also while
/// the ring is being closed.
#[test]
fn a_claim_in_the_way_is_told_while_the_ring_is_closed() {
    let mut rx = half_closed(WaitStrategy::Park);
    let open = rx.view.cell(Cell::Closed).swap(0, Ordering::SeqCst);
    let (mut one, mut other) = (rx.ring().sender().unwrap(), rx.ring().sender().unwrap());
    let grant = one.reserve().expect("there is room");
    other.send(7).expect("there is room");
    rx.view.cell(Cell::Closed).store(open, Ordering::SeqCst);
    assert!(matches!(rx.try_recv(), Err(crate::TryRecvError::Held(_))));
    drop(grant);
    assert_eq!(rx.try_recv(), Ok(7));
}
