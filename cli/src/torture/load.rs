//! Messages that say where they are written down, with a check of every byte; and the one place
//! where kind and message, known at run time, become types.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, ensure};
use memring::{Kind, Message, Mpmc, Mpsc, Receiver, RingKind, Sender, Spmc, Spsc};
use serde::{Deserialize, Serialize};

use super::account::Stamp;
use super::held::{self, MaybeHeld};

/// The most bytes of a mixed message.
const MIXED: usize = 256;

/// What messages are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Size {
    /// All of so many bytes, as a type of its own.
    Typed(usize),
    /// Byte messages of 8 to [`MIXED`] bytes.
    Mixed,
}

impl Size {
    /// In words for people.
    pub fn describe(self) -> String {
        match self {
            Size::Typed(bytes) => format!("{bytes} bytes"),
            Size::Mixed => format!("8 to {MIXED} bytes"),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Typed(bytes) => write!(f, "{bytes}"),
            Size::Mixed => f.write_str("mixed"),
        }
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "mixed" => Ok(Size::Mixed),
            "8" | "64" | "256" | "1024" | "4096" => {
                text.parse().map(Size::Typed).map_err(|_| String::new())
            }
            _ => Err("expected mixed, 8, 64, 256, 1024 or 4096".to_owned()),
        }
    }
}

/// A message of the storm.
pub trait Load: Message {
    /// The message with this stamp.
    fn make(stamp: Stamp) -> Self::Received;
    /// As a sender takes it.
    fn lend(made: &Self::Received) -> Self::Sent<'_>;
    /// Its bytes.
    fn bytes(message: &Self::Received) -> &[u8];
    /// Its bytes, to be spoilt.
    fn bytes_mut(message: &mut Self::Received) -> &mut [u8];
    /// How long the message with this stamp is.
    fn length(stamp: Stamp) -> usize;
    /// Reserve a chunk for up to `most` messages, and send those that `make` gives when it is
    /// told how many there is room for. Says how many. `None`: byte messages have no chunks.
    fn send_chunk<K: Kind>(
        tx: &mut Sender<Self, K>,
        most: usize,
        make: impl FnOnce(usize) -> Vec<Self::Received>,
    ) -> Option<Result<usize>> {
        let _ = (tx, most, make);
        None
    }
    /// Lease up to `most` messages, by a chunk where there are any.
    fn lease_chunk<K: Kind>(
        rx: &mut Receiver<Self, K>,
        most: usize,
        blocks: bool,
    ) -> Result<MaybeHeld<'_, Self>> {
        held::lease_batch(rx, most, blocks)
    }
}

impl<const N: usize> Load for [u64; N]
where
    [u64; N]: bytemuck::Pod + for<'a> Message<Sent<'a> = [u64; N], Received = [u64; N]>,
{
    fn make(stamp: Stamp) -> Self {
        let mut message = [0; N];
        fill(stamp, bytemuck::cast_slice_mut(&mut message));
        message
    }

    fn lend(made: &Self) -> Self {
        *made
    }

    fn bytes(message: &Self) -> &[u8] {
        bytemuck::cast_slice(message)
    }

    fn bytes_mut(message: &mut Self) -> &mut [u8] {
        bytemuck::cast_slice_mut(message)
    }

    fn length(_: Stamp) -> usize {
        size_of::<Self>()
    }

    fn send_chunk<K: Kind>(
        tx: &mut Sender<Self, K>,
        most: usize,
        make: impl FnOnce(usize) -> Vec<Self>,
    ) -> Option<Result<usize>> {
        let send = || {
            let mut chunk = tx.reserve_chunk(most)?;
            ensure!((1..=most).contains(&chunk.len()), "{chunk:?} of {most}");
            let made = make(chunk.len());
            let written = chunk.copy_from_slice(&made);
            ensure!(written == made.len(), "{chunk:?} took not {}", made.len());
            let sent = chunk.commit()?;
            ensure!(sent == written, "{sent} of {written} messages were sent");
            Ok(sent)
        };
        Some(send())
    }

    fn lease_chunk<K: Kind>(
        rx: &mut Receiver<Self, K>,
        most: usize,
        blocks: bool,
    ) -> Result<MaybeHeld<'_, Self>> {
        held::lease_chunk(rx, most, blocks)
    }
}

impl Load for [u8] {
    fn make(stamp: Stamp) -> Vec<u8> {
        let mut message = vec![0; Self::length(stamp)];
        fill(stamp, &mut message);
        message
    }

