//! Waiting without a thread of one's own: a waiter leaves a [`Waker`] at a wait word, and
//! goes away.
//!
//! One thread of the process sleeps for all of them, by `futex_waitv`, and one more for
//! each 127 words beyond the first 127; word 128 is its own, by which it is told of new
//! ones. It is started at the first registration and ends a second after the last. A forked
//! child has no such thread, and starts its own.
//!
//! A waiter does as one that sleeps: it announces itself at the word (W1, W2), checks in
//! full, and then registers the value that it saw. The thread sleeps on the word as long as
//! it holds that value. If it changes, all that were registered with another value are
//! woken, to look again: the thread cannot tell what was announced to how many.
//!
//! W4: at the caps of a sleep the thread has each word's members scanned, and wakes its
//! waiters: those of the longest cap by turns, a few a second.

mod registry;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

pub(crate) use registry::Watched;
use registry::{CAPPED, CHANGED, IDLE, Registration, WAITING, WakerRegistry, WordPlace};

use super::cap::SleepCap;
use super::parker::Parker;
use super::word::Park;
use crate::sys::atomic::{AtomicU32, Fences};
use crate::sys::clock::MonotonicTime;

/// One that can wait at a word, again and again.
pub(crate) struct TaskWaiter {
    registry: &'static WakerRegistry,
    place: WordPlace,
    id: u64,
    end: Arc<AtomicU8>,
    cap: SleepCap,
    passes_on: bool,
}

impl TaskWaiter {
    /// One at the word of `watched`. `passes_on`: it may not do what it is woken for, so
    /// another sleeper is woken beside it.
    ///
    /// # Errors
    /// Out of memory, at the first use.
    pub(crate) fn new(watched: &Arc<dyn Watched>, passes_on: bool) -> io::Result<TaskWaiter> {
        let registry = WakerRegistry::here()?;
        let (place, id) = registry.lock().enter(watched);
        Ok(TaskWaiter {
            registry,
            place,
            id,
            end: Arc::new(AtomicU8::new(IDLE)),
            cap: SleepCap::new(),
            passes_on,
        })
    }

    /// Has `waker` woken when the word does not hold `value` any more, or at the cap of a
    /// sleep; once. If it waits already, with this from now on.
    ///
    /// `is_held_up`: the next cap is a short one, as in [`block`](super::block()).
    ///
    /// # Errors
    /// The thread cannot be started. It is not registered then.
    pub(crate) fn wait(&mut self, value: u32, is_held_up: bool, waker: &Waker) -> io::Result<()> {
        // Acquire pairs with the Release store in `Registration::wake`.
        let end = self.end.load(Ordering::Acquire);
        match end {
            CHANGED => self.cap.slept(false),
            CAPPED => self.cap.slept(true),
            _ => {}
        }
        if is_held_up {
            self.cap.shorten();
        }
        let registration = Registration {
            id: self.id,
            value,
            waker: waker.clone(),
            cap: self.cap.duration(),
            is_held_up,
            passes_on: self.passes_on,
            end: Arc::clone(&self.end),
            due: MonotonicTime::now(), // as the registry says
            skipped: 0,
        };
        let mut state = self.registry.lock();
        // Under the lock, before the thread can see it. Relaxed: pairs with loads of ours.
        self.end.store(WAITING, Ordering::Relaxed);
        let (thread, before) = state.register(self.place, registration);
        let starts = state.begin_running(self.place.bank);
        drop(state);
        drop(before);
        if starts && let Err(error) = thread::start(self.registry, self.place.bank) {
            let mut state = self.registry.lock();
            let registration = state.unregister(self.place, self.id);
            let mut others = state.failed_to_run(self.place.bank);
            drop(state);
            drop(registration);
            thread::wake(&mut others);
            // Relaxed: pairs with loads of ours.
            self.end.store(IDLE, Ordering::Relaxed);
            return Err(error);
        }
        if let Some(control) = thread {
            kick(&control);
        }
        Ok(())
    }

    /// Waits no longer.
    pub(crate) fn stop(&mut self) {
        // Acquire: pairs with the Release store in `Registration::wake`.
        let is_waiting = self.end.load(Ordering::Acquire) == WAITING;
        if is_waiting && self.registry.is_here() {
            // (The lock is held to the end of this statement, and no longer.)
            let registration = self.registry.lock().unregister(self.place, self.id);
            drop(registration);
        }
        // Relaxed: pairs with loads of ours.
        self.end.store(IDLE, Ordering::Relaxed);
        self.cap = SleepCap::new();
    }
}

impl Drop for TaskWaiter {
    fn drop(&mut self) {
        self.stop();
        if !self.registry.is_here() {
            return;
        }
        let thread = self.registry.lock().leave(self.place);
        if let Some(control) = thread {
            kick(&control);
        }
    }
}

/// Has the thread look at its registrations again.
fn kick(control: &AtomicU32) {
    // SeqCst: pairs with the load in `RegistryState::round`.
    control.fetch_add(1, Ordering::SeqCst);
    Parker(Fences::Full).wake(control, 1);
}

#[cfg(all(test, feature = "failpoints"))] // they need testkit
mod tests;
