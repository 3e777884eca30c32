//! Errors into others: where one says no more than another, and into those of `std::io`.

use std::io::{self, ErrorKind};

use super::{
    AcquireTimeoutError, AttachError, BarrierError, Failure, LockError, LockTimeoutError, Mismatch,
    OnceError, ReadError, RecvError, RecvTimeoutError, RingError, SendBatchError,
    SendBatchTimeoutError, SendError, SendTimeoutError, TryAcquireError, TryLockError,
    TryRecvError, TrySendBatchError, TrySendError, UnknownName, WaitChangedError, WaitForPeerError,
    WriterError,
};

/// What a call without a time limit says, one with a limit can say, too.
macro_rules! widen_recv {
    ($($wide:ident: $cancelled:expr),*) => {
        $(impl From<RecvError> for $wide {
            fn from(error: RecvError) -> Self {
                match error {
                    RecvError::Closed => $wide::Closed,
                    RecvError::Disconnected => $wide::Disconnected,
                    RecvError::Removed => $wide::Removed,
                    RecvError::Cancelled => $cancelled,
                    RecvError::Failed(failure) => $wide::Failed(failure),
                }
            }
        })*
    };
}

// One that was cancelled found the ring empty, and `try_` verbs know no more.
widen_recv!(TryRecvError: TryRecvError::Empty, RecvTimeoutError: RecvTimeoutError::Cancelled);

macro_rules! widen_send {
    ($($wide:ident: $cancelled:ident),*) => {
        $(impl<M> From<SendError<M>> for $wide<M> {
            fn from(error: SendError<M>) -> Self {
                match error {
                    SendError::Closed(message) => $wide::Closed(message),
                    SendError::Disconnected(message) => $wide::Disconnected(message),
                    SendError::Removed(message) => $wide::Removed(message),
                    SendError::Cancelled(message) => $wide::$cancelled(message),
                    SendError::Failed(message, failure) => $wide::Failed(message, failure),
                }
            }
        })*
    };
}

widen_send!(TrySendError: Full, SendTimeoutError: Cancelled);

macro_rules! widen_batch {
    ($($wide:ident),*) => {
        $(impl<M> From<SendBatchError<M>> for $wide<M> {
            fn from(error: SendBatchError<M>) -> Self {
                $wide {
                    sent: error.sent,
                    cause: error.cause.into(),
                }
            }
        })*
    };
}

widen_batch!(TrySendBatchError, SendBatchTimeoutError);

/// The `std::io` error of an error: the error itself is inside, without the unsent message.
macro_rules! into_io {
    ($($error:ident: $kind:ident),* $(,)?) => {
        $(impl From<$error> for io::Error {
            fn from(error: $error) -> Self {
                io::Error::new($kind(&error), error)
            }
        })*
    };
}

into_io!(
    Failure: failure,
    TryRecvError: try_recv,
    RecvError: recv,
    RecvTimeoutError: recv_timeout,
    AttachError: attach,
    RingError: ring,
    UnknownName: unknown,
    OnceError: once,
    BarrierError: barrier,
    WaitForPeerError: wait_for_peer,
    WriterError: writer,
    ReadError: read,
    WaitChangedError: wait_changed,
    TryAcquireError: try_acquire,
    AcquireTimeoutError: acquire_timeout,
);

macro_rules! into_io_without_message {
    ($($error:ident: $kind:ident),* $(,)?) => {
        $(impl<M> From<$error<M>> for io::Error {
            fn from(error: $error<M>) -> Self {
                let error = error.without_message();
                io::Error::new($kind(&error), error)
            }
        })*
    };
}

into_io_without_message!(
    TrySendError: try_send,
    SendError: send,
    SendTimeoutError: send_timeout,
);

macro_rules! batch_into_io {
    ($($error:ident: $kind:ident),* $(,)?) => {
        $(impl<M> From<$error<M>> for io::Error {
            fn from(error: $error<M>) -> Self {
                let error = $error {
                    sent: error.sent,
                    cause: error.cause.without_message(),
                };
                io::Error::new($kind(&error.cause), error)
            }
        })*
    };
}

