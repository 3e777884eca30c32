//! A receiver that takes messages directly from senders.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{self, Context, ready};

use crate::channel::endpoint::EndpointConnection;
use crate::channel::future::poll_claim;
use crate::channel::receiver::{Opened, Receiver};
use crate::channel::waiting::{self, Wait, WaitError, WaitingEndpoint};
use crate::error::{Corruption, Side};
use crate::message::Message;
use crate::ring::end::End;
use crate::ring::kind::Kind;
use crate::ring::memory::handover::HandoverMemory;
use crate::ring::payload::Payload;
use crate::ring::rendezvous::TakingSide;
use crate::ring::{Claim, ClaimError, RedeliveryPolicy};
use crate::sys::failpoints::failpoint;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Takes a message that a sender offers, within `wait`. While the call waits this
    /// receiver is announced (RV9), and never after it.
    pub(in crate::channel) fn take(&mut self, wait: Wait) -> Result<Opened, WaitError> {
        let mut taking = Taking {
            receiver: self,
            by_waker: false,
        };
        let claim = || waiting::claim(&mut taking, wait);
        // The user's way of waiting may panic.
        let taken = catch_unwind(AssertUnwindSafe(claim)).unwrap_or_else(|panic| {
            self.withdraw_unclaimed();
            resume_unwind(panic)
        });
        taken.or_else(|error| self.take_what_is_bound(error))
    }

    /// As [`Receiver::take`] by a waker: announced from the first poll that finds nothing
    /// until there is a message, or until [`Receiver::withdraw_unclaimed`].
    pub(in crate::channel) fn poll_take(
        &mut self,
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> task::Poll<Result<Opened, WaitError>> {
        let mut taking = Taking {
            receiver: self,
            by_waker: true,
        };
        let taken = ready!(poll_claim(&mut taking, has_waited, context));
        task::Poll::Ready(taken.or_else(|error| self.take_what_is_bound(error)))
    }

    /// How a call ends that would end with `error`.
    fn take_what_is_bound(&mut self, error: WaitError) -> Result<Opened, WaitError> {
        if !self.connection.segment.region.is_good() {
            return Err(error);
        }
        // RV10: what it was bound to meanwhile is what the call ends with.
        let memory = self.handover();
        match self.taking().withdraw(&memory) {
            Some(claim) => self.open(claim).map_err(|found| {
                let region = &self.connection.segment.region;
                WaitError::Failed(region.poison(found))
            }),
            None => Err(error),
        }
    }

    /// Withdraws the announcement, in a call that ends with nothing: what it was bound to is
    /// for another receiver.
    pub(in crate::channel) fn withdraw_unclaimed(&mut self) {
        if self.taking.is_none() || !self.connection.segment.region.is_good() {
            return;
        }
        let memory = self.handover();
        if self.taking().abandon(&memory) {
            self.connection.notify_each(Side::Receiver);
        }
    }

    fn handover(&self) -> HandoverMemory {
        self.connection.segment.handover()
    }

    fn taking(&mut self) -> &mut TakingSide {
        let taking = self.taking.as_deref_mut();
        taking.expect("a receiver of a rendezvous ring has it")
    }

    /// Checks the length of a message, loaded once.
    fn open(&self, claim: Claim) -> Result<Opened, Corruption> {
        let payload = self.view.payload(claim.position);
        match payload.length() {
            Ok(length) => Ok(Opened {
                claim,
                payload,
                length,
            }),
            Err(found) => Err(Corruption {
                what: "length of a message",
                position: claim.position,
                found,
            }),
        }
    }

    /// Reads a message and acknowledges it.
    pub(in crate::channel) fn acknowledge_handover<R>(
        &mut self,
        opened: Opened,
        read: impl FnOnce(&Payload, usize) -> R,
    ) -> R {
        let result = read(&opened.payload, opened.length);
        failpoint!(Read);
        self.release_handovers([opened.claim].into_iter());
        result
    }

    /// Takes and acknowledges up to `max` messages that are offered, and says how many;
    /// waits for the first.
    #[cold]
    #[inline(never)]
    pub(in crate::channel) fn take_many(
        &mut self,
        wait: Wait,
        messages: &mut impl Extend<T::Received>,
        max: usize,
    ) -> Result<usize, WaitError> {
        let mut opened = self.take(wait)?;
        let mut taken = 0;
        // At most as many as are under way at once: a hostile sender must not decide when
        // it ends.
        let max = max.min(self.connection.segment.config.handovers as usize);
        loop {
            let message = self.acknowledge_handover(opened, T::decode);
            messages.extend([message]);
            taken += 1;
            if taken >= max {
                return Ok(taken);
            }
            opened = match self.take(Wait::Not) {
                Ok(opened) => opened,
                Err(_) => return Ok(taken), // the next call finds out why
            };
        }
    }

    /// Acknowledges messages.
    #[cold]
    pub(in crate::channel) fn release_handovers(&mut self, claims: impl Iterator<Item = Claim>) {
        let memory = self.handover();
        for claim in claims {
            self.taking().release(&memory, claim);
        }
        // Each sender waits for its own message.
        self.connection.notify_each(Side::Sender);
        failpoint!(RoomAnnounced);
    }

    /// Gives all leases back.
    pub(in crate::channel) fn give_back_handovers(&mut self, policy: RedeliveryPolicy) {
        let memory = self.handover();
        let claims: Vec<Claim> = self.leased.claims().collect();
        self.taking().requeue(&memory, claims.into_iter(), policy);
    }

    /// Messages that are offered now.
    pub(in crate::channel) fn count_offers(&self) -> usize {
        match self.connection.segment.region.is_good() {
            true => {
                let taking = self.taking.as_deref();
                taking.map_or(0, |taking| {
                    taking.count_messages(&self.handover(), usize::MAX)
                })
            }
            false => 0,
        }
    }
}

