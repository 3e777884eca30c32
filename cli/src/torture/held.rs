//! Messages that a receiver holds, by a batch or by a chunk.

use anyhow::{Result, anyhow};
use memring::{
    Kind, LeaseBatch, LeaseChunk, LeasedMessage, Message, Receiver, RecvError, TryRecvError,
};

/// A batch or a chunk of leases.
pub trait Held<T: Message + ?Sized> {
    /// How many messages are held.
    fn len(&self) -> usize;
    /// One of them.
    fn get(&self, index: usize) -> Option<LeasedMessage<'_, T>>;
    /// Acknowledge the first `count`.
    fn release_first(&mut self, count: usize);
    /// Acknowledge those that are left.
    fn release(self: Box<Self>);
    /// Give those that are left back.
    fn requeue(self: Box<Self>);
}

impl<T: Message + ?Sized, K: Kind> Held<T> for LeaseBatch<'_, T, K> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, index: usize) -> Option<LeasedMessage<'_, T>> {
        self.get(index)
    }

    fn release_first(&mut self, count: usize) {
        self.release_first(count);
    }

    fn release(self: Box<Self>) {
        (*self).release();
    }

    fn requeue(self: Box<Self>) {
        (*self).requeue();
    }
}

impl<T, K: Kind> Held<T> for LeaseChunk<'_, T, K>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, index: usize) -> Option<LeasedMessage<'_, T>> {
        self.get(index)
    }

    fn release_first(&mut self, count: usize) {
        self.release_first(count);
    }

    fn release(self: Box<Self>) {
        (*self).release();
    }

    fn requeue(self: Box<Self>) {
        (*self).requeue();
    }
}

/// Messages that are held; `None` if there were none.
pub type MaybeHeld<'r, T> = Option<Box<dyn Held<T> + 'r>>;

/// Take a batch.
pub fn lease_batch<T: Message + ?Sized, K: Kind>(
    rx: &mut Receiver<T, K>,
    most: usize,
    blocks: bool,
) -> Result<MaybeHeld<'_, T>> {
    let leased = match blocks {
        true => came(rx.lease_batch(most))?,
        false => is_there(rx.try_lease_batch(most))?,
    };
    Ok(leased.map(|leased| Box::new(leased) as Box<dyn Held<T>>))
}

/// Take a chunk.
pub fn lease_chunk<T, K: Kind>(
    rx: &mut Receiver<T, K>,
    most: usize,
    blocks: bool,
) -> Result<MaybeHeld<'_, T>>
where
    T: for<'m> Message<Sent<'m> = T, Received = T> + Copy,
{
    let leased = match blocks {
        true => came(rx.lease_chunk(most))?,
        false => is_there(rx.try_lease_chunk(most))?,
    };
    Ok(leased.map(|leased| Box::new(leased) as Box<dyn Held<T>>))
}

/// What a call that waits has received.
pub fn came<M>(outcome: Result<M, RecvError>) -> Result<Option<M>> {
    match outcome {
        Ok(message) => Ok(Some(message)),
        Err(error) => Err(anyhow!("cannot receive: {error}")),
    }
}

/// What a call that tries has received.
pub fn is_there<M>(outcome: Result<M, TryRecvError>) -> Result<Option<M>> {
    match outcome {
        Ok(message) => Ok(Some(message)),
        // Disconnected: senders will come.
        Err(TryRecvError::Empty | TryRecvError::Held(_) | TryRecvError::Disconnected) => Ok(None),
        Err(error) => Err(anyhow!("cannot receive: {error}")),
    }
}
