//! `Disconnected` and `Closed`, seen from another process.

use std::time::Duration;

use memring::{
    Kind, Receiver, RecvError, RecvTimeoutError, Ring, RingKind, SendError, SendTimeoutError,
    WaitStrategy,
};

use crate::common::child::{Args, Child};
use crate::common::dispatch::{Job, dispatch};
use crate::common::home::{Home, RING};
use crate::common::load::{Load, Stamp};
use crate::common::work::{self, Verb};

/// The messages here; which they are does not matter.
type Line = [u64; 8];

/// Long enough to be asleep and to have looked round more than once.
const A_WHILE: Duration = Duration::from_millis(300);

/// Words of the board.
const READY: usize = 0;
const LEAVE: usize = 1;

/// Sends messages `from..to`, says so, and leaves when told.
pub fn sender(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let mut tx = ring.sender().expect("attach a sender");
            let sent = work::send(&mut tx, Verb::One, 0, args.get("from"), args.get("to"));
            board.add(READY, 1);
            if args.get::<String>("end") == "closed" {
                assert!(matches!(sent, Err((_, SendError::Closed(())))), "{sent:?}");
                return;
            }
            sent.expect("send all");
            board.wait(LEAVE, 1);
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// Receives `from..to` and then the `end`.
pub fn receiver(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let mut rx = ring
                .receiver_with(WaitStrategy::Park)
                .expect("attach a receiver");
            board.add(READY, 1);
            let mut next = args.get("from");
            while next < args.get("to") {
                let stamp = T::stamp(&rx.recv().expect("receive"));
                assert_eq!(
                    stamp,
                    Stamp {
                        sender: 0,
                        number: next
                    }
                );
                next += 1;
            }
            match args.get::<String>("end").as_str() {
                "closed" => assert_eq!(rx.recv().err(), Some(RecvError::Closed)),
                "gone" => assert_eq!(rx.recv().err(), Some(RecvError::Disconnected)),
                _ => board.wait(LEAVE, 1),
            }
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// A test for each kind.
fn each_kind(job: impl Job + Copy) {
    for kind in RingKind::ALL {
        println!("{kind}");
        dispatch(kind, Line::NAME, job);
    }
}

fn create<T: Load + ?Sized, K: Kind>(home: &Home, capacity: usize) -> Ring<T, K> {
    Ring::create(&home.ring(), capacity).expect("make a ring")
}

fn spawn<K: Kind>(home: &Home, role: &str, from: u64, to: u64, end: &str) -> Child {
    let args: [(&str, &dyn std::fmt::Display); 4] = [
        ("kind", &K::KIND),
        ("from", &from),
        ("to", &to),
        ("end", &end),
    ];
    home.spawn(role, &args)
}

fn expect<T: Load + ?Sized, K: Kind>(rx: &mut Receiver<T, K>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let stamp = T::stamp(&rx.recv().expect("drain first"));
        assert_eq!(stamp, Stamp { sender: 0, number });
    }
}

#[test]
fn receivers_drain_then_see_the_senders_gone() {
    #[derive(Clone, Copy)]
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let board = home.board("board", 2);
            let ring = create::<T, K>(&home, 16);
            let mut rx = ring.receiver().expect("attach a receiver");
            // Killed, then of its own accord: and each time it works again.
            for round in 0..3 {
                let (from, to) = (round * 10, round * 10 + 10);
                let child = spawn::<K>(&home, "ends sender", from, to, "stay");
                board.wait(READY, round + 1);
                expect(&mut rx, from..to - 5);
                if round == 2 {
                    board.set(LEAVE, 1);
                    child.finish();
                } else {
                    child.kill();
                }
                expect(&mut rx, to - 5..to);
                assert_eq!(rx.recv().err(), Some(RecvError::Disconnected));
                let error = rx.recv_timeout(A_WHILE).err();
                assert_eq!(error, Some(RecvTimeoutError::Disconnected));
            }
            // And again for a receiver that comes now.
            drop(rx);
            let mut rx = ring.receiver().expect("attach a receiver");
            assert_eq!(rx.recv().err(), Some(RecvError::Disconnected));
        }
    }
    each_kind(Test);
}

