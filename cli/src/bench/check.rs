//! The messages that every contender carries, and the one check that all of them undergo.
//!
//! The first word of a message says which sender it is from and how many that sender sent before
//! it; each further word is a mix of the first word and the word's index. A receiver verifies
//! every word. It also demands that the numbers from one sender rise; with the totals of the
//! [`Ledger`] that proves for one receiver, and makes all but certain for several, that each
//! message arrived exactly once.

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

/// The sender's id is above this many bits of number.
const NUMBER_BITS: u32 = 48;

/// The message with this number from this sender.
pub fn message<const N: usize>(sender: u16, number: u64) -> [u64; N] {
    let first = (u64::from(sender) << NUMBER_BITS) | number;
    let seed = mix(first);
    let mut words = [0; N];
    for (index, word) in words.iter_mut().enumerate() {
        *word = body(seed, index);
    }
    words[0] = first;
    words
}

/// What went through, from one end or from several added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Messages.
    pub count: u64,
    /// The sum of the squares of their first words, wrapping.
    pub digest: u64,
}

impl Total {
    /// What the messages 0 to `count` - 1 of `sender` add up to.
    pub fn sent(sender: u16, count: u64) -> Self {
        // The sum of (base + i)^2 for i below count; modulo 2^128, of which 2^64 is a divisor.
        let base = u128::from(sender) << NUMBER_BITS;
        let n = u128::from(count);
        let sum = n * n.saturating_sub(1) / 2;
        let squares = n * n.saturating_sub(1) * (2 * n).saturating_sub(1) / 6;
        let digest = n
            .wrapping_mul(base.wrapping_mul(base))
            .wrapping_add((2 * base).wrapping_mul(sum))
            .wrapping_add(squares);
        Total {
            count,
            digest: digest as u64,
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Total {
            count: self.count + other.count,
            digest: self.digest.wrapping_add(other.digest),
        }
    }
}

/// A receiver's account of what came.
pub struct Ledger {
    /// By sender: the lowest number that may still come.
    next: Vec<u64>,
    total: Total,
}

impl Ledger {
    /// An account of messages from senders 0 to `senders` - 1.
    pub fn new(senders: u16) -> Self {
        Ledger {
            next: vec![0; usize::from(senders)],
            total: Total::default(),
        }
    }

    /// Verify one message in full and enter it.
    pub fn check<const N: usize>(&mut self, words: &[u64; N]) -> Result<()> {
        let first = words[0];
        let sender = (first >> NUMBER_BITS) as usize;
        let number = first & ((1 << NUMBER_BITS) - 1);
        let seed = mix(first);
        let mut difference = 0;
        for (index, word) in words[1..].iter().enumerate() {
            difference |= word ^ body(seed, index + 1);
        }
        match self.next.get_mut(sender) {
            Some(next) if number >= *next && difference == 0 => *next = number + 1,
            _ => return Err(self.mismatch(words)),
        }
        self.total.count += 1;
        self.total.digest = self.total.digest.wrapping_add(first.wrapping_mul(first));
        Ok(())
    }

    /// Messages so far.
    pub fn count(&self) -> u64 {
        self.total.count
    }

    /// The account.
    pub fn total(&self) -> Total {
        self.total
    }

    #[cold]
    fn mismatch(&self, words: &[u64]) -> anyhow::Error {
        let first = words[0];
        let (sender, number) = (first >> NUMBER_BITS, first & ((1 << NUMBER_BITS) - 1));
        let count = self.total.count;
        let seed = mix(first);
        let body_words = words.iter().enumerate().skip(1);
        let broken = body_words
            .filter(|&(index, &word)| word != body(seed, index))
            .count();
        match self.next.get(sender as usize) {
            None => anyhow!(
                "mismatch: after {count} good messages, one of sender {sender}, which is not there"
            ),
            Some(_) if broken > 0 => anyhow!(
                "mismatch: after {count} good messages, number {number} of sender {sender} has \
                 {broken} wrong words of {}",
                words.len()
            ),
            Some(next) => anyhow!(
                "mismatch: after {count} good messages, number {number} of sender {sender} came \
                 when {next} or a later one was due"
            ),
        }
    }
}

fn body(seed: u64, index: usize) -> u64 {
    // Cheap on purpose, and of a form that compilers turn into vector instructions: making and
    // checking messages must not be what is measured.
    seed.wrapping_add(index as u64)
}

/// Spread the bits of `x` over the whole word (the finisher of splitmix64, shortened).
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger_of(messages: &[[u64; 8]], senders: u16) -> Result<Total> {
        let mut ledger = Ledger::new(senders);
        for words in messages {
            ledger.check(words)?;
        }
        Ok(ledger.total())
    }

    #[test]
    fn a_good_stream_adds_up_to_what_was_sent() {
        let mut stream = Vec::new();
        for number in 0..1000 {
            stream.push(message::<8>(0, number));
            stream.push(message::<8>(3, number));
        }
        let total = ledger_of(&stream, 4).expect("good");
        assert_eq!(total, Total::sent(0, 1000).plus(Total::sent(3, 1000)));
        assert_eq!(Total::sent(7, 0), Total::default());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for index in 1..8 {
            for bit in 0..64 {
                let mut words = message::<8>(1, 42);
                words[index] ^= 1 << bit;
                assert!(ledger_of(&[words], 2).is_err(), "word {index} bit {bit}");
            }
        }
        // A bit of the first word makes the others wrong.
        for bit in 0..64 {
            let mut words = message::<8>(1, 42);
            words[0] ^= 1 << bit;
            assert!(ledger_of(&[words], u16::MAX).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn lost_doubled_and_swapped_messages_are_found() {
        let of = |numbers: &[u64]| {
            let stream: Vec<_> = numbers.iter().map(|&n| message::<8>(0, n)).collect();
            ledger_of(&stream, 1)
        };
        assert_eq!(of(&[0, 1, 2]).expect("good"), Total::sent(0, 3));
        assert!(of(&[0, 1, 1]).is_err(), "doubled");
        assert!(of(&[0, 2, 1]).is_err(), "swapped");
        assert_ne!(of(&[0, 2]).expect("rising"), Total::sent(0, 3), "lost");
        assert_ne!(
            of(&[0, 1, 3]).expect("rising"),
            Total::sent(0, 3),
            "lost, and one made up"
        );
        assert!(ledger_of(&[message(5, 0)], 5).is_err(), "unknown sender");
    }
}
