//! Files whose bytes are wrong.

use memring::{Kind, Message, Mismatch, Mpmc, Mpsc, Ring, RingKind, Spmc, Spsc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use memring_testkit::format::*;
use memring_testkit::text::says;

use super::refused;
use crate::place::Place;

fn ring() -> Place {
    Place::with::<u64, Spsc>()
}

/// A ring of `u64` with one 4-byte field overwritten.
fn with_u32(offset: u64, value: u32) -> Mismatch {
    let place = ring();
    place.patch(offset, &value.to_ne_bytes());
    refused::<u64, Spsc>(&place)
}

/// A ring of `u64` with one 8-byte field overwritten.
fn with_u64(offset: u64, value: u64) -> Mismatch {
    with_u64_of::<Spsc>(offset, value)
}

/// The same of another kind.
fn with_u64_of<K: Kind>(offset: u64, value: u64) -> Mismatch {
    let place = Place::with::<u64, K>();
    place.patch(offset, &value.to_ne_bytes());
    refused::<u64, K>(&place)
}

#[test]
fn a_file_that_is_no_ring() {
    let place = Place::empty();
    std::fs::write(&place.path, [b'x'; 1 << 16]).unwrap();
    let mismatch = refused::<u64, Spsc>(&place);
    assert!(matches!(mismatch, Mismatch::Magic { found, .. } if found == [b'x'; 8]));
    says(&mismatch, &["not a memring file", "magic number"]);
    // Also if it is short, and even if it is empty.
    std::fs::write(&place.path, "Dear diary,").unwrap();
    let mismatch = refused::<u64, Spsc>(&place);
    assert!(matches!(mismatch, Mismatch::Magic { .. }), "{mismatch}");
    std::fs::write(&place.path, "").unwrap();
    let mismatch = refused::<u64, Spsc>(&place);
    let expected = Mismatch::TooShort {
        expected: HEADERS,
        found: 0,
    };
    assert_eq!(mismatch, expected);
}

#[test]
fn a_file_that_ends_too_soon() {
    for length in [8, 64, HEADERS - 1] {
        let place = ring();
        place.resize(length);
        let mismatch = refused::<u64, Spsc>(&place);
        let expected = Mismatch::TooShort {
            expected: HEADERS,
            found: length,
        };
        assert_eq!(mismatch, expected);
    }
    let place = ring();
    let whole = std::fs::metadata(&place.path).unwrap().len();
    for length in [HEADERS, SLOTS, whole - 1] {
        place.resize(length);
        let mismatch = refused::<u64, Spsc>(&place);
        let expected = Mismatch::TooShort {
            expected: whole,
            found: length,
        };
        assert_eq!(mismatch, expected);
        says(
            &mismatch,
            &["too short", &whole.to_string(), &length.to_string()],
        );
    }
}

#[test]
fn a_file_that_is_longer_is_fine() {
    let place = ring();
    place.resize(1 << 20);
    Ring::<u64, Spsc>::open(place.name()).unwrap();
}

#[test]
fn another_version_of_the_format() {
    for version in [0, 1, 2, 4, u32::MAX] {
        let mismatch = with_u32(VERSION, version);
        let expected = Mismatch::Version {
            expected: FORMAT,
            found: version,
        };
        assert_eq!(mismatch, expected);
        says(
            &mismatch,
            &["version 3", &format!("version {version}"), "same format"],
        );
    }
}

#[test]
fn two_versions_side_by_side() {
    let place = ring();
    let newer = place.beside("newer");
    // All but magic, version and byte order may mean something else there.
    std::fs::copy(&place.path, &newer.path).unwrap();
    newer.patch(VERSION, &4u32.to_ne_bytes());
    newer.patch(OBJECT, &[0xff; 176]);
    let mut sender = Ring::<u64, Spsc>::open(place.name())
        .unwrap()
        .sender()
        .unwrap();
    let mismatch = refused::<u64, Spsc>(&newer);
    assert!(matches!(mismatch, Mismatch::Version { found: 4, .. }));
    let error = memring::inspect(newer.name()).unwrap_err();
    says(&error, &["version 4", "newer"]);
    sender.send(1).unwrap();
    // It can be removed, being a ring.
    memring::remove(newer.name()).unwrap();
    assert!(!newer.path.exists());
}

#[test]
fn another_object() {
    for object in [0, 2, u32::MAX] {
        let mismatch = with_u32(OBJECT, object);
        let expected = Mismatch::Object {
            expected: "a ring",
            found: object,
        };
        assert_eq!(mismatch, expected);
        says(&mismatch, &[&format!("kind {object}"), "expected a ring"]);
    }
    for version in [0, 2, u32::MAX] {
        let mismatch = with_u32(OBJECT_VERSION, version);
        let expected = Mismatch::ObjectVersion {
            object: "a ring",
            expected: 1,
            found: version,
        };
        assert_eq!(mismatch, expected);
        says(
            &mismatch,
            &["a ring", &format!("version {version}"), "version 1"],
        );
    }
}

#[test]
fn the_other_byte_order() {
    let place = ring();
    place.patch(BYTE_ORDER, &[4, 3, 2, 1]);
    // The version then reads in the wrong order too, and must not be believed.
    place.patch(VERSION, &1u32.swap_bytes().to_ne_bytes());
    let mismatch = refused::<u64, Spsc>(&place);
    let ours = u32::from_le_bytes([1, 2, 3, 4]);
    let expected = Mismatch::ByteOrder {
        expected: ours,
        found: u32::from_le_bytes([4, 3, 2, 1]),
    };
    assert_eq!(mismatch, expected);
    says(&mismatch, &["byte order", "expected", "machine"]);
}

#[test]
fn another_kind() {
    let place = Place::with::<u64, Mpsc>();
    for (mismatch, expected) in [
        (refused::<u64, Spsc>(&place), "spsc"),
        (refused::<u64, Spmc>(&place), "spmc"),
        (refused::<u64, Mpmc>(&place), "mpmc"),
    ] {
        let found = "mpsc".to_string();
        let expected = expected.to_string();
        says(&mismatch, &[&expected, &found]);
        assert_eq!(mismatch, Mismatch::Kind { expected, found });
    }
    Ring::<u64, Mpsc>::open(place.name()).unwrap();
}

#[test]
fn another_type() {
    let place = ring();
    let mismatch = refused::<u32, Spsc>(&place);
    let expected = Mismatch::MessageSize {
        expected: 4,
        found: 8,
    };
    assert_eq!(mismatch, expected);
    says(&mismatch, &["8 bytes", "expected 4"]);
    // As large, aligned otherwise.
    let mismatch = refused::<[u8; 8], Spsc>(&place);
    let expected = Mismatch::MessageAlign {
        expected: 1,
        found: align_of::<u64>() as u64,
    };
    assert_eq!(mismatch, expected);
    says(&mismatch, &["aligned", "expected 1"]);
}

#[test]
fn typed_against_bytes() {
    let mismatch = refused::<[u8], Spsc>(&ring());
    assert!(matches!(mismatch, Mismatch::Shape { .. }));
    says(
        &mismatch,
        &["of fixed-size messages, expected one of byte messages"],
    );
    let mismatch = refused::<u64, Spsc>(&Place::with::<[u8], Spsc>());
    assert!(matches!(mismatch, Mismatch::Shape { .. }));
    says(
        &mismatch,
        &["of byte messages, expected one of fixed-size messages"],
    );
}

#[test]
fn another_schema() {
    let place = Place::empty();
    let ring = || Ring::<u64, Spsc>::builder().schema(0xabc);
    ring().create(place.name()).unwrap();
    let mismatch = refused::<u64, Spsc>(&place);
    let expected = Mismatch::Schema {
        expected: 0,
        found: 0xabc,
    };
    assert_eq!(mismatch, expected);
    says(&mismatch, &["0xabc", "expected 0x0", "mean"]);
    ring().open(place.name()).unwrap();
}

#[test]
fn a_capacity_that_cannot_be() {
    let cannot_be = |mismatch: Mismatch, capacity: u64| {
        let expected = Mismatch::Capacity {
            max: 1 << 31,
            found: capacity,
        };
        assert_eq!(mismatch, expected);
        says(
            &mismatch,
            &[&capacity.to_string(), "power of two", "2147483648"],
        );
    };
    for capacity in [(1 << 31) + 1, 1 << 32, u64::MAX] {
        cannot_be(with_u64(CAPACITY, capacity), capacity);
        cannot_be(with_u64_of::<Mpmc>(CAPACITY, capacity), capacity);
    }
    // A rendezvous ring has slots, and no other has.
    for (offset, value) in [(CAPACITY, 0), (HANDOVERS, 1), (HANDOVERS, u64::MAX)] {
        for mismatch in [with_u64(offset, value), with_u64_of::<Mpmc>(offset, value)] {
            let found = if offset == CAPACITY { 0 } else { value };
            says(&mismatch, &["rendezvous", &found.to_string(), "damaged"]);
        }
    }
    // With one sender and one receiver any capacity up to the limit can be.
    for capacity in [3, 6] {
        cannot_be(with_u64_of::<Mpmc>(CAPACITY, capacity), capacity);
        cannot_be(with_u64_of::<Mpsc>(CAPACITY, capacity), capacity);
        cannot_be(with_u64_of::<Spmc>(CAPACITY, capacity), capacity);
    }
}

#[test]
fn a_capacity_that_does_not_fit_the_file() {
    // Possible, but the total does not follow from it. (A line holds 7: so would it from 5.)
    for mismatch in [
        with_u64(CAPACITY, 1 << 31),
        with_u64(CAPACITY, 8),
        with_u64_of::<Mpmc>(CAPACITY, 1 << 31),
        with_u64_of::<Mpmc>(CAPACITY, 8),
    ] {
        let is_it = matches!(
            mismatch,
            Mismatch::Field {
                field: "total size",
                ..
            }
        );
        assert!(is_it, "{mismatch}");
    }
}

#[test]
fn an_arrangement_that_cannot_be() {
    fn with<T: Message + ?Sized, K: Kind>(place: &Place, arrangement: u32) -> Mismatch {
        place.patch(ARRANGEMENT, &arrangement.to_ne_bytes());
        refused::<T, K>(place)
    }
    // Slots where there is one endpoint on either side, and none where there are many.
    for (mismatch, found) in [
        (with::<u64, Spsc>(&ring(), 0), 0),
        (with::<u64, Spsc>(&ring(), 3), 3),
        (with::<u64, Mpsc>(&Place::with::<u64, Mpsc>(), 1), 1),
        (with::<u64, Spmc>(&Place::with::<u64, Spmc>(), 2), 2),
        (with::<[u8], Mpmc>(&Place::with::<[u8], Mpmc>(), 1), 1),
    ] {
        says(&mismatch, &["arrangement", "damaged"]);
        let is_it = matches!(
            mismatch,
            Mismatch::Field { field: "arrangement", found: other, .. } if other == found
        );
        assert!(is_it, "{mismatch}");
    }
    // Other lines than the file has, and lines that do not hold the message.
    let mismatch = with::<u64, Spsc>(&ring(), 2);
    says(&mismatch, &["total size"]);
    let large = Place::with::<[u64; 8], Spsc>();
    let mismatch = with::<[u64; 8], Spsc>(&large, 1);
    says(&mismatch, &["damaged"]);
    let large = Place::with::<[u8], Spsc>();
    let mismatch = with::<[u8], Spsc>(&large, 1);
    says(&mismatch, &["damaged"]);
}

#[test]
fn damaged_fields() {
    for (offset, field) in [
        (KIND, "kind"),
        (WAKEUPS, "wake-ups"),
        (BARRIER, "barrier"),
        (ON_DEATH, "receiver-death policy"),
        (MAX_DELIVERIES, "limit of deliveries"),
        (SHAPE, "message shape"),
        (RESERVED, "reserved"),
        (ARRANGEMENT, "arrangement"),
    ] {
        for value in [99, u32::MAX] {
            let mismatch = with_u32(offset, value);
            says(
                &mismatch,
                &[field, &value.to_string(), "expected", "damaged"],
            );
            assert!(matches!(mismatch, Mismatch::Field { field: found, .. } if found == field));
        }
    }
    assert!(matches!(
        with_u32(MAX_DELIVERIES, 0),
        Mismatch::Field { found: 0, .. }
    ));
    for (offset, field) in [
        (STRIDE, "stride"),
        (TABLE_OFFSET, "table offset"),
        (TABLE_ENTRIES, "table entries"),
        (DATA_OFFSET, "data offset"),
        (HANDOVERS, "slots of a rendezvous ring"),
        (RESERVED_WORDS, "reserved"),
    ] {
        for value in [99, u64::MAX] {
            let mismatch = with_u64(offset, value);
            says(
                &mismatch,
                &[field, &value.to_string(), "expected", "damaged"],
            );
            assert!(matches!(mismatch, Mismatch::Field { field: found, .. } if found == field));
        }
    }
    for value in [0, SLOTS - 1, u64::MAX, SLOTS, SLOTS + 8] {
        let mismatch = with_u64(TOTAL_SIZE, value);
        says(&mismatch, &["total size", &value.to_string(), "damaged"]);
    }
    for value in [3, 1 << 13, u64::MAX] {
        let mismatch = with_u64(MESSAGE_ALIGN, value);
        assert!(matches!(
            mismatch,
            Mismatch::Field {
                field: "message alignment",
                ..
            }
        ));
    }
    let mismatch = with_u64(MESSAGE_SIZE, u64::MAX);
    assert!(matches!(
        mismatch,
        Mismatch::Field {
            field: "message size",
            ..
        }
    ));
    let mismatch = with_u64(MESSAGE_SIZE, (i64::MAX - 4) as u64);
    assert!(matches!(mismatch, Mismatch::Field { .. }), "{mismatch}");
}

/// Opens a ring with these bytes for a header as everything it might be: each
/// opens or says why not. Whatever opens is used.
fn open_as_anything(place: &Place) {
    let _ = memring::inspect(place.name());
    if let Ok(ring) = Ring::<u64, Spsc>::open(place.name()) {
        use_it(&ring);
    }
    if let Ok(ring) = Ring::<u64, Mpmc>::open(place.name()) {
        use_it(&ring);
    }
    if let Ok(ring) = Ring::<[u8], Spmc>::open(place.name()) {
        use_bytes(&ring);
    }
    if let Ok(ring) = Ring::<[u8], Spsc>::open(place.name()) {
        use_bytes(&ring);
    }
}

fn use_it<K: Kind>(ring: &Ring<u64, K>) {
    can_be(ring);
    if let (Ok(mut sender), Ok(mut receiver)) = (ring.sender(), ring.receiver()) {
        let _ = sender.try_send(1);
        let _ = receiver.try_recv();
    }
}

fn use_bytes<K: Kind>(ring: &Ring<[u8], K>) {
    can_be(ring);
    if let (Ok(mut sender), Ok(mut receiver)) = (ring.sender(), ring.receiver()) {
        let _ = sender.try_send(b"x");
        let _ = receiver.try_recv();
    }
}

fn can_be<T: Message + ?Sized, K: Kind>(ring: &Ring<T, K>) {
    let capacity = ring.capacity();
    assert!((1..=1 << 31).contains(&capacity));
    assert!(K::KIND == RingKind::Spsc || capacity.is_power_of_two());
    assert_eq!(ring.layout().is_some(), K::KIND == RingKind::Spsc);
}

#[test]
fn any_header_opens_or_is_refused() {
    // Lines, dense messages, and slots.
    let places = [
        ring(),
        Place::with::<[u8], Spsc>(),
        Place::with::<u64, Mpmc>(),
        Place::with::<[u8], Spmc>(),
    ];
    let whole = places
        .each_ref()
        .map(|place| std::fs::read(&place.path).unwrap());
    let field = prop_oneof![
        Just(VERSION),
        Just(KIND),
        Just(CAPACITY),
        Just(MESSAGE_SIZE),
        Just(SCHEMA),
        Just(START)
    ];
    let bytes = prop_oneof![
        // All of it, some of it, a field with something plausible.
        proptest::collection::vec(any::<u8>(), HEADERS as usize).prop_map(|bytes| (0, bytes)),
        (8..HEADERS - 8, proptest::collection::vec(any::<u8>(), 1..8)),
        (field, 0..70u64).prop_map(|(at, value)| (at, value.to_ne_bytes().to_vec())),
        ((2..HEADERS / 8).prop_map(|at| at * 8), any::<u64>())
            .prop_map(|(at, value)| (at, value.to_ne_bytes().to_vec())),
    ];
    let patches = (0..places.len(), proptest::collection::vec(bytes, 1..4));
    let config = Config {
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&patches, |(which, patches)| {
        let place = &places[which];
        // The same file each time, so that what was done to it does not last.
        place.patch(0, &whole[which]);
        for (at, bytes) in patches {
            place.patch(at, &bytes);
        }
        open_as_anything(place);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}
