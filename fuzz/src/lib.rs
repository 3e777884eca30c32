//! What the targets run, where `cargo test` can run it too.

#[path = "../../tests/replay/bodies/mod.rs"]
pub mod bodies;
