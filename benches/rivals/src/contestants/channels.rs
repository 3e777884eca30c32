//! Queues and channels of many senders and receivers within one process.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::foreign::Foreign;
use crate::threads::{Ends, InProcess};
use memring_harness::contestant::{Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::task::Shape;
use memring_harness::worker::until;

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
            type Tx<const N: usize> = Foreign<$tx>;
            type Rx<const N: usize> = Foreign<$rx>;

            fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
                let (tx, rx) = ($open)(shape.capacity);
                let (tx, rx) = (Foreign(tx), Foreign(rx));
                (vec![tx; shape.senders], vec![rx; shape.receivers])
            }
        }

        impl<const N: usize> Tx<N> for Foreign<$tx> {
            #[inline(always)]
            fn send(&mut self, source: &mut Source) {
                let message = source.next::<N>();
                ($send)(&mut self.0, message);
            }
        }

        impl<const N: usize> Rx<N> for Foreign<$rx> {
            #[inline(always)]
            fn recv(&mut self, check: &mut impl Check) {
                check.take::<N>(&($recv)(&mut self.0));
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
    |queue: &mut Arc<ArrayQueue<_>>, message| until(|| queue.push(message).ok()),
    |queue: &mut Arc<ArrayQueue<_>>| until(|| queue.pop())
);

channel!(
    Kanal,
    "kanal",
    "bounded: send, recv",
    BLOCKING,
    kanal::Sender<[u64; N]>,
    kanal::Receiver<[u64; N]>,
    kanal::bounded,
    |tx: &mut kanal::Sender<_>, message| tx.send(message).expect("the receiver is there"),
    |rx: &mut kanal::Receiver<_>| rx.recv().expect("the sender is there")
);

channel!(
    GilMany,
    "gil-mpmc",
    "mpmc: try_send, try_recv; looks, then yields",
    &[Skill::Many, Skill::Spin],
    gil::mpmc::Sender<[u64; N]>,
    gil::mpmc::Receiver<[u64; N]>,
    |capacity| gil::mpmc::channel(NonZeroUsize::new(capacity).expect("some slots")),
    |tx: &mut gil::mpmc::Sender<_>, message| until(|| tx.try_send(message).ok()),
    |rx: &mut gil::mpmc::Receiver<_>| until(|| rx.try_recv())
);

channel!(
    Crossbeam,
    "crossbeam-channel",
    "bounded: send, recv",
    BLOCKING,
    crossbeam_channel::Sender<[u64; N]>,
    crossbeam_channel::Receiver<[u64; N]>,
    crossbeam_channel::bounded,
    |tx: &mut crossbeam_channel::Sender<_>, message| tx
        .send(message)
        .expect("the receiver is there"),
    |rx: &mut crossbeam_channel::Receiver<_>| rx.recv().expect("the sender is there")
);

channel!(
    Flume,
    "flume",
    "bounded: send, recv",
    BLOCKING,
    flume::Sender<[u64; N]>,
    flume::Receiver<[u64; N]>,
    flume::bounded,
    |tx: &mut flume::Sender<_>, message| tx.send(message).expect("the receiver is there"),
    |rx: &mut flume::Receiver<_>| rx.recv().expect("the sender is there")
);
