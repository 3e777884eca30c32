//! A process that closes all of its descriptors, those of its rings included.

use memring::{AttachError, Kind, RecvTimeoutError, Ring, RingError, RingKind, Side};

use crate::common::board::Board;
use crate::common::child::Args;
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{A_WHILE, LONG, Line, get, get_sorted, put};
use crate::common::home::{Home, RING};
use crate::common::load::{Load, Stamp};
use crate::common::sys;

/// Words of the board: steps done, and steps to do.
const STEP: usize = 0;
const GO: usize = 1;

const BACK: &str = "back";
const MESSAGES: u64 = 1000;

/// Attached to two rings, receives from the one and sends to the other, with
/// nothing but its memory left.
pub fn closer(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let reused: bool = args.get("reused");
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let back = Ring::<T, K>::open(BACK).expect("open the other");
            let mut rx = ring.receiver().expect("attach a receiver");
            let mut tx = back.sender().expect("attach a sender");
            sys::close_from(3).expect("close all descriptors");
            // Their numbers go to other files, or to none.
            let others: Vec<_> = (0..if reused { 20 } else { 0 })
                .map(|_| std::fs::File::open("/dev/null").expect("open a file"))
                .collect();
            errors_are_clear(&ring);
            step(&board, 1);
            for number in 0..MESSAGES {
                let lease = rx.lease_timeout(LONG).expect("a message");
                assert_eq!(T::stamp(&lease.read()).number, number);
                lease.release();
                let made = T::make(Stamp { sender: 0, number });
                tx.send_timeout(T::lend(&made), LONG)
                    .map_err(drop)
                    .expect("send it back");
            }
            // It sees who is there, or cannot tell, and then takes them for
            // alive. It never takes itself for dead.
            let nobody = rx.recv_timeout(A_WHILE).err();
            assert_eq!(nobody, Some(RecvTimeoutError::Timeout(None)));
            let stats = ring.stats();
            assert!(
                stats
                    .senders
                    .iter()
                    .chain(&stats.receivers)
                    .all(|peer| peer.alive)
            );
            step(&board, 2);
            // With something in both hands, until it is killed.
            let leased = rx.lease_batch(2).expect("lease");
            assert_eq!(leased.len(), 2);
            let grant = tx.reserve().expect("reserve");
            step(&board, 3);
            if args.get("detach") {
                drop((grant, leased));
                drop((tx, rx, ring, back));
                for file in others {
                    file.metadata().expect("nobody has closed a file of ours");
                }
            }
            step(&board, 4);
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// Says that a step is done, and waits for the word to go on.
fn step(board: &Board, step: u64) {
    board.set(STEP, step);
    board.wait(GO, step);
}

/// What needs a descriptor fails, and says why.
fn errors_are_clear<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>) {
    let says = |text: String| {
        for word in ["found it closed or used for another file", "not yours"] {
            assert!(text.contains(word), "{word:?} is missing in: {text}");
        }
        assert!(!text.contains('\n'), "more than a line: {text}");
    };
    match ring.as_fd().err() {
        Some(error @ RingError::Os { .. }) => says(error.to_string()),
        other => panic!("expected an error of the system, found {other:?}"),
    }
    for error in [ring.sender().err(), ring.receiver().err()] {
        match error {
            Some(error @ AttachError::Os { .. }) => says(error.to_string()),
            other => panic!("expected an error of the system, found {other:?}"),
        }
    }
}

fn is_robbed<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>, side: Side) -> bool {
    let (attached, many) = match side {
        Side::Sender => (ring.sender().map(drop), K::KIND.has_many_senders()),
        Side::Receiver => (ring.receiver().map(drop), K::KIND.has_many_receivers()),
    };
    match attached {
        Err(AttachError::Occupied { .. }) => false,
        Err(error) => panic!("{error}"),
        Ok(()) => !many,
    }
}

struct Test {
    reused: bool,
    detach: bool,
}

impl Job for Test {
    fn run<T: Load + ?Sized, K: Kind>(self) {
        let home = Home::new();
        let board = home.board("board", 2);
        let ring = Ring::<T, K>::create(&home.ring(), 8).expect("make a ring");
        let back = Ring::<T, K>::create(&home.named(BACK), 8).expect("make another");
        let mut tx = ring.sender().expect("attach a sender");
        let mut rx = back.receiver().expect("attach a receiver");
        let Test { reused, detach } = self;
        let args: [(&str, &dyn std::fmt::Display); 3] =
            [("kind", &K::KIND), ("reused", &reused), ("detach", &detach)];
        let child = home.spawn("closer", &args);
        board.wait(STEP, 1);
        let is_there = || {
            let (there, here) = (ring.stats().receivers, back.stats().senders);
            for peers in [there, here] {
                assert_eq!(peers.len(), 1, "{peers:?}");
                assert!(peers[0].alive && peers[0].pid == child.pid(), "{peers:?}");
            }
            assert!(!is_robbed(&ring, Side::Receiver));
            assert!(!is_robbed(&back, Side::Sender));
        };
        is_there();
        board.set(GO, 1);
        for number in 0..MESSAGES {
            let made = T::make(Stamp { sender: 0, number });
            tx.send_timeout(T::lend(&made), LONG)
                .map_err(drop)
                .expect("it receives");
            assert_eq!(get(&mut rx), (number, 0));
        }
        board.wait(STEP, 2);
        is_there();
        let next = MESSAGES;
        put(&mut tx, next..next + 3);
        board.set(GO, 2);
        board.wait(STEP, 3);
        is_there();
        assert!(ring.stats().redelivered == 0);
        let marked = if detach {
            // Its locks go with its memory: the places are free.
            board.set(GO, 3);
            board.wait(STEP, 4);
            assert!(ring.stats().receivers.is_empty() && back.stats().senders.is_empty());
            0
        } else {
            child.kill();
            assert!(!ring.stats().receivers[0].alive && !back.stats().senders[0].alive);
            2
        };
        let mut heir = ring.receiver().expect("the place is free");
        let left = if detach { 2..3 } else { 0..3 };
        let expected = left
            .clone()
            .map(|number| (next + number, u8::from(number < marked)));
        assert!(get_sorted(&mut heir, left.count()).into_iter().eq(expected));
        let end = rx.recv_timeout(LONG).err();
        assert_eq!(end, Some(RecvTimeoutError::Disconnected));
        put(&mut back.sender().expect("the place is free"), 5..6);
        assert_eq!(get(&mut rx), (5, 0));
        assert_eq!(ring.stats().lost, 0);
        board.set(GO, 4);
    }
}

#[test]
fn a_process_without_descriptors_goes_on_and_its_death_is_noticed() {
    for kind in RingKind::ALL {
        for reused in [false, true] {
            let detach = false;
            dispatch(kind, Line::NAME, Test { reused, detach });
        }
    }
}

#[test]
fn a_process_without_descriptors_can_detach() {
    for kind in RingKind::ALL {
        for reused in [false, true] {
            let detach = true;
            dispatch(kind, Line::NAME, Test { reused, detach });
        }
    }
}
