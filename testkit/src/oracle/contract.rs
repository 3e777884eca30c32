//! Choices of the API that may change, each in one place.

use super::answer::Refusal;
use super::members::{Endpoint, Members};
use super::step::Guard;

/// What becomes of the messages of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaseFate {
    /// Acknowledged.
    Released,
    /// To be received again, marked as given back once more.
    Requeued,
    /// As requeued, at the receiver's next call or at its drop.
    Leaked,
}

/// Only a release acknowledges: a lease that is dropped is given back.
pub(super) fn lease_fate(guard: Guard) -> LeaseFate {
    match guard {
        Guard::Finish => LeaseFate::Released,
        Guard::Drop | Guard::Requeue => LeaseFate::Requeued,
        Guard::Forget => LeaseFate::Leaked,
    }
}

/// What becomes of the position of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrantFate {
    /// Sent.
    Committed,
    /// Given up.
    Abandoned,
    /// Given up at the sender's next call or at its drop.
    Leaked,
}

pub(super) fn grant_fate(guard: Guard) -> GrantFate {
    match guard {
        Guard::Finish => GrantFate::Committed,
        Guard::Drop | Guard::Requeue => GrantFate::Abandoned,
        Guard::Forget => GrantFate::Leaked,
    }
}

/// Is the other side `Disconnected` for this endpoint? It is if one was there at some
/// time since the endpoint attached, or when it did, and none is left.
pub(super) fn is_disconnected(endpoint: &Endpoint, peers: &Members) -> bool {
    peers.count() == 0 && peers.attachments > endpoint.unseen
}

/// What an iterator says of the refusal at which it stops: that the other side has gone,
/// and nothing of what is a plain end. The driver's `iterate` has the other half.
pub(super) fn end_of_iteration(refusal: Refusal) -> Option<Refusal> {
    (refusal == Refusal::Disconnected).then_some(refusal)
}
