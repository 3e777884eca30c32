//! Chunks on a ring that is under attack: of messages of a fixed size.

use std::mem;

use memring::{
    GrantChunk, Kind, LeaseChunk, Message, Receiver, SendBatchError, SendError, Sender,
    TryRecvError, TrySendError,
};
use memring_testkit::random::Random;

/// Sends copies of a message by a chunk, and says how many: some, all, or none, for the chunk
/// is given up or leaked.
pub fn send<T, K: Kind>(
    sender: &mut Sender<T, K>,
    message: T,
    random: &mut Random,
) -> Result<usize, TrySendError<()>>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let most = random.pick(&[1, 3, 40]);
    let capacity = sender.capacity();
    let mut chunk: GrantChunk<'_, T, K> = sender.try_reserve_chunk(most)?;
    assert!((1..=most.min(capacity)).contains(&chunk.len()), "{most}");
    chunk.fill_with(|| message);
    let sent = match random.below(5) {
        0 => return Ok(0),
        1 => {
            mem::forget(chunk);
            return Ok(0);
        }
        2 => chunk.commit_first(1),
        _ => chunk.commit(),
    };
    match sent {
        Ok(sent) => Ok(sent),
        Err(SendBatchError {
            cause: SendError::Failed((), failure),
            ..
        }) => Err(TrySendError::Failed((), failure)),
        // (That the ring is closed is for the attacker to say, too: it is no failure.)
        Err(error) => Ok(error.sent),
    }
}

/// Reads what a chunk holds twice, for it may change, and lets it go in some way. Says how
/// many messages there were.
pub fn receive<T, K: Kind>(
    receiver: &mut Receiver<T, K>,
    blank: T,
    random: &mut Random,
) -> Result<usize, TryRecvError>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let most = random.pick(&[1, 3, 40]);
    let capacity = receiver.capacity();
    let mut chunk: LeaseChunk<'_, T, K> = receiver.try_lease_chunk(most)?;
    let count = chunk.len();
    assert!((1..=most.min(capacity)).contains(&count), "{count}");
    let mut messages = vec![blank; 40];
    for _ in 0..2 {
        assert_eq!(chunk.copy_to_slice(&mut messages), count);
        for leased in chunk.iter() {
            let _ = leased.read();
            assert!(leased.redeliveries() < 16);
        }
    }
    match random.below(5) {
        0 => chunk.requeue(),
        1 => mem::forget(chunk),
        2 => chunk.release_first(1),
        _ => chunk.release(),
    }
    Ok(count)
}
