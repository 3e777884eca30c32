//! What the fuzzer runs for each input (see `fuzz/`); `cargo test` runs it too,
//! on the inputs that are worth keeping.
//!
//! Each target has an `Input`, made from the fuzzer's bytes, and a `run`, which
//! panics if the library does something that it must not do.

pub mod hostile;
pub mod lengths;
pub mod open;
pub mod operations;
pub mod positions;
mod writes;

/// The very file of the library: private there, and in need of nothing else.
#[path = "../../../src/ring/position.rs"]
#[allow(dead_code)]
mod position;

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
