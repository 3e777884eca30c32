//! Sleeping on a word of 64 bits: the kernel compares its low half.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU32;

use super::{WaitEnd, wait, wake};
use crate::sys::atomic::AtomicU64;
use crate::sys::clock::MonotonicTime;

/// Where the low half is, in words of 32 bits.
const LOW: usize = if cfg!(target_endian = "little") { 0 } else { 1 };

/// As [`wait`], while the low half of `word` is that of `expected`.
pub(crate) fn wait_half(word: &AtomicU64, expected: u64, deadline: MonotonicTime) -> WaitEnd {
    wait(low_half(word), expected as u32, deadline)
}

/// As [`wake`], for those that sleep on the low half of `word`.
pub(crate) fn wake_half(word: &AtomicU64, count: u32) -> usize {
    wake(low_half(word), count)
}

/// The low half of `word`, for the kernel to compare: no code here reads or writes it.
fn low_half(word: &AtomicU64) -> &AtomicU32 {
    let halves = std::ptr::from_ref(word).cast::<AtomicU32>();
    // SAFETY: O8: one of the two aligned halves of a word that is borrowed for as long;
    // atomics of all sorts may be changed by others.
    unsafe { &*halves.add(LOW) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn the_low_half_is_the_low_half() {
        let word = AtomicU64::new(0x1_0000_0007);
        assert_eq!(low_half(&word).load(Ordering::Relaxed), 7);
    }
}
