//! The format of segments, from outside: samples of each version that must open
//! for ever, and a reader in another language that follows `docs/format.md`.
//! (Offsets and encodings are pinned in `src/layout/tests.rs` and
//! `src/ring/position.rs`.)

#[path = "../common/mod.rs"]
mod common;

mod reader;
mod samples;

/// The entry of child processes; in an ordinary run it does nothing.
#[test]
fn child() {
    common::child::enter(&[("holder", common::hold::holder)]);
}
