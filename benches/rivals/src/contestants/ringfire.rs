//! ringfire: rings in shared memory, of one sender. (Its ring of many senders drops messages when
//! receivers are slow, so it cannot be compared.)

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ringfire::{
    BusySpin, FlowControl, FutexWait, RingConsumer, RingProducer, RingProducerBuilder, WaitStrategy,
};

use memring_harness::board::TIMEOUT;
use memring_harness::contestant::{Crossing, Link, Made, Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::task::BATCH;
use memring_harness::worker::until;

/// How its receiver waits.
pub trait Style: Sync + 'static {
    /// See [`Profile`].
    const NAME: &'static str;
    /// See [`Profile`].
    const HOW: &'static str;
    /// See [`Profile`].
    const SKILLS: &'static [Skill];
    /// The receiver's way of waiting.
    type Wait: WaitStrategy;
    /// A new one.
    fn wait() -> Self::Wait;
}

/// Polls.
pub struct Busy;
impl Style for Busy {
    const NAME: &'static str = "ringfire";
    const HOW: &'static str = "lossless; BusySpin: push, recv_blocking; push_batch, recv_batch";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::Spin];
    type Wait = BusySpin;
    fn wait() -> BusySpin {
        BusySpin::new()
    }
}

/// Polls, then sleeps.
pub struct Futex;
impl Style for Futex {
    const NAME: &'static str = "ringfire-futex";
    const HOW: &'static str = "lossless; FutexWait as by default: push, recv_blocking";
    const SKILLS: &'static [Skill] = &[Skill::Park, Skill::Idle];
    type Wait = FutexWait;
    fn wait() -> FutexWait {
        FutexWait::default()
    }
}

/// Sleeps at once.
pub struct Sleepy;
impl Style for Sleepy {
    const NAME: &'static str = "ringfire-sleep";
    const HOW: &'static str = "lossless; FutexWait without spins: push, recv_blocking";
    const SKILLS: &'static [Skill] = &[Skill::Sleep, Skill::Wake];
    type Wait = FutexWait;
    fn wait() -> FutexWait {
        FutexWait::new(0, Some(Duration::from_millis(50)))
    }
}

/// A ring with a receiver of this style.
pub struct Ringfire<S>(pub std::marker::PhantomData<S>);

impl<S: Style> Profile for Ringfire<S> {
    const NAME: &'static str = S::NAME;
    const HOW: &'static str = S::HOW;
    const SKILLS: &'static [Skill] = S::SKILLS;
}

/// Its sender.
pub struct FireTx<const N: usize> {
    producer: RingProducer<[u64; N]>,
    batch: Vec<[u64; N]>,
}

/// Its receiver.
pub struct FireRx<S: Style, const N: usize> {
    consumer: RingConsumer<[u64; N]>,
    wait: S::Wait,
    batch: [[u64; N]; BATCH],
}

impl<S: Style> Crossing for Ringfire<S> {
    type Tx<const N: usize> = FireTx<N>;
    type Rx<const N: usize> = FireRx<S, N>;

    fn make<const N: usize>(_: &Link) -> Result<Made> {
        Ok(Made::default()) // its sender makes the ring
    }

    fn tx<const N: usize>(link: &Link) -> Result<FireTx<N>> {
        let builder = RingProducerBuilder::new(link.shape.capacity as u64);
        let builder = builder.flow_control(FlowControl::LosslessBackpressure);
        let producer = builder.build(&link.path);
        Ok(FireTx {
            producer: producer.map_err(|error| anyhow!("cannot make a ring: {error}"))?,
            batch: Vec::with_capacity(BATCH),
        })
    }

    fn rx<const N: usize>(link: &Link) -> Result<FireRx<S, N>> {
        let begun = Instant::now();
        let consumer = loop {
            match RingConsumer::attach(&link.path) {
                Ok(consumer) => break consumer,
                // The sender may not have made it yet.
                Err(_) if begun.elapsed() < TIMEOUT => thread::yield_now(),
                Err(error) => return Err(anyhow!("cannot attach: {error}")),
            }
        };
        Ok(FireRx {
            consumer,
            wait: S::wait(),
            batch: [[0; N]; BATCH],
        })
    }
}

impl<const N: usize> Tx<N> for FireTx<N> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        self.producer.push(&source.next());
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        self.batch.clear();
        self.batch.extend((0..count).map(|_| source.next::<N>()));
        self.producer.push_batch(&self.batch);
    }
}

impl<S: Style, const N: usize> Rx<N> for FireRx<S, N> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&self.consumer.recv_blocking(&mut self.wait));
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        let most = most.min(BATCH);
        let (consumer, batch) = (&mut self.consumer, &mut self.batch);
        let found = until(|| Some(consumer.recv_batch(&mut batch[..most])).filter(|n| *n > 0));
        for message in &self.batch[..found] {
            check.take(message);
        }
    }
}
