//! How a call ended, as the error that its users see.

use super::waiting::WaitError;
use crate::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

#[cold]
#[inline(never)]
pub(crate) fn try_send<M>(error: WaitError, message: M) -> TrySendError<M> {
    match error {
        WaitError::NotYet | WaitError::Timeout(_) | WaitError::Cancelled => {
            TrySendError::Full(message)
        }
        WaitError::Held(holder) => TrySendError::Held(message, holder),
        WaitError::Closed => TrySendError::Closed(message),
        WaitError::Disconnected => TrySendError::Disconnected(message),
        WaitError::Removed => TrySendError::Removed(message),
        WaitError::Failed(failure) => TrySendError::Failed(message, failure),
    }
}

#[cold]
#[inline(never)]
pub(crate) fn send_timeout<M>(error: WaitError, message: M) -> SendTimeoutError<M> {
    match error {
        WaitError::NotYet => SendTimeoutError::Timeout(message, None),
        WaitError::Held(holder) => SendTimeoutError::Timeout(message, Some(holder)),
        WaitError::Timeout(holder) => SendTimeoutError::Timeout(message, holder),
        WaitError::Closed => SendTimeoutError::Closed(message),
        WaitError::Disconnected => SendTimeoutError::Disconnected(message),
        WaitError::Removed => SendTimeoutError::Removed(message),
        WaitError::Cancelled => SendTimeoutError::Cancelled(message),
        WaitError::Failed(failure) => SendTimeoutError::Failed(message, failure),
    }
}

/// The error of a call without a deadline, which never ends with `Timeout`.
#[cold]
#[inline(never)]
pub(crate) fn send<M>(error: WaitError, message: M) -> SendError<M> {
    match error {
        WaitError::Closed => SendError::Closed(message),
        WaitError::NotYet
        | WaitError::Held(_)
        | WaitError::Timeout(_)
        | WaitError::Disconnected => SendError::Disconnected(message),
        WaitError::Removed => SendError::Removed(message),
        WaitError::Cancelled => SendError::Cancelled(message),
        WaitError::Failed(failure) => SendError::Failed(message, failure),
    }
}

pub(crate) fn try_recv(error: WaitError) -> TryRecvError {
    match error {
        WaitError::NotYet | WaitError::Timeout(_) | WaitError::Cancelled => TryRecvError::Empty,
        WaitError::Held(holder) => TryRecvError::Held(holder),
        WaitError::Closed => TryRecvError::Closed,
        WaitError::Disconnected => TryRecvError::Disconnected,
        WaitError::Removed => TryRecvError::Removed,
        WaitError::Failed(failure) => TryRecvError::Failed(failure),
    }
}

pub(crate) fn recv_timeout(error: WaitError) -> RecvTimeoutError {
    match error {
        WaitError::NotYet => RecvTimeoutError::Timeout(None),
        WaitError::Held(holder) => RecvTimeoutError::Timeout(Some(holder)),
        WaitError::Timeout(holder) => RecvTimeoutError::Timeout(holder),
        WaitError::Closed => RecvTimeoutError::Closed,
        WaitError::Disconnected => RecvTimeoutError::Disconnected,
        WaitError::Removed => RecvTimeoutError::Removed,
        WaitError::Cancelled => RecvTimeoutError::Cancelled,
        WaitError::Failed(failure) => RecvTimeoutError::Failed(failure),
    }
}

/// The error of a call without a deadline, which never ends with `Timeout`.
pub(crate) fn recv(error: WaitError) -> RecvError {
    match error {
        WaitError::Closed => RecvError::Closed,
        WaitError::NotYet
        | WaitError::Held(_)
        | WaitError::Timeout(_)
        | WaitError::Disconnected => RecvError::Disconnected,
        WaitError::Removed => RecvError::Removed,
        WaitError::Cancelled => RecvError::Cancelled,
        WaitError::Failed(failure) => RecvError::Failed(failure),
    }
}
