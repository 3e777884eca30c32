//! The sleeping handshake: a futex word whose low bit says that someone
//! sleeps; the rest of the word counts.
//!
//! W1: the bit is in the futex word itself. A sleeper whose bit was wiped
//! before it slept finds the word changed and does not sleep.
//!
//! W2: sleeper: set the bit, heavy barrier, look again, sleep on the value it
//! set. Notifier: publish, light barrier, look at the bit. One of the two sees
//! the other.
//!
//! A sleeper that is alone on its side, and finds the bit still set that it has
//! had a barrier for, needs no other: nobody else sets it, so it has been set
//! since, and every notifier sees it whose publication the next look may miss.
//!
//! W3: the bit stays while a notifier wakes, so that every notifier meanwhile
//! sees it too. It is taken away by a notifier that found nobody asleep, who then
//! wakes everybody: who went to sleep in between looks again, and sets it anew.
//! Nobody has to clear the bit of a dead sleeper.
//!
//! W4: every sleep is capped, for a notifier can die between its publication
//! and its look.

use crate::sys::atomic::{AtomicU32, Fences, Ordering};
use crate::sys::failpoints::failpoint;

const SLEEPER: u32 = 1;
const COUNT: u32 = 2;

/// As many sleepers as the system counts.
const ALL: u32 = u32::MAX >> 1;

/// Compare-and-swaps that may fail before a notifier counts up regardless.
const TRIES: u32 = 64;

/// What the handshake needs of the system.
pub(crate) trait Park {
    /// When a sleep ends at the latest.
    type Deadline;
    /// The rare party's half of the barrier; pairs with [`Fences::light`].
    fn heavy(&self);
    /// Sleeps while `word` holds `expected`, until woken or `deadline`; may
    /// return early for no reason. Says whether it slept until the deadline.
    fn sleep(&self, word: &AtomicU32, expected: u32, deadline: Self::Deadline) -> bool;
    /// Wakes up to `count` sleepers and says how many.
    fn wake(&self, word: &AtomicU32, count: u32) -> usize;
}

/// A futex word that some sleep on and others ring.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a>(pub &'a AtomicU32);

impl Event<'_> {
    /// Says that we are about to sleep. The caller then looks again for what
    /// it waits for, and sleeps on the returned value if there is nothing (W2).
    ///
    /// `stands` is this sleeper's note that it has set the bit and had a barrier
    /// since; for whoever is not `alone` on its side it is worth nothing.
    pub(crate) fn prepare(self, park: &impl Park, alone: bool, stands: &mut bool) -> u32 {
        if alone && *stands {
            // Acquire: the look comes after. Pairs with the swaps of `wake_one`,
            // which alone take the bit away.
            let word = self.0.load(Ordering::Acquire);
            if word & SLEEPER != 0 {
                return word;
            }
        }
        // SeqCst: pairs with the load in `notify_one` through the barriers.
        let word = self.0.fetch_or(SLEEPER, Ordering::SeqCst) | SLEEPER;
        failpoint!(SleepAnnounced);
        park.heavy();
        failpoint!(SleepFenced);
        *stands = true;
        word
    }

    /// Wakes one sleeper, if there is any. Call after publishing.
    #[inline(always)]
    pub(crate) fn notify_one(self, fences: Fences, park: &impl Park) {
        fences.light();
        // Pairs with the `fetch_or` in `prepare` (W2).
        if self.0.load(Ordering::Relaxed) & SLEEPER != 0 {
            self.wake_one(park);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_one(self, park: &impl Park) {
        for _ in 0..TRIES {
            let word = self.0.load(Ordering::SeqCst);
            if word & SLEEPER == 0 {
                return; // taken away since we published: see the end of this
            }
            let rung = word.wrapping_add(COUNT);
            if !self.swap(word, rung) {
                continue;
            }
            failpoint!(WaitWordCounted);
            if park.wake(self.0, 1) == 0 {
                // Nobody was asleep: take the bit away. Whoever has gone to
                // sleep since, or is about to, has seen the bit set and left it
                // so: wake them all, to look again and set it anew (W3).
                if self.swap(rung, rung.wrapping_add(COUNT) & !SLEEPER) {
                    failpoint!(BitCleared);
                    park.wake(self.0, ALL);
                }
            }
            return;
        }
        // Kept from it 64 times: count up regardless, which is all that matters
        // to those about to sleep, and leave the bit.
        self.0.fetch_add(COUNT, Ordering::SeqCst);
        park.wake(self.0, 1);
    }

    fn swap(self, from: u32, to: u32) -> bool {
        self.0
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    /// Wakes every sleeper, whether or not the bit is set: for closing,
    /// detaching and repair, which are rare.
    pub(crate) fn notify_all(self, park: &impl Park) {
        self.0.fetch_add(COUNT, Ordering::SeqCst);
        failpoint!(AllCounted);
        park.wake(self.0, ALL);
    }
}
