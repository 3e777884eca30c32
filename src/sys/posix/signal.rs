//! Signals that a thread sends to itself: for the tests' named points.
#![allow(unsafe_code)]

/// Sends a signal to the calling thread, which takes it before it runs another
/// instruction: a process-wide one might go to another thread first.
pub(crate) fn raise(signal: libc::c_int) {
    // SAFETY: O4: a call that takes a number. It fails for no valid signal.
    let _ = unsafe { libc::raise(signal) };
}
