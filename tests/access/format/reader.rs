//! `examples/read_ring.py`, which knows nothing but `docs/format.md`, against
//! rings that are in use, and against files that are no rings.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use memring::{Kind, Mpmc, Peer, Ring, RingKind, Side, Spsc, Stats, TryRecvError};
use memring_testkit::for_each_kind;
use memring_testkit::format::*;
use memring_testkit::holders::{Scene, put};
use memring_testkit::loads::Line;
use memring_testkit::programs::{Finished, Running};
use memring_testkit::text::skipped;

use super::one_to_one::{Case, cases};
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
    let one_to_one = K::KIND == RingKind::Spsc;
    let (capacity, data) = match one_to_one {
        true => ("8 messages, dense, 8 places of 64 bytes", 8 * 64 + 8),
        false => ("8 slots of 72 bytes", 8 * 72),
    };
    assert_eq!(value("capacity"), capacity);
    assert_eq!(value("schema"), "0xabc");
    assert_eq!(value("start"), (1u64 << 40).to_string());
    assert_eq!(value("file"), format!("{} bytes", SLOTS + data));
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
    if one_to_one {
        let there = values(&found, "in the ring");
        assert_eq!(there.len(), 6);
        let first = format!("{} redeliveries 0 bytes 64: ", 1u64 << 40);
        assert!(there[0].starts_with(&first), "{}", there[0]);
    } else {
        has_slots::<K>(&values(&found, "slot"), &stats);
    }
    lease.release();
    ring.close().expect("close");
    drop((tx, rx));
    let found = rows(&path).expect("as before");
    assert_eq!(values(&found, "closed"), ["yes"]);
    assert!(values(&found, "member").is_empty());
}

for_each_kind!(rings_in_use_with_the_living_and_the_dead);

/// Eight slots, of which a receiver holds the first two and four are to be received.
fn has_slots<K: Kind>(slots: &[&str], stats: &Stats) {
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
}

/// What it says of the messages that are in a ring.
fn left(case: &Case) -> Vec<String> {
    let messages = case.left.iter().map(|(at, redeliveries, bytes)| {
        let shown = bytes.iter().take(32).map(|byte| format!("{byte:02x}"));
        let more = if bytes.len() > 32 { "..." } else { "" };
        let text = shown.collect::<String>() + more;
        format!(
            "{at} redeliveries {redeliveries} bytes {}: {text}",
            bytes.len()
        )
    });
    // Without the space at its end, where there are no bytes.
    messages.map(|row| row.trim_end().to_string()).collect()
}

#[test]
fn samples_of_one_sender_and_one_receiver() {
    if cfg!(target_endian = "big") {
        return; // the samples are of the other sort
    }
    for case in cases() {
        let Some(found) = rows(&Sample::of(case.name, FORMAT).path()) else {
            return;
        };
        let value = |name| values(&found, name)[0];
        let capacity = format!("{} messages, {}", case.capacity, case.places);
        for (name, expected) in [
            ("kind", "spsc".to_string()),
            ("capacity", capacity),
            ("file", format!("{} bytes", case.file_size)),
            ("sent", case.sent.to_string()),
            ("received", case.received.to_string()),
            ("length", case.left.len().to_string()),
            ("redelivered", case.redelivered.to_string()),
        ] {
            assert_eq!(value(name), expected, "{name} of {}", case.name);
        }
        let words = case.words.iter().enumerate();
        let lines: Vec<_> = words
            .map(|(at, word)| format!("{at} word {word}"))
            .collect();
        assert_eq!(values(&found, "line"), lines, "{}", case.name);
        assert_eq!(values(&found, "in the ring"), left(&case), "{}", case.name);
    }
}

