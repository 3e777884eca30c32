//! A table full of the dead.

use memring::{AttachError, Kind, Mpmc, Mpsc, Receiver, Ring, Sender, Side, Spmc};

use crate::common::child::Args;
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{Line, get_sorted, put};
use crate::common::home::{Home, RING};
use crate::common::load::Load;

/// All the places there are.
const SENDERS: usize = 511;
const RECEIVERS: usize = 512;
const SLOTS: usize = 1024;

/// Takes every place of a side, something in each hand, and waits to be killed.
pub fn filler(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let board = args.board("board");
            let ring = Ring::<T, K>::open(RING).expect("open the ring");
            let mut senders: Vec<Sender<T, K>> = Vec::new();
            let mut receivers: Vec<Receiver<T, K>> = Vec::new();
            if args.get::<String>("side") == Side::Sender.to_string() {
                senders.extend((0..SENDERS).map(|_| ring.sender().expect("attach")));
                assert!(matches!(ring.sender(), Err(AttachError::TooMany { .. })));
            } else {
                receivers.extend((0..RECEIVERS).map(|_| ring.receiver().expect("attach")));
                assert!(matches!(ring.receiver(), Err(AttachError::TooMany { .. })));
            }
            let grants = senders
                .iter_mut()
                .map(|tx| tx.try_reserve().expect("reserve"));
            let grants: Vec<_> = grants.collect();
            let leases = receivers
                .iter_mut()
                .map(|rx| rx.try_lease().expect("lease"));
            let leases: Vec<_> = leases.collect();
            board.set(0, (grants.len() + leases.len()) as u64);
            board.wait(0, u64::MAX); // which nobody says
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

fn fill_and_kill<K: Kind>(home: &Home, ring: &Ring<Line, K>, side: Side) {
    let board = home.board("board", 1);
    let child = home.spawn("table filler", &[("kind", &K::KIND), ("side", &side)]);
    let places = match side {
        Side::Sender => SENDERS,
        Side::Receiver => RECEIVERS,
    };
    board.wait(0, places as u64);
    let full = match side {
        Side::Sender => ring.sender().err(),
        Side::Receiver => ring.receiver().err(),
    };
    assert!(
        matches!(full, Some(AttachError::TooMany { .. })),
        "{full:?}"
    );
    child.kill();
    let stats = ring.stats();
    let dead = stats.senders.iter().chain(&stats.receivers);
    assert_eq!(dead.filter(|peer| !peer.alive).count(), places);
}

fn nobody_dead<K: Kind>(ring: &Ring<Line, K>) {
    let stats = ring.stats();
    assert!(
        stats
            .senders
            .iter()
            .chain(&stats.receivers)
            .all(|peer| peer.alive)
    );
}

fn dead_senders<K: Kind>(heir: Side) {
    let home = Home::new();
    let ring = Ring::<Line, K>::create(&home.ring(), SLOTS).expect("make a ring");
    let mut rx = (heir == Side::Sender).then(|| ring.receiver().expect("attach"));
    fill_and_kill(&home, &ring, Side::Sender);
    // Whoever attaches next, on whichever side, clears up after all of them.
    if heir == Side::Receiver {
        rx = Some(ring.receiver().expect("attach a receiver"));
        nobody_dead(&ring);
    }
    let mut rx = rx.expect("one of both");
    let mut tx = ring.sender().expect("there is a place");
    nobody_dead(&ring);
    assert_eq!(ring.stats().senders.len(), 1);
    // Their claims were given up, and hold nobody up.
    assert!(rx.try_recv().is_err());
    put(&mut tx, 0..SLOTS as u64);
    let got = get_sorted(&mut rx, SLOTS);
    assert!(
        got.into_iter()
            .eq((0..SLOTS as u64).map(|number| (number, 0)))
    );
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (0, 0));
}

fn dead_receivers<K: Kind>(heir: Side) {
    let home = Home::new();
    let ring = Ring::<Line, K>::create(&home.ring(), SLOTS).expect("make a ring");
    let all = SLOTS as u64;
    put(&mut ring.sender().expect("attach a sender"), 0..all);
    fill_and_kill(&home, &ring, Side::Receiver);
    if heir == Side::Sender {
        drop(ring.sender().expect("attach a sender"));
        nobody_dead(&ring);
    }
    let mut rx = ring.receiver().expect("there is a place");
    nobody_dead(&ring);
    assert_eq!(ring.stats().receivers.len(), 1);
    let got = get_sorted(&mut rx, SLOTS);
    let marked = |number| u8::from(number < RECEIVERS as u64);
    assert!(
        got.into_iter()
            .eq((0..all).map(|number| (number, marked(number))))
    );
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (RECEIVERS as u64, 0));
    put(&mut ring.sender().expect("attach a sender"), 0..all);
    assert_eq!(get_sorted(&mut rx, SLOTS).len(), SLOTS);
}

#[test]
fn a_table_full_of_dead_senders_is_cleared_by_the_next_attach() {
    for heir in [Side::Sender, Side::Receiver] {
        dead_senders::<Mpsc>(heir);
        dead_senders::<Mpmc>(heir);
    }
}

#[test]
fn a_table_full_of_dead_receivers_is_cleared_by_the_next_attach() {
    for heir in [Side::Sender, Side::Receiver] {
        dead_receivers::<Spmc>(heir);
        dead_receivers::<Mpmc>(heir);
    }
}
