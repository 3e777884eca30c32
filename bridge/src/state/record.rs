//! Records of journals, as bytes.

/// One fact that a bridge has to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Receiving: the source will never send a position below `base` again.
    Base {
        /// Of which source.
        source: u64,
        /// The first that it may send.
        base: u64,
    },
    /// Receiving: positions are put.
    Put {
        /// Of which source.
        source: u64,
        /// First position.
        first: u64,
        /// One past the last.
        end: u64,
    },
    /// Receiving: positions are about to be put, in order.
    Intent {
        /// Of which source.
        source: u64,
        /// First position.
        first: u64,
        /// One past the last.
        end: u64,
        /// How many messages the target's ring has had sent to it before.
        sent: u64,
    },
    /// Sending: positions are sent to a target, and to no other.
    Bind {
        /// First position.
        first: u64,
        /// One past the last.
        end: u64,
        /// Which target.
        target: u64,
    },
}

impl Record {
    /// Bytes of a record.
    pub const SIZE: usize = 40;

    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        let (kind, words) = match self {
            Record::Base { source, base } => (1u32, [source, base, 0, 0]),
            Record::Put { source, first, end } => (2, [source, first, end, 0]),
            Record::Intent {
                source,
                first,
                end,
                sent,
            } => (3, [source, first, end, sent]),
            Record::Bind { first, end, target } => (4, [target, first, end, 0]),
        };
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        for (word, at) in words.iter().zip(bytes[8..].chunks_exact_mut(8)) {
            at.copy_from_slice(&word.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` if the bytes are no record.
    pub(super) fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Record> {
        let mut unsummed = *bytes;
        unsummed[4..8].fill(0);
        if crc32fast::hash(&unsummed).to_le_bytes() != bytes[4..8] {
            return None;
        }
        let (words, _) = bytes[8..].as_chunks::<8>();
        let [source, first, end, sent] = [0, 1, 2, 3].map(|at| u64::from_le_bytes(words[at]));
        let record = match bytes[0] {
            1 => {
                let base = first;
                Record::Base { source, base }
            }
            2 if first < end => Record::Put { source, first, end },
            3 if first < end => Record::Intent {
                source,
                first,
                end,
                sent,
            },
            4 if first < end => {
                let target = source;
                Record::Bind { first, end, target }
            }
            _ => return None,
        };
        // Also finds what must be 0.
        (record.to_bytes() == *bytes).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::Record;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = Record> {
        let range = (any::<u64>(), 0..u64::MAX - 1, 1u64..1000);
        let range = range.prop_map(|(id, first, count)| (id, first, first.saturating_add(count)));
        (range, any::<u64>(), 0..4).prop_map(|((id, first, end), sent, kind)| match kind {
            0 => Record::Base {
                source: id,
                base: sent,
            },
            1 => Record::Put {
                source: id,
                first,
                end,
            },
            2 => Record::Intent {
                source: id,
                first,
                end,
                sent,
            },
            _ => Record::Bind {
                first,
                end,
                target: id,
            },
        })
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_written(record in any_record()) {
            prop_assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }

        #[test]
        fn a_damaged_record_is_refused(record in any_record(), at in 0..Record::SIZE, flip in 1u8..) {
            let mut bytes = record.to_bytes();
            bytes[at] ^= flip;
            prop_assert_eq!(Record::from_bytes(&bytes), None);
        }
    }
}
