//! What the explored code runs on: words, lock bytes, the futex.

use std::cell::RefCell;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use super::super::super::super::Holders;
use super::super::super::super::held::WaitState;
use super::super::super::super::rwlock::{Cells, RwHead};
use crate::error::{Corruption, Failure};
use crate::members::MemberId;
use crate::sys::atomic::watched::{Access, suspend, watched_by};
use crate::sys::atomic::{AtomicEvent, AtomicU32, AtomicU64, Ordering};
use crate::wait::{Operation, Park, ParkHalf, Poll};

// The places of the words.
pub(in super::super) const WORD: usize = 0;
pub(in super::super) const EVENT: usize = 1;
/// Two words that one inside changes one after the other.
pub(super) const TWINS: usize = 2;
/// Whether one has died that might write: nobody loads it.
pub(super) const HAS_DIED_WRITING: usize = 4;
pub(super) const LOCK_BYTES: usize = 5;

/// The memory as the code sees it: words that know only their places.
pub(in super::super) struct WordMemory {
    pub head: RwHead,
    twins: [AtomicU64; 2],
    lock_bytes: Vec<AtomicU64>,
    cells: Vec<AtomicU64>,
}

/// The place of a member's cell, of so many.
pub(super) fn cell(members: usize, member: usize) -> usize {
    LOCK_BYTES + members + member
}

impl WordMemory {
    pub(super) fn new(members: usize) -> WordMemory {
        let word = |place: usize| AtomicU64::new(place as u64);
        WordMemory {
            head: RwHead {
                word: word(WORD),
                event: AtomicEvent::new(EVENT as u32),
            },
            twins: [word(TWINS), word(TWINS + 1)],
            lock_bytes: (0..members).map(|at| word(LOCK_BYTES + at)).collect(),
            cells: (0..members).map(|at| word(cell(members, at))).collect(),
        }
    }

    /// Changes the value; repairs it before, if `is_poisoned`.
    pub(in super::super) fn change(&self, is_poisoned: bool, clear_poison: impl FnOnce()) {
        let [first, second] = &self.twins;
        let value = first.load(Ordering::Relaxed);
        if is_poisoned {
            second.store(value, Ordering::Relaxed);
            clear_poison();
        }
        first.store(value + 1, Ordering::Relaxed);
        second.store(value + 1, Ordering::Relaxed);
    }

    /// What is in the words at first.
    pub(super) fn first(members: usize) -> Vec<u64> {
        let mut words = vec![0; cell(members, members)];
        words[LOCK_BYTES..][..members].fill(1);
        words
    }
}

impl Cells for WordMemory {
    fn head(&self) -> &RwHead {
        &self.head
    }

    fn cell(&self, id: MemberId) -> &AtomicU64 {
        &self.cells[usize::from(id.0) - 1]
    }

    fn last_id(&self) -> u16 {
        self.cells.len() as u16
    }
}

/// A member that is explored.
pub(in super::super) struct ExploredMember<'a> {
    pub number: usize,
    pub memory: &'a WordMemory,
}

impl Holders for ExploredMember<'_> {
    fn me(&self) -> MemberId {
        MemberId(self.number as u16 + 1)
    }

    fn may_hold(&self, id: MemberId) -> bool {
        (1..=self.memory.lock_bytes.len()).contains(&usize::from(id.0))
    }

    fn is_dead(&self, id: MemberId) -> Result<bool, Failure> {
        let byte = &self.memory.lock_bytes[usize::from(id.0) - 1];
        Ok(byte.load(Ordering::Acquire) == 0)
    }

    fn corrupted(&self, found: Corruption) -> Failure {
        panic!("{found}")
    }
}

/// What a process is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum WordOp {
    Access(usize, Access),
    /// Sleeps at this place, if the word is this.
    Sleep(usize, u64),
    /// Wakes so many that sleep at this place.
    Wake(usize, u32),
}

struct WordRunner {
    history: Vec<u64>,
    made: usize,
    next: Option<WordOp>,
}

