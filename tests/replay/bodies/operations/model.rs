//! The ring as it should be.

use std::collections::VecDeque;

use memring::{Message, TryRecvError, TrySendError};

/// The longest byte message.
pub const LIMIT: usize = 40;

/// A message of each family, made from its number.
pub trait Numbered: Message {
    const VARIES: bool;
    /// The message, which may borrow from `bytes`, those of [`bytes_of`].
    fn sent(id: u64, bytes: &[u8]) -> Self::Sent<'_>;
    fn number(received: Self::Received) -> u64;
}

impl Numbered for u64 {
    const VARIES: bool = false;
    fn sent(id: u64, _bytes: &[u8]) -> u64 {
        id
    }
    fn number(received: u64) -> u64 {
        received
    }
}

impl Numbered for [u8] {
    const VARIES: bool = true;
    fn sent(_id: u64, bytes: &[u8]) -> &[u8] {
        bytes
    }
    fn number(received: Vec<u8>) -> u64 {
        let id = u64::from_ne_bytes(received[..8].try_into().expect("8 bytes"));
        assert_eq!(received, bytes_of(id));
        id
    }
}

/// The bytes of a message: its number, and so many more up to [`LIMIT`].
pub fn bytes_of(id: u64) -> Vec<u8> {
    let mut bytes = id.to_ne_bytes().to_vec();
    bytes.resize(8 + id as usize % (LIMIT - 7), id as u8);
    bytes
}

/// A message under way, and how often it was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Under {
    pub id: u64,
    pub attempt: u8,
}

/// The ring as it should be.
#[derive(Default)]
pub struct Model {
    pub queue: VecDeque<Under>,
    /// Given back where there are many receivers: received in any order.
    pub back: Vec<Under>,
    pub next: u64,
    pub lost: u64,
    pub redelivered: u64,
    pub closed: bool,
    pub had_sender: bool,
    pub had_receiver: bool,
    /// The ring may be full before its time. A message that was given back
    /// keeps its slot, and one that was dropped may keep its until receivers
    /// pass it; a claim of many senders that was given up has used up a position,
    /// so the next one's slot may still hold a message of the lap before.
    pub crowded: bool,
}

impl Model {
    /// A send was refused, of a ring of so many slots and living receivers.
    pub fn refused(&self, reason: TrySendError<()>, capacity: usize, receivers: usize) {
        let gone = self.had_receiver && receivers == 0;
        match reason {
            TrySendError::Closed(()) => assert!(self.closed),
            TrySendError::Full(()) => assert!(!self.closed && !gone),
            TrySendError::Disconnected(()) => assert!(!self.closed && gone),
            TrySendError::Failed((), failure) => panic!("{failure}"),
        }
        if !self.closed {
            self.assert_full(capacity);
        }
    }

    fn assert_full(&self, capacity: usize) {
        let under_way = self.queue.len() + self.back.len();
        assert!(under_way == capacity || self.crowded);
    }

    /// There was nothing to receive, with so many living senders.
    pub fn nothing(&mut self, error: TryRecvError, senders: usize) {
        assert!(self.queue.is_empty() && self.back.is_empty(), "{error}");
        self.crowded = false;
        let expected = if self.closed {
            TryRecvError::Closed
        } else if self.had_sender && senders == 0 {
            TryRecvError::Disconnected
        } else {
            TryRecvError::Empty
        };
        assert_eq!(error, expected);
    }
}
