//! The layout: what must hold of it, and what it is, for good. The figures here
//! are those of `docs/format.md`; if one changes, the format's version does.

use core::mem::offset_of;

use super::*;
use crate::shm::layout::Header;

#[test]
fn word_and_small_message_share_a_line() {
    for size in 0..=56 {
        let slot = SlotLayout::of(size, 1).unwrap();
        for index in 0..64 {
            let first = index * slot.stride;
            let last = first + slot.payload + size.max(1) - 1;
            assert!(
                first / LINE == (last.max(first)) / LINE || size == 0,
                "size {size}"
            );
        }
    }
}

#[test]
fn every_slot_is_aligned_and_holds_its_message() {
    for align in [1, 2, 4, 8, 16, 32, 64, 128, 4096] {
        for size in [
            0, 1, 7, 8, 9, 48, 55, 56, 57, 63, 64, 65, 100, 1024, 4096, 4097,
        ] {
            let slot = SlotLayout::of(size, align).unwrap();
            assert_eq!(slot.payload % align, 0);
            assert_eq!(slot.stride % align.max(8), 0);
            assert!(slot.payload >= 8 && slot.stride >= slot.payload + size.next_multiple_of(8));
        }
    }
}

#[test]
fn impossible_layouts_are_refused() {
    assert_eq!(SlotLayout::of(8, 3), None);
    assert_eq!(SlotLayout::of(8, 8192), None);
    assert_eq!(SlotLayout::of(usize::MAX, 8), None);
    assert_eq!(SlotLayout::of(usize::MAX - 64, 64), None);
    assert_eq!(SlotLayout::of_bytes(usize::MAX), None);
    let slot = SlotLayout::of(1 << 40, 8).unwrap();
    assert_eq!(Frame::of_slots(slot, 1 << 31), None);
}

#[test]
fn the_object() {
    assert_eq!((RING, RING_VERSION), (ObjectKind(1), 1));
    assert_eq!(
        (size_of::<RingHeader>(), align_of::<RingHeader>()),
        (128, 8)
    );
}

/// Where each field of the ring's header is in the region.
fn fields() -> [(usize, &'static str, &'static str); 14] {
    const RING_HEADER: usize = offset_of!(Header, contents);
    let at = |offset, kind, name| (RING_HEADER + offset, kind, name);
    [
        at(offset_of!(RingHeader, kind), "u32", "kind"),
        at(offset_of!(RingHeader, wakeups), "u32", "wake-ups"),
        at(
            offset_of!(RingHeader, on_death),
            "u32",
            "receiver-death policy",
        ),
        at(
            offset_of!(RingHeader, max_deliveries),
            "u32",
            "limit of deliveries",
        ),
        at(offset_of!(RingHeader, shape), "u32", "shape"),
        at(offset_of!(RingHeader, arrangement), "u32", "arrangement"),
        at(offset_of!(RingHeader, capacity), "u64", "capacity"),
        at(offset_of!(RingHeader, message_size), "u64", "message size"),
        at(
            offset_of!(RingHeader, message_align),
            "u64",
            "message alignment",
        ),
        at(offset_of!(RingHeader, stride), "u64", "stride"),
        at(offset_of!(RingHeader, schema), "u64", "schema"),
        at(offset_of!(RingHeader, start), "u64", "start"),
        at(
            offset_of!(RingHeader, handovers),
            "u64",
            "slots of a rendezvous ring",
        ),
        at(
            offset_of!(RingHeader, reserved_words),
            "48 bytes",
            "reserved",
        ),
    ]
}

#[test]
fn the_header_s_fields() {
    let offsets = fields().map(|(offset, ..)| offset);
    let expected = [64, 68, 72, 76, 80, 84, 88, 96, 104, 112, 120, 128, 136, 144];
    assert_eq!(offsets, expected);
}

/// The control words and their names.
const CELLS: [(Cell, usize, &str); 13] = [
    (Cell::Tail, 0x400, "tail"),
    (Cell::Head, 0x480, "head"),
    (Cell::Sent, 0x500, "sent"),
    (Cell::Busy, 0x508, "busy"),
    (Cell::Taken, 0x580, "taken"),
    (Cell::Done, 0x588, "done"),
    (Cell::Marked, 0x590, "marked"),
    (Cell::Credit, 0x600, "credit"),
    (Cell::Requeues, 0x680, "requeues"),
    (Cell::Closed, 0x700, "closed"),
    (Cell::Final, 0x708, "final"),
    (Cell::Lost, 0x780, "lost"),
    (Cell::Redelivered, 0x788, "redelivered"),
];

