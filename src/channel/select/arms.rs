//! What the arms of a `select!` become: an operation that is carried out when its endpoint
//! is ready, before the arm's own code runs.

use super::source::{Readiness, Selectable, SourceRef};
use super::wait::{Limit, random, wait_for_any};
use crate::channel::outcome;
use crate::channel::receiver::Receiver;
use crate::channel::sender::Sender;
use crate::channel::waiting::{self, Wait, WaitError};
use crate::error::{RecvError, SendError};
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::sys::clock::MonotonicTime;
use crate::wait::{Operation, Poll, WaitStrategy};

/// Rounds of a `select!` with a `default` in which others were quicker each time.
const MAX_ROUNDS: usize = 64;

/// One arm.
pub trait Arm {
    /// What it waits for.
    fn source(&mut self) -> SourceRef<'_>;
    /// Carries its operation out, unless it would have to wait. An operation that fails is
    /// carried out.
    fn try_complete(&mut self) -> bool;
}

/// What a `recv` arm of a [`select!`](macro@crate::select) receives from, and
/// [`Select::recv`](crate::Select::recv) takes. Other crates are not to implement this trait.
#[diagnostic::on_unimplemented(
    message = "`select!` cannot receive from `{Self}`",
    label = "not a receiver",
    note = "`recv(..)` takes a `Receiver`, one of a socket, an `After`, a `Ticker` or a `Never`"
)]
pub trait SelectReceiver: Selectable {
    /// What it receives.
    type Received;
    /// Receives, or finds out why there will be nothing. `None`: nothing now.
    #[doc(hidden)]
    fn complete(&mut self) -> Option<Result<Self::Received, RecvError>>;
}

/// An arm that receives.
pub struct RecvArm<'e, R: SelectReceiver> {
    receiver: &'e mut R,
    result: Option<Result<R::Received, RecvError>>,
}

impl<'e, R: SelectReceiver> RecvArm<'e, R> {
    pub(crate) fn new(receiver: &'e mut R) -> Self {
        RecvArm {
            receiver,
            result: None,
        }
    }

    /// Whether this is the arm whose operation was carried out.
    pub fn is_selected(&self) -> bool {
        self.result.is_some()
    }

    /// What came of it. Of an arm that was not selected there is no result to tell:
    /// `Cancelled`.
    pub fn finish(self) -> Result<R::Received, RecvError> {
        self.result.unwrap_or(Err(RecvError::Cancelled))
    }
}

impl<R: SelectReceiver> Arm for RecvArm<'_, R> {
    fn source(&mut self) -> SourceRef<'_> {
        self.receiver.source()
    }

    fn try_complete(&mut self) -> bool {
        self.result = self.receiver.complete();
        self.result.is_some()
    }
}

impl<T: Message + ?Sized, K: Kind> SelectReceiver for Receiver<T, K> {
    type Received = T::Received;

    fn complete(&mut self) -> Option<Result<T::Received, RecvError>> {
        match self.receive(Wait::Zero, T::decode, |error| error) {
            Ok(message) => Some(Ok(message)),
            Err(error) => unless_it_waits(error).map(|error| Err(outcome::recv(error))),
        }
    }
}

/// An arm that sends. It claims the place of its message first, so that the message is
/// made when it is sure to be sent.
pub struct SendArm<'e, T: Message + ?Sized, K: Kind> {
    sender: &'e mut Sender<T, K>,
    claimed: Option<Result<u64, WaitError>>,
}

impl<'e, T: Message + ?Sized, K: Kind> SendArm<'e, T, K> {
    /// Whether this is the arm whose operation was carried out.
    pub fn is_selected(&self) -> bool {
        self.claimed.is_some()
    }

    /// What was claimed; the message can be made now.
    pub fn claimed(self) -> ClaimedArm<'e, T, K> {
        ClaimedArm {
            sender: self.sender,
            claimed: self.claimed.unwrap_or(Err(WaitError::Cancelled)),
        }
    }
}

/// A place for the message of an arm that sends. Dropped without one, for instance by a
/// `return` in its expression, it is given up.
pub struct ClaimedArm<'e, T: Message + ?Sized, K: Kind> {
    sender: &'e mut Sender<T, K>,
    claimed: Result<u64, WaitError>,
}

