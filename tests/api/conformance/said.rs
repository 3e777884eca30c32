//! What a verb said, in the same words for all.

use memring::{
    Failure, RecvError, RecvTimeoutError, SendBatchError, SendBatchTimeoutError, SendError,
    SendTimeoutError, TryRecvError, TrySendBatchError, TrySendError,
};

/// Why a verb came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Full, empty or held.
    NotYet,
    Timeout,
    Closed,
    Disconnected,
    Removed,
    Cancelled,
    NotForRendezvous,
    Other,
}

impl From<Failure> for Said {
    fn from(failure: Failure) -> Said {
        match failure {
            Failure::NotForRendezvous => Said::NotForRendezvous,
            _ => Said::Other,
        }
    }
}

impl From<TryRecvError> for Said {
    fn from(error: TryRecvError) -> Said {
        match error {
            TryRecvError::Empty | TryRecvError::Held(_) => Said::NotYet,
            TryRecvError::Closed => Said::Closed,
            TryRecvError::Disconnected => Said::Disconnected,
            TryRecvError::Removed => Said::Removed,
            TryRecvError::Failed(failure) => failure.into(),
        }
    }
}

impl From<RecvError> for Said {
    fn from(error: RecvError) -> Said {
        match error {
            RecvError::Closed => Said::Closed,
            RecvError::Disconnected => Said::Disconnected,
            RecvError::Removed => Said::Removed,
            RecvError::Cancelled => Said::Cancelled,
            RecvError::Failed(failure) => failure.into(),
        }
    }
}

impl From<RecvTimeoutError> for Said {
    fn from(error: RecvTimeoutError) -> Said {
        match error {
            RecvTimeoutError::Timeout(_) => Said::Timeout,
            RecvTimeoutError::Closed => Said::Closed,
            RecvTimeoutError::Disconnected => Said::Disconnected,
            RecvTimeoutError::Removed => Said::Removed,
            RecvTimeoutError::Cancelled => Said::Cancelled,
            RecvTimeoutError::Failed(failure) => failure.into(),
        }
    }
}

impl<M> From<TrySendError<M>> for Said {
    fn from(error: TrySendError<M>) -> Said {
        match error {
            TrySendError::Full(_) | TrySendError::Held(..) => Said::NotYet,
            TrySendError::Closed(_) => Said::Closed,
            TrySendError::Disconnected(_) => Said::Disconnected,
            TrySendError::Removed(_) => Said::Removed,
            TrySendError::Failed(_, failure) => failure.into(),
        }
    }
}

impl<M> From<SendError<M>> for Said {
    fn from(error: SendError<M>) -> Said {
        match error {
            SendError::Closed(_) => Said::Closed,
            SendError::Disconnected(_) => Said::Disconnected,
            SendError::Removed(_) => Said::Removed,
            SendError::Cancelled(_) => Said::Cancelled,
            SendError::Failed(_, failure) => failure.into(),
        }
    }
}

impl<M> From<SendTimeoutError<M>> for Said {
    fn from(error: SendTimeoutError<M>) -> Said {
        match error {
            SendTimeoutError::Timeout(..) => Said::Timeout,
            SendTimeoutError::InHand(..) => Said::Other,
            SendTimeoutError::Closed(_) => Said::Closed,
            SendTimeoutError::Disconnected(_) => Said::Disconnected,
            SendTimeoutError::Removed(_) => Said::Removed,
            SendTimeoutError::Cancelled(_) => Said::Cancelled,
            SendTimeoutError::Failed(_, failure) => failure.into(),
        }
    }
}

impl<M> From<TrySendBatchError<M>> for Said {
    fn from(error: TrySendBatchError<M>) -> Said {
        error.cause.into()
    }
}

impl<M> From<SendBatchError<M>> for Said {
    fn from(error: SendBatchError<M>) -> Said {
        error.cause.into()
    }
}

impl<M> From<SendBatchTimeoutError<M>> for Said {
    fn from(error: SendBatchTimeoutError<M>) -> Said {
        error.cause.into()
    }
}
