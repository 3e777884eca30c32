//! A number that processes change without a lock.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec};
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use crate::error::{Failure, RingError};
use crate::members::Peer;
use crate::sys::atomic::{AtomicU64, Ordering};

mod sealed {
    pub trait SealedCount {}
    impl SealedCount for u64 {}
    impl SealedCount for i64 {}
}

/// The number of a [`Counter`]: `u64` or `i64`. The trait is sealed to these two.
pub trait CounterValue:
    sealed::SealedCount + Copy + Ord + fmt::Debug + Send + Sync + 'static
{
    /// Which of them, in the directory.
    #[doc(hidden)]
    const SORT: u64;
    #[doc(hidden)]
    fn to_bits(self) -> u64;
    #[doc(hidden)]
    fn from_bits(bits: u64) -> Self;
}

impl CounterValue for u64 {
    const SORT: u64 = 0;

    fn to_bits(self) -> u64 {
        self
    }

    fn from_bits(bits: u64) -> Self {
        bits
    }
}

impl CounterValue for i64 {
    const SORT: u64 = 1;

    fn to_bits(self) -> u64 {
        self.cast_unsigned()
    }

    fn from_bits(bits: u64) -> Self {
        bits.cast_signed()
    }
}

/// A number in shared memory that processes change without a lock: as
/// [`std::sync::atomic::AtomicU64`] or
/// [`AtomicI64`](std::sync::atomic::AtomicI64), between processes.
///
/// A process that is killed has made each of its changes completely or not at all. Numbers wrap
/// around. Each change is a read-modify-write (AcqRel) and returns the number before;
/// [`get`](Counter::get) is a load (Acquire), [`set`](Counter::set) a store (Release). So a
/// process that sees a change also sees everything that was stored before the change.
///
/// The only error is [`Failure`], of a handle that cannot be used: in a forked child
/// ([`Failure::Forked`]).
///
/// ```
/// use memring::sync::Counter;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = &format!("doc-counter-{}", std::process::id());
/// // Every process: the first one makes it.
/// let served = Counter::<u64>::open_or_create(name, 0)?;
/// served.add(3)?;
/// assert_eq!(served.add(1)?, 3);
/// assert_eq!(served.get()?, 4);
///
/// let balance = Counter::anonymous(5i64)?;
/// balance.sub(8)?;
/// assert_eq!(balance.get()?, -3);
/// # memring::remove(name)?;
/// # Ok(())
/// # }
/// ```
pub struct Counter<N: CounterValue = u64> {
    part: PartHandle<AtomicU64>,
    marker: PhantomData<N>,
}

handle!([N: CounterValue] Counter<N>, "counter", (value: N));

impl<N: CounterValue> Counter<N> {
    /// The word, if this handle is good.
    #[inline(always)]
    fn word(&self) -> Result<&AtomicU64, Failure> {
        self.part.check()?;
        Ok(self.part.word())
    }

    /// Returns the number.
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn get(&self) -> Result<N, Failure> {
        // Acquire: pairs with the changes of others, here and below.
        Ok(N::from_bits(self.word()?.load(Ordering::Acquire)))
    }

    /// Stores a number.
    ///
    /// Example: [`fetch_update`](Counter::fetch_update).
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn set(&self, value: N) -> Result<(), Failure> {
        // Release: pairs with the load in `get`, and with changes.
        self.word()?.store(value.to_bits(), Ordering::Release);
        Ok(())
    }

    /// Adds, and returns the number before.
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn add(&self, by: N) -> Result<N, Failure> {
        // AcqRel: pairs with itself and the other changes. In two's complement it is the
        // same for both sorts.
        let found = self.word()?.fetch_add(by.to_bits(), Ordering::AcqRel);
        Ok(N::from_bits(found))
    }

    /// Subtracts, and returns the number before.
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn sub(&self, by: N) -> Result<N, Failure> {
        self.add(N::from_bits(by.to_bits().wrapping_neg()))
    }

    /// Stores a number, and returns the number before.
    ///
    /// Example: [`fetch_update`](Counter::fetch_update).
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn swap(&self, value: N) -> Result<N, Failure> {
        // AcqRel, as in `add`.
        let found = self.word()?.swap(value.to_bits(), Ordering::AcqRel);
        Ok(N::from_bits(found))
    }

