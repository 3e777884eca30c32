//! Rings that are removed, replaced and unlinked while other processes use them, and rings
//! that a service left closed: nobody sleeps on, nobody is left with an old ring unawares,
//! and all end on the same new one.

use std::time::{Duration, Instant};

use memring::{
    Kind, Mpmc, RecvError, Ring, RingError, SendError, TrySendError, WaitForPeerError, WaitStrategy,
};
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::{Home, RING};
use memring_testkit::time::LONG;
use memring_testkit::{for_each_kind, of_kind};

pub const ROLES: [Role; 6] = [
    ("removed sender", of_kind!(K => sender::<K>)),
    ("removed receiver", of_kind!(K => receiver::<K>)),
    ("removed poller", of_kind!(K => poller::<K>)),
    ("removed service", of_kind!(K => service::<K>)),
    ("removed racer", racer),
    ("removed opener", opener),
];

const SLOTS: usize = 4;

/// Words of the board.
const READY: usize = 0;
const GO: usize = 1;
const RECEIVED: usize = 2;
const WORDS: usize = 3;

/// The cap of a sleep is a second at most.
const SOON: Duration = Duration::from_secs(5);

/// Fills the ring, and sleeps until the ring is removed.
fn sender<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut tx = ring.sender_with(WaitStrategy::Park).expect("attach");
    for number in 0..SLOTS as u64 {
        tx.try_send(number).expect("there is room");
    }
    board.add(READY, 1);
    assert_eq!(tx.send(9), Err(SendError::Removed(9)));
    // For good, and whatever the verb.
    assert_eq!(tx.try_send(9), Err(TrySendError::Removed(9)));
    assert!(ring.is_removed() && ring.is_closed());
}

/// Finds out that the ring is gone without ever waiting.
fn poller<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut tx = ring.sender().expect("attach");
    for number in 0..SLOTS as u64 {
        tx.try_send(number).expect("there is room");
    }
    board.add(READY, 1);
    loop {
        match tx.try_send(9) {
            Err(TrySendError::Full(9)) => std::thread::sleep(Duration::from_micros(100)),
            Err(TrySendError::Removed(9)) => return,
            other => panic!("{other:?}"),
        }
    }
}

/// Attaches, and receives only when the ring was removed: first what is in it.
fn receiver<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<u64, K>::open(RING).expect("open the ring");
    let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
    board.add(READY, 1);
    board.wait(GO, 1);
    loop {
        match rx.recv() {
            Ok(_) => board.add(RECEIVED, 1),
            Err(RecvError::Removed) => break,
            other => panic!("{other:?}"),
        };
    }
    assert_eq!(rx.recv(), Err(RecvError::Removed));
}

/// Sends two messages, receives `received` of them, holds `held`, closes its ring, and dies
/// before it removes it.
fn service<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<u64, K>::open_or_create(RING, SLOTS).expect("have the ring");
    let (mut tx, mut rx) = (
        ring.sender().expect("attach"),
        ring.receiver().expect("attach"),
    );
    for number in 0..2 {
        tx.send(number).expect("there is room");
    }
    for _ in 0..args.get("received") {
        rx.recv().expect("a message");
    }
    let held: usize = args.get("held");
    if held > 0 {
        std::mem::forget(rx.lease_batch(held).expect("messages"));
    }
    ring.close().expect("close the ring");
    board.add(READY, 1);
    board.wait_to_be_killed();
}

fn spawn<K: Kind>(home: &Home, role: &str) -> Child {
    home.spawn(role, &[("kind", &K::KIND)])
}

fn create<K: Kind>(home: &Home) -> Ring<u64, K> {
    Ring::create(home.ring(), SLOTS).expect("make a ring")
}

