//! From words in a child's arguments to types.

use memring::{Kind, Mpmc, Mpsc, RingKind, Spmc, Spsc};

use super::load::Load;

/// Something to do with a ring of whatever kind and message.
pub trait Job {
    fn run<T: Load + ?Sized, K: Kind>(self);
}

/// Runs `job` with the message called `load` and the kind called `kind`.
pub fn dispatch(kind: RingKind, load: &str, job: impl Job) {
    match kind {
        RingKind::Spsc => with_kind::<Spsc>(load, job),
        RingKind::Mpsc => with_kind::<Mpsc>(load, job),
        RingKind::Spmc => with_kind::<Spmc>(load, job),
        RingKind::Mpmc => with_kind::<Mpmc>(load, job),
    }
}

fn with_kind<K: Kind>(load: &str, job: impl Job) {
    match load {
        <u8 as Load>::NAME => job.run::<u8, K>(),
        <[u64; 7] as Load>::NAME => job.run::<[u64; 7], K>(),
        <[u64; 8] as Load>::NAME => job.run::<[u64; 8], K>(),
        <[u64; 512] as Load>::NAME => job.run::<[u64; 512], K>(),
        <[u8] as Load>::NAME => job.run::<[u8], K>(),
        _ => panic!("no message called {load}"),
    }
}
