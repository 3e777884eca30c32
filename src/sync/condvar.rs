//! Condition variables: waiting, under a mutex, for a change that other processes make.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec};
use super::mutex::{Locked, MutexGuard};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef, SharedValue};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use super::word::condvar;
use crate::error::{Failure, LockError, RingError};
use crate::members::Peer;
use crate::sys::atomic::AtomicU32;
use crate::sys::clock::MonotonicTime;
use crate::wait::Park;
use crate::wait::cap::SleepCap;

/// A condition variable between processes: it lets threads sleep until a predicate of the value
/// of a [`Mutex`](super::Mutex) holds. As [`std::sync::Condvar`].
///
/// All waiters of one condition variable have to use the same mutex, and the predicate has to
/// change under it: then no wake-up is lost. The two need not be in the same [`Group`] (though a
/// group is the place for them), and one mutex may have any number of condition variables. If
/// other waiters use another mutex, this cannot be detected.
///
/// A call may return without a notification, after 100 ms at most: a process that changed the
/// predicate may have died before it notified. So check the predicate in a loop, or use
/// [`Condvar::wait_while`], which does that.
///
/// ```
/// use memring::sync::Group;
/// use std::thread;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let group = Group::builder()
///     .mutex::<u64>("jobs", 0)
///     .condvar("more jobs")
///     .anonymous()?;
/// let (jobs, more) = (group.mutex::<u64>("jobs")?, group.condvar("more jobs")?);
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         *jobs.lock().unwrap() += 1;
///         more.notify_one();
///     });
///     let mut jobs = more.wait_while(jobs.lock().unwrap(), |jobs| *jobs == 0).unwrap();
///     *jobs -= 1;
/// });
/// # Ok(())
/// # }
/// ```
pub struct Condvar {
    part: PartHandle<AtomicU32>,
}

handle!([] Condvar, "condition variable", ());

/// Whether a wait ended by its time limit. As [`std::sync::WaitTimeoutResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time limit ended the wait.
    ///
    /// Example: [`Condvar::wait_timeout_while`].
    pub fn timed_out(self) -> bool {
        self.0
    }
}

