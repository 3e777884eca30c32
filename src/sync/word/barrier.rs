//! The words of a barrier (BA1 to BA6).
//!
//! | bits | what |
//! |---|---|
//! | 0 | BROKEN: a party has died or left; for good |
//! | 1 to 39 | generation: rounds that were completed |
//! | 40 to 63 | who has arrived in this round, a bit for each seat |
//!
//! A word for each seat: 0, nobody has taken it yet; or the id of the member that has it;
//! or [`LEFT`], for good.

use super::{Holders, MAX_TRIES, OWNER_BITS};
use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::{AtomicU64, Ordering, fence};
use crate::sys::failpoints::failpoint;
use crate::wait::{Operation, ParkHalf, Poll, block};

/// The most parties.
pub(crate) const MAX_SEATS: usize = 24;

const BROKEN: u64 = 1;
const ROUND: u64 = 2;
const ARRIVED_SHIFT: u32 = 40;
const ARRIVED: u64 = !((1 << ARRIVED_SHIFT) - 1);
const GENERATION: u64 = !(ARRIVED | BROKEN);
/// Of a seat: who had it has died, or has given it up.
const LEFT: u64 = 1 << 63;

/// As many sleepers as the system counts.
const ALL: u32 = u32::MAX >> 1;

fn bit(seat: usize) -> u64 {
    1 << (ARRIVED_SHIFT as usize + seat % MAX_SEATS)
}

fn generation(word: u64) -> u64 {
    word & GENERATION
}

/// The member that has a seat, by the seat's word.
fn sits(seat: u64) -> Option<MemberId> {
    match seat {
        1..=OWNER_BITS => Some(MemberId(seat as u16)),
        _ => None,
    }
}

/// What one round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// All have arrived, and this was the last.
    Last,
    /// All have arrived.
    Passed,
}

/// Why a round was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundError {
    /// A party has died or left.
    Broken,
    /// The deadline passed; and one that had not arrived, if it has a seat. The one that
    /// waited has not arrived any more.
    Timeout(Option<MemberId>),
    /// It cannot be waited.
    Failed(Failure),
}

/// A barrier's words.
#[derive(Clone, Copy)]
pub(crate) struct BarrierWords<'a> {
    pub word: &'a AtomicU64,
    /// Up to [`MAX_SEATS`].
    pub seats: &'a [AtomicU64],
}

impl<'a> BarrierWords<'a> {
    /// The bits of all seats.
    fn all(self) -> u64 {
        (0..self.seats.len()).fold(0, |all, seat| all | bit(seat))
    }

    /// Takes a seat that nobody has had yet. `None`: there is none.
    pub(crate) fn sit(self, me: MemberId) -> Option<usize> {
        let is_free = |seat: &AtomicU64| {
            // AcqRel: the word's changes by this seat come after. Pairs with `leave` and
            // with the loads of those that miss this seat.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let taken = seat.compare_exchange(0, me.0.into(), success, failure);
            taken.is_ok()
        };
        let seat = self.seats.iter().position(is_free);
        failpoint!(SeatTaken);
        seat
    }

    /// Gives a seat up, for good: this breaks the round, unless the seat has arrived in it.
    pub(crate) fn leave(self, seat: usize, park: &impl ParkHalf) {
        if let Some(word) = self.seats.get(seat) {
            // BA5: first the seat, then the round. Release: pairs with the loads of those
            // that miss this seat.
            word.store(LEFT, Ordering::Release);
            failpoint!(SeatLeft);
            self.break_without(seat, park);
        }
    }

    /// Breaks the round, if `seat` has not arrived in it.
    fn break_without(self, seat: usize, park: &impl ParkHalf) {
        for _ in 0..MAX_TRIES {
            // Acquire: pairs with the compare-and-swaps of those that arrive.
            let word = self.word.load(Ordering::Acquire);
            if word & (BROKEN | bit(seat)) != 0 || self.try_break(word, park) {
                return;
            }
        }
    }

