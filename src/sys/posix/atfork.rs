//! Handlers that run around every `fork` of the C library.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handler.
pub(crate) type Handler = extern "C" fn();

/// Has the handlers run from now on, if `installed` does not say that they do. They must do
/// nothing that is not allowed between `fork` and its return, and bear being installed twice.
///
/// No lock and no `Once` here: a fork in the middle would leave the child with it.
///
/// # Errors
/// Out of memory, at the first use.
pub(crate) fn install(
    installed: &AtomicBool,
    before: Handler,
    in_parent: Handler,
    in_child: Handler,
) -> io::Result<()> {
    // Acquire pairs with the Release store below.
    if installed.load(Ordering::Acquire) {
        return Ok(());
    }
    let (before, in_parent, in_child) =
        (Some(before as _), Some(in_parent as _), Some(in_child as _));
    // SAFETY: O4: the handlers are functions of the right type, and do nothing that is not
    // allowed between `fork` and its return, as their makers promise.
    let failed = unsafe { libc::pthread_atfork(before, in_parent, in_child) };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed));
    }
    // Release pairs with the Acquire load above.
    installed.store(true, Ordering::Release);
    Ok(())
}
