//! Arbitrary bytes as a ring file: looking at it, opening it and working with
//! it end in a result or in an error, never in a panic or a crash.
//!
//! Two kinds of input. Raw bytes are the whole file. A ring of a known shape
//! with some bytes overwritten gets past the checks of the header, into the
//! words that peers write. The fuzzer works alone with such a ring, so calls
//! that never block are made, and in finite number.

#![no_main]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memring::{Kind, Message, Mpmc, Mpsc, Ring, Spmc, Spsc};

/// The longest byte message.
const LIMIT: usize = 8;
/// Bytes from slot to slot in rings of byte messages; 16 in the others.
const WIDE: u64 = 32;
/// No file gets longer.
const MAX_FILE: u64 = 1 << 20;

#[derive(Arbitrary, Debug)]
enum Input {
    Raw(Vec<u8>),
    Patched {
        kind: u8,
        typed: bool,
        /// Capacity as a power of two, modulo 5.
        capacity: u8,
        /// Messages sent, and then received, before the patches.
        sent: u8,
        received: u8,
        patches: Vec<Patch>,
        /// A new length, modulo [`MAX_FILE`].
        length: Option<u32>,
    },
}

#[derive(Arbitrary, Debug)]
enum Patch {
    Header {
        offset: u8,
        byte: u8,
    },
    /// One of the words of the control lines.
    Control {
        word: u8,
        value: u64,
    },
    /// An entry of the participant table.
    Entry {
        id: u16,
        value: u64,
    },
    /// Eight bytes of the slots.
    Slot {
        word: u16,
        value: u64,
    },
    /// The length of a byte message, perhaps nearly right.
    Length {
        slot: u8,
        length: u16,
    },
    /// A slot word put together from its fields, so as to be nearly right.
    Word {
        slot: u8,
        wide: bool,
        lap: i8,
        state: u8,
        attempt: u8,
        owner: u16,
    },
}

impl Patch {
    fn apply(&self, file: &File) {
        let (offset, value) = match *self {
            Patch::Header { offset, byte } => {
                write(file, &[byte], u64::from(offset) % 128);
                return;
            }
            Patch::Control { word, value } => (0x100 + u64::from(word) % 0xb0 * 8, value),
            Patch::Entry { id, value } => (0x1000 + u64::from(id) % 1024 * 16, value),
            Patch::Slot { word, value } => (0x5000 + u64::from(word) % 256 * 8, value),
            Patch::Length { slot, length } => {
                let offset = 0x5000 + u64::from(slot) % 16 * WIDE + 8;
                (offset, length.into())
            }
            Patch::Word {
                slot,
                wide,
                lap,
                state,
                attempt,
                owner,
            } => {
                let lap = (i64::from(lap) as u64) << 16;
                let fields = u64::from(state % 4) << 14 | u64::from(attempt % 16) << 10;
                let stride = if wide { WIDE } else { 16 };
                let offset = 0x5000 + u64::from(slot) % 16 * stride;
                (offset, lap | fields | u64::from(owner) % 1024)
            }
        };
        write(file, &value.to_ne_bytes(), offset);
    }
}

fn write(file: &File, bytes: &[u8], offset: u64) {
    file.write_all_at(bytes, offset)
        .expect("write of the ring file");
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

fuzz_target!(|input: Input| {
    // For each input one: the fuzzer ends without dropping what is static.
    let place = tempfile::tempdir_in("/dev/shm").expect("temporary directory");
    let path = place.path().join("ring");
    let name = path.to_str().expect("a path in UTF-8");
    match input {
        Input::Raw(bytes) => {
            fs::write(&path, bytes).expect("write of the ring file");
            work_on(name, 0, true);
            work_on(name, 3, false);
        }
        Input::Patched {
            kind,
            typed,
            capacity,
            sent,
            received,
            patches,
            length,
        } => {
            make(name, kind, typed, 1 << (capacity % 5), sent, received);
            let file = File::options().write(true).open(&path).expect("ring file");
            for patch in &patches {
                patch.apply(&file);
            }
            if let Some(length) = length {
                file.set_len(u64::from(length) % MAX_FILE)
                    .expect("length of the ring file");
            }
            work_on(name, kind, typed);
        }
    }
});

/// Calls `$call::<T, K>` with the type and the kind that the input names.
macro_rules! dispatch {
    ($kind:expr, $typed:expr, $call:ident $arguments:tt) => {
        match ($kind % 4, $typed) {
            (0, true) => $call::<u64, Spsc> $arguments,
            (1, true) => $call::<u64, Mpsc> $arguments,
            (2, true) => $call::<u64, Spmc> $arguments,
            (_, true) => $call::<u64, Mpmc> $arguments,
            (0, false) => $call::<[u8], Spsc> $arguments,
            (1, false) => $call::<[u8], Mpsc> $arguments,
            (2, false) => $call::<[u8], Spmc> $arguments,
            (_, false) => $call::<[u8], Mpmc> $arguments,
        }
    };
}

fn make(name: &str, kind: u8, typed: bool, capacity: usize, sent: u8, received: u8) {
    dispatch!(kind, typed, make_one(name, capacity, sent, received));
}

fn make_one<T: Sample + ?Sized, K: Kind>(name: &str, capacity: usize, sent: u8, received: u8) {
    let builder = Ring::<T, K>::builder()
        .capacity(capacity)
        .message_limit(LIMIT);
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
    assert!(ring.capacity() as u64 * 16 <= MAX_FILE);
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
                if id % 3 == 0 {
                    leases.requeue();
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
