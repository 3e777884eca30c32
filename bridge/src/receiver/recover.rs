//! What a receiving end knows when it begins.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::{Figures, Known, Receiver};
use crate::packet::Shape;
use crate::state::{Record, Store};

/// What the ring tells of the messages that a bridge before was about to put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingState {
    /// Only bridges send to it; so many messages were sent since it was made.
    Alone(u64),
    /// Others send to it, too: the journal's progress tells all but one message.
    Shared {
        /// Messages of the last intent that were put, at least.
        progress: u32,
    },
    /// It is not the ring that the journal is of.
    Another,
}

/// What was found of the last intent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Messages that were about to be put when the bridge before ended.
    pub intended: u64,
    /// So many of them are put,
    pub put: u64,
    /// and so many may be, and are put again.
    pub uncertain: u64,
    /// More messages than intended were sent to the ring meanwhile: somebody else sends.
    pub others_sent: u64,
}

impl Receiver {
    /// A receiving end that knows what its journal says, and the ring.
    ///
    /// # Errors
    /// Of the journal, into which what was found is written.
    pub fn new(
        (target, session): (u64, u64),
        shape: Shape,
        memory: usize,
        records: &[Record],
        ring: RingState,
        store: &mut impl Store,
    ) -> io::Result<(Receiver, Recovered)> {
        let mut sources: BTreeMap<u64, Known> = BTreeMap::new();
        let mut open = None;
        for record in records {
            match *record {
                Record::Base { source, base } => {
                    let known = sources.entry(source).or_default();
                    known.base = known.base.max(base);
                    known.put.remove(0, base);
                }
                Record::Put { source, first, end } => {
                    sources.entry(source).or_default().put.insert(first, end);
                    open = None;
                }
                Record::Intent {
                    source,
                    first,
                    end,
                    sent,
                } => open = Some((source, first, end, sent)),
                Record::Bind { .. } => {}
            }
        }
        let mut recovered = Recovered::default();
        if let Some((source, first, end, sent)) = open {
            let intended = end - first;
            recovered.intended = intended;
            match ring {
                RingState::Alone(now) => {
                    let since = now.saturating_sub(sent);
                    recovered.put = since.min(intended);
                    recovered.others_sent = since - recovered.put;
                }
                RingState::Shared { progress } => {
                    recovered.put = intended.min(progress.into());
                    recovered.uncertain = u64::from(recovered.put < intended);
                }
                RingState::Another => recovered.uncertain = intended,
            }
            let known = sources.entry(source).or_default();
            known.put.insert(first, first + recovered.put);
        }
        let receiver = Receiver {
            target,
            session,
            shape,
            memory,
            stamp: 0,
            sources,
            queue: VecDeque::new(),
            held_bytes: 0,
            full: false,
            mismatched: None,
            owes_hello: true,
            figures: Figures {
                uncertain: recovered.uncertain,
                ..Figures::default()
            },
        };
        store.replace(&receiver.snapshot())?;
        Ok((receiver, recovered))
    }
}
