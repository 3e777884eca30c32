//! The inputs that the fuzzer found worth keeping, and those that once led to
//! a defect, run again without a fuzzer: one file each in `corpus/`.

use std::path::PathBuf;

use memring_testkit::fuzzing::{
    Arbitrary, calls, hostile, lengths, objects, open, operations, positions, replay,
};

/// Runs all that is kept for `target`.
fn replay_kept<I: for<'a> Arbitrary<'a>>(target: &str, run: fn(I)) {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api/corpus");
    let count = replay(&kept.join(target), run);
    assert!(count > 3, "only {count} inputs for {target}");
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn hostile_writes() {
    replay_kept("hostile", hostile::run);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn hostile_lengths() {
    replay_kept("lengths", lengths::run);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "the file is not the memory")]
fn hostile_files() {
    replay_kept("open", open::run);
}

#[test]
fn operations_in_order() {
    replay_kept("operations", operations::run);
}

#[test]
fn position_arithmetic() {
    replay_kept("positions", positions::run);
}

#[test]
#[cfg_attr(feature = "portable", ignore = "the file is not the memory")]
fn hostile_objects() {
    replay_kept("objects", objects::run);
}

#[test]
#[cfg_attr(
    feature = "portable",
    ignore = "it opens names of rings by descriptors"
)]
fn hostile_calls() {
    replay_kept("calls", calls::run);
}

#[test]
#[cfg(not(feature = "portable"))]
fn hostile_sockets() {
    replay_kept("sockets", memring_testkit::fuzzing::sockets::run);
}
