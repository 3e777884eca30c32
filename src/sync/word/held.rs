//! Waiting at a word that one member holds at a time (L3 to L7, L10).

use super::Holders;
use crate::error::{Corruption, Failure};
use crate::members::MemberId;
use crate::sys::atomic::{AtomicU64, Ordering, fence};
use crate::sys::failpoints::failpoint;
use crate::wait::backoff::{LOCK_LOOKS, LOCK_PAUSES, pause_while_locked};
use crate::wait::{Operation, ParkHalf, Poll, block};

/// The lowest bit of each such word: a waiter sleeps, or is about to.
const WAITERS: u64 = 1;

/// Looks of a waiter before it sleeps: some microseconds, in which most holders are done. Of
/// one at a word that is held they are fewer, with pauses.
pub(crate) const LOOKS: u32 = 100;

/// What a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It may be taken.
    Free,
    /// This member holds it.
    Held(MemberId),
    /// There is nothing to wait for any more.
    Over,
}

/// The rules of one sort of word.
pub(crate) trait HeldWord: Copy {
    /// What `word` says.
    fn look(self, word: u64) -> Look;
    /// What `me` stores that takes a free `word`. It counts up (L7).
    fn taken(self, word: u64, me: MemberId) -> u64;
    /// What `me` stores that takes `word` from a dead member. It counts up (L7).
    fn taken_over(self, word: u64, me: MemberId) -> u64;
    /// Whether `taken_over` frees the word for all that wait, the caller among them (RW11).
    fn frees_for_all(self) -> bool {
        false
    }
}

/// Why a wait at a word ended without the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeldError {
    /// The deadline passed; and who held the word then, if a member did.
    Timeout(Option<MemberId>),
    /// It cannot be waited.
    Failed(Failure),
}

/// What a call that waits at a word remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitState {
    /// L4: it has slept in this call.
    pub(super) has_slept: bool,
    /// L5: the holder is to be asked for before the next sleep.
    pub(super) probe_is_due: bool,
    /// The word that it sleeps on, with WAITERS in it.
    pub(super) announced: Option<u64>,
    /// What was taken from a dead member, or why that cannot be known.
    pub(super) taken_over: Option<Result<u64, Failure>>,
    /// Looks that found nothing.
    pub(super) looks: u32,
}

impl Default for WaitState {
    fn default() -> Self {
        WaitState {
            has_slept: false,
            probe_is_due: true,
            announced: None,
            taken_over: None,
            looks: 0,
        }
    }
}

/// A call that waits at a word.
pub(crate) struct Waiting<'a, W, H, P> {
    word: &'a AtomicU64,
    rules: W,
    holders: &'a H,
    park: P,
    pub(super) state: WaitState,
}

impl<'a, W: HeldWord, H: Holders, P: ParkHalf + Clone> Waiting<'a, W, H, P> {
    pub(crate) fn new(word: &'a AtomicU64, rules: W, holders: &'a H, park: P) -> Self {
        Waiting {
            word,
            rules,
            holders,
            park,
            state: WaitState::default(),
        }
    }

    /// Takes the word, or waits until there is nothing to wait for. Returns the word as it
    /// is from then on.
    pub(crate) fn wait(
        mut self,
        looks: Option<u32>,
        deadline: Option<P::Time>,
    ) -> Result<u64, HeldError> {
        // Each of which pauses; or yields, where no time runs out meanwhile.
        let most = if deadline.is_some() {
            LOCK_PAUSES
        } else {
            LOCK_LOOKS
        };
        let looks = looks.map(|looks| looks.min(most));
        let result = block(&mut self, looks, deadline);
        if result.is_err() && self.state.has_slept {
            // L10: it may have been woken; then that was another waiter's wake-up.
            self.park.wake_half(self.word, 1);
        }
        result
    }

    /// Takes the word if it is free or, if `may_probe`, its holder is dead (L11). Never
    /// sleeps.
    pub(crate) fn attempt(mut self, may_probe: bool) -> Result<u64, HeldError> {
        self.state.probe_is_due = may_probe;
        // Again after a probe, and because the word may have changed meanwhile. Each probe is
        // followed by a check, which hands out what was taken over.
        for left in (0..3).rev() {
            match self.check() {
                Poll::Ready(word) => return Ok(word),
                Poll::Ended(error) => return Err(error),
                Poll::Pending => {}
            }
            if left == 0 || !self.reclaim() {
                break;
            }
        }
        Err(self.timed_out())
    }

    /// Takes `word`, which was just loaded and is free, if it still is as it was.
    fn take(&self, word: u64) -> Option<u64> {
        // L4: others may sleep, and their bit went when the word was freed.
        let waiters = if self.state.has_slept { WAITERS } else { 0 };
        let taken = self.rules.taken(word, self.holders.me()) | waiters;
        // Acquire: pairs with the Release of the one that freed it.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let swapped = self.word.compare_exchange(word, taken, success, failure);
        swapped.ok()?;
        failpoint!(LockTaken);
        Some(taken)
    }
}

