//! Segments that earlier versions of this crate have made, kept for good.
//!
//! A program opens them, or refuses them by name because its format's version is
//! another. When the version moves, the samples of the old one stay as they are
//! and new ones are added, which
//!
//! ```sh
//! MEMRING_WRITE_SAMPLES=1 cargo test -p memring --test access samples
//! ```
//!
//! writes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use memring::{
    FenceMode, Kind, Message, MessageKind, Mismatch, Mpmc, OnDeath, RecvError, Ring, RingError,
    RingKind, Spmc, Spsc, TryRecvError, Wakeups,
};
use memring_testkit::format::{self, FORMAT};
use memring_testkit::homes::{Directory, directory};

use super::one_to_one;

/// Where the slots begin.
const SLOTS: usize = format::SLOTS as usize;
/// Bytes of the headers.
const HEADERS: usize = format::HEADERS as usize;

fn path(name: &str, version: u32) -> PathBuf {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/access/format/samples");
    samples.join(format!("{name}.v{version}"))
}

/// A copy of a sample, for this test to do with as it likes.
pub struct Sample {
    directory: Directory,
}

impl Sample {
    pub fn of(name: &str, version: u32) -> Sample {
        let sample = Sample {
            directory: directory(),
        };
        fs::copy(path(name, version), sample.path()).expect("copy a sample");
        fs::set_permissions(sample.path(), Permissions::from_mode(0o600)).expect("mode");
        sample
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("sample")
    }

    pub fn name(&self) -> String {
        self.path().to_str().expect("a path of ASCII").into()
    }