batch_into_io!(
    TrySendBatchError: try_send,
    SendBatchError: send,
    SendBatchTimeoutError: send_timeout,
);

macro_rules! into_io_without_guard {
    ($($error:ident: $kind:expr),* $(,)?) => {
        $(impl<G> From<$error<G>> for io::Error {
            fn from(error: $error<G>) -> Self {
                let error = error.without_guard();
                let kind: fn(&$error<()>) -> ErrorKind = $kind;
                io::Error::new(kind(&error), error)
            }
        })*
    };
}

/// What is poisoned is damaged.
const POISONED: ErrorKind = ErrorKind::InvalidData;

into_io_without_guard!(
    LockError: |error| match error {
        LockError::Poisoned(_) => POISONED,
        LockError::Failed(cause) => failure(cause),
    },
    TryLockError: |error| match error {
        TryLockError::Poisoned(_) => POISONED,
        TryLockError::Held(_) => ErrorKind::WouldBlock,
        TryLockError::Failed(cause) => failure(cause),
    },
    LockTimeoutError: |error| match error {
        LockTimeoutError::Poisoned(_) => POISONED,
        LockTimeoutError::Timeout(_) => ErrorKind::TimedOut,
        LockTimeoutError::Failed(cause) => failure(cause),
    },
);

/// Not `Interrupted`: callers of `std::io` try again at that.
const CANCELLED: ErrorKind = ErrorKind::Other;

fn failure(failure: &Failure) -> ErrorKind {
    match failure {
        Failure::TooLong { .. } | Failure::WrongSize { .. } => ErrorKind::InvalidInput,
        Failure::Corrupted(_) => ErrorKind::InvalidData,
        Failure::Forked | Failure::NotForRendezvous => ErrorKind::Unsupported,
        Failure::DescriptorClosed => ErrorKind::NotConnected,
        Failure::TooManyReaders { .. } => ErrorKind::OutOfMemory,
        Failure::TooLongToReceive { .. } | Failure::NotAMessage { .. } => ErrorKind::InvalidData,
        Failure::System { code, .. } => io::Error::from_raw_os_error(*code).kind(),
    }
}

fn try_recv(error: &TryRecvError) -> ErrorKind {
    match error {
        TryRecvError::Empty | TryRecvError::Held(_) => ErrorKind::WouldBlock,
        TryRecvError::Closed => ErrorKind::UnexpectedEof,
        TryRecvError::Disconnected | TryRecvError::Removed => ErrorKind::BrokenPipe,
        TryRecvError::Failed(cause) => failure(cause),
    }
}

fn recv(error: &RecvError) -> ErrorKind {
    recv_timeout(&(*error).into())
}

fn recv_timeout(error: &RecvTimeoutError) -> ErrorKind {
    match error {
        RecvTimeoutError::Timeout(_) => ErrorKind::TimedOut,
        RecvTimeoutError::Closed => ErrorKind::UnexpectedEof,
        RecvTimeoutError::Disconnected | RecvTimeoutError::Removed => ErrorKind::BrokenPipe,
        RecvTimeoutError::Cancelled => CANCELLED,
        RecvTimeoutError::Failed(cause) => failure(cause),
    }
}

fn try_send(error: &TrySendError<()>) -> ErrorKind {
    match error {
        TrySendError::Full(()) | TrySendError::Held((), _) => ErrorKind::WouldBlock,
        TrySendError::Closed(()) | TrySendError::Disconnected(()) | TrySendError::Removed(()) => {
            ErrorKind::BrokenPipe
        }
        TrySendError::Failed((), cause) => failure(cause),
    }
}

fn send(error: &SendError<()>) -> ErrorKind {
    send_timeout(&(*error).into())
}

