//! Messages of several sizes.

use memring::Message;

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
