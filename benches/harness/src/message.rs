//! The messages that everybody carries, and the one check that all of them undergo.
//!
//! The first word of a message says which sender it is from and how many that sender sent before
//! it; the further words follow from it. Every word is written by the sender and checked by the
//! receiver, in a form that compilers make vector instructions of: the check must not be what is
//! measured. A receiver also demands that the numbers from one sender rise; with the [`Total`]s
//! that proves for one receiver, and makes all but certain for several, that each message arrived
//! exactly once.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// The sender's id is above this many bits of number.
const NUMBER_BITS: u32 = 48;
/// The first word of the message that tells one receiver to end.
const STOP: u64 = u64::MAX;
/// Spreads the first word over the body.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

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
    pub fn sent(sender: usize, count: u64) -> Self {
        // The sum of (base + i)^2 for i below count; modulo 2^128, of which 2^64 is a divisor.
        let base = (sender as u128) << NUMBER_BITS;
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

/// Makes messages.
#[derive(Clone)]
pub struct Source {
    first: u64,
}

impl Source {
    /// Of this sender, from number 0.
    pub fn new(sender: usize) -> Self {
        Source {
            first: (sender as u64) << NUMBER_BITS,
        }
    }

    /// Makes the message that ends one receiver.
    pub fn stop() -> Self {
        Source { first: STOP }
    }

    /// How many were made.
    #[inline(always)]
    pub fn count(&self) -> u64 {
        self.first & ((1 << NUMBER_BITS) - 1)
    }

    /// Which of so many queues the next message goes to; they take turns in no simple order. The
    /// receiver sees each queue as a sender of its own.
    #[inline(always)]
    pub fn route(&mut self, queues: usize) -> usize {
        let number = self.count();
        let queue = (number.wrapping_mul(SPREAD) >> 32) as usize % queues;
        if self.first != STOP {
            self.first = (queue as u64) << NUMBER_BITS | number;
        }
        queue
    }

    /// Write the next message in full.
    #[inline(always)]
    pub fn fill<const N: usize>(&mut self, words: &mut [u64; N]) {
        let seed = self.first.wrapping_mul(SPREAD);
        for (index, word) in words.iter_mut().enumerate() {
            *word = seed.wrapping_add(index as u64);
        }
        words[0] = self.first;
        self.first = self.first.wrapping_add(1);
    }

    /// The next message.
    #[inline(always)]
    #[expect(
        clippy::should_implement_trait,
        reason = "its size is the caller's choice"
    )]
    pub fn next<const N: usize>(&mut self) -> [u64; N] {
        let mut words = [0; N];
        self.fill(&mut words);
        words
    }
}

/// What is wrong with a message except its number: not 0 if anything is.
#[inline(always)]
fn body_difference<const N: usize>(words: &[u64; N]) -> u64 {
    let seed = words[0].wrapping_mul(SPREAD);
    let mut difference = 0;
    for (index, word) in words[1..].iter().enumerate() {
        difference |= word ^ seed.wrapping_add(index as u64 + 1);
    }
    difference
}

/// A receiver's account.
pub trait Check {
    /// Check one message in full.
    fn take<const N: usize>(&mut self, words: &[u64; N]);
    /// Good messages so far.
    fn count(&self) -> u64;
    /// What they add up to.
    fn total(&self) -> Total;
    /// Whether it has been told to end.
    fn ended(&self) -> bool;
    /// What was wrong, if anything was.
    fn verdict(&self) -> std::result::Result<(), String>;
}

/// An error, if the account says that anything was wrong.
pub fn good(check: &impl Check) -> Result<()> {
    match check.verdict() {
        Ok(()) => Ok(()),
        Err(wrong) => bail!("mismatch after {} messages: {wrong}", check.count()),
    }
}

/// The account where there is one sender: each message must be the very next.
#[derive(Default)]
pub struct Exact {
    next: u64,
    broken: u64,
    ended: bool,
    wrong: Option<String>,
}

impl Exact {
    #[cold]
    #[inline(never)]
    fn unexpected(&mut self, first: u64) {
        if first == STOP {
            self.ended = true;
        } else {
            let next = self.next;
            self.wrong
                .get_or_insert(format!("message {first:#x} came when {next:#x} was due"));
            self.ended = true;
        }
    }
}

impl Check for Exact {
    #[inline(always)]
    fn take<const N: usize>(&mut self, words: &[u64; N]) {
        if words[0] == self.next {
            self.broken |= body_difference(words);
            self.next += 1;
        } else {
            self.unexpected(words[0]);
        }
    }

    #[inline(always)]
    fn count(&self) -> u64 {
        self.next
    }

    fn total(&self) -> Total {
        // Each was the very next one.
        Total::sent(0, self.next)
    }

    #[inline(always)]
    fn ended(&self) -> bool {
        self.ended
    }

    fn verdict(&self) -> std::result::Result<(), String> {
        match (&self.wrong, self.broken) {
            (Some(wrong), _) => Err(wrong.clone()),
            (None, 0) => Ok(()),
            (None, bits) => Err(format!("bits {bits:#x} of some bodies were wrong")),
        }
    }
}

/// The account where there are several senders: the numbers from each must rise, and add up with
/// those of other receivers to what was sent.
pub struct Rising {
    /// By sender: the lowest number that may still come.
    next: Vec<u64>,
    total: Total,
    broken: u64,
    ended: bool,
    wrong: Option<String>,
}

