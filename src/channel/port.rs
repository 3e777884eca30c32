//! What both kinds of endpoint share: the segment, the id, and what is known
//! of the other side.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{AttachError, Holder, Side};
use crate::inspect;
use crate::layout::{Bell, CLOSED_AND_FENCED, Cell};
use crate::participant::{self, Participant, Presence};
use crate::ring::memory::Memory;
use crate::ring::position::Owner;
use crate::segment::terms::Wakeups;
use crate::segment::{Segment, register_barrier};
use crate::sys::atomic::Ordering;
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::wait::parking::Parking;
use crate::wait::{Event, Park, WaitStrategy};

/// The longest sleep without a look around, at first (W4),
pub(crate) const CAP: Duration = Duration::from_millis(100);
/// and of those who have slept for longer than this, undisturbed.
pub(crate) const LONG_CAP: Duration = Duration::from_secs(1);

/// The shortest time between two patrols: less than [`CAP`] by more than a tick
/// of the coarse clock, so that one is due after every sleep of full length.
const BETWEEN_PATROLS: Duration = Duration::from_millis(85);

/// Probes of a patrol: each is a system call. Patrols begin at the endpoint's
/// own id, so that the many endpoints of a ring look at different ones first.
const PROBES: usize = 64;

/// Looks of a waiting receiver, each of which is only that, before all that a
/// miss may mean is looked into: some microseconds.
const QUICK_LOOKS: u32 = 64;

/// Misses in a row between two looks at the clock.
const MISSES: u32 = 1024;

/// An end that a receiver has made sure of, or a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    /// With the count of changes of the other side at which it was true.
    Disconnected(u64),
}

/// One endpoint's connection to its segment.
#[derive(Clone)]
pub(crate) struct Port {
    pub segment: Arc<Segment>,
    participant: Arc<Participant>,
    side: Side,
    pub strategy: WaitStrategy,
    pub wait_through: bool,
    blocking: bool,
    parking: Parking,
    quick_looks: u32,
    /// There is no other endpoint on this side,
    is_alone: bool,
    /// and what it announced last stands (see [`Event::prepare`]).
    stands: bool,
    /// Calls in a row that found nothing.
    misses: u32,
    patrolled: MonotonicTime,
    cursor: u16,
    /// The other side, as of a count of changes.
    others: Option<(u64, Presence)>,
    /// The end that was reported last, so as not to make sure of it again.
    pub concluded: Option<End>,
}

impl Port {
    /// Takes an id on `side`.
    pub(crate) fn attach(
        segment: &Arc<Segment>,
        side: Side,
        multi: bool,
        strategy: Option<WaitStrategy>,
        wait_through: bool,
    ) -> Result<Port, AttachError> {
        segment.check()?;
        let blocking = segment.terms.wake == Wakeups::Blocking;
        let strategy = match (strategy, blocking) {
            (None, true) => WaitStrategy::default(),
            (None | Some(WaitStrategy::Spin), _) => WaitStrategy::Spin,
            (Some(strategy), true) => strategy,
            (Some(_), false) => return Err(AttachError::CannotPark),
        };
        let parking = Parking(segment.terms.fences);
        if parking.0 == crate::sys::atomic::Fences::Membarrier {
            // Anew: a registration does not outlive `exec`.
            register_barrier().map_err(|error| AttachError::Os {
                action: "register for membarrier",
                source: std::io::Error::other(error),
            })?;
        }
        let participant = Participant::attach(segment, side, multi)?;
        Ok(Port {
            cursor: participant.id().0,
            participant: Arc::new(participant),
            segment: Arc::clone(segment),
            side,
            is_alone: !multi,
            stands: false,
            quick_looks: strategy.spins().unwrap_or(QUICK_LOOKS).min(QUICK_LOOKS),
            strategy,
            wait_through,
            blocking,
            parking,
            misses: 0,
            patrolled: MonotonicTime::coarse(),
            others: None,
            concluded: None,
        })
    }

    /// How often a waiting call may look before it waits in earnest.
    #[inline(always)]
    pub(crate) fn quick_looks(&self) -> u32 {
        self.quick_looks
    }

    pub(crate) fn id(&self) -> Owner {
        self.participant.id()
    }

    #[inline(always)]
    pub(crate) fn is_usable(&self) -> bool {
        self.segment.is_usable()
    }

    /// May guards and drops touch the memory? In a forked child it is not there.
    #[inline(always)]
    pub(crate) fn is_mapped(&self) -> bool {
        self.segment.is_mapped()
    }

    /// Wakes one sleeper at `bell`, the other side's, if there is one. Call
    /// after publishing or releasing.
    #[inline(always)]
    pub(crate) fn notify(&self, memory: &impl Memory, bell: Bell) {
        if self.blocking {
            Event(memory.bell(bell)).notify_one(memory.fences(), &self.parking);
        }
    }