    /// Opens it, unless this program is of another version or machine: then it
    /// was refused by name.
    pub fn open<T: Message + ?Sized, K: Kind>(
        &self,
        version: u32,
        schema: u64,
    ) -> Option<Ring<T, K>> {
        match Ring::builder().schema(schema).open(self.name()) {
            Ok(ring) => Some(ring),
            Err(RingError::Mismatch { mismatch, .. }) => {
                match mismatch {
                    Mismatch::Version { found, .. } if version != FORMAT => {
                        assert_eq!(found, version);
                    }
                    Mismatch::ByteOrder { .. } if cfg!(target_endian = "big") => {}
                    other => panic!("{other}"),
                }
                None
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Has been through a lap; one message was given back, three were not.
fn make_numbers(name: &str) {
    let ring = Ring::<u64, Mpmc>::builder();
    let ring = ring.capacity(4).schema(0x5eed).max_deliveries(3);
    let ring = ring.fence_mode(FenceMode::Fence).create(name).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for number in 1..=4 {
        tx.send(number * 0x1111).unwrap();
    }
    for _ in 0..2 {
        rx.recv().unwrap();
    }
    for number in 5..=6 {
        tx.send(number * 0x1111).unwrap();
    }
    rx.lease().unwrap().requeue();
}

/// Of varying length, closed, with one message received.
fn make_bytes(name: &str) {
    let ring = Ring::<[u8], Spsc>::builder().capacity(4).message_limit(24);
    let ring = ring.wakeups(Wakeups::SpinOnly).fence_mode(FenceMode::Fence);
    let ring = ring.on_receiver_death(OnDeath::Discard);
    let ring = ring.create(name).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for message in ["alpha", "", "as long as a message gets"] {
        tx.send(&message.as_bytes()[..message.len().min(24)])
            .unwrap();
    }
    assert_eq!(rx.recv().unwrap(), b"alpha");
    ring.close().unwrap();
}

/// In slots that are not whole lines: one message received, one leased and given up.
fn make_blocks(name: &str) {
    let ring = Ring::<[u64; 8], Spmc>::builder().capacity(4);
    let ring = ring.fence_mode(FenceMode::Fence).create(name).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for number in 1..=3 {
        tx.send([number; 8]).unwrap();
    }
    assert_eq!(rx.recv(), Ok([1; 8]));
    rx.lease().unwrap().requeue();
}

#[test]
fn numbers_open_for_ever() {
    for version in 1..=FORMAT {
        numbers_of(version);
    }
}

fn numbers_of(version: u32) {
    let sample = Sample::of("numbers", version);
    let Some(ring) = sample.open::<u64, Mpmc>(version, 0x5eed) else {
        return;
    };
    let seen = memring::inspect(sample.name()).unwrap();
    assert_eq!((seen.kind, seen.capacity), (RingKind::Mpmc, 4));
    assert_eq!(seen.message, MessageKind::Typed { size: 8, align: 8 });
    assert_eq!((seen.schema, seen.file_size), (0x5eed, 0x5040));
    assert_eq!(
        (seen.wakeups, seen.on_death),
        (Wakeups::Blocking, OnDeath::Redeliver)
    );
    assert_eq!((seen.stats.sent, seen.stats.redelivered), (6, 1));
    assert!(!seen.closed && seen.stats.senders.is_empty() && seen.stats.receivers.is_empty());
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    for (number, attempt) in [(3, 1), (4, 0), (5, 0), (6, 0)] {
        let lease = rx.try_lease().unwrap();
        assert_eq!(
            (lease.read(), lease.redeliveries()),
            (number * 0x1111, attempt)
        );
        lease.release();
    }
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    // Not only to look at.
    for number in 0..9 {
        tx.try_send(number).unwrap();
        assert_eq!(rx.try_recv(), Ok(number));
    }
}

#[test]
fn bytes_open_for_ever() {
    for version in 1..=FORMAT {
        bytes_of(version);
    }
}

fn bytes_of(version: u32) {
    let sample = Sample::of("bytes", version);
    let Some(ring) = sample.open::<[u8], Spsc>(version, 0) else {
        return;
    };
    let seen = memring::inspect(sample.name()).unwrap();
    assert_eq!((seen.kind, seen.capacity), (RingKind::Spsc, 4));
    assert_eq!(seen.message, MessageKind::Bytes { limit: 24 });
    assert_eq!(
        (seen.wakeups, seen.on_death),
        (Wakeups::SpinOnly, OnDeath::Discard)
    );
    assert_eq!((seen.stats.sent, seen.stats.received), (3, 1));
    assert!(seen.closed);
    let mut rx = ring.receiver().unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"");
    assert_eq!(rx.try_recv().unwrap(), b"as long as a message get");
    // The process that closed it has noted no barrier: a call that waits makes one.
    assert_eq!(rx.recv(), Err(RecvError::Closed));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    assert!(ring.sender().unwrap().try_send(b"late").is_err());
}

/// There since version 2.
#[test]
fn blocks_open_for_ever() {
    for version in 2..=FORMAT {
        let sample = Sample::of("blocks", version);
        let Some(ring) = sample.open::<[u64; 8], Spmc>(version, 0) else {
            continue;
        };
        let seen = memring::inspect(sample.name()).unwrap();
        assert_eq!(seen.file_size, SLOTS as u64 + 4 * 72);
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for (number, attempt) in [(2, 1), (3, 0)] {
            let lease = rx.try_lease().unwrap();
            assert_eq!((lease.read(), lease.redeliveries()), ([number; 8], attempt));
            lease.release();
        }
        for number in 0..9 {
            tx.try_send([number; 8]).unwrap();
            assert_eq!(rx.try_recv(), Ok([number; 8]));
        }
    }
}

/// Words that have one value after the same calls: of the single receiver, and of the end.
const EXACT: [u64; 5] = [
    format::TAKEN,
    format::DONE,
    format::MARKED,
    format::CLOSED,
    format::FINAL,
];

/// Makes a sample at a path.
type Make = fn(&str);

/// The header, what lies behind the table, and the exact words are what the same calls make
/// today, byte for byte. (Hints and counters may be moved in other ways without another
/// format.)
#[test]
fn the_same_calls_make_the_same_bytes() {
    if cfg!(target_endian = "big") {
        return; // the samples are of the other sort
    }
    let mut makes: Vec<(&str, Make)> = vec![
        ("numbers", make_numbers),
        ("bytes", make_bytes),
        ("blocks", make_blocks),
    ];
    makes.extend(
        one_to_one::cases()
            .iter()
            .map(|case| (case.name, case.make)),
    );
    for (name, make) in makes {
        let place = directory();
        let fresh = place.path().join(name);
        make(fresh.to_str().unwrap());
        let made = fs::read(&fresh).unwrap();
        let sample = path(name, FORMAT);
        if std::env::var_os("MEMRING_WRITE_SAMPLES").is_some() {
            fs::write(&sample, &made).unwrap();
            println!("written: {}", sample.display());
        }
        let kept = fs::read(&sample).unwrap();
        assert_eq!(made.len(), kept.len(), "{name}");
        assert_eq!(made[..HEADERS], kept[..HEADERS], "header of {name}");
        assert_eq!(made[SLOTS..], kept[SLOTS..], "data of {name}");
        for at in EXACT.map(|at| at as usize) {
            assert_eq!(made[at..at + 8], kept[at..at + 8], "{name} at {at:#x}");
        }
    }
}
