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
    /// Was the ring empty?
    is_empty: Self::Empty,
    /// Did another endpoint hold the slot that comes next?
    is_held: Self::Held(_),
    /// Is the ring closed for good, and drained?
    is_closed: Self::Closed,
    /// Was the ring empty, and had all senders gone?
    is_disconnected: Self::Disconnected,
    /// Was the ring removed?
    is_removed: Self::Removed,
});

questions!(RecvError {
    /// Is the ring closed for good, and drained?
    is_closed: Self::Closed,
    /// Was the ring empty, and had all senders gone?
    is_disconnected: Self::Disconnected,
    /// Was the ring removed?
    is_removed: Self::Removed,
    /// Was the receiver cancelled?
    is_cancelled: Self::Cancelled,
});

questions!(RecvTimeoutError {
    /// Was there no message in time?
    is_timeout: Self::Timeout(_),
    /// Was there no message in time, for another endpoint held the slot that comes next?
    is_held: Self::Timeout(Some(_)),
    /// Is the ring closed for good, and drained?
    is_closed: Self::Closed,
    /// Was the ring empty, and had all senders gone?
    is_disconnected: Self::Disconnected,
    /// Was the ring removed?
    is_removed: Self::Removed,
    /// Was the receiver cancelled?
    is_cancelled: Self::Cancelled,
});

questions!(WaitForPeerError {
    /// Was no peer attached in time?
    is_timeout: Self::Timeout,
    /// Is the ring closed for good, and no peer attached?
    is_closed: Self::Closed,
    /// Was the ring removed, and no peer attached?
    is_removed: Self::Removed,
    /// Was the endpoint cancelled?
    is_cancelled: Self::Cancelled,
});

questions!(TrySendError<M> {
    /// Was the ring full?
    is_full: Self::Full(_),
    /// Did another endpoint hold the slot that comes next?
    is_held: Self::Held(..),
    /// Is the ring closed for good?
    is_closed: Self::Closed(_),
    /// Was the ring full, and had all receivers gone?
    is_disconnected: Self::Disconnected(_),
    /// Was the ring removed?
    is_removed: Self::Removed(_),
});

questions!(SendError<M> {
    /// Is the ring closed for good?
    is_closed: Self::Closed(_),
    /// Was the ring full, and had all receivers gone?
    is_disconnected: Self::Disconnected(_),
    /// Was the ring removed?
    is_removed: Self::Removed(_),
    /// Was the sender cancelled?
    is_cancelled: Self::Cancelled(_),
});

questions!(SendTimeoutError<M> {
    /// Was there no room in time?
    is_timeout: Self::Timeout(..),
    /// Was there no room in time, for another endpoint held the slot that comes next?
    is_held: Self::Timeout(_, Some(_)),
    /// Had a receiver the message in hand at the deadline, on a rendezvous ring?
    is_in_hand: Self::InHand(..),
    /// Is the ring closed for good?
    is_closed: Self::Closed(_),
    /// Was the ring full, and had all receivers gone?
    is_disconnected: Self::Disconnected(_),
    /// Was the ring removed?
    is_removed: Self::Removed(_),
    /// Was the sender cancelled?
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
