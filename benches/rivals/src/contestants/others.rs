//! More queues of one sender and one receiver within one process, or of many but in place:
//! ringbuf, heapless, thingbuf, and the standard library's channel.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use thingbuf::ThingBuf;
use thingbuf::recycling::Recycle;

use crate::foreign::Foreign;
use crate::threads::{Ends, InProcess};
use memring_harness::contestant::{Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::task::{BATCH, Shape};
use memring_harness::worker::until;

/// ringbuf.
pub struct Ringbuf;

/// Its sending end, and a batch on its way.
pub struct RingbufTx<const N: usize> {
    producer: HeapProd<[u64; N]>,
    batch: Vec<[u64; N]>,
}

/// Its receiving end, and a batch that came.
pub struct RingbufRx<const N: usize> {
    consumer: HeapCons<[u64; N]>,
    batch: [[u64; N]; BATCH],
}

impl Profile for Ringbuf {
    const NAME: &'static str = "ringbuf";
    const HOW: &'static str = "try_push, try_pop; push_slice, pop_slice; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::Spin];
}

impl InProcess for Ringbuf {
    type Tx<const N: usize> = RingbufTx<N>;
    type Rx<const N: usize> = RingbufRx<N>;

    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        let (producer, consumer) = HeapRb::new(shape.capacity).split();
        let tx = RingbufTx {
            producer,
            batch: Vec::with_capacity(BATCH),
        };
        let rx = RingbufRx {
            consumer,
            batch: [[0; N]; BATCH],
        };
        (vec![tx], vec![rx])
    }
}

impl<const N: usize> Tx<N> for RingbufTx<N> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let message = source.next();
        until(|| self.producer.try_push(message).ok());
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        self.batch.clear();
        self.batch.extend((0..count).map(|_| source.next::<N>()));
        let mut left = &self.batch[..];
        until(|| {
            let sent = self.producer.push_slice(left);
            left = &left[sent..];
            left.is_empty().then_some(())
        });
    }
}

impl<const N: usize> Rx<N> for RingbufRx<N> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&until(|| self.consumer.try_pop()));
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        let most = most.min(BATCH);
        let (consumer, batch) = (&mut self.consumer, &mut self.batch);
        let found = until(|| Some(consumer.pop_slice(&mut batch[..most])).filter(|n| *n > 0));
        for message in &self.batch[..found] {
            check.take(message);
        }
    }
}

/// heapless's queue, whose capacity is part of its type.
pub struct Heapless;

impl Profile for Heapless {
    const NAME: &'static str = "heapless";
    const HOW: &'static str = "spsc: enqueue, dequeue; looks, then yields; up to 256 B only";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Spin];
    fn carries(bytes: usize) -> bool {
        bytes <= 256
    }
}

impl InProcess for Heapless {
    type Tx<const N: usize> = Foreign<heapless::spsc::Producer<'static, [u64; N]>>;
    type Rx<const N: usize> = Foreign<heapless::spsc::Consumer<'static, [u64; N]>>;

    fn open<const N: usize>(_: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        // One slot of these stays empty. Leaked: the process ends with the measurement.
        let queue = Box::leak(Box::new(heapless::spsc::Queue::<[u64; N], 1024>::new()));
        let (tx, rx) = queue.split();
        (vec![Foreign(tx)], vec![Foreign(rx)])
    }
}

impl<const N: usize> Tx<N> for Foreign<heapless::spsc::Producer<'static, [u64; N]>> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let message = source.next();
        until(|| self.enqueue(message).ok());
    }
}

impl<const N: usize> Rx<N> for Foreign<heapless::spsc::Consumer<'static, [u64; N]>> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&until(|| self.dequeue()));
    }
}

/// thingbuf: its elements are written and read where they lie.
pub struct Thingbuf;

/// Makes its elements, and leaves in them what is in them.
pub struct Zeroed;

impl<const N: usize> Recycle<[u64; N]> for Zeroed {
    fn new_element(&self) -> [u64; N] {
        [0; N]
    }

    fn recycle(&self, _: &mut [u64; N]) {}
}

/// Either end of it.
type Things<const N: usize> = Arc<ThingBuf<[u64; N], Zeroed>>;

impl Profile for Thingbuf {
    const NAME: &'static str = "thingbuf";
    const HOW: &'static str = "push_with, pop_with, both in place; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::InPlace, Skill::Spin, Skill::Many];
}

impl InProcess for Thingbuf {
    type Tx<const N: usize> = Foreign<Things<N>>;
    type Rx<const N: usize> = Foreign<Things<N>>;

    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        let queue = Foreign(Arc::new(ThingBuf::with_recycle(shape.capacity, Zeroed)));
        let tx = vec![queue.clone(); shape.senders];
        (tx, vec![queue; shape.receivers])
    }
}

impl<const N: usize> Tx<N> for Foreign<Things<N>> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        until(|| self.push_with(|slot| source.fill(slot)).ok());
    }
}

impl<const N: usize> Rx<N> for Foreign<Things<N>> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        until(|| self.pop_with(|slot| check.take(slot)));
    }
}

/// The standard library's bounded channel.
pub struct Std;

impl Profile for Std {
    const NAME: &'static str = "std";
    const HOW: &'static str = "sync_channel: send, recv";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Park, Skill::Wake, Skill::Idle];
}

impl InProcess for Std {
    type Tx<const N: usize> = Foreign<SyncSender<[u64; N]>>;
    type Rx<const N: usize> = Foreign<Receiver<[u64; N]>>;

    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        let (tx, rx) = sync_channel(shape.capacity);
        (vec![Foreign(tx)], vec![Foreign(rx)])
    }
}

impl<const N: usize> Tx<N> for Foreign<SyncSender<[u64; N]>> {
    fn send(&mut self, source: &mut Source) {
        SyncSender::send(&self.0, source.next()).expect("the receiver is there");
    }
}

impl<const N: usize> Rx<N> for Foreign<Receiver<[u64; N]>> {
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&Receiver::recv(&self.0).expect("the sender is there"));
    }
}
