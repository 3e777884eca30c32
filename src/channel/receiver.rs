//! The receiving endpoint.

mod into;
mod peek;

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::endpoint::EndpointConnection;
use super::leases::Leases;
use super::ring::Ring;
use super::waiting::{self, Wait, WaitError, WaitingEndpoint};
use super::{ReceiveSideOf, SendSideOf, ViewOf, outcome, rendezvous};
use crate::error::{AttachError, Corruption, RecvError, RecvTimeoutError, Side, TryRecvError};
use crate::message::Message;
use crate::ring::end::End;
use crate::ring::kind::{Kind, ManyReceivers, Sides};
use crate::ring::memory::{View, arranged};
use crate::ring::payload::Payload;
use crate::ring::rendezvous::TakingSide;
use crate::ring::{Claim, ClaimError, Multiplicity, Pairing, ReceiveSide, SendSide};
use crate::sys::failpoints::failpoint;
use crate::wait::WaitStrategy;

/// The receiving end of a ring, attached.
///
/// From [`Ring::receiver`]. If the kind admits many receivers, the receiver can be cloned, and
/// clones can move to other threads. Clones share one place in the ring's table. Dropping the
/// last clone detaches.
///
/// ```
/// use memring::{Mpmc, Ring, WaitStrategy};
///
/// let ring = Ring::<u64, Mpmc>::anonymous(64)?;
/// let mut tx = ring.sender()?;
/// let mut rx = ring.receiver_with(WaitStrategy::Park)?;
/// let mut worker = rx.clone(); // for another thread
/// tx.send_batch(0..4)?;
/// assert_eq!((rx.len(), rx.capacity(), rx.is_empty()), (4, 64, false));
/// assert_eq!((rx.recv()?, worker.recv()?), (0, 1));
/// assert_eq!((rx.stats().received, rx.ring().len()), (2, 2));
/// rx.close()?; // no sender can send any more
/// assert!(rx.is_closed());
/// assert_eq!((rx.recv()?, rx.recv()?), (2, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Receiver<T: Message + ?Sized, K: Kind> {
    pub(super) side: CachePadded<ReceiveSideOf<K>>,
    pub(super) view: ViewOf<T, K>,
    /// Messages handed out as leases that have not come back.
    pub(super) leased: Leases,
    /// Of a rendezvous ring.
    pub(super) taking: Option<Box<TakingSide>>,
    pub(super) connection: EndpointConnection,
    pub(super) ring: Ring<T, K>,
}

