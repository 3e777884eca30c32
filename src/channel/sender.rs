//! The sending endpoint.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::grant::Grant;
use super::handle::Ring;
use super::port::Port;
use super::waiting::{self, Endpoint};
use super::{SendSideOf, answer};
use crate::error::{AttachError, Failure, SendError, SendTimeoutError, Side, TrySendError};
use crate::inspect::Stats;
use crate::kind::Kind;
use crate::layout::Bell;
use crate::message::Message;
use crate::ring::memory::View;
use crate::ring::{Arity, SendSide, Stall};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::wait::WaitStrategy;

/// One in so many looks of a call that waits is in earnest.
const EARNEST: u32 = 32;

/// The sending end of a ring, attached.
///
/// From [`Ring::sender`]. Where the kind has many senders it can be cloned,
/// and clones can move to other threads; they share one place in the ring's
/// table. Dropping the last clone detaches.
pub struct Sender<T: Message + ?Sized, K: Kind> {
    pub(super) side: CachePadded<SendSideOf<K>>,
    pub(super) view: View<T>,
    /// A position handed out as a [`Grant`] that has not come back.
    pub(super) granted: Option<u64>,
    /// Counts the looks of waiting calls.
    glances: u32,
    pub(super) port: Port,
    ring: Ring<T, K>,
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    pub(super) fn attach(
        ring: &Ring<T, K>,
        strategy: Option<WaitStrategy>,
    ) -> Result<Self, AttachError> {
        let segment = ring.segment();
        let multi = <K::Senders as Arity>::MULTI;
        let port = Port::attach(segment, Side::Sender, multi, strategy, ring.waits_through())?;
        let view = segment.view();
        let side = SendSide::attach(&view, port.id())
            .map_err(|found| AttachError::Failed(segment.poison(found)))?;
        Ok(Sender {
            side: CachePadded::new(side),
            view,
            granted: None,
            glances: 0,
            port,
            ring: ring.clone(),
        })
    }

