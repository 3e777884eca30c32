//! Receiving from a ring that is under attack.

use std::mem;
use std::time::{Duration, Instant};

use memring::{LeaseBatch, Receiver, RecvTimeoutError, TryRecvError};
use memring_testkit::kinds::Cloning;
use memring_testkit::random::Random;

use super::sample::Sample;
use super::scene::{Outcome, Scene, timeout};
use super::watch::Watch;

/// Attaches and receives, again and again, until the round is over.
pub fn receive<T: Sample + ?Sized, K: Cloning>(
    scene: &Scene<'_, T, K>,
    watch: &Watch,
    random: &mut Random,
) {
    scene.attach_again_and_again(
        watch,
        random,
        |ring, strategy| ring.receiver_with(strategy),
        K::clone_receiver,
        |receiver, random| receive_once(scene, watch, random, receiver),
    );
}

/// Whether the receiver is good for more.
fn receive_once<T: Sample + ?Sized, K: Cloning>(
    scene: &Scene<'_, T, K>,
    watch: &Watch,
    random: &mut Random,
    receiver: &mut Receiver<T, K>,
) -> bool {
    let time = timeout(random);
    match random.below(9) {
        8 => match watch.call("try_lease_chunk", Duration::ZERO, || {
            T::receive_chunk(receiver, random)
        }) {
            Some(leased) => tried(scene, leased.map(|count| (Outcome::Leased, count))),
            None => true,
        },
        0..2 => {
            let received = watch.call("try_recv", Duration::ZERO, || receiver.try_recv());
            tried(
                scene,
                received.map(T::check).map(|()| (Outcome::Received, 1)),
            )
        }
        2 => {
            let received = watch.call("recv_timeout", time, || receiver.recv_timeout(time));
            timed(
                scene,
                received.map(T::check).map(|()| (Outcome::Received, 1)),
            )
        }
        3 => {
            let deadline = Instant::now() + time;
            let received = watch.call("recv_deadline", time, || receiver.recv_deadline(deadline));
            timed(
                scene,
                received.map(T::check).map(|()| (Outcome::Received, 1)),
            )
        }
        4 => {
            // As many as there are: the peer must not decide how many.
            let max = random.pick(&[1, 3, usize::MAX]);
            let mut messages = Vec::new();
            let received = watch.call("try_recv_batch", Duration::ZERO, || {
                receiver.try_recv_batch(&mut messages, max)
            });
            if let Ok(count) = received {
                assert_eq!(count, messages.len());
                assert!(count <= max.min(receiver.capacity()));
            }
            messages.into_iter().for_each(T::check);
            tried(scene, received.map(|count| (Outcome::Received, count)))
        }
        5 => {
            let max = random.pick(&[1, 3, usize::MAX]);
            let capacity = receiver.capacity();
            let leased = watch.call("try_lease_batch", Duration::ZERO, || {
                let leases = receiver.try_lease_batch(max)?;
                assert!(leases.len() <= max.min(capacity));
                Ok((Outcome::Leased, in_place(leases, random)))
            });
            tried(scene, leased)
        }
        6 => {
            let leased = watch.call("lease_timeout", time, || {
                let lease = receiver.lease_timeout(time)?;
                T::check(lease.read());
                assert!(lease.redeliveries() < 16);
                match random.below(3) {
                    0 => lease.requeue(),
                    1 => mem::forget(lease),
                    _ => lease.release(),
                }
                Ok((Outcome::Leased, 1))
            });
            timed(scene, leased)
        }
        _ => {
            let count = watch.call("try_iter", Duration::ZERO, || {
                // An error is the last item.
                let messages = receiver.try_iter().take(100).map_while(Result::ok);
                messages.map(T::check).fold(0, |count, ()| count + 1)
            });
            scene.tally.add(Outcome::Received, count);
            let _ = watch.call("is_empty", Duration::ZERO, || receiver.is_empty());
            true
        }
    }
}

/// Reads what was leased twice, for it may change, and lets it go in some way.
fn in_place<T: Sample + ?Sized, K: Cloning>(
    leases: LeaseBatch<'_, T, K>,
    random: &mut Random,
) -> usize {
    let count = leases.len();
    for _ in 0..2 {
        for leased in leases.iter() {
            T::check(leased.read());
            assert!(leased.redeliveries() < 16);
        }
    }
    match random.below(4) {
        0 => leases.requeue(),
        1 => mem::forget(leases),
        _ => leases.release(),
    }
    count
}

fn tried(
    scene: &Scene<'_, impl Sample + ?Sized, impl Cloning>,
    received: Result<(Outcome, usize), TryRecvError>,
) -> bool {
    let (outcome, count) = match received {
        Ok(received) => received,
        Err(TryRecvError::Empty | TryRecvError::Held(_)) => (Outcome::Empty, 1),
        Err(TryRecvError::Closed) => (Outcome::Closed, 1),
        Err(TryRecvError::Disconnected | TryRecvError::Removed) => (Outcome::Disconnected, 1),
        Err(TryRecvError::Failed(failure)) => {
            scene.failed(failure);
            return false;
        }
    };
    scene.tally.add(outcome, count);
    true
}

fn timed(
    scene: &Scene<'_, impl Sample + ?Sized, impl Cloning>,
    received: Result<(Outcome, usize), RecvTimeoutError>,
) -> bool {
    let (outcome, count) = match received {
        Ok(received) => received,
        Err(RecvTimeoutError::Timeout(_) | RecvTimeoutError::Cancelled) => (Outcome::TimedOut, 1),
        Err(RecvTimeoutError::Closed) => (Outcome::Closed, 1),
        Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Removed) => {
            (Outcome::Disconnected, 1)
        }
        Err(RecvTimeoutError::Failed(failure)) => {
            scene.failed(failure);
            return false;
        }
    };
    scene.tally.add(outcome, count);
    true
}
