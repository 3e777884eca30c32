//! Sending on a ring that is under attack.

use std::mem;
use std::time::{Duration, Instant};

use memring::{Failure, SendError, SendTimeoutError, Sender, TrySendError};
use memring_testkit::kinds::Cloning;
use memring_testkit::random::Random;

use super::sample::{LIMIT, Sample};
use super::scene::{Outcome, Scene, timeout};
use super::watch::Watch;

/// Any part of it is a message.
const BYTES: [u8; LIMIT] = [0x5a; LIMIT];

/// Attaches and sends, again and again, until the round is over.
pub fn send<T: Sample + ?Sized, K: Cloning>(
    scene: &Scene<'_, T, K>,
    watch: &Watch,
    random: &mut Random,
) {
    scene.attach_again_and_again(
        watch,
        random,
        |ring, strategy| ring.sender_with(strategy),
        K::clone_sender,
        |sender, random| send_once(scene, watch, random, sender),
    );
}

/// Whether the sender is good for more.
fn send_once<T: Sample + ?Sized, K: Cloning>(
    scene: &Scene<'_, T, K>,
    watch: &Watch,
    random: &mut Random,
    sender: &mut Sender<T, K>,
) -> bool {
    let message = T::sent(&BYTES[..random.below(LIMIT as u64 + 1) as usize]);
    let time = timeout(random);
    match random.below(9) {
        8 => match watch.call("try_reserve_chunk", Duration::ZERO, || {
            T::send_chunk(sender, random)
        }) {
            Some(Ok(count)) => tried::<()>(scene, count, Ok(())),
            Some(Err(error)) => tried(scene, 0, Err(error)),
            None => true,
        },
        0..3 => {
            let sent = watch.call("try_send", Duration::ZERO, || sender.try_send(message));
            tried(scene, 1, sent)
        }
        3 => {
            let sent = watch.call("send_timeout", time, || sender.send_timeout(message, time));
            timed(scene, 1, sent)
        }
        4 => {
            let deadline = Instant::now() + time;
            let sent = watch.call("send_deadline", time, || {
                sender.send_deadline(message, deadline)
            });
            timed(scene, 1, sent)
        }
        5 => {
            let lengths = 0..random.below(40) as usize;
            let messages = lengths.map(|length| T::sent(&BYTES[..length * 17]));
            let sent = watch.call("try_send_batch", Duration::ZERO, || {
                sender.try_send_batch(messages)
            });
            match sent {
                Ok(count) => tried::<()>(scene, count, Ok(())),
                Err(error) => {
                    scene.tally.add(Outcome::Sent, error.sent);
                    tried(scene, 0, Err(error.cause))
                }
            }
        }
        6 => {
            let granted = watch.call("try_reserve", Duration::ZERO, || {
                let grant = sender.try_reserve()?;
                Ok(in_place(grant, message, random))
            });
            let sent = granted.map_err(|error: TrySendError<()>| error);
            match sent {
                Ok(Ok(())) => tried::<()>(scene, 1, Ok(())),
                Ok(Err(failure)) => end(scene, failure),
                Err(error) => tried(scene, 0, Err(error)),
            }
        }
        _ => {
            let granted = watch.call("reserve_timeout", time, || {
                let grant = sender.reserve_timeout(time)?;
                Ok(in_place(grant, message, random))
            });
            match granted {
                Ok(Ok(())) => timed::<()>(scene, 1, Ok(())),
                Ok(Err(failure)) => end(scene, failure),
                Err(error) => timed(scene, 0, Err(error)),
            }
        }
    }
}

/// Writes a message, and commits it, gives it up or leaks it.
fn in_place<T: Sample + ?Sized, K: Cloning>(
    mut grant: memring::Grant<'_, T, K>,
    message: T::Sent<'_>,
    random: &mut Random,
) -> Result<(), Failure> {
    grant.write(message)?;
    match random.below(4) {
        0 => drop(grant),
        1 => mem::forget(grant),
        // (That the ring is closed is for the attacker to say, too: it is no failure.)
        _ => {
            if let Err(SendError::Failed((), failure)) = grant.commit() {
                return Err(failure);
            }
        }
    }
    Ok(())
}

fn end<T: Sample + ?Sized, K: Cloning>(scene: &Scene<'_, T, K>, failure: Failure) -> bool {
    scene.failed(failure);
    false
}

fn tried<M>(
    scene: &Scene<'_, impl Sample + ?Sized, impl Cloning>,
    count: usize,
    sent: Result<(), TrySendError<M>>,
) -> bool {
    let (outcome, count) = match sent {
        Ok(()) => (Outcome::Sent, count),
        Err(TrySendError::Full(_) | TrySendError::Held(..)) => (Outcome::Full, 1),
        Err(TrySendError::Closed(_)) => (Outcome::Closed, 1),
        Err(TrySendError::Disconnected(_) | TrySendError::Removed(_)) => (Outcome::Disconnected, 1),
        Err(TrySendError::Failed(_, failure)) => return end(scene, failure),
    };
    scene.tally.add(outcome, count);
    true
}

fn timed<M>(
    scene: &Scene<'_, impl Sample + ?Sized, impl Cloning>,
    count: usize,
    sent: Result<(), SendTimeoutError<M>>,
) -> bool {
    let (outcome, count) = match sent {
        Ok(()) => (Outcome::Sent, count),
        Err(
            SendTimeoutError::Timeout(..)
            | SendTimeoutError::InHand(..)
            | SendTimeoutError::Cancelled(_),
        ) => (Outcome::TimedOut, 1),
        Err(SendTimeoutError::Closed(_)) => (Outcome::Closed, 1),
        Err(SendTimeoutError::Disconnected(_) | SendTimeoutError::Removed(_)) => {
            (Outcome::Disconnected, 1)
        }
        Err(SendTimeoutError::Failed(_, failure)) => return end(scene, failure),
    };
    scene.tally.add(outcome, count);
    true
}
