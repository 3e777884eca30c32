//! Barriers: parties that wait for one another.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::group::{Group, GroupBuilder};
use super::layout::{PartKind, PartSpec};
use super::memory;
use super::object::{ExpectedPart, SealedObject, SharedObject, SharedRef};
use super::part::PartHandle;
use super::single::{ObjectBuilder, handle};
use super::word::barrier::{Arrival, BarrierWords, RoundError};
use super::word::held::LOOKS;
use crate::error::{BarrierError, RingError};
use crate::members::Peer;
use crate::sys::atomic::AtomicU64;
use crate::sys::clock::MonotonicTime;

/// A barrier between processes: parties that wait until all have arrived, round after
/// round. As [`std::sync::Barrier`], with up to 24 parties.
///
/// Each party takes a [seat](Barrier::join), and waits by it. If a party dies, or gives up its
/// seat, before it has arrived, the others would wait for ever. The barrier is then *broken*, for
/// good, and all parties get [`BarrierError::Broken`]. If a party dies after it has arrived, that
/// round is still passed, and the next round is broken. The others wait for a party that has not
/// taken its seat yet.
///
/// ```
/// use memring::sync::Barrier;
/// use std::thread;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let barrier = Barrier::anonymous(2)?;
/// thread::scope(|scope| {
///     scope.spawn(|| barrier.join()?.wait());
///     let mut seat = barrier.join()?;
///     seat.wait() // both have arrived
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct Barrier {
    part: PartHandle<AtomicU64>,
    index: usize,
}

handle!([] Barrier, "barrier", (parties: u32));

/// A party of a [`Barrier`]. Dropping it gives up its seat, for good.
///
/// ```
/// use memring::sync::{Barrier, BarrierError};
/// use std::time::{Duration, Instant};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let barrier = Barrier::anonymous(2)?;
/// assert_eq!(barrier.parties(), 2);
/// let (mut ours, mut theirs) = (barrier.join()?, barrier.join()?);
/// let early = ours.wait_timeout(Duration::from_millis(1)); // the other has not arrived
/// assert!(matches!(early, Err(BarrierError::Timeout(_))));
/// let soon = Instant::now() + Duration::from_secs(60);
/// std::thread::scope(|scope| {
///     let other = scope.spawn(move || theirs.wait().map(|result| (result.is_leader(), theirs)));
///     let our_part = ours.wait_deadline(soon)?;
///     let (leads, _seat) = other.join().unwrap()?;
///     assert_ne!(our_part.is_leader(), leads); // one party leads
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "a seat that is dropped breaks the barrier"]
pub struct BarrierSeat<'b> {
    barrier: &'b Barrier,
    seat: usize,
}

/// Whether a party was the last to arrive. As [`std::sync::BarrierWaitResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether this party was the last to arrive in the round. Exactly one party is.
    ///
    /// Example: [`BarrierSeat`].
    pub fn is_leader(self) -> bool {
        self.0
    }
}

impl Barrier {
    fn words(&self) -> BarrierWords<'_> {
        let shared = self.part.shared();
        memory::barrier(shared.region(), &shared.parts()[self.index])
    }

    /// For how many parties the barrier was made.
    ///
    /// Example: [`BarrierSeat`].
    pub fn parties(&self) -> u32 {
        // 24 at most.
        self.part.shared().parts()[self.index].parameter as u32
    }

    /// Takes a seat. Each thread needs a seat of its own.
    ///
    /// # Errors
    /// [`BarrierError::Full`]: all seats were taken, perhaps by parties that have left since.
    /// [`BarrierError::Failed`].
    pub fn join(&self) -> Result<BarrierSeat<'_>, BarrierError> {
        let shared = self.part.shared();
        shared.region().check()?;
        let words = self.words();
        match words.sit(shared.id()) {
            Some(seat) => Ok(BarrierSeat {
                barrier: self,
                seat,
            }),
            None => Err(BarrierError::Full {
                seats: words.seats.len(),
            }),
        }
    }
}

impl BarrierSeat<'_> {
    /// Arrives, and waits until all parties have arrived. Everything that parties did before they
    /// arrived happened before this returns.
    ///
    /// # Errors
    /// [`BarrierError::Broken`]: a party died or left. [`BarrierError::Failed`].
    pub fn wait(&mut self) -> Result<BarrierWaitResult, BarrierError> {
        self.wait_until(None)
    }

    /// As [`BarrierSeat::wait`], for `timeout` at most. After a timeout, this party counts as not
    /// arrived.
    ///
    /// # Errors
    /// [`BarrierError::Timeout`] names a party that has not arrived. Else as
    /// [`BarrierSeat::wait`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<BarrierWaitResult, BarrierError> {
        self.wait_until(MonotonicTime::now().checked_add(timeout))
    }

    /// As [`BarrierSeat::wait_timeout`], until `deadline` at most.
    ///
    /// # Errors
    /// As [`BarrierSeat::wait_timeout`].
    pub fn wait_deadline(&mut self, deadline: Instant) -> Result<BarrierWaitResult, BarrierError> {
        self.wait_until(Some(MonotonicTime::from_instant(deadline)))
    }

    fn wait_until(
        &mut self,
        deadline: Option<MonotonicTime>,
    ) -> Result<BarrierWaitResult, BarrierError> {
        let shared = self.barrier.part.shared();
        shared.region().check()?;
        let words = self.barrier.words();
        let arrival = words.wait(self.seat, &**shared, shared.parker(), Some(LOOKS), deadline);
        match arrival {
            Ok(arrival) => Ok(BarrierWaitResult(arrival == Arrival::Last)),
            Err(RoundError::Broken) => Err(BarrierError::Broken),
            Err(RoundError::Timeout(missing)) => {
                let missing = missing.map(|id| shared.owner(id));
                Err(BarrierError::Timeout(missing))
            }
            Err(RoundError::Failed(failure)) => Err(failure.into()),
        }
    }
}

impl Drop for BarrierSeat<'_> {
    fn drop(&mut self) {
        let part = &self.barrier.part;
        // In a forked child the seat is the parent's.
        if part.is_mapped() {
            let parker = part.shared().parker();
            self.barrier.words().leave(self.seat, &parker);
        }
    }
}

impl SharedObject for Barrier {
    type Initial = u32;

    fn spec(parties: u32) -> PartSpec {
        PartSpec::plain(PartKind::Barrier, parties.into())
    }

    fn expected() -> ExpectedPart {
        ExpectedPart::plain(PartKind::Barrier)
    }

    fn from_part(shared: SharedRef, index: usize) -> Self {
        Barrier {
            part: PartHandle::of_word(shared.0, index),
            index,
        }
    }
}

/// Another handle of the same member, for another thread.
impl Clone for Barrier {
    fn clone(&self) -> Self {
        Barrier {
            part: self.part.clone(),
            index: self.index,
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("path", &self.path())
            .field("parties", &self.parties())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BarrierSeat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierSeat")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl GroupBuilder {
    /// Adds a [`Barrier`] of this name, for `parties` parties: 1 to 24.
    pub fn barrier(self, name: &str, parties: u32) -> Self {
        self.part::<Barrier>(name, parties)
    }
}

impl Group {
    /// Opens the [`Barrier`] of this name.
    ///
    /// Example: [`GroupBuilder`].
    ///
    /// # Errors
    /// As [`Group::part`].
    pub fn barrier(&self, name: &str) -> Result<Barrier, RingError> {
        self.part(name)
    }
}
