//! The cancellers of endpoints.

use super::Canceller;
use crate::channel::receiver::Receiver;
use crate::channel::sender::Sender;
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Wakes this receiver from other threads: see [`Canceller`].
    pub fn canceller(&self) -> Canceller {
        self.connection.canceller()
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Wakes this sender from other threads: see [`Canceller`].
    pub fn canceller(&self) -> Canceller {
        self.connection.canceller()
    }
}
