//! How users control the waits of an endpoint: strategies of their own, and cancellation.

use std::sync::Arc;

use super::cancel::Canceller;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::error::Side;
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::wait::IdleStrategy;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// From now on this receiver waits by a strategy of the user's own: see
    /// [`IdleStrategy`]. The [`WaitStrategy`](crate::WaitStrategy) that it attached with no
    /// longer counts.
    pub fn set_idle_strategy(&mut self, strategy: impl IdleStrategy + 'static) {
        self.connection.idle = Some(Arc::new(strategy));
    }

    /// Wakes this receiver from other threads: see [`Canceller`].
    pub fn canceller(&self) -> Canceller {
        let connection = &self.connection;
        connection
            .canceller
            .get(&connection.segment, Side::Receiver)
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// As [`Receiver::set_idle_strategy`].
    pub fn set_idle_strategy(&mut self, strategy: impl IdleStrategy + 'static) {
        self.connection.idle = Some(Arc::new(strategy));
    }

    /// Wakes this sender from other threads: see [`Canceller`].
    pub fn canceller(&self) -> Canceller {
        let connection = &self.connection;
        connection.canceller.get(&connection.segment, Side::Sender)
    }
}