/// A name, and what is done.
type Way = (&'static str, Box<dyn Fn()>);

/// Ways in which a ring goes.
fn ways(home: &Home) -> [Way; 3] {
    let path = home.rings().join(RING);
    let (remove, recreate, unlink) = (path.clone(), path.clone(), path);
    [
        (
            "removed",
            Box::new(move || memring::remove(&remove).expect("remove")),
        ),
        (
            "replaced",
            Box::new(move || {
                let new = Ring::<[u8], Mpmc>::recreate(&recreate, 16).expect("replace");
                assert_eq!(
                    (new.len(), new.capacity(), new.is_removed()),
                    (0, 16, false)
                );
            }),
        ),
        (
            "unlinked",
            Box::new(move || std::fs::remove_file(&unlink).expect("unlink")),
        ),
    ]
}

fn a_sender_at_a_full_ring_is_told<K: Kind>() {
    for role in ["removed sender", "removed poller"] {
        for way in 0..3 {
            let home = Home::new();
            let board = home.board("board", WORDS);
            let old = create::<K>(&home);
            let child = spawn::<K>(&home, role);
            board.wait(READY, 1);
            if role == "removed sender" {
                child.wait_until_asleep();
            }
            let (how, act) = &ways(&home)[way];
            let began = Instant::now();
            act();
            child.finish();
            assert!(
                began.elapsed() < SOON,
                "{role}, {how}: after {:?}",
                began.elapsed()
            );
            assert!(old.is_removed() && old.is_closed(), "{how}");
        }
    }
}

fn receivers_drain_first<K: Kind>() {
    for way in 0..3 {
        let home = Home::new();
        let board = home.board("board", WORDS);
        let ring = create::<K>(&home);
        let mut tx = ring.sender().expect("attach");
        let child = spawn::<K>(&home, "removed receiver");
        board.wait(READY, 1);
        assert_eq!(tx.send_batch([1, 2, 3]), Ok(3));
        let (how, act) = &ways(&home)[way];
        act();
        if *how != "unlinked" {
            assert_eq!(tx.send(4), Err(SendError::Removed(4)));
        }
        board.set(GO, 1);
        child.finish();
        assert_eq!(board.get(RECEIVED), 3, "{how}");
    }
}

/// A ring that was closed before it was removed keeps its end.
fn closed_before_it_was_removed<K: Kind>() {
    let home = Home::new();
    let ring = create::<K>(&home);
    let (mut tx, mut rx) = (
        ring.sender().expect("attach"),
        ring.receiver().expect("attach"),
    );
    tx.send(1).expect("there is room");
    ring.close().expect("close");
    memring::remove(home.ring()).expect("remove");
    assert_eq!(tx.send(2), Err(SendError::Closed(2)));
    assert_eq!(rx.recv(), Ok(1));
    assert_eq!(rx.recv(), Err(RecvError::Closed));
    assert!(ring.is_removed());
}

/// A ring without a name is not removed because it has none.
fn a_ring_without_a_name_lives<K: Kind>() {
    if cfg!(feature = "portable") {
        return; // it passes a descriptor
    }
    let ring = Ring::<u64, K>::anonymous(SLOTS).expect("make a ring");
    let other = Ring::<u64, K>::from_fd(ring.share_fd().expect("a descriptor")).expect("open");
    let mut rx = other.receiver().expect("attach");
    let mut tx = ring.sender().expect("attach");
    let nothing = rx.recv_timeout(Duration::from_millis(250));
    assert!(
        matches!(nothing, Err(memring::RecvTimeoutError::Timeout(_))),
        "{nothing:?}"
    );
    tx.send(1).expect("there is room");
    assert_eq!(rx.recv(), Ok(1));
    assert!(!ring.is_removed() && !other.is_removed());
}

/// What a service leaves that died after it had closed its ring.
fn left_closed<K: Kind>() {
    for (received, held) in [(2, 0), (0, 0), (1, 0), (0, 2), (1, 1)] {
        let home = Home::new();
        let board = home.board("board", WORDS);
        let args: [(&str, &dyn std::fmt::Display); 3] =
            [("kind", &K::KIND), ("received", &received), ("held", &held)];
        let child = home.spawn("removed service", &args);
        board.wait(READY, 1);
        let open = || Ring::<u64, K>::open_or_create(home.ring(), SLOTS);
        match open() {
            Err(RingError::Closed {
                messages,
                attached: 2,
                ..
            }) => {
                assert_eq!(messages, 2 - received);
            }
            other => panic!("{other:?}"),
        }
        child.kill();
        if received < 2 {
            match open() {
                Err(
                    error @ RingError::Closed {
                        messages,
                        attached: 0,
                        ..
                    },
                ) => {
                    assert_eq!(messages, 2 - received, "{held} held");
                    let text = error.to_string();
                    assert!(
                        text.contains("recreate") && text.contains("drain"),
                        "{text}"
                    );
                }
                other => panic!("{other:?}"),
            }
            let old = Ring::<u64, K>::open(home.ring()).expect("open the ring");
            let mut rx = old.receiver().expect("attach");
            for number in received as u64..2 {
                assert_eq!(rx.recv(), Ok(number));
            }
            assert_eq!(rx.recv(), Err(RecvError::Closed));
            match open() {
                Err(RingError::Closed {
                    messages: 0,
                    attached: 1,
                    ..
                }) => {}
                other => panic!("{other:?}"),
            }
        }
        let old = Ring::<u64, K>::open(home.ring()).expect("open the ring");
        let new = open().expect("a fresh ring");
        assert!(!new.is_closed() && old.is_removed());
        new.sender().expect("attach").send(5).expect("it is open");
        let again = open().expect("the same ring");
        assert_eq!(again.receiver().expect("attach").recv(), Ok(5));
        // One that comes to the old one finds it at its end.
        let late = old.sender().expect("attach").send(6);
        assert_eq!(late, Err(SendError::Closed(6)));
        let files = std::fs::read_dir(home.rings()).expect("list").count();
        // Its locks are in a file of their own there.
        assert_eq!(files, 1 + usize::from(cfg!(feature = "portable")));
    }
}

fn nobody_waits_for_a_peer<K: Kind>() {
    let home = Home::new();
    let (ring, closed) = (
        create::<K>(&home),
        Ring::<u64, K>::anonymous(SLOTS).unwrap(),
    );
    let (mut tx, mut rx) = (ring.sender().unwrap(), closed.receiver().unwrap());
    memring::remove(home.ring()).expect("remove");
    closed.close().expect("close");
    let removed = tx.wait_for_peer(Duration::MAX);
    assert_eq!(removed, Err(WaitForPeerError::Removed));
    assert_eq!(
        rx.wait_for_peer(Duration::MAX),
        Err(WaitForPeerError::Closed)
    );
}

/// Whether it sleeps or never does.
fn nobody_waits_for_a_peer_at_an_unlinked_ring<K: Kind>() {
    let strategies = [
        WaitStrategy::Spin,
        WaitStrategy::Park,
        WaitStrategy::default(),
    ];
    for strategy in strategies {
        let home = Home::new();
        let ring = create::<K>(&home);
        let mut rx = ring.receiver_with(strategy).expect("attach");
        std::fs::remove_file(home.rings().join(RING)).expect("unlink");
        let removed = rx.wait_for_peer(LONG);
        assert_eq!(removed, Err(WaitForPeerError::Removed), "{strategy:?}");
    }
}

for_each_kind!(
    nobody_waits_for_a_peer,
    nobody_waits_for_a_peer_at_an_unlinked_ring,
    a_sender_at_a_full_ring_is_told,
    receivers_drain_first,
    closed_before_it_was_removed,
    a_ring_without_a_name_lives,
    left_closed,
);

const RACERS: usize = 8;
const ROUNDS: u64 = 50;

/// In each round, when the last ring has ended: has the ring, and sends its number.
fn racer(args: &Args) {
    let racer: u64 = args.get("racer");
    let board = args.board("board");
    for round in 1..=ROUNDS {
        board.wait(GO, round);
        let ring = Ring::<u64, Mpmc>::open_or_create(RING, RACERS).expect("have the ring");
        let mut tx = ring.sender().expect("attach a sender");
        tx.try_send(racer).expect("an open ring");
        drop(tx);
        board.add(READY, 1);
    }
}

/// The name never leads nowhere.
fn opener(args: &Args) {
    let board = args.board("board");
    while board.get(GO) <= ROUNDS {
        Ring::<u64, Mpmc>::open(RING).expect("open whatever ring there is");
    }
}

#[test]
fn all_replace_an_ended_ring_by_the_same() {
    let home = Home::new();
    let board = home.board("board", WORDS);
    let create = || Ring::<u64, Mpmc>::open_or_create(home.ring(), RACERS);
    create().expect("make a ring").close().expect("close it");
    let opener = home.spawn("removed opener", &[]);
    let racers = (0..RACERS).map(|racer| home.spawn("removed racer", &[("racer", &racer)]));
    let racers: Vec<Child> = racers.collect();
    for round in 1..=ROUNDS {
        board.set(GO, round);
        board.wait(READY, round * RACERS as u64);
        let ring = Ring::<u64, Mpmc>::open(home.ring()).expect("open the ring");
        assert_eq!(ring.len(), RACERS, "round {round}: not all are in one ring");
        ring.close().expect("close the ring");
        let mut rx = ring.receiver().expect("attach a receiver");
        let mut sent: Vec<u64> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
        sent.sort_unstable();
        assert!(sent.into_iter().eq(0..RACERS as u64), "round {round}");
    }
    board.set(GO, ROUNDS + 1);
    racers.into_iter().for_each(Child::finish);
    opener.finish();
}
