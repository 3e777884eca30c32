//! `Disconnected` and `Closed`, seen from another process.

use std::time::Duration;

use memring::{
    Kind, RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, WaitForPeerError,
    WaitStrategy,
};
use memring_testkit::children::{Args, Child};
use memring_testkit::for_each_kind;
use memring_testkit::holders::expect_in_order;
use memring_testkit::homes::{Home, RING};
use memring_testkit::loads::{Line, Load};
use memring_testkit::time::LONG;
use memring_testkit::verbs::{self, Verb};

/// Long enough to be asleep and to have looked round more than once.
const A_WHILE: Duration = Duration::from_millis(300);

/// Words of the board.
const READY: usize = 0;
const LEAVE: usize = 1;

/// Sends messages `from..to`, says so, and leaves when told.
pub fn sender<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let mut tx = ring.sender().expect("attach a sender");
    let sent = verbs::send(&mut tx, Verb::One, 0, args.get("from"), args.get("to"));
    board.add(READY, 1);
    if args.get::<String>("end") == "closed" {
        assert!(matches!(sent, Err((_, SendError::Closed(())))), "{sent:?}");
        return;
    }
    sent.expect("send all");
    board.wait(LEAVE, 1);
}

/// Receives `from..to` and then the `end`.
pub fn receiver<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let mut rx = ring
        .receiver_with(WaitStrategy::Park)
        .expect("attach a receiver");
    board.add(READY, 1);
    let mut next = args.get("from");
    while next < args.get("to") {
        assert_eq!(rx.recv(), Ok(Line::numbered(next)));
        next += 1;
    }
    match args.get::<String>("end").as_str() {
        "closed" => assert_eq!(rx.recv().err(), Some(RecvError::Closed)),
        "gone" => assert_eq!(rx.recv().err(), Some(RecvError::Disconnected)),
        _ => board.wait(LEAVE, 1),
    }
}

fn create<K: Kind>(home: &Home, capacity: usize) -> Ring<Line, K> {
    Ring::create(home.ring(), capacity).expect("make a ring")
}

fn spawn<K: Kind>(home: &Home, role: &str, from: u64, to: u64, end: &str) -> Child {
    home.spawn(
        role,
        &[
            ("kind", &K::KIND),
            ("from", &from),
            ("to", &to),
            ("end", &end),
        ],
    )
}

fn receivers_drain_then_see_the_senders_gone<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = create::<K>(&home, 16);
    let mut rx = ring.receiver().expect("attach a receiver");
    // Killed, then of its own accord: and each time it works again.
    for round in 0..3 {
        let (from, to) = (round * 10, round * 10 + 10);
        let child = spawn::<K>(&home, "ends sender", from, to, "stay");
        board.wait(READY, round + 1);
        expect_in_order(&mut rx, from..to - 5);
        if round == 2 {
            board.set(LEAVE, 1);
            child.finish();
        } else {
            child.kill();
        }
        expect_in_order(&mut rx, to - 5..to);
        assert_eq!(rx.recv().err(), Some(RecvError::Disconnected));
        let error = rx.recv_timeout(A_WHILE).err();
        assert_eq!(error, Some(RecvTimeoutError::Disconnected));
    }
    // Not for a receiver that comes now: it has seen nobody.
    drop(rx);
    let mut rx = ring.receiver().expect("attach a receiver");
    let error = rx.recv_timeout(A_WHILE).err();
    assert_eq!(error, Some(RecvTimeoutError::Timeout(None)));
}

for_each_kind!(receivers_drain_then_see_the_senders_gone);

fn senders_fill_then_see_the_receivers_gone<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = create::<K>(&home, 8);
    let mut tx = ring.sender().expect("attach a sender");
    let mut sent = 0;
    for round in 0..3 {
        let child = spawn::<K>(&home, "ends receiver", sent, sent + 4, "stay");
        board.wait(READY, round + 1);
        // All that it takes and a whole ring more, and not one more.
        let room = if round == 0 { 12 } else { 4 };
        let first = if round == 0 { 0 } else { sent + 8 };
        verbs::send(&mut tx, Verb::One, 0, first, first + room).expect("there is room");
        sent += 4;
        let next = Line::numbered(u64::from(u32::MAX));
        let full = tx.send_timeout(next, A_WHILE);
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
        let gone = tx.send(next);
        assert!(matches!(gone, Err(SendError::Disconnected(_))), "{gone:?}");
    }
}

for_each_kind!(senders_fill_then_see_the_receivers_gone);

fn waiting_through_a_disconnect<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    drop(create::<K>(&home, 8));
    let ring = Ring::<Line, K>::builder()
        .wait_through_disconnect(true)
        .open(home.ring())
        .expect("open the ring");
    let mut rx = ring.receiver().expect("attach a receiver");
    let child = spawn::<K>(&home, "ends sender", 0, 5, "stay");
    board.wait(READY, 1);
    child.kill();
    expect_in_order(&mut rx, 0..5);
    let error = rx.recv_timeout(A_WHILE).err();
    assert_eq!(error, Some(RecvTimeoutError::Timeout(None)));
    let successor = spawn::<K>(&home, "ends sender", 5, 9, "stay");
    expect_in_order(&mut rx, 5..9);
    board.set(LEAVE, 1);
    successor.finish();
}

