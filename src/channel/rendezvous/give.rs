//! A sender that passes its message directly to a receiver.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{self, Context, ready};

use crate::channel::endpoint::EndpointConnection;
use crate::channel::future::{PolledOperation, poll_claim};
use crate::channel::sender::Sender;
use crate::channel::waiting::{self, Wait, WaitError, WaitingEndpoint};
use crate::error::{Corruption, Failure, Holder, Side};
use crate::message::Message;
use crate::ring::end::End;
use crate::ring::kind::Kind;
use crate::ring::memory::handover::HandoverMemory;
use crate::ring::rendezvous::{GivingSide, HandoverState, Left, any_living_waiting, any_waiting};
use crate::ring::{ClaimError, Held};
use crate::sys::clock::MonotonicTime;
use crate::sys::failpoints::failpoint;
use crate::wait::backoff::{Contention, Looks, TRIES_WHILE_HELD};
use crate::wait::parker::Parker;
use crate::wait::{Operation, Poll, block};

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Sends a message on a rendezvous ring: `Ok` when it was acknowledged, or, with
    /// [`Wait::Not`], when it was left to a receiver that waits.
    #[cold]
    #[inline(never)]
    pub(in crate::channel) fn hand_over(
        &mut self,
        message: &[u8],
        wait: Wait,
    ) -> Result<(), WaitError> {
        self.take_back_offer(); // of a future that was leaked
        let is_waiting = !matches!(wait, Wait::Not | Wait::Zero);
        let position = waiting::claim(
            &mut Offering {
                sender: self,
                is_waiting,
            },
            wait,
        )?;
        self.offer(position, message);
        match is_waiting {
            true => self.wait_until_over(position, wait),
            false => self.leave_to_waiting_receiver(position),
        }
    }

    /// As [`Sender::hand_over`] by a waker: from the first poll that finds a free slot the
    /// message is offered, until it is over, or until [`Sender::take_back_offer`].
    pub(in crate::channel) fn poll_hand_over(
        &mut self,
        message: &[u8],
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> task::Poll<Result<(), WaitError>> {
        let position = match self.giving().offered {
            Some(position) => position,
            None => {
                let mut offering = Offering {
                    sender: self,
                    is_waiting: true,
                };
                let position = ready!(poll_claim(&mut offering, has_waited, context))?;
                self.offer(position, message);
                self.giving().offered = Some(position);
                let memory = self.handover();
                self.connection.notify(&memory, Side::Receiver);
                failpoint!(MessageAnnounced);
                position
            }
        };
        let mut offer = Offer {
            memory: self.handover(),
            sender: self,
            position,
        };
        let ended = ready!(poll_claim(&mut offer, has_waited, context));
        self.giving().offered = None;
        task::Poll::Ready(match ended {
            Err(WaitError::Failed(failure)) => self.end_in_failure(position, failure),
            ended => ended, // an error: it was taken back
        })
    }

    /// Takes back what a future offers that is over. `false`: a receiver has it, or had it.
    pub(in crate::channel) fn take_back_offer(&mut self) -> bool {
        let offered = self.giving.as_deref_mut();
        let Some(position) = offered.and_then(|giving| giving.offered.take()) else {
            return true;
        };
        let can_be_used = self.connection.segment.region.is_good();
        can_be_used && self.take_back(position) == Ok(HandoverState::TakenBack)
    }

    /// Writes the message into the slot, and offers it.
    fn offer(&mut self, position: u64, message: &[u8]) {
        self.view.payload(position).store(message);
        failpoint!(Written);
        let memory = self.handover();
        self.giving().offer(&memory, position);
    }

    fn handover(&self) -> HandoverMemory {
        self.connection.segment.handover()
    }

    /// Whether a receiver has announced that it waits.
    pub(in crate::channel) fn is_awaited(&self) -> bool {
        self.connection.segment.region.is_good() && any_waiting(&self.handover())
    }

    /// Whether a receiver that is alive has. System calls.
    pub(in crate::channel) fn is_awaited_by_living(&self) -> bool {
        let region = &self.connection.segment.region;
        region.is_good() && any_living_waiting(&self.handover(), region)
    }

    fn giving(&mut self) -> &mut GivingSide {
        let giving = self.giving.as_deref_mut();
        giving.expect("a sender of a rendezvous ring has it")
    }

    /// Leaves the offer at `position` to a receiver that waits, or takes it back (RV11).
    fn leave_to_waiting_receiver(&mut self, position: u64) -> Result<(), WaitError> {
        let memory = self.handover();
        let segment = Arc::clone(&self.connection.segment);
        let giving = self.giving();
        match giving.leave_or_take_back(&memory, &segment.region, position) {
            Ok(Left::ToWaiting(_)) => {
                // Whichever sleeps: the one that is bound must not sleep on if another takes the
                // message.
                self.connection.notify_each(Side::Receiver);
                failpoint!(MessageAnnounced);
                Ok(())
            }
            Ok(Left::ToTaker) => Ok(()),
            Ok(Left::Not) => {
                self.connection.notify_each(Side::Sender);
                Err(WaitError::NotYet)
            }
            Err(found) => Err(self.poisoned(found)),
        }
    }

    /// Waits until the offer at `position` is over (RV2), and takes it back at the end of
    /// the time, or of the ring.
    fn wait_until_over(&mut self, position: u64, wait: Wait) -> Result<(), WaitError> {
        let deadline = match wait {
            Wait::Until(deadline) => Some(deadline),
            Wait::Not | Wait::Zero | Wait::Forever => None,
        };
        let memory = self.handover();
        self.connection.notify(&memory, Side::Receiver);
        failpoint!(MessageAnnounced);
        let (spins, idle) = (
            self.connection.strategy.spins(),
            self.connection.idle.clone(),
        );
        let looks = Looks::new(spins).with_idle(idle.as_deref());
        self.connection.waits = true;
        let mut offer = Offer {
            sender: self,
            memory,
            position,
        };
        let wait = || block(&mut offer, looks, deadline);
        // The user's way of waiting may panic.
        let ended = catch_unwind(AssertUnwindSafe(wait)).unwrap_or_else(|panic| {
            if self.connection.segment.region.is_good() {
                let _ = self.take_back(position);
            }
            resume_unwind(panic)
        });
        match ended {
            Ok(()) => {
                failpoint!(HandoverSeen);
                Ok(())
            }
            Err(WaitError::Timeout(_)) => self.end_in_time(position),
            Err(WaitError::Failed(failure)) => self.end_in_failure(position, failure),
            // It was taken back.
            Err(error) => Err(error),
        }
    }

    /// The time is up: exactly one of "over", "taken back" and "in hand" (RV3).
    fn end_in_time(&mut self, position: u64) -> Result<(), WaitError> {
        let memory = self.handover();
        let segment = Arc::clone(&self.connection.segment);
        let policy = segment.config.policy();
        let giving = self.giving();
        let give_up = || giving.give_up(&memory, &segment.region, policy, position);
        let (mut state, mut pauses) = (give_up(), Contention::new());
        for _ in 0..TRIES_WHILE_HELD {
            // A receiver that only copies the message has done so in some microseconds.
            if !matches!(state, Ok(HandoverState::InHand(_))) {
                break;
            }
            pauses.pause();
            state = give_up();
        }
        match state {
            Ok(HandoverState::Over) => {
                // Perhaps it was a dead receiver's, and another sender waits for a slot.
                self.connection.notify_each(Side::Sender);
                Ok(())
            }
            Ok(HandoverState::InHand(held)) => {
                let holder = self.connection.holder_of_blocker(held);
                Err(WaitError::InHand(holder))
            }
            Ok(HandoverState::TakenBack | HandoverState::Offered) => {
                // Others may wait for a slot, or for what was given back on the way.
                self.connection.wake_all();
                Err(WaitError::Timeout(None))
            }
            Err(found) => Err(self.poisoned(found)),
        }
    }

    /// This endpoint can wait no more. What it has offered is taken back, where that can be.
    fn end_in_failure(&mut self, position: u64, failure: Failure) -> Result<(), WaitError> {
        let can_be_used = self.connection.segment.region.is_good();
        if can_be_used && self.take_back(position)? == HandoverState::Over {
            return Ok(());
        }
        Err(WaitError::Failed(failure))
    }

    fn take_back(&mut self, position: u64) -> Result<HandoverState, WaitError> {
        let memory = self.handover();
        let state = self.giving().take_back(&memory, position);
        let state = state.map_err(|found| self.poisoned(found))?;
        if state == HandoverState::TakenBack {
            // Another sender may wait for a slot.
            self.connection.notify_each(Side::Sender);
        }
        Ok(state)
    }

    fn poisoned(&self, found: Corruption) -> WaitError {
        WaitError::Failed(self.connection.segment.region.poison(found))
    }
}

