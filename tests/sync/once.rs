//! What is done once, within one process and by several.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use memring::sync::{Group, Once, OnceError, OnceValue};
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use memring_testkit::time::{LONG, in_time};

pub const ROLES: [Role; 2] = [("maker", maker), ("runner", runner)];

const SHORT: Duration = Duration::from_millis(10);
const READY: usize = 0;
const CALLS: usize = 1;
const GO: usize = 2;
const DONE: usize = 3;

#[test]
fn it_is_done_once_whatever_threads_come() {
    let once = Once::anonymous().unwrap();
    let calls = AtomicU32::new(0);
    assert!(!once.is_completed());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let act = || {
                    thread::sleep(SHORT);
                    calls.fetch_add(1, Ordering::Relaxed);
                };
                once.call_once(act).unwrap();
                assert_eq!(calls.load(Ordering::Relaxed), 1);
            });
        }
    });
    assert!(once.is_completed() && once.clone().is_completed());
    once.call_once_force(|_| unreachable!("it is done"))
        .unwrap();
}

#[test]
fn what_was_interrupted_is_begun_again_by_force_alone() {
    let once = Once::anonymous().unwrap();
    let panic = || panic!("in the middle");
    assert!(catch_unwind(AssertUnwindSafe(|| once.call_once(panic))).is_err());
    for _ in 0..2 {
        let error = once.call_once(|| unreachable!()).unwrap_err();
        assert_eq!(error, OnceError::Interrupted);
        says(&error, &["died or panicked", "call_once_force"]);
    }
    once.call_once_force(|state| assert!(state.is_interrupted()))
        .unwrap();
    once.call_once(|| unreachable!()).unwrap();
    let fresh = Once::anonymous().unwrap();
    fresh
        .call_once_force(|state| assert!(!state.is_interrupted()))
        .unwrap();
}

#[test]
fn one_that_waits_goes_on_when_another_panics() {
    let value = OnceValue::<u64>::anonymous().unwrap();
    in_time(move || {
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                value.get_or_init(|| {
                    thread::sleep(3 * SHORT);
                    panic!("in the middle")
                })
            });
            thread::sleep(SHORT);
            assert_eq!(value.get_or_init(|| 7).copied(), Ok(7));
            // It was the second to come, or else the first.
            let _ = first.join();
        });
    });
}

#[test]
fn a_value_is_made_once() {
    let home = Home::new();
    let name = home.named("value");
    let value = OnceValue::<[u64; 3]>::create(&name).unwrap();
    assert_eq!(value.get(), None);
    assert_eq!(value.get_or_init(|| [1, 2, 3]), Ok(&[1, 2, 3]));
    let again = OnceValue::<[u64; 3]>::open(&name).unwrap();
    assert_eq!(again.get(), Some(&[1, 2, 3]));
    let timely = again.get_or_init_timeout(SHORT, || unreachable!());
    assert_eq!(timely, Ok(&[1, 2, 3]));
    assert!(format!("{again:?}").contains("[1, 2, 3]"));
    let error = Once::open(&name).unwrap_err();
    says(&error, &["bytes of the value 24, expected 0"]);
}

/// Makes the value 5, or dies.
fn maker(args: &Args) {
    let name: String = args.get("name");
    let group = Group::open(name).expect("open the group");
    let value = group.once_value::<u64>("value").expect("the value");
    let board = args.board("board");
    board.add(READY, 1);
    let made = value.get_or_init(|| {
        board.add(CALLS, 1);
        board.wait(GO, 1);
        5
    });
    assert_eq!(made, Ok(&5));
    board.add(DONE, 1);
}

#[test]
fn a_maker_that_dies_or_stops() {
    let home = Home::new();
    let board = home.board("board", 4);
    let name = home.named("group");
    let group = Group::builder().once_value::<u64>("value").once("once");
    let group = group.create(&name).unwrap();
    let value = group.once_value::<u64>("value").unwrap();
    let spawn = || home.spawn("maker", &[("name", &name)]);
    let first = spawn();
    board.wait(CALLS, 1);
    let others = [spawn(), spawn()];
    board.wait(READY, 3);
    // Stopped, it keeps at it, and is named.
    first.stop();
    let error = value.get_or_init_timeout(3 * SHORT, || unreachable!());
    let Err(OnceError::Timeout(Some(owner))) = error else {
        panic!("{error:?}");
    };
    assert_eq!(owner.pid, first.pid());
    says(&error.unwrap_err(), &["not done by the deadline"]);
    // Killed, another begins again.
    for other in &others {
        other.wait_until_asleep();
    }
    first.kill();
    board.wait(CALLS, 2);
    assert_eq!(value.get(), None);
    board.set(GO, 1);
    others.into_iter().for_each(Child::finish);
    assert_eq!((board.get(CALLS), value.get()), (2, Some(&5)));
    assert_eq!(value.get_or_init_timeout(LONG, || unreachable!()), Ok(&5));
}

/// Does it, and is killed in the middle.
fn runner(args: &Args) {
    let once = Once::open(args.get::<String>("name")).expect("open it");
    let board = args.board("board");
    let _ = once.call_once(|| {
        board.add(CALLS, 1);
        board.wait_to_be_killed();
    });
}

#[test]
fn a_call_that_was_killed_is_told_of() {
    for waits in [true, false] {
        let home = Home::new();
        let board = home.board("board", 4);
        let name = home.named("once");
        let once = Once::create(&name).unwrap();
        let runner = home.spawn("runner", &[("name", &name)]);
        board.wait(CALLS, 1);
        let interrupted = Err(OnceError::Interrupted);
        if waits {
            thread::scope(|scope| {
                let waiting = scope.spawn(|| once.call_once_timeout(LONG, || unreachable!()));
                thread::sleep(SHORT);
                runner.kill();
                assert_eq!(waiting.join().unwrap(), interrupted);
            });
        } else {
            runner.kill();
            // One that opens it recovers what the dead one was at.
            let opened = Once::open(&name).unwrap();
            assert_eq!(opened.call_once(|| unreachable!()), interrupted);
        }
        assert_eq!(once.call_once(|| unreachable!()), interrupted);
        once.call_once_force(|state| assert!(state.is_interrupted()))
            .unwrap();
        assert!(once.is_completed());
    }
}
