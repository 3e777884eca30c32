//! Taking messages to read in place, and giving them up again.

use std::time::{Duration, Instant};

use super::lease::{Lease, LeaseBatch};
use super::receiver::Receiver;
use super::waiting::{self, Outcome};
use super::{ReceiveSideOf, answer};
use crate::error::{RecvError, RecvTimeoutError, TryRecvError};
use crate::kind::Kind;
use crate::layout::Bell;
use crate::message::Message;
use crate::ring::memory::Memory;
use crate::ring::{ReceiveSide, Stall, Terms};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Takes a message to read in place, if there is one now.
    ///
    /// It is acknowledged when the [`Lease`] is released or dropped: at least
    /// once, should this process die before.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    #[inline]
    pub fn try_lease(&mut self) -> Result<Lease<'_, T, K>, TryRecvError> {
        if self.lease_quickly() {
            return Ok(Lease::new(LeaseBatch::new(self)));
        }
        self.try_lease_batch(1).map(Lease::new)
    }

    /// As [`Receiver::try_lease`], waiting for a message as long as it takes.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn lease(&mut self) -> Result<Lease<'_, T, K>, RecvError> {
        if self.lease_quickly() {
            return Ok(Lease::new(LeaseBatch::new(self)));
        }
        self.lease_batch(1).map(Lease::new)
    }

    /// As [`Receiver::lease`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Lease<'_, T, K>, RecvTimeoutError> {
        let deadline = MonotonicTime::now().checked_add(timeout);
        self.lease_until(deadline, 1)
            .map(Lease::new)
            .map_err(answer::recv_timeout)
    }

    /// As [`Receiver::lease`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Lease<'_, T, K>, RecvTimeoutError> {
        let deadline = Some(MonotonicTime::from_instant(deadline));
        self.lease_until(deadline, 1)
            .map(Lease::new)
            .map_err(answer::recv_timeout)
    }

    /// Takes up to `max` messages that are there now (at least one, whatever
    /// `max`), to read in place and acknowledge together.
    ///
    /// # Errors
    /// As [`Receiver::try_recv`] if there was not even one.
    #[inline]
    pub fn try_lease_batch(&mut self, max: usize) -> Result<LeaseBatch<'_, T, K>, TryRecvError> {
        let first = self.take_leases(max);
        match waiting::once(self, first, |receiver| receiver.take_leases(max)) {
            Ok(()) => Ok(LeaseBatch::new(self)),
            Err(outcome) => Err(answer::try_recv(outcome)),
        }
    }

    /// As [`Receiver::try_lease_batch`], waiting for the first message as long
    /// as it takes.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn lease_batch(&mut self, max: usize) -> Result<LeaseBatch<'_, T, K>, RecvError> {
        self.lease_until(None, max).map_err(answer::recv)
    }

    #[inline]
    fn lease_until(
        &mut self,
        deadline: Option<MonotonicTime>,
        max: usize,
    ) -> Result<LeaseBatch<'_, T, K>, Outcome> {
        let first = self.take_leases(max);
        waiting::until(self, deadline, first, |receiver| receiver.take_leases(max))?;
        Ok(LeaseBatch::new(self))
    }

    /// Leases a message that is there, as [`Receiver::take_quickly`] takes one.
    /// `false` says nothing.
    #[inline(always)]
    fn lease_quickly(&mut self) -> bool {
        let view = self.view;
        if !self.port.is_usable() || !self.leased.is_empty() {
            return false;
        }
        let Some(claim) = self.side.quick(&view) else {
            return false;
        };
        match Self::open(&view, claim) {
            Ok((claim, _, length)) => self.leased.push((claim, length)),
            Err(stall) => {
                self.refuse(stall);
                return false;
            }
        }
        self.side.hand_out(&view);
        true
    }

    /// At most as many as there are slots, as in [`Receiver::take_all`].
    fn take_leases(&mut self, max: usize) -> Result<(), Stall> {
        let max = max.min(self.view.geometry().capacity() as usize);
        let (claim, _, length) = self.start()?;
        self.leased.push((claim, length));
        while self.leased.len() < max {
            match self.claim_another() {
                Ok((claim, _, length)) => self.leased.push((claim, length)),
                Err(Stall::Impossible(found)) => {
                    self.port.segment.poison(found);
                    break;
                }
                Err(_) => break,
            }
        }
        self.side.hand_out(&self.view);
        if self.side.made_room() {
            // Now, not at the release, which may be long in coming.
            self.port.notify(&self.view, Bell::Senders);
        }
        Ok(())
    }

    /// Acknowledges everything that is leased.
    #[inline]
    pub(super) fn release_leases(&mut self) {
        if self.leased.is_empty() || !self.port.is_mapped() {
            self.leased.clear();
            return;
        }
        if ReceiveSideOf::<K>::IN_ORDER {
            if let Some((last, _)) = self.leased.pop() {
                self.side.release(&self.view, last);
            }
            self.leased.clear();
        } else {
            for (claim, _) in self.leased.drain(..) {
                self.side.release(&self.view, claim);
            }
        }
        self.port.notify(&self.view, Bell::Senders);
        failpoint!(RoomAnnounced);
    }

    /// Gives everything that is leased back, to be received again. Leases that
    /// were leaked come here at the next call, or when the receiver is dropped.
    #[cold]
    pub(super) fn give_back_leases(&mut self) {
        if self.leased.is_empty() || !self.port.is_mapped() {
            self.leased.clear();
            return;
        }
        let terms = Terms {
            redeliver: true,
            ..self.port.segment.terms.death()
        };
        let claims = self.leased.drain(..).map(|(claim, _)| claim);
        self.side.requeue(&self.view, claims, terms);
        self.port.notify_everybody();
    }
}
