//! The wait word: a futex word whose low bit says that a waiter sleeps; the rest of
//! the word counts.
//!
//! W1: the bit is in the futex word itself. A sleeper whose bit was wiped
//! before it slept finds the word changed and does not sleep.
//!
//! W2: sleeper: set the bit, heavy barrier, look again, sleep on the value it
//! set. Notifier: publish, light barrier, look at the bit. One of the two sees
//! the other.
//!
//! A sleeper that is alone on its side, and finds the bit still set that it has
//! had a barrier for, needs no other: no other waiter sets it, so it has been set
//! since, and every notifier sees it whose publication the next look may miss.
//!
//! W3: the bit stays while a notifier wakes, so that every notifier meanwhile sees it
//! too. At one count in five, a notifier that found no waiter asleep clears the bit, and then
//! wakes all: a waiter that went to sleep in between looks again, and sets it again. So
//! the bit of a dead sleeper needs no owner to clear it.
//!
//! W4: every sleep is capped, for a notifier can die between its publication
//! and its look.

use crate::sys::atomic::{AtomicU32, Fences, Ordering};
use core::time::Duration;

use crate::sys::failpoints::failpoint;

const SLEEPER: u32 = 1;
const COUNT: u32 = 2;

/// A notifier that finds no waiter asleep clears the bit at counts that are multiples of this:
/// odd, for wakes that find one and wakes that find none may take turns. A waiter that is on
/// its way to sleep, as at each round trip on one processor, needs no barrier as long as its
/// bit stands. (Clearing is what loom has to see.)
const CLEAR_EVERY: u32 = if cfg!(loom) { 1 } else { 5 };

/// As many sleepers as the system counts.
const ALL: u32 = u32::MAX >> 1;

/// Compare-and-swaps that may fail before a notifier counts up regardless.
const MAX_TRIES: u32 = 64;

/// What waiting needs of the system.
pub(crate) trait Park {
    /// A moment on the clock by which sleeps end.
    type Time: Copy + Ord;
    /// The present moment.
    fn now(&self) -> Self::Time;
    /// `time` and so much more, or `time` if that cannot be told.
    fn after(&self, time: Self::Time, duration: Duration) -> Self::Time;
    /// The rare party's half of the barrier; pairs with [`Fences::light`].
    fn heavy(&self);
    /// Sleeps while `word` holds `expected`, until woken or `deadline`; may
    /// return early for no reason. Says whether it slept until the deadline.
    fn sleep(&self, word: &AtomicU32, expected: u32, deadline: Self::Time) -> bool;
    /// Wakes up to `count` sleepers and says how many.
    fn wake(&self, word: &AtomicU32, count: u32) -> usize;
}

/// What waiting on many words needs beside that.
pub(crate) trait ParkMany: Park {
    /// Sleeps while each of `words` holds the value beside it, until one of them is woken
    /// or `deadline`; may return early for no reason. Says whether it slept until the
    /// deadline.
    fn sleep_many(&self, words: &[(&AtomicU32, u32)], deadline: Self::Time) -> bool;
}

/// A waiter's announcement at a wait word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// What to sleep on.
    pub word: u32,
    /// Whether a heavy barrier has to follow, before the next look.
    pub needs_barrier: bool,
}

/// A futex word that one side sleeps on and the other notifies.
#[derive(Clone, Copy)]
pub(crate) struct WaitWord<'a>(pub &'a AtomicU32);

