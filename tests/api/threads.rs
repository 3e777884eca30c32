//! Streams between threads: every message once, each sender's in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use memring::{FenceMode, Kind, Mpmc, Receiver, Ring, RingBuilder, Sender, WaitStrategy, Wakeups};
use memring_testkit::for_each_kind;
use memring_testkit::kinds::Cloning;
use memring_testkit::time::in_time;
use memring_testkit::verbs::{self, Verb};

/// As large as a `u64`, and stamped.
type Word = [u64; 1];

/// All of them at once, on endpoints that are there before the first message.
fn stream<K: Kind>(
    senders: Vec<Sender<Word, K>>,
    receivers: Vec<Receiver<Word, K>>,
    count: u64,
    first_verb: usize,
) {
    let number = senders.len();
    let verb = move |index| Verb::ALL[(first_verb + index) % Verb::ALL.len()];
    let seen = in_time(move || {
        let threads: Vec<_> = (receivers.into_iter().enumerate())
            .map(|(index, mut rx)| {
                thread::spawn(move || {
                    let mut seen = Vec::new();
                    verbs::receive(&mut rx, verb(index), |stamp, attempt| {
                        assert_eq!(attempt, 0);
                        seen.push((stamp.sender, stamp.number));
                    });
                    seen
                })
            })
            .collect();
        for (index, mut tx) in senders.into_iter().enumerate() {
            thread::spawn(move || {
                verbs::send(&mut tx, verb(index), index as u64, 0, count).expect("send all");
            });
        }
        let each = threads.into_iter().map(|thread| thread.join().unwrap());
        each.collect::<Vec<_>>()
    });
    for one in &seen {
        let mut last = vec![None; number];
        for (sender, index) in one {
            let last = &mut last[*sender as usize];
            assert!(last.is_none_or(|last| last < *index), "out of order");
            *last = Some(*index);
        }
    }
    let mut all: Vec<_> = seen.into_iter().flatten().collect();
    all.sort_unstable();
    let expected =
        (0..number as u64).flat_map(|sender| (0..count).map(move |index| (sender, index)));
    assert!(all.into_iter().eq(expected), "lost or doubled");
}

/// Every verb in turn, as many of each side as the kind admits: half of them
/// attached, half cloned.
fn streams<K: Cloning>(build: RingBuilder<Word, K>, strategy: WaitStrategy, count: u64) {
    for first_verb in 0..Verb::ALL.len() {
        let ring = build.clone().anonymous().unwrap();
        let mut senders = vec![ring.sender_with(strategy).unwrap()];
        if K::KIND.has_many_senders() {
            senders.push(ring.sender_with(strategy).unwrap());
        }
        let mut receivers = vec![ring.receiver_with(strategy).unwrap()];
        if K::KIND.has_many_receivers() {
            receivers.push(ring.receiver_with(strategy).unwrap());
        }
        let clones: Vec<_> = senders.iter().filter_map(K::clone_sender).collect();
        senders.extend(clones);
        let clones: Vec<_> = receivers.iter().filter_map(K::clone_receiver).collect();
        receivers.extend(clones);
        stream(senders, receivers, count, first_verb);
    }
}

fn ring<K: Cloning>(capacity: usize) -> RingBuilder<Word, K> {
    Ring::builder().capacity(capacity)
}

fn in_a_narrow_ring<K: Cloning>() {
    streams::<K>(ring(2), WaitStrategy::default(), 1500);
}

fn in_a_wide_ring<K: Cloning>() {
    streams::<K>(ring(256), WaitStrategy::default(), 20_000);
}

fn of_sleepers<K: Cloning>() {
    streams::<K>(ring(4), WaitStrategy::Park, 500);
}

fn of_spinners<K: Cloning>() {
    let ring = ring(64).wakeups(Wakeups::SpinOnly);
    streams::<K>(ring, WaitStrategy::Spin, 3000);
}

fn with_fences<K: Cloning>() {
    let ring = ring(64).fence_mode(FenceMode::Fence);
    streams::<K>(ring, WaitStrategy::SpinThenPark { spins: 50 }, 5000);
}

fn over_the_wrap_of_positions<K: Cloning>() {
    let ring = ring(64).start_position(u64::MAX - 1000);
    streams::<K>(ring, WaitStrategy::default(), 3000);
}

for_each_kind!(
    in_a_narrow_ring,
    in_a_wide_ring,
    of_sleepers,
    of_spinners,
    with_fences,
    over_the_wrap_of_positions,
);

#[test]
fn byte_messages_are_whole() {
    let ring = Ring::<[u8], Mpmc>::builder().capacity(8).message_limit(600);
    let ring = ring.anonymous().unwrap();
    let sender = ring.sender().unwrap();
    let receiver = ring.receiver().unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let receivers: Vec<_> = [receiver.clone(), receiver]
        .into_iter()
        .map(|mut receiver| {
            let received = Arc::clone(&received);
            thread::spawn(move || {
                let mut buffer = Vec::new();
                while receiver.recv_into(&mut buffer).is_ok() {
                    let first = buffer.first().copied().unwrap_or(0);
                    assert!(buffer.iter().all(|byte| *byte == first), "torn");
                    assert_eq!(buffer.len() % 251, usize::from(first));
                    received.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for mut sender in [sender.clone(), sender] {
        thread::spawn(move || {
            for index in 0..5000usize {
                let length = index * 7 % 600;
                sender.send(&vec![(length % 251) as u8; length]).unwrap();
            }
        });
    }
    in_time(move || {
        receivers
            .into_iter()
            .for_each(|thread| thread.join().unwrap())
    });
    assert_eq!(received.load(Ordering::Relaxed), 10_000);
}

#[test]
fn comings_and_goings() {
    // Endpoints that attach, work a little and detach, while others stream.
    let ring = Ring::<u64, Mpmc>::anonymous(16).unwrap();
    // One of each side stays, or the others might find that all had gone.
    let keep = ring.sender().unwrap();
    let mut last = ring.receiver().unwrap();
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            let ring = ring.clone();
            thread::spawn(move || {
                let mut sum = 0;
                loop {
                    let mut receiver = ring.receiver().unwrap();
                    for _ in 0..50 {
                        match receiver.recv() {
                            Ok(value) => sum += value,
                            Err(_) => return sum,
                        }
                    }
                    // One is leaked now and then, and so given back.
                    if let Ok(lease) = receiver.try_lease() {
                        std::mem::forget(lease);
                    }
                }
            })
        })
        .collect();
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let ring = ring.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    let mut sender = ring.sender().unwrap();
                    sender.send_batch(1..=20).unwrap();
                    if let Ok(grant) = sender.try_reserve() {
                        std::mem::forget(grant);
                    }
                }
            })
        })
        .collect();
    let sums = in_time(move || {
        senders
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        keep.close().unwrap();
        let sums = receivers.into_iter().map(|thread| thread.join().unwrap());
        sums.sum::<u64>()
    });
    // Given back to a receiver that looked before the end was reported.
    let sums = sums + last.try_iter().map(Result::unwrap).sum::<u64>();
    assert_eq!(sums, 2 * 100 * 210);
    assert_eq!(ring.stats().lost, 0);
}
