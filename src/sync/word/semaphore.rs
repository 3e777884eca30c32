//! The permits of a semaphore, a word for each, and what those sleep on that want one
//! (SE1 to SE5).
//!
//! | bits of a slot | what |
//! |---|---|
//! | 0 to 9 | the id of the member that holds the permit; 0: free |
//! | 10 to 63 | how often it was taken |

#[cfg(all(test, loom))]
mod models;

use super::{Holders, OWNER_BITS, recover_held};
use crate::error::{Corruption, Failure};
use crate::members::{MemberId, MemberSet};
use crate::sys::atomic::{AtomicU32, AtomicU64, Fences, Ordering, fence};
use crate::sys::failpoints::failpoint;
use crate::wait::{Operation, Park, Poll, WaitWord, block};

/// The most permits of a semaphore. Each is a word that one that wants a permit looks at.
pub(crate) const MAX_PERMITS: u64 = 4096;

const COUNT: u64 = OWNER_BITS + 1;
/// The bits that count.
const COUNTER: u64 = !OWNER_BITS;

/// The words before the slots.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SemaphoreHead {
    pub event: AtomicU32,
}

/// A permit: its slot, and the word there as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    pub slot: usize,
    held: u64,
}

fn owner(word: u64) -> Option<MemberId> {
    match word & OWNER_BITS {
        0 => None,
        owner => Some(MemberId(owner as u16)),
    }
}

/// What a member stores that takes a permit: it counts up.
fn taken(word: u64, id: MemberId) -> u64 {
    (word & COUNTER).wrapping_add(COUNT) | (u64::from(id.0) & OWNER_BITS)
}

/// The words of one semaphore.
#[derive(Clone, Copy)]
pub(crate) struct Permits<'a> {
    pub event: &'a AtomicU32,
    pub slots: &'a [AtomicU64],
}

impl Permits<'_> {
    /// SE1: takes a free permit, if there is one; looks at slot `from` first.
    #[inline]
    pub(crate) fn try_acquire(self, me: MemberId, from: usize) -> Option<Permit> {
        let (before, after) = self.slots.split_at_checked(from)?;
        let behind = after.iter().enumerate().map(|(at, slot)| (from + at, slot));
        for (slot, word) in behind.chain(before.iter().enumerate()) {
            let found = word.load(Ordering::Relaxed);
            if owner(found).is_some() {
                continue;
            }
            let held = taken(found, me);
            // Acquire: pairs with the swap in `release`. A failure: it is another's.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            if word.compare_exchange(found, held, success, failure).is_ok() {
                failpoint!(PermitTaken);
                return Some(Permit { slot, held });
            }
        }
        None
    }

    /// SE3: gives a permit back, and wakes one that wants it.
    #[inline]
    pub(crate) fn release(self, permit: Permit, fences: Fences, park: &impl Park) {
        if let Some(word) = self.slots.get(permit.slot) {
            // Release: pairs with the next holder's compare-and-swap.
            word.swap(permit.held & COUNTER, Ordering::Release);
            failpoint!(PermitFreed);
            WaitWord(self.event).notify_one(fences, park);
        }
    }

    /// How many permits are free.
    pub(crate) fn available(self) -> usize {
        self.slots.len() - self.holders().count()
    }

    /// Who holds each permit that is held. Relaxed: for display, or for a look.
    pub(crate) fn holders(self) -> impl Iterator<Item = MemberId> {
        let slots = self.slots.iter();
        slots.filter_map(|slot| owner(slot.load(Ordering::Relaxed)))
    }

    /// SE5: frees the permits that members of `dead` hold, then wakes all.
    pub(crate) fn recover(
        self,
        dead: &mut MemberSet,
        mut is_dead: impl FnMut(MemberId) -> bool,
        park: &impl Park,
    ) {
        let mut has_freed = false;
        for slot in self.slots {
            // Acquire: pairs with the compare-and-swap that took the permit.
            let load = || slot.load(Ordering::Acquire);
            recover_held(dead, &mut is_dead, load, owner, |word| {
                // AcqRel: hands on what the dead holder stored.
                let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
                let swapped = slot.compare_exchange(word, word & COUNTER, success, failure);
                if swapped.is_ok() {
                    failpoint!(PermitRecovered);
                    has_freed = true;
                }
                swapped.is_ok()
            });
        }
        if has_freed {
            WaitWord(self.event).notify_all(park);
        }
    }
}

/// Why a wait for a permit ended without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PermitError {
    /// The deadline passed; and one that held a permit then.
    Timeout(Option<MemberId>),
    /// It cannot be waited.
    Failed(Failure),
}

/// A call that waits for a permit.
pub(crate) struct Acquiring<'a, H, P> {
    permits: Permits<'a>,
    holders: &'a H,
    park: P,
    fences: Fences,
    from: usize,
    has_slept: bool,
    /// SE4: the holders are to be asked for before the next sleep.
    probe_is_due: bool,
    /// A permit taken from a dead member, or why that cannot be known.
    taken_over: Option<Result<Permit, Failure>>,
}

