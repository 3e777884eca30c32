//! Errors of shared objects that are not locks.

use std::fmt;
use std::io;

use super::{Failure, LockOwner};

/// Why the right to write to a [`Latest`](crate::sync::Latest) was not granted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// There is a writer already, in a process that is alive.
    #[error("there is a writer already{}; wait until it is dropped", writer(*holder))]
    Occupied {
        /// The handle that writes, if it is known: for display only.
        holder: Option<LockOwner>,
    },
    /// The handle cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The system refused the lock.
    #[error("cannot lock the byte of the writer: {source}")]
    Os {
        /// What the system said.
        source: io::Error,
    },
}

fn writer(holder: Option<LockOwner>) -> String {
    let text = |it: LockOwner| format!(", of process {} (handle {})", it.pid, it.id);
    holder.map_or_else(String::new, text)
}

/// Why the value of a [`Latest`](crate::sync::Latest) could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Very many attempts to copy the value were overtaken: the writer stores values faster than
    /// this thread can copy one.
    #[error(
        "the value was replaced again and again while it was copied: store it less often, or \
         make it smaller"
    )]
    Overtaken,
    /// The handle cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why a call with a time limit ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitChangedError {
    /// No other value was stored until the deadline.
    #[error("no other value was stored by the deadline")]
    Timeout,
    /// The handle cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why no permit was taken, in a call that does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// All permits are held, by handles that are alive.
    #[error("no permit is free now")]
    NoPermit,
    /// The handle cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why no permit was taken, in a call with a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireTimeoutError {
    /// All permits were held until the deadline. This names a handle that held one then, unless
    /// that changed just then.
    #[error("no permit was free by the deadline{}", Holding(*holder))]
    Timeout {
        /// One of the handles that held a permit, whether busy or stopped.
        holder: Option<LockOwner>,
    },
    /// The handle cannot be used.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// The end of a line about permits.
struct Holding(Option<LockOwner>);

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(it) => write!(f, ": process {} (handle {}) holds one", it.pid, it.id),
        }
    }
}
