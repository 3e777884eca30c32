//! The thread that sleeps for wakers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::{io, thread};

use super::registry::{WakerRegistry, Words};
use crate::sys::atomic::Fences;
use crate::wait::parker::Parker;
use crate::wait::word::{Park, ParkMany};

/// Starts the thread of a bank.
///
/// # Errors
/// The system has no thread left.
pub(super) fn start(registry: &'static WakerRegistry, bank: usize) -> io::Result<()> {
    let builder = thread::Builder::new().name("memring-wait".into());
    builder.spawn(move || run(registry, bank)).map(drop)
}

fn run(registry: &'static WakerRegistry, bank: usize) {
    // No barrier is asked of it.
    let parker = Parker(Fences::Full);
    let mut slept = Words::new();
    let mut is_idle = false;
    loop {
        let Some(round) = registry.lock().round(bank, &slept, is_idle) else {
            return;
        };
        let mut wakers = round.wakers;
        wake(&mut wakers);
        for watched in &round.passes {
            // The word stays as it is: who has announced itself since the message came has
            // seen that, and one that is counted up would wake our own waiters again.
            parker.wake(watched.word(), 1);
        }
        for (place, watched) in round.scans {
            // What it tells an operator goes to the user's code: if that panics, the waiters look
            // for themselves.
            let scan = AssertUnwindSafe(|| watched.scan());
            if catch_unwind(scan).unwrap_or(true) {
                registry.lock().wake_all(place, &mut wakers);
                wake(&mut wakers);
            }
        }
        slept = round.words;
        let Some(until) = round.until else { continue };
        let (control, value) = &round.control;
        let words = slept
            .iter()
            .map(|(watched, value)| (watched.word(), *value));
        let words: Vec<_> = std::iter::once((&**control, *value)).chain(words).collect();
        let is_alone = slept.is_empty();
        is_idle = parker.sleep_many(&words, until) && is_alone;
    }
}

/// Wakes them. A panic in one concerns its user alone; the others get their wake-up.
pub(super) fn wake(wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}