impl Rising {
    /// From so many senders.
    pub fn new(senders: usize) -> Self {
        Rising {
            next: vec![0; senders],
            total: Total::default(),
            broken: 0,
            ended: false,
            wrong: None,
        }
    }

    #[cold]
    #[inline(never)]
    fn unexpected(&mut self, first: u64) {
        if first != STOP {
            self.wrong.get_or_insert(format!(
                "message {first:#x} came after a later one of its sender, or is nobody's"
            ));
        }
        self.ended = true;
    }
}

impl Check for Rising {
    #[inline(always)]
    fn take<const N: usize>(&mut self, words: &[u64; N]) {
        let first = words[0];
        let number = first & ((1 << NUMBER_BITS) - 1);
        match self.next.get_mut((first >> NUMBER_BITS) as usize) {
            Some(next) if number >= *next => {
                *next = number + 1;
                self.broken |= body_difference(words);
                self.total.count += 1;
                let square = first.wrapping_mul(first);
                self.total.digest = self.total.digest.wrapping_add(square);
            }
            _ => self.unexpected(first),
        }
    }

    #[inline(always)]
    fn count(&self) -> u64 {
        self.total.count
    }

    fn total(&self) -> Total {
        self.total
    }

    #[inline(always)]
    fn ended(&self) -> bool {
        self.ended
    }

    fn verdict(&self) -> std::result::Result<(), String> {
        match (&self.wrong, self.broken) {
            (Some(wrong), _) => Err(wrong.clone()),
            (None, 0) => Ok(()),
            (None, bits) => Err(format!("bits {bits:#x} of some bodies were wrong")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(mut check: impl Check, messages: &[[u64; 8]]) -> (u64, Result<(), String>) {
        for message in messages {
            check.take(message);
        }
        (check.count(), check.verdict())
    }

    fn stream(count: usize) -> Vec<[u64; 8]> {
        let mut source = Source::new(0);
        (0..count).map(|_| source.next()).collect()
    }

    #[test]
    fn a_good_stream_passes_both_checks() {
        assert_eq!(verdict(Exact::default(), &stream(100)), (100, Ok(())));
        assert_eq!(verdict(Rising::new(1), &stream(100)), (100, Ok(())));
    }

    /// What two receivers of two senders found, added up: the messages at these places go to the
    /// second receiver.
    fn shared_out(messages: &[[u64; 8]], to_second: &[usize]) -> Total {
        let mut receivers = [Rising::new(4), Rising::new(4)];
        for (at, message) in messages.iter().enumerate() {
            receivers[usize::from(to_second.contains(&at))].take(message);
        }
        for receiver in &receivers {
            assert_eq!(receiver.verdict(), Ok(()));
        }
        receivers[0].total().plus(receivers[1].total())
    }

    #[test]
    fn what_arrives_adds_up_to_what_was_sent() {
        let (mut one, mut other) = (Source::new(0), Source::new(3));
        let mut messages: Vec<[u64; 8]> = Vec::new();
        for _ in 0..1000 {
            messages.extend([one.next(), other.next()]);
        }
        let sent = Total::sent(0, 1000).plus(Total::sent(3, 1000));
        assert_eq!(shared_out(&messages, &[1, 17, 18, 900]), sent);
        assert_eq!(Total::sent(7, 0), Total::default());
        // One was lost, and another one received by both.
        messages[18] = messages[4];
        let found = shared_out(&messages, &[18]);
        assert!(found.count == sent.count && found.digest != sent.digest);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for (word, bit) in (0..8).flat_map(|word| (0..64).map(move |bit| (word, bit))) {
            let mut broken = stream(3);
            broken[1][word] ^= 1 << bit;
            let found = verdict(Exact::default(), &broken).1;
            assert!(found.is_err(), "word {word} bit {bit}");
        }
    }

    #[test]
    fn lost_doubled_and_swapped_messages_are_found() {
        let good = stream(4);
        for order in [[0, 1, 3], [0, 1, 1], [0, 2, 1]] {
            let bad = order.map(|at: usize| good[at]);
            assert!(verdict(Exact::default(), &bad).1.is_err(), "{order:?}");
        }
        assert!(verdict(Rising::new(1), &[good[1], good[1]]).1.is_err());
        let foreign = Source::new(5).next();
        assert!(verdict(Rising::new(5), &[foreign]).1.is_err());
    }

    #[test]
    fn what_many_queues_carry_is_checked_queue_by_queue() {
        const QUEUES: usize = 8;
        let mut source = Source::new(0);
        let mut queues = vec![Vec::new(); QUEUES];
        for _ in 0..1000 {
            let queue = source.route(QUEUES);
            queues[queue].push(source.next::<8>());
        }
        assert_eq!(source.count(), 1000);
        assert!(queues.iter().all(|queue| queue.len() > 100));
        // One after the other, as nobody would receive them.
        let all = queues.concat();
        assert_eq!(verdict(Rising::new(QUEUES), &all), (1000, Ok(())));
        assert!(verdict(Rising::new(QUEUES), &[all[1], all[0]]).1.is_err());
        let mut stop = Source::stop();
        stop.route(QUEUES);
        assert_eq!(stop.next::<1>(), [STOP]);
    }

    #[test]
    fn the_stop_ends_and_is_not_counted() {
        let mut check = Exact::default();
        check.take(&Source::stop().next::<1>());
        assert!(check.ended() && check.count() == 0 && check.verdict().is_ok());
    }
}
