//! The last value of one writer: the interface, and writers that are killed or stopped.

use std::thread;
use std::time::{Duration, Instant};

use memring::RingError;
use memring::sync::{Group, Latest, WaitChangedError, WriterError};
use memring_testkit::children::{Args, Role};
use memring_testkit::homes::Home;
use memring_testkit::text::says;
use memring_testkit::time::{LONG, wait_until};

use super::Twins;

pub const ROLES: [Role; 2] = [
    ("latest writer", endless_writer),
    ("latest waiter", capped_waiter),
];

const NAME: &str = "latest";
const READY: usize = 0;
const DONE: usize = 1;
const SHORT: Duration = Duration::from_millis(10);

/// Stores values as fast as it can, until it is killed.
fn endless_writer(args: &Args) {
    let latest = Latest::<Twins>::open(args.get::<String>("name")).expect("open");
    let board = args.board("board");
    let mut writer = latest.writer().expect("no other writer");
    for number in latest.number().expect("a number") + 1.. {
        assert_eq!(writer.write(Twins::of(number)), Ok(number));
        board.add(READY, 1);
    }
}

/// Waits for another value, and sleeps much longer at a time than a test may take: it must
/// be woken.
fn capped_waiter(args: &Args) {
    let latest = Latest::<Twins>::open(args.get::<String>("name")).expect("open");
    let board = args.board("board");
    #[cfg(debug_assertions)]
    memring::failpoints::raise_sleep_cap(2 * memring_testkit::time::LIMIT);
    board.add(READY, 1);
    let number = latest.wait_changed(0).expect("another value");
    board.set(DONE, number);
}

#[test]
fn values_have_numbers() {
    let latest = Latest::anonymous(7u64).unwrap();
    assert_eq!(latest.read_numbered(), Ok((0, 7)));
    let mut writer = latest.writer().unwrap();
    for number in 1..20 {
        assert_eq!(writer.write(7 + number), Ok(number));
        assert_eq!(latest.read_numbered(), Ok((number, 7 + number)));
        assert_eq!(latest.number(), Ok(number));
        assert_eq!(latest.has_changed_since(number), Ok(false));
        assert_eq!(latest.has_changed_since(number - 1), Ok(true));
    }
    assert_eq!(writer.update(|value| *value *= 2), Ok(20));
    assert_eq!(writer.latest().read(), Ok(52));
}

#[test]
fn latest_values_of_all_shapes() {
    let none = Latest::anonymous(()).unwrap();
    assert_eq!(none.writer().unwrap().write(()), Ok(1));
    assert_eq!(none.read(), Ok(()));
    let odd = Latest::anonymous([1u8; 13]).unwrap();
    let mut writer = odd.writer().unwrap();
    for byte in 2..9 {
        writer.write([byte; 13]).unwrap();
        assert_eq!(odd.read(), Ok([byte; 13]));
    }
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C, align(512))]
    struct Page([u64; 64]);
    let aligned = Latest::anonymous(Page([5; 64])).unwrap();
    let mut writer = aligned.writer().unwrap();
    for word in 6..12 {
        writer.write(Page([word; 64])).unwrap();
        assert_eq!(aligned.read(), Ok(Page([word; 64])));
    }
}

#[test]
fn there_is_one_writer() {
    let home = Home::new();
    let latest = Latest::create(home.named(NAME), 1u64).unwrap();
    let other = Latest::<u64>::open(home.named(NAME)).unwrap();
    assert_eq!(latest.has_writer(), Ok(false));
    let writer = latest.writer().unwrap();
    for refusing in [&latest, &latest.clone(), &other] {
        let error = refusing.writer().unwrap_err();
        let pid = std::process::id().to_string();
        says(&error, &["a writer already", &pid]);
        assert!(
            matches!(error, WriterError::Occupied { holder: Some(it) } if it.id == latest.id())
        );
        assert_eq!(refusing.has_writer(), Ok(true));
    }
    drop(writer);
    assert_eq!(latest.has_writer(), Ok(false));
    let mut writer = other.writer().unwrap();
    assert_eq!(writer.write(2), Ok(1));
    assert_eq!(latest.read_numbered(), Ok((1, 2)));
    let error = Latest::<u32>::open(home.named(NAME)).unwrap_err();
    assert!(matches!(error, RingError::Mismatch { .. }));
}

