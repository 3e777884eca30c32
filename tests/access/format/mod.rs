//! The format of segments, from outside: samples of each version that must open
//! for ever, and a reader in another language that follows `docs/format.md`.
//! (Offsets and encodings are pinned in `src/layout/tests.rs` and
//! `src/ring/position.rs`.)

mod reader;
mod samples;
