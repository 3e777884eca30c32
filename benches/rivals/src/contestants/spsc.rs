//! Queues of one sender and one receiver within one process: rtrb, gil, disruptor.

#![allow(unsafe_code)] // gil's and rtrb's interfaces for writing in place

use std::num::NonZeroUsize;

use disruptor::{
    BusySpin, EventPoller, Polling, Producer as _, SingleConsumerBarrier, SingleProducer,
    SingleProducerBarrier, build_single_producer,
};

use crate::foreign::Foreign;
use crate::threads::{Ends, InProcess};
use memring_harness::contestant::{Profile, Skill};
use memring_harness::ends::{Rx, Tx};
use memring_harness::message::{Check, Source};
use memring_harness::task::Shape;
use memring_harness::worker::until;

/// rtrb.
pub struct Rtrb;

impl Profile for Rtrb {
    const NAME: &'static str = "rtrb";
    const HOW: &'static str = "push, pop; chunks of 32 and of 1; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::InPlace, Skill::Spin];
}

impl InProcess for Rtrb {
    type Tx<const N: usize> = Foreign<rtrb::Producer<[u64; N]>>;
    type Rx<const N: usize> = Foreign<rtrb::Consumer<[u64; N]>>;

    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        let (tx, rx) = rtrb::RingBuffer::new(shape.capacity);
        (vec![Foreign(tx)], vec![Foreign(rx)])
    }
}

impl<const N: usize> Tx<N> for Foreign<rtrb::Producer<[u64; N]>> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let message = source.next();
        until(|| self.push(message).ok());
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        until(|| {
            let chunk = self.write_chunk_uninit(count).ok()?;
            chunk.fill_from_iter((0..count).map(|_| source.next()));
            Some(())
        });
    }

    #[inline(always)]
    fn send_in_place(&mut self, source: &mut Source) {
        until(|| {
            let mut chunk = self.write_chunk_uninit(1).ok()?;
            let slot = &mut chunk.as_mut_slices().0[0];
            // SAFETY: any bytes are integers, and all of them are written before the commit.
            source.fill(unsafe { &mut *slot.as_mut_ptr() });
            // SAFETY: the one slot of the chunk was written.
            unsafe { chunk.commit_all() };
            Some(())
        });
    }
}

impl<const N: usize> Rx<N> for Foreign<rtrb::Consumer<[u64; N]>> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&until(|| self.pop().ok()));
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        until(|| {
            let found = self.slots().min(most);
            if found == 0 {
                return None;
            }
            let chunk = self.read_chunk(found).ok()?;
            let (first, second) = chunk.as_slices();
            for message in first.iter().chain(second) {
                check.take(message);
            }
            chunk.commit_all();
            Some(())
        });
    }
}

/// gil's queue of one sender and one receiver.
pub struct Gil;

impl Profile for Gil {
    const NAME: &'static str = "gil";
    const HOW: &'static str = "try_send, try_recv; write_buffer, read_guard; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::InPlace, Skill::Spin];
}

impl InProcess for Gil {
    type Tx<const N: usize> = Foreign<gil::spsc::Sender<[u64; N]>>;
    type Rx<const N: usize> = Foreign<gil::spsc::Receiver<[u64; N]>>;

    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        let capacity = NonZeroUsize::new(shape.capacity).expect("some slots");
        let (tx, rx) = gil::spsc::channel(capacity);
        (vec![Foreign(tx)], vec![Foreign(rx)])
    }
}

/// Write up to `count` messages where they will lie, and publish them at once: how many.
#[inline(always)]
fn gil_write<const N: usize>(
    tx: &mut gil::spsc::Sender<[u64; N]>,
    source: &mut Source,
    count: usize,
) -> usize {
    until(|| {
        let room = tx.write_buffer();
        let count = room.len().min(count);
        if count == 0 {
            return None;
        }
        for slot in &mut room[..count] {
            // SAFETY: any bytes are integers, and all of them are written before the commit.
            source.fill(unsafe { &mut *slot.as_mut_ptr() });
        }
        // SAFETY: that many were free, and were written.
        unsafe { tx.commit(count) };
        Some(count)
    })
}

impl<const N: usize> Tx<N> for Foreign<gil::spsc::Sender<[u64; N]>> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        let message = source.next();
        until(|| self.try_send(message).ok());
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        let mut left = count;
        while left > 0 {
            left -= gil_write(self, source, left);
        }
    }

    #[inline(always)]
    fn send_in_place(&mut self, source: &mut Source) {
        gil_write(self, source, 1);
    }
}

impl<const N: usize> Rx<N> for Foreign<gil::spsc::Receiver<[u64; N]>> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        check.take(&until(|| self.try_recv()));
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        until(|| {
            let mut guard = self.read_guard();
            let found = guard.len().min(most);
            if found == 0 {
                return None;
            }
            for message in &guard.as_slice()[..found] {
                check.take(message);
            }
            guard.advance(found);
            Some(())
        });
    }
}

/// The disruptor, with a polling consumer.
pub struct Disruptor;

/// Its events.
type Events<const N: usize> = EventPoller<[u64; N], SingleProducerBarrier>;

impl Profile for Disruptor {
    const NAME: &'static str = "disruptor";
    const HOW: &'static str = "publish, batch_publish, EventPoller::take; looks, then yields";
    const SKILLS: &'static [Skill] = &[Skill::Single, Skill::Batch, Skill::InPlace, Skill::Spin];
}

impl InProcess for Disruptor {
    type Tx<const N: usize> = Foreign<SingleProducer<[u64; N], SingleConsumerBarrier>>;
    type Rx<const N: usize> = Foreign<Events<N>>;

    fn open<const N: usize>(shape: Shape) -> Ends<Self::Tx<N>, Self::Rx<N>> {
        let builder = build_single_producer(shape.capacity, || [0; N], BusySpin);
        let (rx, builder) = builder.new_event_poller();
        (vec![Foreign(builder.build())], vec![Foreign(rx)])
    }
}

impl<const N: usize> Tx<N> for Foreign<SingleProducer<[u64; N], SingleConsumerBarrier>> {
    #[inline(always)]
    fn send(&mut self, source: &mut Source) {
        self.publish(|slot| source.fill(slot));
    }

    #[inline(always)]
    fn send_batch(&mut self, source: &mut Source, count: usize) {
        self.batch_publish(count, |slots| slots.for_each(|slot| source.fill(slot)));
    }
}

#[inline(always)]
fn disruptor_read<const N: usize>(rx: &mut Events<N>, check: &mut impl Check, most: usize) {
    until(|| match rx.take(most as u64) {
        Ok(mut events) => {
            for event in &mut events {
                check.take(event);
            }
            Some(())
        }
        Err(Polling::NoEvents) => None,
        Err(Polling::Shutdown) => panic!("the disruptor was shut down"),
    });
}

impl<const N: usize> Rx<N> for Foreign<Events<N>> {
    #[inline(always)]
    fn recv(&mut self, check: &mut impl Check) {
        disruptor_read(self, check, 1);
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut impl Check, most: usize) {
        disruptor_read(self, check, most);
    }
}
