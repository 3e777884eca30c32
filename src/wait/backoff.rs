//! How long to pause, to look and to yield: the one place for these constants.

use core::hint::spin_loop;

use super::idle::{Idle, IdleStrategy};

/// A waiting call checks in full once for so many cheap checks: what a cheap check may
/// miss is found within some microseconds.
pub(crate) const FULL_CHECK_EVERY: u32 = 32;

/// A waiting call offers its processor to other threads once for so many looks.
const SPINS_PER_YIELD: u32 = 256;

/// Failed claims of one call after which it pauses no more: a peer that makes all of
/// them fail must not make each take longer, too.
const MAX_PAUSES: u32 = 16;

/// Claims of a call that does not wait, as long as another endpoint's unfinished
/// operation is in the way: with the pauses of [`Contention`] some microseconds in all,
/// which is longer than such an operation takes unless its thread is not running.
pub(crate) const TRIES_WHILE_HELD: u32 = 8;

/// Full checks of a call that does not wait, as long as others are quicker each time.
/// Each of them has made many tries, so only a hostile peer makes all of them fail.
pub(crate) const CHECKS_OF_CONTENDED: u32 = 64;

/// The longest pause between two claims: two to this power.
const MAX_PAUSE_SHIFT: u32 = 6;

/// Pauses of a call whose compare-and-swaps fail: the endpoint that succeeded goes on
/// undisturbed for a while, with the line in its cache, and both get more done than by
/// turns.
pub(crate) struct Contention {
    pauses: u32,
}

impl Contention {
    pub(crate) fn new() -> Self {
        Contention { pauses: 0 }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn pause(&mut self) {
        if self.pauses < MAX_PAUSES {
            for _ in 0..1u32 << self.pauses.min(MAX_PAUSE_SHIFT) {
                spin_loop();
            }
            self.pauses += 1;
        }
    }
}

/// Looks at a lock that another holds, before a call sleeps,
pub(crate) const LOCK_LOOKS: u32 = 12;
/// those of them after which it pauses,
pub(crate) const LOCK_PAUSES: u32 = 6;
/// and the first pause: two to this power. Each is twice as long as the one before.
const LOCK_PAUSE_SHIFT: u32 = 2;

/// Pauses after a look at a lock that another holds, the last of so many `looks`. The holder
/// may take it again and again meanwhile, with the line in its cache: all get more done than
/// by turns. Then it yields: the holder may be waiting for this processor.
pub(crate) fn pause_while_locked(looks: &mut u32) {
    if *looks < LOCK_PAUSES {
        for _ in 0..1u32 << (*looks + LOCK_PAUSE_SHIFT) {
            spin_loop();
        }
        *looks += 1;
    } else {
        yield_now();
    }
}

/// Pauses of the one receiver of one sender that has caught up with it.
///
/// At the sender's heels a receiver takes each line away from it while it is written, and
/// both move one message at a time, at the pace of the way between two caches. So a
/// receiver that waits again after it has received many at once lets the sender get ahead
/// first. From time to time it tries whether there would be many; less and less often, if
/// there are not, for then the message that it waits for may be an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Where it waited last.
    mark: u64,
    /// How many it received between two waits, of late; older ones count for half.
    heat: u64,
    /// Waits until the next trial, and how many there were until this one.
    left: u32,
    interval: u32,
    /// Looks of this wait that found nothing.
    looks: u32,
}

/// A wait is long after so many unsuccessful looks: the sender does not stream.
const LONG_WAIT: u32 = 10;
/// So many messages at once are a stream.
const STREAM: u64 = 8;
/// Pauses that let the sender get ahead: as long as it takes a line to come over from a
/// core that is far.
const LEAD: u32 = 32;
/// Waits between two trials, at first and at last.
const TRIALS: (u32, u32) = (16, 4096);