    /// Wakes one more of our own side: we leave something to do.
    pub(crate) fn pass_on(&self, memory: &impl Memory) {
        Event(memory.bell(self.side.bell())).notify_one(memory.fences(), &self.parking);
    }

    /// Everybody looks anew: a claim was given up, or a message given back.
    #[cold]
    pub(crate) fn notify_everybody(&self) {
        participant::wake_everybody(&self.segment);
    }

    /// Makes every send visible that began before the end came in sight: who
    /// begins after this sees the ring closed (R17).
    ///
    /// Whoever is first at a closed ring does it for all, thoroughly. Where the
    /// others have gone there is nobody left whom a barrier could pass over.
    pub(crate) fn fence_end(&self, end: End) {
        if end != End::Closed {
            return self.parking.heavy();
        }
        let block = self.segment.block();
        let closed = block.cell(Cell::Closed);
        // Acquire: pairs with the Release store below, so that the barrier of
        // whoever stored it comes before our next look.
        if closed.load(Ordering::Acquire) != CLOSED_AND_FENCED {
            self.parking.thorough();
            closed.store(CLOSED_AND_FENCED, Ordering::Release);
            failpoint!(ClosedFenced);
        }
    }

    /// Announces a sleep; the caller looks again, then calls [`Port::sleep`].
    pub(crate) fn prepare_sleep(&mut self, memory: &impl Memory) -> u32 {
        let event = Event(memory.bell(self.side.bell()));
        event.prepare(&self.parking, self.is_alone, &mut self.stands)
    }

    /// Sleeps until woken, at most until `deadline` and for `cap`. Says whether
    /// it slept for so long.
    pub(crate) fn sleep(
        &self,
        memory: &impl Memory,
        seen: u32,
        deadline: Option<MonotonicTime>,
        cap: Duration,
    ) -> bool {
        let now = MonotonicTime::now();
        let cap = now.checked_add(cap).unwrap_or(now);
        let until = deadline.map_or(cap, |deadline| deadline.min(cap));
        let bell = memory.bell(self.side.bell());
        let in_full = self.parking.sleep(bell, seen, until);
        failpoint!(Woken);
        in_full
    }

    /// Notes a success.
    #[inline(always)]
    pub(crate) fn hit(&mut self) {
        self.misses = 0;
    }

    /// Notes a call that found nothing; now and then, looks for the dead.
    /// Callers of only the `try_` verbs come by here too.
    pub(crate) fn miss(&mut self) {
        self.misses = self.misses.wrapping_add(1);
        if self.misses.is_multiple_of(MISSES) {
            self.patrol_if_due();
        }
    }

    /// Probes a few participants, if the last patrol is a while ago.
    pub(crate) fn patrol_if_due(&mut self) {
        let now = MonotonicTime::coarse();
        if self.patrolled.until(now) >= BETWEEN_PATROLS {
            self.patrolled = now;
            let _ = participant::patrol(&self.segment, &mut self.cursor, PROBES);
        }
    }

    /// Who holds the slot that this side needs next?
    #[cold]
    pub(crate) fn holder(&self) -> Option<Holder> {
        inspect::holder(&self.segment, self.side)
    }

    /// Probes everybody. Says whether nothing is left in dead hands.
    #[must_use]
    pub(crate) fn patrol_all(&mut self) -> bool {
        participant::patrol(&self.segment, &mut 0, usize::MAX)
    }

    /// What of the other side? Cached until somebody comes or goes; deaths are
    /// found by patrols, which count as goings.
    fn others(&mut self) -> (u64, Presence) {
        let other = self.side.other();
        let block = self.segment.block();
        // Acquire: pairs with the increment in `participant::announce_change`.
        let changes = block.cell(other.changes()).load(Ordering::Acquire);
        match self.others {
            Some(cached) if cached.0 == changes => cached,
            _ => *self
                .others
                .insert(participant::presence(&self.segment, other)),
        }
    }

    /// Is there reason to think that waiting is vain?
    pub(crate) fn end_in_sight(&mut self) -> Option<End> {
        // Acquire: pairs with the store in `Ring::close`.
        if self
            .segment
            .block()
            .cell(Cell::Closed)
            .load(Ordering::Acquire)
            != 0
        {
            return Some(End::Closed);
        }
        match self.others() {
            (changes, Presence::Gone) => Some(End::Disconnected(changes)),
            _ => None,
        }
    }

    /// Is the first of a single side's ids, the only one, in living hands?
    pub(crate) fn only_other_is_alive(&self) -> bool {
        participant::is_alive(&self.segment, Owner(self.side.other().ids().start))
    }
}
