//! A process that holds something: a claim that it has not published, or leases
//! that it has not released.

use std::sync::atomic::Ordering;
use std::time::Duration;

use memring::{Kind, Receiver, Ring, RingBuilder, Sender, Side};

use crate::boards::Board;
use crate::children::{Args, Child, Pairs};
use crate::homes::{Home, RING};
use crate::loads::{Line, Load};
use crate::time::LONG;

/// Long enough to be asleep, and to look at the other side more than once.
pub const A_WHILE: Duration = Duration::from_millis(350);

/// Words of the board.
const READY: usize = 0;
const GO: usize = 1;
/// What the last holder found in its leases: a word for each message.
const FOUND: usize = 2;
/// As many as that are written down.
const MOST: usize = 64;

/// The number of the message that a holder of a grant sends in the end.
pub const HELD: u64 = 1_000_000;

/// The role of the process: takes hold, says so, and waits; then lets go in the ordinary way.
pub fn holder<K: Kind>(args: &Args) {
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let board = args.board("board");
    let hold = || {
        board.add(READY, 1);
        board.wait(GO, 1);
    };
    let leases: usize = args.get("leases");
    if args.get::<String>("side") == Side::Sender.to_string() {
        let mut tx = ring.sender().expect("attach a sender");
        let mut grant = tx.reserve().expect("reserve");
        grant.write(Line::numbered(HELD)).expect("write in place");
        hold();
        grant.commit().expect("commit");
    } else {
        let mut rx = ring.receiver().expect("attach a receiver");
        for _ in 0..args.get("received") {
            rx.recv().expect("receive, and acknowledge");
        }
        let extended: usize = args.get("extended");
        let mut leased = rx.lease_batch(leases - extended).expect("lease");
        assert_eq!(leased.extend(extended), extended);
        assert_eq!(leased.len(), leases);
        let read = || {
            let stamps = leased.iter().map(|message| Line::stamp(&message.read()));
            stamps.collect::<Vec<_>>()
        };
        let before = read();
        for (index, message) in leased.iter().take(MOST).enumerate() {
            let found = before[index].number << 8 | u64::from(message.redeliveries());
            board.set(FOUND + index, found);
        }
        hold();
        // No other process has touched what this one holds.
        assert_eq!(before, read());
        leased.release();
    }
}

/// The parent's side of it: a ring and a board.
pub struct Scene<K: Kind> {
    /// The place of the test.
    pub home: Home,
    board: Board,
    /// The ring that is held.
    pub ring: Ring<Line, K>,
}

impl<K: Kind> Scene<K> {
    /// With a ring of so many slots.
    pub fn of(capacity: usize) -> Self {
        Scene::new(Ring::builder().capacity(capacity))
    }

    /// With a ring made as `builder` says.
    pub fn new(builder: RingBuilder<Line, K>) -> Self {
        let home = Home::new();
        Scene {
            board: home.board("board", FOUND + MOST),
            ring: builder.create(home.ring()).expect("make a ring"),
            home,
        }
    }

    /// A sender of the test's own process.
    pub fn sender(&self) -> Sender<Line, K> {
        self.ring.sender().expect("attach a sender")
    }

    /// A receiver of the test's own process.
    pub fn receiver(&self) -> Receiver<Line, K> {
        self.ring.receiver().expect("attach a receiver")
    }

    /// Starts a process that holds `leases` messages, or a grant, and waits
    /// until it has them.
    pub fn hold(&self, side: Side, leases: usize) -> Child {
        self.hold_after(0, side, leases)
    }

    /// As [`Scene::hold`], by a receiver that has received `received` messages
    /// before.
    pub fn hold_after(&self, received: usize, side: Side, leases: usize) -> Child {
        let spawn = |args: &Pairs<'_>| Some(self.home.spawn("holder", args));
        let child = self.hold_by(spawn, received, side, leases);
        child.expect("it is always started")
    }

