//! What the engine knows of a sender and a receiver.

use crate::message::{Check, Source};

/// Sends.
pub trait Tx<const N: usize> {
    /// Send the next message as one publication.
    fn send(&mut self, source: &mut Source);

    /// Send the next `count` messages in the way that is best for it.
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        for _ in 0..count {
            self.send(source);
        }
    }

    /// Send the next message, written where it will lie.
    fn send_in_place(&mut self, source: &mut Source) {
        self.send(source);
    }
}

/// Receives.
pub trait Rx<const N: usize> {
    /// Receive one message.
    fn recv(&mut self, check: &mut impl Check);

    /// Receive at least one message, at most `most`.
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        let _ = most;
        self.recv(check);
    }

    /// Read at least one message, at most `most`, where they lie.
    fn recv_in_place(&mut self, check: &mut impl Check, most: usize) {
        self.recv_batch(check, most);
    }
}

/// What a worker holds.
pub enum End<T, R> {
    /// A sender.
    Tx(T),
    /// A receiver.
    Rx(R),
    /// Both, and begins.
    Ping(T, R),
    /// Both, and answers.
    Echo(T, R),
}
