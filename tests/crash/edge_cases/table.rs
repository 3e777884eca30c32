//! A table full of dead members.

use memring::{AttachError, Kind, Receiver, Ring, Sender, Side};
use memring_testkit::children::Args;
use memring_testkit::for_each_kind;
use memring_testkit::holders::{counted, expect, get_sorted, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::kinds::try_attach;
use memring_testkit::loads::Line;

/// All the places there are.
const SENDERS: usize = 511;
const RECEIVERS: usize = 512;
const SLOTS: usize = 1024;

/// Takes every place of a side, holds something with each, and waits to be killed.
pub fn filler<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let mut senders: Vec<Sender<Line, K>> = Vec::new();
    let mut receivers: Vec<Receiver<Line, K>> = Vec::new();
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
    board.wait_to_be_killed();
}

fn fill_and_kill<K: Kind>(home: &Home, ring: &Ring<Line, K>, side: Side) {
    let board = home.board("board", 1);
    let child = home.spawn("table filler", &[("kind", &K::KIND), ("side", &side)]);
    let places = match side {
        Side::Sender => SENDERS,
        Side::Receiver => RECEIVERS,
    };
    board.wait(0, places as u64);
    let full = try_attach(ring, side);
    assert!(matches!(full, Err(AttachError::TooMany { .. })), "{full:?}");
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

fn dead_senders<K: Kind>(next: Side) {
    let home = Home::new();
    let ring = Ring::<Line, K>::create(home.ring(), SLOTS).expect("make a ring");
    let mut rx = (next == Side::Sender).then(|| ring.receiver().expect("attach"));
    fill_and_kill(&home, &ring, Side::Sender);
    // The process that attaches next, on either side, clears up after all of them.
    if next == Side::Receiver {
        rx = Some(ring.receiver().expect("attach a receiver"));
        nobody_dead(&ring);
    }
    let mut rx = rx.expect("one of both");
    let mut tx = ring.sender().expect("there is a place");
    nobody_dead(&ring);
    assert_eq!(ring.stats().senders.len(), 1);
    // Tnext claims were given up, and hold nobody up.
    assert!(rx.try_recv().is_err());
    put(&mut tx, 0..SLOTS as u64);
    expect(&mut rx, 0..SLOTS as u64);
    counted(&ring, 0, 0);
}

fn dead_receivers<K: Kind>(next: Side) {
    let home = Home::new();
    let ring = Ring::<Line, K>::create(home.ring(), SLOTS).expect("make a ring");
    let all = SLOTS as u64;
    put(&mut ring.sender().expect("attach a sender"), 0..all);
    fill_and_kill(&home, &ring, Side::Receiver);
    if next == Side::Sender {
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
    counted(&ring, RECEIVERS as u64, 0);
    put(&mut ring.sender().expect("attach a sender"), 0..all);
    assert_eq!(get_sorted(&mut rx, SLOTS).len(), SLOTS);
}

fn a_table_full_of_dead_senders_is_cleared_by_the_next_attach<K: Kind>() {
    dead_senders::<K>(Side::Sender);
    dead_senders::<K>(Side::Receiver);
}

fn a_table_full_of_dead_receivers_is_cleared_by_the_next_attach<K: Kind>() {
    dead_receivers::<K>(Side::Sender);
    dead_receivers::<K>(Side::Receiver);
}

for_each_kind!([mpsc mpmc] a_table_full_of_dead_senders_is_cleared_by_the_next_attach);
for_each_kind!([spmc mpmc] a_table_full_of_dead_receivers_is_cleared_by_the_next_attach);