    /// As [`Scene::hold`], by a receiver that leases one message, and then extends its batch.
    pub fn hold_by_extending(&self, leases: usize) -> Child {
        let spawn = |args: &Pairs<'_>| Some(self.home.spawn("holder", args));
        let child = self.start(spawn, 0, Side::Receiver, leases, leases - 1);
        child.expect("it is always started")
    }

    /// As [`Scene::hold_after`], by a process that `spawn` starts with these arguments, if it can.
    pub fn hold_by<P>(
        &self,
        spawn: impl FnOnce(&Pairs<'_>) -> Option<P>,
        received: usize,
        side: Side,
        leases: usize,
    ) -> Option<P> {
        self.start(spawn, received, side, leases, 0)
    }

    fn start<P>(
        &self,
        spawn: impl FnOnce(&Pairs<'_>) -> Option<P>,
        received: usize,
        side: Side,
        leases: usize,
        extended: usize,
    ) -> Option<P> {
        let ready = self.board.get(READY);
        let child = spawn(&[
            ("kind", &K::KIND),
            ("side", &side),
            ("received", &received),
            ("leases", &leases),
            ("extended", &extended),
        ])?;
        self.board.wait(READY, ready + 1);
        Some(child)
    }

    /// What the last holder holds: numbers and redeliveries, in the order of receipt.
    pub fn found(&self, count: usize) -> Vec<(u64, u8)> {
        assert!(count <= MOST);
        let words = self.board[FOUND..FOUND + count].iter();
        let words = words.map(|word| word.load(Ordering::Acquire));
        words.map(|word| (word >> 8, word as u8)).collect()
    }

    /// Lets the holder let go, and sees it end.
    pub fn let_go(&self, holder: Child) {
        self.board.set(GO, 1);
        holder.finish();
    }

    /// Checks how many messages the ring counts as redelivered and lost.
    #[track_caller]
    pub fn counted(&self, redelivered: u64, lost: u64) {
        counted(&self.ring, redelivered, lost);
    }
}

/// Checks how many messages a ring counts as redelivered and lost.
#[track_caller]
pub fn counted<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, redelivered: u64, lost: u64) {
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (redelivered, lost));
}

/// Sends the messages numbered `numbers` without waiting.
#[track_caller]
pub fn put<T: Load + ?Sized, K: Kind>(tx: &mut Sender<T, K>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let made = T::numbered(number);
        tx.try_send(T::lend(&made)).expect("there is room");
    }
}

/// Receives a message in place: its number and redeliveries.
#[track_caller]
pub fn get<T: Load + ?Sized, K: Kind>(rx: &mut Receiver<T, K>) -> (u64, u8) {
    let lease = rx.lease_timeout(LONG).expect("a message");
    assert_eq!(lease.redeliveries() > 0, lease.is_redelivered());
    let got = (T::stamp(&lease.read()).number, lease.redeliveries());
    lease.release();
    got
}

/// As [`get`], `count` times, in the order of numbers.
#[track_caller]
pub fn get_sorted<T: Load + ?Sized, K: Kind>(
    rx: &mut Receiver<T, K>,
    count: usize,
) -> Vec<(u64, u8)> {
    let mut got: Vec<_> = (0..count).map(|_| get(rx)).collect();
    if K::KIND.has_many_receivers() {
        got.sort_unstable();
    }
    got
}

/// Receives the messages numbered `numbers`, each for the first time: in this order by the one
/// receiver of a ring, in any order by one of many.
#[track_caller]
pub fn expect<T: Load + ?Sized, K: Kind>(rx: &mut Receiver<T, K>, numbers: std::ops::Range<u64>) {
    let got = get_sorted(rx, (numbers.end - numbers.start) as usize);
    let expected = numbers.map(|number| (number, 0));
    assert!(expected.eq(got.iter().copied()), "{got:?}");
}

/// As [`expect`], in this order in any case.
#[track_caller]
pub fn expect_in_order<T: Load + ?Sized, K: Kind>(
    rx: &mut Receiver<T, K>,
    numbers: impl IntoIterator<Item = u64>,
) {
    for number in numbers {
        assert_eq!(get(rx), (number, 0));
    }
}