    fn lend(made: &Vec<u8>) -> &[u8] {
        made
    }

    fn bytes(message: &Vec<u8>) -> &[u8] {
        message
    }

    fn bytes_mut(message: &mut Vec<u8>) -> &mut [u8] {
        message
    }

    fn length(stamp: Stamp) -> usize {
        8 + (stamp.number.wrapping_mul(389) % (MIXED as u64 - 7)) as usize
    }
}

/// Spread the bits of `x` over the whole word (the finisher of splitmix64).
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn seed(stamp: Stamp) -> u64 {
    mix(u64::from(stamp.incarnation) << 40 ^ stamp.number)
}

/// The first word says the cell, and half of the seed; each further one is the seed and its index.
fn word(stamp: Stamp, seed: u64, index: usize) -> [u8; 8] {
    let word = match index {
        0 => u64::from(stamp.cell) | seed << 32,
        _ => seed.wrapping_add(index as u64),
    };
    word.to_le_bytes()
}

fn fill(stamp: Stamp, bytes: &mut [u8]) {
    let seed = seed(stamp);
    for (index, piece) in bytes.chunks_mut(8).enumerate() {
        piece.copy_from_slice(&word(stamp, seed, index)[..piece.len()]);
    }
}

/// Where a message says that it is written down.
pub fn cell(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|first| u32::from_le_bytes(*first))
}

/// Check that every byte is that of the message with this stamp.
pub fn check(stamp: Stamp, length: usize, bytes: &[u8]) -> Result<(), String> {
    let seed = seed(stamp);
    let whole = bytes.len() == length
        && bytes
            .chunks(8)
            .enumerate()
            .all(|(index, piece)| *piece == word(stamp, seed, index)[..piece.len()]);
    if whole {
        return Ok(());
    }
    let wrong = bytes.chunks(8).enumerate();
    let wrong = wrong.filter(|(index, piece)| **piece != word(stamp, seed, *index)[..piece.len()]);
    Err(super::account::about(
        stamp,
        None,
        &format!(
            "torn or foreign: {} of its {} bytes' words are wrong, expected {length} bytes",
            wrong.count(),
            bytes.len()
        ),
    ))
}

/// What is done once kind and message are types.
pub trait Job {
    /// What comes of it.
    type Out;
    /// Do it.
    fn run<T: Load + ?Sized, K: Kind>(self) -> Self::Out;
}

/// Do it with the types that kind and size say.
pub fn dispatch<J: Job>(kind: RingKind, size: Size, job: J) -> J::Out {
    match kind {
        RingKind::Spsc => sized::<Spsc, J>(size, job),
        RingKind::Mpsc => sized::<Mpsc, J>(size, job),
        RingKind::Spmc => sized::<Spmc, J>(size, job),
        RingKind::Mpmc => sized::<Mpmc, J>(size, job),
    }
}

fn sized<K: Kind, J: Job>(size: Size, job: J) -> J::Out {
    match size {
        Size::Typed(8) => job.run::<[u64; 1], K>(),
        Size::Typed(64) => job.run::<[u64; 8], K>(),
        Size::Typed(256) => job.run::<[u64; 32], K>(),
        Size::Typed(1024) => job.run::<[u64; 128], K>(),
        Size::Typed(_) => job.run::<[u64; 512], K>(),
        Size::Mixed => job.run::<[u8], K>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        cell: 77,
        incarnation: 3,
        number: 1234,
    };

    #[test]
    fn every_flipped_bit_and_every_length_is_found() {
        let message = <[u8]>::make(STAMP);
        let length = <[u8]>::length(STAMP);
        assert_eq!(check(STAMP, length, &message), Ok(()));
        assert_eq!(cell(&message), Some(77));
        for bit in 0..8 * message.len() {
            let mut torn = message.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert!(check(STAMP, length, &torn).is_err(), "bit {bit}");
        }
        assert!(check(STAMP, length, &message[..length - 1]).is_err());
        let typed = <[u64; 8]>::make(STAMP);
        assert_eq!(check(STAMP, 64, <[u64; 8]>::bytes(&typed)), Ok(()));
    }

    #[test]
    fn other_messages_are_other_bytes() {
        let message = <[u64; 1]>::make(STAMP);
        for other in [
            Stamp {
                number: 1235,
                ..STAMP
            },
            Stamp {
                incarnation: 4,
                ..STAMP
            },
            Stamp { cell: 78, ..STAMP },
        ] {
            assert!(check(other, 8, <[u64; 1]>::bytes(&message)).is_err());
        }
    }
}
