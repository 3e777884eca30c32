//! What the processes that use an object write down, beside it: who is inside, and what each has
//! done.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use memring_testkit::Words;

/// Processes at a time: each has a bit of a word.
pub const PLACES: usize = 64;

/// Words of a line, which one process writes and others read.
const LINE: usize = 8;
const INSIDE: usize = 0;
const HOLDERS: usize = LINE;
const DOOMED: usize = 2 * LINE;
const EPOCH: usize = 3 * LINE;
const NUMBER: usize = 4 * LINE;
const FIRST_PLACE: usize = 5 * LINE;
const WORDS: usize = FIRST_PLACE + PLACES * LINE;

/// Counts of a place, which go on from one incarnation to the next.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// Changes of the value; tokens put in; times that a permit was held.
    Changes = 1,
    /// Looks at the value; tokens taken out.
    Looks = 2,
    /// What a dead holder left behind, found.
    Found = 3,
}

/// The last incarnation that was killed, and one.
const KILLED: usize = 0;

/// The memory. All of its accesses are of one order, so that what one process has seen of two
/// words no other has seen the other way round.
pub struct Board(Words);

/// A process, as the board has it: an incarnation and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(u64);

impl UserId {
    /// That of this incarnation.
    pub fn new(place: usize, incarnation: u32) -> Self {
        UserId((u64::from(incarnation) + 1) * PLACES as u64 + place as u64)
    }

    fn place(self) -> usize {
        self.0 as usize % PLACES
    }

    fn incarnation(self) -> u64 {
        (self.0 / PLACES as u64).wrapping_sub(1)
    }

    fn bit(self) -> u64 {
        1 << self.place()
    }

    fn describe(self) -> String {
        format!("p{} (incarnation {})", self.place(), self.incarnation())
    }
}

