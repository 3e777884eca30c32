//! What the layout is, for good. The figures here are those of `docs/format.md`; if one
//! changes, the format's version does.

use core::mem::offset_of;

use super::*;

#[test]
fn the_version_that_these_figures_are_of() {
    assert_eq!(VERSION, 3);
    assert_eq!(MAGIC, [0x6d, 0x65, 0x6d, 0x72, 0x69, 0x6e, 0x67, 0x00]);
    assert_eq!(BYTE_ORDER.to_le_bytes(), [1, 2, 3, 4]);
}

/// Where each field of the header is.
const FIELDS: [(usize, usize, &str, &str); 12] = [
    (offset_of!(Header, magic), 0, "8 bytes", "magic"),
    (offset_of!(Header, version), 8, "u32", "version | 3"),
    (offset_of!(Header, byte_order), 12, "u32", "byte order"),
    (offset_of!(Header, object), 16, "u32", "object"),
    (
        offset_of!(Header, object_version),
        20,
        "u32",
        "object version",
    ),
    (offset_of!(Header, fences), 24, "u32", "barrier"),
    (offset_of!(Header, reserved), 28, "u32", "reserved"),
    (offset_of!(Header, total_size), 32, "u64", "total size"),
    (offset_of!(Header, table_offset), 40, "u64", "table offset"),
    (
        offset_of!(Header, table_entries),
        48,
        "u64",
        "table entries",
    ),
    (offset_of!(Header, data_offset), 56, "u64", "data offset"),
    (
        offset_of!(Header, contents),
        64,
        "128 bytes",
        "object header",
    ),
];

#[test]
fn the_header_s_fields() {
    assert_eq!((size_of::<Header>(), align_of::<Header>()), (192, 8));
    for (found, expected, _, name) in FIELDS {
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_words_of_every_object() {
    let epochs: Vec<usize> = (0..MAX_ROLES).map(epoch_offset).collect();
    assert_eq!(epochs, [0x100, 0x108, 0x110, 0x118]);
    assert_eq!((MARK_OFFSET, REMOVED, REMOVED_AFTER_END), (0x140, 1, 2));
    let words: Vec<usize> = (0..MAX_ROLES).map(wait_word_offset).collect();
    assert_eq!(words, [0x180, 0x200, 0x280, 0x300]);
    assert_eq!(
        (CONTROL_OFFSET, TABLE_OFFSET, TABLE_ENTRIES, ENTRY_SIZE),
        (0x400, 0x1000, 1024, 16)
    );
    assert_eq!((DATA_OFFSET, USERS_BYTE), (0x5000, 0));
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
    for (offset, _, kind, field) in FIELDS {
        has(format!("| {offset} | {kind} | {field}"));
    }
    for role in 0..MAX_ROLES {
        let (epoch, word) = (epoch_offset(role), wait_word_offset(role));
        has(format!("| `{epoch:#06x}` | 8 | epoch of role {role}"));
        has(format!(
            "| `{word:#06x}` | **4** | wait word of role {role}"
        ));
    }
    has(format!(
        "| `{MARK_OFFSET:#06x}` | 8 | mark: 0; {REMOVED} the region was removed"
    ));
    has(format!(
        "| `{TABLE_OFFSET:#06x}` | {} | table of members",
        TABLE_ENTRIES * ENTRY_SIZE
    ));
}
