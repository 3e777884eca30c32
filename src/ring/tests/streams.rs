//! Streams between threads by the rules, of messages that move as blocks: plain
//! accesses, which only the order of the words keeps apart. The thread
//! sanitizer sees a missing edge here (it follows the words, not the fences).

use std::sync::atomic::AtomicU64;
use std::thread;

use super::hostile::within_30_s;
use super::*;
use crate::ring::{Multi, Single};

const TERMS: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 3,
};

/// Beyond what moves as words.
const LENGTH: usize = 700;
const CAPACITY: u64 = 4;
/// Messages of each sender.
const COUNT: u64 = 3000;

fn sends<S: Arity, R: Arity>(view: &View<[u8], (S, R)>, id: u16) {
    let mut side = S::Sender::<R>::attach(view, MemberId(id)).unwrap();
    let mut sent = 0;
    while sent < COUNT {
        side.begin(view).unwrap();
        match side.claim(view) {
            Ok(position) if sent % 7 == 3 && S::MULTI => {
                side.abandon(view, position);
                sent += 1;
            }
            Ok(position) => {
                view.payload(position).store(&[sent as u8; LENGTH]);
                side.publish(view, position);
                sent += 1;
            }
            Err(ClaimError::Corrupted(found)) => panic!("{found:?}"),
            Err(_) => thread::yield_now(),
        }
        side.end(view);
    }
}

/// Receives until `senders` have ended and the ring is empty.
fn receives<S: Arity, R: Arity>(view: &View<[u8], (S, R)>, id: u16, senders: &AtomicU64) -> u64 {
    let mut side = R::Receiver::<S>::attach(view, MemberId(id), TERMS).unwrap();
    let mut bytes = [0; LENGTH];
    let mut received = 0;
    loop {
        let is_end = senders.load(Ordering::Acquire) == 0;
        match side.claim(view) {
            Ok(claim) => {
                view.payload(claim.position).load(&mut bytes);
                assert!(bytes.iter().all(|byte| *byte == bytes[0]), "torn");
                side.release(view, claim);
                received += 1;
            }
            Err(ClaimError::Corrupted(found)) => panic!("{found:?}"),
            Err(_) if is_end => return received,
            Err(_) => thread::yield_now(),
        }
    }
}

fn stream<S: Arity, R: Arity>() {
    let ring = &HeapRing::<[u8], (S, R)>::new(CAPACITY, LENGTH, 0);
    let many = |multi| if multi { 2 } else { 1 };
    let (senders, receivers) = (many(S::MULTI), many(R::MULTI));
    let at_work = &AtomicU64::new(senders.into());
    let received: u64 = thread::scope(|threads| {
        let senders: Vec<_> = (0..senders)
            .map(|index| {
                threads.spawn(move || {
                    sends::<S, R>(ring.view(), SENDERS.first + index);
                    at_work.fetch_sub(1, Ordering::Release);
                })
            })
            .collect();
        let receivers: Vec<_> = (0..receivers)
            .map(|index| {
                let id = RECEIVERS.first + index;
                threads.spawn(move || receives::<S, R>(ring.view(), id, at_work))
            })
            .collect();
        // By their handles, which the thread sanitizer can follow.
        senders.into_iter().for_each(|one| one.join().unwrap());
        receivers.into_iter().map(|one| one.join().unwrap()).sum()
    });
    let abandoned = (0..COUNT).filter(|sent| sent % 7 == 3 && S::MULTI).count() as u64;
    assert_eq!(received, u64::from(senders) * (COUNT - abandoned));
}

#[test]
fn blocks_are_kept_apart_by_their_words() {
    within_30_s(|| {
        stream::<Single, Single>();
        stream::<Multi, Single>();
        stream::<Single, Multi>();
        stream::<Multi, Multi>();
    });
}
