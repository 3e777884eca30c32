//! Clones of one endpoint in several threads.

use memring::{Mpmc, Ring};
use memring_testkit::boards::Board;
use memring_testkit::homes::Home;
use memring_testkit::ledgers::Ledger;
use memring_testkit::verbs::{self, Verb};

const THREADS: u64 = 2;
const EACH: u64 = 200_000;

type Small = [u64; 7];

#[test]
fn clones_share_a_ring() {
    let home = Home::new();
    let ring = Ring::<Small, Mpmc>::anonymous(64).expect("make a ring");
    let counts = home.path("counts");
    let open = |board| Ledger::new::<Small>(board, THREADS, EACH, false);
    let whole = open(home.board("counts", (THREADS * EACH) as usize));
    let tx = ring.sender().expect("attach a sender");
    let rx = ring.receiver().expect("attach a receiver");
    std::thread::scope(|threads| {
        for sender in 0..THREADS {
            let (mut tx, mut rx) = (tx.clone(), rx.clone());
            threads.spawn(move || {
                let verb = [Verb::One, Verb::InPlace][sender as usize];
                verbs::send(&mut tx, verb, sender, 0, EACH).expect("send all of it");
            });
            let mut ledger = open(Board::open(&counts));
            threads.spawn(move || {
                let verb = [Verb::InPlace, Verb::One][sender as usize];
                verbs::receive(&mut rx, verb, |stamp, _| ledger.note(stamp));
            });
        }
        // One place in the table for all the clones of an endpoint.
        assert_eq!(ring.stats().senders.len(), 1);
        drop((tx, rx));
    });
    whole.check();
    let stats = ring.stats();
    assert!(stats.senders.is_empty() && stats.receivers.is_empty());
}