impl WaitWord<'_> {
    /// Registers a waiter that is about to sleep. The caller then checks again for what
    /// it waits for, and sleeps on the returned value if there is nothing (W2).
    ///
    /// `registered` is this waiter's note that it has set the bit and had a barrier
    /// since; for one that is not `alone` on its side it is worth nothing.
    pub(crate) fn register(self, park: &impl Park, alone: bool, registered: &mut bool) -> u32 {
        let announced = self.announce(alone, registered);
        if announced.needs_barrier {
            park.heavy();
            failpoint!(SleepFenced);
        }
        announced.word
    }

    /// The first half of [`WaitWord::register`], for a waiter at many words: it announces
    /// itself at each of them, and then one heavy barrier serves all.
    pub(crate) fn announce(self, alone: bool, registered: &mut bool) -> Announced {
        if alone && *registered {
            // Acquire: the look comes after. Pairs with the swaps of `wake_one`,
            // which alone take the bit away.
            let word = self.0.load(Ordering::Acquire);
            if word & SLEEPER != 0 {
                return Announced {
                    word,
                    needs_barrier: false,
                };
            }
        }
        // SeqCst: pairs with the load in `notify_one` through the barriers.
        let word = self.0.fetch_or(SLEEPER, Ordering::SeqCst) | SLEEPER;
        failpoint!(SleepRegistered);
        *registered = true;
        Announced {
            word,
            needs_barrier: true,
        }
    }

    /// Wakes one sleeper, if there is any. Call after publishing.
    #[inline(always)]
    pub(crate) fn notify_one(self, fences: Fences, park: &impl Park) {
        fences.light();
        self.notify_one_fenced(park);
    }

    /// As `notify_one`, after [`Fences::light`], which came after publishing.
    #[inline(always)]
    pub(crate) fn notify_one_fenced(self, park: &impl Park) {
        // Pairs with the `fetch_or` in `register` (W2).
        if self.0.load(Ordering::Relaxed) & SLEEPER != 0 {
            self.wake_one(park);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_one(self, park: &impl Park) {
        for _ in 0..MAX_TRIES {
            let word = self.0.load(Ordering::SeqCst);
            if word & SLEEPER == 0 {
                return; // taken away since we published: see the end of this
            }
            let counted = word.wrapping_add(COUNT);
            if !self.swap(word, counted) {
                continue;
            }
            failpoint!(WaitWordCounted);
            let is_awake = park.wake(self.0, 1) == 0;
            if is_awake && (counted / COUNT).is_multiple_of(CLEAR_EVERY) {
                // No waiter was asleep: clear the bit. A waiter that has gone to
                // sleep since, or is about to, has seen the bit set and left it
                // so: wake them all, to check again and set it again (W3).
                if self.swap(counted, counted.wrapping_add(COUNT) & !SLEEPER) {
                    failpoint!(BitCleared);
                    park.wake(self.0, ALL);
                }
            }
            return;
        }
        // Kept from it 64 times: count up regardless, which is all that matters
        // to waiters about to sleep, and leave the bit.
        self.0.fetch_add(COUNT, Ordering::SeqCst);
        park.wake(self.0, 1);
    }

    /// Wakes all sleepers, if there are any: for a side whose sleepers wait for different
    /// things. Call after publishing.
    pub(crate) fn notify_each(self, fences: Fences, park: &impl Park) {
        fences.light();
        self.notify_each_fenced(park);
    }

    /// As `notify_each`, after [`Fences::light`], which came after publishing; or without
    /// it, where a lock orders the two.
    pub(crate) fn notify_each_fenced(self, park: &impl Park) {
        for _ in 0..MAX_TRIES {
            // Pairs with the `fetch_or` in `register` (W2).
            let word = self.0.load(Ordering::SeqCst);
            if word & SLEEPER == 0 {
                return;
            }
            // W3: all are woken, so the bit may go: a waiter that is about to sleep finds
            // the word changed, checks again and sets the bit again.
            if self.swap(word, word.wrapping_add(COUNT) & !SLEEPER) {
                failpoint!(BitCleared);
                park.wake(self.0, ALL);
                return;
            }
        }
        self.notify_all(park);
    }

    fn swap(self, from: u32, to: u32) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Wakes every sleeper, whether or not the bit is set: for closing,
    /// detaching and recovery, which are rare.
    pub(crate) fn notify_all(self, park: &impl Park) {
        self.0.fetch_add(COUNT, Ordering::SeqCst);
        failpoint!(AllCounted);
        park.wake(self.0, ALL);
    }
}
