//! Children that outlive a killed parent: whatever they have inherited, they
//! do not keep it alive, and what it had is not theirs.

use std::fmt::Display;

use memring::{
    AttachError, Failure, Kind, Receiver, Ring, RingKind, SendError, Sender, Side, TryRecvError,
    TrySendError,
};
use rustix::process::set_parent_process_death_signal;

use crate::common::board::Board;
use crate::common::child::Args;
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{Line, get_sorted, put};
use crate::common::home::{Home, RING};
use crate::common::load::{Load, Stamp};
use crate::common::sys;

/// Words of the board: what the orphan has come to, what it may go on to, and
/// who it is.
const STEP: usize = 0;
const GO: usize = 1;
const WHO: usize = 2;

/// Its steps: it is there; it has tried what it inherited, after others took
/// over; it has opened the ring anew, and is done.
const THERE: u64 = 1;
const TRIED: u64 = 2;
const DONE: u64 = 3;

/// The number of the message that it sends in the end, where it may.
const OWN: u64 = 77;
const LEASES: usize = 2;

/// How the orphan came to be.
const BY_FORK: &str = "fork";
const BY_EXEC: &str = "exec";

/// Takes hold of a grant and leases, has a child, and waits to be killed.
pub fn parent(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let mut rx = ring.receiver().expect("attach a receiver");
            let mut tx = ring.sender().expect("attach a sender");
            let leased = rx.lease_batch(LEASES).expect("lease");
            assert_eq!(leased.len(), LEASES);
            let mut grant = tx.reserve().expect("reserve");
            let made = T::make(Stamp {
                sender: 0,
                number: 99,
            });
            grant.write(T::lend(&made)).expect("write in place");
            // Kept in this process's hands, for the endpoints are not called again.
            std::mem::forget((leased, grant));
            let mut inherited = Some((ring, tx, rx));
            if args.get::<String>("by") == BY_FORK {
                sys::fork(|| {
                    let (ring, tx, rx) = inherited.take().expect("once");
                    forked(&board, ring, tx, rx);
                });
            } else {
                let ring = inherited.as_ref().map(|(ring, ..)| ring);
                let fd = ring.map(|ring| ring.as_fd().expect("a descriptor"));
                let fd = fd.expect("a ring").try_clone_to_owned();
                let mut command = args.command("executed orphan", &[("kind", &K::KIND)]);
                command.stdin(fd.expect("a second one"));
                drop(command.spawn().expect("start a child"));
            }
            board.wait(GO, u64::MAX); // which nobody says
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// The orphan that has its parent's endpoints.
fn forked<T: Load + ?Sized, K: Kind>(
    board: &Board,
    ring: Ring<T, K>,
    mut tx: Sender<T, K>,
    mut rx: Receiver<T, K>,
) {
    are_refused(&ring, &mut tx, &mut rx); // while the parent lives
    board.set(WHO, std::process::id().into());
    board.set(STEP, THERE);
    board.wait(GO, TRIED);
    are_refused(&ring, &mut tx, &mut rx); // now that others have its place
    drop((tx, rx, ring));
    board.set(STEP, TRIED);
    board.wait(GO, DONE);
    anew(&Ring::<T, K>::open(RING).expect("open the ring anew"));
    board.set(STEP, DONE);
}

/// The orphan that was executed: it has a descriptor of the ring.
pub fn executed(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            set_parent_process_death_signal(None).expect("outlive the parent");
            let board = args.board("board");
            board.set(WHO, std::process::id().into());
            board.set(STEP, THERE);
            board.wait(GO, TRIED);
            board.set(STEP, TRIED);
            board.wait(GO, DONE);
            anew(&Ring::<T, K>::from_fd(std::io::stdin()).expect("open the ring anew"));
            board.set(STEP, DONE);
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

fn are_refused<T: Load + ?Sized, K: Kind>(
    ring: &Ring<T, K>,
    tx: &mut Sender<T, K>,
    rx: &mut Receiver<T, K>,
) {
    let made = T::make(Stamp {
        sender: 0,
        number: OWN,
    });
    let sent = tx.try_send(T::lend(&made));
    assert!(matches!(
        sent,
        Err(TrySendError::Failed(_, Failure::Forked))
    ));
    let sent = tx.send(T::lend(&made));
    assert!(matches!(sent, Err(SendError::Failed(_, Failure::Forked))));
    let got = rx.try_lease().map(drop);
    assert_eq!(got, Err(TryRecvError::Failed(Failure::Forked)));
    assert_eq!(ring.close(), Err(Failure::Forked));
    let attached = ring.sender().err();
    assert!(matches!(
        attached,
        Some(AttachError::Failed(Failure::Forked))
    ));
}

/// What is the child's own works, within the rules: single sides are taken.
fn anew<T: Load + ?Sized, K: Kind>(ring: &Ring<T, K>) {
    let sender = ring.sender();
    if K::KIND.has_many_senders() {
        put(&mut sender.expect("attach a sender"), OWN..OWN + 1);
    } else {
        assert!(matches!(sender, Err(AttachError::Occupied { .. })));
    }
    let receiver = ring.receiver();
    if !K::KIND.has_many_receivers() {
        assert!(matches!(receiver, Err(AttachError::Occupied { .. })));
    }
}

fn outlive(kind: RingKind, by: &'static str) {
    struct Test(&'static str);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Test(by) = self;
            let home = Home::new();
            let board = home.board("board", 3);
            let ring = Ring::<T, K>::create(&home.ring(), 4).expect("make a ring");
            put(&mut ring.sender().expect("attach a sender"), 0..3);
            let args: [(&str, &dyn Display); 2] = [("kind", &K::KIND), ("by", &by)];
            let parent = home.spawn("forking parent", &args);
            board.wait(STEP, THERE);
            let stats = ring.stats();
            assert!(stats.senders[0].alive && stats.receivers[0].alive);
            parent.kill();
            // At once, for the kernel says so, and not only in a while.
            let stats = ring.stats();
            assert!(!stats.senders[0].alive, "{by}: {:?}", stats.senders);
            assert!(!stats.receivers[0].alive, "{by}: {:?}", stats.receivers);
            let mut tx = ring.sender().expect("the place is free");
            let mut rx = ring.receiver().expect("the place is free");
            assert_eq!(get_sorted(&mut rx, 3), [(0, 1), (1, 1), (2, 0)]);
            let stats = ring.stats();
            assert_eq!((stats.redelivered, stats.lost), (LEASES as u64, 0));

            // The copies of what it had touch nothing of the heirs'.
            put(&mut tx, 3..7);
            board.set(GO, TRIED);
            board.wait(STEP, TRIED);
            let orphan = std::path::PathBuf::from(format!("/proc/{}", board.get(WHO)));
            assert!(orphan.exists(), "the child lives on");
            let stats = ring.stats();
            for (side, peers) in [
                (Side::Sender, &stats.senders),
                (Side::Receiver, &stats.receivers),
            ] {
                assert_eq!(peers.len(), 1, "{side}: {peers:?}");
                assert_eq!(peers[0].pid, std::process::id());
                assert!(peers[0].alive);
            }
            assert!(!stats.closed);
            let expected = (3..7).map(|number| (number, 0));
            assert!(get_sorted(&mut rx, 4).into_iter().eq(expected));
            board.set(GO, DONE);
            board.wait(STEP, DONE);
            if K::KIND.has_many_senders() {
                assert_eq!(get_sorted(&mut rx, 1), [(OWN, 0)]);
            }
            assert_eq!(rx.try_recv().err(), Some(TryRecvError::Empty));
            let stats = ring.stats();
            assert_eq!((stats.redelivered, stats.lost), (LEASES as u64, 0));
        }
    }
    dispatch(kind, Line::NAME, Test(by));
}

#[test]
fn a_forked_child_keeps_nothing_of_a_dead_parent() {
    for kind in RingKind::ALL {
        outlive(kind, BY_FORK);
    }
}

#[test]
fn an_executed_child_keeps_nothing_of_a_dead_parent() {
    for kind in RingKind::ALL {
        outlive(kind, BY_EXEC);
    }
}
