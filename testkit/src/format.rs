//! Where things are in a ring's file, as `docs/format.md` has it: for tests that write
//! over them. Offsets in bytes.
#![allow(missing_docs, reason = "the names are those of the document")]

/// The version of the format.
pub const FORMAT: u32 = 3;

// Fields of the region's header.
pub const VERSION: u64 = 8;
pub const BYTE_ORDER: u64 = 12;
pub const OBJECT: u64 = 16;
pub const OBJECT_VERSION: u64 = 20;
pub const BARRIER: u64 = 24;
pub const RESERVED: u64 = 28;
pub const TOTAL_SIZE: u64 = 32;
pub const TABLE_OFFSET: u64 = 40;
pub const TABLE_ENTRIES: u64 = 48;
pub const DATA_OFFSET: u64 = 56;

// Fields of the ring's header.
pub const KIND: u64 = 64;
pub const WAKEUPS: u64 = 68;
pub const ON_DEATH: u64 = 72;
pub const MAX_DELIVERIES: u64 = 76;
pub const SHAPE: u64 = 80;
pub const ARRANGEMENT: u64 = 84;
pub const CAPACITY: u64 = 88;
pub const MESSAGE_SIZE: u64 = 96;
pub const MESSAGE_ALIGN: u64 = 104;
pub const STRIDE: u64 = 112;
pub const SCHEMA: u64 = 120;
pub const START: u64 = 128;
/// Slots of a rendezvous ring: `u64`.
pub const HANDOVERS: u64 = 136;
pub const RESERVED_WORDS: u64 = 144;

/// Bytes of both headers.
pub const HEADERS: u64 = 192;

/// The epochs of senders and of receivers.
pub const EPOCHS: [u64; 2] = [0x100, 0x108];
/// The mark: whether the region was removed.
pub const MARK: u64 = 0x140;
/// The wait words of senders and of receivers.
pub const WAIT_WORDS: [u64; 2] = [0x180, 0x200];

// Control words of the ring.
pub const TAIL: u64 = 0x400;
pub const HEAD: u64 = 0x480;
pub const SENT: u64 = 0x500;
pub const BUSY: u64 = 0x508;
pub const TAKEN: u64 = 0x580;
pub const DONE: u64 = 0x588;
pub const MARKED: u64 = 0x590;
pub const CREDIT: u64 = 0x600;
pub const REQUEUES: u64 = 0x680;
pub const CLOSED: u64 = 0x700;
pub const FINAL: u64 = 0x708;
pub const LOST: u64 = 0x780;
pub const REDELIVERED: u64 = 0x788;

/// Every word before the table that means something.
pub const WORDS: [u64; 18] = [
    EPOCHS[0],
    EPOCHS[1],
    MARK,
    WAIT_WORDS[0],
    WAIT_WORDS[1],
    TAIL,
    HEAD,
    SENT,
    BUSY,
    TAKEN,
    DONE,
    MARKED,
    CREDIT,
    REQUEUES,
    CLOSED,
    FINAL,
    LOST,
    REDELIVERED,
];
/// Where the words before the table begin.
pub const CONTROL: u64 = 0x100;
/// The table of members: entries of 16 bytes.
pub const TABLE: u64 = 0x1000;
/// Entries of the table.
pub const ENTRIES: u64 = 1024;
/// Where the slots begin, or the lines, or the dense messages.
pub const SLOTS: u64 = 0x5000;

/// The entry of a member.
pub const fn entry(id: u64) -> u64 {
    TABLE + id % ENTRIES * 16
}