impl<W: HeldWord, H: Holders, P: ParkHalf + Clone> Operation for Waiting<'_, W, H, P> {
    type Output = u64;
    type Error = HeldError;
    type Park = P;

    fn look(&mut self) -> Option<u64> {
        // Acquire: if it is over, what led to that happened before.
        let word = self.word.load(Ordering::Acquire);
        match self.rules.look(word) {
            Look::Free => self.take(word),
            Look::Over => Some(word),
            Look::Held(_) => {
                pause_while_locked(&mut self.state.looks);
                None
            }
        }
    }

    fn check(&mut self) -> Poll<u64, HeldError> {
        match self.state.taken_over.take() {
            Some(Ok(word)) => return Poll::Ready(word),
            Some(Err(failure)) => return Poll::Ended(HeldError::Failed(failure)),
            None => {}
        }
        // Acquire, as in `look`.
        let word = self.word.load(Ordering::Acquire);
        match self.rules.look(word) {
            Look::Free => self.take(word).map_or(Poll::Pending, Poll::Ready),
            Look::Over => Poll::Ready(word),
            Look::Held(id) if !self.holders.may_hold(id) => {
                let found = Corruption {
                    what: "holder",
                    position: 0,
                    found: word,
                };
                Poll::Ended(HeldError::Failed(self.holders.corrupted(found)))
            }
            Look::Held(_) => Poll::Pending,
        }
    }

    /// L3: WAITERS goes onto a word that is held, never onto a free one.
    fn register(&mut self) -> u32 {
        // Relaxed, and the swap too: the word itself is all that matters. Pairs with the
        // exchange of the holder that frees it, which finds the bit; and with the kernel,
        // which compares before it sleeps.
        let word = self.word.load(Ordering::Relaxed);
        let announced = word | WAITERS;
        let is_held = matches!(self.rules.look(word), Look::Held(_));
        let is_announced = is_held
            && (word == announced
                || self
                    .word
                    .compare_exchange(word, announced, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok());
        if is_announced {
            failpoint!(WaiterMarked);
        }
        self.state.announced = is_announced.then_some(announced);
        announced as u32
    }

    /// L5, L6.
    fn reclaim(&mut self) -> bool {
        if !self.state.probe_is_due {
            return false;
        }
        // L6: before the probe. Acquire: pairs with the compare-and-swap of the holder.
        let word = self.word.load(Ordering::Acquire);
        let Look::Held(id) = self.rules.look(word) else {
            return true; // worth another check
        };
        self.state.probe_is_due = false;
        // Its own id: another thread of this process holds it, which is alive.
        if id == self.holders.me() {
            return false;
        }
        match self.holders.is_dead(id) {
            Ok(false) => return false,
            Ok(true) => {}
            Err(failure) => {
                self.state.taken_over = Some(Err(failure));
                return true;
            }
        }
        // Between the kernel's report and the swap, which must not come first.
        fence(Ordering::SeqCst);
        // Never WAITERS on a free word (L3).
        let waiters = if self.rules.frees_for_all() {
            0
        } else {
            WAITERS
        };
        let taken = self.rules.taken_over(word, self.holders.me()) | waiters;
        // L6: of exactly the word that was loaded before the probe. A failure: the word is
        // another's now. AcqRel: what the dead holder stored happened before.
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        let swapped = self.word.compare_exchange(word, taken, success, failure);
        if swapped.is_ok() {
            failpoint!(LockTakenOver);
            if self.rules.frees_for_all() {
                self.park.wake_half(self.word, u32::MAX >> 1);
            }
            self.state.taken_over = Some(Ok(taken));
        }
        true
    }

    fn is_blocked(&mut self) -> bool {
        true
    }

    fn sleep(&mut self, _registered: u32, until: P::Time) -> bool {
        let Some(announced) = self.state.announced else {
            return false; // the word was not held
        };
        self.state.has_slept = true;
        let in_full = self.park.sleep_half(self.word, announced, until);
        failpoint!(Woken);
        // L5: at each expiry; and where a signal has ended the sleep early, or others do
        // so again and again, the same holder may have died.
        self.state.probe_is_due |= in_full || self.word.load(Ordering::Relaxed) == announced;
        in_full
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {} // L4: the WAITERS of the word do

    fn timed_out(&mut self) -> HeldError {
        match self.rules.look(self.word.load(Ordering::Relaxed)) {
            Look::Held(id) => HeldError::Timeout(Some(id)),
            _ => HeldError::Timeout(None),
        }
    }

    fn park(&mut self) -> P {
        self.park.clone()
    }
}
