//! Many futures at one ring, and at many rings.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use async_executor::Executor;
use memring::{Kind, Mpmc, RecvError, Ring, Spsc};
use memring_testkit::time::in_time;

use super::executors::{block_on, raise_cap};

const MESSAGES: u64 = 20_000;
const TASKS: usize = 16;

type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Runs them in two threads until the first is done.
fn run<'a>(executor: &Executor<'a>, last: impl Future<Output = ()> + Send) {
    let stop = AtomicU32::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            while stop.load(Ordering::SeqCst) == 0 {
                if !executor.try_tick() {
                    thread::yield_now();
                }
            }
        });
        block_on(executor.run(last));
        stop.store(1, Ordering::SeqCst);
    });
}

/// Senders and receivers, tasks all, and threads that block among them: each message is
/// received once.
#[test]
fn each_message_is_received_once() {
    raise_cap();
    in_time(|| {
        let ring = Ring::<u64, Mpmc>::anonymous(8).unwrap();
        let counts: Vec<AtomicU32> = (0..MESSAGES).map(|_| AtomicU32::new(0)).collect();
        let executor = Executor::new();
        let receiver = ring.receiver().unwrap();
        let sender = ring.sender().unwrap();
        let receivers: Vec<_> = (0..TASKS)
            .map(|_| {
                let (mut rx, counts) = (receiver.clone(), &counts);
                let task: Task = Box::pin(async move {
                    loop {
                        match rx.recv_async().await {
                            Ok(number) => counts[number as usize].fetch_add(1, Ordering::SeqCst),
                            Err(RecvError::Closed) => break,
                            Err(error) => panic!("{error}"),
                        };
                    }
                });
                executor.spawn(task)
            })
            .collect();
        let senders: Vec<_> = (0..4)
            .map(|part| {
                let mut tx = sender.clone();
                let task: Task = Box::pin(async move {
                    for number in (part..MESSAGES).step_by(5) {
                        tx.send_async(number).await.unwrap();
                    }
                });
                executor.spawn(task)
            })
            .collect();
        thread::scope(|threads| {
            let (mut rx, counts) = (ring.receiver().unwrap(), &counts);
            threads.spawn(move || {
                while let Ok(number) = rx.recv() {
                    counts[number as usize].fetch_add(1, Ordering::SeqCst);
                }
            });
            let mut tx = ring.sender().unwrap();
            let blocking = threads.spawn(move || {
                for number in (4..MESSAGES).step_by(5) {
                    tx.send(number).unwrap();
                }
            });
            run(&executor, async {
                for sender in senders {
                    sender.await;
                }
                while !blocking.is_finished() {
                    thread::yield_now();
                }
                ring.close().unwrap();
                for receiver in receivers {
                    receiver.await;
                }
            });
        });
        for (number, count) in counts.iter().enumerate() {
            assert_eq!(count.load(Ordering::SeqCst), 1, "message {number}");
        }
    });
}

/// More rings than one thread takes words; a token goes round through all of them.
#[test]
fn more_rings_than_words_of_one_call() {
    raise_cap();
    in_time(|| {
        let rings: Vec<_> = (0..200)
            .map(|_| Ring::<u64, Spsc>::anonymous(2).unwrap())
            .collect();
        let mut first = rings[0].sender().unwrap();
        let mut last = rings[rings.len() - 1].receiver().unwrap();
        let executor = Executor::new();
        let tasks: Vec<_> = rings
            .windows(2)
            .map(|pair| {
                let mut rx = pair[0].receiver().unwrap();
                let mut tx = pair[1].sender().unwrap();
                let task: Task = Box::pin(async move {
                    for _ in 0..3 {
                        let number = rx.recv_async().await.unwrap();
                        tx.send_async(number + 1).await.unwrap();
                    }
                });
                executor.spawn(task)
            })
            .collect();
        run(&executor, async {
            for round in 0..3 {
                first.send_async(round).await.unwrap();
                assert_eq!(last.recv_async().await, Ok(round + 199));
            }
            for task in tasks {
                task.await;
            }
        });
    });
}

/// Storm: futures that are polled, woken, dropped and made again, while messages come.
fn storm<K: Kind>(seed: u64) {
    use memring_testkit::random::Random;

    let ring = Ring::<u64, K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let sender = thread::spawn(move || {
        for number in 0..MESSAGES / 4 {
            block_on(tx.send_async(number)).unwrap();
        }
        tx
    });
    let mut random = Random::of(seed);
    let mut next = 0;
    while next < MESSAGES / 4 {
        // A future that is dropped after some polls, beside one that stays.
        let wakes = super::executors::Wakes::new();
        let mut future = rx.recv_async();
        let polls = random.below(3);
        let mut received = None;
        for _ in 0..polls {
            if let std::task::Poll::Ready(number) = wakes.poll(&mut future) {
                received = Some(number.unwrap());
                break;
            }
        }
        drop(future);
        let number = match received {
            Some(number) => number,
            None => wakes.finish(&mut rx.recv_async()).unwrap(),
        };
        assert_eq!(number, next);
        next += 1;
    }
    drop(sender.join().unwrap());
}

#[test]
fn a_storm_of_dropped_futures() {
    raise_cap();
    in_time(|| {
        storm::<Spsc>(1);
        storm::<Mpmc>(2);
    });
}