impl<'a, H: Holders, P: Park + Clone> Acquiring<'a, H, P> {
    pub(crate) fn new(permits: Permits<'a>, holders: &'a H, park: P, fences: Fences) -> Self {
        Acquiring {
            permits,
            holders,
            park,
            fences,
            from: 0,
            has_slept: false,
            probe_is_due: true,
            taken_over: None,
        }
    }

    /// Takes a permit, or waits for one.
    pub(crate) fn wait(
        mut self,
        looks: Option<u32>,
        deadline: Option<P::Time>,
    ) -> Result<Permit, PermitError> {
        let result = block(&mut self, looks, deadline);
        if result.is_err() && self.has_slept {
            // As L10: it may have been woken; then that was another's wake-up.
            self.pass_on();
        }
        result
    }

    /// Takes a permit if one is free or, if `may_probe`, a dead member's. Never sleeps.
    pub(crate) fn attempt(mut self, may_probe: bool) -> Result<Permit, PermitError> {
        self.probe_is_due = may_probe;
        for _ in 0..3 {
            match self.check() {
                Poll::Ready(permit) => return Ok(permit),
                Poll::Ended(error) => return Err(error),
                Poll::Pending if self.reclaim() => {}
                Poll::Pending => break,
            }
        }
        Err(self.timed_out())
    }
}

impl<H: Holders, P: Park + Clone> Operation for Acquiring<'_, H, P> {
    type Output = Permit;
    type Error = PermitError;
    type Park = P;

    fn look(&mut self) -> Option<Permit> {
        self.permits.try_acquire(self.holders.me(), self.from)
    }

    fn check(&mut self) -> Poll<Permit, PermitError> {
        match self.taken_over.take() {
            Some(Ok(permit)) => return Poll::Ready(permit),
            Some(Err(failure)) => return Poll::Ended(PermitError::Failed(failure)),
            None => {}
        }
        if let Some(permit) = self.look() {
            return Poll::Ready(permit);
        }
        for (position, slot) in self.permits.slots.iter().enumerate() {
            let word = slot.load(Ordering::Relaxed);
            if owner(word).is_some_and(|id| !self.holders.may_hold(id)) {
                let found = Corruption {
                    what: "holder of a permit",
                    position: position as u64,
                    found: word,
                };
                return Poll::Ended(PermitError::Failed(self.holders.corrupted(found)));
            }
        }
        Poll::Pending
    }

    /// SE2, with the check that follows.
    fn register(&mut self) -> u32 {
        WaitWord(self.permits.event).register(&self.park, false, &mut false)
    }

    /// SE4.
    fn reclaim(&mut self) -> bool {
        if !self.probe_is_due {
            return false;
        }
        self.probe_is_due = false;
        let me = self.holders.me();
        // Its own id: other threads of this process, which is alive.
        let mut alive = MemberSet::only(me);
        let mut has_changed = false;
        for (at, slot) in self.permits.slots.iter().enumerate() {
            // Before the probe. Acquire: pairs with the holder's compare-and-swap.
            let word = slot.load(Ordering::Acquire);
            let Some(id) = owner(word) else {
                has_changed = true; // worth another check
                continue;
            };
            if alive.contains(id) {
                continue;
            }
            match self.holders.is_dead(id) {
                Ok(false) => {
                    alive.insert(id);
                    continue;
                }
                Ok(true) => {}
                Err(failure) => {
                    self.taken_over = Some(Err(failure));
                    return true;
                }
            }
            // Between the kernel's report and the swap, which must not come first.
            fence(Ordering::SeqCst);
            let held = taken(word, me);
            // Of exactly the word that was loaded before the probe. AcqRel: what the dead
            // holder stored happened before.
            let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
            if slot.compare_exchange(word, held, success, failure).is_ok() {
                failpoint!(PermitTakenOver);
                self.taken_over = Some(Ok(Permit { slot: at, held }));
                return true;
            }
            has_changed = true;
        }
        has_changed
    }

    fn is_blocked(&mut self) -> bool {
        true
    }

    fn sleep(&mut self, registered: u32, until: P::Time) -> bool {
        self.has_slept = true;
        let in_full = self.park.sleep(self.permits.event, registered, until);
        failpoint!(Woken);
        // At each expiry; and where a signal has ended the sleep early, or others do so
        // again and again.
        self.probe_is_due |= in_full || self.permits.event.load(Ordering::Relaxed) == registered;
        in_full
    }

    fn after_sleep(&mut self) {}

    /// W3: one that was woken for a permit may have died before it took it.
    fn pass_on(&mut self) {
        if self.permits.available() > 0 {
            WaitWord(self.permits.event).notify_one(self.fences, &self.park);
        }
    }

    fn timed_out(&mut self) -> PermitError {
        PermitError::Timeout(self.permits.holders().next())
    }

    fn park(&mut self) -> P {
        self.park.clone()
    }
}
