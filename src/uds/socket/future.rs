//! The verbs as futures: the task is woken by the watching thread.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::end::SocketEnd;
use super::receiver::SocketReceiver;
use super::sender::SocketSender;
use crate::channel::{WaitError, outcome};
use crate::error::{RecvError, SendError};
use crate::message::Message;

impl<T: Message + ?Sized> SocketReceiver<T> {
    /// As [`SocketReceiver::recv`], as a future. It needs no runtime, and works in any: a thread
    /// of this process, which waits for all such sockets, wakes the task.
    ///
    /// **Cancel-safe**: the future takes a message only in the poll that returns it.
    ///
    /// ```
    /// # use memring::uds::{SocketType, socket_pair};
    /// # let (mut tx, mut rx) = socket_pair::<u64>(SocketType::Stream)?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// tx.send_async(7).await?;
    /// assert_eq!(rx.recv_async().await?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`SocketReceiver::recv`].
    pub fn recv_async(&mut self) -> SocketRecvFuture<'_, T> {
        SocketRecvFuture {
            receiver: Some(self),
        }
    }
}

impl<T: Message + ?Sized> SocketSender<T> {
    /// As [`SocketSender::send`], as a future; as [`SocketReceiver::recv_async`] otherwise. The
    /// future is ready when the kernel has taken the message. For a long message over a stream,
    /// it is ready when the kernel has taken the beginning, as [`SocketSender::try_send`] says.
    ///
    /// **Cancel-safe**: if the future is dropped before it is ready, it has sent nothing.
    ///
    /// Example: [`SocketReceiver::recv_async`].
    ///
    /// # Errors
    /// As [`SocketSender::send`].
    pub fn send_async<'a>(&'a mut self, message: T::Sent<'a>) -> SocketSendFuture<'a, T> {
        SocketSendFuture {
            pending: Some((self, message)),
        }
    }
}

/// Waits for a message: see [`SocketReceiver::recv_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct SocketRecvFuture<'a, T: Message + ?Sized> {
    /// `None`: it is over.
    receiver: Option<&'a mut SocketReceiver<T>>,
}

/// Waits for room and sends a message: see [`SocketSender::send_async`].
#[must_use = "a future does nothing unless it is polled"]
pub struct SocketSendFuture<'a, T: Message + ?Sized> {
    /// `None`: it is over.
    pending: Option<(&'a mut SocketSender<T>, T::Sent<'a>)>,
}

// Nothing in them is pinned, whatever the message.
impl<T: Message + ?Sized> Unpin for SocketRecvFuture<'_, T> {}
impl<T: Message + ?Sized> Unpin for SocketSendFuture<'_, T> {}

/// Has the task woken. No wake-up is lost between the try and this: what the socket is ready
/// for already wakes at once.
fn wait<R>(end: &mut SocketEnd, context: &Context<'_>) -> Poll<R> {
    if end.wait_for_wake(context.waker()).is_err() {
        // No thread or descriptor: the runtime polls instead.
        context.waker().wake_by_ref();
    }
    Poll::Pending
}

impl<T: Message + ?Sized> Future for SocketRecvFuture<'_, T> {
    type Output = Result<T::Received, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(receiver) = &mut this.receiver else {
            return Poll::Pending;
        };
        let received = receiver.recv_now();
        match received {
            Err(WaitError::NotYet) if !receiver.end.is_cancelled() => {
                wait(&mut receiver.end, context)
            }
            received => {
                let received = match received {
                    Err(WaitError::NotYet) => Err(WaitError::Cancelled),
                    received => received,
                };
                receiver.end.stop_waiting();
                this.receiver = None;
                Poll::Ready(received.map_err(outcome::recv))
            }
        }
    }
}

impl<T: Message + ?Sized> Future for SocketSendFuture<'_, T> {
    type Output = Result<(), SendError<T::Unsent>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some((sender, message)) = &mut this.pending else {
            return Poll::Pending;
        };
        let error = match sender.send_now(T::encode(message)) {
            Ok(()) => {
                sender.end.stop_waiting();
                this.pending = None;
                return Poll::Ready(Ok(()));
            }
            Err(WaitError::NotYet) if sender.end.is_cancelled() => WaitError::Cancelled,
            Err(WaitError::NotYet) => return wait(&mut sender.end, context),
            Err(error) => error,
        };
        sender.end.stop_waiting();
        match this.pending.take() {
            Some((_, message)) => Poll::Ready(Err(outcome::send(error, T::unsent(message)))),
            None => Poll::Pending,
        }
    }
}

impl<T: Message + ?Sized> Drop for SocketRecvFuture<'_, T> {
    fn drop(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            receiver.end.stop_waiting();
        }
    }
}

impl<T: Message + ?Sized> Drop for SocketSendFuture<'_, T> {
    fn drop(&mut self) {
        if let Some((sender, _)) = &mut self.pending {
            sender.end.stop_waiting();
        }
    }
}
