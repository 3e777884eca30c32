//! Endpoints that wait do not use the processor.

use std::fmt::Display;
use std::time::Duration;

use memring::{Kind, Mpmc, Ring, Spsc, WaitStrategy};

use crate::common::child::{Args, Child};
use crate::common::dispatch::{Job, dispatch};
use crate::common::home::Home;
use crate::common::load::{Load, Stamp};

type Line = [u64; 8];

const SLOTS: usize = 4;
/// How long the sleepers are watched.
const WATCH: Duration = Duration::from_secs(3);
/// What they may use of it. Spinning would be all of it.
const USE: Duration = Duration::from_millis(50);

/// Waits for what does not come: a message, or room.
pub fn sleeper(args: &Args) {
    struct Role<'a>(&'a Args);
    impl Job for Role<'_> {
        fn run<T: Load + ?Sized, K: Kind>(self) {
            let Role(args) = self;
            let name: String = args.get("ring");
            let ring = Ring::<T, K>::open(&name).expect("open the ring");
            let wait = match args.get::<String>("wait").as_str() {
                "park" => WaitStrategy::Park,
                _ => WaitStrategy::default(),
            };
            let made = T::make(Stamp {
                sender: 0,
                number: 0,
            });
            if name.starts_with("full") {
                let mut tx = ring.sender_with(wait).expect("attach a sender");
                while tx.try_send(T::lend(&made)).is_ok() {}
                args.board("board").add(0, 1);
                tx.send(T::lend(&made)).expect("room in the end");
            } else {
                let mut rx = ring.receiver_with(wait).expect("attach a receiver");
                args.board("board").add(0, 1);
                rx.recv().expect("a message in the end");
            }
        }
    }
    dispatch(args.get("kind"), Line::NAME, Role(args));
}

/// Time on a processor, of all threads of a child.
fn processor_time(child: &Child) -> Duration {
    let tasks = format!("/proc/{}/task", child.pid());
    let times = std::fs::read_dir(tasks)
        .expect("list the threads")
        .map(|task| {
            let path = task.expect("a thread").path().join("schedstat");
            let figures = std::fs::read_to_string(path).expect("look at a thread");
            let ran = figures.split(' ').next().and_then(|ran| ran.parse().ok());
            Duration::from_nanos(ran.expect("nanoseconds first"))
        });
    times.sum()
}

#[test]
fn sleepers_cost_nothing() {
    let home = Home::new();
    let board = home.board("board", 1);
    let mut sleepers = Vec::new();
    let empty = Ring::<Line, Mpmc>::create(&home.named("empty"), SLOTS).expect("make a ring");
    let full = Ring::<Line, Mpmc>::create(&home.named("full"), SLOTS).expect("make a ring");
    // Somebody is there on the other side, here; and there, nobody ever was.
    let mut tx = empty.sender().expect("attach a sender");
    let mut rx = full.receiver().expect("attach a receiver");
    let empty_1 = Ring::<Line, Spsc>::create(&home.named("empty-1"), SLOTS).expect("make a ring");
    let full_1 = Ring::<Line, Spsc>::create(&home.named("full-1"), SLOTS).expect("make a ring");
    for (ring, kind, wait) in [
        ("empty", "mpmc", "default"),
        ("empty", "mpmc", "park"),
        ("full", "mpmc", "default"),
        ("full", "mpmc", "park"),
        ("empty-1", "spsc", "default"),
        ("full-1", "spsc", "park"),
    ] {
        let args: [(&str, &dyn Display); 3] = [("ring", &ring), ("kind", &kind), ("wait", &wait)];
        sleepers.push((ring, home.spawn("sleeper", &args)));
    }
    board.wait(0, sleepers.len() as u64);
    for (_, child) in &sleepers {
        child.wait_for_state('S');
    }
    std::thread::sleep(Duration::from_millis(200));
    let before: Vec<_> = sleepers
        .iter()
        .map(|(_, child)| processor_time(child))
        .collect();
    std::thread::sleep(WATCH);
    for ((ring, child), before) in sleepers.iter().zip(before) {
        assert!(
            !before.is_zero(),
            "starting took time: the measure measures"
        );
        let used = processor_time(child) - before;
        println!("{ring}: {used:?} of CPU in {WATCH:?}");
        assert!(
            used < USE,
            "a sleeper on ring {ring} used {used:?} in {WATCH:?}"
        );
    }
    // They were asleep, not dead.
    let made = Line::make(Stamp {
        sender: 0,
        number: 0,
    });
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
