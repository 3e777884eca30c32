//! `examples/read_ring.py`, which knows nothing but `docs/format.md`, against
//! rings that are in use, and against files that are no rings.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use memring::{Kind, Mpmc, Peer, Ring, Side};
use memring_testkit::for_each_kind;
use memring_testkit::format::*;
use memring_testkit::holders::{Scene, put};
use memring_testkit::loads::Line;
use memring_testkit::programs::{Finished, Running};
use memring_testkit::text::skipped;

use super::samples::Sample;

/// Runs the reader; `None` if there is no Python, which is said once.
fn read(path: &Path) -> Option<Finished> {
    static HAS_PYTHON: LazyLock<bool> = LazyLock::new(|| {
        let mut python = Command::new("python3");
        let found = python.arg("--version").stdout(Stdio::null()).status();
        if found.is_err() {
            skipped("there is no python3 to run examples/read_ring.py");
        }
        found.is_ok()
    });
    if !*HAS_PYTHON {
        return None;
    }
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/read_ring.py");
    let mut python = Command::new("python3");
    python
        .arg(script)
        .arg(path)
        .arg("--slots")
        .stdin(Stdio::null());
    Some(Running::start(&mut python, "the reader").finish())
}

/// The lines that it prints of a ring: name and value.
fn rows(path: &Path) -> Option<Vec<(String, String)>> {
    let output = read(path)?.succeeded();
    let row = |line: &str| {
        let (name, value) = line.split_at(12);
        (name.trim().to_string(), value.trim().to_string())
    };
    Some(output.text().lines().map(row).collect())
}

fn values<'r>(rows: &'r [(String, String)], name: &str) -> Vec<&'r str> {
    let named = rows.iter().filter(|row| row.0 == name);
    named.map(|row| row.1.as_str()).collect()
}

/// What it should say of those attached.
fn members<'p>(side: &'p str, peers: &'p [Peer]) -> impl Iterator<Item = String> + 'p {
    peers.iter().map(move |peer| {
        let life = if peer.alive { "alive" } else { "dead" };
        format!("{} {side} process {} {life}", peer.id, peer.pid)
    })
}

/// A ring with messages, of which a receiver holds two.
fn rings_in_use_with_the_living_and_the_dead<K: Kind>() {
    let builder = Ring::<Line, K>::builder().capacity(8).schema(0xabc);
    let scene = Scene::new(builder.start_position(1 << 40));
    let Scene { home, ring, .. } = &scene;
    let mut tx = ring.sender().expect("attach a sender");
    put(&mut tx, 0..6);
    let path = PathBuf::from(home.ring());
    let mut rx = ring.receiver().expect("attach a receiver");
    let lease = rx.lease_batch(2).expect("lease");
    let stats = ring.stats();
    let Some(found) = rows(&path) else { return };
    let value = |name| values(&found, name)[0];
    assert_eq!(value("kind"), K::KIND.to_string());
    assert_eq!(value("message"), "64 bytes, aligned to 8");
    assert_eq!(value("capacity"), "8 slots of 72 bytes");
    assert_eq!(value("schema"), "0xabc");
    assert_eq!(value("start"), (1u64 << 40).to_string());
    assert_eq!(value("file"), format!("{} bytes", SLOTS + 8 * 72));
    assert_eq!((value("in use"), value("closed")), ("yes", "no"));
    for (name, number) in [
        ("sent", stats.sent),
        ("received", stats.received),
        ("length", stats.len as u64),
    ] {
        assert_eq!(value(name), number.to_string(), "{name}");
    }
    assert_eq!(stats.sent, 6);
    let expected: Vec<String> = members("sender", &stats.senders)
        .chain(members("receiver", &stats.receivers))
        .collect();
    assert_eq!((expected.len(), values(&found, "member").len()), (2, 2));
    assert_eq!(values(&found, "member"), expected);
    assert!(expected.iter().all(|line| line.ends_with("alive")));
    let slots = values(&found, "slot");
    assert_eq!(slots.len(), 8);
    let lap = (1u64 << 40) / 8;
    let state = if K::KIND.has_many_receivers() {
        format!("READING redeliveries 0 owner {}", stats.receivers[0].id)
    } else {
        "PUBLISHED redeliveries 0 owner 0".into()
    };
    assert_eq!(slots[1], format!("1 lap {lap} {state}"));
    assert_eq!(
        slots[5],
        format!("5 lap {lap} PUBLISHED redeliveries 0 owner 0")
    );
    assert_eq!(slots[7], format!("7 lap {lap} FREE redeliveries 0 owner 0"));
    lease.release();
    ring.close().expect("close");
    drop((tx, rx));
    let found = rows(&path).expect("as before");
    assert_eq!(values(&found, "closed"), ["yes"]);
    assert!(values(&found, "member").is_empty());
}

for_each_kind!(rings_in_use_with_the_living_and_the_dead);