/// A sender that needs a slot for its offer, and, unless it waits, a receiver that does.
struct Offering<'s, T: Message + ?Sized, K: Kind> {
    sender: &'s mut Sender<T, K>,
    is_waiting: bool,
}

impl<T: Message + ?Sized, K: Kind> WaitingEndpoint for Offering<'_, T, K> {
    type Claimed = u64;
    const SENDS: bool = true;

    fn connection(&mut self) -> &mut EndpointConnection {
        &mut self.sender.connection
    }

    fn try_fast(&mut self) -> Option<u64> {
        self.try_slow().ok()
    }

    fn try_slow(&mut self) -> Result<u64, ClaimError> {
        let sender = &mut *self.sender;
        if !sender.connection.segment.region.is_good() {
            return Err(ClaimError::NotReady); // the full check finds out why
        }
        let memory = sender.handover();
        if !self.is_waiting && !any_waiting(&memory) {
            return Err(ClaimError::NotReady);
        }
        sender.giving().claim(&memory)
    }

    fn is_peer_quiescent(&mut self, _end: End) -> bool {
        true // receivers have nothing under way that a sender waits for
    }

    fn leaves_work(&self) -> bool {
        false // who frees a slot wakes all
    }
}

/// An offer that its sender waits for.
struct Offer<'s, T: Message + ?Sized, K: Kind> {
    sender: &'s mut Sender<T, K>,
    memory: HandoverMemory,
    position: u64,
}

