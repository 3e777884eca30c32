//! Queues and channels of many senders and receivers within one process.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::contestant::{Ends, InProcess, Profile, Rx, Skill, Tx};
use crate::message::{Check, Source};
use crate::task::Shape;
use crate::worker::until;

/// A contestant whose ends are cloned. The types are given for messages of `N` words.
macro_rules! channel {
    ($family:ident, $name:literal, $how:literal, $skills:expr,
     $tx:ty, $rx:ty, $open:expr, $send:expr, $recv:expr) => {
        #[doc = concat!($name, ".")]
        pub struct $family;

        impl Profile for $family {
            const NAME: &'static str = $name;
            const HOW: &'static str = $how;
            const SKILLS: &'static [Skill] = $skills;
        }

        impl InProcess for $family {
            type Tx<const N: usize> = $tx;
            type Rx<const N: usize> = $rx;

            fn open<const N: usize>(shape: Shape) -> Ends<$tx, $rx> {
                let (tx, rx) = ($open)(shape.capacity);
                (vec![tx; shape.senders], vec![rx; shape.receivers])
            }
        }

        impl<const N: usize> Tx<N> for $tx {
            #[inline(always)]
            fn send(&mut self, source: &mut Source) {
                let message = source.next::<N>();
                ($send)(self, message);
            }
        }

        impl<const N: usize> Rx<N> for $rx {
            #[inline(always)]
            fn recv(&mut self, check: &mut impl Check) {
                check.take::<N>(&($recv)(self));
            }
        }
    };
}

/// All that a channel that blocks takes part in. None of them sleeps at once, so none is among
/// those whose round trips go through sleep.
const BLOCKING: &[Skill] = &[
    Skill::Single,
    Skill::Many,
    Skill::Park,
    Skill::Wake,
    Skill::Idle,
];
/// All that a queue that never blocks takes part in.
const POLLED: &[Skill] = &[Skill::Single, Skill::Many, Skill::Spin];

channel!(
    Array,
    "crossbeam-queue",
    "ArrayQueue: push, pop; looks, then yields",
    POLLED,
    Arc<ArrayQueue<[u64; N]>>,
    Arc<ArrayQueue<[u64; N]>>,
    |capacity| {
        let queue = Arc::new(ArrayQueue::new(capacity));
        (Arc::clone(&queue), queue)
    },
    |queue: &mut Self, message| until(|| queue.push(message).ok()),
    |queue: &mut Self| until(|| queue.pop())
);

channel!(
    Kanal,
    "kanal",
    "bounded: send, recv",
    BLOCKING,
    kanal::Sender<[u64; N]>,
    kanal::Receiver<[u64; N]>,
    kanal::bounded,
    |tx: &Self, message| tx.send(message).expect("the receiver is there"),
    |rx: &Self| rx.recv().expect("the sender is there")
);

channel!(
    GilMany,
    "gil-mpmc",
    "mpmc: try_send, try_recv; looks, then yields",
    &[Skill::Many, Skill::Spin],
    gil::mpmc::Sender<[u64; N]>,
    gil::mpmc::Receiver<[u64; N]>,
    |capacity| gil::mpmc::channel(NonZeroUsize::new(capacity).expect("some slots")),
    |tx: &mut Self, message| until(|| tx.try_send(message).ok()),
    |rx: &mut Self| until(|| rx.try_recv())
);

channel!(
    Crossbeam,
    "crossbeam-channel",
    "bounded: send, recv",
    BLOCKING,
    crossbeam_channel::Sender<[u64; N]>,
    crossbeam_channel::Receiver<[u64; N]>,
    crossbeam_channel::bounded,
    |tx: &Self, message| tx.send(message).expect("the receiver is there"),
    |rx: &Self| rx.recv().expect("the sender is there")
);

channel!(
    Flume,
    "flume",
    "bounded: send, recv",
    BLOCKING,
    flume::Sender<[u64; N]>,
    flume::Receiver<[u64; N]>,
    flume::bounded,
    |tx: &Self, message| tx.send(message).expect("the receiver is there"),
    |rx: &Self| rx.recv().expect("the sender is there")
);
