//! What the programs that measure memring between processes share: words in shared memory, the
//! choice of CPUs, and what child processes have in common.

pub mod placement;
pub mod process;
mod words;

pub use words::Words;
