//! Sleeping on many words at once.
//!
//! By `futex_waitv` (Linux 5.16), which takes 128 words a call. Where there are more, or
//! where the kernel or a sandbox does not know that call, the sleeper goes from group to
//! group in short slices: 128 words a group, or one. A wake-up on a word of another group
//! does not reach it, but the word tells: before each slice the sleeper looks at all
//! words. So the fallback needs what `wait::WaitWord` promises: a waker changes the word
//! before it wakes. It is late by a slice at most, [`LONGEST_SLICE`] in the end, and costs
//! some hundred short sleeps a second; it needs no thread.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::ClockId;

use super::{WaitEnd, wait};
use crate::sys::clock::MonotonicTime;

/// As many words as the kernel takes in one call.
const MAX_WORDS: usize = 128;

/// The first slices of the fallback: a message that is under way comes soon.
const FIRST_SLICE: Duration = Duration::from_micros(64);
/// And those of a sleep that has lasted for a while.
const LONGEST_SLICE: Duration = Duration::from_millis(4);

/// Whether the kernel has refused `futex_waitv`.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Sleeps until one of the words is woken or until `deadline`, if each of them still
/// holds its expected value. Without words it sleeps until `deadline`.
///
/// As [`wait`] otherwise; which word it was is not told, for several may have been.
pub(crate) fn wait_many(words: &[(&AtomicU32, u32)], deadline: MonotonicTime) -> WaitEnd {
    match words {
        // A word of its own, which nobody wakes.
        [] => wait(&AtomicU32::new(0), 0, deadline),
        [(word, expected)] => wait(word, *expected, deadline),
        _ if !is_available() => by_groups(words, 1, deadline),
        _ if words.len() > MAX_WORDS => by_groups(words, MAX_WORDS, deadline),
        _ => wait_group(words, deadline),
    }
}

fn is_available() -> bool {
    #[cfg(all(feature = "failpoints", debug_assertions))]
    if crate::sys::failpoints::is_wait_many_denied() {
        return false;
    }
    // Relaxed: the flag is all there is to it. Pairs with the store in `wait_group`.
    !IS_REFUSED.load(Ordering::Relaxed)
}

/// Sleeps on at most [`MAX_WORDS`] words.
fn wait_group(words: &[(&AtomicU32, u32)], deadline: MonotonicTime) -> WaitEnd {
    let mut waiters = [futex::Wait::new(); MAX_WORDS];
    for (waiter, (word, expected)) in waiters.iter_mut().zip(words) {
        waiter.val = u64::from(*expected);
        waiter.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
        // Not private: the wakers are other processes.
        waiter.flags = futex::WaitFlags::SIZE_U32;
    }
    let waiters = &waiters[..words.len().min(MAX_WORDS)];
    let (flags, deadline) = (futex::WaitvFlags::empty(), deadline.to_timespec());
    match futex::waitv(waiters, flags, Some(&deadline), ClockId::Monotonic) {
        Ok(_) => WaitEnd::Woken,
        Err(Errno::AGAIN) => WaitEnd::Changed,
        Err(Errno::TIMEDOUT) => WaitEnd::TimedOut,
        // An old kernel; a sandbox that was written before the call was known says PERM.
        Err(Errno::NOSYS | Errno::PERM) => {
            // Relaxed: pairs with the load in `is_available`.
            IS_REFUSED.store(true, Ordering::Relaxed);
            WaitEnd::Interrupted
        }
        Err(_) => WaitEnd::Interrupted,
    }
}

/// Sleeps on `size` words at a time, for a slice each.
fn by_groups(words: &[(&AtomicU32, u32)], size: usize, deadline: MonotonicTime) -> WaitEnd {
    let mut slice = FIRST_SLICE;
    loop {
        for group in words.chunks(size) {
            if words.iter().any(has_changed) {
                return WaitEnd::Changed;
            }
            let now = MonotonicTime::now();
            if now >= deadline {
                return WaitEnd::TimedOut;
            }
            let until = now.checked_add(slice).unwrap_or(deadline).min(deadline);
            let end = match group {
                [(word, expected)] => wait(word, *expected, until),
                _ => wait_group(group, until),
            };
            if end != WaitEnd::TimedOut {
                return end;
            }
            slice = (2 * slice).min(LONGEST_SLICE);
        }
    }
}

fn has_changed((word, expected): &(&AtomicU32, u32)) -> bool {
    // SeqCst: pairs with the swaps and additions of `wait::WaitWord`, which come before
    // the wake-up.
    word.load(Ordering::SeqCst) != *expected
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
