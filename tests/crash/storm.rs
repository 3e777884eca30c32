//! Senders and receivers killed, stopped and resumed at random, until nobody
//! knows any more who was who. And then all of them at once.

use std::time::{Duration, Instant};

use memring::{Kind, Ring, RingKind, TryRecvError};

use crate::common::child::Child;
use crate::common::dispatch::{Job, dispatch};
use crate::common::home::Home;
use crate::common::load::Load;
use crate::common::progress::{Outcome, Progress};
use crate::common::random::Random;
use crate::traffic::{Incarnations, until_it_bites};

const STORM: Duration = Duration::from_secs(3);
/// More than can be started in that time.
const INCARNATIONS: usize = 1500;

/// One place in the storm: who has it now, and until when it is stopped.
struct Place {
    sends: bool,
    child: Child,
    stopped: Option<Instant>,
}

struct Storm<'s> {
    home: &'s Home,
    random: Random,
    incarnations: Incarnations,
    places: Vec<Place>,
    progress: &'s Progress,
}

impl Storm<'_> {
    fn start(&mut self, sends: bool) -> Place {
        Place {
            sends,
            child: if sends {
                self.incarnations.sender(self.home)
            } else {
                self.incarnations.receiver(self.home)
            },
            stopped: None,
        }
    }

    /// Kills, stops or resumes somebody.
    fn strike(&mut self) {
        std::thread::sleep(self.random.up_to(Duration::from_millis(5)));
        let now = Instant::now();
        for place in &mut self.places {
            if place.stopped.is_some_and(|until| until <= now) {
                place.stopped = None;
                place.child.resume();
            }
        }
        let index = self.random.below(self.places.len() as u64) as usize;
        if self.random.below(3) == 0 {
            let place = &mut self.places[index];
            if place.stopped.is_none() {
                place.child.stop();
                let time = self.random.up_to(Duration::from_millis(250));
                place.stopped = Some(now + time);
            }
        } else {
            let victim = self.places.swap_remove(index);
            victim.child.kill();
            let ready = self.progress.readies();
            let successor = self.start(victim.sends);
            self.places.push(successor);
            if self.random.below(4) > 0 {
                self.progress.wait_ready(ready + 1); // else it may die attaching
            }
        }
    }

    fn rage(&mut self) {
        let end = Instant::now() + STORM;
        while Instant::now() < end && (self.incarnations.count as usize) < INCARNATIONS {
            self.strike();
        }
        for place in &mut self.places {
            if place.stopped.take().is_some() {
                place.child.resume();
            }
        }
    }
}

fn storm(kind: RingKind, load: &'static str) {
    struct Test(&'static str);
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let bites =
                |(outcome, senders): &(Outcome, u64)| outcome.sent >= *senders && outcome.cut > 0;
            until_it_bites(|| self.once::<T, K>(), bites);
        }
    }
    impl Test {
        fn once<T: Load + ?Sized, K: Kind>(&self) -> (Outcome, u64) {
            let home = Home::new();
            // Attempts: as many as there can be, for nothing may be dropped.
            let builder = Ring::<T, K>::builder().capacity(16).max_deliveries(15);
            let ring = builder.create(&home.ring()).expect("make a ring");
            let progress = Progress::create(&home, INCARNATIONS + 4);
            let mut storm = Storm {
                home: &home,
                random: Random::new(),
                incarnations: Incarnations::of(K::KIND, self.0),
                places: Vec::new(),
                progress: &progress,
            };
            let (senders, receivers) = sides(K::KIND);
            for index in 0..senders + receivers {
                let place = storm.start(index < senders);
                storm.places.push(place);
            }
            storm.rage();
            progress.tell_to_stop();
            let places = storm.places.into_iter();
            let (senders, receivers): (Vec<_>, Vec<_>) = places.partition(|place| place.sends);
            senders.into_iter().for_each(|place| place.child.finish());
            ring.close().expect("close the ring");
            receivers.into_iter().for_each(|place| place.child.finish());
            let outcome = progress.check(storm.incarnations.count, true);
            println!(
                "{} over {} senders: {outcome:?}",
                K::KIND,
                storm.incarnations.count
            );
            let stats = ring.stats();
            assert_eq!((stats.lost, stats.len), (0, 0));
            (outcome, storm.incarnations.count)
        }
    }
    dispatch(kind, load, Test(load));
}

fn sides(kind: RingKind) -> (usize, usize) {
    let many = |many| if many { 3 } else { 1 };
    (
        many(kind.has_many_senders()),
        many(kind.has_many_receivers()),
    )
}

#[test]
fn spsc_survives_a_storm() {
    storm(RingKind::Spsc, <[u64; 7] as Load>::NAME);
}

#[test]
fn mpsc_survives_a_storm() {
    storm(RingKind::Mpsc, <[u8] as Load>::NAME);
}

#[test]
fn spmc_survives_a_storm() {
    storm(RingKind::Spmc, <[u64; 7] as Load>::NAME);
}

#[test]
fn mpmc_survives_a_storm() {
    storm(RingKind::Mpmc, <[u8] as Load>::NAME);
}

/// What was sent is there for whoever opens the ring next, in its order.
#[test]
fn messages_outlive_all_processes() {
    struct Test;
    impl Job for Test {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let home = Home::new();
            let mut random = Random::new();
            let (senders, receivers) = sides(K::KIND);
            const ROUNDS: usize = 10;
            let mut progress = Progress::create(&home, ROUNDS * senders);
            let mut incarnations = Incarnations::of(K::KIND, T::NAME);
            drop(Ring::<T, K>::create(&home.ring(), 256).expect("make a ring"));
            for _ in 0..ROUNDS {
                let ready = progress.readies();
                let mut all = Vec::new();
                for _ in 0..receivers {
                    all.push(incarnations.receiver(&home));
                }
                for _ in 0..senders {
                    all.push(incarnations.sender(&home));
                }
                progress.wait_ready(ready + all.len() as u64);
                std::thread::sleep(random.up_to(Duration::from_millis(3)));
                while !all.is_empty() {
                    let victim = random.below(all.len() as u64) as usize;
                    all.swap_remove(victim).kill();
                }
            }
            let ring = Ring::<T, K>::open(&home.ring()).expect("open what is left");
            let mut rx = ring.receiver().expect("attach a receiver");
            let end = loop {
                match rx.try_lease() {
                    Ok(lease) => progress.received(T::stamp(&lease.read()), lease.redeliveries()),
                    Err(end) => break end,
                }
            };
            assert_eq!(end, TryRecvError::Disconnected);
            println!(
                "{}: {:?}",
                K::KIND,
                progress.check(incarnations.count, true)
            );
            assert_eq!(ring.stats().lost, 0);
        }
    }
    for kind in RingKind::ALL {
        dispatch(kind, <[u64; 512] as Load>::NAME, Test);
    }
}
