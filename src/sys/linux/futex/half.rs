//! The half of a word of 64 bits that the kernel can compare.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicU32;

use crate::sys::atomic::AtomicU64;

/// Where the low half is, in words of 32 bits.
const LOW: usize = if cfg!(target_endian = "little") { 0 } else { 1 };

/// The low half of `word`, for the kernel to compare: no code here reads or writes it.
pub(crate) fn low_half(word: &AtomicU64) -> &AtomicU32 {
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
