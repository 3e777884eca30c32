//! Senders killed while they send.

use std::time::Duration;

use memring::{Kind, OnDeath, RecvTimeoutError, Ring, Side, TryRecvError, WaitStrategy};
use memring_testkit::children::Child;
use memring_testkit::for_each_kind;
use memring_testkit::holders::{Scene, expect_in_order, put};
use memring_testkit::homes::Home;
use memring_testkit::loads::{Line, Load};
use memring_testkit::progress::{Outcome, Progress};
use memring_testkit::random::Random;

use crate::traffic::{Incarnations, until_it_bites};

const KILLS: u64 = 50;

/// Not no time at all: such a call does not wait.
const HARDLY: Duration = Duration::from_nanos(1);

/// Kills senders at random moments; receivers go on and every message whose
/// send returned comes once.
fn kill_senders<T: Load + ?Sized, K: Kind>() -> Outcome {
    let home = Home::new();
    let mut random = Random::new();
    let ring = Ring::<T, K>::create(home.ring(), 16).expect("make a ring");
    let senders = if K::KIND.has_many_senders() { 3 } else { 1 };
    let receivers = if K::KIND.has_many_receivers() { 3 } else { 1 };
    let progress = Progress::create(&home, (KILLS + senders) as usize);
    let mut incarnations = Incarnations::of(K::KIND, T::NAME);
    let receivers = (0..receivers).map(|_| incarnations.receiver(&home));
    let receivers: Vec<Child> = receivers.collect();
    let senders = (0..senders).map(|_| incarnations.sender(&home));
    let mut senders: Vec<Child> = senders.collect();
    progress.wait_ready((senders.len() + receivers.len()) as u64);
    for _ in 0..KILLS {
        std::thread::sleep(random.up_to(Duration::from_millis(2)));
        let victim = random.below(senders.len() as u64) as usize;
        senders.swap_remove(victim).kill();
        let ready = progress.readies();
        senders.push(incarnations.sender(&home));
        if random.below(4) > 0 {
            progress.wait_ready(ready + 1); // else it may die attaching
        }
    }
    progress.tell_to_stop();
    senders.into_iter().for_each(Child::finish);
    ring.close().expect("close the ring");
    receivers.into_iter().for_each(Child::finish);
    let outcome = progress.check(incarnations.count, false);
    println!("{}: {outcome:?}", K::KIND);
    let stats = ring.stats();
    assert_eq!((stats.redelivered, stats.lost, stats.len), (0, 0, 0));
    outcome
}

fn killed_senders_take_nothing_with_them<K: Kind>() {
    until_it_bites(kill_senders::<[u64; 7], K>, |outcome| outcome.cut > 0);
    until_it_bites(kill_senders::<[u64; 512], K>, |outcome| outcome.cut > 0);
}

/// With a claim that it has not published: that message never existed, and others pass over it.
fn the_claim_of_a_dead_sender_is_passed_over<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let mut rx = scene.receiver();
    for round in 0..5 {
        let holder = scene.hold(Side::Sender, 0);
        let first = round * 3;
        if K::KIND.has_many_senders() {
            let mut tx = scene.sender();
            put(&mut tx, first..first + 3);
            holder.kill();
        } else {
            holder.kill();
            let mut tx = scene.sender();
            put(&mut tx, first..first + 3);
        }
        expect_in_order(&mut rx, first..first + 3);
        assert_eq!(rx.try_recv().err(), Some(TryRecvError::Disconnected));
    }
}

for_each_kind!(
    killed_senders_take_nothing_with_them,
    the_claim_of_a_dead_sender_is_passed_over
);

/// A call looks for the dead in its own way before its first sleep, and does not leave them to
/// later scans: a call that waits for hardly any time gets by.
fn a_dead_sender_in_the_way_is_passed_at_once<K: Kind>() {
    let scene = Scene::<K>::of(4);
    let attached = scene.ring.receiver_with(WaitStrategy::Park);
    let mut rx = attached.expect("attach a receiver");
    let holder = scene.hold(Side::Sender, 0);
    let mut tx = scene.sender();
    put(&mut tx, 7..8);
    let waited = rx.recv_timeout(HARDLY).err();
    let pid = holder.pid();
    assert!(
        matches!(&waited, Some(RecvTimeoutError::Timeout(Some(by))) if by.pid == pid),
        "{waited:?} of {pid}"
    );
    holder.kill();
    let received = rx.recv_timeout(HARDLY).expect("the message");
    assert_eq!(Line::stamp(&received).number, 7);
}

/// As above, for the room that a dead receiver held.
fn a_dead_receiver_in_the_way_is_passed_at_once<K: Kind>() {
    let ring = Ring::builder().capacity(1);
    let scene = Scene::<K>::new(ring.on_receiver_death(OnDeath::Discard));
    let attached = scene.ring.sender_with(WaitStrategy::Park);
    let mut tx = attached.expect("attach a sender");
    put(&mut tx, 0..1);
    let holder = scene.hold(Side::Receiver, 1);
    let next = Line::numbered(1);
    assert!(tx.send_timeout(next, HARDLY).is_err());
    holder.kill();
    tx.send_timeout(next, HARDLY).expect("room");
    assert_eq!(scene.ring.stats().lost, 1);
}

for_each_kind!([mpsc mpmc] a_dead_sender_in_the_way_is_passed_at_once);
for_each_kind!([spmc mpmc] a_dead_receiver_in_the_way_is_passed_at_once);
