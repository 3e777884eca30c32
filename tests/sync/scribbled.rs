//! Words of latest values, semaphores, reader-writer locks that somebody has written over.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use memring::sync::{
    AcquireTimeoutError, Group, Latest, LockTimeoutError, ReadError, RwLock, RwLockWriteGuard,
    Semaphore,
};
use memring::{Failure, RingError};
use memring_testkit::homes::Home;
use memring_testkit::random::Random;
use memring_testkit::text::says;
use memring_testkit::time::in_time;

use super::hostile::scribble_on;

/// Where the entry of the only part is, and where the part.
const ENTRY: u64 = 0x5000;
const PART: u64 = 0x5080;
const SHORT: Duration = Duration::from_millis(30);

fn scribble(path: &str, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

#[test]
fn parameters_that_cannot_be() {
    let home = Home::new();
    for (at, (kind, found)) in [
        ("l", 0u64),
        ("l", 1),
        ("l", 65),
        ("s", 0),
        ("s", 4097),
        ("s", u64::MAX),
        ("r", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let name = home.named(&at.to_string());
        match kind {
            "l" => drop(Latest::create(&name, 1u64).unwrap()),
            "s" => drop(Semaphore::create(&name, 3).unwrap()),
            _ => drop(RwLock::create(&name, 1u64).unwrap()),
        }
        scribble(&name, ENTRY + 64, &found.to_le_bytes());
        let error = Group::open(&name).map(drop).unwrap_err();
        assert!(matches!(error, RingError::Mismatch { .. }), "{at}");
    }
    // One that could be, of a part that is not so long.
    let name = home.named("longer");
    drop(Latest::create(&name, 1u64).unwrap());
    scribble(&name, ENTRY + 64, &5u64.to_le_bytes());
    says(&Latest::<u64>::open(&name).unwrap_err(), &["part length"]);
}

#[test]
fn an_index_leads_nowhere_else() {
    let home = Home::new();
    let name = home.named("latest");
    let latest = Latest::create(&name, [3u64; 5]).unwrap();
    let mut writer = latest.writer().unwrap();
    for index in [0, 1, 3, 4, 1 << 32, u64::MAX - 1, u64::MAX] {
        scribble(&name, PART, &index.to_le_bytes());
        assert_eq!(latest.number(), Ok(index));
        assert!(latest.read().is_ok());
        assert_eq!(writer.write([index; 5]), Ok(index.wrapping_add(1)));
        assert_eq!(latest.read(), Ok([index; 5]));
    }
    // The name of the last writer is for display.
    for id in [0, 5, 1023, 1024, u32::MAX] {
        scribble(&name, PART + 68, &id.to_le_bytes());
        assert!(latest.writer().is_err());
    }
}

#[test]
fn an_index_that_never_rests() {
    let home = Home::new();
    let name = home.named("latest");
    let latest = Latest::create(&name, [3u64; 512]).unwrap();
    let file = OpenOptions::new().write(true).open(&name).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut index = 0u64;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                index = index.wrapping_add(0x1234_5678_9abc_def1);
                file.write_all_at(&index.to_le_bytes(), PART).unwrap();
            }
        });
        for _ in 0..200 {
            // It ends.
            assert!(matches!(latest.read(), Ok(_) | Err(ReadError::Overtaken)));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn holders_of_permits_that_cannot_be() {
    let home = Home::new();
    let name = home.named("permits");
    let make = Semaphore::builder().max_handles(5);
    let semaphore = make.create(&name, 2).unwrap();
    let store = |slot: u64, word: u64| scribble(&name, PART + 64 + 8 * slot, &word.to_le_bytes());
    // Holders that never were are dead.
    store(0, 4);
    store(1, 3 | u64::MAX << 10);
    let held = [semaphore.acquire().unwrap(), semaphore.acquire().unwrap()];
    store(0, 0);
    store(1, 0);
    drop(held);
    assert_eq!(semaphore.available(), 2);
    store(0, 9);
    store(1, 9);
    let semaphore = in_time(move || {
        let late = semaphore.acquire_timeout(Duration::from_secs(20)).map(drop);
        assert!(matches!(
            late,
            Err(AcquireTimeoutError::Failed(Failure::Corrupted(_)))
        ));
        semaphore
    });
    assert!(semaphore.acquire().is_err());
    store(0, 0);
    assert!(semaphore.try_acquire().is_err());
    // Others go on.
    drop(Semaphore::open(&name).unwrap().acquire().unwrap());
}

#[test]
fn words_of_a_lock_that_no_process_writes() {
    let home = Home::new();
    let name = home.named("lock");
    let lock = RwLock::builder()
        .max_handles(5)
        .create(&name, 3u64)
        .unwrap();
    let word = |word: u64| scribble(&name, PART, &word.to_le_bytes());
    let cell = |id: u64, word: u64| scribble(&name, PART + 64 + 64 * id, &word.to_le_bytes());
    // A writer that never was is dead; so are readers.
    word(4 << 2);
    assert_eq!(*lock.read().unwrap(), 3);
    word(4 << 2 | 1 << 12);
    assert!(matches!(
        lock.write(),
        Err(memring::sync::LockError::Poisoned(_))
    ));
    lock.clear_poison();
    (2..=5).for_each(|id| cell(id, u64::MAX));
    drop(lock.write().unwrap());
    // Its own cell is as if another of its threads read.
    cell(1, 7);
    let late = lock.write_timeout(SHORT).map(drop).unwrap_err();
    assert!(matches!(late, LockTimeoutError::Timeout(Some(it)) if it.id == 1));
    drop(late);
    assert!(lock.try_write().is_err());
    cell(1, 0);
    // Freed by another while it writes.
    let guard = lock.write().unwrap();
    word(0);
    drop(guard);
    drop(lock.read().unwrap());
    word(!(0x3ff << 2));
    drop(lock.write());
    word(9 << 2);
    let lock = in_time(move || {
        let late = lock.read_timeout(Duration::from_secs(20)).map(drop);
        let error = late.unwrap_err().without_guard();
        assert!(matches!(
            error,
            LockTimeoutError::Failed(Failure::Corrupted(_))
        ));
        lock
    });
    assert!(lock.write().is_err());
    word(0);
    assert!(lock.read().is_err());
    drop(RwLock::<u64>::open(&name).unwrap().write().unwrap());
}

/// Whatever is in the words, calls with a time limit end, and nothing panics.
#[test]
fn words_at_random() {
    let home = Home::new();
    let name = home.named("group");
    let made = Group::builder()
        .latest("latest", [1u64; 3])
        .semaphore("permits", 3)
        .rwlock("lock", 1u64)
        .counter("counter", 1u64)
        .max_handles(4)
        .create(&name)
        .unwrap();
    let mut random = Random::of(29);
    let size = std::fs::metadata(&name).unwrap().len();
    let parts = ENTRY + 4 * 128;
    for _ in 0..150 {
        for _ in 0..1 + random.below(12) {
            let offset = parts + 8 * random.below((size - parts).min(2048) / 8);
            let small = random.below(5) << (2 * random.below(2)) | random.below(2) << 12;
            let word = match random.below(3) {
                0 => small,
                1 => u64::MAX - small,
                _ => small << 32 | small,
            };
            scribble(&name, offset, &word.to_le_bytes());
        }
        let group = Group::open(&name).unwrap();
        in_time(move || use_all(&group));
    }
    drop(made);
}

/// All calls, each with a time limit; and one writes.
fn use_all(group: &Group) {
    let tiny = Duration::from_millis(2);
    let latest = group.latest::<[u64; 3]>("latest").unwrap();
    let _ = latest.read();
    let _ = latest.writer().map(|mut writer| writer.write([2; 3]));
    let _ = latest.wait_changed_timeout(0, tiny);
    let permits = group.semaphore("permits").unwrap();
    let _ = (
        permits.try_acquire().is_ok(),
        permits.acquire_timeout(tiny).is_ok(),
    );
    let lock = group.rwlock::<u64>("lock").unwrap();
    let _ = lock.try_read().map(|value| *value);
    let _ = lock.read_timeout(tiny).map(|value| *value);
    let _ = lock
        .try_write()
        .map(|mut value| *value = value.wrapping_add(1));
    let _ = lock
        .write_timeout(tiny)
        .map(|mut value| *value = value.wrapping_add(1));
    let _ = lock
        .write_timeout(tiny)
        .map(|guard| drop(RwLockWriteGuard::downgrade(guard)));
    lock.clear_poison();
    let counter = group.counter::<u64>("counter").unwrap();
    let _ = (counter.add(1), counter.get());
    let _ = (permits.holders(), permits.available(), group.handles());
    let _ = (latest.has_writer(), lock.is_poisoned());
}

/// Two other processes write over all words and values meanwhile.
#[test]
fn beside_processes_that_write_over_everything() {
    let home = Home::new();
    let (path, board) = (home.named("group"), home.board("board", 2));
    let group = Group::builder()
        .latest("latest", [1u64; 3])
        .semaphore("permits", 3)
        .rwlock("lock", 1u64)
        .counter("counter", 1u64)
        .max_handles(4);
    drop(group.create(&path).unwrap());
    let scribblers = [1, 2].map(|seed| scribble_on(&home, &path, 4, seed));
    board.wait(0, 2);
    let until = Instant::now() + Duration::from_secs(2);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut calls = 0;
                while Instant::now() < until {
                    // One that has found out refuses all work, and is replaced.
                    let Ok(group) = Group::open(&path) else {
                        continue;
                    };
                    for _ in 0..20 {
                        let began = Instant::now();
                        use_all(&group);
                        assert!(began.elapsed() < Duration::from_secs(20));
                        calls += 1;
                    }
                }
                assert!(calls > 0);
            });
        }
    });
    drop(scribblers);
}