#[test]
fn each_latest_value_of_a_group_has_a_writer() {
    let group = Group::builder().latest("a", 1u64).latest("b", 2u64);
    let group = group.anonymous().unwrap();
    let (a, b) = (group.latest::<u64>("a"), group.latest::<u64>("b"));
    let (a, b) = (a.unwrap(), b.unwrap());
    let mut writers = [a.writer().unwrap(), b.writer().unwrap()];
    for writer in &mut writers {
        writer.write(3).unwrap();
    }
    assert_eq!((a.read(), b.read()), (Ok(3), Ok(3)));
}

#[test]
fn waiting_for_another_value() {
    let latest = Latest::anonymous(1u64).unwrap();
    let mut writer = latest.writer().unwrap();
    let late = latest.wait_changed_timeout(0, SHORT);
    assert_eq!(late, Err(WaitChangedError::Timeout));
    let late = latest.wait_changed_deadline(0, Instant::now());
    assert_eq!(late, Err(WaitChangedError::Timeout));
    writer.write(2).unwrap();
    assert_eq!(latest.wait_changed(0), Ok(1));
    thread::scope(|scope| {
        let waits = || latest.wait_changed_timeout(1, LONG);
        let waiters = [scope.spawn(waits), scope.spawn(waits)];
        thread::sleep(SHORT);
        writer.write(3).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Ok(2));
        }
    });
}

#[test]
fn a_sleeper_is_woken_by_a_value() {
    let home = Home::new();
    let board = home.board("board", 2);
    let name = home.named(NAME);
    let latest = Latest::create(&name, Twins::of(0)).unwrap();
    let waiter = home.spawn("latest waiter", &[("name", &name)]);
    board.wait(READY, 1);
    waiter.wait_until_asleep();
    latest.writer().unwrap().write(Twins::of(1)).unwrap();
    board.wait(DONE, 1);
    waiter.finish();
}

/// Killed at any moment, a writer leaves a whole value, and its successor goes on.
#[test]
fn values_of_killed_writers_are_whole() {
    let home = Home::new();
    let board = home.board("board", 2);
    let name = home.named(NAME);
    let latest = Latest::create(&name, Twins::of(0)).unwrap();
    let mut last = 0;
    for round in 0..10 {
        let writer = home.spawn("latest writer", &[("name", &name)]);
        let stored = board.get(READY);
        let begun = Instant::now();
        while board.get(READY) < stored + 500 * round + 50 {
            assert!(begun.elapsed() < LONG);
            let (number, value) = latest.read_numbered().unwrap();
            assert_eq!(value, Twins::of(number));
            assert!(number >= last);
            last = number;
        }
        writer.kill();
        let (number, value) = latest.read_numbered().unwrap();
        assert_eq!(value, Twins::of(number));
        assert_eq!(latest.has_writer(), Ok(false));
        last = latest
            .writer()
            .unwrap()
            .write(Twins::of(number + 1))
            .unwrap();
        assert_eq!(last, number + 1);
    }
}

#[test]
fn a_stopped_writer_holds_no_reader_up_and_is_named() {
    let home = Home::new();
    let board = home.board("board", 2);
    let name = home.named(NAME);
    let latest = Latest::create(&name, Twins::of(0)).unwrap();
    let writer = home.spawn("latest writer", &[("name", &name)]);
    board.wait(READY, 100);
    writer.stop();
    let (number, value) = latest.read_numbered().unwrap();
    assert!(number >= 99 && value == Twins::of(number));
    let Err(WriterError::Occupied { holder: Some(it) }) = latest.writer() else {
        panic!("it writes");
    };
    assert_eq!(it.pid, writer.pid());
    writer.resume();
    wait_until(
        || latest.has_changed_since(number) == Ok(true),
        || "it goes on".into(),
    );
}
