//! Messages that come again: how often, in which order, and what becomes of
//! them in the end.

use std::time::{Duration, Instant};

use memring::{Kind, Mpsc, OnDeath, Ring, Side, TryRecvError};
use memring_testkit::children::{Args, Child};
use memring_testkit::for_each_kind;
use memring_testkit::holders::{Scene, expect, get, get_sorted, put};
use memring_testkit::homes::RING;
use memring_testkit::loads::{Line, Load, Stamp};
use memring_testkit::random::Random;
use memring_testkit::time::LONG;

/// A batch that dead receivers held comes again and again, each time marked with one
/// more, as often as the ring allows.
fn every_death_counts_up_to_the_limit<K: Kind>() {
    for limit in [1, 2, 15] {
        let scene = Scene::<K>::new(Ring::builder().capacity(8).max_deliveries(limit));
        let mut tx = scene.sender();
        put(&mut tx, 0..6);
        for attempt in 0..limit {
            let victim = scene.hold(Side::Receiver, 3);
            assert_eq!(scene.found(3), [0, 1, 2].map(|number| (number, attempt)));
            victim.kill();
        }
        let mut rx = scene.receiver();
        assert_eq!(get_sorted(&mut rx, 3), [(3, 0), (4, 0), (5, 0)]);
        assert_eq!(rx.try_recv().err(), Some(TryRecvError::Empty));
        scene.counted(3 * u64::from(limit - 1), 3);
        put(&mut tx, 6..14);
        expect(&mut rx, 6..14);
    }
}

for_each_kind!(every_death_counts_up_to_the_limit);

const MESSAGES: u64 = 20;
/// A process that holds that one is killed.
const POISON: u64 = 3;

/// Words of the board: how often the poison was held, by whom last, and how
/// often each message was received.
const HELD: usize = 0;
const WHO: usize = 1;
const COUNTS: usize = 2;

/// Receives until the end, or until it gets the poison.
pub fn taster<K: Kind>(args: &Args) {
    let board = args.board("tasters");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    let mut rx = ring.receiver().expect("attach a receiver");
    while let Ok(lease) = rx.lease() {
        let number = Line::stamp(&lease.read()).number;
        if number == POISON {
            board.set(WHO, std::process::id().into());
            board.add(HELD, 1);
            board.wait_to_be_killed();
        }
        board.add(COUNTS + number as usize, 1);
        lease.release();
    }
}

/// A message that kills each process that holds it does so as often as the ring allows,
/// and the messages behind it come through.
fn a_poisonous_message_stops_nobody_for_ever<K: Kind>() {
    for limit in [1u8, 4] {
        let scene = Scene::<K>::new(Ring::builder().capacity(32).max_deliveries(limit));
        let board = scene.home.board("tasters", COUNTS + MESSAGES as usize);
        let many = K::KIND.has_many_receivers();
        let mut tx = scene.sender();
        put(&mut tx, 0..MESSAGES);
        let start = || scene.home.spawn("taster", &[("kind", &K::KIND)]);
        let count = |number: u64| board.get(COUNTS + number as usize);
        let mut tasters: Vec<Child> = vec![start()];
        for death in 1..=u64::from(limit) {
            if many {
                // Another passes by while one has it in its hands.
                tasters.push(start());
                for number in (0..MESSAGES).filter(|number| *number != POISON) {
                    board.wait(COUNTS + number as usize, 1);
                }
            }
            board.wait(HELD, death);
            let pid = board.get(WHO) as u32;
            let victim = tasters.iter().position(|taster| taster.pid() == pid);
            tasters.swap_remove(victim.expect("a taster")).kill();
            if !many {
                tasters.push(start());
            }
        }
        if !many {
            for number in (0..MESSAGES).filter(|number| *number != POISON) {
                board.wait(COUNTS + number as usize, 1);
            }
        }
        if many {
            tasters.push(start()); // a survivor finds the last dead
        }
        scene.ring.close().expect("close the ring");
        tasters.into_iter().for_each(Child::finish);
        for number in 0..MESSAGES {
            assert_eq!(count(number), u64::from(number != POISON), "{number}");
        }
        assert_eq!(board.get(HELD), u64::from(limit));
        scene.counted(u64::from(limit - 1), 1);
        assert_eq!(scene.ring.len(), 0);
    }
}

for_each_kind!(a_poisonous_message_stops_nobody_for_ever);

/// A receiver that gives back has had the message in its hands.
fn giving_back_counts_as_an_attempt<K: Kind>() {
    let scene = Scene::<K>::new(Ring::builder().capacity(4).max_deliveries(4));
    let mut tx = scene.sender();
    put(&mut tx, 0..2);
    let requeue = |attempt| {
        let mut rx = scene.receiver();
        let lease = rx.lease_timeout(LONG).expect("a message");
        let number = Line::stamp(&lease.read()).number;
        assert_eq!((number, lease.redeliveries()), (0, attempt));
        lease.requeue();
    };
    requeue(0);
    let victim = scene.hold(Side::Receiver, 1);
    assert_eq!(scene.found(1), [(0, 1)]);
    victim.kill();
    requeue(2);
    scene.counted(3, 0);
    let victim = scene.hold(Side::Receiver, 1);
    assert_eq!(scene.found(1), [(0, 3)]);
    victim.kill();
    let mut rx = scene.receiver();
    assert_eq!(get(&mut rx), (1, 0));
    assert_eq!(rx.try_recv().err(), Some(TryRecvError::Empty));
    scene.counted(3, 1);
}

