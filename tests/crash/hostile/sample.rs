//! Messages of several sizes.

use memring::{Kind, Message, Receiver, Sender, TryRecvError, TrySendError};
use memring_testkit::random::Random;

use super::chunks;

/// The longest byte message: beyond what is moved word by word.
pub const LIMIT: usize = 700;

pub trait Sample: Message {
    /// A message made of at most [`LIMIT`] bytes.
    fn sent(bytes: &[u8]) -> Self::Sent<'_>;
    /// What was received is possible at all.
    fn check(received: Self::Received);
    /// Sends by a chunk, where there are any: messages of a fixed size.
    fn send_chunk<K: Kind>(
        _sender: &mut Sender<Self, K>,
        _random: &mut Random,
    ) -> Option<Result<usize, TrySendError<()>>> {
        None
    }
    /// Receives by one.
    fn receive_chunk<K: Kind>(
        _receiver: &mut Receiver<Self, K>,
        _random: &mut Random,
    ) -> Option<Result<usize, TryRecvError>> {
        None
    }
}

/// Samples of a fixed size.
macro_rules! fixed {
    ($($sample:ty: $make:expr),* $(,)?) => {
        $(
            impl Sample for $sample {
                fn sent(bytes: &[u8]) -> $sample {
                    $make(bytes.len())
                }
                fn check(_any: $sample) {}
                fn send_chunk<K: Kind>(
                    sender: &mut Sender<Self, K>,
                    random: &mut Random,
                ) -> Option<Result<usize, TrySendError<()>>> {
                    let message = $make(random.below(LIMIT as u64) as usize);
                    Some(chunks::send(sender, message, random))
                }
                fn receive_chunk<K: Kind>(
                    receiver: &mut Receiver<Self, K>,
                    random: &mut Random,
                ) -> Option<Result<usize, TryRecvError>> {
                    Some(chunks::receive(receiver, $make(0), random))
                }
            }
        )*
    };
}

fixed! {
    u8: |length| length as u8,
    [u64; 7]: |length| [length as u64; 7],
    [u64; 96]: |length| [length as u64; 96],
}

impl Sample for [u8] {
    fn sent(bytes: &[u8]) -> &[u8] {
        bytes
    }
    fn check(received: Vec<u8>) {
        assert!(received.len() <= LIMIT, "{} bytes", received.len());
    }
}
