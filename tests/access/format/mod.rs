//! The format of segments, from outside: samples of each version that must open
//! for ever, and a reader in another language that follows `docs/format.md`.
//! (Offsets and encodings are pinned in `src/shm/layout/tests.rs`, `src/ring/layout/tests.rs` and
//! `src/ring/slot.rs`.)

mod one_to_one;
mod reader;
mod samples;
