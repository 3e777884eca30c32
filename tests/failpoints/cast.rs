//! The four kinds as types, with what only some of them can do.

use memring::{Kind, Mpmc, Mpsc, Receiver, RingKind, Sender, Spmc, Spsc};

/// The messages here; which they are does not matter.
pub type Line = [u64; 8];

/// A kind, and its endpoints' clones where they have any.
pub trait Cast: Kind {
    fn clone_sender(_: &Sender<Line, Self>) -> Option<Sender<Line, Self>>
    where
        Self: Sized,
    {
        None
    }

    fn clone_receiver(_: &Receiver<Line, Self>) -> Option<Receiver<Line, Self>>
    where
        Self: Sized,
    {
        None
    }
}

impl Cast for Spsc {}

impl Cast for Mpsc {
    fn clone_sender(tx: &Sender<Line, Self>) -> Option<Sender<Line, Self>> {
        Some(tx.clone())
    }
}

impl Cast for Spmc {
    fn clone_receiver(rx: &Receiver<Line, Self>) -> Option<Receiver<Line, Self>> {
        Some(rx.clone())
    }
}

impl Cast for Mpmc {
    fn clone_sender(tx: &Sender<Line, Self>) -> Option<Sender<Line, Self>> {
        Some(tx.clone())
    }

    fn clone_receiver(rx: &Receiver<Line, Self>) -> Option<Receiver<Line, Self>> {
        Some(rx.clone())
    }
}

/// Something to do with a ring of whatever kind.
pub trait Job {
    type Result;
    fn run<K: Cast>(self) -> Self::Result;
}

pub fn dispatch<J: Job>(kind: RingKind, job: J) -> J::Result {
    match kind {
        RingKind::Spsc => job.run::<Spsc>(),
        RingKind::Mpsc => job.run::<Mpsc>(),
        RingKind::Spmc => job.run::<Spmc>(),
        RingKind::Mpmc => job.run::<Mpmc>(),
    }
}
