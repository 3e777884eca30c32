//! Semaphores: a fixed number of permits.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64 as PrivateWord, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec, SLOTS_OFFSET};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef};
use super::part::PartHandle;
use super::shared::Shared;
use super::shared::may_probe;
use super::single::{ObjectBuilder, handle};
use super::word::held::LOOKS;
use super::word::semaphore::{Acquiring, Permit, PermitError, Permits, SemaphoreHead};
use crate::error::{AcquireTimeoutError, Failure, LockOwner, RingError, TryAcquireError};
use crate::members::Peer;
use crate::sys::clock::MonotonicTime;
use crate::wait::parker::Parker;

/// A fixed number of permits, which processes take and give back: for work that only a limited
/// number may do at a time.
///
/// Each permit is a word of its own that names the handle that holds it. If the process of a
/// holder dies, its permits become free again: a call that finds no free permit takes that of a
/// dead holder, at once when it begins to wait, and else within 100 ms. A holder that is stopped
/// keeps its permit. Taking a free permit is one compare-and-swap for each handle that wants the
/// same permit just then. Giving it back is a swap.
///
/// Waiters get permits in no particular order.
///
/// ```
/// use memring::sync::{Semaphore, TryAcquireError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-semaphore-{}", std::process::id());
/// // Every process: the first one makes it.
/// let connections = Semaphore::open_or_create(name, 2)?;
/// let one = connections.acquire()?;
/// let two = connections.acquire()?;
/// assert_eq!(connections.try_acquire().err(), Some(TryAcquireError::NoPermit));
/// drop(one);
/// let three = connections.acquire()?;
/// # drop((two, three));
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
pub struct Semaphore {
    part: PartHandle<SemaphoreHead>,
    permits: usize,
    /// Where a free permit was last: private.
    hint: AtomicUsize,
    /// When a failing `try_acquire` may probe again, by the coarse clock.
    probe_again: PrivateWord,
}

handle!([] Semaphore, "semaphore", (permits: u32));

/// A permit of a [`Semaphore`]. Dropping it gives the permit back.
///
/// A permit that is leaked stays taken until the last clone of its handle is dropped. In a forked
/// child the permit belongs to the parent, and dropping it does nothing.
#[must_use = "if unused the permit is given back at once"]
pub struct SemaphoreGuard<'a> {
    semaphore: &'a Semaphore,
    permit: Permit,
}

