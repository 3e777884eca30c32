//! Numbers that are changed without a lock.

use std::thread;

use memring::sync::{Counter, Group};
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::text::says;

pub const ROLES: [Role; 1] = [("counting process", counts)];

const READY: usize = 0;

/// Adds one, again and again, until it is killed.
fn counts(args: &Args) {
    let counter = Counter::<u64>::open(args.get::<String>("name")).expect("open");
    let board = args.board("board");
    loop {
        counter.add(1).expect("count");
        board.add(READY, 1);
    }
}

#[test]
fn numbers_change_as_atomics_do() {
    let counter = Counter::anonymous(5u64).unwrap();
    assert_eq!((counter.add(3), counter.get()), (Ok(5), Ok(8)));
    assert_eq!((counter.sub(9), counter.get()), (Ok(8), Ok(u64::MAX)));
    assert_eq!((counter.add(2), counter.get()), (Ok(u64::MAX), Ok(1)));
    assert_eq!((counter.swap(7), counter.get()), (Ok(1), Ok(7)));
    assert_eq!(counter.compare_exchange(6, 1), Ok(Err(7)));
    assert_eq!(counter.compare_exchange(7, 10), Ok(Ok(7)));
    assert_eq!(
        (counter.fetch_max(9), counter.fetch_max(11)),
        (Ok(10), Ok(10))
    );
    assert_eq!(
        (counter.fetch_min(12), counter.fetch_min(4)),
        (Ok(11), Ok(11))
    );
    assert_eq!(counter.fetch_update(|it| (it < 4).then_some(0)), Ok(Err(4)));
    assert_eq!(counter.fetch_update(|it| Some(it * 2)), Ok(Ok(4)));
    counter.set(1).unwrap();
    assert_eq!(counter.get(), Ok(1));
}

#[test]
fn numbers_with_a_sign() {
    let counter = Counter::anonymous(1i64).unwrap();
    assert_eq!((counter.sub(3), counter.get()), (Ok(1), Ok(-2)));
    assert_eq!((counter.fetch_max(-5), counter.get()), (Ok(-2), Ok(-2)));
    assert_eq!((counter.fetch_min(-5), counter.get()), (Ok(-2), Ok(-5)));
    assert_eq!(
        (counter.add(i64::MIN), counter.get()),
        (Ok(-5), Ok(i64::MAX - 4))
    );
    assert_eq!(counter.swap(i64::MIN), Ok(i64::MAX - 4));
}

#[test]
fn a_counter_is_of_one_sort() {
    let home = Home::new();
    let group = Group::builder().counter("up", 3u64).counter("any", -3i64);
    let group = group.create(home.named("group")).unwrap();
    assert_eq!(group.counter::<u64>("up").unwrap().get(), Ok(3));
    assert_eq!(group.counter::<i64>("any").unwrap().get(), Ok(-3));
    let error = group.counter::<i64>("up").map(drop).unwrap_err();
    says(&error, &["sort of number", "0: u64"]);
    assert!(group.mutex::<u64>("up").is_err());
}

#[test]
fn threads_lose_no_count() {
    let counter = Counter::anonymous(0u64).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let counter = counter.clone();
            scope.spawn(move || {
                for number in 0..5000 {
                    counter.add(1).unwrap();
                    counter.fetch_max(number).unwrap();
                }
            });
        }
    });
    assert_eq!(counter.get(), Ok(20_000));
}

/// Each that is killed has counted one at most of which it did not come to tell.
#[test]
fn counts_of_the_killed_are_whole() {
    let home = Home::new();
    let board = home.board("board", 1);
    let name = home.named("counter");
    let counter = Counter::create(&name, 0u64).unwrap();
    let spawn = |_| home.spawn("counting process", &[("name", &name)]);
    let counting: Vec<Child> = (0..3).map(spawn).collect();
    board.wait(READY, 3000);
    counting.into_iter().for_each(Child::kill);
    let (told, found) = (board.get(READY), counter.get().unwrap());
    assert!((told..=told + 3).contains(&found), "{told} {found}");
}
