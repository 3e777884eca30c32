//! All processes killed, and the ring opened again.

use std::time::Duration;

use memring::{Kind, Ring, Side, TryRecvError};
use memring_testkit::for_each_kind;
use memring_testkit::homes::Home;
use memring_testkit::kinds::has_many;
use memring_testkit::loads::Load;
use memring_testkit::progress::Progress;
use memring_testkit::random::Random;

use crate::traffic::Incarnations;

type Page = [u64; 512];

const ROUNDS: usize = 10;

/// What was sent is there for the process that opens the ring next, in its order.
fn messages_outlive_all_processes<K: Kind>() {
    let home = Home::new();
    let mut random = Random::new();
    let many = |side| if has_many(K::KIND, side) { 3 } else { 1 };
    let (senders, receivers) = (many(Side::Sender), many(Side::Receiver));
    let mut progress = Progress::create(&home, ROUNDS * senders);
    let mut incarnations = Incarnations::of(K::KIND, Page::NAME);
    drop(Ring::<Page, K>::create(home.ring(), 256).expect("make a ring"));
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
    let ring = Ring::<Page, K>::open(home.ring()).expect("open what is left");
    let mut rx = ring.receiver().expect("attach a receiver");
    let end = loop {
        match rx.try_lease() {
            Ok(lease) => {
                progress.received(Page::stamp(&lease.read()), lease.redeliveries());
                lease.release();
            }
            Err(end) => break end,
        }
    };
    assert_eq!(end, TryRecvError::Empty, "it has seen nobody");
    println!(
        "{}: {:?}",
        K::KIND,
        progress.check(incarnations.count, true)
    );
    assert_eq!(ring.stats().lost, 0);
}

for_each_kind!(messages_outlive_all_processes);