impl Drop for SemaphoreGuard<'_> {
    fn drop(&mut self) {
        let part = &self.semaphore.part;
        // In a forked child the permit is the parent's.
        if part.is_mapped() {
            let parker = part.shared().parker();
            let permits = self.semaphore.words();
            permits.release(self.permit, parker.0, &parker);
            // Relaxed: wherever it leads, it is only where a look begins.
            self.semaphore
                .hint
                .store(self.permit.slot, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for SemaphoreGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphoreGuard")
            .field("permit", &self.permit.slot)
            .finish_non_exhaustive()
    }
}

impl Semaphore {
    #[inline]
    fn words(&self) -> Permits<'_> {
        Permits {
            event: &self.part.word().event,
            slots: self.part.words(SLOTS_OFFSET, self.permits),
        }
    }

    fn try_acquire_fast(&self) -> Option<Permit> {
        match self.part.has_fast_paths() {
            true => {
                let from = self.hint.load(Ordering::Relaxed);
                self.words().try_acquire(self.part.me(), from)
            }
            false => None,
        }
    }

    fn guard(&self, permit: Permit) -> SemaphoreGuard<'_> {
        SemaphoreGuard {
            semaphore: self,
            permit,
        }
    }

    fn acquiring(&self) -> Acquiring<'_, Shared, Parker> {
        let shared = self.part.shared();
        let parker = shared.parker();
        Acquiring::new(self.words(), &**shared, parker, parker.0)
    }

    #[cold]
    fn acquire_slow(&self, deadline: Option<MonotonicTime>) -> Result<Permit, PermitError> {
        let shared = self.part.shared();
        shared.region().check().map_err(PermitError::Failed)?;
        self.acquiring().wait(Some(LOOKS), deadline)
    }

    fn acquire_until(
        &self,
        deadline: impl FnOnce() -> Option<MonotonicTime>,
    ) -> Result<SemaphoreGuard<'_>, AcquireTimeoutError> {
        if let Some(permit) = self.try_acquire_fast() {
            return Ok(self.guard(permit));
        }
        match self.acquire_slow(deadline()) {
            Ok(permit) => Ok(self.guard(permit)),
            Err(PermitError::Timeout(holder)) => Err(AcquireTimeoutError::Timeout {
                holder: holder.map(|id| self.part.shared().owner(id)),
            }),
            Err(PermitError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes a permit, and waits for it as long as it takes.
    ///
    /// Everything that the earlier holder of the permit stored is visible when this returns
    /// (Acquire).
    ///
    /// # Errors
    /// [`Failure::Forked`], [`Failure::Corrupted`], [`Failure::DescriptorClosed`].
    pub fn acquire(&self) -> Result<SemaphoreGuard<'_>, Failure> {
        loop {
            match self.acquire_until(|| None) {
                Ok(guard) => return Ok(guard),
                Err(AcquireTimeoutError::Failed(failure)) => return Err(failure),
                // Without a deadline there is none to pass.
                Err(AcquireTimeoutError::Timeout { .. }) => {}
            }
        }
    }

    /// Takes a permit, if that takes no waiting. Whether a holder has died is checked once in 100
    /// ms.
    ///
    /// # Errors
    /// [`TryAcquireError::NoPermit`]; else as [`Semaphore::acquire`].
    pub fn try_acquire(&self) -> Result<SemaphoreGuard<'_>, TryAcquireError> {
        if let Some(permit) = self.try_acquire_fast() {
            return Ok(self.guard(permit));
        }
        self.part.shared().region().check()?;
        match self.acquiring().attempt(may_probe(&self.probe_again)) {
            Ok(permit) => Ok(self.guard(permit)),
            Err(PermitError::Timeout(_)) => Err(TryAcquireError::NoPermit),
            Err(PermitError::Failed(failure)) => Err(failure.into()),
        }
    }

    /// Takes a permit, and waits for it for `timeout` at most.
    ///
    /// # Errors
    /// [`AcquireTimeoutError::Timeout`] names a handle that holds a permit, whether busy or
    /// stopped. Else as [`Semaphore::acquire`].
    pub fn acquire_timeout(
        &self,
        timeout: Duration,
    ) -> Result<SemaphoreGuard<'_>, AcquireTimeoutError> {
        self.acquire_until(|| MonotonicTime::now().checked_add(timeout))
    }

    /// Takes a permit, and waits for it until `deadline` at most.
    ///
    /// # Errors
    /// As [`Semaphore::acquire_timeout`].
    pub fn acquire_deadline(
        &self,
        deadline: Instant,
    ) -> Result<SemaphoreGuard<'_>, AcquireTimeoutError> {
        self.acquire_until(|| Some(MonotonicTime::from_instant(deadline)))
    }

    /// How many permits there are, free or not: 1 to 4096, as its maker chose.
    ///
    /// Example: [`holders`](Semaphore::holders).
    pub fn permits(&self) -> u32 {
        self.permits as u32 // at most 4096
    }

    /// How many permits are free just now. Permits of dead holders count as taken until another
    /// handle notices the death. 0 in a forked child.
    ///
    /// Example: [`holders`](Semaphore::holders).
    pub fn available(&self) -> u32 {
        match self.part.is_mapped() {
            true => self.words().available() as u32,
            false => 0,
        }
    }

    /// Returns the handles that hold permits just now, with one entry for each permit.
    ///
    /// ```
    /// # use memring::sync::Semaphore;
    /// let connections = Semaphore::anonymous(8)?;
    /// let one = connections.acquire()?;
    /// assert_eq!((connections.permits(), connections.available()), (8, 7));
    /// assert_eq!(connections.holders()[0].pid, std::process::id());
    /// # drop(one);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn holders(&self) -> Vec<LockOwner> {
        let shared = self.part.shared();
        match self.part.is_mapped() {
            true => self.words().holders().map(|id| shared.owner(id)).collect(),
            false => Vec::new(),
        }
    }
}

impl SharedObject for Semaphore {
    /// How many permits there are: 1 to 4096.
    type Initial = u32;

    fn spec(permits: u32) -> PartSpec {
        PartSpec::plain(PartKind::Semaphore, permits.into())
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::plain(PartKind::Semaphore)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        // At most 4096: it was checked.
        let permits = shared.0.parts()[index].parameter as usize;
        Semaphore {
            part: PartHandle::of_semaphore(shared.0, index),
            permits,
            hint: AtomicUsize::new(0),
            probe_again: PrivateWord::new(0),
        }
    }
}

/// Another handle of the same member, for another thread.
impl Clone for Semaphore {
    fn clone(&self) -> Self {
        Semaphore {
            part: self.part.clone(),
            permits: self.permits,
            hint: AtomicUsize::new(0),
            probe_again: PrivateWord::new(0),
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("path", &self.path())
            .field("permits", &self.permits())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Semaphore`] of this name, with `permits` permits: 1 to 4096.
    pub fn semaphore(self, name: &str, permits: u32) -> Self {
        self.part::<Semaphore>(name, permits)
    }
}

impl Group {
    /// Opens the [`Semaphore`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn semaphore(&self, name: &str) -> Result<Semaphore, RingError> {
        self.part(name)
    }
}
