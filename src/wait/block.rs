//! The one loop behind every call that waits: look, check, register, sleep.

use super::backoff::Looks;
use super::cap::SleepCap;
use super::word::Park;

/// What one full check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poll<T, E> {
    /// It is there.
    Ready(T),
    /// Not yet.
    Pending,
    /// Waiting is over without it.
    Ended(E),
}

/// What a call waits for: an operation that is tried until it succeeds.
pub(crate) trait Operation {
    /// What the operation gives.
    type Output;
    /// Why it can end without.
    type Error;
    /// What it sleeps with.
    type Park: Park;

    /// A cheap check, which may miss what is there. Made many times in a row.
    fn look(&mut self) -> Option<Self::Output>;
    /// Checks in full: what it does not find was not there when it began.
    fn check(&mut self) -> Poll<Self::Output, Self::Error>;
    /// Registers a waiter at the wait word, and returns the word's value (W2).
    fn register(&mut self) -> u32;
    /// After a check that found nothing: takes what is in the way from a dead member.
    /// Says whether it did, and another check is worth while.
    fn reclaim(&mut self) -> bool;
    /// Whether a member that is alive is in the way, whose death would end the wait.
    fn is_blocked(&mut self) -> bool;
    /// Sleeps until woken, at most until `until`, if the wait word is still
    /// `registered`. Says whether it slept for so long.
    fn sleep(&mut self, registered: u32, until: <Self::Park as Park>::Time) -> bool;
    /// After a sleep: looks for dead members now and then.
    fn after_sleep(&mut self);
    /// After a success that followed a sleep: wakes another waiter of the same side, if
    /// this one leaves something to do (W3).
    fn pass_on(&mut self);
    /// The error of a call whose deadline has passed.
    fn timed_out(&mut self) -> Self::Error;
    /// The clock, the futex.
    fn park(&mut self) -> Self::Park;
}

/// Waits until `operation` succeeds or ends, or until `deadline`; when its `looks` are
/// used up it sleeps. A number of looks is enough; `None`: it never sleeps.
///
/// The deadline is looked at after each full check, which may take long.
pub(crate) fn block<'i, O: Operation>(
    operation: &mut O,
    looks: impl Into<Looks<'i>>,
    deadline: Option<<O::Park as Park>::Time>,
) -> Result<O::Output, O::Error> {
    let mut looks = looks.into();
    let park = operation.park();
    let is_late = || deadline.is_some_and(|deadline| deadline <= park.now());
    let mut cap = SleepCap::new();
    let mut has_slept = false;
    let mut has_reclaimed_late = false;
    let output = loop {
        if let Some(output) = looks.spin(|| operation.look()) {
            break output;
        }
        match operation.check() {
            Poll::Ready(output) => break output,
            Poll::Ended(error) => return Err(error),
            Poll::Pending => {}
        }
        if is_late() {
            // What a dead holder had is worth one more check, and no more: a peer that
            // forges one after the other must not keep the call.
            if has_reclaimed_late || !operation.reclaim() {
                return Err(operation.timed_out());
            }
            has_reclaimed_late = true;
            continue;
        }
        if !looks.are_used_up() {
            continue;
        }
        // W2: register, check again, sleep.
        let registered = operation.register();
        match operation.check() {
            Poll::Ready(output) => break output,
            Poll::Ended(error) => return Err(error),
            Poll::Pending => {}
        }
        if operation.reclaim() {
            continue;
        }
        if is_late() {
            return Err(operation.timed_out());
        }
        // A death is found at the end of a sleep.
        if operation.is_blocked() {
            cap.shorten();
        }
        let until = park.after(park.now(), cap.duration());
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let in_full = operation.sleep(registered, until);
        has_slept = true;
        cap.slept(in_full);
        operation.after_sleep();
    };
    if has_slept {
        operation.pass_on();
    }
    Ok(output)
}
