//! The receiving endpoint.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::handle::Ring;
use super::port::Port;
use super::waiting::{self, Endpoint};
use super::{ReceiveSideOf, answer};
use crate::error::{AttachError, Failure, RecvError, RecvTimeoutError, Side, TryRecvError};
use crate::inspect::Stats;
use crate::kind::{Kind, Sides};
use crate::layout::Bell;
use crate::message::Message;
use crate::ring::memory::View;
use crate::ring::payload::Payload;
use crate::ring::{Arity, Claim, Impossible, ReceiveSide, SendSide, Stall};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::wait::WaitStrategy;

/// The receiving end of a ring, attached.
///
/// From [`Ring::receiver`]. Where the kind has many receivers it can be
/// cloned, and clones can move to other threads; they share one place in the
/// ring's table. Dropping the last clone detaches.
pub struct Receiver<T: Message + ?Sized, K: Kind> {
    pub(super) side: CachePadded<ReceiveSideOf<K>>,
    pub(super) view: View<T>,
    /// Messages handed out as leases that have not come back, with lengths.
    pub(super) leased: Vec<(Claim, usize)>,
    pub(super) port: Port,
    ring: Ring<T, K>,
}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    pub(super) fn attach(
        ring: &Ring<T, K>,
        strategy: Option<WaitStrategy>,
    ) -> Result<Self, AttachError> {
        let segment = ring.segment();
        let multi = <K::Receivers as Arity>::MULTI;
        let port = Port::attach(
            segment,
            Side::Receiver,
            multi,
            strategy,
            ring.waits_through(),
        )?;
        let view = segment.view();
        let side = ReceiveSide::attach(&view, port.id(), segment.terms.death())
            .map_err(|found| AttachError::Failed(segment.poison(found)))?;
        // A predecessor's messages may have been given back, or its room.
        port.notify_everybody();
        Ok(Receiver {
            side: CachePadded::new(side),
            view,
            leased: Vec::new(),
            port,
            ring: ring.clone(),
        })
    }

    /// Receives a message if there is one now.
    ///
    /// The message is copied out and acknowledged before this returns: at most
    /// once, should this process die with it. [`Receiver::lease`] is for at
    /// least once. Never blocks.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]; [`TryRecvError::Closed`] if the ring is closed
    /// and drained; [`TryRecvError::Disconnected`] if it is empty and all
    /// senders have gone; [`TryRecvError::Failed`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T::Received, TryRecvError> {
        match self.take_quickly() {
            Some(message) => Ok(message),
            None => self.try_recv_slowly(),
        }
    }

    #[cold]
    #[inline(never)]
    fn try_recv_slowly(&mut self) -> Result<T::Received, TryRecvError> {
        let first = self.take();
        waiting::once(self, first, Self::take).map_err(answer::try_recv)
    }

    /// Receives a message, waiting for one as long as it takes.
    ///
    /// As [`Receiver::try_recv`] otherwise. Before any sender has ever been
    /// attached it waits.
    ///
    /// # Errors
    /// [`RecvError::Closed`] if the ring is closed and drained;
    /// [`RecvError::Disconnected`] if it is empty and all senders have gone
    /// (call again to wait for another); [`RecvError::Failed`].
    #[inline]
    pub fn recv(&mut self) -> Result<T::Received, RecvError> {
        if let Some(message) = self.take_soon() {
            return Ok(message);
        }
        self.recv_slowly()
    }

    #[cold]
    #[inline(never)]
    fn recv_slowly(&mut self) -> Result<T::Received, RecvError> {
        let first = self.take();
        waiting::until(self, None, first, Self::take).map_err(answer::recv)
    }

    /// As [`Receiver::recv`], for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`] if there was no message in time; else as
    /// [`Receiver::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T::Received, RecvTimeoutError> {
        self.recv_until(MonotonicTime::now().checked_add(timeout))
    }

    /// As [`Receiver::recv`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T::Received, RecvTimeoutError> {
        self.recv_until(Some(MonotonicTime::from_instant(deadline)))
    }

    fn recv_until(
        &mut self,
        deadline: Option<MonotonicTime>,
    ) -> Result<T::Received, RecvTimeoutError> {
        if let Some(message) = self.take_soon() {
            return Ok(message);
        }
        let first = self.take();
        waiting::until(self, deadline, first, Self::take).map_err(answer::recv_timeout)
    }

    /// Closes the ring for good; see [`Ring::close`].
    ///
    /// # Errors
    /// As [`Ring::close`].
    pub fn close(&self) -> Result<(), Failure> {
        self.ring.close()
    }

    /// The ring this endpoint is attached to.
    pub fn ring(&self) -> &Ring<T, K> {
        &self.ring
    }

    /// Whether the ring is closed; there may still be messages in it.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// Messages under way, roughly; see [`Ring::len`].
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is no message for this receiver now. Exact at the moment
    /// of the look.
    pub fn is_empty(&self) -> bool {
        !self.port.is_usable() || !self.side.has_message(&self.view)
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Figures of the ring; see [`Ring::stats`].
    pub fn stats(&self) -> Stats {
        self.ring.stats()
    }

    /// The path of a message that is there: claim, read, release, notify,
    /// without a call. `None` says nothing.
    #[inline(always)]
    fn take_quickly(&mut self) -> Option<T::Received> {
        // A copy, which stores to shared memory cannot change: it stays in
        // registers.
        let view = self.view;
        if !self.port.is_usable() || !self.leased.is_empty() {
            return None;
        }
        let claim = self.side.quick(&view)?;
        let (claim, payload, length) = match Self::open(&view, claim) {
            Ok(found) => found,
            Err(stall) => {
                self.refuse(stall);
                return None;
            }
        };
        let message = T::decode(&payload, length);
        failpoint!(Read);
        self.side.release(&view, claim);
        self.port.notify(&view, Bell::Senders);
        failpoint!(RoomAnnounced);
        Some(message)
    }

    /// As [`Receiver::take_quickly`], for some microseconds if it must be, before
    /// all that a miss may mean is looked into.
    #[inline(always)]
    pub(super) fn take_soon(&mut self) -> Option<T::Received> {
        for _ in 0..=self.port.quick_looks() {
            if let Some(message) = self.take_quickly() {
                return Some(message);
            }
            self.side.catch_up(&self.view);
            core::hint::spin_loop();
        }
        None
    }

    /// Poisons the handle: the next look finds out that it is.
    #[cold]
    pub(super) fn refuse(&mut self, stall: Stall) {
        if let Stall::Impossible(found) = stall {
            self.port.segment.poison(found);
        }
    }

    /// Claim, read, release, notify: the path of one message.
    fn take(&mut self) -> Result<T::Received, Stall> {
        self.take_with(T::decode)
    }

    #[inline(always)]
    pub(super) fn take_with<R>(
        &mut self,
        read: impl FnOnce(&Payload, usize) -> R,
    ) -> Result<R, Stall> {
        let (claim, payload, length) = self.start()?;
        let result = read(&payload, length);
        failpoint!(Read);
        self.side.release(&self.view, claim);
        self.port.notify(&self.view, Bell::Senders);
        failpoint!(RoomAnnounced);
        Ok(result)
    }

    /// Claims the next message; checks its length, loaded once.
    #[inline(always)]
    pub(super) fn start(&mut self) -> Result<(Claim, Payload, usize), Stall> {
        if !self.port.is_usable() {
            return Err(Stall::Nothing); // the way of all misses finds out why
        }
        if !self.leased.is_empty() {
            self.give_back_leases();
        }
        self.claim()
    }

    #[inline(always)]
    pub(super) fn claim(&mut self) -> Result<(Claim, Payload, usize), Stall> {
        match self.side.claim(&self.view) {
            Ok(claim) => Self::open(&self.view, claim),
            Err(stall) => {
                if self.side.made_room() {
                    self.port.notify(&self.view, Bell::Senders);
                }
                Err(stall)
            }
        }
    }

    /// As [`Receiver::claim`], for one of many messages: as quick as may be.
    #[inline(always)]
    pub(super) fn claim_another(&mut self) -> Result<(Claim, Payload, usize), Stall> {
        match self.side.quick(&self.view) {
            Some(claim) => Self::open(&self.view, claim),
            None => self.claim(),
        }
    }

    #[inline(always)]
    pub(super) fn open(view: &View<T>, claim: Claim) -> Result<(Claim, Payload, usize), Stall> {
        let payload = view.payload(claim.position);
        match payload.length() {
            Ok(length) => Ok((claim, payload, length)),
            Err(found) => Err(Stall::Impossible(Impossible {
                what: "length of a message",
                position: claim.position,
                found,
            })),
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Endpoint for Receiver<T, K> {
    type Memory = View<T>;
    const SENDS: bool = false;

    fn memory(&self) -> View<T> {
        self.view
    }

    fn port(&mut self) -> &mut Port {
        &mut self.port
    }

    fn is_quiescent(&mut self) -> bool {
        type Sending<K> = super::SendSideOf<K>;
        <Sending<K> as SendSide>::quiescent(&self.view)
            || !<<K as Sides>::Senders as Arity>::MULTI && !self.port.only_other_is_alive()
    }

    fn settle(&mut self) {
        if self.port.is_usable() {
            self.side.settle(&self.view);
        }
    }

    fn be_earnest(&mut self) {} // a receiver's looks always are

    fn leaves_work(&mut self) -> bool {
        <K::Receivers as Arity>::MULTI && self.side.has_message(&self.view)
    }
}

impl<T: Message + ?Sized, K: Kind> Clone for Receiver<T, K>
where
    ReceiveSideOf<K>: Clone,
{
    fn clone(&self) -> Self {
        let clone = Receiver {
            side: self.side.clone(),
            view: self.view,
            leased: Vec::new(),
            port: self.port.clone(),
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
        if self.port.is_mapped() {
            self.side.settle(&self.view);
        }
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Receiver");
        shown
            .field("ring", &self.ring)
            .field("id", &self.port.id().0);
        shown.finish_non_exhaustive()
    }
}
