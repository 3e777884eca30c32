//! The word of a condition variable (CV1 to CV7): a wait word, without barriers, for the
//! lock orders what the two sides do.

use crate::sys::atomic::AtomicU32;
use crate::wait::{Park, WaitWord};

/// CV1, CV2: announces a sleeper, gives the lock back by `unlock`, and sleeps. The caller
/// takes the lock again and looks. Says whether it slept until the end of its time.
pub(crate) fn sleep<P: Park>(
    word: &AtomicU32,
    park: &P,
    until: P::Time,
    unlock: impl FnOnce(),
) -> bool {
    // While the lock is held: a process that changes what is waited for does so later, and
    // finds the bit. No barrier (CV3).
    let announced = WaitWord(word).announce(false, &mut false);
    unlock();
    park.sleep(word, announced.word, until)
}

/// CV4, after the predicate was changed under the lock.
pub(crate) fn notify_one(word: &AtomicU32, park: &impl Park) {
    WaitWord(word).notify_one_fenced(park);
}

/// CV5, likewise.
pub(crate) fn notify_all(word: &AtomicU32, park: &impl Park) {
    WaitWord(word).notify_each_fenced(park);
}
