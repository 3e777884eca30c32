//! One process, clones of one endpoint in several threads, one kill.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use memring::{Peer, Ring, TryRecvError};
use memring_testkit::children::Args;
use memring_testkit::for_each_kind;
use memring_testkit::holders::{expect, get_sorted, put};
use memring_testkit::homes::{Home, RING};
use memring_testkit::kinds::Cloning;
use memring_testkit::loads::{Line, Load, Stamp};
use memring_testkit::progress::{MOST, Progress};
use memring_testkit::random::Random;
use memring_testkit::time::LIMIT;
use memring_testkit::verbs::{self, Verb};

/// Threads that hold a grant, and threads that wait for room.
const GRANTS: usize = 3;
/// Threads with that many leases each, and two threads that wait for messages.
const LEASES: [usize; 4] = [1, 1, 1, 3];
const LEASED: usize = 6;
const WAITING: usize = 2;
const SLOTS: usize = 16;

/// Words of the board: threads that have what they will have, and the word to
/// go on.
const READY: usize = 0;
const GO: usize = 1;

/// Takes hold in many threads and waits to be killed.
pub fn crowd<K: Cloning>(args: &Args) {
    let board = &args.board("board");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let (many_senders, many_receivers) = (K::KIND.has_many_senders(), K::KIND.has_many_receivers());
    let tx = many_senders.then(|| ring.sender().expect("attach"));
    let rx = many_receivers.then(|| ring.receiver().expect("attach"));
    std::thread::scope(|threads| {
        let hold = || {
            board.add(READY, 1);
            board.wait_to_be_killed();
        };
        if let Some(rx) = &rx {
            for count in LEASES {
                let mut rx = K::clone_receiver(rx).expect("a clone");
                threads.spawn(move || {
                    let leased = rx.lease_batch(count).expect("lease");
                    assert_eq!(leased.len(), count);
                    hold();
                });
            }
        }
        if let Some(tx) = &tx {
            for _ in 0..GRANTS {
                let mut tx = K::clone_sender(tx).expect("a clone");
                threads.spawn(move || {
                    let mut grant = tx.reserve().expect("reserve");
                    grant.write(Line::numbered(99)).expect("write in place");
                    hold();
                });
            }
        }
        board.wait(GO, 1); // the parent has filled the ring
        for _ in 0..WAITING {
            if let Some(rx) = &rx {
                let mut rx = K::clone_receiver(rx).expect("a clone");
                threads.spawn(move || {
                    board.add(READY, 1);
                    let late = rx.recv();
                    panic!("nothing can come, found {late:?}");
                });
            }
            if let Some(tx) = &tx {
                let mut tx = K::clone_sender(tx).expect("a clone");
                threads.spawn(move || {
                    board.add(READY, 1);
                    let late = tx.send(Line::numbered(98));
                    panic!("there can be no room, found {late:?}");
                });
            }
        }
    });
}

fn what_all_threads_of_the_dead_held_is_repaired<K: Cloning>() {
    let home = Home::new();
    let board = home.board("board", 2);
    let ring = Ring::<Line, K>::create(home.ring(), SLOTS).expect("make a ring");
    let many_receivers = K::KIND.has_many_receivers();
    let many_senders = K::KIND.has_many_senders();
    let mut tx = ring.sender().expect("attach a sender");
    let rx = (!many_receivers).then(|| ring.receiver().expect("attach a receiver"));
    let mut next = if many_receivers { LEASED as u64 } else { 0 };
    put(&mut tx, 0..next);
    let child = home.spawn("crowd", &[("kind", &K::KIND)]);
    let mut ready = 0;
    if many_receivers {
        ready += LEASES.len();
    }
    if many_senders {
        ready += GRANTS;
    }
    board.wait(READY, ready as u64);
    // With claims in the way nothing behind them can be received.
    let mut left = 0;
    if many_senders {
        left = SLOTS - next as usize - GRANTS;
        put(&mut tx, next..next + left as u64);
        next += left as u64;
        assert!(
            tx.try_send(Line::numbered(next)).is_err(),
            "the ring is full"
        );
    }
    board.set(GO, 1);
    let waiting = WAITING * (usize::from(many_senders) + usize::from(many_receivers));
    board.wait(READY, (ready + waiting) as u64);
    child.wait_until_asleep();
    // Clones have one place for all of them.
    let stats = ring.stats();
    let of_child = |peers: &[Peer]| {
        let alive = peers.iter().filter(|peer| peer.alive);
        alive.filter(|peer| peer.pid == child.pid()).count()
    };
    assert_eq!(of_child(&stats.senders), usize::from(many_senders));
    assert_eq!(of_child(&stats.receivers), usize::from(many_receivers));
    child.kill();

    let mut rx = rx.unwrap_or_else(|| ring.receiver().expect("attach a receiver"));
    let held = if many_receivers { LEASED } else { 0 };
    let got = get_sorted(&mut rx, held + left);
    let marked = |number| u8::from(number < held as u64);
    let expected = (0..next).map(|number| (number, marked(number)));
    assert!(got.iter().copied().eq(expected), "{got:?}");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(many_senders.then(|| ring.sender().expect("attach another")));
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost), (held as u64, 0));
    assert!(stats.senders.iter().all(|peer| peer.alive));
    assert!(stats.receivers.iter().all(|peer| peer.alive));
    // And all of the ring is there for what follows.
    let slots = SLOTS as u64;
    put(&mut tx, next..next + slots);
    expect(&mut rx, next..next + slots);
}

