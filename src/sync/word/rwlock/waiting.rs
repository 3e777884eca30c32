//! Calls that wait for a reader-writer lock, whole.

use super::super::Holders;
use super::super::held::{HeldError, Waiting};
use super::readers::ReaderWait;
use super::{Cells, MOST_READERS, ReadRules, RwWord, WriteRules};
use crate::error::Failure;
use crate::members::MemberId;
use crate::wait::ParkHalf;

impl<C: Cells> RwWord<'_, C> {
    /// Counts a reader, and waits for writers. Returns the word as it was then.
    pub(crate) fn read<P: ParkHalf + Clone>(
        self,
        holders: &impl Holders,
        park: &P,
        looks: u32,
        deadline: Option<P::Time>,
    ) -> Result<u64, HeldError> {
        let mut has_waited = false;
        loop {
            if let Some(word) = self.try_read(holders.me(), park) {
                return Ok(word);
            }
            self.refuse_most_readers(holders.me())?;
            // Writers may be quicker again and again.
            if has_waited && deadline.is_some_and(|deadline| deadline <= park.now()) {
                return Err(HeldError::Timeout(self.writer()));
            }
            // RW2: until no member writes; then it starts over.
            let waiting = Waiting::new(self.word(), ReadRules, holders, park.clone());
            waiting.wait(Some(looks), deadline)?;
            has_waited = true;
        }
    }

    /// As `read`, without waiting; asks whether a writer is alive if it `may_probe`.
    pub(crate) fn read_at_once<P: ParkHalf + Clone>(
        self,
        holders: &impl Holders,
        park: &P,
        may_probe: bool,
    ) -> Result<u64, HeldError> {
        let waiting = Waiting::new(self.word(), ReadRules, holders, park.clone());
        self.refuse_most_readers(holders.me())?;
        waiting.attempt(may_probe)?;
        self.try_read(holders.me(), park)
            .ok_or_else(|| HeldError::Timeout(self.writer()))
    }

    fn refuse_most_readers(self, me: MemberId) -> Result<(), HeldError> {
        match self.has_most_readers(me) {
            false => Ok(()),
            true => Err(HeldError::Failed(Failure::TooManyReaders {
                limit: MOST_READERS,
            })),
        }
    }

    /// RW5 to RW8: takes the word, and waits for the writer before and then for readers.
    /// Returns the word as it is held.
    pub(crate) fn write<P: ParkHalf + Clone>(
        self,
        holders: &impl Holders,
        park: &P,
        looks: u32,
        deadline: Option<P::Time>,
    ) -> Result<u64, HeldError> {
        let held = match self.try_take(holders.me()) {
            Some(held) => held,
            None => Waiting::new(self.word(), WriteRules, holders, park.clone())
                .wait(Some(looks), deadline)?,
        };
        let readers = ReaderWait::new(self, holders, park.clone());
        let readers = readers.wait(Some(looks), deadline);
        self.entered(held, readers, park)
    }

    /// As `write`, without waiting; asks whether those in the way are alive if it
    /// `may_probe`, which it asks at most a few times for each member.
    pub(crate) fn write_at_once<P: ParkHalf + Clone>(
        self,
        holders: &impl Holders,
        park: &P,
        mut may_probe: impl FnMut() -> bool,
    ) -> Result<u64, HeldError> {
        let held = match self.try_take(holders.me()) {
            Some(held) => held,
            None => {
                Waiting::new(self.word(), WriteRules, holders, park.clone()).attempt(may_probe())?
            }
        };
        let readers = ReaderWait::new(self, holders, park.clone());
        let readers = readers.attempt(may_probe);
        self.entered(held, readers, park)
    }

    /// The word of a writer that has waited for the readers, or has given up: then it gives
    /// the word back, and leaves the value as it is.
    pub(in super::super) fn entered(
        self,
        held: u64,
        readers: Result<(), HeldError>,
        park: &impl ParkHalf,
    ) -> Result<u64, HeldError> {
        match readers {
            Ok(()) => Ok(self.enter(held)),
            Err(error) => {
                self.unlock_write(held, false, park);
                Err(error)
            }
        }
    }
}
