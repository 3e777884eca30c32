//! The futures, and the verbs that make them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::claim::{AsyncClaim, poll_claim};
use crate::channel::grant::Grant;
use crate::channel::lease::Lease;
use crate::channel::outcome;
use crate::channel::receiver::Receiver;
use crate::channel::rendezvous::refuse_rendezvous;
use crate::channel::sender::Sender;
use crate::channel::waiting::WaitError;
use crate::error::{RecvError, SendError};
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// As [`Receiver::recv`], as a future. It needs no runtime, and works in any.
    ///
    /// If a message is there, this costs as much as `try_recv`. Else the process's waiting thread
    /// wakes the task: see `docs/async.md`.
    ///
    /// **Cancel-safe**: the future takes a message only in the poll that returns it. If it is
    /// dropped before, it has taken no message. (On a rendezvous ring a `try_send` may have left
    /// a message to it; the next receiver gets that message.)
    ///
    /// The future does not spin, regardless of the receiver's
    /// [`WaitStrategy`](crate::WaitStrategy). On a ring of spinners
    /// ([`Wakeups::SpinOnly`](crate::Wakeups::SpinOnly)), where nothing wakes a waiter, its task
    /// is polled again and again. On a ring that is never empty the future never waits, so a loop
    /// over it has to yield to other tasks by itself.
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, sync::Arc, task::{Context, Poll, Wake, Waker}};
    /// # struct Unpark(std::thread::Thread);
    /// # impl Wake for Unpark {
    /// #     fn wake(self: Arc<Self>) { self.0.unpark() }
    /// # }
    /// # fn block_on<F: Future>(future: F) -> F::Output {
    /// #     let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    /// #     let (mut future, mut context) = (pin!(future), Context::from_waker(&waker));
    /// #     loop {
    /// #         match future.as_mut().poll(&mut context) {
    /// #             Poll::Ready(output) => return output,
    /// #             Poll::Pending => std::thread::park(),
    /// #         }
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # block_on(async {
    /// let ring = memring::Ring::<u64, memring::Spsc>::anonymous(4)?;
    /// let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send_async(7).await?;
    /// assert_eq!(rx.recv_async().await?, 7);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn recv_async(&mut self) -> RecvFuture<'_, T, K> {
        RecvFuture(AsyncClaim::new(self))
    }

    /// As [`Receiver::lease`], as a future; as [`Receiver::recv_async`] otherwise. As always, a
    /// leased message is given back if the lease is dropped.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// tx.send_async(7).await?;
    /// let lease = rx.lease_async().await?;
    /// assert_eq!(lease.read(), 7);
    /// lease.release(); // acknowledges it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn lease_async(&mut self) -> LeaseFuture<'_, T, K> {
        LeaseFuture(AsyncClaim::new(self))
    }

    /// Waits until there is a message, and does not take it. After `Ok`, a call that does not
    /// wait finds the message, unless another receiver is quicker. As [`Receiver::recv_async`]
    /// otherwise.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// tx.send(7)?;
    /// rx.ready_async().await?;
    /// assert_eq!(rx.try_recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Receiver::recv`].
    pub fn ready_async(&mut self) -> RecvReadyFuture<'_, T, K> {
        RecvReadyFuture(AsyncClaim::new(self))
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// As [`Sender::send`], as a future; as [`Receiver::recv_async`] otherwise.
    ///
    /// **Cancel-safe**: if the future is dropped before it is ready, it has sent nothing, and the
    /// message is dropped with it. (A typed message is `Copy`, and the caller has the bytes of a
    /// byte message.)
    ///
    /// **Less so on a rendezvous ring.** On a [rendezvous](crate::RingBuilder::rendezvous) ring
    /// the message is offered from the first poll on, and the future is ready when a receiver has
    /// acknowledged it. If the future is dropped before, it takes the offer back, unless a
    /// receiver holds the message and may still acknowledge it, or has acknowledged it since the
    /// last poll.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// tx.send_async(7).await?; // waits while the ring is full
    /// assert_eq!(rx.recv_async().await?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_async<'a>(&'a mut self, message: T::Sent<'a>) -> SendFuture<'a, T, K> {
        self.take_back_offer(); // of a future that was leaked
        SendFuture {
            claim: AsyncClaim::new(self),
            message: Some(message),
        }
    }

    /// As [`Sender::reserve`], as a future; as [`Receiver::recv_async`] otherwise. With many
    /// senders, receivers wait at the place for as long as the grant lives: do not hold it
    /// over an `await`.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut grant = tx.reserve_async().await?;
    /// grant.write(7)?;
    /// grant.commit()?;
    /// assert_eq!(rx.try_recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn reserve_async(&mut self) -> ReserveFuture<'_, T, K> {
        ReserveFuture(AsyncClaim::new(self))
    }

    /// Waits until there is room for a message, and does not take it. After `Ok`, a call that
    /// does not wait finds room, unless another sender is quicker.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// tx.ready_async().await?;
    /// tx.try_send(7)?; // has room: there is one sender
    /// # assert_eq!(rx.try_recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn ready_async(&mut self) -> SendReadyFuture<'_, T, K> {
        SendReadyFuture(AsyncClaim::new(self))
    }
}

