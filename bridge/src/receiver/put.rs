//! From what is held into the ring.

use std::io;

use super::{Piece, Receiver};
use crate::state::{Record, Store};

/// The ring that messages are put into.
pub trait Target {
    /// Why a message cannot be put, ever.
    type Error: From<io::Error>;

    /// Puts a message; `false` if there is no room.
    ///
    /// # Errors
    /// If the ring has ended, or is broken.
    fn try_put(&mut self, message: &[u8]) -> Result<bool, Self::Error>;

    /// How many messages were sent to the ring since it was made, if nobody else sends.
    fn sent(&self) -> Option<u64>;
}

/// How a call of [`Receiver::put`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Nothing is left to be put.
    All,
    /// The ring is full.
    Full,
    /// As many bytes as were asked for are put, and there are more.
    Some,
}

impl Receiver {
    /// Puts what is held, about `most` bytes of it.
    ///
    /// # Errors
    /// Of the ring, or the journal.
    pub fn put<T: Target>(
        &mut self,
        most: usize,
        target: &mut T,
        store: &mut impl Store,
    ) -> Result<Put, T::Error> {
        let mut bytes = 0;
        while let Some(piece) = self.queue.front_mut() {
            if bytes >= most {
                return Ok(Put::Some);
            }
            let Some(known) = self.sources.get_mut(&piece.source) else {
                self.queue.pop_front();
                continue;
            };
            let sent = target.sent();
            let (source, first, end) = (piece.source, piece.first, piece.end);
            if !piece.intended {
                store.append(Record::Intent {
                    source,
                    first,
                    end,
                    sent: sent.unwrap_or(0),
                })?;
                piece.intended = true;
            }
            let fixed = known.heard.and_then(|heard| heard.shape.fixed());
            while piece.first + u64::from(piece.done) < piece.end {
                let message = piece.next(fixed);
                let size = message.len();
                if !target.try_put(message)? {
                    self.full = true;
                    return Ok(Put::Full);
                }
                piece.offset += size + if fixed.is_some() { 0 } else { 4 };
                piece.done += 1;
                bytes += size;
                if sent.is_none() {
                    store.note_progress(piece.done)?;
                }
            }
            self.full = false;
            store.append(Record::Put { source, first, end })?;
            known.put.insert(first, end);
            known.held.remove(first, end);
            known.owes_ack = true;
            if first < known.base {
                known.put.remove(0, known.base);
            }
            self.held_bytes -= piece.payload.len();
            self.figures.put += end - first;
            self.figures.bytes += piece.payload.len() as u64;
            if piece.uncertain {
                self.figures.uncertain += end - first;
            }
            self.queue.pop_front();
            if store.is_long() {
                store.replace(&self.snapshot())?;
            }
        }
        Ok(Put::All)
    }

    /// What a journal must say of what is put.
    pub(super) fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (source, known) in &self.sources {
            let source = *source;
            if known.base > 0 {
                let base = known.base;
                records.push(Record::Base { source, base });
            }
            let put = known.put.iter();
            records.extend(put.map(|(first, end)| Record::Put { source, first, end }));
        }
        records
    }
}

impl Piece {
    /// The message that is to be put next. Lengths were checked when it came.
    fn next(&self, fixed: Option<usize>) -> &[u8] {
        let rest = &self.payload[self.offset..];
        match fixed {
            Some(size) => &rest[..size],
            None => {
                let (length, rest) = rest.split_at(4);
                let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
                &rest[..length as usize]
            }
        }
    }
}
