//! What an operation costs in one process, with nobody else at the ring: the
//! path of a message without contention, sleeping, or lines that travel
//! between processors. Those need two processes: `memring bench`.
//!
//! Every iteration sends and receives, so that the ring stays nearly empty and
//! its memory warm. `cargo bench -- --test` runs each once.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::hint::black_box;
use std::iter::repeat_n;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use memring::{Kind, Message, Mpmc, Mpsc, Receiver, Ring, Sender, Spmc, Spsc};

const CAPACITY: usize = 1024;
const BATCH: usize = 32;

/// All operations on one kind of ring with one type of message.
fn operations<T, K>(c: &mut Criterion, what: &str, message: T::Sent<'static>)
where
    T: Message + ?Sized,
    T::Sent<'static>: Copy,
    K: Kind,
{
    let ring = Ring::<T, K>::anonymous(CAPACITY).expect("ring");
    let mut sender: Sender<T, K> = ring.sender().expect("sender");
    let mut receiver: Receiver<T, K> = ring.receiver().expect("receiver");
    let mut group = c.benchmark_group(format!("{}/{what}", K::KIND));

    group.throughput(Throughput::Elements(1));
    group.bench_function("send, recv", |bencher| {
        bencher.iter(|| {
            sender.try_send(black_box(message)).expect("room");
            black_box(receiver.try_recv().expect("a message"))
        });
    });
    group.bench_function("reserve, write, commit, lease, release", |bencher| {
        bencher.iter(|| {
            let mut grant = sender.try_reserve().expect("room");
            grant
                .write(black_box(message))
                .expect("a message that fits");
            grant.commit().expect("a live ring");
            let lease = receiver.try_lease().expect("a message");
            black_box(lease.as_ptr());
            lease.release();
        });
    });
    in_batches(&mut group, &mut sender, &mut receiver, message);
    group.finish();
}

/// The same, one publication for every batch.
fn in_batches<T, K>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    sender: &mut Sender<T, K>,
    receiver: &mut Receiver<T, K>,
    message: T::Sent<'static>,
) where
    T: Message + ?Sized,
    T::Sent<'static>: Copy,
    K: Kind,
{
    let send = |sender: &mut Sender<T, K>| {
        let batch = repeat_n(black_box(message), BATCH);
        assert_eq!(sender.try_send_batch(batch).ok(), Some(BATCH));
    };
    let mut received = Vec::with_capacity(BATCH);
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("send, recv, batches of 32", |bencher| {
        bencher.iter(|| {
            send(sender);
            received.clear();
            assert_eq!(receiver.try_recv_batch(&mut received, BATCH), Ok(BATCH));
            black_box(&received);
        });
    });
    group.bench_function("send, lease, batches of 32", |bencher| {
        bencher.iter(|| {
            send(sender);
            let leases = receiver.try_lease_batch(BATCH).expect("messages");
            assert_eq!(leases.len(), BATCH);
            leases.release();
        });
    });
}

/// All types of message on one kind of ring.
fn kind<K: Kind>(c: &mut Criterion) {
    operations::<u64, K>(c, "8 B", 7);
    operations::<[u64; 8], K>(c, "64 B", [7; 8]);
    operations::<[u8], K>(c, "bytes, 64 of them", &[7; 64]);
}

criterion_group!(
    costs,
    kind::<Spsc>,
    kind::<Mpsc>,
    kind::<Spmc>,
    kind::<Mpmc>
);
criterion_main!(costs);
