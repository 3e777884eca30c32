//! Senders killed while they send.

use std::time::Duration;

use memring::{
    Kind, Mpmc, Mpsc, OnDeath, RecvTimeoutError, Ring, RingKind, Side, Spmc, TryRecvError,
    WaitStrategy,
};

use crate::common::child::Child;
use crate::common::dispatch::{Job, dispatch};
use crate::common::hold::{Line, Scene, get, put};
use crate::common::home::Home;
use crate::common::load::{Load, Stamp};
use crate::common::progress::{Outcome, Progress};
use crate::common::random::Random;
use crate::traffic::{Incarnations, until_it_bites};

const KILLS: u64 = 50;

/// Kills senders at random moments; receivers go on and every message whose
/// send returned comes once.
fn kill_senders(kind: RingKind, load: &'static str) {
    struct Test(&'static str);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            until_it_bites(|| self.once::<T, K>(), |outcome| outcome.cut > 0);
        }
    }
    impl Test {
        fn once<T: Load + ?Sized, K: Kind>(&self) -> Outcome {
            let home = Home::new();
            let mut random = Random::new();
            let ring = Ring::<T, K>::create(&home.ring(), 16).expect("make a ring");
            let senders = if K::KIND.has_many_senders() { 3 } else { 1 };
            let receivers = if K::KIND.has_many_receivers() { 3 } else { 1 };
            let progress = Progress::create(&home, (KILLS + senders) as usize);
            let mut incarnations = Incarnations::of(K::KIND, self.0);
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
    }
    dispatch(kind, load, Test(load));
}

#[test]
fn killed_senders_take_nothing_with_them() {
    for kind in RingKind::ALL {
        kill_senders(kind, <[u64; 7] as Load>::NAME);
        kill_senders(kind, <[u64; 512] as Load>::NAME);
    }
}

/// With a claim in its hands: that message never existed, and nobody trips.
#[test]
fn the_claim_of_a_dead_sender_is_passed_over() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let scene = Scene::<T, K>::new(Ring::builder().capacity(4));
            let mut rx = scene.ring.receiver().expect("attach a receiver");
            for round in 0..5 {
                let holder = scene.hold(Side::Sender, 0);
                let first = round * 3;
                if K::KIND.has_many_senders() {
                    let mut tx = scene.ring.sender().expect("attach a sender");
                    put(&mut tx, first..first + 3);
                    holder.kill();
                } else {
                    holder.kill();
                    let mut tx = scene.ring.sender().expect("the place is free");
                    put(&mut tx, first..first + 3);
                }
                for number in first..first + 3 {
                    assert_eq!(get(&mut rx), (number, 0));
                }
                assert_eq!(rx.try_recv().err(), Some(TryRecvError::Disconnected));
            }
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, Line::NAME, Test);
    }
}

/// Who stands in one's own path is looked after before the first sleep, and not
/// left to patrols: a call that waits for no time at all gets by.
#[test]
fn a_dead_one_in_the_way_is_cleared_at_once() {
    fn behind_a_claim<K: Kind>() {
        let scene = Scene::<Line, K>::new(Ring::builder().capacity(4));
        let attached = scene.ring.receiver_with(WaitStrategy::Park);
        let mut rx = attached.expect("attach a receiver");
        let holder = scene.hold(Side::Sender, 0);
        let mut tx = scene.ring.sender().expect("attach a sender");
        put(&mut tx, 7..8);
        let waited = rx.recv_timeout(Duration::ZERO).err();
        let pid = holder.pid();
        assert!(
            matches!(&waited, Some(RecvTimeoutError::Timeout(Some(by))) if by.pid == pid),
            "{waited:?} of {pid}"
        );
        holder.kill();
        let received = rx.recv_timeout(Duration::ZERO).expect("the message");
        assert_eq!(Line::stamp(&received).number, 7);
    }
    fn behind_a_lease<K: Kind>() {
        let ring = Ring::builder().capacity(1);
        let scene = Scene::<Line, K>::new(ring.on_receiver_death(OnDeath::Discard));
        let attached = scene.ring.sender_with(WaitStrategy::Park);
        let mut tx = attached.expect("attach a sender");
        put(&mut tx, 0..1);
        let holder = scene.hold(Side::Receiver, 1);
        let next = Line::make(Stamp {
            sender: 0,
            number: 1,
        });
        assert!(tx.send_timeout(next, Duration::ZERO).is_err());
        holder.kill();
        tx.send_timeout(next, Duration::ZERO).expect("room");
        assert_eq!(scene.ring.stats().lost, 1);
    }
    behind_a_claim::<Mpsc>();
    behind_a_claim::<Mpmc>();
    behind_a_lease::<Spmc>();
    behind_a_lease::<Mpmc>();
}
