//! What travels through the rings.

use std::fmt::Debug;

use bytemuck::{Pod, Zeroable};
use memring::{Kind, Message, Receiver, Sender};

use super::answer::Answer;
use super::chunks::{self, Chunk};

/// What a sender of `P` hands over.
pub type Sent<'m, P> = <<P as Payload>::Message as Message>::Sent<'m>;

/// What comes back inside an error.
pub type Unsent<P> = <<P as Payload>::Message as Message>::Unsent;

/// A message, made from its number.
pub trait Payload: 'static {
    /// What the ring carries.
    type Message: Message<Received = Self::Owned> + ?Sized;
    /// A message in memory of its own.
    type Owned: Clone + PartialEq + Debug;
    /// Byte messages: the longest.
    const LIMIT: Option<usize>;
    /// The message with that number.
    fn make(number: u64) -> Self::Owned;
    /// As a sender takes it.
    fn borrow(owned: &Self::Owned) -> Sent<'_, Self>;
    /// What comes back inside an error, if anything does.
    fn returned(unsent: Unsent<Self>) -> Option<Self::Owned>;
    /// A message that is longer than the limit by 1 and `more`, where there is
    /// a limit.
    fn too_long(more: u8) -> Option<Self::Owned>;
    /// Fills a chunk with messages from `number` on. `None`: these messages have no chunks.
    fn reserve_chunk<K: Kind>(
        tx: &mut Sender<Self::Message, K>,
        chunk: Chunk,
        number: u64,
    ) -> Option<Answer>;
    /// Takes a chunk. `None`: these messages have no chunks.
    fn lease_chunk<K: Kind>(rx: &mut Receiver<Self::Message, K>, chunk: Chunk) -> Option<Answer>;
    /// All of its bytes.
    fn bytes(owned: &Self::Owned) -> &[u8];
    /// A hash of the bytes and their number: two messages with the same are
    /// taken for the same.
    fn fingerprint(owned: &Self::Owned) -> u64 {
        let bytes = Self::bytes(owned);
        // FNV-1a.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash ^ (bytes.len() as u64).rotate_left(32)
    }
}

macro_rules! typed {
    ($type:ty) => {
        impl Payload for $type {
            type Message = $type;
            type Owned = $type;
            const LIMIT: Option<usize> = None;

            fn make(number: u64) -> $type {
                let mut message = <$type>::zeroed();
                let bytes = bytemuck::bytes_of_mut(&mut message);
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = (number.rotate_left(index as u32 % 64) as usize + index) as u8;
                }
                message
            }

            fn borrow(owned: &$type) -> $type {
                *owned
            }

            fn returned(unsent: $type) -> Option<$type> {
                Some(unsent)
            }

            fn too_long(_: u8) -> Option<$type> {
                None
            }

            fn reserve_chunk<K: Kind>(
                tx: &mut Sender<$type, K>,
                chunk: Chunk,
                number: u64,
            ) -> Option<Answer> {
                Some(chunks::reserve(tx, chunk, number, Self::make))
            }

            fn lease_chunk<K: Kind>(rx: &mut Receiver<$type, K>, chunk: Chunk) -> Option<Answer> {
                Some(chunks::lease(rx, chunk, Self::fingerprint))
            }

            fn bytes(owned: &$type) -> &[u8] {
                bytemuck::bytes_of(owned)
            }
        }
    };
}

/// Aligned to 16 bytes, as `u128` is on most machines.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct Wide([u64; 2]);

typed!(u64);
typed!([u8; 1]);
typed!([u64; 7]);
typed!([u64; 8]);
typed!([u64; 512]);
typed!(Wide);

/// Byte messages of up to `LIMIT` bytes.
pub struct Bytes<const LIMIT: usize>;

impl<const LIMIT: usize> Payload for Bytes<LIMIT> {
    type Message = [u8];
    type Owned = Vec<u8>;
    const LIMIT: Option<usize> = Some(LIMIT);

    /// Now and then of no bytes, and of as many as there may be.
    fn make(number: u64) -> Vec<u8> {
        let length = match number % 8 {
            0 => 0,
            1 => LIMIT,
            _ => (number as usize).wrapping_mul(31) % (LIMIT + 1),
        };
        let byte = |index| (number as usize + index) as u8;
        (0..length).map(byte).collect()
    }

    fn borrow(owned: &Vec<u8>) -> &[u8] {
        owned
    }

    fn returned(_unsent: ()) -> Option<Vec<u8>> {
        None
    }

    fn too_long(more: u8) -> Option<Vec<u8>> {
        Some(vec![7; LIMIT + 1 + usize::from(more)])
    }

    fn reserve_chunk<K: Kind>(_: &mut Sender<[u8], K>, _: Chunk, _: u64) -> Option<Answer> {
        None
    }

    fn lease_chunk<K: Kind>(_: &mut Receiver<[u8], K>, _: Chunk) -> Option<Answer> {
        None
    }

    fn bytes(owned: &Vec<u8>) -> &[u8] {
        owned
    }
}

/// What the oracle knows of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Byte messages: the longest.
    pub limit: Option<usize>,
    /// The fingerprint of the message with that number.
    pub message: fn(u64) -> u64,
    /// The length of a message beyond the limit.
    pub too_long: fn(u8) -> Option<usize>,
}

impl Format {
    /// That of `P`.
    pub fn of<P: Payload>() -> Format {
        Format {
            limit: P::LIMIT,
            message: |number| P::fingerprint(&P::make(number)),
            too_long: |more| Some(P::bytes(&P::too_long(more)?).len()),
        }
    }
}