    /// Sends a message if there is room now.
    ///
    /// `Ok` means that the message is in the ring and survives this process.
    /// Its publication is a release store: whatever this thread wrote before,
    /// the receiver sees. Never blocks.
    ///
    /// # Errors
    /// [`TrySendError::Full`]; [`TrySendError::Closed`];
    /// [`TrySendError::Disconnected`] if it is full and all receivers have
    /// gone; [`TrySendError::Failed`]. The message comes back inside.
    #[inline]
    pub fn try_send<'m>(&mut self, message: T::Sent<'m>) -> Result<(), TrySendError<T::Sent<'m>>> {
        if self.offer_quickly(&message) {
            return Ok(());
        }
        self.try_send_slowly(message)
    }

    #[cold]
    #[inline(never)]
    fn try_send_slowly<'m>(
        &mut self,
        message: T::Sent<'m>,
    ) -> Result<(), TrySendError<T::Sent<'m>>> {
        if let Err(failure) = self.check_length(&message) {
            return Err(TrySendError::Failed(message, failure));
        }
        let first = self.offer(&message);
        match waiting::once(self, first, |sender| sender.offer(&message)) {
            Ok(()) => Ok(()),
            Err(outcome) => Err(answer::try_send(outcome, message)),
        }
    }

    /// Sends a message, waiting for room as long as it takes.
    ///
    /// As [`Sender::try_send`] otherwise. Before any receiver has ever been
    /// attached it waits.
    ///
    /// # Errors
    /// [`SendError::Closed`]; [`SendError::Disconnected`] if it is full and
    /// all receivers have gone; [`SendError::Failed`]. The message comes back
    /// inside.
    #[inline]
    pub fn send<'m>(&mut self, message: T::Sent<'m>) -> Result<(), SendError<T::Sent<'m>>> {
        if self.offer_quickly(&message) {
            return Ok(());
        }
        self.send_until(message, None).map_err(answer::send)
    }

    /// As [`Sender::send`], for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`] if there was no room in time; else as
    /// [`Sender::send`].
    pub fn send_timeout<'m>(
        &mut self,
        message: T::Sent<'m>,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T::Sent<'m>>> {
        self.send_until(message, MonotonicTime::now().checked_add(timeout))
    }

    /// As [`Sender::send`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn send_deadline<'m>(
        &mut self,
        message: T::Sent<'m>,
        deadline: Instant,
    ) -> Result<(), SendTimeoutError<T::Sent<'m>>> {
        self.send_until(message, Some(MonotonicTime::from_instant(deadline)))
    }

    #[cold]
    #[inline(never)]
    fn send_until<'m>(
        &mut self,
        message: T::Sent<'m>,
        deadline: Option<MonotonicTime>,
    ) -> Result<(), SendTimeoutError<T::Sent<'m>>> {
        if let Err(failure) = self.check_length(&message) {
            return Err(SendTimeoutError::Failed(message, failure));
        }
        let first = self.offer(&message);
        match waiting::until(self, deadline, first, |sender| {
            sender.if_promising(|sender| sender.offer(&message))
        }) {
            Ok(()) => Ok(()),
            Err(outcome) => Err(answer::send_timeout(outcome, message)),
        }
    }

    /// Claims a slot to write a message in place, if there is room now.
    ///
    /// While the grant lives, its position is this sender's: with many
    /// senders, receivers wait at it. Dropped without
    /// [`commit`](Grant::commit), the position is given up.
    ///
    /// # Errors
    /// As [`Sender::try_send`].
    #[inline]
    pub fn try_reserve(&mut self) -> Result<Grant<'_, T, K>, TrySendError<()>> {
        let first = self.grant();
        match waiting::once(self, first, Self::grant) {
            Ok(position) => Ok(Grant::new(self, position)),
            Err(outcome) => Err(answer::try_send(outcome, ())),
        }
    }

    /// As [`Sender::try_reserve`], waiting for room as long as it takes.
    ///
    /// # Errors
    /// As [`Sender::send`].
    #[inline]
    pub fn reserve(&mut self) -> Result<Grant<'_, T, K>, SendError<()>> {
        self.reserve_until(None).map_err(answer::send)
    }

    /// As [`Sender::reserve`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn reserve_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Grant<'_, T, K>, SendTimeoutError<()>> {
        self.reserve_until(MonotonicTime::now().checked_add(timeout))
    }

    /// As [`Sender::reserve`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Sender::send_timeout`].
    pub fn reserve_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Grant<'_, T, K>, SendTimeoutError<()>> {
        self.reserve_until(Some(MonotonicTime::from_instant(deadline)))
    }

    #[inline]
    fn reserve_until(
        &mut self,
        deadline: Option<MonotonicTime>,
    ) -> Result<Grant<'_, T, K>, SendTimeoutError<()>> {
        let first = self.grant();
        match waiting::until(self, deadline, first, |sender| {
            sender.if_promising(Self::grant)
        }) {
            Ok(position) => Ok(Grant::new(self, position)),
            Err(outcome) => Err(answer::send_timeout(outcome, ())),
        }
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

    /// Whether the ring is closed.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// Messages under way, roughly; see [`Ring::len`].
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether there is no message; see [`Ring::is_empty`].
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Figures of the ring; see [`Ring::stats`].
    pub fn stats(&self) -> Stats {
        self.ring.stats()
    }

    #[inline(always)]
    pub(super) fn check_length(&self, message: &T::Sent<'_>) -> Result<(), Failure> {
        if T::FIXED.is_some() {
            return Ok(());
        }
        let (length, limit) = (T::encode(message).len(), self.view.limit());
        if length > limit {
            return Err(Failure::TooLong { length, limit });
        }
        Ok(())
    }

    /// The path of a message when nothing stands in the way: claim, write,
    /// publish, notify, without a call. `false` says nothing, and did nothing.
    #[inline(always)]
    fn offer_quickly(&mut self, message: &T::Sent<'_>) -> bool {
        // A copy, which stores to shared memory cannot change: it stays in
        // registers.
        let view = self.view;
        let bytes = T::encode(message);
        if !self.port.is_usable() || self.granted.is_some() || bytes.len() > view.limit() {
            return false;
        }
        let Some(position) = self.side.quick(&view) else {
            return false;
        };
        view.payload(position).store(bytes);
        failpoint!(Written);
        self.side.publish(&view, position);
        self.side.end(&view);
        self.port.notify(&view, Bell::Receivers);
        failpoint!(MessageAnnounced);
        true
    }

    /// Claim, write, publish, notify: the path of one message, however long.
    pub(super) fn offer(&mut self, message: &T::Sent<'_>) -> Result<(), Stall> {
        let position = self.start()?;
        self.view.payload(position).store(T::encode(message));
        failpoint!(Written);
        self.finish(position);
        Ok(())
    }

    /// An attempt of a call that waits: most looks are glances.
    #[inline(always)]
    pub(super) fn if_promising<R>(
        &mut self,
        attempt: impl FnOnce(&mut Self) -> Result<R, Stall>,
    ) -> Result<R, Stall> {
        self.glances = self.glances.wrapping_add(1);
        if self.glances.is_multiple_of(EARNEST) || self.side.is_promising(&self.view) {
            attempt(self)
        } else {
            // Not `Nothing`: a glance does not tell who is in the way, nor that
            // waiting is vain.
            Err(Stall::Contended)
        }
    }

    /// Enters an operation and claims a position.
    #[inline(always)]
    fn start(&mut self) -> Result<u64, Stall> {
        self.enter()?;
        match self.side.claim(&self.view) {
            Ok(position) => Ok(position),
            Err(stall) => {
                self.side.end(&self.view);
                Err(stall)
            }
        }
    }

    #[inline(always)]
    pub(super) fn enter(&mut self) -> Result<(), Stall> {
        if !self.port.is_usable() {
            return Err(Stall::Nothing); // the way of all misses finds out why
        }
        if self.granted.is_some() {
            self.take_back_grant();
        }
        self.side.begin(&self.view)
    }

    /// Publishes what was written at `position` and leaves the operation.
    #[inline(always)]
    pub(super) fn finish(&mut self, position: u64) {
        self.side.publish(&self.view, position);
        self.side.end(&self.view);
        self.port.notify(&self.view, Bell::Receivers);
        failpoint!(MessageAnnounced);
    }

    /// Claims a position for a [`Grant`].
    #[inline(always)]
    fn grant(&mut self) -> Result<u64, Stall> {
        let position = self.start()?;
        self.granted = Some(position);
        Ok(position)
    }

    /// Gives up a granted position. A grant that was leaked comes here at the
    /// next call, or when the sender is dropped.
    #[cold]
    pub(super) fn take_back_grant(&mut self) {
        if let Some(position) = self.granted.take()
            && self.port.is_mapped()
        {
            self.side.abandon(&self.view, position);
            self.side.end(&self.view);
            if <K::Senders as Arity>::MULTI {
                self.port.notify_everybody();
            }
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Endpoint for Sender<T, K> {
    type Memory = View<T>;
    const SENDS: bool = true;

    fn memory(&self) -> View<T> {
        self.view
    }

    fn port(&mut self) -> &mut Port {
        &mut self.port
    }

    fn is_quiescent(&mut self) -> bool {
        true
    }

    fn settle(&mut self) {}

    fn be_earnest(&mut self) {
        self.glances = EARNEST - 1;
    }

    fn leaves_work(&mut self) -> bool {
        <K::Senders as Arity>::MULTI && self.side.has_room(&self.view)
    }
}

impl<T: Message + ?Sized, K: Kind> Clone for Sender<T, K>
where
    SendSideOf<K>: Clone,
{
    fn clone(&self) -> Self {
        let clone = Sender {
            side: self.side.clone(),
            view: self.view,
            granted: None,
            glances: 0,
            port: self.port.clone(),
            ring: self.ring.clone(),
        };
        failpoint!(Cloned);
        clone
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.take_back_grant();
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Sender");
        shown
            .field("ring", &self.ring)
            .field("id", &self.port.id().0);
        shown.finish_non_exhaustive()
    }
}