/// A receiver in a call of a rendezvous ring.
struct Taking<'r, T: Message + ?Sized, K: Kind> {
    receiver: &'r mut Receiver<T, K>,
    /// The call waits by a waker.
    by_waker: bool,
}

impl<T: Message + ?Sized, K: Kind> Taking<'_, T, K> {
    fn claim(&mut self, announces: bool) -> Result<Opened, ClaimError> {
        let receiver = &mut *self.receiver;
        if !receiver.connection.segment.region.is_good() {
            return Err(ClaimError::NotReady); // the full check finds out why
        }
        if !receiver.leased.is_empty() {
            receiver.give_back_leases();
        }
        let memory = receiver.handover();
        match receiver.taking().claim(&memory) {
            Ok(claim) => receiver.open(claim).map_err(ClaimError::Corrupted),
            Err(ClaimError::NotReady) if announces => {
                if receiver.taking().announce(&memory) {
                    // Those that wait for a receiver, in a set or by a waker.
                    receiver.connection.notify_each(Side::Sender);
                }
                Err(ClaimError::NotReady)
            }
            Err(error) => Err(error),
        }
    }
}

impl<T: Message + ?Sized, K: Kind> WaitingEndpoint for Taking<'_, T, K> {
    type Claimed = Opened;
    const SENDS: bool = false;

    fn connection(&mut self) -> &mut EndpointConnection {
        &mut self.receiver.connection
    }

    fn try_fast(&mut self) -> Option<Opened> {
        match self.claim(false) {
            Ok(opened) => Some(opened),
            Err(error) => {
                self.receiver.refuse(error);
                None
            }
        }
    }

    fn try_slow(&mut self) -> Result<Opened, ClaimError> {
        let announces = self.by_waker || self.receiver.connection.waits;
        self.claim(announces)
    }

    fn is_peer_quiescent(&mut self, _end: End) -> bool {
        true // a send that was not taken fails (RV7)
    }

    fn leaves_work(&self) -> bool {
        self.receiver.leaves_work()
    }
}
