//! How a call ended, as the error that its users see.

use super::waiting::Outcome;
use crate::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

pub(crate) fn try_send<M>(outcome: Outcome, message: M) -> TrySendError<M> {
    match outcome {
        Outcome::NotYet | Outcome::Timeout(_) => TrySendError::Full(message),
        Outcome::Closed => TrySendError::Closed(message),
        Outcome::Disconnected => TrySendError::Disconnected(message),
        Outcome::Failed(failure) => TrySendError::Failed(message, failure),
    }
}

pub(crate) fn send_timeout<M>(outcome: Outcome, message: M) -> SendTimeoutError<M> {
    match outcome {
        Outcome::NotYet => SendTimeoutError::Timeout(message, None),
        Outcome::Timeout(holder) => SendTimeoutError::Timeout(message, holder),
        Outcome::Closed => SendTimeoutError::Closed(message),
        Outcome::Disconnected => SendTimeoutError::Disconnected(message),
        Outcome::Failed(failure) => SendTimeoutError::Failed(message, failure),
    }
}

/// The error of a call without a deadline, whose outcome is never `Timeout`.
pub(crate) fn send<M>(error: SendTimeoutError<M>) -> SendError<M> {
    match error {
        SendTimeoutError::Closed(message) => SendError::Closed(message),
        SendTimeoutError::Timeout(message, _) | SendTimeoutError::Disconnected(message) => {
            SendError::Disconnected(message)
        }
        SendTimeoutError::Failed(message, failure) => SendError::Failed(message, failure),
    }
}

pub(crate) fn try_recv(outcome: Outcome) -> TryRecvError {
    match outcome {
        Outcome::NotYet | Outcome::Timeout(_) => TryRecvError::Empty,
        Outcome::Closed => TryRecvError::Closed,
        Outcome::Disconnected => TryRecvError::Disconnected,
        Outcome::Failed(failure) => TryRecvError::Failed(failure),
    }
}

pub(crate) fn recv_timeout(outcome: Outcome) -> RecvTimeoutError {
    match outcome {
        Outcome::NotYet => RecvTimeoutError::Timeout(None),
        Outcome::Timeout(holder) => RecvTimeoutError::Timeout(holder),
        Outcome::Closed => RecvTimeoutError::Closed,
        Outcome::Disconnected => RecvTimeoutError::Disconnected,
        Outcome::Failed(failure) => RecvTimeoutError::Failed(failure),
    }
}

/// The error of a call without a deadline, whose outcome is never `Timeout`.
pub(crate) fn recv(outcome: Outcome) -> RecvError {
    match outcome {
        Outcome::Closed => RecvError::Closed,
        Outcome::NotYet | Outcome::Timeout(_) | Outcome::Disconnected => RecvError::Disconnected,
        Outcome::Failed(failure) => RecvError::Failed(failure),
    }
}
