//! What was chosen by a look at a ring, when it is another ring by then.

use std::cell::Cell;

use clap::Parser;
use tempfile::TempDir;

use super::*;

const MODE: Mode = Mode {
    wait_through: true,
    drains: true,
};
const ONCE: Retry = Retry {
    wait: false,
    until: None,
};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    opening: Opening,
}

/// The place of a ring, and the options of a command for it.
fn with(options: &[&str]) -> (TempDir, Opening) {
    let dir = tempfile::tempdir().expect("a directory");
    let name = dir.path().join("q").to_str().expect("text").to_owned();
    let line = [&["recv", name.as_str()], options].concat();
    let opening = Line::try_parse_from(line).expect("a command line").opening;
    (dir, opening)
}

/// Kind, capacity, and bytes of a message.
fn describe(ring: &AnyRing) -> (RingKind, usize, usize) {
    fn of<K: Kind>(ring: &Ring<[u8], K>) -> (RingKind, usize, usize) {
        (K::KIND, ring.capacity(), ring.message_size())
    }
    match ring {
        AnyRing::Spsc(ring) => of(ring),
        AnyRing::Mpsc(ring) => of(ring),
        AnyRing::Spmc(ring) => of(ring),
        AnyRing::Mpmc(ring) => of(ring),
    }
}

/// Opens by looks that see: at first what `first` says, and then what is there.
fn ring(
    opening: &Opening,
    first: impl Fn() -> Option<Inspection>,
) -> (Result<(RingKind, usize, usize)>, u32) {
    let looks = Cell::new(0);
    let look = || {
        looks.set(looks.get() + 1);
        match looks.get() {
            1 => Ok(first()),
            _ => memring::inspect(&opening.name).map(Some),
        }
    };
    let opened = opening.ring(MODE, &ONCE, look);
    (opened.map(|ring| describe(&ring)), looks.get())
}

#[test]
fn a_ring_that_another_makes_meanwhile_is_opened_as_it_is() {
    let (_dir, opening) = with(&["--create"]);
    let builder = Ring::<[u8], Mpmc>::builder().capacity(8).message_limit(64);
    let _made = builder.create(&opening.name).expect("make a ring");
    let (opened, looks) = ring(&opening, || None);
    assert_eq!(opened.expect("open it"), (RingKind::Mpmc, 8, 64));
    assert_eq!(looks, 2);

    // Of the same kind, but of another size.
    let (_dir, opening) = with(&["--create", "--capacity", "8"]);
    let builder = Ring::<[u8], Spsc>::builder().capacity(8).message_limit(64);
    let _made = builder.create(&opening.name).expect("make a ring");
    let (opened, looks) = ring(&opening, || None);
    assert_eq!(opened.expect("open it"), (RingKind::Spsc, 8, 64));
    assert_eq!(looks, 2);
}

#[test]
fn what_was_asked_for_is_insisted_on() {
    for (options, word) in [
        (["--create", "--capacity", "16"], "expected 16"),
        (["--create", "--slot-size", "16"], "expected 16"),
        (["--create", "--kind", "spmc"], "expected spmc"),
    ] {
        let (_dir, opening) = with(&options);
        let builder = Ring::<[u8], Spsc>::builder();
        let builder = builder.capacity(CAPACITY).message_limit(SLOT_SIZE);
        let _made = builder.create(&opening.name).expect("make a ring");
        let (refused, looks) = ring(&opening, || None);
        let refused = refused.expect_err("not that").to_string();
        assert!(refused.contains(word), "{refused}");
        assert_eq!(looks, 1);
    }
}

/// A ring that is open when it is looked at, and ends before it is opened: its replacement
/// has no size that nobody has heard of.
#[test]
fn a_ring_that_ends_meanwhile_is_replaced_by_one_of_its_size() {
    let (_dir, opening) = with(&["--create"]);
    let builder = Ring::<[u8], Spmc>::builder().capacity(8).message_limit(64);
    let old = builder.create(&opening.name).expect("make a ring");
    let (fresh, looks) = ring(&opening, || {
        let seen = memring::inspect(&opening.name).expect("look");
        old.close().expect("close");
        Some(seen)
    });
    assert_eq!(fresh.expect("make another"), (RingKind::Spmc, 8, 64));
    assert_eq!(looks, 1);
    let now = memring::inspect(&opening.name).expect("look");
    assert!(!now.closed);
}

#[test]
fn one_that_ended_before_is_replaced_by_one_of_the_default_size() {
    let (_dir, opening) = with(&["--create"]);
    let builder = Ring::<[u8], Spmc>::builder().capacity(8).message_limit(64);
    let old = builder.create(&opening.name).expect("make a ring");
    old.close().expect("close");
    let look = || memring::inspect(&opening.name).map(Some);
    let fresh = opening.ring(MODE, &ONCE, look).expect("make another");
    assert_eq!(describe(&fresh), (RingKind::Spmc, CAPACITY, SLOT_SIZE));
}