    /// Stores `new` if the number is `current`, and returns `Ok(Ok(current))`. Else returns
    /// `Ok(Err(found))` with the number that is there.
    ///
    /// Example: [`fetch_update`](Counter::fetch_update).
    ///
    /// # Errors
    /// [`Failure::Forked`].
    #[inline]
    pub fn compare_exchange(&self, current: N, new: N) -> Result<Result<N, N>, Failure> {
        // AcqRel, as in `add`; Acquire: as in `get`.
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let word = self.word()?;
        let swapped = word.compare_exchange(current.to_bits(), new.to_bits(), success, failure);
        Ok(swapped.map(N::from_bits).map_err(N::from_bits))
    }

    /// Stores what `change` makes of the number, and returns the number before. If `change`
    /// returns `None`, the number stays, and the result is `Ok(Err(found))`. `change` is called
    /// again if another process was quicker. This is lock-free: each call after the first means
    /// that another process has made a change.
    ///
    /// ```
    /// # use memring::sync::Counter;
    /// let free = Counter::<u64>::anonymous(2)?;
    /// // Takes one, unless none is left.
    /// let take = || free.fetch_update(|free| free.checked_sub(1));
    /// assert_eq!((take()?, take()?, take()?), (Ok(2), Ok(1), Err(0)));
    /// free.set(5)?;
    /// assert_eq!(free.swap(7)?, 5);
    /// assert_eq!(free.compare_exchange(7, 8)?, Ok(7));
    /// assert_eq!(free.compare_exchange(7, 9)?, Err(8));
    /// assert_eq!(free.fetch_max(10)?, 8); // the most that there ever was
    /// assert_eq!(free.fetch_min(3)?, 10);
    /// assert_eq!(free.get()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Failure::Forked`].
    pub fn fetch_update(
        &self,
        mut change: impl FnMut(N) -> Option<N>,
    ) -> Result<Result<N, N>, Failure> {
        let mut found = self.get()?;
        loop {
            let Some(new) = change(found) else {
                return Ok(Err(found));
            };
            match self.compare_exchange(found, new)? {
                Ok(before) => return Ok(Ok(before)),
                Err(other) => found = other,
            }
        }
    }

    /// Stores the larger of the number and `value`; returns the number before.
    ///
    /// Example: [`fetch_update`](Counter::fetch_update).
    ///
    /// # Errors
    /// [`Failure::Forked`].
    pub fn fetch_max(&self, value: N) -> Result<N, Failure> {
        let larger = |found| (found < value).then_some(value);
        Ok(self.fetch_update(larger)?.unwrap_or_else(|found| found))
    }

    /// Stores the smaller of the number and `value`; returns the number before.
    ///
    /// Example: [`fetch_update`](Counter::fetch_update).
    ///
    /// # Errors
    /// [`Failure::Forked`].
    pub fn fetch_min(&self, value: N) -> Result<N, Failure> {
        let smaller = |found| (found > value).then_some(value);
        Ok(self.fetch_update(smaller)?.unwrap_or_else(|found| found))
    }
}

impl<N: CounterValue> SharedObject for Counter<N> {
    type Initial = N;

    fn spec(initial: N) -> PartSpec {
        PartSpec {
            parameter: N::SORT,
            ..PartSpec::of(PartKind::Counter, &initial.to_bits())
        }
    }

    fn expected() -> ExpectedPart {
        ExpectedPart {
            parameter: Some(N::SORT),
            ..ExpectedPart::of::<u64>(PartKind::Counter)
        }
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        Counter {
            part: PartHandle::of_word(shared.0, index),
            marker: PhantomData,
        }
    }
}

/// Another handle of the same member, for another thread.
impl<N: CounterValue> Clone for Counter<N> {
    fn clone(&self) -> Self {
        Counter {
            part: self.part.clone(),
            marker: PhantomData,
        }
    }
}

impl<N: CounterValue> fmt::Debug for Counter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("path", &self.path())
            .field("value", &self.get())
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Counter`] of this name, which starts with `value`: an `u64` or an `i64`.
    pub fn counter<N: CounterValue>(self, name: &str, value: N) -> Self {
        self.part::<Counter<N>>(name, value)
    }
}

impl Group {
    /// Opens the [`Counter`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn counter<N: CounterValue>(&self, name: &str) -> Result<Counter<N>, RingError> {
        self.part(name)
    }
}