impl Pace {
    pub(crate) fn new(position: u64) -> Self {
        Pace {
            mark: position,
            heat: 0,
            left: TRIALS.0,
            interval: TRIALS.0,
            looks: 0,
        }
    }

    /// At each look that finds nothing: whether there were many already.
    #[inline(always)]
    pub(crate) fn is_long_wait(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        self.looks > LONG_WAIT
    }

    /// At the beginning of a wait at `position`.
    #[inline]
    pub(crate) fn let_ahead(&mut self, position: u64) {
        self.looks = 0;
        let received = position.wrapping_sub(self.mark);
        self.mark = position;
        self.heat = self.heat / 2 + received.min(STREAM);
        if self.heat >= STREAM {
            self.interval = TRIALS.0;
        } else if self.left > 0 {
            self.left -= 1;
            return;
        } else {
            self.interval = (self.interval * 2).min(TRIALS.1);
        }
        self.left = self.interval;
        for _ in 0..LEAD {
            spin_loop();
        }
    }
}

/// The looks of a waiting call before it sleeps.
pub(crate) struct Looks<'i> {
    made: u32,
    /// `None`: there is no sleep.
    limit: Option<u32>,
    /// What the user does between two looks, and when to sleep.
    idle: Option<&'i dyn IdleStrategy>,
}

impl From<Option<u32>> for Looks<'_> {
    fn from(limit: Option<u32>) -> Self {
        Looks::new(limit)
    }
}

impl<'i> Looks<'i> {
    /// As many looks as `limit` says, then sleep; `None`: never sleep.
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Looks {
            made: 0,
            limit,
            idle: None,
        }
    }

    /// If there is an `idle` strategy, it decides instead of the limit; but where there
    /// is no sleep it cannot have one.
    pub(crate) fn with_idle(self, idle: Option<&'i dyn IdleStrategy>) -> Self {
        let limit = match idle {
            Some(_) => self.limit.and(Some(u32::MAX)),
            None => self.limit,
        };
        Looks {
            limit,
            idle,
            ..self
        }
    }

    /// Looks until one finds something, it is time for a full check, or the looks are
    /// used up.
    #[inline(always)]
    pub(crate) fn spin<R>(&mut self, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        if let Some(idle) = self.idle {
            return self.idle(idle).then(look).flatten();
        }
        for _ in 0..FULL_CHECK_EVERY {
            if self.are_used_up() {
                return None;
            }
            // First: the caller has just looked, and a peer at work goes on meanwhile.
            spin_loop();
            if let Some(found) = look() {
                return Some(found);
            }
            self.made = self.made.wrapping_add(1);
            if self.made.is_multiple_of(SPINS_PER_YIELD) {
                yield_now();
            }
        }
        None
    }

    /// One step of the user's strategy, after which the caller checks in full: the step
    /// may have taken long. Says whether to look.
    #[cold]
    #[inline(never)]
    fn idle(&mut self, idle: &dyn IdleStrategy) -> bool {
        if self.are_used_up() {
            return false;
        }
        match idle.idle(self.made) {
            // One below the limit, at most: only `Sleep` ends the looks.
            Idle::Look => self.made = self.made.saturating_add(1).min(u32::MAX - 1),
            Idle::Sleep if self.limit.is_some() => self.made = u32::MAX,
            Idle::Sleep => spin_loop(),
        }
        !self.are_used_up()
    }

    pub(crate) fn are_used_up(&self) -> bool {
        self.limit.is_some_and(|limit| self.made >= limit)
    }
}

#[cfg(all(test, not(loom)))]
thread_local! {
    /// Yields of this thread, for the tests.
    pub(super) static YIELDS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// loom's threads must not be yielded by the system.
fn yield_now() {
    #[cfg(all(test, not(loom)))]
    YIELDS.set(YIELDS.get() + 1);
    #[cfg(not(loom))]
    std::thread::yield_now();
    #[cfg(loom)]
    loom::thread::yield_now();
}
