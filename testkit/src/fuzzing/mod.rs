//! What the fuzzer runs for each input (see `fuzz/`); `cargo test` runs it too,
//! on the inputs that are worth keeping.
//!
//! Each target has an `Input`, made from the fuzzer's bytes, and a `run`, which
//! panics if the library does something that it must not do.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

pub use arbitrary::Arbitrary;
use arbitrary::Unstructured;
use memring::Layout;

pub mod calls;
pub mod hostile;
pub mod lengths;
pub mod objects;
pub mod open;
pub mod operations;
pub mod positions;
mod sample;
mod writes;

memring::__where_sockets_are! {
    pub mod sockets;
}

/// The very file of the library, which is private there.
#[path = "../../../src/ring/slot.rs"]
#[allow(dead_code)]
mod slot;

/// Calls `$call::<T, K>` with the type and the kind that the input names.
macro_rules! dispatch {
    ($kind:expr, $typed:expr, $call:ident $arguments:tt) => {
        $crate::with_kind!(memring::RingKind::ALL[usize::from($kind % 4)], K => match $typed {
            true => $call::<u64, K> $arguments,
            false => $call::<[u8], K> $arguments,
        })
    };
}
use dispatch;

/// The capacity that a byte of an input names: a power of two, or any small one.
fn capacity(byte: u8) -> usize {
    match byte & 0x40 {
        0 => 1 << (byte % 64 % 4),
        _ => 1 + usize::from(byte % 64 % 13),
    }
}

/// The layout that the same byte names.
fn layout(byte: u8) -> Layout {
    match byte & 0x80 {
        0 => Layout::Auto,
        _ => Layout::Dense,
    }
}

/// Runs all inputs in a directory, and says how many there are; which one it was, if one fails.
pub fn replay<I: for<'a> Arbitrary<'a>>(inputs: &Path, run: fn(I)) -> usize {
    let files = fs::read_dir(inputs).expect("a directory of inputs");
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
    count
}