impl<T: Message + ?Sized, K: Kind> Offer<'_, T, K> {
    fn connection(&mut self) -> &mut EndpointConnection {
        &mut self.sender.connection
    }

    fn check_once(&mut self) -> Poll<(), WaitError> {
        let region = &self.sender.connection.segment.region;
        if let Err(failure) = region.check() {
            return Poll::Ended(WaitError::Failed(failure));
        }
        let (memory, position) = (self.memory, self.position);
        let state = match self.sender.giving().look(&memory, position) {
            Ok(state) => state,
            Err(found) => return Poll::Ended(self.sender.poisoned(found)),
        };
        let connection = self.connection();
        (connection.blocker, connection.was_contended) = (None, false);
        match state {
            HandoverState::Over => Poll::Ready(()),
            // RV7: whatever has come to its end, this one has to.
            HandoverState::InHand(held) => self.pending(Some(held)),
            HandoverState::Offered | HandoverState::TakenBack => {
                match self.connection().end_in_sight() {
                    None => self.pending(None),
                    Some(End::Disconnected(_)) if self.connection().wait_through => {
                        self.pending(None)
                    }
                    Some(end) => self.end(end),
                }
            }
        }
    }

    fn pending(&mut self, in_hand: Option<Held>) -> Poll<(), WaitError> {
        let connection = self.connection();
        connection.blocker = in_hand;
        waiting::pending(connection)
    }

    /// The ring has ended, or the receivers have gone (RV7).
    fn end(&mut self, end: End) -> Poll<(), WaitError> {
        self.give_up(|offer| match end {
            End::Closed => offer.sender.closed(),
            End::Disconnected(_) => WaitError::Disconnected,
        })
    }

    /// The sender is cancelled. What a receiver has in hand it waits for all the same.
    fn cancel(&mut self) -> Poll<(), WaitError> {
        self.give_up(|_| WaitError::Cancelled)
    }

    /// The message comes back, unless a receiver has it.
    fn give_up(&mut self, error: impl FnOnce(&Self) -> WaitError) -> Poll<(), WaitError> {
        match self.sender.take_back(self.position) {
            Ok(HandoverState::TakenBack) => Poll::Ended(error(self)),
            Ok(HandoverState::Over) => Poll::Ready(()),
            Ok(HandoverState::InHand(held)) => self.pending(Some(held)),
            Ok(HandoverState::Offered) => self.pending(None),
            Err(error) => Poll::Ended(error),
        }
    }
}

impl<T: Message + ?Sized, K: Kind> PolledOperation for Offer<'_, T, K> {
    fn polled(&mut self) -> &mut EndpointConnection {
        self.connection()
    }
}

impl<T: Message + ?Sized, K: Kind> Operation for Offer<'_, T, K> {
    type Output = ();
    type Error = WaitError;
    type Park = Parker;

    fn look(&mut self) -> Option<()> {
        // In a forked child the memory is not there.
        if !self.sender.connection.segment.region.is_mapped() {
            return None;
        }
        let (memory, position) = (self.memory, self.position);
        let state = self.sender.giving().look(&memory, position);
        (state == Ok(HandoverState::Over)).then_some(())
    }

    /// Once more if the dead were looked for: a receiver that had it may be among them.
    fn check(&mut self) -> Poll<(), WaitError> {
        let poll = match self.check_once() {
            Poll::Pending if self.connection().scan_after_failed_check() => self.check_once(),
            poll => poll,
        };
        match poll {
            Poll::Pending if self.connection().is_cancelled() => self.cancel(),
            poll => poll,
        }
    }

    fn register(&mut self) -> u32 {
        self.connection().register()
    }

    fn reclaim(&mut self) -> bool {
        self.connection().reclaim()
    }

    fn is_blocked(&mut self) -> bool {
        self.connection().is_held_up()
    }

    fn sleep(&mut self, registered: u32, until: MonotonicTime) -> bool {
        self.connection().sleep(registered, until)
    }

    fn after_sleep(&mut self) {
        self.connection().scan_after_sleep();
    }

    fn pass_on(&mut self) {} // all senders were woken

    /// What has become of the offer is found out afterwards.
    fn timed_out(&mut self) -> WaitError {
        WaitError::Timeout(None::<Holder>)
    }

    fn park(&mut self) -> Parker {
        self.connection().parker()
    }
}