    /// Breaks the round, if the word is still as it was.
    fn try_break(self, word: u64, park: &impl ParkHalf) -> bool {
        // AcqRel: pairs with the loads of those that wait.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        let swapped = self
            .word
            .compare_exchange(word, word | BROKEN, success, failure);
        if swapped.is_ok() {
            failpoint!(BarrierBroken);
            park.wake_half(self.word, ALL);
        }
        swapped.is_ok()
    }

    /// BA5: gives the seats of members of `dead` up.
    pub(crate) fn recover(
        self,
        dead: &mut MemberSet,
        mut is_dead: impl FnMut(MemberId) -> bool,
        park: &impl ParkHalf,
    ) {
        for (seat, word) in self.seats.iter().enumerate() {
            // Acquire: pairs with the compare-and-swap of the one that took the seat.
            let found = word.load(Ordering::Acquire);
            let Some(id) = sits(found).filter(|id| dead.contains(*id)) else {
                continue;
            };
            if !is_dead(id) {
                dead.remove(id);
                continue;
            }
            fence(Ordering::SeqCst);
            // A failure: another has done so. AcqRel, as in `leave`.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            if word.compare_exchange(found, LEFT, success, failure).is_ok() {
                failpoint!(SeatLeft);
            }
            self.break_without(seat, park);
        }
    }

    /// BA1: arrives. Returns the word that it found, and whether it was the last.
    ///
    /// # Errors
    /// It is broken.
    fn arrive(self, seat: usize) -> Result<(u64, bool), RoundError> {
        // Acquire, and AcqRel: those that pass see what was done before each arrival.
        let mut word = self.word.load(Ordering::Acquire);
        for _ in 0..MAX_TRIES {
            if word & BROKEN != 0 {
                return Err(RoundError::Broken);
            }
            let arrived = word | bit(seat);
            let is_last = arrived & self.all() == self.all();
            let next = match is_last {
                true => generation(word.wrapping_add(ROUND)),
                false => arrived,
            };
            let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
            match self.word.compare_exchange(word, next, success, failure) {
                Ok(_) => {
                    failpoint!(BarrierArrived);
                    return Ok((word, is_last));
                }
                Err(found) => word = found,
            }
        }
        // Only a hostile peer changes the word so often.
        Err(RoundError::Timeout(None))
    }

    /// Arrives by `seat`, and waits until all have.
    pub(crate) fn wait<H: Holders, P: ParkHalf + Clone>(
        self,
        seat: usize,
        holders: &'a H,
        park: P,
        looks: Option<u32>,
        deadline: Option<P::Time>,
    ) -> Result<Arrival, RoundError> {
        let (word, is_last) = self.arrive(seat)?;
        if is_last {
            park.wake_half(self.word, ALL);
            return Ok(Arrival::Last);
        }
        let mut round = RoundWait {
            words: self,
            seat,
            generation: generation(word),
            holders,
            park,
            probe_is_due: false,
            announced: 0,
            failed: None,
        };
        let result = block(&mut round, looks, deadline);
        if let Err(RoundError::Timeout(_) | RoundError::Failed(_)) = result
            && !round.withdraw()
        {
            // The round has come to its end meanwhile.
            return match round.poll(round.load()) {
                Poll::Ready(arrival) => Ok(arrival),
                _ => Err(RoundError::Broken),
            };
        }
        result
    }
}

/// One that has arrived, and waits for the others.
struct RoundWait<'a, H, P> {
    words: BarrierWords<'a>,
    seat: usize,
    generation: u64,
    holders: &'a H,
    park: P,
    /// BA3: those that are missing are to be asked for before the next sleep.
    probe_is_due: bool,
    /// The word that it sleeps on.
    announced: u64,
    failed: Option<Failure>,
}

