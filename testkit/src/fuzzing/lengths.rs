//! Byte messages whose lengths and bytes a peer writes over: what is received is
//! what lies in the slot, or an error that names the length, and a send touches
//! nothing beside its slot.

use std::fs::File;
use std::os::unix::fs::FileExt;

use arbitrary::Arbitrary;
use memring::{
    Failure, FenceMode, Kind, Mpmc, Mpsc, Receiver, Ring, Sender, Spmc, Spsc, TryRecvError,
};

use super::writes::write;
use crate::format::SLOTS;
use crate::shapes::Shape;

/// The longest limit, well beyond what moves word by word.
const LONGEST: u16 = 600;

/// A ring, and what is done to it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    kind: u8,
    /// As the target `hostile` has it.
    capacity: u8,
    limit: u16,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Send {
        length: u16,
    },
    /// Written in place, with another length said than written.
    Reserve {
        length: u16,
        said: u16,
        commit: bool,
    },
    Receive,
    ReceiveInto,
    Lease {
        /// The length that a peer writes while the lease lives.
        forged: Option<Length>,
        buffer: u8,
        requeue: bool,
    },
    /// The length of the next message to be received.
    Forge {
        forged: Length,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Length {
    /// The limit and so much more.
    Beyond(u8),
    Within(u16),
    Any(u64),
}

/// Carries the steps out.
///
/// # Panics
/// If a call does something that it must not do.
pub fn run(input: Input) {
    match input.kind % 4 {
        0 => run_one::<Spsc>(input),
        1 => run_one::<Mpsc>(input),
        2 => run_one::<Spmc>(input),
        _ => run_one::<Mpmc>(input),
    }
}

struct Machine<K: Kind> {
    file: File,
    shape: Shape,
    sender: Sender<[u8], K>,
    receiver: Receiver<[u8], K>,
    limit: usize,
    /// Positions sent and received: one endpoint on each side, so they are known.
    sent: u64,
    received: u64,
}

fn run_one<K: Kind>(input: Input) {
    let limit = usize::from(input.limit % LONGEST);
    let ring = Ring::<[u8], K>::builder()
        .capacity(super::capacity(input.capacity))
        .layout(super::layout(input.capacity))
        .message_limit(limit)
        .fence_mode(FenceMode::Fence)
        .anonymous()
        .expect("an anonymous ring");
    let file = ring.share_fd().expect("a descriptor").try_clone_to_owned();
    let file = File::from(file.expect("a copy of it"));
    let mut machine = Machine {
        shape: Shape::of(&file),
        file,
        sender: ring.sender().expect("a sender"),
        receiver: ring.receiver().expect("a receiver"),
        limit,
        sent: 0,
        received: 0,
    };
    for step in &input.steps {
        if machine.step(step).is_none() {
            return; // the handle is poisoned, as it should be
        }
    }
}

impl<K: Kind> Machine<K> {
    /// All messages, and their words.
    fn slots(&self) -> Vec<u8> {
        let mut all = vec![0; (self.shape.end() - SLOTS) as usize];
        self.file.read_exact_at(&mut all, SLOTS).expect("the slots");
        all
    }

    /// The length of the next message, and the bytes it may have.
    fn next(&self) -> (u64, Vec<u8>) {
        let mut message = vec![0; 8 + self.limit];
        let at = self.shape.message(self.received);
        self.file
            .read_exact_at(&mut message, at)
            .expect("a message");
        let length = u64::from_ne_bytes(message[..8].try_into().expect("8 bytes"));
        (length, message.split_off(8))
    }

    fn number(&self, length: Length) -> u64 {
        match length {
            Length::Beyond(more) => self.limit as u64 + u64::from(more),
            Length::Within(length) => u64::from(length) % (self.limit as u64 + 1),
            Length::Any(length) => length,
        }
    }

    fn forge(&self, length: Length) {
        let at = self.shape.message(self.received);
        write(&self.file, &self.number(length).to_ne_bytes(), at);
    }

    fn is_empty(&self) -> bool {
        self.sent == self.received
    }

    /// `None` when the handle has seen an impossible length.
    fn step(&mut self, step: &Step) -> Option<()> {
        match *step {
            Step::Send { length } => self.send(length.into()),
            Step::Reserve {
                length,
                said,
                commit,
            } => self.reserve(length.into(), said.into(), commit),
            Step::Forge { forged } => self.forge(forged),
            _ if self.is_empty() => {
                assert_eq!(self.receiver.try_recv(), Err(TryRecvError::Empty));
            }
            Step::Receive => {
                let expected = self.expect();
                let received = self.receiver.try_recv();
                return self.took(received, expected);
            }
            Step::ReceiveInto => {
                let expected = self.expect();
                let mut buffer = vec![1; 3];
                let received = self.receiver.try_recv_into(&mut buffer);
                if received.is_err() {
                    assert_eq!(buffer, [1; 3]);
                }
                let received = received.map(|length| {
                    assert_eq!(length, buffer.len());
                    buffer
                });
                return self.took(received, expected);
            }
            Step::Lease {
                forged,
                buffer,
                requeue,
            } => return self.lease(forged, buffer.into(), requeue),
        }
        Some(())
    }

    /// What the next receive must come to: the bytes, or the wrong length.
    fn expect(&self) -> Result<Vec<u8>, u64> {
        let (length, mut bytes) = self.next();
        if length > self.limit as u64 {
            return Err(length);
        }
        bytes.truncate(length as usize);
        Ok(bytes)
    }

    fn took(
        &mut self,
        received: Result<Vec<u8>, TryRecvError>,
        expected: Result<Vec<u8>, u64>,
    ) -> Option<()> {
        match (received, expected) {
            (Ok(received), Ok(expected)) => assert_eq!(received, expected),
            (Err(error), Err(found)) => {
                return self.refused(error, found);
            }
            (received, expected) => panic!("{received:?}, and not {expected:?}"),
        }
        self.received += 1;
        Some(())
    }

    /// An impossible length poisons the handle, for both sides.
    fn refused(&mut self, error: TryRecvError, length: u64) -> Option<()> {
        let TryRecvError::Failed(Failure::Corrupted(corruption)) = error else {
            panic!("{error}, and not the length {length}");
        };
        assert_eq!(corruption.found, length);
        assert!(self.receiver.try_recv().is_err());
        assert!(self.sender.try_send(&[]).is_err());
        None
    }

    fn send(&mut self, length: usize) {
        let message = vec![self.sent as u8 | 0x80; length % (self.limit + 2)];
        let before = self.slots();
        let answer = self.sender.try_send(&message);
        if answer.is_ok() {
            self.touched(&before, message.len());
            self.sent += 1;
        } else {
            assert_eq!(before, self.slots());
        }
        assert!(answer.is_err() || message.len() <= self.limit);
    }

    fn reserve(&mut self, length: usize, said: usize, commit: bool) {
        let (length, said) = (length % (self.limit + 2), said % (self.limit + 2));
        let before = self.slots();
        let limit = self.limit;
        // A claim of many that is given up uses up its position.
        let commit = commit || K::KIND.has_many_senders();
        let Ok(mut grant) = self.sender.try_reserve() else {
            return;
        };
        assert_eq!(grant.write(&vec![7; length]).is_ok(), length <= limit);
        assert_eq!(grant.set_len(said).is_ok(), said <= limit);
        if commit {
            grant.commit().expect("a good handle");
            self.touched(&before, length);
            self.sent += 1;
        }
    }

    /// Since `before`, a message of so many bytes was sent and nothing else
    /// written.
    fn touched(&self, before: &[u8], length: usize) {
        let after = self.slots();
        let first = (self.shape.message(self.sent) - SLOTS) as usize;
        let length = length.min(self.limit).next_multiple_of(8);
        let message = first..first + 8 + length;
        let words = (0..self.shape.words()).map(|index| self.shape.word(index));
        let words: Vec<u64> = words.collect();
        for (at, (old, new)) in before.iter().zip(&after).enumerate() {
            let word = (SLOTS + at as u64) & !7;
            let is_ours = message.contains(&at) || words.contains(&word);
            assert!(old == new || is_ours, "byte {at} was written");
        }
    }

    fn lease(&mut self, forged: Option<Length>, buffer: usize, requeue: bool) -> Option<()> {
        let expected = self.expect();
        let at = self.shape.message(self.received);
        let lie = forged.map(|length| self.number(length).to_ne_bytes());
        let error = match self.receiver.try_lease() {
            Ok(lease) => {
                let expected = expected.expect("a length beyond the limit was taken");
                if let Some(lie) = lie {
                    write(&self.file, &lie, at);
                }
                // Looked at once, when the lease was taken.
                assert_eq!(lease.len(), expected.len());
                assert_eq!(lease.read(), expected);
                let mut part = vec![9; buffer];
                let copied = lease.copy_to(&mut part);
                assert_eq!(copied, buffer.min(expected.len()));
                assert_eq!(part[..copied], expected[..copied]);
                assert!(part[copied..].iter().all(|byte| *byte == 9));
                if requeue && !K::KIND.has_many_receivers() && lease.redeliveries() < 3 {
                    lease.requeue();
                } else {
                    lease.release();
                    self.received += 1;
                }
                return Some(());
            }
            Err(error) => error,
        };
        let length = expected.expect_err("a good length is refused");
        self.refused(error, length)
    }
}
