//! Sleeping on a word of 64 bits: the system compares its low half.

use super::word::Park;
use crate::sys::atomic::AtomicU64;

/// What waiting on a word of 64 bits needs of the system.
pub(crate) trait ParkHalf: Park {
    /// Sleeps while the low half of `word` is that of `expected`, until woken or
    /// `deadline`; may return early for no reason. Says whether it slept until the
    /// deadline.
    fn sleep_half(&self, word: &AtomicU64, expected: u64, deadline: Self::Time) -> bool;
    /// Wakes up to `count` sleepers on the low half of `word` and says how many.
    fn wake_half(&self, word: &AtomicU64, count: u32) -> usize;
}
