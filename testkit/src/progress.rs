//! The ledger of processes that may be killed at any moment: every step is in
//! shared memory before it is taken, and again when it has been.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::boards::Board;
use crate::children::Args;
use crate::homes::Home;
use crate::loads::Stamp;

/// Words of the board, before those of each incarnation of a sender.
const READY: usize = 0;
const STOP: usize = 1;
const WRONG: usize = 2;
/// How many messages may go with a receiver that dies now: it acknowledges
/// them before it can write them down.
const HANDS: usize = 3;
const GO: usize = 4;
const FIRST: usize = 5;

/// The most messages of one incarnation.
pub const MOST: u64 = 2000;
/// Words of one incarnation: what it had begun, what it had done, and how often
/// each message was received.
const WORDS: usize = 2 + MOST as usize;

/// Each sender process has an incarnation of its own, which is the sender in
/// the stamps of its messages.
pub struct Progress {
    board: Board,
    /// At this receiver: the number after the last one of each incarnation.
    next: HashMap<u64, u64>,
}

/// What came of it all.
#[derive(Debug)]
pub struct Outcome {
    /// Messages whose sends returned.
    pub sent: u64,
    /// Sends that a kill cut short.
    pub cut: u64,
    /// Messages received more than once, and marked.
    pub repeated: u64,
    /// Messages that a receiver had acknowledged and took with it.
    pub gone: u64,
}

const NAME: &str = "progress";

impl Progress {
    /// Makes the ledger of a test with so many incarnations of senders.
    pub fn create(home: &Home, incarnations: usize) -> Progress {
        Progress::over(home.board(NAME, FIRST + incarnations * WORDS))
    }

    /// The same ledger, in a child.
    pub fn open(args: &Args) -> Progress {
        Progress::over(args.board(NAME))
    }

    /// The same once more, for another receiver in the test's own process.
    pub fn again(home: &Home) -> Progress {
        Progress::over(Board::open(&home.path(NAME)))
    }

    fn over(board: Board) -> Progress {
        Progress {
            board,
            next: HashMap::new(),
        }
    }

    fn of(&self, incarnation: u64) -> usize {
        FIRST + incarnation as usize * WORDS
    }

    /// One more process is attached.
    pub fn ready(&self) {
        self.board.add(READY, 1);
    }

    /// How many have been attached so far.
    pub fn readies(&self) -> u64 {
        self.board.get(READY)
    }

    /// Waits until `count` have been attached.
    pub fn wait_ready(&self, count: u64) {
        self.board.wait(READY, count);
    }

    /// Ends [`Progress::wait_for_go`].
    pub fn tell_to_go(&self) {
        self.board.set(GO, 1);
    }

    /// Waits until the parent says so.
    pub fn wait_for_go(&self) {
        self.board.wait(GO, 1);
    }

    /// From now on `messages` may go with this process if it is killed.
    pub fn hands(&self, messages: u64) {
        self.board.set(HANDS, messages);
    }

    /// Senders are to end.
    pub fn tell_to_stop(&self) {
        self.board.set(STOP, 1);
    }

    /// Whether senders are to end.
    pub fn is_stopping(&self) -> bool {
        self.board.get(STOP) != 0
    }

    /// The messages below `number` may be sent from now on.
    pub fn begin(&self, incarnation: u64, number: u64) {
        self.board.set(self.of(incarnation), number);
    }

    /// The sends of the messages below `number` have returned `Ok`.
    pub fn done(&self, incarnation: u64, number: u64) {
        self.board.set(self.of(incarnation) + 1, number);
    }

    /// How many sends of this incarnation have returned `Ok`.
    pub fn done_by(&self, incarnation: u64) -> u64 {
        self.board.get(self.of(incarnation) + 1)
    }

    /// Writes down a message that this receiver holds.
    pub fn received(&mut self, stamp: Stamp, attempt: u8) {
        let Stamp { sender, number } = stamp;
        let word = self.of(sender) + 2 + number as usize;
        let before = self.board.add(word, 1);
        let next = self.next.entry(sender).or_default();
        let is_in_order = number >= *next;
        if attempt == 0 {
            *next = number + 1;
        }
        if attempt == 0 && (before > 0 || !is_in_order) {
            // This process may be killed before its panic is seen.
            self.board.add(WRONG, 1);
            panic!("{stamp:?}: not marked, received {before} times before, after number {next}");
        }
    }

    /// Writes down a message that came without a count of redeliveries: no other receiver
    /// has had it.
    pub fn received_unmarked(&mut self, stamp: Stamp) {
        let before = self
            .board
            .add(self.of(stamp.sender) + 2 + stamp.number as usize, 1);
        if before > 0 {
            self.board.add(WRONG, 1);
            panic!("{stamp:?}: received {before} times before");
        }
    }

    /// Checks every message: all that were sent have come, others only if
    /// their sends had begun; twice only where `repeats` may be.
    pub fn check(&self, incarnations: u64, repeats: bool) -> Outcome {
        assert_eq!(
            self.board.get(WRONG),
            0,
            "a receiver has seen what must not be"
        );
        let mut outcome = Outcome {
            sent: 0,
            cut: 0,
            repeated: 0,
            gone: 0,
        };
        for incarnation in 0..incarnations {
            let at = self.of(incarnation);
            let (begun, done) = (self.board.get(at), self.board.get(at + 1));
            outcome.sent += done;
            outcome.cut += u64::from(begun > done);
            for (number, count) in self.board[at + 2..at + WORDS].iter().enumerate() {
                let (number, count) = (number as u64, count.load(Ordering::Relaxed));
                let about = || format!("incarnation {incarnation}, message {number}");
                outcome.gone += u64::from(number < done && count == 0);
                assert!(
                    outcome.gone <= self.board.get(HANDS),
                    "{}: was sent and is lost",
                    about()
                );
                assert!(number < begun || count == 0, "{}: was never sent", about());
                assert!(repeats || count <= 1, "{}: came {count} times", about());
                outcome.repeated += u64::from(count > 1);
            }
        }
        outcome
    }
}