thread_local! {
    static RUNNING: RefCell<Option<WordRunner>> = const { RefCell::new(None) };
}

/// Runs a stage that has found what `history` says: to its end, or to what it does next.
pub(super) fn resume(history: &[u64], stage: impl FnOnce()) -> Option<WordOp> {
    RUNNING.set(Some(WordRunner {
        history: history.to_vec(),
        made: 0,
        next: None,
    }));
    let ended = watched_by(watch, stage);
    let runner = RUNNING.take().expect("set above");
    assert!(
        ended.is_none() || runner.made == history.len(),
        "it differs"
    );
    runner.next.filter(|_| ended.is_none())
}

/// The answer to what was done before, or `None`: it is to be done next.
fn answer(op: WordOp) -> Option<u64> {
    RUNNING.with_borrow_mut(|runner| {
        let runner = runner.as_mut().expect("it runs");
        let known = runner.history.get(runner.made).copied();
        match known {
            Some(_) => runner.made += 1,
            None => runner.next = Some(op),
        }
        known
    })
}

fn watch(place: u64, access: Access) -> Option<u64> {
    answer(WordOp::Access(place as usize, access))
}

/// Sleeps and wakes where the engine says.
#[derive(Clone, Copy)]
pub(in super::super) struct ExploredPark;

impl Park for ExploredPark {
    type Time = ();

    fn now(&self) {}

    fn after(&self, (): (), _duration: Duration) {}

    fn heavy(&self) {}

    fn sleep(&self, _word: &AtomicU32, expected: u32, (): ()) -> bool {
        let slept = answer(WordOp::Sleep(EVENT, expected.into()));
        slept.unwrap_or_else(|| suspend()) != 0
    }

    fn wake(&self, _word: &AtomicU32, count: u32) -> usize {
        answer(WordOp::Wake(EVENT, count)).unwrap_or_else(|| suspend()) as usize
    }
}

impl ParkHalf for ExploredPark {
    fn sleep_half(&self, _word: &AtomicU64, expected: u64, (): ()) -> bool {
        answer(WordOp::Sleep(WORD, expected)).unwrap_or_else(|| suspend()) != 0
    }

    fn wake_half(&self, _word: &AtomicU64, count: u32) -> usize {
        answer(WordOp::Wake(WORD, count)).unwrap_or_else(|| suspend()) as usize
    }
}

/// A step of `wait::block`, with what was registered. Between two steps it has made no
/// access of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum BlockStep {
    Check,
    Register,
    CheckAgain(u32),
    Reclaim(u32),
    Sleep(u32),
}

impl BlockStep {
    /// Takes this step of a call that does not spin. What it waited for, or the next step.
    pub(in super::super) fn take<O>(self, operation: &mut O) -> Result<O::Output, BlockStep>
    where
        O: Operation<Park = ExploredPark, Error: Debug>,
    {
        Err(match self {
            BlockStep::Check | BlockStep::CheckAgain(_) => match operation.check() {
                Poll::Ready(output) => return Ok(output),
                Poll::Ended(error) => panic!("{error:?}"),
                Poll::Pending => match self {
                    BlockStep::CheckAgain(registered) => BlockStep::Reclaim(registered),
                    _ => BlockStep::Register,
                },
            },
            BlockStep::Register => BlockStep::CheckAgain(operation.register()),
            BlockStep::Reclaim(registered) => match operation.reclaim() {
                true => BlockStep::Check,
                false => BlockStep::Sleep(registered),
            },
            BlockStep::Sleep(registered) => {
                operation.sleep(registered, ());
                BlockStep::Check
            }
        })
    }
}

/// What a waiting call remembers, to be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Remembered(pub WaitState);

impl Hash for Remembered {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let state = &self.0;
        let taken_over = state.taken_over.map(|taken| taken.ok());
        let all = (state.has_slept, state.probe_is_due, state.announced);
        (all, taken_over).hash(hasher);
    }
}