impl<H: Holders, P: ParkHalf + Clone> RoundWait<'_, H, P> {
    /// BA4.
    fn poll(&self, word: u64) -> Poll<Arrival, RoundError> {
        if generation(word) != self.generation {
            Poll::Ready(Arrival::Passed)
        } else if word & BROKEN != 0 {
            Poll::Ended(RoundError::Broken)
        } else {
            Poll::Pending
        }
    }

    fn load(&self) -> u64 {
        // Acquire: what was done before each arrival happened before.
        self.words.word.load(Ordering::Acquire)
    }

    /// Who is missing in `word`: the seats, and their words.
    fn missing(&self, word: u64) -> impl Iterator<Item = u64> {
        let seats = self.words.seats.iter().enumerate();
        let missing = seats.filter(move |(seat, _)| word & bit(*seat) == 0);
        // Acquire: pairs with `sit` and `leave`.
        missing.map(|(_, seat)| seat.load(Ordering::Acquire))
    }

    /// BA3: whether one that is missing will never come.
    fn is_hopeless(&self, word: u64) -> Result<bool, Failure> {
        for seat in self.missing(word) {
            if seat == LEFT {
                return Ok(true);
            }
            let Some(id) = sits(seat) else {
                if seat == 0 {
                    continue; // its party is late
                }
                return Err(self.invalid(seat));
            };
            if !self.holders.may_hold(id) {
                return Err(self.invalid(seat));
            }
            // Its own id: another thread of this process.
            if id != self.holders.me() && self.holders.is_dead(id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn invalid(&self, found: u64) -> Failure {
        self.holders.corrupted(Corruption {
            what: "seat",
            position: 0,
            found,
        })
    }

    /// Has not arrived any more; `false`: the round is over.
    fn withdraw(&self) -> bool {
        for _ in 0..MAX_TRIES {
            let word = self.load();
            if self.poll(word) != Poll::Pending {
                return false;
            }
            // AcqRel: as an arrival.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            let without = word & !bit(self.seat);
            let withdrawn = self
                .words
                .word
                .compare_exchange(word, without, success, failure);
            if withdrawn.is_ok() {
                failpoint!(BarrierWithdrawn);
                return true;
            }
        }
        true
    }
}

impl<H: Holders, P: ParkHalf + Clone> Operation for RoundWait<'_, H, P> {
    type Output = Arrival;
    type Error = RoundError;
    type Park = P;

    fn look(&mut self) -> Option<Arrival> {
        match self.poll(self.load()) {
            Poll::Ready(arrival) => Some(arrival),
            _ => None,
        }
    }

    fn check(&mut self) -> Poll<Arrival, RoundError> {
        match self.failed.take() {
            Some(failure) => Poll::Ended(RoundError::Failed(failure)),
            None => self.poll(self.load()),
        }
    }

    /// BA2: the half that the kernel compares tells the generation and whether it is
    /// broken, not who has arrived; a process that changes it wakes all.
    fn register(&mut self) -> u32 {
        self.announced = self.generation;
        self.announced as u32
    }

    /// BA3.
    fn reclaim(&mut self) -> bool {
        if !std::mem::take(&mut self.probe_is_due) {
            return false;
        }
        // Before the probes.
        let word = self.load();
        if self.poll(word) != Poll::Pending {
            return true;
        }
        match self.is_hopeless(word) {
            Ok(false) => false,
            Ok(true) => {
                // Between the kernel's report and the swap.
                fence(Ordering::SeqCst);
                // Of exactly the word in which that seat is missing.
                if !self.words.try_break(word, &self.park) {
                    self.probe_is_due = true;
                }
                true
            }
            Err(failure) => {
                self.failed = Some(failure);
                true
            }
        }
    }

    fn is_blocked(&mut self) -> bool {
        true
    }

    fn sleep(&mut self, _registered: u32, until: P::Time) -> bool {
        let in_full = self.park.sleep_half(self.words.word, self.announced, until);
        failpoint!(Woken);
        // At each expiry; and where signals end sleeps early.
        self.probe_is_due = true;
        in_full
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {}

    fn timed_out(&mut self) -> RoundError {
        let mut missing = self.missing(self.load());
        RoundError::Timeout(missing.find_map(sits))
    }

    fn park(&mut self) -> P {
        self.park.clone()
    }
}
