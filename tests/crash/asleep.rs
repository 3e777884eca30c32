//! Endpoints that wait, or do nothing, in processes that are stopped.

use memring::{Kind, Ring, Side, WaitStrategy};
use memring_testkit::boards::Board;
use memring_testkit::children::Args;
use memring_testkit::holders::{A_WHILE, expect, get, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::kinds::has_many;
use memring_testkit::loads::{Line, Load};
use memring_testkit::time::LONG;

use crate::stopped::{
    SIDES, Stopped, at_once, is_told_of, no_room, nothing_comes, nothing_repaired,
};

/// Words of the board of a process that waits, or does nothing: that it is
/// there, and what it received in the end, and that it may go.
const READY: usize = 0;
const GOT: usize = 1;
const GO: usize = 2;

/// What the endpoint of such a process does.
const SPINS: &str = "spins";
const SLEEPS: &str = "sleeps";
const IDLES: &str = "idles";
const OPEN: &str = "open";

/// Waits for room or for a message; or is just there.
pub fn paused<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let state: String = args.get("state");
    let strategy = match state.as_str() {
        SPINS => WaitStrategy::Spin,
        _ => WaitStrategy::Park,
    };
    let sends = args.get::<String>("side") == Side::Sender.to_string();
    if state == OPEN {
        board.set(READY, 1);
        return board.wait(GO, 1);
    }
    if sends {
        let mut tx = ring.sender_with(strategy).expect("attach a sender");
        if state != IDLES {
            put(&mut tx, 0..4); // and then it is full
            board.set(READY, 1);
            tx.send(Line::numbered(4)).expect("send");
            return;
        }
        board.set(READY, 1);
        board.wait(GO, 1);
    } else {
        let mut rx = ring.receiver_with(strategy).expect("attach a receiver");
        board.set(READY, 1);
        if state == IDLES {
            return board.wait(GO, 1);
        }
        let lease = rx.lease().expect("a message in the end");
        assert_eq!(lease.redeliveries(), 0);
        board.set(GOT, 1 + Line::stamp(&lease.read()).number);
        lease.release();
    }
}

/// A ring, and a process in `state` that is stopped.
fn stop_in<K: Kind>(state: &str, side: Side) -> (Home, Board, Ring<Line, K>, Stopped) {
    let home = Home::new();
    let board = home.board("board", 3);
    let ring = Ring::<Line, K>::create(home.ring(), 4).expect("make a ring");
    let child = home.spawn(
        "paused",
        &[("kind", &K::KIND), ("state", &state), ("side", &side)],
    );
    board.wait(READY, 1);
    if state == SLEEPS {
        child.wait_until_asleep();
    }
    (home, board, ring, Stopped::now(child))
}

fn waiting<K: Kind>((side, state): (Side, &'static str)) {
    let (_home, board, ring, stopped) = stop_in::<K>(state, side);
    is_told_of(&ring, side, &stopped);
    match side {
        Side::Sender => past_a_sender(&ring, stopped),
        Side::Receiver => past_a_receiver(&ring, stopped, &board),
    }
    nothing_repaired(&ring);
}

/// Past one that waits for room to send message 4 after 0 to 3.
fn past_a_sender<K: Kind>(ring: &Ring<Line, K>, stopped: Stopped) {
    let mut rx = ring.receiver().expect("attach a receiver");
    let mut expected: Vec<_> = (0..4).map(|number| (number, 0)).collect();
    if K::KIND.has_many_senders() {
        // The stopped one gets the wake-up, if anybody does; another that
        // sleeps finds the room all the same.
        let mut tx = ring
            .sender_with(WaitStrategy::Park)
            .expect("attach a sender");
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let made = Line::numbered(10);
                let sent = tx.send_timeout(made, LONG);
                sent.map_err(drop).expect("there is room for it");
            });
            std::thread::sleep(A_WHILE);
            assert_eq!(get(&mut rx), expected.remove(0));
        });
        expected.push((10, 0));
    }
    for expected in expected {
        assert_eq!(get(&mut rx), expected);
    }
    nothing_comes(&mut rx, &stopped);
    is_told_of(ring, Side::Sender, &stopped);
    let child = stopped.resume(ring);
    assert_eq!(get(&mut rx), (4, 0));
    child.finish();
    assert!(rx.try_recv().is_err());
}

/// Past one that waits for a message.
fn past_a_receiver<K: Kind>(ring: &Ring<Line, K>, stopped: Stopped, board: &Board) {
    let mut tx = ring.sender().expect("attach a sender");
    let many = K::KIND.has_many_receivers();
    if many {
        let mut rx = ring.receiver_with(WaitStrategy::Park).expect("attach");
        std::thread::scope(|threads| {
            let other = threads.spawn(|| get(&mut rx));
            std::thread::sleep(A_WHILE);
            put(&mut tx, 0..1);
            assert_eq!(other.join().expect("it receives"), (0, 0));
        });
        put(&mut tx, 1..5);
        expect(&mut rx, 1..5);
        nothing_comes(&mut rx, &stopped);
    }
    put(&mut tx, 5..9);
    no_room(&mut tx, &stopped);
    is_told_of(ring, Side::Receiver, &stopped);
    let child = stopped.resume(ring);
    board.wait(GOT, 1);
    child.finish();
    assert_eq!(board.get(GOT) - 1, 5);
    let mut rx = ring.receiver().expect("attach a receiver");
    expect(&mut rx, 6..9);
    assert!(rx.try_recv().is_err());
}

#[test]
fn a_stopped_waiter_goes_on_waiting() {
    let states = [SPINS, SLEEPS].into_iter();
    let cases = states.flat_map(|state| SIDES.map(|side| (side, state)));
    at_once!(waiting, cases);
}

fn idle<K: Kind>(side: Side) {
    let (_home, board, ring, stopped) = stop_in::<K>(IDLES, side);
    is_told_of(&ring, side, &stopped);
    if has_many(K::KIND, side) {
        let mut tx = ring.sender().expect("attach a sender");
        let mut rx = ring.receiver().expect("attach a receiver");
        for number in 0..100 {
            put(&mut tx, number..number + 1);
            assert_eq!(get(&mut rx), (number, 0));
        }
    }
    // Somebody is there: late, not `Disconnected`.
    if side == Side::Sender {
        nothing_comes(&mut ring.receiver().expect("attach"), &stopped);
    } else {
        let mut tx = ring.sender().expect("attach a sender");
        put(&mut tx, 0..4);
        no_room(&mut tx, &stopped);
    }
    is_told_of(&ring, side, &stopped);
    let child = stopped.resume(&ring);
    board.set(GO, 1);
    child.finish();
    let stats = ring.stats();
    assert!(
        stats.senders.is_empty() && stats.receivers.is_empty(),
        "{stats:?}"
    );
}

/// A ring that is only open is in use, by a stopped process too.
fn only_open<K: Kind>((): ()) {
    let (home, _board, ring, stopped) = stop_in::<K>(OPEN, Side::Sender);
    drop(ring);
    let name = home.ring();
    let look = || memring::inspect(&name).expect("look at the ring").in_use;
    assert!(look());
    std::thread::sleep(stopped.left());
    assert!(look());
    stopped.child.kill();
    assert!(!look());
}

#[test]
fn a_stopped_process_that_does_nothing_is_there() {
    std::thread::scope(|threads| {
        threads.spawn(|| at_once!(only_open, [()]));
        at_once!(idle, SIDES);
    });
}