#[test]
fn the_control_words() {
    for (cell, expected, _) in CELLS {
        assert_eq!(cell as usize, expected, "{cell:?}");
    }
    assert_eq!((CLOSED, CLOSED_AND_FENCED), (1, 2));
}

#[test]
fn the_roles_and_the_limits() {
    let roles = ROLES.map(|role| (role.index, role.ids()));
    assert_eq!(roles, [(0, 1..512), (1, 512..1024)]);
    let sides = [Side::Sender, Side::Receiver].map(|side| side.role().index);
    assert_eq!(sides, [0, 1]);
    assert_eq!((MAX_ALIGN, MAX_CAPACITY), (4096, 0x8000_0000));
    assert_eq!(LENGTH_SIZE, 8);
}

/// The table of `docs/format.md`: message, payload, stride, whole file of 1024.
#[test]
fn the_slots() {
    let slots = [
        (SlotLayout::of(1, 1), 8, 16, 36_864),
        (SlotLayout::of(8, 8), 8, 16, 36_864),
        (SlotLayout::of(24, 8), 8, 32, 53_248),
        (SlotLayout::of(32, 8), 8, 64, 86_016),
        (SlotLayout::of(56, 8), 8, 64, 86_016),
        (SlotLayout::of(64, 8), 8, 72, 94_208),
        (SlotLayout::of(64, 64), 64, 128, 151_552),
        (SlotLayout::of(4096, 8), 8, 4104, 4_222_976),
        (SlotLayout::of_bytes(48), 8, 64, 86_016),
        (SlotLayout::of_bytes(1024), 8, 1040, 1_085_440),
    ];
    for (slot, payload, stride, file) in slots {
        let slot = slot.unwrap();
        assert_eq!(slot, SlotLayout { payload, stride });
        assert_eq!(Frame::of_slots(slot, 1024).unwrap().size, file);
    }
}

/// One to one: message, capacity, stride, positions of a lap, where the attempts lie,
/// whole file. Lines are as many as hold the capacity, a power of two; dense messages lie
/// close together.
#[test]
fn lines_and_dense_messages() {
    use Arrangement::{Dense, Lines};
    let rows = [
        (Lines, 8, 1024, 8, 2048, 36_864, 38_912),
        (Lines, 8, 7, 8, 8, 20_544, 20_552),
        (Lines, 8, 8, 8, 16, 20_608, 20_624),
        (Lines, 16, 6, 16, 8, 20_608, 20_616),
        (Lines, 24, 3, 32, 4, 20_608, 20_616),
        (Lines, 32, 3, 32, 8, 20_736, 20_744),
        (Lines, 48, 5, 64, 8, 20_992, 21_000),
        (Dense, 57, 5, 57, 8, 20_936, 20_944),
        (Dense, 64, 1000, 64, 1024, 86_016, 87_040),
    ];
    for (arrangement, size, capacity, stride, lap, attempts, file) in rows {
        let frame = Frame::typed(arrangement, size, 1, capacity).unwrap();
        let found = (
            frame.slot.stride,
            frame.slot.payload,
            frame.geometry.capacity(),
            frame.attempts,
            frame.size,
        );
        assert_eq!(
            found,
            (stride, 0, lap, attempts, file),
            "{arrangement:?} of {size} B, {capacity}"
        );
    }
    assert_eq!(Frame::typed(Lines, 57, 1, 4), None);
    assert_eq!(Frame::typed(Dense, 64, 3, 4), None);
    // The length of bytes goes before them; so 48 of them are dense.
    let bytes = |arrangement, limit| Frame::bytes(arrangement, limit, 4);
    assert_eq!(bytes(Lines, 40).unwrap().slot.stride, 64);
    assert_eq!(bytes(Lines, 49), None);
    assert_eq!(bytes(Dense, 49).unwrap().slot.stride, 64);
}

/// `docs/format.md` has a row for each of these, from the first to the last column
/// given.
#[test]
fn the_document_says_the_same() {
    const DOCUMENT: &str = include_str!("../../../docs/format.md");
    let has = |row: String| {
        let found = DOCUMENT.lines().any(|line| line.starts_with(&row));
        assert!(found, "no row in docs/format.md begins with {row:?}");
    };
    for (_, offset, name) in CELLS {
        has(format!("| `{offset:#06x}` | 8 | `{name}`"));
    }
    has(format!(
        "| `{DATA_OFFSET:#06x}` | | [slots](#slots), [lines]"
    ));
    for (offset, kind, field) in fields() {
        has(format!("| {offset} | {kind} | {field}"));
    }
}
