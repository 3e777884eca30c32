//! Arbitrary bytes as a group of shared objects: opening it and using all that is in it ends in
//! a result or in an error, never in a panic, a crash or a hang.
//!
//! Raw bytes are the whole file. A group with some bytes written over, before it is opened and
//! between and inside the uses of it, gets past the checks of the header, into the words that
//! peers write.

use std::fs::{self, File};
use std::time::Duration;

use arbitrary::Arbitrary;
use memring::sync::{
    Barrier, Condvar, Counter, Group, Latest, Mutex, Once, OnceValue, RwLock, RwLockWriteGuard,
    Semaphore,
};

use super::writes::write;

/// No time at all: a call may look, and not wait.
const NOW: Duration = Duration::ZERO;
/// Permits of the semaphore, and parties of the barrier.
const PERMITS: u32 = 3;
const PARTIES: u32 = 2;
/// Where the directory of nine parts is, and where the parts are.
const DIRECTORY: u64 = 0x5000;
const PARTS: u64 = DIRECTORY + 128 * 9;

/// A group, and what is done with it.
#[derive(Arbitrary, Debug)]
pub struct Input {
    contents: Contents,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Contents {
    Raw(Vec<u8>),
    Patched(Vec<Patch>),
}

/// One write to the file.
#[derive(Arbitrary, Debug)]
enum Patch {
    Header {
        offset: u8,
        byte: u8,
    },
    Directory {
        word: u8,
        value: u64,
    },
    /// A byte of a name or of a field.
    Field {
        offset: u16,
        byte: u8,
    },
    /// Eight bytes of words or values.
    Part {
        word: u16,
        value: u64,
    },
    /// Nearly right: a member, shifted as the words of locks have it, and some bits.
    Member {
        word: u16,
        id: u8,
        shift: u8,
        bits: u8,
    },
    /// Four bytes, as of wait words.
    Half {
        half: u16,
        value: u32,
    },
}

#[derive(Arbitrary, Debug)]
enum Step {
    Write(Patch),
    Lock {
        tries: bool,
        meanwhile: Option<Patch>,
    },
    Wait {
        meanwhile: Option<Patch>,
    },
    Notify {
        all: bool,
    },
    Read {
        tries: bool,
        meanwhile: Option<Patch>,
    },
    Change {
        tries: bool,
        downgrades: bool,
        meanwhile: Option<Patch>,
    },
    Acquire {
        tries: bool,
        meanwhile: Option<Patch>,
    },
    Once {
        meanwhile: Option<Patch>,
    },
    Join {
        waits: u8,
        meanwhile: Option<Patch>,
    },
    Store {
        count: u8,
        meanwhile: Option<Patch>,
    },
    Load,
    Count {
        by: u64,
    },
    ClearPoison,
    Look,
    /// A fresh handle, with the old ones there or not.
    Reopen {
        keeps: bool,
    },
}

impl Patch {
    fn apply(&self, file: &File) {
        match *self {
            Patch::Header { offset, byte } => {
                // Behind the magic number: without it there is nothing to see.
                write(file, &[byte], 8 + u64::from(offset));
            }
            Patch::Directory { word, value } => {
                let offset = DIRECTORY + u64::from(word) % (9 * 16) * 8;
                write(file, &value.to_ne_bytes(), offset);
            }
            Patch::Field { offset, byte } => {
                let offset = DIRECTORY + u64::from(offset) % (9 * 128);
                write(file, &[byte], offset);
            }
            Patch::Part { word, value } => part(file, word, value),
            Patch::Member {
                word,
                id,
                shift,
                bits,
            } => {
                let id = u64::from(id % 6);
                part(
                    file,
                    word,
                    id << (shift % 5) | u64::from(bits % 4) | u64::from(bits) << 12,
                );
            }
            Patch::Half { half, value } => {
                write(
                    file,
                    &value.to_ne_bytes(),
                    PARTS + u64::from(half) % 512 * 4,
                );
            }
        }
    }
}

fn part(file: &File, word: u16, value: u64) {
    write(
        file,
        &value.to_ne_bytes(),
        PARTS + u64::from(word) % 512 * 8,
    );
}

fn patch(file: &File, patch: &Option<Patch>) {
    if let Some(patch) = patch {
        patch.apply(file);
    }
}

/// The objects of one handle, as far as they open.
struct Objects {
    group: Group,
    mutex: Option<Mutex<[u64; 3]>>,
    changed: Option<Condvar>,
    lock: Option<RwLock<u64>>,
    permits: Option<Semaphore>,
    once: Option<Once>,
    value: Option<OnceValue<u64>>,
    barrier: Option<Barrier>,
    latest: Option<Latest<[u64; 4]>>,
    counter: Option<Counter<u64>>,
}

impl Objects {
    fn open(name: &str) -> Option<Objects> {
        let group = Group::open(name).ok()?;
        let names: Vec<String> = group.names().map(String::from).collect();
        // Under each name, as what it is not, too.
        for name in &names {
            let _ = group.mutex::<u8>(name);
            let _ = group.latest::<[u64; 4]>(name);
            let _ = group.semaphore(name);
        }
        Some(Objects {
            mutex: group.mutex("mutex").ok(),
            changed: group.condvar("changed").ok(),
            lock: group.rwlock("lock").ok(),
            permits: group.semaphore("permits").ok(),
            once: group.once("once").ok(),
            value: group.once_value("value").ok(),
            barrier: group.barrier("barrier").ok(),
            latest: group.latest("latest").ok(),
            counter: group.counter("counter").ok(),
            group,
        })
    }
}

/// Opens the group and does all of it.
///
/// # Panics
/// If a call does something that it must not do.
pub fn run(input: Input) {
    let place = tempfile::tempdir_in("/dev/shm").expect("temporary directory");
    let path = place.path().join("group");
    let name = path.to_str().expect("a path in UTF-8");
    match &input.contents {
        Contents::Raw(bytes) => fs::write(&path, bytes).expect("write of the file"),
        Contents::Patched(_) => make(name),
    }
    let file = File::options().read(true).write(true).open(&path);
    let file = file.expect("the group's file");
    if let Contents::Patched(patches) = &input.contents {
        patches.iter().for_each(|patch| patch.apply(&file));
    }
    let mut kept = Vec::new();
    let Some(mut objects) = Objects::open(name) else {
        return;
    };
    for step in &input.steps {
        if let Step::Reopen { keeps } = step {
            if let Some(fresh) = Objects::open(name) {
                let old = std::mem::replace(&mut objects, fresh);
                if *keeps {
                    kept.push(old);
                }
            }
            continue;
        }
        act(&objects, &file, step);
    }
}

fn make(name: &str) {
    let group = Group::builder()
        .mutex("mutex", [1u64; 3])
        .condvar("changed")
        .rwlock("lock", 1u64)
        .semaphore("permits", PERMITS)
        .once("once")
        .once_value::<u64>("value")
        .barrier("barrier", PARTIES)
        .latest("latest", [1u64; 4])
        .counter("counter", 1u64)
        .max_handles(4);
    drop(group.create(name).expect("a new group"));
}

fn act(objects: &Objects, file: &File, step: &Step) {
    match step {
        Step::Write(patch) => patch.apply(file),
        Step::Lock { .. } | Step::Wait { .. } | Step::Notify { .. } => locked(objects, file, step),
        Step::Read { .. } | Step::Change { .. } => shared(objects, file, step),
        Step::Acquire { .. } | Step::Once { .. } | Step::Join { .. } => taken(objects, file, step),
        Step::Store { .. } | Step::Load | Step::Count { .. } => stored(objects, file, step),
        Step::ClearPoison => {
            let _ = objects.mutex.as_ref().map(Mutex::clear_poison);
            let _ = objects.lock.as_ref().map(RwLock::clear_poison);
        }
        Step::Look => look(objects),
        Step::Reopen { .. } => {}
    }
}

/// Mutex and condition variable.
fn locked(objects: &Objects, file: &File, step: &Step) {
    let (Some(mutex), Some(changed)) = (&objects.mutex, &objects.changed) else {
        return;
    };
    match step {
        Step::Lock { tries, meanwhile } => {
            let guard = match tries {
                true => mutex.try_lock().or_else(|error| error.into_guard()).ok(),
                false => {
                    let guard = mutex.lock_timeout(NOW);
                    guard.or_else(|error| error.into_guard()).ok()
                }
            };
            if let Some(mut guard) = guard {
                guard[0] = guard[0].wrapping_add(1);
                patch(file, meanwhile);
            }
        }
        Step::Wait { meanwhile } => {
            let guard = mutex.lock_timeout(NOW);
            if let Ok(guard) = guard.or_else(|error| error.into_guard()) {
                patch(file, meanwhile);
                let _ = changed.wait_timeout(guard, NOW).map(drop);
            }
        }
        Step::Notify { all: true } => changed.notify_all(),
        _ => changed.notify_one(),
    }
}

/// The reader-writer lock.
fn shared(objects: &Objects, file: &File, step: &Step) {
    let Some(lock) = &objects.lock else { return };
    match step {
        Step::Read { tries, meanwhile } => {
            let guard = match tries {
                true => lock.try_read().or_else(|error| error.into_guard()).ok(),
                false => {
                    let guard = lock.read_timeout(NOW);
                    guard.or_else(|error| error.into_guard()).ok()
                }
            };
            if guard.is_some() {
                patch(file, meanwhile);
                let _ = lock.try_read().map(|second| *second);
            }
        }
        Step::Change {
            tries,
            downgrades,
            meanwhile,
        } => {
            let guard = match tries {
                true => lock.try_write().or_else(|error| error.into_guard()).ok(),
                false => {
                    let guard = lock.write_timeout(NOW);
                    guard.or_else(|error| error.into_guard()).ok()
                }
            };
            if let Some(mut guard) = guard {
                *guard = guard.wrapping_add(1);
                patch(file, meanwhile);
                let _ = downgrades.then(|| drop(RwLockWriteGuard::downgrade(guard)));
            }
        }
        _ => {}
    }
}

/// Permits, what is done once, and the barrier.
fn taken(objects: &Objects, file: &File, step: &Step) {
    match (step, &objects.permits, &objects.barrier) {
        (Step::Acquire { tries, meanwhile }, Some(permits), _) => {
            let first = match tries {
                true => permits.try_acquire().ok(),
                false => permits.acquire_timeout(NOW).ok(),
            };
            patch(file, meanwhile);
            let _ = permits.try_acquire().is_ok();
            drop(first);
        }
        (Step::Join { waits, meanwhile }, _, Some(barrier)) => {
            if let Ok(mut seat) = barrier.join() {
                for _ in 0..waits % 4 {
                    let _ = seat.wait_timeout(NOW);
                }
                patch(file, meanwhile);
                let second = barrier.join();
                let _ = seat.wait_timeout(NOW);
                drop(second);
            }
        }
        (Step::Once { meanwhile }, ..) => {
            if let Some(once) = &objects.once {
                let _ = once.call_once_timeout(NOW, || patch(file, meanwhile));
                let _ = once.is_completed();
            }
            if let Some(value) = &objects.value {
                let made = value.get_or_init_timeout(NOW, || {
                    patch(file, meanwhile);
                    5
                });
                let _ = made.is_ok();
                let _ = value.get().copied();
            }
        }
        _ => {}
    }
}

/// The latest value, and the counter.
fn stored(objects: &Objects, file: &File, step: &Step) {
    match (step, &objects.latest, &objects.counter) {
        (Step::Store { count, meanwhile }, Some(latest), _) => {
            if let Ok(mut writer) = latest.writer() {
                for number in 0..u64::from(count % 20) {
                    let _ = writer.write([number; 4]);
                }
                patch(file, meanwhile);
                let _ = writer.update(|value| value[0] = value[0].wrapping_add(1));
            }
        }
        (Step::Load, Some(latest), _) => {
            let number = latest.read_numbered().map_or(0, |(number, _)| number);
            let _ = latest.wait_changed_timeout(number.wrapping_sub(1), NOW);
            let _ = latest.wait_changed_timeout(number, NOW);
            let _ = (latest.has_writer(), latest.has_changed_since(number));
        }
        (Step::Count { by }, _, Some(counter)) => {
            let _ = (counter.add(*by), counter.get(), counter.set(*by));
        }
        _ => {}
    }
}

fn look(objects: &Objects) {
    let _ = format!("{:?}", objects.group);
    let handles = objects.group.handles();
    assert!(handles.len() <= 1023);
    if let Some(permits) = &objects.permits {
        let all = permits.permits();
        assert!((1..=4096).contains(&all));
        assert!(permits.available() <= all);
        assert!(permits.holders().len() <= all as usize);
    }
    if let Some(barrier) = &objects.barrier {
        assert!(barrier.parties() > 0);
    }
    let _ = objects.mutex.as_ref().map(Mutex::is_poisoned);
    let _ = objects.lock.as_ref().map(RwLock::is_poisoned);
}
