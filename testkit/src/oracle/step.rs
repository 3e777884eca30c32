//! What may be done to a ring, one call at a time.

use arbitrary::Arbitrary;

/// Which verb of a call. The oracle turns a [`Verb::Block`] that would wait for
/// ever into a [`Verb::Try`]; a call without time-limited verbs tries instead.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `try_send` and the like.
    Try,
    /// `send` and the like.
    Block,
    /// `send_timeout` and the like, with no time at all.
    Timeout,
    /// `send_deadline` and the like, with a deadline that has passed.
    Deadline,
}

/// What becomes of a grant or a lease.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Commit, or release.
    Finish,
    /// Drop.
    Drop,
    /// Leak it: the endpoint's next call, or its drop, takes it back.
    Forget,
    /// Give leases back. A grant is dropped.
    Requeue,
}

/// One call. A `who` is taken modulo the endpoints that are there; with none,
/// the step is skipped. Counts are taken modulo [`MAX_BATCH`] + 1.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are the same throughout
pub enum Step {
    /// In one of the processes, modulo how many there are.
    AttachSender {
        process: u8,
    },
    AttachReceiver {
        process: u8,
    },
    /// Skipped where the kind has one sender.
    CloneSender {
        who: u8,
    },
    CloneReceiver {
        who: u8,
    },
    DropSender {
        who: u8,
    },
    DropReceiver {
        who: u8,
    },
    Send {
        who: u8,
        verb: Verb,
    },
    SendBatch {
        who: u8,
        count: u8,
        verb: Verb,
    },
    /// A byte message that is longer than the limit by 1 and `more`.
    SendTooLong {
        who: u8,
        more: u8,
        verb: Verb,
    },
    Reserve {
        who: u8,
        verb: Verb,
        guard: Guard,
    },
    /// Asks for places for `most` messages, and sends the `first` of them. Skipped for byte
    /// messages.
    ReserveChunk {
        who: u8,
        most: u8,
        first: u8,
        verb: Verb,
        guard: Guard,
    },
    Receive {
        who: u8,
        verb: Verb,
    },
    ReceiveBatch {
        who: u8,
        max: u8,
        verb: Verb,
    },
    Lease {
        who: u8,
        verb: Verb,
        guard: Guard,
    },
    /// Releases the `first` messages before the others.
    LeaseBatch {
        who: u8,
        max: u8,
        first: u8,
        verb: Verb,
        guard: Guard,
    },
    /// As `LeaseBatch`. Skipped for byte messages.
    LeaseChunk {
        who: u8,
        max: u8,
        first: u8,
        verb: Verb,
        guard: Guard,
    },
    /// Up to `max` messages of `iter` or `try_iter`.
    Iterate {
        who: u8,
        max: u8,
        verb: Verb,
    },
    /// `Receiver::is_empty`, which the oracle also asks for after every step.
    IsEmpty {
        who: u8,
    },
    Close {
        process: u8,
    },
}

/// The most messages of a batch.
pub const MAX_BATCH: u8 = 19;

/// The most endpoints of a side.
pub const MAX_ENDPOINTS: usize = 8;

/// A step as one process carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its `who` is the slot of the endpoint.
    pub step: Step,
    /// The process that carries it out.
    pub process: usize,
    /// The slot for an endpoint that is attached or cloned.
    pub slot: u8,
    /// The number of the first message that is sent; the others count on.
    pub number: u64,
}

impl Call {
    /// The words from which [`Call::from_words`] makes the call again, for the
    /// process that carries it out.
    pub fn to_words(&self) -> [u64; 2] {
        let [code, a, b, c, d, e] = self.step.to_bytes();
        let bytes = [code, a, b, c, d, e, self.slot, self.process as u8];
        [u64::from_ne_bytes(bytes), self.number]
    }

    /// See [`Call::to_words`].
    pub fn from_words([packed, number]: [u64; 2]) -> Call {
        let [code, a, b, c, d, e, slot, process] = packed.to_ne_bytes();
        Call {
            step: Step::from_bytes([code, a, b, c, d, e]),
            process: process.into(),
            slot,
            number,
        }
    }
}

impl Step {
    pub(super) fn verb_mut(&mut self) -> Option<&mut Verb> {
        match self {
            Step::Send { verb, .. }
            | Step::SendBatch { verb, .. }
            | Step::SendTooLong { verb, .. }
            | Step::Reserve { verb, .. }
            | Step::ReserveChunk { verb, .. }
            | Step::Receive { verb, .. }
            | Step::ReceiveBatch { verb, .. }
            | Step::Lease { verb, .. }
            | Step::LeaseBatch { verb, .. }
            | Step::LeaseChunk { verb, .. }
            | Step::Iterate { verb, .. } => Some(verb),
            _ => None,
        }
    }