/// A message that was claimed, its length checked.
pub(crate) struct Opened {
    pub(super) claim: Claim,
    pub(super) payload: Payload,
    pub(super) length: usize,
}

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    /// Attaches a receiver that waits in the default way.
    ///
    /// Takes over from a receiver that died. Messages that it had leased are received again,
    /// marked as redelivered, or counted as lost, as the ring's maker chose.
    ///
    /// ```
    /// # use memring::{AttachError, Mpsc, Ring};
    /// let ring = Ring::<u64, Mpsc>::anonymous(4)?;
    /// let rx = ring.receiver()?;
    /// // The kind has one receiver, and that is alive.
    /// assert!(matches!(ring.receiver(), Err(AttachError::Occupied { .. })));
    /// drop(rx);
    /// let rx = ring.receiver()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ring::sender`].
    pub fn receiver(&self) -> Result<Receiver<T, K>, AttachError> {
        Receiver::attach(self, None)
    }

    /// As [`Ring::receiver`], with a wait strategy.
    ///
    /// Example: [`Receiver`].
    ///
    /// # Errors
    /// As [`Ring::sender_with`].
    pub fn receiver_with(&self, strategy: WaitStrategy) -> Result<Receiver<T, K>, AttachError> {
        Receiver::attach(self, Some(strategy))
    }
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    pub(super) fn attach(
        ring: &Ring<T, K>,
        strategy: Option<WaitStrategy>,
    ) -> Result<Self, AttachError> {
        let segment = ring.segment();
        let multi = <K::Receivers as Multiplicity>::MULTI;
        let wait_through = ring.waits_through();
        let connection =
            EndpointConnection::attach(segment, Side::Receiver, multi, strategy, wait_through)?;
        let view = segment.view();
        let policy = segment.config.policy();
        let (side, taking) = segment
            .tell_recovery(|_| rendezvous::attach_receiver(segment, &view, connection.id(), policy))
            .map_err(|found| AttachError::Failed(segment.region.poison(found)))?;
        // A predecessor's messages may have been given back, or its room.
        connection.wake_all();
        Ok(Receiver {
            side: CachePadded::new(side),
            view,
            leased: Leases::default(),
            taking,
            connection,
            ring: ring.clone(),
        })
    }

    /// Receives a message if there is one now.
    ///
    /// The message is copied out and acknowledged before this returns. If this process then dies
    /// with the message, it is gone: delivery is at most once. For at least once, use
    /// [`Receiver::lease`]. Never blocks, and takes no lock.
    ///
    /// ```
    /// # use memring::{Ring, Spsc, TryRecvError};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    /// tx.send(7)?;
    /// assert_eq!(rx.try_recv()?, 7);
    /// drop(tx);
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]: there was no message whose send had returned, except for those
    /// that other receivers hold. [`TryRecvError::Held`]: another sender has claimed the next
    /// position and did not finish within some microseconds; there may be messages behind it. If
    /// that sender has died, this call or a call in the next 100 ms finds that out.
    /// [`TryRecvError::Closed`] if the ring is closed and drained; [`TryRecvError::Disconnected`]
    /// if it is empty and all senders have detached or died; [`TryRecvError::Failed`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T::Received, TryRecvError> {
        self.receive(Wait::Not, T::decode, outcome::try_recv)
    }

    /// Receives a message, waiting for one as long as it takes.
    ///
    /// As [`Receiver::try_recv`] otherwise. As long as this receiver has seen no sender
    /// since it attached, it waits.
    ///
    /// ```
    /// # use memring::{RecvError, Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// ring.close()?;
    /// assert_eq!(rx.recv()?, 7); // what was sent is drained
    /// assert_eq!(rx.recv(), Err(RecvError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RecvError::Closed`] if the ring is closed and drained; [`RecvError::Disconnected`] if it
    /// is empty and all senders have detached or died ([`wait_for_peer`](Receiver::wait_for_peer)
    /// waits for another sender, and [`iter`](Receiver::iter) does so by itself);
    /// [`RecvError::Failed`].
    #[inline]
    pub fn recv(&mut self) -> Result<T::Received, RecvError> {
        self.receive(Wait::Forever, T::decode, outcome::recv)
    }

    /// As [`Receiver::recv`], for at most `timeout`.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// assert!(rx.recv_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// tx.send(7)?;
    /// assert_eq!(rx.recv_deadline(Instant::now() + Duration::from_secs(1))?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`] if there was no message by the deadline; else as
    /// [`Receiver::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T::Received, RecvTimeoutError> {
        self.receive(Wait::at_most(timeout), T::decode, outcome::recv_timeout)
    }

    /// As [`Receiver::recv`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T::Received, RecvTimeoutError> {
        self.receive(Wait::until(deadline), T::decode, outcome::recv_timeout)
    }

    /// Claim, read, release, notify: the path of one message, whatever the verb. The
    /// fast path has no call in it.
    #[inline(always)]
    pub(super) fn receive<R, E>(
        &mut self,
        wait: Wait,
        read: impl FnOnce(&Payload, usize) -> R,
        error: impl FnOnce(WaitError) -> E,
    ) -> Result<R, E> {
        // A copy, which stores to shared memory cannot change: it stays in registers.
        let view = self.view;
        let received = arranged!(view => match self.claim_fast(&view) {
            Some(opened) => Ok(self.acknowledge(&view, opened, read)),
            None => Err(read),
        });
        match received {
            Ok(received) => Ok(received),
            Err(read) => self.receive_slow(wait, read, error),
        }
    }

    #[cold]
    #[inline(never)]
    fn receive_slow<R, E>(
        &mut self,
        wait: Wait,
        read: impl FnOnce(&Payload, usize) -> R,
        error: impl FnOnce(WaitError) -> E,
    ) -> Result<R, E> {
        if self.taking.is_some() {
            let opened = self.take(wait).map_err(error)?;
            return Ok(self.acknowledge_handover(opened, read));
        }
        let opened = waiting::claim(self, wait).map_err(error)?;
        let view = self.view;
        Ok(self.acknowledge(&view, opened, read))
    }

    /// Reads a message and releases it.
    #[inline(always)]
    pub(super) fn acknowledge<R>(
        &mut self,
        view: &ViewOf<T, K>,
        opened: Opened,
        read: impl FnOnce(&Payload, usize) -> R,
    ) -> R {
        let result = read(&opened.payload, opened.length);
        failpoint!(Read);
        self.side.release(view, opened.claim);
        self.connection.notify(view, Side::Sender);
        failpoint!(RoomAnnounced);
        result
    }

    /// Claims a message: the fast path, or else the slow one, which waits. On a ring, not
    /// on a rendezvous ring.
    #[inline(always)]
    pub(super) fn claim(&mut self, wait: Wait) -> Result<Opened, WaitError> {
        match self.claim_at_once() {
            Some(opened) => Ok(opened),
            None => rendezvous::claim_on_ring(self, wait),
        }
    }

    /// The fast path of a claim.
    #[inline(always)]
    pub(super) fn claim_at_once(&mut self) -> Option<Opened> {
        let view = self.view; // a copy, as in `receive`
        arranged!(view => self.claim_fast(&view))
    }

    /// Claims if nothing stands in the way, without a call. `None`: take the slow path;
    /// there is nothing to undo.
    #[inline(always)]
    fn claim_fast(&mut self, view: &ViewOf<T, K>) -> Option<Opened> {
        if !self.connection.has_fast_paths() || !self.leased.is_empty() {
            return None;
        }
        let claim = self.side.try_claim_fast(view)?;
        match open(&mut *self.side, view, claim) {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// The slow path of a claim.
    pub(super) fn claim_slow(&mut self) -> Result<Opened, ClaimError> {
        let claimed = self.side.claim(&self.view);
        if self.side.has_dropped() {
            self.connection.notify(&self.view, Side::Sender);
        }
        open(&mut *self.side, &self.view, claimed?)
    }

    /// Poisons the handle, if `error` says that the ring's memory contradicts itself:
    /// the next full check finds that out.
    #[cold]
    pub(super) fn refuse(&mut self, error: ClaimError) {
        if let ClaimError::Corrupted(found) = error {
            self.connection.segment.region.poison(found);
        }
    }
}

/// Checks the length of a message, loaded once. If that is invalid, the claim is taken back
/// where nothing shows of it: what is released later is not for that message.
#[inline(always)]
pub(super) fn open<T: Message + ?Sized, P: Pairing, S: ReceiveSide>(
    side: &mut S,
    view: &View<T, P>,
    claim: Claim,
) -> Result<Opened, ClaimError> {
    let payload = view.payload(claim.position);
    match payload.length() {
        Ok(length) => Ok(Opened {
            claim,
            payload,
            length,
        }),
        Err(found) => {
            if S::IN_ORDER {
                side.unclaim(view, claim);
            }
            Err(ClaimError::Corrupted(Corruption {
                what: "length of a message",
                position: claim.position,
                found,
            }))
        }
    }
}

impl<T: Message + ?Sized, K: Kind> WaitingEndpoint for Receiver<T, K> {
    type Claimed = Opened;
    const SENDS: bool = false;

    fn connection(&mut self) -> &mut EndpointConnection {
        &mut self.connection
    }

    #[inline(always)]
    fn try_fast(&mut self) -> Option<Opened> {
        let view = self.view; // a copy, as in `receive`
        let opened = self.claim_fast(&view);
        // In a forked child the memory is not there.
        if opened.is_none() && self.connection.has_fast_paths() {
            self.side.catch_up(&self.view);
        }
        opened
    }

    #[inline(always)]
    fn let_ahead(&mut self) {
        self.side.let_ahead();
    }

    fn try_slow(&mut self) -> Result<Opened, ClaimError> {
        if !self.connection.has_fast_paths() {
            return Err(ClaimError::NotReady); // the full check finds out why
        }
        if !self.leased.is_empty() {
            self.give_back_leases();
        }
        self.claim_slow()
    }

    fn is_peer_quiescent(&mut self, end: End) -> bool {
        let is_quiescent = SendSideOf::<K>::is_quiescent(&self.view)
            || !<<K as Sides>::Senders as Multiplicity>::MULTI
                && !self.connection.is_only_peer_alive();
        is_quiescent
            && match end {
                End::Closed => self.side.fix_end(&self.view),
                // S19: one that is over the limit waits behind what is in hand.
                End::Disconnected(_) => {
                    !K::KIND.is_one_to_one() || !self.side.has_message(&self.view)
                }
            }
    }

    /// Another receiver has the end to report, if this one took the last message.
    fn leaves_work(&self) -> bool {
        <K::Receivers as Multiplicity>::MULTI && (!self.is_empty() || self.is_closed())
    }

    fn withdraw(&mut self) {
        self.withdraw_unclaimed();
    }
}

impl<T: Message + ?Sized, K: ManyReceivers> Clone for Receiver<T, K> {
    fn clone(&self) -> Self {
        let clone = Receiver {
            side: self.side.clone(),
            view: self.view,
            leased: Leases::default(),
            taking: self.taking.as_ref().map(|it| Box::new(it.for_clone())),
            connection: self.connection.clone(),
            ring: self.ring.clone(),
        };
        failpoint!(Cloned);
        clone
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for Receiver<T, K> {
    fn drop(&mut self) {
        if !self.leased.is_empty() {
            self.give_back_leases();
        }
        self.withdraw_unclaimed();
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        shown
            .field("ring", &self.ring)
            .field("id", &self.connection.id().0);
        shown.finish_non_exhaustive()
    }
}
