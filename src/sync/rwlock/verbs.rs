//! Locking.

use std::time::{Duration, Instant};

use super::super::object::SharedValue;
use super::super::shared::may_probe;
use super::super::word::held::{HeldError, LOOKS};
use super::super::word::rwlock::POISONED;
use super::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use crate::error::{Failure, LockError, LockOwner, LockTimeoutError, PoisonError, TryLockError};
use crate::members::MemberId;
use crate::sys::clock::MonotonicTime;

impl<T: SharedValue> RwLock<T> {
    fn check(&self) -> Result<(), Failure> {
        self.part.shared().region().check()
    }

    fn owner(&self, holder: Option<MemberId>) -> Option<LockOwner> {
        holder.map(|id| self.part.shared().owner(id))
    }

    /// The guard of a reader that was just counted, while the word was `word`.
    #[inline(always)]
    fn read_guard<'a, E>(&'a self, word: u64) -> Result<RwLockReadGuard<'a, T>, E>
    where
        E: From<PoisonError<RwLockReadGuard<'a, T>>>,
    {
        let guard = RwLockReadGuard::new(self);
        match word & POISONED {
            0 => Ok(guard),
            _ => Err(PoisonError::new(guard).into()),
        }
    }

    /// The guard of a writer that has just taken the lock, by `held`.
    #[inline(always)]
    fn write_guard<'a, E>(&'a self, held: u64) -> Result<RwLockWriteGuard<'a, T>, E>
    where
        E: From<PoisonError<RwLockWriteGuard<'a, T>>>,
    {
        let guard = RwLockWriteGuard::new(self, held);
        match held & POISONED {
            0 => Ok(guard),
            _ => Err(PoisonError::new(guard).into()),
        }
    }

    #[inline(always)]
    fn try_read_fast(&self) -> Option<u64> {
        let part = &self.part;
        match part.has_fast_paths() {
            true => self.lock().try_read(part.me(), &part.shared().parker()),
            false => None,
        }
    }

    #[cold]
    #[inline(never)]
    fn read_slow(&self, deadline: Option<MonotonicTime>) -> Result<u64, HeldError> {
        self.check().map_err(HeldError::Failed)?;
        let shared = self.part.shared();
        let parker = shared.parker();
        self.lock().read(&**shared, &parker, LOOKS, deadline)
    }

    fn read_until(
        &self,
        deadline: impl FnOnce() -> Option<MonotonicTime>,
    ) -> Result<RwLockReadGuard<'_, T>, LockTimeoutError<RwLockReadGuard<'_, T>>> {
        if let Some(word) = self.try_read_fast() {
            return self.read_guard(word);
        }
        match self.read_slow(deadline()) {
            Ok(word) => self.read_guard(word),
            Err(HeldError::Timeout(holder)) => Err(LockTimeoutError::Timeout(self.owner(holder))),
            Err(HeldError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes the lock for reading, and waits as long as it takes. It also waits for a writer that
    /// waits for others, unless this handle reads already. A thread that has a write guard waits
    /// for itself.
    ///
    /// Everything that earlier writers stored in the value is visible when this returns
    /// (Acquire).
    ///
    /// # Errors
    /// [`LockError::Poisoned`], with the guard inside: a writer died or panicked.
    /// [`LockError::Failed`]: [`Failure::Forked`], [`Failure::Corrupted`],
    /// [`Failure::DescriptorClosed`].
    #[inline]
    pub fn read(&self) -> Result<RwLockReadGuard<'_, T>, LockError<RwLockReadGuard<'_, T>>> {
        if let Some(word) = self.try_read_fast() {
            return self.read_guard(word);
        }
        match self.read_slow(None) {
            Ok(word) => self.read_guard(word),
            Err(HeldError::Failed(failure)) => Err(failure.into()),
            // Without a deadline there is none to pass.
            Err(HeldError::Timeout(_)) => self.read(),
        }
    }

    /// Takes the lock for reading, if that takes no waiting. Whether a writer has died is checked
    /// once in 100 ms.
    ///
    /// # Errors
    /// [`TryLockError::Held`]: another thread, of this process or another, writes or waits to
    /// write. Else as [`RwLock::read`].
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError<RwLockReadGuard<'_, T>>> {
        if let Some(word) = self.try_read_fast() {
            return self.read_guard(word);
        }
        self.check()?;
        let shared = self.part.shared();
        let may_probe = may_probe(&self.probe_again);
        match self
            .lock()
            .read_at_once(&**shared, &shared.parker(), may_probe)
        {
            Ok(word) => self.read_guard(word),
            Err(HeldError::Timeout(holder)) => Err(TryLockError::Held(self.owner(holder))),
            Err(HeldError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes the lock for reading, and waits for `timeout` at most.
    ///
    /// # Errors
    /// [`LockTimeoutError::Timeout`] names the process that writes or waits to write, whether
    /// busy or stopped. Else as [`RwLock::read`].
    pub fn read_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockReadGuard<'_, T>, LockTimeoutError<RwLockReadGuard<'_, T>>> {
        self.read_until(|| MonotonicTime::now().checked_add(timeout))
    }

    /// Takes the lock for reading, and waits until `deadline` at most.
    ///
    /// # Errors
    /// As [`RwLock::read_timeout`].
    pub fn read_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RwLockReadGuard<'_, T>, LockTimeoutError<RwLockReadGuard<'_, T>>> {
        self.read_until(|| Some(MonotonicTime::from_instant(deadline)))
    }

    fn write_slow(&self, deadline: Option<MonotonicTime>) -> Result<u64, HeldError> {
        self.check().map_err(HeldError::Failed)?;
        let shared = self.part.shared();
        let parker = shared.parker();
        self.lock().write(&**shared, &parker, LOOKS, deadline)
    }

    fn write_until(
        &self,
        deadline: Option<MonotonicTime>,
    ) -> Result<RwLockWriteGuard<'_, T>, LockTimeoutError<RwLockWriteGuard<'_, T>>> {
        match self.write_slow(deadline) {
            Ok(held) => self.write_guard(held),
            Err(HeldError::Timeout(holder)) => Err(LockTimeoutError::Timeout(self.owner(holder))),
            Err(HeldError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes the lock for writing, and waits as long as it takes: for the writer before it, and
    /// then for the readers, while no new readers come in. A thread that has a guard waits for
    /// itself.
    ///
    /// # Errors
    /// As [`RwLock::read`].
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, T>, LockError<RwLockWriteGuard<'_, T>>> {
        loop {
            match self.write_slow(None) {
                Ok(held) => return self.write_guard(held),
                Err(HeldError::Failed(failure)) => return Err(failure.into()),
                // Without a deadline there is none to pass.
                Err(HeldError::Timeout(_)) => {}
            }
        }
    }

    /// Takes the lock for writing, if that takes no waiting. Whether a holder has died is checked
    /// once in 100 ms.
    ///
    /// # Errors
    /// [`TryLockError::Held`] names a handle that reads or writes. Else as [`RwLock::read`].
    pub fn try_write(
        &self,
    ) -> Result<RwLockWriteGuard<'_, T>, TryLockError<RwLockWriteGuard<'_, T>>> {
        self.check()?;
        let (shared, mut may) = (self.part.shared(), None);
        let may_probe = || *may.get_or_insert_with(|| may_probe(&self.probe_again));
        match self
            .lock()
            .write_at_once(&**shared, &shared.parker(), may_probe)
        {
            Ok(held) => self.write_guard(held),
            Err(HeldError::Timeout(holder)) => Err(TryLockError::Held(self.owner(holder))),
            Err(HeldError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes the lock for writing, and waits for `timeout` at most.
    ///
    /// # Errors
    /// [`LockTimeoutError::Timeout`] names a process that writes or reads, whether busy or
    /// stopped. Else as [`RwLock::read`].
    pub fn write_timeout(
        &self,
        timeout: Duration,
    ) -> Result<RwLockWriteGuard<'_, T>, LockTimeoutError<RwLockWriteGuard<'_, T>>> {
        self.write_until(MonotonicTime::now().checked_add(timeout))
    }

    /// Takes the lock for writing, and waits until `deadline` at most.
    ///
    /// # Errors
    /// As [`RwLock::write_timeout`].
    pub fn write_deadline(
        &self,
        deadline: Instant,
    ) -> Result<RwLockWriteGuard<'_, T>, LockTimeoutError<RwLockWriteGuard<'_, T>>> {
        self.write_until(Some(MonotonicTime::from_instant(deadline)))
    }

    /// Whether a writer died or panicked, and no writer has declared the value repaired since.
    /// The death of a writer counts from the time when another handle notices it.
    ///
    /// Example: [`clear_poison`](RwLock::clear_poison).
    pub fn is_poisoned(&self) -> bool {
        self.part.is_mapped() && self.lock().is_poisoned()
    }

    /// Declares the value repaired: later holders get the lock without
    /// [`Poisoned`](LockError::Poisoned). Call it with a write guard. While another handle
    /// writes, this does nothing, since that handle has to judge the value. If this process dies
    /// before it has released the lock, the value is poisoned again.
    ///
    /// ```
    /// # use memring::sync::{LockError, RwLock};
    /// # let table = RwLock::anonymous([0u32; 16])?;
    /// std::thread::scope(|scope| {
    ///     let dies = || {
    ///         let _held = table.write();
    ///         panic!("in the middle");
    ///     };
    ///     scope.spawn(dies).join().unwrap_err();
    /// });
    /// assert!(table.is_poisoned());
    /// if let Err(LockError::Poisoned(poisoned)) = table.write() {
    ///     let mut guard = poisoned.into_inner();
    ///     guard.fill(0); // repairs it
    ///     table.clear_poison();
    /// }
    /// assert!(table.read().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_poison(&self) {
        if self.part.is_mapped() {
            self.lock().clear_poison(self.part.me());
        }
    }
}
