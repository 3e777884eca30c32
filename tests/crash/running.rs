//! Processes stopped at random in the middle of what they do: attaching, or
//! sending and receiving as fast as they can.

use std::time::{Duration, Instant};

use memring::{AttachError, Kind, RecvError, Ring};
use memring_testkit::boards::Board;
use memring_testkit::children::{Args, Child};
use memring_testkit::holders::{counted, expect_in_order, get, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::loads::Line;
use memring_testkit::random::Random;
use memring_testkit::verbs::{self, Verb};

use crate::stopped::{at_once, pause};

/// Words of the board of attaching processes: rounds of each, and the end.
const STOP: usize = 0;
const ROUNDS: usize = 1;

const ATTACHERS: usize = 5;

/// Attaches and detaches until told to stop.
pub fn attaching<K: Kind>(args: &Args) {
    let board = args.board("board");
    let index: usize = args.get("index");
    while board.get(STOP) == 0 {
        let ring = Ring::<Line, K>::open(RING).expect("open the ring");
        let ends = (or_occupied(ring.sender()), or_occupied(ring.receiver()));
        drop(ends);
        board.add(ROUNDS + index, 1);
    }
}

/// `None` where somebody else is on a side of one.
fn or_occupied<E>(attached: Result<E, AttachError>) -> Option<E> {
    match attached {
        Ok(end) => Some(end),
        Err(AttachError::Occupied { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn stopped_while_attaching<K: Kind>((): ()) {
    let home = Home::new();
    let mut random = Random::new();
    let board = home.board("board", ROUNDS + ATTACHERS);
    let ring = Ring::<Line, K>::create(home.ring(), 8).expect("make a ring");
    let stopped = (0..ATTACHERS).map(|index| {
        let child = home.spawn("attaching", &[("kind", &K::KIND), ("index", &index)]);
        if index > 1 {
            board.wait(ROUNDS + index, 1); // not while it starts
        }
        std::thread::sleep(random.up_to(Duration::from_millis(4)));
        child.stop();
        child
    });
    let stopped: Vec<Child> = stopped.collect();
    let rounds: Vec<u64> = (0..ATTACHERS)
        .map(|index| board.get(ROUNDS + index))
        .collect();
    let (mut sent, mut got) = (0, 0);
    let end = Instant::now() + pause();
    while Instant::now() < end {
        let mut tx = or_occupied(ring.sender());
        let mut rx = or_occupied(ring.receiver());
        if let Some(tx) = tx.as_mut().filter(|_| sent - got < 8) {
            put(tx, sent..sent + 1);
            sent += 1;
        }
        if let Some(rx) = rx.as_mut().filter(|_| got < sent) {
            assert_eq!(get(rx), (got, 0));
            got += 1;
        }
        let many = [K::KIND.has_many_senders(), K::KIND.has_many_receivers()];
        assert!(tx.is_some() || !many[0], "a place among many");
        assert!(rx.is_some() || !many[1], "a place among many");
        std::thread::sleep(Duration::from_millis(1));
    }
    stopped.iter().for_each(Child::resume);
    for (index, rounds) in rounds.into_iter().enumerate() {
        board.wait(ROUNDS + index, rounds + 2);
    }
    board.set(STOP, 1);
    stopped.into_iter().for_each(Child::finish);
    let mut rx = ring.receiver().expect("the place is free");
    expect_in_order(&mut rx, got..sent);
    assert!(rx.try_recv().is_err());
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (0, 0));
    assert!(
        stats.senders.is_empty() && stats.receivers.len() == 1,
        "{stats:?}"
    );
}

#[test]
fn processes_stopped_while_attaching_hold_up_nobody_who_can_attach() {
    at_once!(stopped_while_attaching, [()]);
}

/// Words of the board of runners: who is there, the end, and for each sender
/// what was sent and received: how many messages, and a sum over them.
const READY: usize = 0;
const END: usize = 1;
const FIRST: usize = 2;
const FIGURES: usize = 4;

/// Adds `count` messages with the sum `sum` to what was sent or received.
fn account(board: &Board, sender: u64, received: bool, (count, sum): (u64, u64)) {
    let at = FIRST + sender as usize * FIGURES + 2 * usize::from(received);
    board.add(at, count);
    board.add(at + 1, sum);
}

/// No two sets of messages have the same sum, as good as certainly.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) | 1
}

/// Sends or receives as fast as it can, until told to stop.
pub fn runner<K: Kind>(args: &Args) {
    let board = args.board("board");
    let ring = Ring::<Line, K>::builder().wait_through_disconnect(true);
    let ring = ring.open(RING).expect("open the ring");
    let verb = args.get("verb");
    if args.get("sends") {
        let sender: u64 = args.get("index");
        let mut tx = ring.sender().expect("attach a sender");
        board.add(READY, 1);
        let (mut number, mut sum) = (0, 0u64);
        while board.get(END) == 0 {
            let to = number + 16;
            verbs::send(&mut tx, verb, sender, number, to).expect("send");
            sum = (number..to).fold(sum, |sum, number| sum.wrapping_add(mix(number)));
            number = to;
        }
        account(&board, sender, false, (number, sum));
    } else {
        let mut rx = ring.receiver().expect("attach a receiver");
        board.add(READY, 1);
        let mut seen: Vec<(u64, u64, u64)> = vec![(0, 0, 0); args.get("senders")];
        let end = verbs::receive(&mut rx, verb, |stamp, attempt| {
            let (next, count, sum) = &mut seen[stamp.sender as usize];
            assert!(attempt == 0 && stamp.number >= *next, "{stamp:?}, {next}");
            *next = stamp.number + 1;
            *count += 1;
            *sum = sum.wrapping_add(mix(stamp.number));
        });
        assert_eq!(end, RecvError::Closed);
        for (sender, (_, count, sum)) in seen.into_iter().enumerate() {
            account(&board, sender as u64, true, (count, sum));
        }
    }
}

fn stopped_at_full_speed<K: Kind>((): ()) {
    let home = Home::new();
    let mut random = Random::new();
    let many = |many| if many { 2 } else { 1 };
    let senders = many(K::KIND.has_many_senders());
    let receivers = many(K::KIND.has_many_receivers());
    let board = home.board("board", FIRST + senders * FIGURES);
    let ring = Ring::<Line, K>::create(home.ring(), 16).expect("make a ring");
    let start = |sends: bool, index: usize| {
        let verb = [Verb::InPlace, Verb::Batch][index % 2];
        home.spawn(
            "runner",
            &[
                ("kind", &K::KIND),
                ("sends", &sends),
                ("index", &index),
                ("senders", &senders),
                ("verb", &verb),
            ],
        )
    };
    let mut all: Vec<Child> = (0..senders).map(|index| start(true, index)).collect();
    all.extend((0..receivers).map(|index| start(false, index)));
    board.wait(READY, all.len() as u64);
    // Each is stopped for long once, while others are for short.
    let each = pause() / all.len() as u32;
    for (victim, child) in all.iter().enumerate() {
        std::thread::sleep(random.up_to(Duration::from_millis(10)));
        child.stop();
        let end = Instant::now() + each;
        while Instant::now() < end {
            let other = random.below(all.len() as u64) as usize;
            if other != victim {
                all[other].stop();
                std::thread::sleep(random.up_to(Duration::from_millis(20)));
                all[other].resume();
            }
            std::thread::sleep(random.up_to(Duration::from_millis(40)));
        }
        counted(&ring, 0, 0);
        let stats = ring.stats();
        let peers = stats.senders.len() + stats.receivers.len();
        assert_eq!(peers, all.len(), "nobody was taken for dead");
        child.resume();
    }
    board.set(END, 1);
    let receiving = all.split_off(senders);
    all.into_iter().for_each(Child::finish);
    ring.close().expect("close the ring");
    receiving.into_iter().for_each(Child::finish);
    let figures: Vec<u64> = (FIRST..board.len()).map(|at| board.get(at)).collect();
    for figures in figures.chunks(FIGURES) {
        assert!(
            figures[0] > 0 && figures[..2] == figures[2..],
            "{figures:?}"
        );
    }
    println!("{}: {figures:?}", K::KIND);
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost, stats.len), (0, 0, 0));
}

#[test]
fn processes_stopped_at_full_speed_lose_and_repeat_nothing() {
    at_once!(stopped_at_full_speed, [()]);
}
