//! The layout: what must hold of it, and what it is, for good. The figures here
//! are those of `docs/format.md`; if one changes, the format's version does.

use core::mem::offset_of;

use super::*;

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
    assert_eq!(slot.segment_size(1 << 31), None);
}

#[test]
fn the_version_that_these_figures_are_of() {
    assert_eq!(VERSION, 2);
    assert_eq!(MAGIC, [0x6d, 0x65, 0x6d, 0x72, 0x69, 0x6e, 0x67, 0x00]);
    assert_eq!(BYTE_ORDER.to_le_bytes(), [1, 2, 3, 4]);
}

#[test]
fn the_header_s_fields() {
    assert_eq!((size_of::<Header>(), align_of::<Header>()), (128, 8));
    let fields = [
        (offset_of!(Header, magic), 0),
        (offset_of!(Header, version), 8),
        (offset_of!(Header, byte_order), 12),
        (offset_of!(Header, kind), 16),
        (offset_of!(Header, wake), 20),
        (offset_of!(Header, barrier), 24),
        (offset_of!(Header, on_death), 28),
        (offset_of!(Header, attempts), 32),
        (offset_of!(Header, shape), 36),
        (offset_of!(Header, capacity), 40),
        (offset_of!(Header, message_size), 48),
        (offset_of!(Header, message_align), 56),
        (offset_of!(Header, stride), 64),
        (offset_of!(Header, table_offset), 72),
        (offset_of!(Header, table_entries), 80),
        (offset_of!(Header, slots_offset), 88),
        (offset_of!(Header, total_size), 96),
        (offset_of!(Header, schema), 104),
        (offset_of!(Header, start), 112),
        (offset_of!(Header, reserved), 120),
    ];
    for (found, expected) in fields {
        assert_eq!(found, expected);
    }
}

#[test]
fn the_control_words() {
    let cells = [
        (Cell::Tail, 0x100),
        (Cell::Head, 0x180),
        (Cell::Sent, 0x200),
        (Cell::Busy, 0x208),
        (Cell::Taken, 0x280),
        (Cell::Done, 0x288),
        (Cell::Credit, 0x300),
        (Cell::Requeues, 0x380),
        (Cell::Closed, 0x400),
        (Cell::SenderChanges, 0x408),
        (Cell::ReceiverChanges, 0x410),
        (Cell::Lost, 0x580),
        (Cell::Redelivered, 0x588),
    ];
    for (cell, expected) in cells {
        assert_eq!(cell as usize, expected, "{cell:?}");
    }
    assert_eq!(Bell::Receivers as usize, 0x480);
    assert_eq!(Bell::Senders as usize, 0x500);
    assert_eq!((CLOSED, CLOSED_AND_FENCED), (1, 2));
}

#[test]
fn the_table_and_the_limits() {
    assert_eq!(
        (TABLE_OFFSET, TABLE_ENTRIES, ENTRY_SIZE),
        (0x1000, 1024, 16)
    );
    assert_eq!(SLOTS_OFFSET, 0x5000);
    assert_eq!((SENDER_IDS, RECEIVER_IDS), (1..512, 512..1024));
    assert_eq!(USERS_BYTE, 0);
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
        assert_eq!(slot.segment_size(1024), Some(file));
    }
}

/// `docs/format.md` has a row for each of these, from the first to the last
/// column given.
#[test]
fn the_document_says_the_same() {
    const DOCUMENT: &str = include_str!("../../docs/format.md");
    let has = |row: String| {
        let found = DOCUMENT.lines().any(|line| line.starts_with(&row));
        assert!(found, "no row in docs/format.md begins with {row:?}");
    };
    for (cell, name) in [
        (Cell::Tail, "`tail`"),
        (Cell::Head, "`head`"),
        (Cell::Sent, "`sent`"),
        (Cell::Busy, "`busy`"),
        (Cell::Taken, "`taken`"),
        (Cell::Done, "`done`"),
        (Cell::Credit, "`credit`"),
        (Cell::Requeues, "`requeues`"),
        (Cell::Closed, "`closed`"),
        (Cell::SenderChanges, "comings and goings of senders"),
        (Cell::ReceiverChanges, "comings and goings of receivers"),
        (Cell::Lost, "`lost`"),
        (Cell::Redelivered, "`redelivered`"),
    ] {
        has(format!("| `{:#06x}` | 8 | {name}", cell as usize));
    }
    for (bell, who) in [(Bell::Receivers, "receivers"), (Bell::Senders, "senders")] {
        has(format!(
            "| `{:#06x}` | **4** | event that {who} sleep on",
            bell as usize
        ));
    }
    has(format!(
        "| `{TABLE_OFFSET:#06x}` | {} | participant table",
        TABLE_ENTRIES * ENTRY_SIZE
    ));
    has(format!(
        "| `{SLOTS_OFFSET:#06x}` | capacity * stride | slots"
    ));
    for (offset, kind, field) in [
        (offset_of!(Header, magic), "8 bytes", "magic"),
        (offset_of!(Header, version), "u32", "version | 2"),
        (offset_of!(Header, byte_order), "u32", "byte order"),
        (offset_of!(Header, kind), "u32", "kind"),
        (offset_of!(Header, wake), "u32", "wake"),
        (offset_of!(Header, barrier), "u32", "barrier"),
        (offset_of!(Header, on_death), "u32", "receiver-death policy"),
        (offset_of!(Header, attempts), "u32", "limit of attempts"),
        (offset_of!(Header, shape), "u32", "shape"),
        (offset_of!(Header, capacity), "u64", "capacity"),
        (offset_of!(Header, message_size), "u64", "message size"),
        (
            offset_of!(Header, message_align),
            "u64",
            "message alignment",
        ),
        (offset_of!(Header, stride), "u64", "stride"),
        (offset_of!(Header, table_offset), "u64", "table offset"),
        (offset_of!(Header, table_entries), "u64", "table entries"),
        (offset_of!(Header, slots_offset), "u64", "slots offset"),
        (offset_of!(Header, total_size), "u64", "total size"),
        (offset_of!(Header, schema), "u64", "schema"),
        (offset_of!(Header, start), "u64", "start"),
        (offset_of!(Header, reserved), "u64", "reserved"),
    ] {
        has(format!("| {offset} | {kind} | {field}"));
    }
}