    fn to_bytes(self) -> [u8; 6] {
        match self {
            Step::AttachSender { process } => [0, process, 0, 0, 0, 0],
            Step::AttachReceiver { process } => [1, process, 0, 0, 0, 0],
            Step::CloneSender { who } => [2, who, 0, 0, 0, 0],
            Step::CloneReceiver { who } => [3, who, 0, 0, 0, 0],
            Step::DropSender { who } => [4, who, 0, 0, 0, 0],
            Step::DropReceiver { who } => [5, who, 0, 0, 0, 0],
            Step::Send { who, verb } => [6, who, verb as u8, 0, 0, 0],
            Step::SendBatch { who, count, verb } => [7, who, verb as u8, 0, count, 0],
            Step::SendTooLong { who, more, verb } => [8, who, verb as u8, 0, more, 0],
            Step::Reserve { who, verb, guard } => [9, who, verb as u8, guard as u8, 0, 0],
            Step::Receive { who, verb } => [10, who, verb as u8, 0, 0, 0],
            Step::ReceiveBatch { who, max, verb } => [11, who, verb as u8, 0, max, 0],
            Step::Lease { who, verb, guard } => [12, who, verb as u8, guard as u8, 0, 0],
            Step::LeaseBatch {
                who,
                max,
                first,
                verb,
                guard,
            } => [13, who, verb as u8, guard as u8, max, first],
            Step::Iterate { who, max, verb } => [14, who, verb as u8, 0, max, 0],
            Step::IsEmpty { who } => [15, who, 0, 0, 0, 0],
            Step::Close { process } => [16, process, 0, 0, 0, 0],
            Step::ReserveChunk {
                who,
                most,
                first,
                verb,
                guard,
            } => [17, who, verb as u8, guard as u8, most, first],
            Step::LeaseChunk {
                who,
                max,
                first,
                verb,
                guard,
            } => [18, who, verb as u8, guard as u8, max, first],
        }
    }

    fn from_bytes([code, who, verb, guard, count, first]: [u8; 6]) -> Step {
        const VERBS: [Verb; 4] = [Verb::Try, Verb::Block, Verb::Timeout, Verb::Deadline];
        const GUARDS: [Guard; 4] = [Guard::Finish, Guard::Drop, Guard::Forget, Guard::Requeue];
        let (verb, guard) = (VERBS[usize::from(verb)], GUARDS[usize::from(guard)]);
        let (process, max, most, more) = (who, count, count, count);
        match code {
            0 => Step::AttachSender { process },
            1 => Step::AttachReceiver { process },
            2 => Step::CloneSender { who },
            3 => Step::CloneReceiver { who },
            4 => Step::DropSender { who },
            5 => Step::DropReceiver { who },
            6 => Step::Send { who, verb },
            7 => Step::SendBatch { who, count, verb },
            8 => Step::SendTooLong { who, more, verb },
            9 => Step::Reserve { who, verb, guard },
            10 => Step::Receive { who, verb },
            11 => Step::ReceiveBatch { who, max, verb },
            12 => Step::Lease { who, verb, guard },
            13 => Step::LeaseBatch {
                who,
                max,
                first,
                verb,
                guard,
            },
            14 => Step::Iterate { who, max, verb },
            15 => Step::IsEmpty { who },
            16 => Step::Close { process },
            17 => Step::ReserveChunk {
                who,
                most,
                first,
                verb,
                guard,
            },
            18 => Step::LeaseChunk {
                who,
                max,
                first,
                verb,
                guard,
            },
            _ => panic!("no step has the code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use arbitrary::Unstructured;

    use super::*;

    #[test]
    fn calls_survive_the_way_to_another_process() {
        let bytes: Vec<u8> = (0..20_000u32).map(|at| (at * at / 7) as u8).collect();
        let mut source = Unstructured::new(&bytes);
        let mut codes = std::collections::BTreeSet::new();
        while let (false, Ok(step)) = (source.is_empty(), Step::arbitrary(&mut source)) {
            let call = Call {
                step,
                process: 2,
                slot: 7,
                number: 1 << 40,
            };
            codes.insert(step.to_bytes()[0]);
            assert_eq!(Call::from_words(call.to_words()), call);
        }
        assert_eq!(codes.len(), 19, "steps that were never made");
    }
}