/// The same of a call with a time limit.
type LockedInTime<'a, T> = Result<
    (MutexGuard<'a, T>, WaitTimeoutResult),
    LockError<(MutexGuard<'a, T>, WaitTimeoutResult)>,
>;

impl Condvar {
    /// Releases the lock and sleeps until notified, then takes the lock again. It may return
    /// without a notification.
    ///
    /// ```
    /// # use memring::sync::Group;
    /// # let group = Group::builder().mutex::<u64>("jobs", 0).condvar("more").anonymous()?;
    /// # let (jobs, more) = (group.mutex::<u64>("jobs")?, group.condvar("more")?);
    /// # std::thread::scope(|scope| {
    /// # scope.spawn(|| {
    /// #     *jobs.lock().unwrap() += 1;
    /// #     more.notify_all();
    /// # });
    /// let mut guard = jobs.lock().unwrap();
    /// while *guard == 0 {
    ///     guard = more.wait(guard).unwrap();
    /// }
    /// *guard -= 1;
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Mutex::lock`](super::Mutex::lock), when it takes the lock again; the guard is inside
    /// [`Poisoned`](LockError::Poisoned). With any other error the lock was released.
    pub fn wait<'a, T: SharedValue>(&self, guard: MutexGuard<'a, T>) -> Locked<'a, T> {
        let mutex = guard.mutex();
        self.sleep(guard, None)?;
        mutex.lock()
    }

    /// Waits as long as `condition` of the value is true. `condition` is called with the lock
    /// held.
    ///
    /// # Errors
    /// As [`Condvar::wait`]. `condition` does not get a value that was poisoned.
    pub fn wait_while<'a, T: SharedValue>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Locked<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// As [`Condvar::wait`], for `timeout` at most; then it takes the lock again, however
    /// long that takes.
    ///
    /// Example: [`wait_timeout_while`](Condvar::wait_timeout_while).
    ///
    /// # Errors
    /// As [`Condvar::wait`].
    pub fn wait_timeout<'a, T: SharedValue>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockedInTime<'a, T> {
        self.wait_until(guard, MonotonicTime::now().checked_add(timeout))
    }

    /// As [`Condvar::wait_timeout`], until `deadline` at most.
    ///
    /// Example: [`wait_timeout_while`](Condvar::wait_timeout_while).
    ///
    /// # Errors
    /// As [`Condvar::wait`].
    pub fn wait_deadline<'a, T: SharedValue>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> LockedInTime<'a, T> {
        self.wait_until(guard, Some(MonotonicTime::from_instant(deadline)))
    }

    /// Waits as long as `condition` of the value is true, for `timeout` at most. The result says
    /// whether it is still true.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// # use memring::sync::Group;
    /// # let group = Group::builder().mutex::<u64>("jobs", 0).condvar("more").anonymous()?;
    /// # let (jobs, more) = (group.mutex::<u64>("jobs")?, group.condvar("more")?);
    /// let limit = Duration::from_millis(1);
    /// let guard = jobs.lock().unwrap();
    /// let (guard, result) = more.wait_timeout_while(guard, limit, |jobs| *jobs == 0).unwrap();
    /// assert!(result.timed_out()); // no job came
    /// let (guard, _) = more.wait_timeout(guard, limit).unwrap();
    /// let (guard, _) = more.wait_deadline(guard, Instant::now()).unwrap();
    /// assert_eq!(*guard, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Condvar::wait`].
    pub fn wait_timeout_while<'a, T: SharedValue>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockedInTime<'a, T> {
        let deadline = MonotonicTime::now().checked_add(timeout);
        let mut late = WaitTimeoutResult(false);
        while condition(&mut guard) {
            if late.timed_out() {
                return Ok((guard, late));
            }
            (guard, late) = self.wait_until(guard, deadline)?;
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    /// `None`: later than any clock tells.
    fn wait_until<'a, T: SharedValue>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<MonotonicTime>,
    ) -> LockedInTime<'a, T> {
        let mutex = guard.mutex();
        let late = self.sleep(guard, deadline)?;
        match mutex.lock() {
            Ok(guard) => Ok((guard, late)),
            Err(LockError::Poisoned(poisoned)) => {
                let guard = poisoned.into_inner();
                Err(crate::error::PoisonError::new((guard, late)).into())
            }
            Err(LockError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Gives the lock back and sleeps, for the cap of a sleep at most.
    fn sleep<T: SharedValue>(
        &self,
        guard: MutexGuard<'_, T>,
        deadline: Option<MonotonicTime>,
    ) -> Result<WaitTimeoutResult, Failure> {
        let shared = self.part.shared();
        shared.region().check()?;
        guard.mutex().check()?;
        let park = shared.parker();
        let until = park.after(park.now(), SleepCap::new().duration());
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let in_full = condvar::sleep(self.part.word(), &park, until, || drop(guard));
        let is_late = || deadline.is_some_and(|deadline| deadline <= park.now());
        Ok(WaitTimeoutResult(in_full && is_late()))
    }

    /// Wakes one sleeper, if there is any. Use it if all sleepers wait for the same predicate: a
    /// sleeper that is woken in place of another does not pass the wake-up on (CV7). Call it
    /// after the predicate was changed, with the lock held or after its release.
    pub fn notify_one(&self) {
        if self.part.is_mapped() {
            condvar::notify_one(self.part.word(), &self.part.shared().parker());
        }
    }

    /// Wakes all sleepers.
    ///
    /// Example: [`wait`](Condvar::wait).
    pub fn notify_all(&self) {
        if self.part.is_mapped() {
            condvar::notify_all(self.part.word(), &self.part.shared().parker());
        }
    }
}

impl SharedObject for Condvar {
    type Initial = ();

    fn spec((): ()) -> PartSpec {
        PartSpec::plain(PartKind::Condvar, 0)
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::plain(PartKind::Condvar)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        Condvar {
            part: PartHandle::of_half(shared.0, index),
        }
    }
}

/// Another handle of the same member, for another thread.
impl Clone for Condvar {
    fn clone(&self) -> Self {
        Condvar {
            part: self.part.clone(),
        }
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Condvar`] of this name.
    pub fn condvar(self, name: &str) -> Self {
        self.part::<Condvar>(name, ())
    }
}

impl Group {
    /// Opens the [`Condvar`] of this name.
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn condvar(&self, name: &str) -> Result<Condvar, RingError> {
        self.part(name)
    }
}
