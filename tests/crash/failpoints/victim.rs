//! Who is dead before the doomed one comes: what it held is left behind.

use std::time::Duration;

use memring::failpoints::{Act, Failpoint};
use memring::{Kind, Ring, Side};
use memring_testkit::children::{Args, Child};
use memring_testkit::homes::RING;
use memring_testkit::kinds::Cloning;
use memring_testkit::loads::{Load, Pair, Stamp};
use memring_testkit::progress::Progress;

use super::cases::Plan;
use super::scene::Scene;
use super::table::Dead;

/// The victim is the last incarnation of a sender.
const VICTIM: u64 = 5;
/// Messages in a dead receiver's hands.
pub const LEASED: usize = 2;

/// Takes hold of something, says so, and waits for its end.
pub fn victim<K: Kind>(args: &Args) {
    let ring = Ring::<Pair, K>::open(RING).expect("open the ring");
    let mut progress = Progress::open(args);
    let wait = |progress: &Progress| {
        progress.ready();
        std::thread::sleep(Duration::from_secs(600));
    };
    let made = Pair::make(Stamp {
        sender: VICTIM,
        number: 0,
    });
    match args.get::<String>("holds").as_str() {
        "grant" => {
            let mut tx = ring.sender().expect("a place for a sender");
            let mut grant = tx.reserve().expect("reserve");
            grant.write(made).expect("write in place");
            wait(&progress);
        }
        "published" => {
            let mut tx = ring.sender().expect("a place for a sender");
            progress.begin(VICTIM, 1);
            progress.ready();
            Plan::of(Failpoint::Published, 1, Act::Kill).arm();
            let _ = tx.send(made);
        }
        "leases" => {
            let mut rx = ring.receiver().expect("a place for a receiver");
            let leased = rx.lease_batch(LEASED).expect("lease");
            assert_eq!(leased.len(), LEASED);
            for message in leased.iter() {
                progress.received(Pair::stamp(&message.read()), message.redeliveries());
            }
            wait(&progress);
        }
        "senders" => {
            let mut all: Vec<_> = std::iter::from_fn(|| ring.sender().ok()).collect();
            assert!(all.len() > 500, "{}", all.len());
            let grants: Vec<_> = all.iter_mut().take(2).map(|tx| tx.reserve()).collect();
            assert!(grants.iter().all(Result::is_ok));
            wait(&progress);
        }
        "receivers" => {
            let mut all: Vec<_> = std::iter::from_fn(|| ring.receiver().ok()).collect();
            assert!(all.len() > 500, "{}", all.len());
            let leases: Vec<_> = all.iter_mut().take(2).map(|rx| rx.lease()).collect();
            for lease in leases.iter().flatten() {
                progress.received(Pair::stamp(&lease.read()), lease.redeliveries());
            }
            wait(&progress);
        }
        other => panic!("no victim {other}"),
    }
}

/// Has a victim take hold of something, and returns it, alive.
pub fn held<K: Cloning>(scene: &Scene<K>, dead: Dead, successors: Side) -> Child {
    let holds = match dead {
        Dead::Sender => "grant",
        Dead::Published => "published",
        Dead::Receiver | Dead::ReceiverDiscarded => "leases",
        Dead::AllPlaces if successors == Side::Sender => "senders",
        Dead::AllPlaces => "receivers",
    };
    if matches!(holds, "leases" | "receivers") {
        let mut tx = scene.ring.sender().expect("a place for a sender");
        scene.progress.begin(VICTIM, 3);
        for number in 0..3 {
            let made = Pair::make(Stamp {
                sender: VICTIM,
                number,
            });
            tx.try_send(made).expect("an empty ring");
        }
        scene.progress.done(VICTIM, 3);
    }
    let ready = scene.progress.readies();
    let child = scene
        .home
        .spawn("victim", &[("kind", &K::KIND), ("holds", &holds)]);
    scene.progress.wait_ready(ready + 1);
    child
}
