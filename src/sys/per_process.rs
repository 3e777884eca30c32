//! What every process makes for itself, a forked child too.
#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::fork::ProcessToken;

/// A value that is made once in each process and never freed. A forked child makes its
/// own: its parent's may be locked, or stand for a thread that the child has not.
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<Owned<T>>);

struct Owned<T> {
    token: ProcessToken,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        PerProcess(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value of this process. Takes no lock: a fork in the middle would leave the
    /// child with it.
    ///
    /// # Errors
    /// Those of [`ProcessToken::here`].
    pub(crate) fn get(&self, make: impl FnOnce(ProcessToken) -> T) -> io::Result<&'static T> {
        let token = ProcessToken::here()?;
        // Acquire pairs with the AcqRel exchange below.
        let known = self.0.load(Ordering::Acquire);
        // SAFETY: O5: null, or a leaked box.
        if let Some(owned) = unsafe { known.as_ref() }
            && owned.token == token
        {
            return Ok(&owned.value);
        }
        let value = make(token);
        let fresh = Box::into_raw(Box::new(Owned { token, value }));
        // Release pairs with the Acquire above; a failure reads the winner's with Acquire.
        // The winner is another thread of this process: it has the same token.
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        match self.0.compare_exchange(known, fresh, success, failure) {
            // SAFETY: O5: `fresh` came from a box and is never freed from here on.
            Ok(_) => Ok(unsafe { &(*fresh).value }),
            Err(winner) => {
                // SAFETY: O5: `fresh` came from a box and no other thread has seen it.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: O5: not null, so a leaked box.
                Ok(unsafe { &(*winner).value })
            }
        }
    }
}
