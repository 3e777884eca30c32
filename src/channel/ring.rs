//! The handle of an open ring.

use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use super::segment::Segment;
use super::stats::{self, Stats};
use crate::error::{Failure, RingError};
use crate::members::Recover;
use crate::message::Message;
use crate::ring::end;
use crate::ring::kind::Kind;
use crate::ring::options::Layout;
use crate::shm::Warning;

/// A ring in shared memory, open in this process.
///
/// `T` is the message, `K` one of [`Spsc`](crate::Spsc),
/// [`Mpsc`](crate::Mpsc), [`Spmc`](crate::Spmc) and [`Mpmc`](crate::Mpmc).
/// Endpoints come from [`Ring::sender`] and [`Ring::receiver`]. Cloning the
/// handle is cheap; the memory is unmapped with the last of its handles and
/// endpoints. A ring with a name stays, with what is in it, until it is
/// [removed](crate::remove).
///
/// ```
/// use memring::{Layout, Ring, Spsc};
///
/// # let name = &format!("doc-ring-{}", std::process::id());
/// let ring = Ring::<u64, Spsc>::create(name, 100)?;
/// assert_eq!((ring.capacity(), ring.message_size()), (100, 8));
/// assert_eq!(ring.layout(), Some(Layout::Lines));
/// assert!(ring.path().is_some_and(|path| path.ends_with(name)));
/// assert!(ring.warnings().is_empty());
/// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
/// tx.send(7)?;
/// assert_eq!((ring.len(), ring.is_empty()), (1, false));
/// memring::remove(name)?;
/// assert!(ring.is_removed() && ring.is_closed());
/// assert_eq!(rx.recv()?, 7); // what is in it is still received
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ring<T: Message + ?Sized, K: Kind> {
    segment: Arc<Segment>,
    wait_through: bool,
    marker: PhantomData<fn(&T, K)>,
}

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    pub(super) fn from_segment(segment: Segment, wait_through: bool) -> Self {
        Ring {
            segment: Arc::new(segment),
            wait_through,
            marker: PhantomData,
        }
    }

    pub(super) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(super) fn waits_through(&self) -> bool {
        self.wait_through
    }

    /// Returns a descriptor of the ring's file, to pass on. The descriptor holds no locks, so it
    /// says nothing about which processes are alive. It is close-on-exec: duplicate it into a
    /// child. It stays open as long as this handle or an endpoint exists.
    ///
    /// (A ring does not implement `AsFd`, since `as_fd` cannot fail: pass `ring.share_fd()?`
    /// where an `impl AsFd` is expected.)
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// let to_pass_on = ring.share_fd()?.try_clone_to_owned()?;
    /// // In the process that it was passed to:
    /// let opened = Ring::<u64, Spsc>::from_fd(to_pass_on)?;
    /// opened.sender()?.send(7)?;
    /// assert_eq!(ring.receiver()?.recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RingError::Os`] at the first call on a named ring, if the file cannot be reopened, and
    /// at any call if the program has closed the descriptor (`closefrom`). [`RingError::Failed`]
    /// in a forked child, unless the parent has called this before or the ring is anonymous: then
    /// the child can open the ring itself.
    #[cfg(unix)]
    pub fn share_fd(&self) -> Result<BorrowedFd<'_>, RingError> {
        self.segment.region.share()
    }

    /// Closes the ring for good: sends end at once, receivers drain what was sent and then see
    /// `Closed`. Closing again does nothing. A send that overlaps the close either returns `Ok`,
    /// and its message will be received, or fails, and its message never will be.
    ///
    /// Takes 10 to 30 milliseconds: the call makes sure that every send that had begun is seen,
    /// so that no receiver has to. Until it is done, receivers do not report `Closed`: a
    /// `try_recv` finds the ring `Empty`. A waiting call is woken when it is done. If this
    /// process dies meanwhile, a waiting receiver finishes the work 85 ms after it has noticed
    /// the close (a receiver that was not woken notices after a second at most). Calls that do
    /// not wait then report `Closed` after a second.
    ///
    /// ```
    /// # use memring::{RecvError, Ring, SendError, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(1)?;
    /// ring.close()?;
    /// assert_eq!(tx.send(2), Err(SendError::Closed(2)));
    /// assert_eq!(rx.recv(), Ok(1));
    /// assert_eq!(rx.recv(), Err(RecvError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Failure::Forked`], [`Failure::Corrupted`].
    pub fn close(&self) -> Result<(), Failure> {
        self.segment.region.check()?;
        let (block, parker) = (self.segment.block(), self.segment.parker());
        end::close(&block, || parker.thorough(), || self.segment.wake_all());
        Ok(())
    }

    /// Whether the ring was removed, or replaced by another, or its file unlinked: no process can
    /// open it by its name any more. Open the name again, or make the ring again. This is a
    /// system call.
    pub fn is_removed(&self) -> bool {
        self.is_mapped() && self.segment.region.is_removed()
    }

    /// Whether the ring is closed; a removed ring is closed too. There may still be messages in
    /// it.
    pub fn is_closed(&self) -> bool {
        self.is_mapped() && end::is_closed(&self.segment.block())
    }

    /// Messages that were sent and not yet received, or that were given back. The number is
    /// rough, since other endpoints go on meanwhile; it is from 0 to the capacity. With many
    /// receivers, once any message was given back, each call reads every slot.
    pub fn len(&self) -> usize {
        if !self.is_mapped() {
            return 0;
        }
        stats::progress_of(&self.segment).len
    }

    /// Whether [`Ring::len`] is 0, equally roughly.
    /// [`Receiver::is_empty`](crate::Receiver::is_empty) tells whether a message can be received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most messages that the ring holds: exactly what was asked for if the ring has one
    /// sender and one receiver, else rounded up to a power of two. 0 for a
    /// [rendezvous](crate::RingBuilder::rendezvous) ring.
    pub fn capacity(&self) -> usize {
        self.segment.config.capacity as usize
    }

    /// How messages lie in memory: [`Layout::Lines`] or [`Layout::Dense`]. `None` where a
    /// side may have many endpoints: there they lie in slots.
    pub fn layout(&self) -> Option<Layout> {
        self.segment.config.layout()
    }

    /// Bytes of a message; in byte rings, the most that one may have.
    pub fn message_size(&self) -> usize {
        self.segment.config.message_limit()
    }

    /// Figures of the ring and its members. Asks the kernel about each member: do not call it on
    /// a hot path. All zero in a forked child.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// rx.recv()?;
    /// let stats = ring.stats();
    /// assert_eq!((stats.sent, stats.received, stats.len), (3, 1, 2));
    /// assert_eq!(stats.senders[0].pid, std::process::id());
    /// assert_eq!((stats.lost, stats.redelivered), (0, 0));
    /// assert!(stats.receivers_blocked_by.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        if !self.is_mapped() {
            return Stats::default();
        }
        stats::stats(&self.segment)
    }

    /// Where the ring is, if it was made or opened by name.
    pub fn path(&self) -> Option<&Path> {
        self.segment.region.path()
    }

    /// Options about memory that the system did not grant: huge pages,
    /// prefaulting, locking.
    pub fn warnings(&self) -> &[Warning] {
        self.segment.region.warnings()
    }

    /// Another handle, whose endpoints wait on when the other side has gone.
    pub(crate) fn waiting_through(&self) -> Self {
        Ring {
            wait_through: true,
            ..self.clone()
        }
    }

    /// How often a message is delivered at most, as the ring's maker chose.
    pub(crate) fn max_deliveries(&self) -> u8 {
        self.segment.config.max_deliveries
    }

    /// Whether the memory is there: in a forked child it is not.
    pub(crate) fn is_mapped(&self) -> bool {
        self.segment.region.is_mapped()
    }
}

impl<T: Message + ?Sized, K: Kind> Clone for Ring<T, K> {
    fn clone(&self) -> Self {
        Ring {
            segment: Arc::clone(&self.segment),
            wait_through: self.wait_through,
            marker: PhantomData,
        }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Ring<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("path", &self.path())
            .field("kind", &K::KIND)
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
