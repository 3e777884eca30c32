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

/// A lease that is dropped is acknowledged. Where it is to be given back
/// instead, `Drop` belongs to `Requeue`.
pub(super) fn lease_fate(guard: Guard) -> LeaseFate {
    match guard {
        Guard::Finish | Guard::Drop => LeaseFate::Released,
        Guard::Requeue => LeaseFate::Requeued,
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

/// Is the other side `Disconnected` for this endpoint? It is if anybody has
/// ever been there and nobody is left, whatever this endpoint saw itself.
pub(super) fn is_disconnected(_endpoint: &Endpoint, peers: &Members) -> bool {
    peers.had_any && peers.count() == 0
}

/// What an iterator says of the refusal at which it ends: nothing. The driver's
/// `iterate` has the other half.
pub(super) fn end_of_iteration(_refusal: Refusal) -> Option<Refusal> {
    None
}