/// Waits for a message: see [`Receiver::recv_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct RecvFuture<'a, T: Message + ?Sized, K: Kind>(AsyncClaim<'a, Receiver<T, K>>);

/// Waits for a message to lease: see [`Receiver::lease_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct LeaseFuture<'a, T: Message + ?Sized, K: Kind>(AsyncClaim<'a, Receiver<T, K>>);

/// Waits for a message and does not take it: see [`Receiver::ready_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct RecvReadyFuture<'a, T: Message + ?Sized, K: Kind>(AsyncClaim<'a, Receiver<T, K>>);

/// Waits for room and sends a message: see [`Sender::send_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct SendFuture<'a, T: Message + ?Sized, K: Kind> {
    claim: AsyncClaim<'a, Sender<T, K>>,
    message: Option<T::Sent<'a>>,
}

/// Waits for the place of a message: see [`Sender::reserve_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct ReserveFuture<'a, T: Message + ?Sized, K: Kind>(AsyncClaim<'a, Sender<T, K>>);

/// Waits for room and does not take it: see [`Sender::ready_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct SendReadyFuture<'a, T: Message + ?Sized, K: Kind>(AsyncClaim<'a, Sender<T, K>>);

/// Nothing in them is pinned, whatever the message.
macro_rules! plain {
    ($($future:ident),*) => {
        $(
            impl<T: Message + ?Sized, K: Kind> Unpin for $future<'_, T, K> {}

            impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for $future<'_, T, K> {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.debug_struct(stringify!($future)).finish_non_exhaustive()
                }
            }
        )*
    };
}

plain!(
    RecvFuture,
    LeaseFuture,
    RecvReadyFuture,
    SendFuture,
    ReserveFuture,
    SendReadyFuture
);

impl<T: Message + ?Sized, K: Kind> Future for RecvFuture<'_, T, K> {
    type Output = Result<T::Received, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let received = ready!(self.get_mut().0.poll(context, Receiver::poll_recv));
        Poll::Ready(received.map(|(_, message)| message).map_err(outcome::recv))
    }
}

impl<'a, T: Message + ?Sized, K: Kind> Future for LeaseFuture<'a, T, K> {
    type Output = Result<Lease<'a, T, K>, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let claimed = ready!(self.get_mut().0.poll(context, Receiver::poll_open));
        Poll::Ready(match claimed {
            Ok((receiver, opened)) => Ok(Lease::new(receiver.hand_out_one(opened))),
            Err(error) => Err(outcome::recv(error)),
        })
    }
}

impl<T: Message + ?Sized, K: Kind> Future for RecvReadyFuture<'_, T, K> {
    type Output = Result<(), RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ready = ready!(self.get_mut().0.poll_ready(context));
        Poll::Ready(ready.map(drop).map_err(outcome::recv))
    }
}

impl<T: Message + ?Sized, K: Kind> Future for SendFuture<'_, T, K> {
    type Output = Result<(), SendError<T::Unsent>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(message) = &this.message else {
            return Poll::Pending;
        };
        let checked = this
            .claim
            .endpoint()
            .map(|sender| sender.check_length(message));
        let sent = match checked {
            Some(Err(failure)) => Err(WaitError::Failed(failure)),
            _ => ready!(this.claim.poll(context, |sender, has_waited, context| {
                sender.poll_send(message, has_waited, context)
            })),
        };
        match (sent, this.message.take()) {
            (Err(error), Some(message)) => {
                Poll::Ready(Err(outcome::send(error, T::unsent(message))))
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl<'a, T: Message + ?Sized, K: Kind> Future for ReserveFuture<'a, T, K> {
    type Output = Result<Grant<'a, T, K>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let claimed = ready!(
            self.get_mut()
                .0
                .poll(context, |sender, has_waited, context| {
                    refuse_rendezvous(sender)?;
                    poll_claim(sender, has_waited, context)
                })
        );
        Poll::Ready(match claimed {
            Ok((sender, position)) => {
                sender.granted.push(position);
                Ok(Grant::new(sender, position))
            }
            Err(error) => Err(outcome::send(error, ())),
        })
    }
}

impl<T: Message + ?Sized, K: Kind> Future for SendReadyFuture<'_, T, K> {
    type Output = Result<(), SendError<()>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ready = ready!(self.get_mut().0.poll_ready(context));
        Poll::Ready(ready.map(drop).map_err(|error| outcome::send(error, ())))
    }
}