impl Board {
    /// A new one, all zero, in a file.
    pub fn create(path: &Path) -> Result<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        file.set_len(WORDS as u64 * 8)
            .with_context(|| format!("cannot size {}", path.display()))?;
        Ok(Board(Words::map(&file, WORDS)?))
    }

    /// That of the run, in a process of it.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Board(Words::map(&file, WORDS)?))
    }

    fn get(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::SeqCst)
    }

    fn place(&self, place: usize, word: usize) -> &AtomicU64 {
        &self.0[FIRST_PLACE + place * LINE + word]
    }

    /// A process is about to be killed.
    pub fn doom(&self, place: usize, incarnation: u32) {
        self.0[EPOCH].fetch_add(1, Ordering::SeqCst);
        self.0[DOOMED].fetch_or(1 << place, Ordering::SeqCst);
        let killed = u64::from(incarnation) + 1;
        self.place(place, KILLED).store(killed, Ordering::SeqCst);
    }

    /// It is dead, and holds nothing any more.
    pub fn forget(&self, place: usize) {
        self.0[HOLDERS].fetch_and(!(1 << place), Ordering::SeqCst);
        self.0[DOOMED].fetch_and(!(1 << place), Ordering::SeqCst);
        self.0[EPOCH].fetch_add(1, Ordering::SeqCst);
    }

    fn was_killed(&self, user: UserId) -> bool {
        self.place(user.place(), KILLED).load(Ordering::SeqCst) > user.incarnation()
    }

    /// Go inside, where only one may be. `dead`: another that was killed may have left its id.
    pub fn enter(&self, me: UserId, dead: bool) -> Result<()> {
        match UserId(self.0[INSIDE].swap(me.0, Ordering::SeqCst)) {
            UserId(0) => Ok(()),
            other if !dead => bail!(
                "{} got in, not told of any death, and found {} inside",
                me.describe(),
                other.describe()
            ),
            other if !self.was_killed(other) => bail!(
                "{} got in, told of a death, and found {} inside, which was not killed",
                me.describe(),
                other.describe()
            ),
            _ => Ok(()),
        }
    }

    /// Leave it.
    pub fn leave(&self, me: UserId) -> Result<()> {
        match UserId(self.0[INSIDE].swap(0, Ordering::SeqCst)) {
            UserId(0) => bail!("{} was inside, and another left", me.describe()),
            other if other != me => bail!(
                "{} was inside, and {} came in",
                me.describe(),
                other.describe()
            ),
            _ => Ok(()),
        }
    }

    /// Go inside, and leave it again whatever comes of `act`: a process that finds a
    /// fault does not seem to be inside when the lock is free again.
    pub fn within<R>(&self, me: UserId, dead: bool, act: impl FnOnce() -> Result<R>) -> Result<R> {
        self.enter(me, dead)?;
        let done = act();
        let left = self.leave(me);
        let done = done?;
        left?;
        Ok(done)
    }

    /// Look who is inside, as one that keeps others out. `dead`: as for [`Board::enter`].
    pub fn look_inside(&self, me: UserId, dead: bool) -> Result<u64> {
        match UserId(self.get(INSIDE)) {
            UserId(0) => Ok(0),
            other if dead && self.was_killed(other) => Ok(other.0),
            other => bail!("{} reads, and {} changes", me.describe(), other.describe()),
        }
    }

    /// Hold a permit, of which there are so many. Returns how many are held, if no process was
    /// killed meanwhile.
    pub fn hold(&self, me: UserId, permits: u32) -> Result<Option<u32>> {
        let epoch = self.get(EPOCH);
        let held = self.0[HOLDERS].fetch_or(me.bit(), Ordering::SeqCst);
        let doomed = self.get(DOOMED);
        if epoch != self.get(EPOCH) {
            return Ok(None);
        }
        let held = (held & !doomed | me.bit()).count_ones();
        if held > permits {
            bail!(
                "{} got one of {permits} permits, and {held} are held",
                me.describe()
            );
        }
        Ok(Some(held))
    }

    /// Hold it no longer.
    pub fn give_back(&self, me: UserId) {
        self.0[HOLDERS].fetch_and(!me.bit(), Ordering::SeqCst);
    }

    /// The highest number that is known to be stored.
    pub fn number(&self) -> u64 {
        self.get(NUMBER)
    }

    /// This one is stored.
    pub fn set_number(&self, number: u64) {
        self.0[NUMBER].fetch_max(number, Ordering::SeqCst);
    }

    /// Count up, at the only process of a place.
    pub fn count(&self, me: UserId, count: Count) {
        let word = self.place(me.place(), count as usize);
        word.store(word.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    /// The sum of all places.
    pub fn total(&self, count: Count) -> u64 {
        let places = 0..PLACES;
        let each = places.map(|place| self.place(place, count as usize).load(Ordering::SeqCst));
        each.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_inside_is_found() {
        let dir = tempfile::tempdir().expect("make a directory");
        let board = Board::create(&dir.path().join("board")).expect("make a board");
        let [one, two] = [0, 1].map(|place| UserId::new(place, 7));
        board.enter(one, false).expect("nobody is inside");
        board.look_inside(two, false).expect_err("one is inside");
        board.leave(one).expect("only one was inside");
        board.enter(one, false).expect("nobody is inside");
        board.enter(two, false).expect_err("one is inside");
        board.leave(one).expect_err("another came");
        board.enter(one, true).expect("nobody is inside");
        board.enter(two, true).expect_err("one is alive");
        board.enter(one, true).expect_err("two is alive");
        board.doom(0, 6);
        board.enter(two, true).expect_err("an earlier one died");
        board.enter(one, true).expect_err("two is alive");
        board.doom(0, 7);
        board.look_inside(two, true).expect("it was killed");
        board.enter(two, true).expect("it was killed");

        let [three, four] = [2, 3].map(|place| UserId::new(place, 1));
        assert_eq!(board.hold(three, 1).expect("one permit"), Some(1));
        board.hold(four, 1).expect_err("it has no permit");
        board.give_back(four);
        board.doom(2, 1);
        assert_eq!(board.hold(four, 1).expect("three is dead"), Some(1));
        board.forget(2);
        board.give_back(four);
        assert_eq!(board.hold(three, 1).expect("nobody holds it"), Some(1));
    }
}
