//! What a set sleeps on for a socket.

use std::sync::Arc;
use std::task::Wake;

use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::futex;

/// A word that changes when another look at a socket is worth while.
#[derive(Debug, Default)]
pub(super) struct SocketWord(AtomicU32);

impl SocketWord {
    pub(super) fn get(&self) -> u32 {
        // Acquire: pairs with the addition in `change`. What that was for is seen by the check
        // that follows, or the sleep finds the word changed.
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn futex(&self) -> &AtomicU32 {
        &self.0
    }

    pub(super) fn change(&self) {
        // SeqCst: pairs with the load in `get`, and with the kernel's when a set goes to sleep.
        self.0.fetch_add(1, Ordering::SeqCst);
        // An end is in one set at a time.
        futex::wake(&self.0, 1);
    }
}

impl Wake for SocketWord {
    fn wake(self: Arc<Self>) {
        self.change();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.change();
    }
}
