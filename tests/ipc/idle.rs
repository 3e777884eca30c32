//! Endpoints that wait do not use the processor.

use std::time::Duration;

use memring::{Kind, Mpmc, Ring, Spsc, WaitStrategy};
use memring_testkit::children::Args;
use memring_testkit::homes::Home;
use memring_testkit::loads::{Line, Load};
use memring_testkit::processes::processor_time;

const SLOTS: usize = 4;
/// How long the sleepers are watched.
const WATCH: Duration = Duration::from_secs(3);
/// What they may use of it. Spinning would be all of it.
const USE: Duration = Duration::from_millis(50);

/// Waits for what does not come: a message, or room.
pub fn sleeper<K: Kind>(args: &Args) {
    let name: String = args.get("ring");
    let ring = Ring::<Line, K>::open(&name).expect("open the ring");
    let wait = match args.get::<String>("wait").as_str() {
        "park" => WaitStrategy::Park,
        _ => WaitStrategy::default(),
    };
    let made = Line::numbered(0);
    if name.starts_with("full") {
        let mut tx = ring.sender_with(wait).expect("attach a sender");
        while tx.try_send(made).is_ok() {}
        args.board("board").add(0, 1);
        tx.send(made).expect("room in the end");
    } else {
        let mut rx = ring.receiver_with(wait).expect("attach a receiver");
        args.board("board").add(0, 1);
        rx.recv().expect("a message in the end");
    }
}

#[test]
fn sleepers_cost_nothing() {
    let home = Home::new();
    let board = home.board("board", 1);
    let mut sleepers = Vec::new();
    let empty = Ring::<Line, Mpmc>::create(home.named("empty"), SLOTS).expect("make a ring");
    let full = Ring::<Line, Mpmc>::create(home.named("full"), SLOTS).expect("make a ring");
    // Somebody is there on the other side, here; and there, nobody ever was.
    let mut tx = empty.sender().expect("attach a sender");
    let mut rx = full.receiver().expect("attach a receiver");
    let empty_1 = Ring::<Line, Spsc>::create(home.named("empty-1"), SLOTS).expect("make a ring");
    let full_1 = Ring::<Line, Spsc>::create(home.named("full-1"), SLOTS).expect("make a ring");
    for (ring, kind, wait) in [
        ("empty", "mpmc", "default"),
        ("empty", "mpmc", "park"),
        ("full", "mpmc", "default"),
        ("full", "mpmc", "park"),
        ("empty-1", "spsc", "default"),
        ("full-1", "spsc", "park"),
    ] {
        let args = [
            ("ring", &ring as _),
            ("kind", &kind as _),
            ("wait", &wait as _),
        ];
        sleepers.push((ring, home.spawn("sleeper", &args)));
    }
    board.wait(0, sleepers.len() as u64);
    for (_, child) in &sleepers {
        child.wait_for_state('S');
    }
    std::thread::sleep(Duration::from_millis(200));
    let before: Vec<_> = sleepers
        .iter()
        .map(|(_, child)| processor_time(child.pid()))
        .collect();
    std::thread::sleep(WATCH);
    for ((ring, child), before) in sleepers.iter().zip(before) {
        assert!(
            !before.is_zero(),
            "starting took time: the measure measures"
        );
        let used = processor_time(child.pid()) - before;
        println!("{ring}: {used:?} of CPU in {WATCH:?}");
        assert!(
            used < USE,
            "a sleeper on ring {ring} used {used:?} in {WATCH:?}"
        );
    }
    // They were asleep, not dead.
    let made = Line::numbered(0);
    for _ in 0..2 {
        tx.send(made).expect("wake a receiver");
        rx.recv().expect("wake a sender");
    }
    empty_1
        .sender()
        .expect("attach")
        .send(made)
        .expect("wake the receiver");
    full_1
        .receiver()
        .expect("attach")
        .recv()
        .expect("wake the sender");
    sleepers.into_iter().for_each(|(_, child)| child.finish());
}