#[test]
fn the_dead_are_told_from_the_living() {
    let scene = Scene::<Mpmc>::of(8);
    let path = PathBuf::from(scene.home.ring());
    put(&mut scene.ring.sender().expect("attach"), 0..6);
    let (one, other) = (scene.hold(Side::Receiver, 1), scene.hold(Side::Receiver, 2));
    let (dead, living) = (one.pid(), other.pid());
    one.kill();
    let Some(found) = rows(&path) else { return };
    let expected = [
        format!("512 receiver process {dead} dead"),
        format!("513 receiver process {living} alive"),
    ];
    assert_eq!(values(&found, "member"), expected);
    // A stopped one is alive.
    other.stop();
    let found = rows(&path).expect("as before");
    assert_eq!(values(&found, "member"), expected);
    other.resume();
    // Looking has cleared up nothing; a receiver that attaches does, and takes the place.
    let rx = scene.ring.receiver().expect("attach");
    let found = rows(&path).expect("as before");
    let me = std::process::id();
    assert!(!values(&found, "member").contains(&expected[0].as_str()));
    assert!(
        values(&found, "member")
            .iter()
            .any(|line| line.ends_with(&format!("{me} alive")))
    );
    drop(rx);
    scene.let_go(other);
}

/// Checks that the reader says one line that names the file and has these words in it, and
/// nothing else.
#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let Some(output) = read(path) else { return };
    let begin = format!("read_ring: {}: ", path.display());
    assert_eq!(output.failed_with(&begin, words).text(), "");
}

#[test]
fn arbitrary_bytes_end_in_one_line() {
    if cfg!(target_endian = "big") {
        return; // the samples are of the other sort
    }
    let long = u64::MAX.to_le_bytes();
    let cases: [(u64, &[u8], &[&str]); 27] = [
        (0, b"Memring", &["magic", "expected b'memring"]),
        (VERSION, &[1], &["format version", "expected 3, found 1"]),
        (
            BYTE_ORDER,
            &[4, 3, 2, 1],
            &["byte order", "expected 0x04030201"],
        ),
        (OBJECT, &[9], &["object", "expected 1, found 9"]),
        (
            OBJECT_VERSION,
            &[9],
            &["object_version", "expected 1, found 9"],
        ),
        (BARRIER, &[9], &["barrier", "found 9"]),
        (TABLE_OFFSET, &[1], &["table_offset", "expected 4096"]),
        (TABLE_ENTRIES, &[1], &["table_entries", "expected 1024"]),
        (DATA_OFFSET, &[1], &["data_offset", "expected 20480"]),
        (TOTAL_SIZE, &long, &["total_size", "expected 20544"]),
        (RESERVED, &[1], &["reserved"]),
        (KIND, &[4], &["kind", "expected 0 to 3, found 4"]),
        (WAKEUPS, &[9], &["wakeups", "found 9"]),
        (ON_DEATH, &[9], &["on_death", "found 9"]),
        (
            MAX_DELIVERIES,
            &[0],
            &["max_deliveries", "expected 1 to 15"],
        ),
        (SHAPE, &[9], &["shape", "found 9"]),
        (CAPACITY, &[3], &["capacity", "power of two"]),
        (CAPACITY, &long, &["capacity", "power of two"]),
        (CAPACITY, &[64], &["total_size"]),
        (MESSAGE_SIZE, &long, &["stride"]),
        (MESSAGE_ALIGN, &[3], &["message_align"]),
        (STRIDE, &long, &["stride", "expected 16"]),
        (RESERVED_WORDS, &[1], &["reserved"]),
        (CLOSED, &[3], &["closed", "expected 0 to 2, found 3"]),
        // Free, and held; read by a sender; given back too often.
        (SLOTS, &[1, 0], &["slot 0", "0x0000000000010001"]),
        (SLOTS + 16, &[1, 0xc0], &["slot 1", "state"]),
        (SLOTS + 32, &[0, 0xbc], &["slot 2", "state"]),
    ];
    for (offset, bytes, words) in cases {
        let sample = Sample::of("numbers", FORMAT);
        let file = File::options().write(true).open(sample.path()).unwrap();
        file.write_all_at(bytes, offset).unwrap();
        refused(&sample.path(), words);
    }
    for length in [0, HEADERS - 1, HEADERS, SLOTS, SLOTS + 63] {
        let sample = Sample::of("numbers", FORMAT);
        let file = File::options().write(true).open(sample.path()).unwrap();
        file.set_len(length).unwrap();
        refused(&sample.path(), &[&length.to_string(), "expected"]);
    }
}

#[test]
fn other_things_end_in_one_line() {
    let sample = Sample::of("numbers", FORMAT);
    let directory = sample.path().parent().unwrap().to_owned();
    refused(&directory.join("none"), &["No such file"]);
    refused(&directory, &["expected a regular file"]);
    let fifo = directory.join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    refused(&fifo, &["expected a regular file"]);
    let link = directory.join("link");
    symlink(sample.path(), &link).unwrap();
    refused(&link, &["symbolic link"]);
    let text = directory.join("text");
    fs::write(&text, [b'x'; 200]).unwrap();
    refused(&text, &["magic"]);
    // The sample itself is good.
    assert!(rows(&sample.path()).is_none_or(|rows| rows.len() > 20));
}
