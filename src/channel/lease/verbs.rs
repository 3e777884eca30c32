//! The verbs that take messages to read in place, and the paths by which they come
//! back.

use std::time::{Duration, Instant};

use super::{Lease, LeaseBatch};
use crate::channel::receiver::{Opened, Receiver, open};
use crate::channel::waiting::{self, Wait, WaitError};
use crate::channel::{ReceiveSideOf, outcome};
use crate::error::{RecvError, RecvTimeoutError, Side, TryRecvError};
use crate::events;
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::ring::memory::arranged;
use crate::ring::{ReceiveSide, RedeliveryPolicy};
use crate::sys::failpoints::failpoint;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Leases a message, to read it in place, if there is one now.
    ///
    /// Only [`Lease::release`] acknowledges the message. A lease that is dropped, by a panic or a
    /// `?` say, gives the message back, and so does the death of this process. So delivery is at
    /// least once.
    ///
    /// Example: [`Receiver::lease`].
    ///
    /// # Errors
    /// As [`Receiver::try_recv`].
    #[inline]
    pub fn try_lease(&mut self) -> Result<Lease<'_, T, K>, TryRecvError> {
        self.lease_within(Wait::Not, 1)
            .map(Lease::new)
            .map_err(outcome::try_recv)
    }

    /// As [`Receiver::try_lease`], waiting for a message as long as it takes.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// let lease = rx.lease()?;
    /// assert_eq!(lease.read(), 7);
    /// lease.release(); // acknowledges it; a drop gives it back
    /// assert!(rx.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn lease(&mut self) -> Result<Lease<'_, T, K>, RecvError> {
        self.lease_within(Wait::Forever, 1)
            .map(Lease::new)
            .map_err(outcome::recv)
    }

    /// As [`Receiver::lease`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Lease<'_, T, K>, RecvTimeoutError> {
        self.lease_within(Wait::at_most(timeout), 1)
            .map(Lease::new)
            .map_err(outcome::recv_timeout)
    }

    /// As [`Receiver::lease`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Lease<'_, T, K>, RecvTimeoutError> {
        self.lease_within(Wait::until(deadline), 1)
            .map(Lease::new)
            .map_err(outcome::recv_timeout)
    }

    /// Leases up to `max` messages that are there now (at least one, even if `max` is 0), to read
    /// in place and to acknowledge together, or from the first on
    /// ([`LeaseBatch::release_first`]). Messages that were not acknowledged are given back when
    /// the batch is dropped.
    ///
    /// Example: [`Receiver::lease_batch`].
    ///
    /// # Errors
    /// As [`Receiver::try_recv`] if there was not even one.
    #[inline]
    pub fn try_lease_batch(&mut self, max: usize) -> Result<LeaseBatch<'_, T, K>, TryRecvError> {
        self.lease_within(Wait::Not, max).map_err(outcome::try_recv)
    }

    /// As [`Receiver::try_lease_batch`], waiting for the first message as long
    /// as it takes.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_slice(&[1, 2, 3])?;
    /// let mut batch = rx.lease_batch(16)?;
    /// for _ in 0..batch.len() {
    ///     let message = batch.get(0).expect("one that is not released");
    ///     assert!(message.read() < 4); // work
    ///     batch.release_first(1); // done
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    #[inline]
    pub fn lease_batch(&mut self, max: usize) -> Result<LeaseBatch<'_, T, K>, RecvError> {
        self.lease_within(Wait::Forever, max).map_err(outcome::recv)
    }

    /// As [`Receiver::lease_batch`], waiting for the first message for at most `timeout`.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_batch_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<LeaseBatch<'_, T, K>, RecvTimeoutError> {
        self.lease_within(Wait::at_most(timeout), max)
            .map_err(outcome::recv_timeout)
    }

    /// As [`Receiver::lease_batch`], until `deadline` at the latest.
    ///
    /// # Errors
    /// As [`Receiver::recv_timeout`].
    pub fn lease_batch_deadline(
        &mut self,
        max: usize,
        deadline: Instant,
    ) -> Result<LeaseBatch<'_, T, K>, RecvTimeoutError> {
        self.lease_within(Wait::until(deadline), max)
            .map_err(outcome::recv_timeout)
    }

    /// At most as many as the capacity, as in [`Receiver::receive_batch`].
    #[inline(always)]
    pub(in crate::channel) fn lease_within(
        &mut self,
        wait: Wait,
        max: usize,
    ) -> Result<LeaseBatch<'_, T, K>, WaitError> {
        let first = match self.claim_at_once() {
            Some(first) => first,
            None if self.taking.is_some() => return self.lease_handover(wait),
            None => waiting::claim(self, wait)?,
        };
        Ok(self.hand_out_from(first, max))
    }

    /// Leases a message that was claimed, and more.
    #[inline(always)]
    fn hand_out_from(&mut self, first: Opened, max: usize) -> LeaseBatch<'_, T, K> {
        self.leased.push(first.claim, first.length);
        if max > 1 {
            self.lease_more(max);
        }
        self.side.hand_out(&self.view);
        LeaseBatch::new(self)
    }

    /// Of a rendezvous ring one at a time, whatever `max` was: each is a hand-over of its
    /// own.
    #[cold]
    #[inline(never)]
    fn lease_handover(&mut self, wait: Wait) -> Result<LeaseBatch<'_, T, K>, WaitError> {
        let opened = self.take(wait)?;
        Ok(self.hand_out_handover(opened))
    }

    fn hand_out_handover(&mut self, opened: Opened) -> LeaseBatch<'_, T, K> {
        self.leased.push(opened.claim, opened.length);
        LeaseBatch::new(self)
    }

    /// Leases a message that was claimed, of a ring of either sort.
    pub(in crate::channel) fn hand_out_one(&mut self, opened: Opened) -> LeaseBatch<'_, T, K> {
        match self.taking.is_some() {
            true => self.hand_out_handover(opened),
            false => self.hand_out_from(opened, 1),
        }
    }

    /// Claims more messages, `max` in all at most.
    fn lease_more(&mut self, max: usize) {
        let max = max.min(self.capacity());
        let view = self.view; // a copy, as in `receive`
        while self.leased.len() < max {
            arranged!(view => {
                while self.leased.len() < max
                    && let Some(claim) = self.side.try_claim_fast(&view)
                {
                    match open(&mut *self.side, &view, claim) {
                        Ok(opened) => self.leased.push(opened.claim, opened.length),
                        Err(error) => return self.refuse(error),
                    }
                }
            });
            if self.leased.len() == max {
                return;
            }
            match self.claim_slow() {
                Ok(opened) => self.leased.push(opened.claim, opened.length),
                Err(error) => return self.refuse(error),
            }
        }
    }

    /// Claims up to `more` messages that are there now, behind those that are leased.
    pub(super) fn extend_leases(&mut self, more: usize) -> usize {
        let held = self.leased.len();
        if more == 0 || self.taking.is_some() || !self.connection.has_fast_paths() {
            return 0;
        }
        self.leased.compact();
        self.lease_more(held.saturating_add(more));
        let extended = self.leased.len() - held;
        if extended > 0 {
            self.side.hand_out(&self.view);
        }
        extended
    }

    /// Acknowledges everything that is leased.
    #[inline]
    pub(super) fn release_leases(&mut self) {
        if self.leased.is_empty() || !self.connection.has_fast_paths() {
            return self.release_leases_slow();
        }
        self.release_all();
    }

    /// Where there is something to think of first.
    #[cold]
    #[inline(never)]
    fn release_leases_slow(&mut self) {
        if self.leased.is_empty() || !self.connection.is_mapped() {
            self.leased.clear();
        } else if self.taking.is_some() {
            let claims: Vec<_> = self.leased.claims().collect();
            self.release_handovers(claims.into_iter());
            self.leased.clear();
        } else {
            self.release_all();
        }
    }

    #[inline(always)]
    fn release_all(&mut self) {
        // On a side of one, a release is for all that was claimed.
        for claim in self.leased.claims() {
            self.side.release(&self.view, claim);
            if ReceiveSideOf::<K>::IN_ORDER {
                break;
            }
        }
        self.leased.clear();
        self.announce_room();
    }

    /// Acknowledges the first `count` of what is leased, or all of it.
    pub(super) fn release_first_leases(&mut self, count: usize) {
        let Some((next, _)) = self.leased.get(count) else {
            return self.release_leases();
        };
        if !self.connection.is_mapped() {
            // A forked child, whose loop over the batch ends all the same.
            return self.leased.forget_first(count);
        }
        if count == 0 {
            return;
        }
        if ReceiveSideOf::<K>::IN_ORDER {
            self.side.release_before(&self.view, next);
        } else {
            for claim in self.leased.claims().take(count) {
                self.side.release(&self.view, claim);
            }
        }
        self.leased.forget_first(count);
        self.announce_room();
    }

    #[inline(always)]
    fn announce_room(&self) {
        self.connection.notify(&self.view, Side::Sender);
        failpoint!(RoomAnnounced);
    }

    /// Gives everything that is leased back, to be received again, whatever the ring's
    /// maker chose for a receiver's death. Guards that are dropped come here, and leases
    /// that were leaked do at the next call, or when the receiver is dropped.
    #[cold]
    pub(in crate::channel) fn give_back_leases(&mut self) {
        if self.leased.is_empty() || !self.connection.is_mapped() {
            self.leased.clear();
            return;
        }
        let policy = RedeliveryPolicy {
            redeliver: true,
            ..self.connection.segment.config.policy()
        };
        let (path, id) = (self.connection.segment.region.path(), self.connection.id());
        events::given_back(path, id.0, self.leased.len());
        match self.taking.is_some() {
            true => self.give_back_handovers(policy),
            false => self.side.requeue(&self.view, self.leased.claims(), policy),
        }
        self.leased.clear();
        self.connection.wake_all();
    }
}
