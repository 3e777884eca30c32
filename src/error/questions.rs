//! Questions that errors answer, where a pattern would be long.

use super::{
    Holder, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
    WaitForPeerError,
};

/// Questions that one variant answers.
macro_rules! questions {
    ($error:ident $(<$message:ident>)? { $($(#[$doc:meta])* $question:ident: $pattern:pat),* $(,)? }) => {
        impl $(<$message>)? $error $(<$message>)? {
            $(
                $(#[$doc])*
                pub fn $question(&self) -> bool {
                    matches!(self, $pattern)
                }
            )*
        }
    };
}

questions!(TryRecvError {
    /// Whether the ring was empty.
    is_empty: Self::Empty,
    /// Whether another endpoint held the slot that comes next.
    is_held: Self::Held(_),
    /// Whether the ring is closed for good, and drained.
    is_closed: Self::Closed,
    /// Whether the ring was empty, and all senders had detached or died.
    is_disconnected: Self::Disconnected,
    /// Whether the ring was removed.
    is_removed: Self::Removed,
});

questions!(RecvError {
    /// Whether the ring is closed for good, and drained.
    is_closed: Self::Closed,
    /// Whether the ring was empty, and all senders had detached or died.
    is_disconnected: Self::Disconnected,
    /// Whether the ring was removed.
    is_removed: Self::Removed,
    /// Whether the receiver was cancelled.
    is_cancelled: Self::Cancelled,
});

questions!(RecvTimeoutError {
    /// Whether no message came in time.
    is_timeout: Self::Timeout(_),
    /// Whether no message came in time because another endpoint held the next slot.
    is_held: Self::Timeout(Some(_)),
    /// Whether the ring is closed for good, and drained.
    is_closed: Self::Closed,
    /// Whether the ring was empty, and all senders had detached or died.
    is_disconnected: Self::Disconnected,
    /// Whether the ring was removed.
    is_removed: Self::Removed,
    /// Whether the receiver was cancelled.
    is_cancelled: Self::Cancelled,
});

questions!(WaitForPeerError {
    /// Whether no peer attached in time.
    is_timeout: Self::Timeout,
    /// Whether the ring is closed for good, and no peer is attached.
    is_closed: Self::Closed,
    /// Whether the ring was removed, and no peer is attached.
    is_removed: Self::Removed,
    /// Whether the endpoint was cancelled.
    is_cancelled: Self::Cancelled,
});

questions!(TrySendError<M> {
    /// Whether the ring was full.
    is_full: Self::Full(_),
    /// Whether another endpoint held the slot that comes next.
    is_held: Self::Held(..),
    /// Whether the ring is closed for good.
    is_closed: Self::Closed(_),
    /// Whether the ring was full, and all receivers had detached or died.
    is_disconnected: Self::Disconnected(_),
    /// Whether the ring was removed.
    is_removed: Self::Removed(_),
});

questions!(SendError<M> {
    /// Whether the ring is closed for good.
    is_closed: Self::Closed(_),
    /// Whether the ring was full, and all receivers had detached or died.
    is_disconnected: Self::Disconnected(_),
    /// Whether the ring was removed.
    is_removed: Self::Removed(_),
    /// Whether the sender was cancelled.
    is_cancelled: Self::Cancelled(_),
});

questions!(SendTimeoutError<M> {
    /// Whether there was no room in time.
    is_timeout: Self::Timeout(..),
    /// Whether there was no room in time because another endpoint held the next slot.
    is_held: Self::Timeout(_, Some(_)),
    /// Whether a receiver held the message at the deadline, on a rendezvous ring.
    is_in_hand: Self::InHand(..),
    /// Whether the ring is closed for good.
    is_closed: Self::Closed(_),
    /// Whether the ring was full, and all receivers had detached or died.
    is_disconnected: Self::Disconnected(_),
    /// Whether the ring was removed.
    is_removed: Self::Removed(_),
    /// Whether the sender was cancelled.
    is_cancelled: Self::Cancelled(_),
});

impl TryRecvError {
    /// The endpoint that held the slot that comes next, if one did.
    ///
    /// ```
    /// # use memring::{Mpsc, Ring};
    /// # let ring = Ring::<u64, Mpsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let grant = tx.reserve()?; // another sender writes the next message
    /// let error = rx.try_recv().unwrap_err();
    /// assert!(error.is_held());
    /// assert_eq!(error.holder().map(|holder| holder.pid), Some(std::process::id()));
    /// # drop(grant);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::Held(holder) => Some(*holder),
            _ => None,
        }
    }
}

impl RecvTimeoutError {
    /// The endpoint that held the slot that comes next, if one did.
    ///
    /// Example: [`TryRecvError::holder`].
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::Timeout(holder) => *holder,
            _ => None,
        }
    }
}

impl<M> TrySendError<M> {
    /// The endpoint that held the slot that comes next, if one did.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(1)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(1)?;
    /// let lease = rx.lease()?; // a receiver holds the only slot
    /// let error = tx.try_send(2).unwrap_err();
    /// assert!(error.is_held());
    /// assert_eq!(error.holder().map(|holder| holder.pid), Some(std::process::id()));
    /// # lease.release();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::Held(_, holder) => Some(*holder),
            _ => None,
        }
    }
}

impl<M> SendTimeoutError<M> {
    /// The endpoint that held the slot that comes next, if one did.
    ///
    /// Example: [`TrySendError::holder`].
    pub fn holder(&self) -> Option<Holder> {
        match self {
            Self::Timeout(_, holder) => *holder,
            Self::InHand(_, holder) => Some(*holder),
            _ => None,
        }
    }
}
