//! Messages of several sizes, and what each kind's endpoints can do.

use memring::{Kind, Message, Mpmc, Mpsc, Receiver, Sender, Spmc, Spsc};

/// The longest byte message: beyond what is moved word by word.
pub const LIMIT: usize = 700;

pub trait Sample: Message {
    /// A message made of at most [`LIMIT`] bytes.
    fn sent(bytes: &[u8]) -> Self::Sent<'_>;
    /// What was received is possible at all.
    fn check(received: Self::Received);
}

impl Sample for u8 {
    fn sent(bytes: &[u8]) -> u8 {
        bytes.len() as u8
    }
    fn check(_any: u8) {}
}

impl Sample for [u64; 7] {
    fn sent(bytes: &[u8]) -> [u64; 7] {
        [bytes.len() as u64; 7]
    }
    fn check(_any: [u64; 7]) {}
}

impl Sample for [u64; 96] {
    fn sent(bytes: &[u8]) -> [u64; 96] {
        [bytes.len() as u64; 96]
    }
    fn check(_any: [u64; 96]) {}
}

impl Sample for [u8] {
    fn sent(bytes: &[u8]) -> &[u8] {
        bytes
    }
    fn check(received: Vec<u8>) {
        assert!(received.len() <= LIMIT, "{} bytes", received.len());
    }
}

/// Cloning, where the kind has it.
pub trait Copies: Kind + Sized {
    fn sender<T: Message + ?Sized>(_of: &Sender<T, Self>) -> Option<Sender<T, Self>> {
        None
    }
    fn receiver<T: Message + ?Sized>(_of: &Receiver<T, Self>) -> Option<Receiver<T, Self>> {
        None
    }
}

impl Copies for Spsc {}

impl Copies for Mpsc {
    fn sender<T: Message + ?Sized>(of: &Sender<T, Self>) -> Option<Sender<T, Self>> {
        Some(of.clone())
    }
}

impl Copies for Spmc {
    fn receiver<T: Message + ?Sized>(of: &Receiver<T, Self>) -> Option<Receiver<T, Self>> {
        Some(of.clone())
    }
}

impl Copies for Mpmc {
    fn sender<T: Message + ?Sized>(of: &Sender<T, Self>) -> Option<Sender<T, Self>> {
        Some(of.clone())
    }
    fn receiver<T: Message + ?Sized>(of: &Receiver<T, Self>) -> Option<Receiver<T, Self>> {
        Some(of.clone())
    }
}
