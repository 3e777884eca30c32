//! The sending endpoint.

mod by_reference;

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::endpoint::EndpointConnection;
use super::ring::Ring;
use super::waiting::{self, Wait, WaitError, WaitingEndpoint};
use super::{SendSideOf, ViewOf, outcome, rendezvous};
use crate::error::{AttachError, Failure, SendError, SendTimeoutError, Side, TrySendError};
use crate::message::Message;
use crate::ring::end::{self, End};
use crate::ring::kind::{Kind, ManySenders};
use crate::ring::memory::{Memory, arranged};
use crate::ring::rendezvous::GivingSide;
use crate::ring::{ClaimError, Multiplicity, SendSide};
use crate::sys::failpoints::failpoint;
use crate::wait::WaitStrategy;

/// The sending end of a ring, attached.
///
/// From [`Ring::sender`]. If the kind admits many senders, the sender can be cloned, and clones
/// can move to other threads. Clones share one place in the ring's table. Dropping the last clone
/// detaches.
///
/// ```
/// use memring::{Mpsc, Ring, SendError, WaitStrategy};
///
/// let ring = Ring::<u64, Mpsc>::anonymous(64)?;
/// let mut rx = ring.receiver()?;
/// let mut tx = ring.sender_with(WaitStrategy::Park)?;
/// let mut other = tx.clone(); // for another thread
/// tx.send(1)?;
/// other.send(2)?;
/// assert_eq!((tx.len(), tx.capacity(), tx.is_empty()), (2, 64, false));
/// assert_eq!((tx.stats().sent, tx.ring().capacity()), (2, 64));
/// tx.close()?;
/// assert!(other.is_closed());
/// assert_eq!(other.send(3), Err(SendError::Closed(3)));
/// # assert_eq!(rx.recv()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sender<T: Message + ?Sized, K: Kind> {
    pub(super) side: CachePadded<SendSideOf<K>>,
    pub(super) view: ViewOf<T, K>,
    /// Positions handed out as a grant, or a chunk, that has not come back.
    pub(super) granted: Vec<u64>,
    /// Of a rendezvous ring.
    pub(super) giving: Option<Box<GivingSide>>,
    pub(super) connection: EndpointConnection,
    pub(super) ring: Ring<T, K>,
}

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    /// Attaches a sender that waits in the default way.
    ///
    /// Takes over from a sender that died. Messages that it had published are in the ring; a
    /// message that it was still writing never existed.
    ///
    /// ```
    /// # use memring::{AttachError, Mpmc, Ring, Spsc};
    /// let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// let tx = ring.sender()?;
    /// match ring.sender() {
    ///     Err(AttachError::Occupied { holder, .. }) => {
    ///         assert_eq!(holder, Some(std::process::id())); // its process
    ///     }
    ///     _ => unreachable!("one sender at a time"),
    /// }
    /// let many = Ring::<u64, Mpmc>::anonymous(4)?;
    /// let (one, two) = (many.sender()?, many.sender()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AttachError::Occupied`] if the kind admits one sender, and a sender that is alive is
    /// attached; [`AttachError::TooMany`]; [`AttachError::Failed`]; [`AttachError::Os`].
    pub fn sender(&self) -> Result<Sender<T, K>, AttachError> {
        Sender::attach(self, None)
    }

    /// As [`Ring::sender`], with a wait strategy.
    ///
    /// Example: [`Sender`].
    ///
    /// # Errors
    /// Also [`AttachError::CannotPark`] on a ring of spinners.
    pub fn sender_with(&self, strategy: WaitStrategy) -> Result<Sender<T, K>, AttachError> {
        Sender::attach(self, Some(strategy))
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    pub(super) fn attach(
        ring: &Ring<T, K>,
        strategy: Option<WaitStrategy>,
    ) -> Result<Self, AttachError> {
        let segment = ring.segment();
        let multi = <K::Senders as Multiplicity>::MULTI;
        let wait_through = ring.waits_through();
        let connection =
            EndpointConnection::attach(segment, Side::Sender, multi, strategy, wait_through)?;
        let view = segment.view();
        let (side, giving) = rendezvous::attach_sender(segment, &view, connection.id())
            .map_err(|found| AttachError::Failed(segment.region.poison(found)))?;
        Ok(Sender {
            side: CachePadded::new(side),
            view,
            giving,
            granted: Vec::with_capacity(1), // for `reserve`, which allocates nothing
            connection,
            ring: ring.clone(),
        })
    }

    /// Sends a message if there is room now.
    ///
    /// `Ok` means that the message is in the ring and survives this process. The publication is a
    /// release store: the receiver sees everything that this thread wrote before. Never blocks,
    /// and takes no lock.
    ///
    /// On a [rendezvous](crate::RingBuilder::rendezvous) ring `Ok` means that a receiver has
    /// taken the message, or that a receiver in a call that waits is bound to take it. If no
    /// receiver waits, the result is `Full`.
    ///
    /// ```
    /// # use memring::{Ring, Spsc, TrySendError};
    /// # let ring = Ring::<u64, Spsc>::anonymous(1)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.try_send(1)?;
    /// assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    /// assert_eq!(rx.recv()?, 1);
    /// tx.try_send(2)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TrySendError::Full`]: the next slot holds a message that no endpoint holds.
    /// [`TrySendError::Held`]: an endpoint holds that slot, by a lease or an unfinished send, and
    /// did not release it within some microseconds. If the endpoint has died, this call or a call
    /// in the next 100 ms finds that out. [`TrySendError::Closed`];
    /// [`TrySendError::Disconnected`] if the ring is full and all receivers have detached or
    /// died; [`TrySendError::Failed`]. A typed message comes back in the error.
    #[inline]
    pub fn try_send(&mut self, message: T::Sent<'_>) -> Result<(), TrySendError<T::Unsent>> {
        self.send_within(message, Wait::Not, outcome::try_send)
    }

    /// Sends a message, waiting for room as long as it takes.
    ///
    /// As [`Sender::try_send`] otherwise. As long as this sender has seen no receiver
    /// since it attached, it waits.
    ///
    /// On a [rendezvous](crate::RingBuilder::rendezvous) ring it waits until a receiver has
    /// acknowledged the message; a lease acknowledges it when it is released. If the ring is
    /// closed, or all receivers have detached or died, the message comes back in the error,
    /// unless a receiver holds it.
    ///
    /// ```
    /// # use memring::{Ring, SendError, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// assert_eq!(rx.recv()?, 7);
    /// ring.close()?;
    /// assert_eq!(tx.send(8), Err(SendError::Closed(8))); // the message comes back
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SendError::Closed`]; [`SendError::Disconnected`] if the ring is full and all receivers
    /// have detached or died; [`SendError::Failed`]. A typed message comes back in the error.
    #[inline]
    pub fn send(&mut self, message: T::Sent<'_>) -> Result<(), SendError<T::Unsent>> {
        self.send_within(message, Wait::Forever, outcome::send)
    }

    /// As [`Sender::send`], for at most `timeout`.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(1)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_timeout(1, Duration::from_secs(1))?;
    /// let error = tx.send_deadline(2, Instant::now()).unwrap_err(); // the ring is full
    /// assert!(error.is_timeout());
    /// assert_eq!(error.into_message(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`] if there was no room by the deadline, or, on a rendezvous
    /// ring, no receiver took the message: no receiver ever gets it. On a rendezvous ring also
    /// [`SendTimeoutError::InHand`]. Else as [`Sender::send`].
    pub fn send_timeout(
        &mut self,
        message: T::Sent<'_>,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T::Unsent>> {
        self.send_within(message, Wait::at_most(timeout), outcome::send_timeout)
    }

    /// As [`Sender::send`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn send_deadline(
        &mut self,
        message: T::Sent<'_>,
        deadline: Instant,
    ) -> Result<(), SendTimeoutError<T::Unsent>> {
        self.send_within(message, Wait::until(deadline), outcome::send_timeout)
    }

    /// Claim, write, publish, notify: the path of one message, whatever the verb. The
    /// fast path has no call in it.
    #[inline(always)]
    pub(super) fn send_within<E>(
        &mut self,
        message: T::Sent<'_>,
        wait: Wait,
        error: impl FnOnce(WaitError, T::Unsent) -> E,
    ) -> Result<(), E> {
        // A copy, which stores to shared memory cannot change: it stays in registers.
        let view = self.view;
        let written = arranged!(view => match self.check_length(&message) {
            Ok(()) => self
                .claim_fast(&view)
                .map(|position| self.write(&view, position, &message)),
            Err(_) => None,
        });
        match written {
            Some(true) => Ok(()),
            Some(false) => Err(error(self.closed(), T::unsent(message))),
            None => self.send_slow(message, wait, error),
        }
    }

    #[cold]
    #[inline(never)]
    fn send_slow<E>(
        &mut self,
        message: T::Sent<'_>,
        wait: Wait,
        error: impl FnOnce(WaitError, T::Unsent) -> E,
    ) -> Result<(), E> {
        if let Err(failure) = self.check_length(&message) {
            return Err(error(WaitError::Failed(failure), T::unsent(message)));
        }
        if self.giving.is_some() {
            let handed_over = self.hand_over(T::encode(&message), wait);
            return handed_over.map_err(|cause| error(cause, T::unsent(message)));
        }
        let view = self.view;
        match waiting::claim(self, wait) {
            Ok(position) if self.write(&view, position, &message) => Ok(()),
            Ok(_) => Err(error(self.closed(), T::unsent(message))),
            Err(outcome) => Err(error(outcome, T::unsent(message))),
        }
    }

    /// Sends the message at `position`, which is claimed. `false`: see
    /// [`publish`](Sender::publish).
    #[inline(always)]
    pub(super) fn write(
        &mut self,
        view: &ViewOf<T, K>,
        position: u64,
        message: &T::Sent<'_>,
    ) -> bool {
        view.payload(position).store(T::encode(message));
        failpoint!(Written);
        self.publish(view, position)
    }

    /// Why a message that was published was not sent.
    #[cold]
    pub(super) fn closed(&self) -> WaitError {
        match self.connection.segment.region.is_ended_by_removal() {
            true => WaitError::Removed,
            false => WaitError::Closed,
        }
    }

    #[inline(always)]
    pub(super) fn check_length(&self, message: &T::Sent<'_>) -> Result<(), Failure> {
        check_length::<T>(T::encode(message).len(), self.view.limit())
    }

    /// Claims if nothing stands in the way, without a call. `None`: take the slow path;
    /// there is nothing to undo.
    #[inline(always)]
    pub(super) fn claim_fast(&mut self, view: &ViewOf<T, K>) -> Option<u64> {
        if !self.connection.has_fast_paths() || !self.granted.is_empty() {
            return None;
        }
        let position = self.side.try_claim_fast(view)?;
        // Of a single sender nothing shows yet; one of many enters by its claim.
        self.side.begin(view).is_ok().then_some(position)
    }

    /// Enters an operation.
    #[inline(always)]
    pub(super) fn enter(&mut self) -> Result<(), ClaimError> {
        if !self.connection.has_fast_paths() {
            return Err(ClaimError::NotReady); // the full check finds out why
        }
        if !self.granted.is_empty() {
            self.take_back_grant();
        }
        self.side.begin(&self.view)
    }

    /// Publishes what was written at `position` and leaves the operation. `false`: the ring
    /// was closed meanwhile, and ended before the message.
    #[inline(always)]
    pub(super) fn publish(&mut self, view: &ViewOf<T, K>, position: u64) -> bool {
        self.side.publish(view, position);
        let is_open = self.side.complete(view);
        self.announce(view);
        is_open || self.count_late() == 0
    }

    /// Notifies receivers, after `complete`.
    #[inline(always)]
    pub(super) fn announce(&self, view: &ViewOf<T, K>) {
        match SendSideOf::<K>::IS_FENCED {
            true => self.connection.notify_fenced(view, Side::Receiver),
            false => self.connection.notify(view, Side::Receiver),
        }
        failpoint!(MessageAnnounced);
    }

    /// How many of the messages that were just published came too late for a ring that
    /// was closed meanwhile. (It takes its own view: the address of that of the fast path
    /// is not taken, so that it stays in registers.)
    #[cold]
    #[inline(never)]
    pub(super) fn count_late(&mut self) -> usize {
        self.side.count_late(&self.view)
    }

    /// Gives up what was granted. A grant that was leaked comes here at the next call, or
    /// when the sender is dropped.
    #[cold]
    pub(super) fn take_back_grant(&mut self) {
        if self.give_up(0) {
            self.side.end(&self.view);
            self.announce_gaps();
        }
    }

    /// Wakes receivers: they wait at a claim, and at the end for a single sender as well.
    #[cold]
    pub(super) fn announce_gaps(&self) {
        self.view.fences().light();
        if <K::Senders as Multiplicity>::MULTI || end::is_closed(&self.view) {
            self.connection.wake_all();
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Gives up the granted positions but for the first `kept` of them, and forgets all.
    /// Says whether there were any to give up.
    pub(super) fn give_up(&mut self, kept: usize) -> bool {
        let given_up = self.granted.get(kept..).unwrap_or_default();
        let is_any = !given_up.is_empty() && self.connection.is_mapped();
        if is_any {
            for position in given_up {
                self.side.abandon(&self.view, *position);
            }
        }
        self.granted.clear();
        is_any
    }
}

impl<T: Message + ?Sized, K: Kind> WaitingEndpoint for Sender<T, K> {
    type Claimed = u64;
    const SENDS: bool = true;

    fn connection(&mut self) -> &mut EndpointConnection {
        &mut self.connection
    }

    /// Most looks go by a hint: to poll what receivers write would take its line from
    /// them.
    #[inline(always)]
    fn try_fast(&mut self) -> Option<u64> {
        // In a forked child the memory is not there.
        if !self.connection.has_fast_paths() || !self.side.may_have_room(&self.view) {
            return None;
        }
        self.try_slow().ok()
    }

    fn try_slow(&mut self) -> Result<u64, ClaimError> {
        self.enter()?;
        let claimed = self.side.claim(&self.view);
        if claimed.is_err() {
            self.side.end(&self.view);
        }
        claimed
    }

    fn is_peer_quiescent(&mut self, _end: End) -> bool {
        true // receivers have nothing under way that a sender waits for
    }

    fn leaves_work(&self) -> bool {
        let is_something = match self.giving.is_some() {
            true => self.is_awaited(),
            // In a forked child the memory is not there.
            false => self.connection.has_fast_paths() && self.side.has_room(&self.view),
        };
        <K::Senders as Multiplicity>::MULTI && is_something
    }

    fn withdraw(&mut self) {
        self.take_back_offer();
    }
}

impl<T: Message + ?Sized, K: ManySenders> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        let clone = Sender {
            side: self.side.clone(),
            view: self.view,
            giving: self.giving.as_ref().map(|it| Box::new(it.for_clone())),
            granted: Vec::with_capacity(1),
            connection: self.connection.clone(),
            ring: self.ring.clone(),
        };
        failpoint!(Cloned);
        clone
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.take_back_grant();
        self.take_back_offer();
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Sender");
        shown
            .field("ring", &self.ring)
            .field("id", &self.connection.id().0);
        shown.finish_non_exhaustive()
    }
}

/// Whether a message of `length` bytes can be sent where `limit` is that of the ring.
#[inline(always)]
pub(super) fn check_length<T: Message + ?Sized>(
    length: usize,
    limit: usize,
) -> Result<(), Failure> {
    if T::FIXED.is_some() {
        return Ok(());
    }
    if T::UNTYPED && length != limit {
        return Err(Failure::WrongSize {
            length,
            size: limit,
        });
    }
    if length > limit {
        return Err(Failure::TooLong { length, limit });
    }
    Ok(())
}
