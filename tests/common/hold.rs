//! A process with something in its hands: a claim that it has not published,
//! or leases that it has not released.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::time::Duration;

use memring::{Kind, Receiver, Ring, RingBuilder, Sender, Side};

use super::board::Board;
use super::child::{Args, Child};
use super::dispatch::{Job, dispatch};
use super::home::{Home, RING};
use super::load::{Load, Stamp};

/// The messages here; which they are does not matter.
pub type Line = [u64; 8];

/// Long enough to be asleep, and to look round more than once.
pub const A_WHILE: Duration = Duration::from_millis(350);
/// Long enough for anything that should happen at all.
pub const LONG: Duration = Duration::from_secs(30);

/// Words of the board.
const READY: usize = 0;
const GO: usize = 1;
/// What the last holder found in its hands: a word for each message.
const FOUND: usize = 2;
/// As many as that are written down.
const MOST: usize = 64;

/// The number of the message that a holder of a grant sends in the end.
pub const HELD: u64 = 1_000_000;

/// Takes hold, says so, and waits; then lets go in the ordinary way.
pub fn holder(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let board = args.board("board");
            let hold = || {
                board.add(READY, 1);
                board.wait(GO, 1);
            };
            let leases: usize = args.get("leases");
            if args.get::<String>("side") == Side::Sender.to_string() {
                let mut tx = ring.sender().expect("attach a sender");
                let made = T::make(Stamp {
                    sender: 0,
                    number: HELD,
                });
                let mut grant = tx.reserve().expect("reserve");
                grant.write(T::lend(&made)).expect("write in place");
                hold();
                grant.commit().expect("commit");
            } else {
                let mut rx = ring.receiver().expect("attach a receiver");
                for _ in 0..args.get("received") {
                    rx.recv().expect("receive, and acknowledge");
                }
                let leased = rx.lease_batch(leases).expect("lease");
                assert_eq!(leased.len(), leases);
                let before: Vec<_> = leased.iter().map(|m| T::stamp(&m.read())).collect();
                for (index, message) in leased.iter().take(MOST).enumerate() {
                    let found = before[index].number << 8 | u64::from(message.redeliveries());
                    board.set(FOUND + index, found);
                }
                hold();
                // Nobody has touched what is in our hands.
                let after: Vec<_> = leased.iter().map(|m| T::stamp(&m.read())).collect();
                assert_eq!(before, after);
                leased.release();
            }
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// The parent's side of it: a ring and a board.
pub struct Scene<T: Load + ?Sized, K: Kind> {
    pub home: Home,
    board: Board,
    pub ring: Ring<T, K>,
}

impl<T: Load + ?Sized, K: Kind> Scene<T, K> {
    pub fn new(builder: RingBuilder<T, K>) -> Self {
        let home = Home::new();
        Scene {
            board: home.board("board", FOUND + MOST),
            ring: builder.create(&home.ring()).expect("make a ring"),
            home,
        }
    }

    /// Starts a process that holds `leases` messages, or a grant, and waits
    /// until it has them.
    pub fn hold(&self, side: Side, leases: usize) -> Child {
        self.hold_after(0, side, leases)
    }

    /// As [`Scene::hold`], by a receiver that has received `received` messages
    /// before.
    pub fn hold_after(&self, received: usize, side: Side, leases: usize) -> Child {
        let args: [(&str, &dyn Display); 4] = [
            ("kind", &K::KIND),
            ("side", &side),
            ("received", &received),
            ("leases", &leases),
        ];
        let ready = self.ready();
        let child = self.home.spawn("holder", &args);
        self.wait_ready(ready + 1);
        child
    }

    /// How many holders there have been.
    pub fn ready(&self) -> u64 {
        self.board.get(READY)
    }

    pub fn wait_ready(&self, count: u64) {
        self.board.wait(READY, count);
    }

    /// What the last holder has in its hands: numbers and attempts, in the
    /// order of receipt.
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
}

/// Sends the messages numbered `numbers` without waiting.
pub fn put<T: Load + ?Sized, K: Kind>(tx: &mut Sender<T, K>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let made = T::make(Stamp { sender: 0, number });
        tx.try_send(T::lend(&made)).expect("there is room");
    }
}

/// Receives a message in place: its number and attempt.
pub fn get<T: Load + ?Sized, K: Kind>(rx: &mut Receiver<T, K>) -> (u64, u8) {
    let lease = rx.lease_timeout(LONG).expect("a message");
    assert_eq!(lease.redeliveries() > 0, lease.is_redelivered());
    (T::stamp(&lease.read()).number, lease.redeliveries())
}

/// As [`get`], `count` times, in the order of numbers.
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