const ROUNDS: u64 = 6;
const WORKERS: u64 = 3;

/// Works in several threads, with every verb, until it is killed.
pub fn crowd_at_work<K: Cloning>(args: &Args) {
    let first: u64 = args.get("incarnation");
    let ring = Ring::<Line, K>::builder().wait_through_disconnect(true);
    let ring = ring.open(RING).expect("open the ring");
    let (many_senders, many_receivers) = (K::KIND.has_many_senders(), K::KIND.has_many_receivers());
    let tx = many_senders.then(|| ring.sender().expect("attach"));
    let rx = many_receivers.then(|| ring.receiver().expect("attach"));
    let all = usize::from(tx.is_some()) + usize::from(rx.is_some());
    let start = &Barrier::new(all * WORKERS as usize + 1);
    std::thread::scope(|threads| {
        for worker in 0..WORKERS {
            if let Some(tx) = &tx {
                let mut tx = K::clone_sender(tx).expect("a clone");
                threads.spawn(move || {
                    let progress = Progress::open(args);
                    start.wait();
                    let incarnation = first + worker;
                    for number in 0..MOST {
                        let verb = [Verb::One, Verb::InPlace][number as usize % 2];
                        progress.begin(incarnation, number + 1);
                        verbs::send(&mut tx, verb, incarnation, number, number + 1).expect("send");
                        progress.done(incarnation, number + 1);
                    }
                });
            }
            if let Some(rx) = &rx {
                let mut rx = K::clone_receiver(rx).expect("a clone");
                threads.spawn(move || {
                    let mut progress = Progress::open(args);
                    start.wait();
                    let end = verbs::receive(&mut rx, Verb::InPlace, |stamp, attempt| {
                        progress.received(stamp, attempt);
                    });
                    panic!("it ends with the kill, found {end:?}");
                });
            }
        }
        start.wait();
        Progress::open(args).ready();
    });
    std::thread::sleep(LIMIT);
}

/// Killed in the middle of it all, again and again.
fn crowds_killed_at_work_take_nothing_with_them<K: Cloning>() {
    let home = Home::new();
    let mut random = Random::new();
    let mut progress = Progress::create(&home, ((ROUNDS + 1) * WORKERS) as usize);
    let builder = Ring::<Line, K>::builder()
        .capacity(SLOTS)
        .max_deliveries(15);
    let ring = builder.create(home.ring()).expect("make a ring");
    let own = ROUNDS * WORKERS;
    let mut number = 0;
    for round in 0..ROUNDS {
        let incarnation = round * WORKERS;
        let child = home.spawn(
            "crowd at work",
            &[("kind", &K::KIND), ("incarnation", &incarnation)],
        );
        progress.wait_ready(round + 1);
        let end = Instant::now() + random.up_to(Duration::from_millis(20));
        // The side that the crowd is not on.
        let mut tx = (!K::KIND.has_many_senders()).then(|| ring.sender().expect("attach"));
        let mut rx = (!K::KIND.has_many_receivers()).then(|| ring.receiver().expect("attach"));
        while Instant::now() < end {
            if let Some(tx) = tx.as_mut().filter(|_| number < MOST) {
                let message = Line::make(Stamp {
                    sender: own,
                    number,
                });
                progress.begin(own, number + 1);
                if tx.try_send(message).is_ok() {
                    number += 1;
                    progress.done(own, number);
                }
            }
            if let Some(rx) = &mut rx
                && let Ok(lease) = rx.try_lease()
            {
                progress.received(Line::stamp(&lease.read()), lease.redeliveries());
                lease.release();
            }
        }
        child.kill();
    }
    ring.close().expect("close the ring");
    let mut rx = ring.receiver().expect("attach a receiver");
    let end = verbs::receive(&mut rx, Verb::InPlace, |stamp, attempt| {
        progress.received(stamp, attempt);
    });
    assert_eq!(end, memring::RecvError::Closed);
    let outcome = progress.check(own + 1, true);
    println!("{}: {outcome:?}", K::KIND);
    assert!(outcome.sent > 0, "{outcome:?}");
    let stats = ring.stats();
    assert_eq!((stats.lost, stats.len), (0, 0));
    assert!(
        stats.senders.is_empty() && stats.receivers.len() == 1,
        "{stats:?}"
    );
}

for_each_kind!(
    [mpmc mpsc spmc]
    what_all_threads_of_the_dead_held_is_repaired,
    crowds_killed_at_work_take_nothing_with_them,
);
