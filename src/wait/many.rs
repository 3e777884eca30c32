//! Waiting for any of many things: each is announced at its own wait word, and one sleep
//! is for all.
//!
//! As in [`block`](super::block()): look, check, announce (W1, W2), check all again, sleep
//! no longer than the cap (W4). Nothing is taken here: that a source is ready is all that
//! the caller learns. So after a sleep every source that is ready passes the wake-up on to
//! another waiter (W3): perhaps it was meant for what this caller does not take.

use super::backoff::Looks;
use super::cap::SleepCap;
use super::word::{Announced, ParkMany};
use crate::sys::atomic::AtomicU32;
use crate::sys::failpoints::failpoint;

/// One of many things that a caller waits for.
pub(crate) trait Awaited<Time> {
    /// A cheap check, which may miss that it is ready. Made many times in a row.
    fn look(&mut self) -> bool;

    /// Checks in full: what it does not find was not there when it began.
    fn check(&mut self) -> bool;

    /// Announces a waiter at the wait word. `None`: there is no word, nothing wakes.
    fn announce(&mut self) -> Option<Announced> {
        None
    }

    /// The wait word, if there is one.
    fn word(&self) -> Option<&AtomicU32> {
        None
    }

    /// When it becomes ready without a wake-up.
    fn due(&self) -> Option<Time> {
        None
    }

    /// As [`Operation::reclaim`](super::Operation::reclaim).
    fn reclaim(&mut self) -> bool {
        false
    }

    /// As [`Operation::is_blocked`](super::Operation::is_blocked).
    fn is_blocked(&mut self) -> bool {
        false
    }

    /// After a sleep: looks for dead members now and then.
    fn after_sleep(&mut self) {}

    /// After a sleep, at the end: wakes another waiter of the same side, if there is
    /// something for it (W3).
    fn pass_on(&mut self) {}
}

/// The sources of one call. Looks begin at `first` and go round.
pub(crate) struct Sources<'s, 'd, Time> {
    pub all: &'s mut [&'d mut dyn Awaited<Time>],
    pub first: usize,
}

impl<Time: Copy + Ord> Sources<'_, '_, Time> {
    /// The first source that `is_ready` says is so.
    #[inline]
    fn find(&mut self, is_ready: impl Fn(&mut dyn Awaited<Time>) -> bool) -> Option<usize> {
        let count = self.all.len();
        let first = self.first % count.max(1);
        let mut order = (first..count).chain(0..first);
        order.find(|at| is_ready(&mut *self.all[*at]))
    }

    fn look(&mut self) -> Option<usize> {
        self.find(|source| source.look())
    }

    pub(crate) fn check(&mut self) -> Option<usize> {
        self.find(|source| source.check())
    }

    /// Takes what is in the way from dead members, wherever something is.
    fn reclaim(&mut self) -> bool {
        let mut any = false;
        for source in &mut *self.all {
            any |= source.reclaim();
        }
        any
    }

    fn is_any_blocked(&mut self) -> bool {
        self.all.iter_mut().any(|source| source.is_blocked())
    }

    /// W2: announces a waiter at all words, then one heavy barrier for all.
    fn register<P: ParkMany<Time = Time>>(&mut self, park: &P) -> Vec<Option<u32>> {
        let mut needs_barrier = false;
        let words = self.all.iter_mut().map(|source| {
            let announced = source.announce()?;
            needs_barrier |= announced.needs_barrier;
            Some(announced.word)
        });
        let words = words.collect();
        if needs_barrier {
            park.heavy();
            failpoint!(SleepFenced);
        }
        words
    }

    /// Sleeps on all words. Says whether it slept until `until`.
    fn sleep<P>(&self, park: &P, registered: &[Option<u32>], until: Time) -> bool
    where
        P: ParkMany<Time = Time>,
    {
        let words = self.all.iter().zip(registered);
        let words = words.filter_map(|(source, value)| Some((source.word()?, (*value)?)));
        let in_full = park.sleep_many(&words.collect::<Vec<_>>(), until);
        failpoint!(Woken);
        in_full
    }

    /// The earliest moment at which one becomes ready by itself.
    fn due(&self) -> Option<Time> {
        self.all.iter().filter_map(|source| source.due()).min()
    }

    fn after_sleep(&mut self) {
        for source in &mut *self.all {
            source.after_sleep();
        }
    }

    fn pass_on(&mut self) {
        for source in &mut *self.all {
            source.pass_on();
        }
    }
}

/// Waits until one of the sources is ready, and says which; `None`: none was until
/// `deadline`. Without sources it waits for the deadline.
pub(crate) fn block_many<P: ParkMany>(
    park: &P,
    sources: &mut Sources<'_, '_, P::Time>,
    mut looks: Looks<'_>,
    deadline: Option<P::Time>,
) -> Option<usize> {
    let is_late = || deadline.is_some_and(|deadline| deadline <= park.now());
    let mut cap = SleepCap::new();
    let mut has_slept = false;
    let mut has_reclaimed_late = false;
    let ready = loop {
        if let Some(ready) = looks.spin(|| sources.look()) {
            break Some(ready);
        }
        if let Some(ready) = sources.check() {
            break Some(ready);
        }
        if is_late() {
            // As in `block`.
            if has_reclaimed_late || !sources.reclaim() {
                break None;
            }
            has_reclaimed_late = true;
            continue;
        }
        if !looks.are_used_up() {
            continue;
        }
        // W2: register, check again, sleep.
        let registered = sources.register(park);
        if let Some(ready) = sources.check() {
            break Some(ready);
        }
        if sources.reclaim() {
            continue;
        }
        if is_late() {
            break None;
        }
        // A death is found at the end of a sleep.
        if sources.is_any_blocked() {
            cap.shorten();
        }
        let capped = park.after(park.now(), cap.duration());
        let times = [Some(capped), deadline, sources.due()];
        let until = times.into_iter().flatten().min().unwrap_or(capped);
        let in_full = sources.sleep(park, &registered, until);
        has_slept = true;
        cap.slept(in_full);
        sources.after_sleep();
    };
    if has_slept {
        sources.pass_on();
    }
    ready
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