#[test]
fn senders_fill_then_see_the_receivers_gone() {
    #[derive(Clone, Copy)]
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let board = home.board("board", 2);
            let ring = create::<T, K>(&home, 8);
            let mut tx = ring.sender().expect("attach a sender");
            let mut sent = 0;
            for round in 0..3 {
                let child = spawn::<K>(&home, "ends receiver", sent, sent + 4, "stay");
                board.wait(READY, round + 1);
                // All that it takes and a whole ring more, and not one more.
                let room = if round == 0 { 12 } else { 4 };
                work::send(
                    &mut tx,
                    Verb::One,
                    0,
                    sent_before(sent, round),
                    sent_before(sent, round) + room,
                )
                .expect("there is room");
                sent += 4;
                let next = T::make(Stamp {
                    sender: 0,
                    number: u64::from(u32::MAX),
                });
                let full = tx.send_timeout(T::lend(&next), A_WHILE);
                assert!(
                    matches!(full, Err(SendTimeoutError::Timeout(..))),
                    "{full:?}"
                );
                if round == 2 {
                    board.set(LEAVE, 1);
                    child.finish();
                } else {
                    child.kill();
                }
                let gone = tx.send(T::lend(&next));
                assert!(matches!(gone, Err(SendError::Disconnected(_))), "{gone:?}");
            }
        }
    }
    /// The first number not sent yet, when receivers have got `received`.
    fn sent_before(received: u64, round: u64) -> u64 {
        if round == 0 { 0 } else { received + 8 }
    }
    each_kind(Test);
}

#[test]
fn waiting_through_a_disconnect() {
    #[derive(Clone, Copy)]
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let board = home.board("board", 2);
            drop(create::<T, K>(&home, 8));
            let ring = Ring::<T, K>::builder()
                .wait_through_disconnect(true)
                .open(&home.ring())
                .expect("open the ring");
            let mut rx = ring.receiver().expect("attach a receiver");
            let child = spawn::<K>(&home, "ends sender", 0, 5, "stay");
            board.wait(READY, 1);
            child.kill();
            expect(&mut rx, 0..5);
            let error = rx.recv_timeout(A_WHILE).err();
            assert_eq!(error, Some(RecvTimeoutError::Timeout(None)));
            let successor = spawn::<K>(&home, "ends sender", 5, 9, "stay");
            expect(&mut rx, 5..9);
            board.set(LEAVE, 1);
            successor.finish();
        }
    }
    each_kind(Test);
}

#[test]
fn nobody_has_gone_before_anybody_came() {
    #[derive(Clone, Copy)]
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let board = home.board("board", 2);
            let ring = create::<T, K>(&home, 2);
            let mut rx = ring.receiver().expect("attach a receiver");
            let error = rx.recv_timeout(A_WHILE).err();
            assert_eq!(error, Some(RecvTimeoutError::Timeout(None)));
            let child = spawn::<K>(&home, "ends sender", 0, 5, "stay");
            expect(&mut rx, 0..5);
            board.set(LEAVE, 1);
            child.finish();
            drop(ring);
            drop(rx);
            memring::remove(&home.ring()).expect("remove the ring");

            let ring = create::<T, K>(&home, 2);
            let mut tx = ring.sender().expect("attach a sender");
            work::send(&mut tx, Verb::One, 0, 0, 2).expect("fill the ring");
            let made = T::make(Stamp {
                sender: 0,
                number: 2,
            });
            let error = tx.send_timeout(T::lend(&made), A_WHILE);
            assert!(
                matches!(error, Err(SendTimeoutError::Timeout(..))),
                "{error:?}"
            );
            board.set(LEAVE, 0);
            let child = spawn::<K>(&home, "ends receiver", 0, 5, "stay");
            work::send(&mut tx, Verb::One, 0, 2, 5).expect("somebody makes room");
            board.set(LEAVE, 1);
            child.finish();
        }
    }
    each_kind(Test);
}

#[test]
fn closing_wakes_the_sleepers() {
    #[derive(Clone, Copy)]
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            for role in ["ends sender", "ends receiver"] {
                let home = Home::new();
                let board = home.board("board", 2);
                let ring = create::<T, K>(&home, 4);
                // A sender that sends more than there is room for; a receiver
                // that waits for what nobody sends.
                let to = if role == "ends sender" { 5 } else { 0 };
                let child = spawn::<K>(&home, role, 0, to, "closed");
                if role == "ends receiver" {
                    board.wait(READY, 1);
                }
                while ring.len() < to.min(4) as usize {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(A_WHILE);
                child.wait_for_state('S');
                ring.close().expect("close the ring");
                child.finish();
                // What was sent before is still there.
                let mut rx = ring.receiver().expect("attach a receiver");
                expect(&mut rx, 0..to.min(4));
                assert_eq!(rx.recv().err(), Some(RecvError::Closed));
            }
        }
    }
    each_kind(Test);
}
