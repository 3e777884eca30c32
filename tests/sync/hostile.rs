//! Files that somebody has written over.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use memring::sync::{Group, LockError, LockTimeoutError, Mutex, TryLockError};
use memring::{Failure, RingError};
use memring_testkit::children::{Args, Child, Role};
use memring_testkit::homes::Home;
use memring_testkit::random::Random;
use memring_testkit::text::says;
use memring_testkit::time::in_time;

pub const ROLES: [Role; 1] = [("scribbler", scribbler)];

const HEADER: u64 = 0x40;
const DIRECTORY: u64 = 0x5000;
const ENTRY: u64 = 128;

fn write(path: &str, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn made(home: &Home, name: &str) -> String {
    let path = home.named(name);
    let group = Group::builder().mutex("a", 1u64).mutex("b", [2u32; 9]);
    group.condvar("c").create(&path).unwrap();
    path
}

#[test]
fn a_directory_that_contradicts_itself_is_refused() {
    let home = Home::new();
    let long = |number: u64| number.to_le_bytes().to_vec();
    let short = |number: u32| number.to_le_bytes().to_vec();
    for (at, (offset, bytes, reason)) in [
        (HEADER, short(0), "number of handles"),
        (HEADER, short(1024), "number of handles"),
        (HEADER + 4, short(0), "number of parts"),
        (HEADER + 4, short(2), "part offset"),
        (HEADER + 4, short(1024), "total size"),
        (HEADER + 4, short(u32::MAX), "number of parts"),
        (HEADER + 8, long(1), "reserved"),
        (20, short(2), "layout version 2"),
        (DIRECTORY, vec![b'x'; 32], "part name"),
        (DIRECTORY, vec![0xff], "part name"),
        (DIRECTORY, vec![b'b'], "parts of a name"),
        (DIRECTORY + 32, short(99), "kind of a part"),
        (DIRECTORY + 32, short(0), "kind of a part"),
        (DIRECTORY + 36, short(1), "reserved"),
        (DIRECTORY + 40, long(1 << 40), "part length"),
        (DIRECTORY + 40, long(u64::MAX), "part size"),
        (DIRECTORY + 48, long(0), "part size"),
        (DIRECTORY + 48, long(3), "part size"),
        (DIRECTORY + 48, long(8192), "part size"),
        (DIRECTORY + 48, long(u64::MAX), "part size"),
        (DIRECTORY + 72, long(0), "part offset"),
        (DIRECTORY + 72, long(u64::MAX - 7), "part offset"),
        (DIRECTORY + ENTRY + 72, long(0x5180), "part offset"),
        (DIRECTORY + 80, long(64), "part length"),
        (DIRECTORY + 80, long(u64::MAX), "part length"),
        (DIRECTORY + 88, long(1), "reserved"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = made(&home, &format!("{at}"));
        write(&path, offset, &bytes);
        let error = Group::open(&path).map(drop).unwrap_err();
        assert!(matches!(error, RingError::Mismatch { .. }), "{at}: {error}");
        says(&error, &[reason]);
    }
}

#[test]
fn no_directory_leads_out_of_bounds() {
    let home = Home::new();
    let path = made(&home, "some");
    let mut random = Random::of(17);
    let original = std::fs::read(&path).unwrap();
    for _ in 0..3000 {
        let mut bytes = original[HEADER as usize..][..8].to_vec();
        let mut directory = original[DIRECTORY as usize..][..3 * ENTRY as usize].to_vec();
        for _ in 0..1 + random.below(4) {
            let numbers = [0, 1, 7, 8, 64, 128, 4096, 0x5180, u32::MAX.into(), u64::MAX];
            let number: u64 = numbers[random.below(10) as usize];
            match random.below(8) {
                0 => bytes[4 * random.below(2) as usize] = number as u8,
                _ => {
                    let at = 8 * random.below(directory.len() as u64 / 8) as usize;
                    directory[at..at + 8].copy_from_slice(&number.to_le_bytes());
                }
            }
        }
        write(&path, HEADER, &bytes);
        write(&path, DIRECTORY, &directory);
        let Ok(group) = Group::open(&path) else {
            continue;
        };
        let names: Vec<String> = group.names().map(String::from).collect();
        for name in names {
            for mutex in [group.mutex::<u64>(&name), group.mutex::<u64>("a")] {
                let _ = mutex.map(|mutex| mutex.try_lock().map(|mut it| *it += 1).is_ok());
            }
            let _ = group.mutex::<[u32; 9]>(&name).map(|mutex| {
                let _ = mutex.try_lock().map(|mut it| it[8] += 1);
            });
        }
    }
}

#[test]
fn words_that_no_process_writes() {
    let home = Home::new();
    let path = home.named("one");
    let mutex = Mutex::<u64>::builder()
        .max_handles(5)
        .create(&path, 3)
        .unwrap();
    // Where the word is: behind the directory, at a multiple of 128.
    let word = DIRECTORY + ENTRY;
    let store = |value: u64| write(&path, word, &value.to_le_bytes());
    // A holder that never was is dead.
    store(4 << 2);
    let guard = mutex.try_lock().unwrap_err().into_guard().unwrap();
    assert_eq!(*guard, 3);
    // Freed by another while we hold it, or taken: what follows is ours to bear, and ends.
    store(0);
    drop(guard);
    store(!(0x3ff << 2));
    assert!(matches!(mutex.lock(), Err(LockError::Poisoned(_))));
    // A holder that cannot be: the handle refuses all work.
    store(9 << 2 | 1 << 12);
    let mutex = in_time(move || {
        let failed = |error: LockTimeoutError<_>| {
            matches!(error, LockTimeoutError::Failed(Failure::Corrupted(_)))
        };
        let late = mutex.lock_timeout(Duration::from_secs(20));
        assert!(failed(late.map(drop).unwrap_err().without_guard()));
        mutex
    });
    assert!(matches!(
        mutex.try_lock(),
        Err(TryLockError::Failed(Failure::Corrupted(_)))
    ));
    store(0);
    assert!(mutex.lock().is_err());
    // Others go on.
    assert!(Mutex::<u64>::open(&path).unwrap().lock().is_ok());
}

const READY: usize = 0;

/// Writes over all words and values of a group, at random, until it is killed.
fn scribbler(args: &Args) {
    let path: String = args.get("path");
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.expect("open the file");
    let parts = DIRECTORY + args.get::<u64>("parts") * ENTRY;
    let words = (file.metadata().expect("a length").len() - parts) / 8;
    let (board, mut random) = (args.board("board"), Random::of(args.get("seed")));
    board.add(READY, 1);
    loop {
        let at = parts + 8 * random.below(words.min(400));
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).expect("read a word");
        let old = u64::from_le_bytes(word);
        let new = match random.below(8) {
            0 => 0,
            1 => random.number(),
            2 => old ^ 1 << random.below(64),
            3 => u64::MAX,
            4 => random.below(70) << 2 | random.below(4),
            5 => random.below(70) << 4 | random.below(16),
            6 => random.below(70),
            _ => old.wrapping_add(1 << random.below(24)),
        };
        file.write_all_at(&new.to_le_bytes(), at).expect("write");
        if random.below(64) == 0 {
            thread::sleep(Duration::from_micros(300));
        }
    }
}

/// Starts a process that writes over a group of so many parts.
pub fn scribble_on(home: &Home, path: &str, parts: u64, seed: u64) -> Child {
    let args: [(&str, &dyn Display); 3] = [("path", &path), ("parts", &parts), ("seed", &seed)];
    home.spawn("scribbler", &args)
}

/// All calls with a time limit, again and again; a handle that has found out is replaced.
fn work(path: &str, until: Instant) -> u64 {
    let (limit, mut calls) = (Duration::from_millis(2), 0);
    while Instant::now() < until {
        let Ok(group) = Group::open(path) else {
            continue;
        };
        let mutex = group.mutex::<u64>("a").expect("a");
        let changed = group.condvar("c").expect("c");
        let value = group.once_value::<u64>("d").expect("d");
        let barrier = group.barrier("e").expect("e");
        for _ in 0..20 {
            let began = Instant::now();
            if let Ok(mut guard) = mutex.try_lock() {
                *guard = guard.wrapping_add(1);
            }
            match mutex
                .lock_timeout(limit)
                .map_err(LockTimeoutError::into_guard)
            {
                Ok(guard) | Err(Ok(guard)) => drop(changed.wait_timeout(guard, limit)),
                Err(Err(_)) => {}
            }
            mutex.clear_poison();
            changed.notify_one();
            changed.notify_all();
            let _ = value.get_or_init_timeout(limit, || 5).copied();
            if let Ok(mut seat) = barrier.join() {
                let _ = seat.wait_timeout(limit);
            }
            assert!(began.elapsed() < Duration::from_secs(20));
            calls += 1;
        }
    }
    calls
}

#[test]
fn beside_a_process_that_writes_over_everything() {
    let home = Home::new();
    let (path, board) = (home.named("group"), home.board("board", 2));
    let group = Group::builder().mutex("a", 1u64).mutex("b", [2u32; 9]);
    let group = group.condvar("c").once_value::<u64>("d").barrier("e", 3);
    drop(group.create(&path).unwrap());
    let scribblers = [1, 2].map(|seed| scribble_on(&home, &path, 5, seed));
    board.wait(READY, 2);
    let until = Instant::now() + Duration::from_secs(2);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(work(&path, until) > 0));
        }
    });
    drop(scribblers);
}