impl<T: Message + ?Sized, K: Kind> ClaimedArm<'_, T, K> {
    /// Sends the message, or says why it cannot be sent. Of an arm that was not selected:
    /// `Cancelled`.
    pub fn finish(self, message: T::Sent<'_>) -> Result<(), SendError<T::Unsent>> {
        let sent = self
            .claimed
            .and_then(|position| self.sender.send_claimed(position, &message));
        sent.map_err(|error| outcome::send(error, T::unsent(message)))
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for ClaimedArm<'_, T, K> {
    fn drop(&mut self) {
        if !self.sender.granted.is_empty() {
            self.sender.take_back_grant();
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Arm for SendArm<'_, T, K> {
    fn source(&mut self) -> SourceRef<'_> {
        self.sender.source()
    }

    fn try_complete(&mut self) -> bool {
        self.claimed = match self.sender.claim_to_send() {
            Ok(position) => Some(Ok(position)),
            Err(error) => unless_it_waits(error).map(Err),
        };
        self.claimed.is_some()
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Claims the place of a message, without waiting. It is given up at the sender's
    /// next call, or its drop, if no message comes.
    fn claim_to_send(&mut self) -> Result<u64, WaitError> {
        if self.giving.is_some() {
            // There is no place to claim: it is enough that a receiver waits.
            return match Operation::check(&mut Readiness(self)) {
                Poll::Ready(()) => Ok(0),
                Poll::Ended(error) => Err(error),
                Poll::Pending => Err(WaitError::NotYet),
            };
        }
        let view = self.view;
        let position = match self.claim_fast(&view) {
            Some(position) => position,
            None => waiting::claim(self, Wait::Zero)?,
        };
        self.granted.push(position);
        Ok(position)
    }

    /// Sends the message at the position that was claimed.
    fn send_claimed(&mut self, position: u64, message: &T::Sent<'_>) -> Result<(), WaitError> {
        let length = self.check_length(message);
        if self.giving.is_some() {
            length.map_err(WaitError::Failed)?;
            // To the receiver that waits, which is bound to take it (RV11). If another sender
            // was quicker: to the next one, when there is one.
            return match self.hand_over(T::encode(message), Wait::Zero) {
                Err(WaitError::NotYet | WaitError::Held(_)) => {
                    self.hand_over(T::encode(message), Wait::Forever)
                }
                done => done,
            };
        }
        let usable = length.and_then(|()| match self.connection.has_fast_paths() {
            true => Ok(()),
            false => self.connection.segment.region.check(),
        });
        if let Err(failure) = usable {
            self.take_back_grant();
            return Err(WaitError::Failed(failure));
        }
        self.granted.clear();
        let view = self.view;
        match self.write(&view, position, message) {
            true => Ok(()),
            false => Err(self.closed()),
        }
    }
}

/// The error, unless it says that the operation would have to wait.
pub(crate) fn unless_it_waits(error: WaitError) -> Option<WaitError> {
    match error {
        WaitError::NotYet | WaitError::Held(_) | WaitError::Timeout(_) => None,
        error => Some(error),
    }
}

/// Carries out the operation of one arm, at random if several can be; waits for it within
/// `limit`. If none could be, no arm is selected.
pub fn run(arms: &mut [&mut dyn Arm], limit: Limit) {
    let count = arms.len();
    let mut first = random(count);
    // What is at hand, without a full check.
    for at in (first..count).chain(0..first) {
        if arms[at].source().0.look_once() && arms[at].try_complete() {
            return;
        }
    }
    let mut rounds = 0;
    loop {
        let sources = arms.iter_mut().map(|arm| arm.source().0);
        let ready = wait_for_any(sources, first, WaitStrategy::default(), limit.0);
        let Some(ready) = ready else { return };
        if arms[ready].try_complete() {
            return;
        }
        // Another endpoint was quicker, or what had been there was a dead member's. A peer
        // that has it so each time does not keep the call beyond its limit.
        if let Wait::Until(deadline) = limit.0
            && deadline <= MonotonicTime::now()
        {
            return;
        }
        rounds += 1;
        if rounds == MAX_ROUNDS && matches!(limit.0, Wait::Not | Wait::Zero) {
            return;
        }
        first = (ready + 1) % count;
    }
}

/// What a `send` arm of a [`select!`](macro@crate::select) sends by, and
/// [`Select::send`](crate::Select::send) takes. Other crates are not to implement this trait.
#[diagnostic::on_unimplemented(
    message = "`select!` cannot send by `{Self}`",
    label = "not a sender",
    note = "`send(.., message)` takes a `Sender`, or one of a socket"
)]
pub trait SelectSender: Selectable {}

impl<T: Message + ?Sized, K: Kind> SelectSender for Sender<T, K> {}

/// In scope of a `select!` so that the compiler says what a wrong operand lacks. A right one
/// has a method of its own of this name.
pub trait RecvOperand {
    /// The arm of a [`select!`](macro@crate::select).
    fn __recv_arm(&mut self) -> RecvArm<'_, Self>
    where
        Self: SelectReceiver + Sized,
    {
        RecvArm::new(self)
    }
}

impl<R: SelectReceiver> RecvOperand for R {}

/// Likewise, of `send` arms.
pub trait SendOperand {
    /// Never called.
    fn __send_arm(&mut self) {}
}

impl<S: SelectSender> SendOperand for S {}

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// The arm of a [`select!`](macro@crate::select).
    #[doc(hidden)]
    pub fn __recv_arm(&mut self) -> RecvArm<'_, Self> {
        RecvArm::new(self)
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// The arm of a [`select!`](macro@crate::select).
    #[doc(hidden)]
    pub fn __send_arm(&mut self) -> SendArm<'_, T, K> {
        SendArm {
            sender: self,
            claimed: None,
        }
    }
}
