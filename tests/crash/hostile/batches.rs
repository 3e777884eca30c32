//! A peer that goes on publishing does not decide how long a batch gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use memring::{FenceMode, Ring, Spmc, Spsc};
use memring_testkit::{Words, format};

const SLOTS: usize = format::SLOTS as usize / 8;
const HEAD: usize = format::HEAD as usize / 8;

/// Slots: enough for the peer to be ahead of a receiver that has come round.
const CAPACITY: usize = 64;
/// A message of 8 bytes and its slot word, in words.
const STRIDE: usize = 2;

/// Calls `act` with a ring in which there is always a message.
fn with_endless_messages(act: impl FnOnce(&Ring<u64, Spmc>)) {
    let ring = Ring::<u64, Spmc>::builder()
        .capacity(CAPACITY)
        .fence_mode(FenceMode::Fence)
        .anonymous()
        .expect("an anonymous ring");
    let words = Words::map_all(ring.share_fd().expect("a descriptor")).expect("its memory");
    let stop = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&stop);
    let peer = thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            // Each slot is published at the position where receivers meet it next.
            for index in 0..CAPACITY {
                let head = words[HEAD].load(Ordering::Acquire);
                let laps = head.saturating_sub(index as u64).div_ceil(CAPACITY as u64);
                words[SLOTS + index * STRIDE].store(laps << 16 | 2 << 14, Ordering::Release);
            }
        }
    });
    act(&ring);
    stop.store(true, Ordering::Relaxed);
    peer.join().expect("the peer");
}

#[test]
fn a_batch_of_leases_is_no_longer_than_the_ring() {
    with_endless_messages(|ring| {
        for _ in 0..1000 {
            let mut receiver = ring.receiver().expect("a receiver");
            if let Ok(leases) = receiver.try_lease_batch(1 << 20) {
                assert!(leases.len() <= ring.capacity(), "{leases:?}");
                leases.release();
            }
        }
    });
}

/// Likewise where the sender keeps to the rules and is as fast as the receiver.
#[test]
fn a_batch_is_no_longer_than_the_ring() {
    let ring = Ring::<u64, Spsc>::anonymous(CAPACITY).expect("an anonymous ring");
    let mut receiver = ring.receiver().expect("a receiver");
    let sender = thread::spawn(move || {
        let mut sender = ring.sender().expect("a sender");
        (0..1 << 20)
            .take_while(|id| sender.send(*id).is_ok())
            .count()
    });
    let (mut received, mut messages) = (0, Vec::new());
    while let Ok(count) = receiver.recv_batch(&mut messages, usize::MAX) {
        assert!(count <= CAPACITY, "{count} messages");
        received += count;
        messages.clear();
    }
    assert_eq!(received, sender.join().expect("the sender"));
}