for_each_kind!(giving_back_counts_as_an_attempt);

/// Every message that a dead member held is counted, those of several dead too; what a
/// member that is alive gives back is not lost, until one dies that holds it.
fn what_is_discarded_is_counted_exactly<K: Kind>() {
    let builder = Ring::<Line, K>::builder().capacity(16);
    let scene = Scene::new(builder.on_receiver_death(OnDeath::Discard));
    let mut tx = scene.sender();
    put(&mut tx, 0..12);
    if K::KIND.has_many_receivers() {
        let dead = [2, 3, 1].map(|leases| scene.hold(Side::Receiver, leases));
        dead.into_iter().for_each(Child::kill);
    } else {
        for leases in [2, 3, 1] {
            scene.hold(Side::Receiver, leases).kill();
        }
    }
    let mut rx = scene.receiver();
    assert_eq!(scene.ring.stats().lost, 6);
    assert_eq!(get(&mut rx), (6, 0));
    rx.lease_timeout(LONG).expect("a message").requeue();
    drop(rx);
    let victim = scene.hold(Side::Receiver, 1);
    assert_eq!(scene.found(1), [(7, 1)]);
    victim.kill();
    let mut rx = scene.receiver();
    expect(&mut rx, 8..12);
    assert!(rx.try_recv().is_err());
    scene.counted(1, 7);
}

for_each_kind!(what_is_discarded_is_counted_exactly);

/// The one receiver gets what its predecessors held in the order of each
/// sender, and before what they had not held.
#[test]
fn one_receiver_gets_what_comes_again_in_order() {
    let scene = Scene::<Mpsc>::new(Ring::builder().capacity(32));
    let mut senders = [0, 1, 2].map(|_| scene.sender());
    let mut sent = Vec::new();
    for turn in 0..24 {
        let (sender, number) = (turn * turn % 3, turn);
        let stamp = Stamp { sender, number };
        let tx = &mut senders[sender as usize];
        tx.try_send(Line::make(stamp)).expect("there is room");
        sent.push(stamp);
    }
    for held in [9, 5, 12] {
        scene.hold(Side::Receiver, held).kill();
    }
    // Those that were held once, twice or three times.
    let mut rx = scene.receiver();
    for (turn, stamp) in sent.into_iter().enumerate() {
        let lease = rx.lease_timeout(LONG).expect("a message");
        let attempt = [9, 5, 12].into_iter().filter(|held| turn < *held).count();
        let found = (
            Line::stamp(&lease.read()),
            usize::from(lease.redeliveries()),
        );
        assert_eq!(found, (stamp, attempt));
        lease.release();
    }
}

/// Deaths of successors after each death of a holder, and how often that.
const SUCCESSORS: u64 = 8;
const HOLDERS: u64 = 3;

/// Attaches, and with that takes over from the dead.
pub fn successor<K: Kind>(args: &Args) {
    let board = args.board("successors");
    let ring = Ring::<Line, K>::open(RING).expect("open the ring");
    board.add(0, 1);
    let _rx = ring.receiver().expect("attach a receiver");
    board.wait_to_be_killed();
}

/// Whatever successors come to while they take over, all of it is there, and marked.
/// Among many receivers nothing is raised twice. A successor of a single one that
/// dies between raising a message and writing down that it has, leaves that one
/// message to be raised once more.
fn successors_killed_while_taking_over_lose_nothing<K: Kind>() {
    // As many as it takes a while to give back. Of many receivers, each
    // looks for every message from the start of the lap.
    let load = if K::KIND.has_many_receivers() {
        1 << 12
    } else {
        1 << 15
    };
    let scene = Scene::<K>::of(load);
    let board = scene.home.board("successors", 1);
    let mut random = Random::new();
    let all = load as u64;
    let mut cut = 0;
    let mut counted = 0;
    for holder in 0..HOLDERS {
        put(&mut scene.sender(), 0..all);
        scene.hold(Side::Receiver, load).kill();
        for successor in 1..=SUCCESSORS {
            let child = scene.home.spawn("successor", &[("kind", &K::KIND)]);
            board.wait(0, holder * SUCCESSORS + successor);
            // In the middle of it, if the clock is kind.
            let moment = counted + random.below(all);
            let end = Instant::now() + Duration::from_millis(3);
            while scene.ring.stats().redelivered <= moment && Instant::now() < end {}
            child.kill();
            let given_back = scene.ring.stats().redelivered - counted;
            cut += u64::from(0 < given_back && given_back < all);
        }
        let mut rx = scene.receiver();
        let mut excess = 0;
        for expected in 0..all {
            let (number, attempt) = get(&mut rx);
            assert!(number == expected && attempt > 0, "{number}, {expected}");
            excess += u64::from(attempt - 1);
        }
        let many = K::KIND.has_many_receivers();
        assert!(
            excess <= if many { 0 } else { SUCCESSORS },
            "{excess} too many"
        );
        assert_eq!(rx.try_recv().err(), Some(TryRecvError::Empty));
        let given_back = scene.ring.stats().redelivered - counted;
        counted += given_back;
        // One too many for each that was killed, by R15.
        assert!(
            (all..=all + SUCCESSORS).contains(&given_back),
            "{given_back}"
        );
    }
    println!("{}: {cut} successors were killed at it", K::KIND);
    assert_eq!(scene.ring.stats().lost, 0);
}

for_each_kind!(successors_killed_while_taking_over_lose_nothing);
