//! One sender, one receiver, in two threads: runs of messages, as batches send and receive
//! them, in all layouts and over the wrap of positions.

use std::thread;

use super::hostile::within_30_s;
use super::shapes::ONE_TO_ONE;
use super::*;
use crate::message::Message;
use crate::ring::Single;
use crate::ring::layout::Arrangement;

type OneToOne = (Single, Single);

const TERMS: RedeliveryPolicy = RedeliveryPolicy {
    redeliver: true,
    max_deliveries: 3,
};

/// So many messages: where there is little room, each is a switch between the threads.
fn count<M: Memory>(view: &M) -> u64 {
    (20 * view.places().capacity()).clamp(60, 3000)
}

/// Lengths of runs: 1 to 16, in no order.
fn lengths() -> impl Iterator<Item = usize> {
    (0..).map(|at: usize| 1 + at * 7 % 16)
}

fn sends<T: Message + ?Sized>(view: &View<T, OneToOne>) {
    let mut side = <Single as Arity>::Sender::<Single>::attach(view, MemberId(1)).unwrap();
    let mut value = 0u64;
    for most in lengths() {
        let left = (count(view) - value) as usize;
        if left == 0 {
            return;
        }
        side.begin(view).unwrap();
        let sent = side.send_run(view, most.min(left), |position| {
            view.payload(position).store(&value.to_ne_bytes());
            value += 1;
        });
        if sent > 0 {
            assert!(side.complete(view));
            continue;
        }
        match side.claim(view) {
            Ok(position) => {
                view.payload(position).store(&value.to_ne_bytes());
                value += 1;
                side.publish(view, position);
                assert!(side.complete(view));
            }
            Err(ClaimError::NotReady) => {
                side.end(view);
                thread::yield_now();
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn receives<T: Message + ?Sized>(view: &View<T, OneToOne>) {
    let me = MemberId(600);
    let mut side = <Single as Arity>::Receiver::<Single>::attach(view, me, TERMS).unwrap();
    let mut expected = 0u64;
    let mut check = |position| {
        let mut bytes = [0; 8];
        view.payload(position).load(&mut bytes);
        assert_eq!(u64::from_ne_bytes(bytes), expected);
        expected += 1;
        expected
    };
    let mut received = 0;
    for most in lengths() {
        if received == count(view) {
            return;
        }
        let (first, count) = side.claim_run_fast(view, most);
        assert!(count <= most);
        for at in 0..count as u64 {
            received = check(first.wrapping_add(at));
        }
        let last = match count {
            0 => match side.claim(view) {
                Ok(claim) => {
                    received = check(claim.position);
                    claim
                }
                Err(ClaimError::NotReady) => {
                    thread::yield_now();
                    continue;
                }
                Err(other) => panic!("{other:?}"),
            },
            count => Claim {
                position: first.wrapping_add(count as u64 - 1),
                redeliveries: 0,
            },
        };
        side.release(view, last);
    }
}

fn stream<T: Message + ?Sized>(ring: &HeapRing<T, OneToOne>) {
    thread::scope(|threads| {
        let sender = threads.spawn(|| sends(ring.view()));
        receives(ring.view());
        sender.join().unwrap();
    });
}

#[test]
fn runs_arrive_whole_and_in_order() {
    within_30_s(|| {
        let starts = [0, 1000u64.wrapping_neg()];
        for (capacity, start) in [1, 3, 7, 64, 1000]
            .map(|n| starts.map(|at| (n, at)))
            .concat()
        {
            for shape in ONE_TO_ONE {
                let (arrangement, limit) = (shape.arrangement, shape.limit);
                stream(&HeapRing::<[u8], _>::arranged(
                    arrangement,
                    capacity,
                    limit,
                    start,
                ));
            }
            // Seven a line, known while compiling; and dense.
            stream(&HeapRing::<u64, _>::arranged(
                Arrangement::Lines,
                capacity,
                8,
                start,
            ));
            stream(&HeapRing::<u64, _>::arranged(
                Arrangement::Dense,
                capacity,
                8,
                start,
            ));
            stream(&HeapRing::<[u64; 9], _>::new(capacity, 72, start));
        }
    });
}
