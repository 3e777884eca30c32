//! Locking.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::object::SharedValue;
use super::super::shared::{Shared, may_probe};
use super::super::word::held::{HeldError, LOOKS, Waiting};
use super::super::word::lock::{LockCount, LockRules, POISONED};
use super::{Locked, Mutex, MutexGuard};
use crate::error::{Failure, LockError, LockTimeoutError, PoisonError, TryLockError};
use crate::sys::clock::MonotonicTime;
use crate::wait::parker::Parker;

impl<T: SharedValue> Mutex<T> {
    pub(in crate::sync) fn check(&self) -> Result<(), Failure> {
        self.part.shared().region().check()
    }

    /// The guard of the lock that was just taken, by `held`.
    #[inline(always)]
    fn guard<'a, E>(&'a self, held: u64) -> Result<MutexGuard<'a, T>, E>
    where
        E: From<PoisonError<MutexGuard<'a, T>>>,
    {
        let guard = MutexGuard::new(self, held);
        match held & POISONED {
            0 => Ok(guard),
            _ => Err(PoisonError::new(guard).into()),
        }
    }

    /// Takes the lock, if this handle is good and the lock is free.
    #[inline(always)]
    fn try_lock_fast(&self) -> Option<u64> {
        match self.part.has_fast_paths() {
            true => self.word().try_lock(self.part.me()),
            false => None,
        }
    }

    /// As `try_lock_fast`, by a call that waits for the lock if another holds it: it may take
    /// the line from the holder.
    #[inline(always)]
    fn try_lock_expecting(&self) -> Option<u64> {
        if !self.part.has_fast_paths() {
            return None;
        }
        // Relaxed: a wrong one is noticed.
        let count = LockCount::of(self.last_count.load(Ordering::Relaxed));
        self.word().try_lock_expecting(count, self.part.me())
    }

    fn waiting(&self) -> Waiting<'_, LockRules, Shared, Parker> {
        let shared = self.part.shared();
        Waiting::new(self.part.word(), LockRules, &**shared, shared.parker())
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, deadline: Option<MonotonicTime>) -> Result<u64, HeldError> {
        self.check().map_err(HeldError::Failed)?;
        self.waiting().wait(Some(LOOKS), deadline)
    }

    fn lock_until(
        &self,
        deadline: impl FnOnce() -> Option<MonotonicTime>,
    ) -> Result<MutexGuard<'_, T>, LockTimeoutError<MutexGuard<'_, T>>> {
        if let Some(held) = self.try_lock_fast() {
            return self.guard(held);
        }
        match self.lock_slow(deadline()) {
            Ok(held) => self.guard(held),
            Err(HeldError::Timeout(holder)) => {
                let owner = holder.map(|id| self.part.shared().owner(id));
                Err(LockTimeoutError::Timeout(owner))
            }
            Err(HeldError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes the lock, and waits for it as long as it takes. A thread that locks twice waits for
    /// itself, for ever.
    ///
    /// Everything that earlier holders stored in the value is visible when this returns
    /// (Acquire).
    ///
    /// # Errors
    /// [`LockError::Poisoned`], with the guard inside: a holder died or panicked.
    /// [`LockError::Failed`]: [`Failure::Forked`], [`Failure::Corrupted`],
    /// [`Failure::DescriptorClosed`].
    #[inline(always)]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        match self.try_lock_expecting() {
            Some(held) if held & POISONED == 0 => Ok(MutexGuard::new(self, held)),
            taken => self.lock_contended(taken),
        }
    }

    /// The slow path of [`Mutex::lock`], after the fast one took what is poisoned, or nothing.
    #[cold]
    #[inline(never)]
    fn lock_contended(&self, taken: Option<u64>) -> Locked<'_, T> {
        if let Some(held) = taken {
            return self.guard(held);
        }
        loop {
            match self.lock_slow(None) {
                Ok(held) => return self.guard(held),
                Err(HeldError::Failed(failure)) => return Err(failure.into()),
                // Without a deadline there is none to pass.
                Err(HeldError::Timeout(_)) => {}
            }
        }
    }

    /// Takes the lock if that takes no waiting. Whether the holder has died is checked once in
    /// 100 ms.
    ///
    /// # Errors
    /// [`TryLockError::Held`]: another thread, of this process or another, holds the lock. Else
    /// as [`Mutex::lock`].
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        if let Some(held) = self.try_lock_fast() {
            return self.guard(held);
        }
        self.check()?;
        match self.waiting().attempt(may_probe(&self.probe_again)) {
            Ok(held) => self.guard(held),
            Err(HeldError::Timeout(holder)) => {
                let owner = holder.map(|id| self.part.shared().owner(id));
                Err(TryLockError::Held(owner))
            }
            Err(HeldError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes the lock, and waits for it for `timeout` at most.
    ///
    /// # Errors
    /// [`LockTimeoutError::Timeout`] names the process that holds it, whether busy or
    /// stopped. Else as [`Mutex::lock`].
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, LockTimeoutError<MutexGuard<'_, T>>> {
        self.lock_until(|| MonotonicTime::now().checked_add(timeout))
    }

    /// Takes the lock, and waits for it until `deadline` at most.
    ///
    /// # Errors
    /// As [`Mutex::lock_timeout`].
    pub fn lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<MutexGuard<'_, T>, LockTimeoutError<MutexGuard<'_, T>>> {
        self.lock_until(|| Some(MonotonicTime::from_instant(deadline)))
    }

    /// Whether a holder died or panicked, and no holder has declared the value repaired since.
    /// The death of a holder counts from the time when another handle notices it.
    ///
    /// Example: [`PoisonError`].
    pub fn is_poisoned(&self) -> bool {
        self.part.is_mapped() && self.word().is_poisoned()
    }

    /// Declares the value repaired: later holders get the lock without
    /// [`Poisoned`](LockError::Poisoned). Call it with the lock held. While another handle holds
    /// the lock it does nothing, for then the value is that one's to judge. If this process dies
    /// before it has given the lock back, the value is poisoned again.
    pub fn clear_poison(&self) {
        if self.part.is_mapped() {
            self.word().clear_poison(self.part.me());
        }
    }
}
