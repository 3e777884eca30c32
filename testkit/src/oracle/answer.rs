//! What a call answered, the same for all verbs and all messages.

use memring::{
    Failure, Kind, LeasedMessage, Message, RecvError, RecvTimeoutError, Ring, SendError,
    SendTimeoutError, Side, TryRecvError, TrySendError,
};

/// Why nothing was sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `Full`, `Empty`, `Held`, `Timeout` or `Cancelled`.
    NotNow,
    /// The ring is closed, and for receivers drained.
    Closed,
    /// The other side was there and has gone.
    Disconnected,
    /// A byte message beyond the limit.
    TooLong {
        /// Bytes of the message.
        length: usize,
        /// Bytes that fit.
        limit: usize,
    },
}

/// A message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its fingerprint: see [`Payload::fingerprint`](super::Payload::fingerprint).
    pub message: u64,
    /// How often it was given back before. Only leases say so.
    pub redeliveries: Option<u8>,
}

impl Delivery {
    /// A message that is leased.
    pub(super) fn of<T: Message + ?Sized>(
        leased: &LeasedMessage<'_, T>,
        fingerprint: fn(&T::Received) -> u64,
    ) -> Delivery {
        let redeliveries = leased.redeliveries();
        assert_eq!(leased.is_redelivered(), redeliveries > 0);
        Delivery {
            message: fingerprint(&leased.read()),
            redeliveries: Some(redeliveries),
        }
    }
}

/// What a call answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, with nothing to report.
    Done,
    /// What `is_empty` said.
    Empty(bool),
    /// The only endpoint of that side is attached already.
    Occupied {
        /// The side.
        side: Side,
        /// The process id of the holder.
        holder: Option<u32>,
    },
    /// A call of a sender.
    Sent {
        /// Messages that were sent.
        count: usize,
        /// Why no more were.
        refusal: Option<Refusal>,
        /// The fingerprint of the message that came back inside the error.
        returned: Option<u64>,
    },
    /// A call for a chunk of a sender that got one.
    Chunk {
        /// How many messages it had room for.
        room: usize,
        /// Messages that were sent.
        sent: usize,
    },
    /// A call of a receiver.
    Received {
        /// The messages in order.
        messages: Vec<Delivery>,
        /// Why there were none, or, of an iterator, no more.
        refusal: Option<Refusal>,
    },
}

impl Answer {
    /// The words of the longest answer.
    pub const MAX_WORDS: usize = 7 + 2 * super::step::MAX_BATCH as usize;

    /// A call of a sender that came to its end.
    pub fn sent(count: usize) -> Answer {
        Answer::Sent {
            count,
            refusal: None,
            returned: None,
        }
    }

    /// A call of a receiver that received nothing.
    pub fn nothing(refusal: Refusal) -> Answer {
        Answer::Received {
            messages: Vec::new(),
            refusal: Some(refusal),
        }
    }

    /// Why the call went no further.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Answer::Sent { refusal, .. } | Answer::Received { refusal, .. } => *refusal,
            _ => None,
        }
    }

    /// The words from which [`Answer::from_words`] makes the answer again, for
    /// the process that asked.
    pub fn to_words(&self) -> Vec<u64> {
        match self {
            Answer::Done => vec![0],
            Answer::Empty(empty) => vec![1, (*empty).into()],
            Answer::Occupied { side, holder } => {
                let holder = holder.map_or(u64::MAX, u64::from);
                vec![2, (*side == Side::Sender).into(), holder]
            }
            Answer::Sent {
                count,
                refusal,
                returned,
            } => {
                let [a, b, c] = refusal_to_words(*refusal);
                let returned = [returned.is_some().into(), returned.unwrap_or(0)];
                vec![3, *count as u64, a, b, c, returned[0], returned[1]]
            }
            Answer::Chunk { room, sent } => vec![5, *room as u64, *sent as u64],
            Answer::Received { messages, refusal } => {
                let [a, b, c] = refusal_to_words(*refusal);
                let mut words = vec![4, messages.len() as u64, a, b, c];
                for delivery in messages {
                    let redeliveries = delivery.redeliveries.map_or(u64::MAX, u64::from);
                    words.extend([delivery.message, redeliveries]);
                }
                words
            }
        }
    }

    /// See [`Answer::to_words`]. Words behind the answer are ignored.
    pub fn from_words(words: &[u64]) -> Answer {
        match words[0] {
            0 => Answer::Done,
            1 => Answer::Empty(words[1] != 0),
            2 => Answer::Occupied {
                side: match words[1] {
                    0 => Side::Receiver,
                    _ => Side::Sender,
                },
                holder: u32::try_from(words[2]).ok(),
            },
            3 => Answer::Sent {
                count: words[1] as usize,
                refusal: refusal_from_words(&words[2..5]),
                returned: (words[5] != 0).then_some(words[6]),
            },
            4 => {
                let pairs = words[5..].chunks_exact(2).take(words[1] as usize);
                let messages = pairs.map(|pair| Delivery {
                    message: pair[0],
                    redeliveries: u8::try_from(pair[1]).ok(),
                });
                Answer::Received {
                    messages: messages.collect(),
                    refusal: refusal_from_words(&words[2..5]),
                }
            }
            5 => Answer::Chunk {
                room: words[1] as usize,
                sent: words[2] as usize,
            },
            code => panic!("no answer has the code {code}"),
        }
    }
}