fn send_timeout(error: &SendTimeoutError<()>) -> ErrorKind {
    match error {
        SendTimeoutError::Timeout((), _) | SendTimeoutError::InHand((), _) => ErrorKind::TimedOut,
        SendTimeoutError::Closed(())
        | SendTimeoutError::Disconnected(())
        | SendTimeoutError::Removed(()) => ErrorKind::BrokenPipe,
        SendTimeoutError::Cancelled(()) => CANCELLED,
        SendTimeoutError::Failed((), cause) => failure(cause),
    }
}

fn wait_for_peer(error: &WaitForPeerError) -> ErrorKind {
    match error {
        WaitForPeerError::Timeout => ErrorKind::TimedOut,
        WaitForPeerError::Cancelled => CANCELLED,
        WaitForPeerError::Failed(cause) => failure(cause),
        _ => ErrorKind::BrokenPipe,
    }
}

fn attach(error: &AttachError) -> ErrorKind {
    match error {
        AttachError::Occupied { .. } => ErrorKind::ResourceBusy,
        AttachError::TooMany { .. } => ErrorKind::QuotaExceeded,
        AttachError::CannotPark => ErrorKind::InvalidInput,
        AttachError::Failed(cause) => failure(cause),
        AttachError::Os { source, .. } => source.kind(),
    }
}

fn writer(error: &WriterError) -> ErrorKind {
    match error {
        WriterError::Occupied { .. } => ErrorKind::ResourceBusy,
        WriterError::Failed(cause) => failure(cause),
        WriterError::Os { source } => source.kind(),
    }
}

fn read(error: &ReadError) -> ErrorKind {
    match error {
        ReadError::Overtaken => ErrorKind::WouldBlock,
        ReadError::Failed(cause) => failure(cause),
    }
}

fn wait_changed(error: &WaitChangedError) -> ErrorKind {
    match error {
        WaitChangedError::Timeout => ErrorKind::TimedOut,
        WaitChangedError::Failed(cause) => failure(cause),
    }
}

fn try_acquire(error: &TryAcquireError) -> ErrorKind {
    match error {
        TryAcquireError::NoPermit => ErrorKind::WouldBlock,
        TryAcquireError::Failed(cause) => failure(cause),
    }
}

fn acquire_timeout(error: &AcquireTimeoutError) -> ErrorKind {
    match error {
        AcquireTimeoutError::Timeout { .. } => ErrorKind::TimedOut,
        AcquireTimeoutError::Failed(cause) => failure(cause),
    }
}

fn ring(error: &RingError) -> ErrorKind {
    match error {
        RingError::InvalidName { .. } | RingError::InvalidOption { .. } => ErrorKind::InvalidInput,
        RingError::NotFound { .. } => ErrorKind::NotFound,
        RingError::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        RingError::Mismatch {
            mismatch: Mismatch::Owner { .. } | Mismatch::Permissions { .. },
            ..
        }
        | RingError::Directory { .. } => ErrorKind::PermissionDenied,
        RingError::Mismatch { .. } => ErrorKind::InvalidData,
        RingError::NoSpace { .. } => ErrorKind::StorageFull,
        RingError::TooManyHandles { .. } => ErrorKind::QuotaExceeded,
        RingError::Unsupported { .. } => ErrorKind::Unsupported,
        RingError::Failed(cause) => failure(cause),
        RingError::Os { source, .. } => source.kind(),
        _ => ErrorKind::Other,
    }
}

fn once(error: &OnceError) -> ErrorKind {
    match error {
        OnceError::Interrupted => POISONED,
        OnceError::Timeout(_) => ErrorKind::TimedOut,
        OnceError::Failed(cause) => failure(cause),
    }
}

fn barrier(error: &BarrierError) -> ErrorKind {
    match error {
        BarrierError::Broken => ErrorKind::BrokenPipe,
        BarrierError::Full { .. } => ErrorKind::QuotaExceeded,
        BarrierError::Timeout(_) => ErrorKind::TimedOut,
        BarrierError::Failed(cause) => failure(cause),
    }
}

fn unknown(_: &UnknownName) -> ErrorKind {
    ErrorKind::InvalidInput
}
