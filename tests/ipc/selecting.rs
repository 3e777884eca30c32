//! Sets between processes: whatever happens in any ring wakes, and not by the cap of a sleep;
//! asleep they do not use the processor.

use std::time::{Duration, Instant};

use memring::{Kind, Mpmc, RecvError, Ring, Select, WaitStrategy, failpoints};
use memring_testkit::children::{Args, Role};
use memring_testkit::homes::Home;
use memring_testkit::processes::processor_time;
use memring_testkit::{for_each_kind, of_kind};

pub const ROLES: [Role; 2] = [
    ("selector", of_kind!(K => selector::<K>)),
    ("select sleeper", sleeper),
];

/// Every sleep may last for so long.
const CAP: Duration = Duration::from_secs(30);
/// And a wake-up may take so long.
const SOON: Duration = Duration::from_secs(3);

/// Words of the board: how many times a child is about to wait; how many times it has found
/// something; what it found.
const WAITS: usize = 0;
const FOUND: usize = 1;
const RESULT: usize = 2;
const WORDS: usize = 3;

/// What a call came to that is no number.
const CLOSED: u64 = 101;
const DISCONNECTED: u64 = 102;
const REMOVED: u64 = 103;
const SENT: u64 = 104;

/// Rings of a selector: two to receive from, and a full one to send to.
const RINGS: [&str; 3] = ["first", "second", "full"];

/// Waits for any of three, again and again, and tells what it found.
fn selector<K: Kind>(args: &Args) {
    let board = args.board("board");
    failpoints::raise_sleep_cap(CAP);
    if args.get("denied") {
        failpoints::deny_wait_many();
    }
    let [first, second, full] =
        RINGS.map(|name| Ring::<u64, K>::open(name).expect("open the ring"));
    let mut first = first.receiver().expect("attach");
    let mut second = second.receiver().expect("attach");
    let mut full = full.sender().expect("attach");
    full.send(0).expect("fill it");
    let mut select = Select::with_strategy(WaitStrategy::Park);
    let (first, second) = (select.recv(&mut first), select.recv(&mut second));
    let sender = select.send(&mut full);
    for _ in 0..args.get("rounds") {
        board.add(WAITS, 1);
        let ready = select.ready();
        let result = match ready {
            2 => select[sender].send(1).map_or(CLOSED, |()| SENT),
            _ => match select[[first, second][ready]].recv() {
                Ok(number) => number,
                Err(RecvError::Closed) => CLOSED,
                Err(RecvError::Disconnected) => DISCONNECTED,
                Err(RecvError::Removed) => REMOVED,
                Err(error) => panic!("{error}"),
            },
        };
        if result == REMOVED || result == CLOSED {
            select.remove([first, second][ready]).expect("it was there");
        }
        board.set(RESULT, 1000 * ready as u64 + result);
        board.add(FOUND, 1);
    }
}

/// Each of these wakes a set that sleeps in another process.
fn whatever_happens_wakes<K: Kind>() {
    for denied in [false, true] {
        let home = Home::new();
        let board = home.board("board", WORDS);
        let [first, second, full] =
            RINGS.map(|name| Ring::<u64, K>::create(home.named(name), 1).expect("make a ring"));
        let mut first_tx = first.sender().expect("attach");
        let mut second_tx = second.sender().expect("attach");
        let mut full_rx = full.receiver().expect("attach");
        let args = [
            ("kind", &K::KIND as _),
            ("denied", &denied as _),
            ("rounds", &6 as _),
        ];
        let child = home.spawn("selector", &args);
        let mut round = 0;
        let mut happens = |what: &mut dyn FnMut(), expected: u64| {
            round += 1;
            board.wait(WAITS, round);
            if !denied {
                child.wait_until_asleep();
            }
            let start = Instant::now();
            what();
            board.wait(FOUND, round);
            assert!(start.elapsed() < SOON, "woken after {:?}", start.elapsed());
            assert_eq!(board.get(RESULT), expected);
        };
        happens(&mut || first_tx.send(7).expect("send"), 7);
        happens(&mut || second_tx.send(8).expect("send"), 1008);
        happens(&mut || assert_eq!(full_rx.recv(), Ok(0)), 2000 + SENT);
        happens(
            &mut || memring::remove(home.named("first")).expect("remove"),
            REMOVED,
        );
        let mut second_tx = Some(second_tx);
        happens(&mut || drop(second_tx.take()), 1000 + DISCONNECTED);
        // Ready at once, for it is so still; then the close is what it says.
        board.wait(FOUND, 6);
        assert_eq!(board.get(RESULT), 1000 + DISCONNECTED);
        child.finish();
    }
}

for_each_kind!(whatever_happens_wakes);

/// So many rings; as many words as the kernel takes at once are 128.
const MANY: usize = 64;
/// How long sleepers are watched,
const WATCH: Duration = Duration::from_secs(3);
/// and what they may use of it. Polling would be all of it. (A build that is not optimised uses
/// 0.11 s, for 64 rings that are each looked at some twenty times; an optimised one a third.)
const USE: Duration = Duration::from_millis(300);
/// In slices, as the portable backend always sleeps: some hundred wake-ups a second, each with
/// a look at all words, in a build that is not optimised.
const USE_IN_SLICES: Duration = Duration::from_millis(600);

fn name(index: usize) -> String {
    format!("ring-{index}")
}

/// Waits at many rings for one message.
fn sleeper(args: &Args) {
    let board = args.board("board");
    if args.get("denied") {
        failpoints::deny_wait_many();
    }
    let rings = (0..MANY).map(|at| Ring::<u64, Mpmc>::open(name(at)).expect("open"));
    let mut rxs: Vec<_> = rings.map(|ring| ring.receiver().expect("attach")).collect();
    let mut select = Select::new();
    let tokens: Vec<_> = rxs.iter_mut().map(|rx| select.recv(rx)).collect();
    board.add(WAITS, 1);
    let ready = select.ready();
    board.set(RESULT, select[tokens[ready]].recv().expect("a message"));
}

#[test]
fn a_set_that_sleeps_costs_nothing() {
    for denied in [false, true] {
        let home = Home::new();
        let board = home.board("board", WORDS);
        let rings = (0..MANY).map(|at| Ring::<u64, Mpmc>::create(home.named(&name(at)), 1));
        let rings: Vec<_> = rings.map(|ring| ring.expect("make a ring")).collect();
        let txs = rings.iter().map(|ring| ring.sender().expect("attach"));
        let mut txs: Vec<_> = txs.collect();
        let child = home.spawn("select sleeper", &[("denied", &denied)]);
        board.wait(WAITS, 1);
        child.wait_until_asleep();
        std::thread::sleep(Duration::from_millis(300));
        let before = processor_time(child.pid());
        assert!(
            !before.is_zero(),
            "starting took time: the measure measures"
        );
        std::thread::sleep(WATCH);
        let used = processor_time(child.pid()) - before;
        println!("denied: {denied}: {used:?} of CPU in {WATCH:?}");
        let most = match denied || cfg!(feature = "portable") {
            true => USE_IN_SLICES,
            false => USE,
        };
        assert!(used < most, "a set of {MANY} used {used:?} in {WATCH:?}");
        // It was asleep, not dead.
        txs[MANY - 1].send(5).expect("wake it");
        child.finish();
        assert_eq!(board.get(RESULT), 5);
    }
}
