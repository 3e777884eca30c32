//! The failpoints of test builds: a process that is told to kills itself.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use super::list::Failpoint;
use crate::sys::signal::raise;

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; it goes on at a SIGCONT.
    Stop,
}

const NOTHING: u32 = u32::MAX;

/// What comes after the next act.
static LATER: Mutex<Vec<(Failpoint, u64, Act)>> = Mutex::new(Vec::new());
/// The point at which to act, or [`NOTHING`].
static ARMED: AtomicU32 = AtomicU32::new(NOTHING);
static STOPS: AtomicU32 = AtomicU32::new(0);
/// Passages before that.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Whether passages are counted.
static WATCHED: AtomicU32 = AtomicU32::new(0);
static REACHED: [AtomicU64; Failpoint::ALL.len()] =
    [const { AtomicU64::new(0) }; Failpoint::ALL.len()];

/// From now on this process acts when it reaches a point for the `nth` time,
/// counted from 1; then, if it lives, at the following one of `acts`.
pub fn arm(acts: &[(Failpoint, u64, Act)]) {
    let mut later = LATER.lock().unwrap_or_else(PoisonError::into_inner);
    *later = acts.iter().rev().copied().collect();
    next(&mut later);
}

fn next(later: &mut Vec<(Failpoint, u64, Act)>) {
    let Some((point, nth, act)) = later.pop() else {
        return;
    };
    LEFT.store(nth, Ordering::Relaxed);
    STOPS.store(u32::from(act == Act::Stop), Ordering::Relaxed);
    // Release: pairs with the Acquire load in `pass`.
    ARMED.store(point as u32, Ordering::Release);
}

/// In milliseconds: the cap of every sleep; 0: as it is elsewhere.
static SLEEP_CAP: AtomicU64 = AtomicU64::new(0);

/// From now on this process sleeps for up to `cap` at a time, at every wait: so a
/// wake-up that is lost shows, which the cap of a sleep would hide.
pub fn raise_sleep_cap(cap: Duration) {
    SLEEP_CAP.store(cap.as_millis() as u64, Ordering::Relaxed);
}

pub(crate) fn raised_sleep_cap() -> Option<Duration> {
    match SLEEP_CAP.load(Ordering::Relaxed) {
        0 => None,
        cap => Some(Duration::from_millis(cap)),
    }
}

/// 1: this process does without `futex_waitv`.
static WAIT_MANY_DENIED: AtomicU32 = AtomicU32::new(0);

/// From now on this process sleeps on many words as if the kernel had no call for it.
pub fn deny_wait_many() {
    WAIT_MANY_DENIED.store(1, Ordering::Relaxed);
}

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) fn is_wait_many_denied() -> bool {
    WAIT_MANY_DENIED.load(Ordering::Relaxed) != 0
}

/// From now on passages are counted.
pub fn watch() {
    WATCHED.store(1, Ordering::Relaxed);
}

/// How often each point of [`Failpoint::ALL`] was passed since [`watch`].
pub fn reached() -> Vec<u64> {
    REACHED
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .collect()
}

#[inline(always)]
pub(super) fn pass(point: Failpoint) {
    if WATCHED.load(Ordering::Relaxed) != 0 {
        REACHED[point as usize].fetch_add(1, Ordering::Relaxed);
    }
    // Acquire: pairs with the Release store in `arm`.
    if ARMED.load(Ordering::Acquire) == point as u32 && LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        act();
    }
}

#[cold]
fn act() {
    ARMED.store(NOTHING, Ordering::Relaxed);
    // The kernel delivers it before this thread runs another instruction.
    raise(if STOPS.load(Ordering::Relaxed) == 0 {
        libc::SIGKILL
    } else {
        libc::SIGSTOP
    });
    next(&mut LATER.lock().unwrap_or_else(PoisonError::into_inner));
}
