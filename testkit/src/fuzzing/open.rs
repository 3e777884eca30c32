//! Arbitrary bytes as a ring file: looking at it, opening it and working with
//! it end in a result or in an error, never in a panic or a crash.
//!
//! Two kinds of input. Raw bytes are the whole file. A ring of a known shape
//! with some bytes overwritten gets past the checks of the header, into the
//! words that peers write. The fuzzer works alone with such a ring, so calls
//! that never block are made, and in finite number.

use std::fs::{self, File};

use arbitrary::Arbitrary;
use memring::{FenceMode, Kind, Message, Ring};

use super::dispatch;
use super::writes::Patch;
use crate::shapes::Shape;

/// The longest byte message.
const LIMIT: usize = 8;
/// No file gets longer.
const MAX_FILE: u64 = 1 << 20;

/// A file.
#[derive(Arbitrary, Debug)]
pub struct Input(Contents);

#[derive(Arbitrary, Debug)]
enum Contents {
    Raw(Vec<u8>),
    Patched {
        kind: u8,
        typed: bool,
        /// As the target `hostile` has it.
        capacity: u8,
        /// Messages sent, and then received, before the patches.
        sent: u8,
        received: u8,
        patches: Vec<Patch>,
        /// A new length, modulo [`MAX_FILE`].
        length: Option<u32>,
    },
}

/// A message of each family.
trait Sample: Message {
    fn with<R>(id: u64, act: impl FnOnce(Self::Sent<'_>) -> R) -> R;
    /// Bytes of what was received.
    fn size(received: &Self::Received) -> usize;
}

impl Sample for u64 {
    fn with<R>(id: u64, act: impl FnOnce(u64) -> R) -> R {
        act(id)
    }
    fn size(received: &u64) -> usize {
        size_of_val(received)
    }
}

impl Sample for [u8] {
    fn with<R>(id: u64, act: impl FnOnce(&[u8]) -> R) -> R {
        act(&id.to_ne_bytes()[..id as usize % (LIMIT + 1)])
    }
    fn size(received: &Vec<u8>) -> usize {
        received.len()
    }
}

/// Looks at the file, opens it and works with it.
///
/// # Panics
/// If a call does something that it must not do.
pub fn run(input: Input) {
    // For each input one: the fuzzer ends without dropping what is static.
    let place = tempfile::tempdir_in("/dev/shm").expect("temporary directory");
    let path = place.path().join("ring");
    let name = path.to_str().expect("a path in UTF-8");
    match input.0 {
        Contents::Raw(bytes) => {
            fs::write(&path, bytes).expect("write of the ring file");
            work_on(name, 0, true);
            work_on(name, 3, false);
        }
        Contents::Patched {
            kind,
            typed,
            capacity,
            sent,
            received,
            patches,
            length,
        } => {
            make(name, kind, typed, capacity, sent, received);
            let file = File::options().read(true).write(true).open(&path);
            let file = file.expect("ring file");
            let shape = Shape::of(&file);
            for patch in &patches {
                patch.apply(&file, &shape);
            }
            if let Some(length) = length {
                file.set_len(u64::from(length) % MAX_FILE)
                    .expect("length of the ring file");
            }
            work_on(name, kind, typed);
        }
    }
}

fn make(name: &str, kind: u8, typed: bool, capacity: u8, sent: u8, received: u8) {
    dispatch!(kind, typed, make_one(name, capacity, sent, received));
}

fn make_one<T: Sample + ?Sized, K: Kind>(name: &str, capacity: u8, sent: u8, received: u8) {
    let builder = Ring::<T, K>::builder()
        .capacity(super::capacity(capacity))
        .layout(super::layout(capacity))
        .message_limit(LIMIT)
        // The thorough barrier before the end takes milliseconds.
        .fence_mode(FenceMode::Fence);
    let ring = builder.create(name).expect("a new ring");
    let mut sender = ring.sender().expect("sender");
    let mut receiver = ring.receiver().expect("receiver");
    for id in 0..sent.into() {
        let _ = T::with(id, |message| sender.try_send(message).is_ok());
    }
    for _ in 0..received {
        let _ = receiver.try_recv();
    }
}

fn work_on(name: &str, kind: u8, typed: bool) {
    let _ = memring::inspect(name);
    dispatch!(kind, typed, work_on_one(name));
}

/// Whatever may come of it, it comes back.
fn work_on_one<T: Sample + ?Sized, K: Kind>(name: &str) {
    let Ok(ring) = Ring::<T, K>::open(name) else {
        return;
    };
    // A capacity beyond the file's end was refused.
    // (A line of 64 bytes holds 56 messages at most.)
    assert!(ring.capacity() as u64 * 64 / 56 <= MAX_FILE);
    let _ = (ring.len(), ring.is_empty(), ring.stats());
    let mut sender = ring.sender().ok();
    let mut receiver = ring.receiver().ok();
    for id in 0..20 {
        if let Some(sender) = &mut sender {
            let _ = T::with(id, |message| sender.try_send(message).is_ok());
            if let Ok(mut grant) = sender.try_reserve() {
                let _ = T::with(id, |message| grant.write(message));
                if id % 3 > 0 {
                    let _ = grant.commit();
                }
            }
        }
        if let Some(receiver) = &mut receiver {
            let _ = (receiver.is_empty(), receiver.len());
            if let Ok(received) = receiver.try_recv() {
                assert!(T::size(&received) <= ring.message_size());
            }
            if let Ok(leases) = receiver.try_lease_batch(3) {
                for leased in leases.iter() {
                    assert!(T::size(&leased.read()) <= ring.message_size());
                }
                if id % 3 > 0 {
                    leases.release();
                }
            }
        }
    }
    let _ = ring.close();
    if let Some(receiver) = &mut receiver {
        let limit = 2 * ring.capacity() * 16;
        let _ = receiver.try_iter().take(limit).count();
    }
}
