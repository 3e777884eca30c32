//! Endpoints with an idle strategy of their user.

use std::sync::Arc;

use super::receiver::Receiver;
use super::sender::Sender;
use crate::message::Message;
use crate::ring::kind::Kind;
use crate::wait::IdleStrategy;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Makes this receiver wait by the user's own strategy from now on: see [`IdleStrategy`]. The
    /// [`WaitStrategy`](crate::WaitStrategy) that it attached with no longer applies.
    pub fn set_idle_strategy(&mut self, strategy: impl IdleStrategy + 'static) {
        self.connection.idle = Some(Arc::new(strategy));
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// As [`Receiver::set_idle_strategy`].
    ///
    /// ```
    /// use memring::{Idle, IdleStrategy};
    ///
    /// struct Yield;
    ///
    /// impl IdleStrategy for Yield {
    ///     fn idle(&self, _looks: u32) -> Idle {
    ///         std::thread::yield_now();
    ///         Idle::Look
    ///     }
    /// }
    ///
    /// # let ring = memring::Ring::<u64, memring::Spsc>::anonymous(1)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.set_idle_strategy(Yield);
    /// # let receiving = std::thread::spawn(move || rx.recv().and_then(|_| rx.recv()));
    /// tx.send_slice(&[1, 2])?; // the second waits for room
    /// # receiving.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_idle_strategy(&mut self, strategy: impl IdleStrategy + 'static) {
        self.connection.idle = Some(Arc::new(strategy));
    }
}
