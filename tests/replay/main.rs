//! The inputs that the fuzzer found worth keeping, and those that once led to
//! a defect, run again without a fuzzer: one file each in `corpus/`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use arbitrary::{Arbitrary, Unstructured};
use memring_testkit::fuzzing::{hostile, lengths, open, operations, positions};

/// Runs all that is kept for `target`, and says which input it was if one fails.
fn replay<I: for<'a> Arbitrary<'a>>(target: &str, run: fn(I)) {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/replay/corpus");
    let files = fs::read_dir(kept.join(target)).expect("a directory of inputs");
    let mut count = 0;
    for file in files {
        let path = file.expect("an input").path();
        let bytes = fs::read(&path).expect("an input");
        // As `fuzz_target!` makes them.
        let input = I::arbitrary_take_rest(Unstructured::new(&bytes));
        let input = input.expect("as many bytes as the input needs");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(input))) {
            eprintln!("{} fails", path.display());
            resume_unwind(panic);
        }
        count += 1;
    }
    assert!(count > 3, "only {count} inputs for {target}");
}

#[test]
fn hostile_writes() {
    replay("hostile", hostile::run);
}

#[test]
fn hostile_lengths() {
    replay("lengths", lengths::run);
}

#[test]
fn hostile_files() {
    replay("open", open::run);
}

#[test]
fn operations_in_order() {
    replay("operations", operations::run);
}

#[test]
fn position_arithmetic() {
    replay("positions", positions::run);
}