for_each_kind!(waiting_through_a_disconnect);

fn nobody_has_gone_before_anybody_came<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = create::<K>(&home, 2);
    let mut rx = ring.receiver().expect("attach a receiver");
    let error = rx.recv_timeout(A_WHILE).err();
    assert_eq!(error, Some(RecvTimeoutError::Timeout(None)));
    let child = spawn::<K>(&home, "ends sender", 0, 5, "stay");
    expect_in_order(&mut rx, 0..5);
    board.set(LEAVE, 1);
    child.finish();
    drop(ring);
    drop(rx);
    memring::remove(home.ring()).expect("remove the ring");

    let ring = create::<K>(&home, 2);
    let mut tx = ring.sender().expect("attach a sender");
    verbs::send(&mut tx, Verb::One, 0, 0, 2).expect("fill the ring");
    let made = Line::numbered(2);
    let error = tx.send_timeout(made, A_WHILE);
    assert!(
        matches!(error, Err(SendTimeoutError::Timeout(..))),
        "{error:?}"
    );
    board.set(LEAVE, 0);
    let child = spawn::<K>(&home, "ends receiver", 0, 5, "stay");
    verbs::send(&mut tx, Verb::One, 0, 2, 5).expect("somebody makes room");
    board.set(LEAVE, 1);
    child.finish();
}

for_each_kind!(nobody_has_gone_before_anybody_came);

/// A restart behaves as the first start did: what came and went before counts for nothing,
/// and neither does a dead member that is found later.
fn a_second_run_waits_as_the_first_did<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = create::<K>(&home, 2);
    for run in 0..2 {
        let mut tx = ring.sender().expect("attach a sender");
        if run == 0 {
            verbs::send(&mut tx, Verb::One, 0, 0, 2).expect("fill the ring");
        }
        let full = tx.send_timeout(Line::numbered(2), A_WHILE);
        let waited = matches!(full, Err(SendTimeoutError::Timeout(_, None)));
        assert!(waited, "run {run}: {full:?}");
        assert!(!tx.is_disconnected() && tx.peers().is_empty());
        drop(tx);
        if run == 0 {
            let child = spawn::<K>(&home, "ends receiver", 0, 0, "stay");
            board.wait(READY, 1);
            child.kill();
        }
    }
    // The other way round, and to a sender that was alive when this one attached.
    let child = spawn::<K>(&home, "ends sender", 2, 2, "stay");
    board.wait(READY, 2);
    let mut rx = ring.receiver().expect("attach a receiver");
    assert_eq!(rx.peers().len(), 1);
    assert_eq!(rx.peers()[0].pid, child.pid());
    expect_in_order(&mut rx, 0..2);
    child.kill();
    assert!(rx.is_disconnected());
    assert_eq!(rx.recv().err(), Some(RecvError::Disconnected));
    drop(rx);
    let mut rx = ring.receiver().expect("attach a receiver");
    assert!(!rx.is_disconnected());
    let error = rx.recv_timeout(A_WHILE).err();
    assert_eq!(error, Some(RecvTimeoutError::Timeout(None)));
    // One that comes and goes while this one does not look was seen.
    board.set(LEAVE, 1);
    spawn::<K>(&home, "ends sender", 2, 2, "stay").finish();
    assert_eq!(rx.recv().err(), Some(RecvError::Disconnected));
}

for_each_kind!(a_second_run_waits_as_the_first_did);

/// A receiver that sleeps until a sender comes is woken by its arrival.
fn a_peer_is_waited_for<K: Kind>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = create::<K>(&home, 2);
    let strategy = WaitStrategy::Park;
    let mut rx = ring.receiver_with(strategy).expect("attach a receiver");
    let none = rx.wait_for_peer(A_WHILE);
    assert_eq!(none, Err(WaitForPeerError::Timeout));
    board.set(LEAVE, 1);
    let child = spawn::<K>(&home, "ends sender", 0, 1, "stay");
    rx.wait_for_peer(LONG).expect("a sender comes");
    // Waits until the sender has gone, which ends nothing.
    let mut messages = rx.iter();
    assert_eq!(messages.next(), Some(Ok(Line::numbered(0))));
    child.finish();
    assert_eq!(messages.next(), Some(Err(RecvError::Disconnected)));
    // The next call waits for another sender.
    let child = spawn::<K>(&home, "ends sender", 1, 2, "stay");
    assert_eq!(messages.next(), Some(Ok(Line::numbered(1))));
    child.finish();
    ring.close().expect("close the ring");
    assert_eq!(messages.next(), None);
}

for_each_kind!(a_peer_is_waited_for);

fn closing_wakes_the_sleepers<K: Kind>() {
    for role in ["ends sender", "ends receiver"] {
        let home = Home::new();
        let board = home.board("board", 2);
        let ring = create::<K>(&home, 4);
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
        expect_in_order(&mut rx, 0..to.min(4));
        assert_eq!(rx.recv().err(), Some(RecvError::Closed));
    }
}

for_each_kind!(closing_wakes_the_sleepers);
