//! A process that closes all of its descriptors, those of its rings included.

use memring::{
    AttachError, Failure, Kind, RecvError, RecvTimeoutError, Ring, RingError, Side, TryRecvError,
    WaitForPeerError, WaitStrategy,
};
use memring_testkit::boards::Board;
use memring_testkit::children::Args;
use memring_testkit::for_each_kind;
use memring_testkit::holders::{Scene, get, get_sorted, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::kinds::occupant;
use memring_testkit::loads::{Line, Load};
use memring_testkit::sys;
use memring_testkit::text::says;
use memring_testkit::time::LONG;

/// Words of the board: steps done, and steps to do.
const STEP: usize = 0;
const GO: usize = 1;

const BACK: &str = "back";
const MESSAGES: u64 = 6;

/// Attached to two rings, receives from the one and sends to the other, with
/// nothing but its memory left.
pub fn closer<K: Kind>(args: &Args) {
    let board = args.board("board");
    let reused: bool = args.get("reused");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let back = Ring::<Line, K>::open(BACK).expect("open the other");
    let mut rx = ring.receiver().expect("attach a receiver");
    let mut tx = back.sender().expect("attach a sender");
    // Of one of them a descriptor is lent.
    ring.share_fd().expect("a descriptor");
    sys::close_from(3).expect("close all descriptors");
    // Their numbers go to other files, or to none.
    let others: Vec<_> = (0..if reused { 20 } else { 0 })
        .map(|_| std::fs::File::open("/dev/null").expect("open a file"))
        .collect();
    errors_are_clear(&ring);
    step(&board, 1);
    // What is there it can receive, and send where there is room.
    for number in 0..MESSAGES {
        let lease = rx.try_lease().expect("a message");
        assert_eq!(Line::stamp(&lease.read()).number, number);
        lease.release();
        let made = Line::numbered(number);
        tx.try_send(made).expect("send it back");
    }
    // It cannot tell who is alive, so it does not wait for anybody.
    let failure = Failure::DescriptorClosed;
    let waited = rx.recv_timeout(LONG).err();
    assert_eq!(waited, Some(RecvTimeoutError::Failed(failure)));
    assert_eq!(rx.try_recv().err(), Some(TryRecvError::Failed(failure)));
    assert_eq!(rx.recv().err(), Some(RecvError::Failed(failure)));
    says(&failure, &["closefrom", "open the ring again"]);
    // Whom it cannot tell of it takes for alive, and never itself for dead.
    let stats = ring.stats();
    assert!(
        stats
            .senders
            .iter()
            .chain(&stats.receivers)
            .all(|peer| peer.alive)
    );
    step(&board, 2);
    // It holds leases and a grant until it is killed.
    let leased = rx.lease_batch(2).expect("lease");
    assert_eq!(leased.len(), 2);
    let grant = tx.reserve().expect("reserve");
    step(&board, 3);
    if args.get("detach") {
        leased.release();
        drop(grant);
        drop((tx, rx, ring, back));
        for file in others {
            file.metadata().expect("nobody has closed a file of ours");
        }
    }
    step(&board, 4);
}

/// Says that a step is done, and waits for the word to go on.
fn step(board: &Board, step: u64) {
    board.set(STEP, step);
    board.wait(GO, step);
}

/// What needs a descriptor fails, and says why.
fn errors_are_clear<K: Kind>(ring: &Ring<Line, K>) {
    let words = ["found it closed or used for another file", "not yours"];
    match ring.share_fd().err() {
        Some(error @ RingError::Os { .. }) => says(&error, &words),
        other => panic!("expected an error of the system, found {other:?}"),
    }
    for error in [ring.sender().err(), ring.receiver().err()] {
        match error {
            Some(error @ AttachError::Os { .. }) => says(&error, &words),
            other => panic!("expected an error of the system, found {other:?}"),
        }
    }
}

fn without_descriptors<K: Kind>(reused: bool, detach: bool) {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = Ring::<Line, K>::create(home.ring(), 8).expect("make a ring");
    let back = Ring::<Line, K>::create(home.named(BACK), 8).expect("make another");
    let mut tx = ring.sender().expect("attach a sender");
    let mut rx = back.receiver().expect("attach a receiver");
    let child = home.spawn(
        "closer",
        &[("kind", &K::KIND), ("reused", &reused), ("detach", &detach)],
    );
    board.wait(STEP, 1);
    let is_there = || {
        let (there, here) = (ring.stats().receivers, back.stats().senders);
        for peers in [there, here] {
            assert_eq!(peers.len(), 1, "{peers:?}");
            assert!(peers[0].alive && peers[0].pid == child.pid(), "{peers:?}");
        }
        let holder = |many: bool| (!many).then_some(child.pid());
        assert_eq!(
            occupant(&ring, Side::Receiver),
            holder(K::KIND.has_many_receivers())
        );
        assert_eq!(
            occupant(&back, Side::Sender),
            holder(K::KIND.has_many_senders())
        );
    };
    is_there();
    put(&mut tx, 0..MESSAGES);
    board.set(GO, 1);
    for number in 0..MESSAGES {
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
    let mut successor = ring.receiver().expect("the place is free");
    let left = if detach { 2..3 } else { 0..3 };
    let expected = left
        .clone()
        .map(|number| (next + number, u8::from(number < marked)));
    assert!(
        get_sorted(&mut successor, left.count())
            .into_iter()
            .eq(expected)
    );
    let end = rx.recv_timeout(LONG).err();
    assert_eq!(end, Some(RecvTimeoutError::Disconnected));
    put(&mut back.sender().expect("the place is free"), 5..6);
    assert_eq!(get(&mut rx), (5, 0));
    assert_eq!(ring.stats().lost, 0);
    board.set(GO, 4);
}

fn a_process_without_descriptors_goes_on_and_its_death_is_noticed<K: Kind>() {
    for reused in [false, true] {
        without_descriptors::<K>(reused, false);
    }
}

fn a_process_without_descriptors_can_detach<K: Kind>() {
    for reused in [false, true] {
        without_descriptors::<K>(reused, true);
    }
}

/// Waits for a message that lies behind another process's claim, without descriptors, in each
/// of the ways.
pub fn behind_a_claim<K: Kind>(args: &Args) {
    let board = args.board("steps");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let verb: String = args.get("verb");
    let strategy = match verb.starts_with("spinning") {
        true => WaitStrategy::Spin,
        false => WaitStrategy::default(),
    };
    let mut rx = ring.receiver_with(strategy).expect("attach a receiver");
    sys::close_from(3).expect("close all descriptors");
    step(&board, 1);
    // The claim's holder is dead by now, which cannot be told.
    let failure = Failure::DescriptorClosed;
    let end = match verb.as_str() {
        "wait_for_peer" | "spinning wait_for_peer" => {
            rx.wait_for_peer(LONG) == Err(WaitForPeerError::Failed(failure))
        }
        "recv" => rx.recv().err() == Some(RecvError::Failed(failure)),
        "recv_timeout" => rx.recv_timeout(LONG).err() == Some(RecvTimeoutError::Failed(failure)),
        // The calls until a probe is due, and then the error.
        _ => loop {
            match rx.try_recv() {
                Err(TryRecvError::Held(_) | TryRecvError::Empty) => {}
                other => break other.err() == Some(TryRecvError::Failed(failure)),
            }
        },
    };
    assert!(end);
}

/// Nor does it take the dead for alive, and wait for ever.
fn no_endless_wait_behind_a_dead_claim<K: Kind>() {
    for verb in [
        "recv",
        "recv_timeout",
        "try_recv",
        "wait_for_peer",
        "spinning wait_for_peer",
    ] {
        let scene = Scene::<K>::of(4);
        let board = scene.home.board("steps", 2);
        let holder = scene.hold(Side::Sender, 0);
        let args: [(&str, &dyn std::fmt::Display); 2] = [("kind", &K::KIND), ("verb", &verb)];
        let waiter = scene.home.spawn("behind a claim", &args);
        board.wait(STEP, 1);
        holder.kill();
        board.set(GO, 1);
        waiter.finish();
        assert!(scene.ring.stats().receivers.is_empty(), "{verb}");
    }
}

for_each_kind!(
    no_endless_wait_behind_a_dead_claim,
    a_process_without_descriptors_goes_on_and_its_death_is_noticed,
    a_process_without_descriptors_can_detach,
);
