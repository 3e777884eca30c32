//! What the fuzzer runs for each input (see `fuzz/`), kept here so that
//! `cargo test` can run it too, on the inputs that are worth keeping.
//!
//! Each body has an `Input`, made from the fuzzer's bytes, and a `run`, which
//! panics if the library does something that it must not do.

pub mod hostile;
pub mod lengths;
pub mod open;
pub mod operations;
pub mod positions;
pub mod writes;

/// The very file of the library: private there, and in need of nothing else.
#[path = "../../../src/ring/slot.rs"]
#[allow(dead_code)]
mod slot;

/// Calls `$call::<T, K>` with the type and the kind that the input names.
macro_rules! dispatch {
    ($kind:expr, $typed:expr, $call:ident $arguments:tt) => {
        match ($kind % 4, $typed) {
            (0, true) => $call::<u64, memring::Spsc> $arguments,
            (1, true) => $call::<u64, memring::Mpsc> $arguments,
            (2, true) => $call::<u64, memring::Spmc> $arguments,
            (_, true) => $call::<u64, memring::Mpmc> $arguments,
            (0, false) => $call::<[u8], memring::Spsc> $arguments,
            (1, false) => $call::<[u8], memring::Mpsc> $arguments,
            (2, false) => $call::<[u8], memring::Spmc> $arguments,
            (_, false) => $call::<[u8], memring::Mpmc> $arguments,
        }
    };
}
pub(crate) use dispatch;
