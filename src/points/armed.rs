//! The points of test builds: the process that is told to dies by its own hand.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::Point;

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; it goes on when somebody sends SIGCONT.
    Stop,
}

const NOTHING: u32 = u32::MAX;

/// The point at which to act, or [`NOTHING`].
static ARMED: AtomicU32 = AtomicU32::new(NOTHING);
static STOPS: AtomicU32 = AtomicU32::new(0);
/// Passages before that.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Whether passages are counted.
static WATCHED: AtomicU32 = AtomicU32::new(0);
static REACHED: [AtomicU64; Point::ALL.len()] = [const { AtomicU64::new(0) }; Point::ALL.len()];

/// From now on this process acts when it reaches `point` for the `nth` time,
/// counted from 1.
pub fn arm(point: Point, nth: u64, act: Act) {
    LEFT.store(nth, Ordering::Relaxed);
    STOPS.store(u32::from(act == Act::Stop), Ordering::Relaxed);
    // Release: pairs with the Acquire load in `reach`.
    ARMED.store(point as u32, Ordering::Release);
}

/// From now on passages are counted.
pub fn watch() {
    WATCHED.store(1, Ordering::Relaxed);
}

/// How often each point of [`Point::ALL`] was passed since [`watch`].
pub fn reached() -> Vec<u64> {
    REACHED
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .collect()
}

#[inline(always)]
pub(super) fn reach(point: Point) {
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
    if STOPS.load(Ordering::Relaxed) == 0 {
        // The kernel delivers it before this thread runs another instruction.
        let _ = kill_process(getpid(), Signal::KILL);
    }
    let _ = kill_process(getpid(), Signal::STOP);
    // Another thread may be the one that is interrupted: this one is stopped
    // with it, at the latest in here.
    std::thread::sleep(Duration::from_millis(1));
}