fn refusal_to_words(refusal: Option<Refusal>) -> [u64; 3] {
    match refusal {
        None => [0; 3],
        Some(Refusal::NotNow) => [1, 0, 0],
        Some(Refusal::Closed) => [2, 0, 0],
        Some(Refusal::Disconnected) => [3, 0, 0],
        Some(Refusal::TooLong { length, limit }) => [4, length as u64, limit as u64],
    }
}

fn refusal_from_words(words: &[u64]) -> Option<Refusal> {
    match words[0] {
        0 => None,
        1 => Some(Refusal::NotNow),
        2 => Some(Refusal::Closed),
        3 => Some(Refusal::Disconnected),
        _ => Some(Refusal::TooLong {
            length: words[1] as usize,
            limit: words[2] as usize,
        }),
    }
}

impl From<Failure> for Refusal {
    /// Nothing else fails on a sound ring.
    fn from(failure: Failure) -> Refusal {
        match failure {
            Failure::TooLong { length, limit } => Refusal::TooLong { length, limit },
            failure => panic!("{failure}"),
        }
    }
}

macro_rules! refusals {
    ($($error:ident { $($now:ident)* })*) => {$(
        impl<M> From<&$error<M>> for Refusal {
            fn from(error: &$error<M>) -> Refusal {
                match error {
                    $($error::$now(..) => Refusal::NotNow,)*
                    $error::Removed(_) => panic!("no call removes the ring"),
                    $error::Closed(_) => Refusal::Closed,
                    $error::Disconnected(_) => Refusal::Disconnected,
                    $error::Failed(_, failure) => (*failure).into(),
                }
            }
        }
    )*};
    ($($error:ident [$($now:pat),*])*) => {$(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Refusal {
                match error {
                    $($now => Refusal::NotNow,)*
                    $error::Removed => panic!("no call removes the ring"),
                    $error::Closed => Refusal::Closed,
                    $error::Disconnected => Refusal::Disconnected,
                    $error::Failed(failure) => failure.into(),
                }
            }
        }
    )*};
}

refusals!(TrySendError { Full Held } SendTimeoutError { Timeout InHand Cancelled } SendError { Cancelled });
refusals!(
    TryRecvError [TryRecvError::Empty, TryRecvError::Held(_)]
    RecvTimeoutError [RecvTimeoutError::Timeout(_), RecvTimeoutError::Cancelled]
    RecvError [RecvError::Cancelled]
);

/// What a ring says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in `memring::Stats` and `memring::Ring`
pub struct Figures {
    pub lost: u64,
    pub redelivered: u64,
    pub sent: u64,
    pub closed: bool,
    pub capacity: usize,
    pub senders: usize,
    pub receivers: usize,
    /// `Stats::len`.
    pub stats_len: usize,
    /// `Ring::len`.
    pub len: usize,
    /// `Ring::is_empty`.
    pub is_empty: bool,
}

impl Figures {
    /// Those of `ring` now.
    pub fn of<T: Message + ?Sized, K: Kind>(ring: &Ring<T, K>) -> Figures {
        let stats = ring.stats();
        assert_eq!(ring.is_closed(), stats.closed);
        assert_eq!(ring.capacity(), stats.capacity);
        Figures {
            lost: stats.lost,
            redelivered: stats.redelivered,
            sent: stats.sent,
            closed: stats.closed,
            capacity: stats.capacity,
            senders: stats.senders.len(),
            receivers: stats.receivers.len(),
            stats_len: stats.len,
            len: ring.len(),
            is_empty: ring.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_the_way_from_another_process() {
        let refusals = [
            None,
            Some(Refusal::NotNow),
            Some(Refusal::Closed),
            Some(Refusal::Disconnected),
            Some(Refusal::TooLong {
                length: 9,
                limit: 8,
            }),
        ];
        let mut answers = vec![Answer::Done, Answer::Empty(false), Answer::Empty(true)];
        for (side, holder) in [(Side::Sender, Some(0)), (Side::Receiver, None)] {
            answers.push(Answer::Occupied { side, holder });
        }
        answers.push(Answer::Chunk { room: 3, sent: 2 });
        for refusal in refusals {
            for returned in [None, Some(0), Some(u64::MAX)] {
                answers.push(Answer::Sent {
                    count: 3,
                    refusal,
                    returned,
                });
            }
            let delivery = |index: u8| Delivery {
                message: u64::MAX - u64::from(index),
                redeliveries: index.checked_sub(1),
            };
            for count in [0, 1, super::super::step::MAX_BATCH] {
                answers.push(Answer::Received {
                    messages: (0..count).map(delivery).collect(),
                    refusal,
                });
            }
        }
        for answer in answers {
            let mut words = answer.to_words();
            assert!(words.len() <= Answer::MAX_WORDS);
            words.resize(Answer::MAX_WORDS, 77);
            assert_eq!(Answer::from_words(&words), answer);
        }
    }
}
