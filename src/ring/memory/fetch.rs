//! Having the processor fetch what will be needed soon.

#![allow(unsafe_code)]

/// Has the processor fetch a line, to be read or to be written. It changes
/// nothing that could be observed but the time that it takes.
#[inline(always)]
pub(super) fn fetch<const WRITE: bool>(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: V4: a prefetch touches no memory and raises no fault, whatever the
    // address.
    unsafe {
        use core::arch::asm;
        if WRITE {
            asm!("prefetchw [{}]", in(reg) at, options(readonly, nostack, preserves_flags));
        } else {
            asm!("prefetcht0 [{}]", in(reg) at, options(readonly, nostack, preserves_flags));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
