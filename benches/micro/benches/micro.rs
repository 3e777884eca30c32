//! What an operation costs in one process, with nobody else at the ring: the
//! path of a message without contention, sleeping, or lines that travel
//! between processors. Those need two processes: `memring bench`.
//!
//! Each side is timed by itself: a number of messages goes in by the clock and
//! out without it, or the other way round. An iteration is one message, in
//! batches too. `cargo bench -p memring-micro -- --test` runs each once.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;
use std::iter::repeat_n;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memring::{Kind, Message, Mpmc, Mpsc, Receiver, Ring, Sender, Spmc, Spsc, Wakeups};

const CAPACITY: usize = 1024;
/// Messages between two looks at the clock: they fit, and outweigh the looks.
const RUN: usize = CAPACITY / 2;
const BATCH: usize = 32;

/// Both ends of a ring, a message to send, and what batches are received into.
struct Ends<T, K>
where
    T: Message + ?Sized,
    K: Kind,
{
    sender: Sender<T, K>,
    receiver: Receiver<T, K>,
    message: T::Sent<'static>,
    received: Vec<T::Received>,
}

/// Sends many in the way that is fastest for such messages.
trait SendMany: Message {
    /// `count` times the same message, a batch at most; says how many were sent.
    fn send_many<K: Kind>(
        sender: &mut Sender<Self, K>,
        message: Self::Sent<'static>,
        count: usize,
    ) -> Option<usize>;
}

macro_rules! send_slices {
    ($($message:ty),*) => {$(
        impl SendMany for $message {
            fn send_many<K: Kind>(
                sender: &mut Sender<Self, K>,
                message: Self,
                count: usize,
            ) -> Option<usize> {
                sender.try_send_slice(&[message; BATCH][..count]).ok()
            }
        }
    )*};
}

send_slices!(u64, [u64; 7]);

impl SendMany for [u8] {
    fn send_many<K: Kind>(
        sender: &mut Sender<Self, K>,
        message: &'static [u8],
        count: usize,
    ) -> Option<usize> {
        sender.try_send_batch(repeat_n(message, count)).ok()
    }
}

/// Moves that many messages in, or out, one way or another.
type Operation<T, K> = fn(&mut Ends<T, K>, usize);

impl<T, K> Ends<T, K>
where
    T: SendMany + ?Sized,
    T::Sent<'static>: Copy,
    K: Kind,
{
    fn new(wake: Wakeups, message: T::Sent<'static>) -> Self {
        let options = Ring::<T, K>::builder().capacity(CAPACITY).wakeups(wake);
        let ring = options.anonymous().expect("ring");
        Ends {
            sender: ring.sender().expect("sender"),
            receiver: ring.receiver().expect("receiver"),
            message,
            received: Vec::with_capacity(BATCH),
        }
    }

    const IN: [(&str, Operation<T, K>); 3] = [
        ("send", |ends, count| {
            for _ in 0..count {
                let sent = ends.sender.try_send(black_box(ends.message));
                sent.expect("room");
            }
        }),
        ("reserve, write, commit", |ends, count| {
            for _ in 0..count {
                let mut grant = ends.sender.try_reserve().expect("room");
                let written = grant.write(black_box(ends.message));
                written.expect("a message that fits");
                grant.commit().expect("a live ring");
            }
        }),
        ("send, batches of 32", |ends, count| {
            for size in batches(count) {
                let sent = T::send_many(&mut ends.sender, black_box(ends.message), size);
                assert_eq!(sent, Some(size));
            }
        }),
    ];

    const OUT: [(&str, Operation<T, K>); 4] = [
        ("recv", |ends, count| {
            for _ in 0..count {
                black_box(ends.receiver.try_recv().expect("a message"));
            }
        }),
        ("lease, release", |ends, count| {
            for _ in 0..count {
                let lease = ends.receiver.try_lease().expect("a message");
                black_box(lease.as_ptr());
                lease.release();
            }
        }),
        ("recv, batches of 32", |ends, count| {
            for size in batches(count) {
                ends.received.clear();
                let received = ends.receiver.try_recv_batch(&mut ends.received, size);
                assert_eq!(received, Ok(size));
                black_box(&ends.received);
            }
        }),
        ("lease, release, batches of 32", |ends, count| {
            for size in batches(count) {
                let leases = ends.receiver.try_lease_batch(size).expect("messages");
                assert_eq!(leases.len(), size);
                leases.release();
            }
        }),
    ];

    /// The time that `operation` takes for so many messages, `before` and
    /// `after` left out.
    fn time(
        &mut self,
        messages: u64,
        [before, operation, after]: [Operation<T, K>; 3],
    ) -> Duration {
        let mut time = Duration::ZERO;
        let mut left = messages;
        while left > 0 {
            let count = left.min(RUN as u64);
            left -= count;
            let count = count as usize;
            before(self, count);
            let start = Instant::now();
            operation(self, count);
            time += start.elapsed();
            after(self, count);
        }
        time
    }

    /// All operations on one ring.
    fn bench(mut self, c: &mut Criterion, ring: &str) {
        let mut group = c.benchmark_group(format!("{}/{ring}", K::KIND));
        group.throughput(Throughput::Elements(1));
        let (nothing, send, recv): (Operation<T, K>, _, _) =
            (|_, _| {}, Self::IN[0].1, Self::OUT[0].1);
        let ins = Self::IN.map(|(name, operation)| (name, [nothing, operation, recv]));
        let outs = Self::OUT.map(|(name, operation)| (name, [send, operation, nothing]));
        for (name, steps) in ins.into_iter().chain(outs) {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|messages| self.time(messages, steps));
            });
        }
        group.finish();
    }
}

/// The sizes of the batches of so many messages.
fn batches(count: usize) -> impl Iterator<Item = usize> {
    (0..count)
        .step_by(BATCH)
        .map(move |at| BATCH.min(count - at))
}

/// Messages of several sizes, and both ways of waking, on one kind of ring.
fn kind<K: Kind>(c: &mut Criterion) {
    for (wake, name) in [
        (Wakeups::Blocking, "blocking"),
        (Wakeups::SpinOnly, "spinning"),
    ] {
        Ends::<u64, K>::new(wake, 7).bench(c, &format!("8 B, {name}"));
        Ends::<[u64; 7], K>::new(wake, [7; 7]).bench(c, &format!("56 B, {name}"));
        Ends::<[u8], K>::new(wake, &[7; 64]).bench(c, &format!("bytes, 64 of them, {name}"));
    }
}

criterion_group!(
    name = micro;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    targets = kind::<Spsc>, kind::<Mpsc>, kind::<Spmc>, kind::<Mpmc>
);
criterion_main!(micro);