/// `sent` of lines is a hint: one that lies is passed over, by the reader and by us.
#[test]
fn a_hint_that_lies_is_not_believed() {
    if cfg!(target_endian = "big") {
        return; // as above
    }
    for hint in [1 << 40, u64::MAX, 0, 24] {
        let sample = Sample::of("sevens", FORMAT);
        let file = File::options().write(true).open(sample.path()).unwrap();
        file.write_all_at(&u64::to_le_bytes(hint), SENT).unwrap();
        let stats = memring::inspect(sample.name()).unwrap().stats;
        assert_eq!((stats.len, stats.sent), (10, 15), "{hint}");
        let Some(found) = rows(&sample.path()) else {
            return;
        };
        assert_eq!(values(&found, "length"), ["10"], "{hint}");
        assert_eq!(values(&found, "sent"), ["15"], "{hint}");
    }
}

/// What was published after the end was fixed is in no ring, for the reader and for us.
#[test]
fn messages_beyond_the_end_do_not_count() {
    if cfg!(target_endian = "big") {
        return; // as above
    }
    // Positions, and how many messages come before them.
    for (end, messages) in [(5, 0), (6, 1), (7, 2), (8, 2), (12, 6), (17, 10), (40, 10)] {
        let sample = Sample::of("sevens", FORMAT);
        let file = File::options().write(true).open(sample.path()).unwrap();
        for (cell, value) in [(CLOSED, 2), (FINAL, end << 1 | 1)] {
            file.write_all_at(&u64::to_le_bytes(value), cell).unwrap();
        }
        let stats = memring::inspect(sample.name()).unwrap().stats;
        assert_eq!((stats.len, stats.sent), (messages, 5 + messages as u64));
        let Some(found) = rows(&sample.path()) else {
            return;
        };
        assert_eq!(values(&found, "length"), [messages.to_string()], "{end}");
        assert_eq!(values(&found, "in the ring").len(), messages, "{end}");
        let ring = Ring::<u64, Spsc>::open(sample.name()).unwrap();
        let mut rx = ring.receiver().unwrap();
        for _ in 0..messages {
            rx.try_recv().unwrap();
        }
        if end <= 17 {
            assert_eq!(rx.try_recv(), Err(TryRecvError::Closed), "{end}");
        }
    }
}

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
    let cases: [(u64, &[u8], &[&str]); 29] = [
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
        (ARRANGEMENT, &[1], &["arrangement", "found 1"]),
        (ARRANGEMENT, &[3], &["arrangement", "found 3"]),
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
    let word = SLOTS + 56;
    let cases: [(&str, u64, &[u8], &[&str]); 16] = [
        ("sevens", KIND, &[1], &["arrangement", "found 1"]),
        ("sevens", ARRANGEMENT, &[0], &["arrangement", "found 0"]),
        ("ones", ARRANGEMENT, &[2], &["total_size"]),
        ("dense", ARRANGEMENT, &[1], &["message size", "up to 56"]),
        (
            "sevens",
            CAPACITY,
            &[0],
            &["capacity", "a ring that holds messages"],
        ),
        ("sevens", CAPACITY, &long, &["capacity", "1 to 2^31"]),
        ("sevens", CAPACITY, &[15], &["total_size"]),
        ("sevens", MESSAGE_SIZE, &[16], &["stride"]),
        ("sevens", MESSAGE_ALIGN, &[3], &["message_align"]),
        ("fives", STRIDE, &[8], &["stride", "expected 5"]),
        (
            "sevens",
            TOTAL_SIZE,
            &long,
            &["total_size", "expected 20624"],
        ),
        // At the place that holds no message, and of another line.
        ("sevens", word, &[24], &["line 0", "found 24"]),
        ("sevens", word, &[9], &["line 0", "found 9"]),
        ("threes", word, &long, &["line 0", "one past"]),
        ("ended", FINAL, &[4], &["final", "0x4"]),
        // The length of the message at position 2.
        (
            "byte_lines",
            SLOTS + 2 * 16,
            &[9],
            &["message 2", "9 bytes", "at most 8"],
        ),
    ];
    for (name, offset, bytes, words) in cases {
        let sample = Sample::of(name, FORMAT);
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
