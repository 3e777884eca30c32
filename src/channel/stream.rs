//! Endpoints as a `Stream` and a `Sink`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::future::{give_up, poll_claim};
use super::iter::Iteration;
use super::outcome;
use super::receiver::Receiver;
use super::select::Readiness;
use super::sender::Sender;
use crate::error::{RecvError, SendError, TrySendError};
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Turns the receiver into a [`Stream`] (feature `futures`). Its items and its end are those
    /// of [`Receiver::iter`]. It waits as [`Receiver::recv_async`] does.
    ///
    /// ```
    /// # use futures_core::Stream;
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # let ring = memring::Ring::<u64, memring::Spsc>::anonymous(4)?;
    /// # let (mut tx, rx) = (ring.sender()?, ring.receiver()?);
    /// tx.send(7)?;
    /// let mut stream = pin!(rx.into_stream());
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert_eq!(stream.as_mut().poll_next(&mut context), Poll::Ready(Some(Ok(7))));
    /// assert_eq!(stream.as_mut().poll_next(&mut context), Poll::Pending);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_stream(self) -> RecvStream<T, K> {
        RecvStream {
            receiver: Some(self),
            has_waited: false,
            state: Iteration::default(),
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Turns the sender into a [`Sink`] of messages (of `Vec<u8>` in byte rings; feature
    /// `futures`).
    ///
    /// A message that `start_send` takes is in the ring at once if there is room, which
    /// `poll_ready` has waited for. If another sender was quicker, the message waits in the sink,
    /// for `poll_flush`. `poll_close` flushes, and does not close the ring. On a rendezvous ring
    /// a message is offered by `poll_flush`, which is ready when a receiver has acknowledged it.
    ///
    /// ```
    /// # use futures_sink::Sink;
    /// # use std::{pin::Pin, task::{Context, Waker}};
    /// # let ring = memring::Ring::<u64, memring::Spsc>::anonymous(4)?;
    /// # let (tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let mut sink = tx.into_sink();
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(Pin::new(&mut sink).poll_ready(&mut context).is_ready());
    /// Pin::new(&mut sink).start_send(7)?;
    /// assert_eq!(rx.try_recv(), Ok(7));
    /// let (mut tx, unsent) = sink.into_inner();
    /// assert!(unsent.is_empty());
    /// # tx.send(8)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_sink(mut self) -> SendSink<T, K> {
        self.take_back_offer(); // of a future that was leaked
        SendSink {
            sender: Some(self),
            has_waited: false,
            unsent: VecDeque::new(),
        }
    }
}

/// Messages as they come: see [`Receiver::into_stream`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct RecvStream<T: Message + ?Sized, K: Kind> {
    /// Always there, but for `into_inner`.
    receiver: Option<Receiver<T, K>>,
    has_waited: bool,
    state: Iteration,
}

impl<T: Message + ?Sized, K: Kind> Unpin for RecvStream<T, K> {}

impl<T: Message + ?Sized, K: Kind> RecvStream<T, K> {
    /// Returns the receiver. No message is lost.
    ///
    /// ```
    /// # use memring::{Ring, Spsc};
    /// # let ring = Ring::<u64, Spsc>::anonymous(4)?;
    /// # let (mut tx, mut rx) = (ring.sender()?, ring.receiver()?);
    /// let stream = rx.into_stream(); // for a while
    /// tx.send(7)?;
    /// let mut rx = stream.into_inner();
    /// assert_eq!(rx.recv()?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(mut self) -> Receiver<T, K> {
        self.finish();
        self.receiver.take().expect("only this takes it")
    }

    fn finish(&mut self) {
        if let Some(receiver) = &mut self.receiver {
            give_up(receiver, &mut self.has_waited);
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Stream for RecvStream<T, K> {
    type Item = Result<T::Received, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let (Some(receiver), has_waited) = (&mut this.receiver, &mut this.has_waited) else {
            return Poll::Ready(None);
        };
        this.state.step(receiver, |receiver| {
            let received = ready!(receiver.poll_recv(has_waited, context));
            Poll::Ready(received.map_err(outcome::recv))
        })
    }
}

impl<T: Message + ?Sized, K: Kind> FusedStream for RecvStream<T, K> {
    fn is_terminated(&self) -> bool {
        self.state.is_over()
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for RecvStream<T, K> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A sink that sends its items: see [`Sender::into_sink`].
#[must_use = "a sink does nothing unless it is polled"]
pub struct SendSink<T: Message + ?Sized, K: Kind> {
    /// Always there, but for `into_inner`.
    sender: Option<Sender<T, K>>,
    has_waited: bool,
    /// Messages for which there was no room after all: one, of a user that waits for
    /// `poll_ready`.
    unsent: VecDeque<T::Received>,
}

impl<T: Message + ?Sized, K: Kind> Unpin for SendSink<T, K> {}

impl<T: Message + ?Sized, K: Kind> SendSink<T, K> {
    /// Returns the sender, and the messages that were not flushed: at most one, if the user waits
    /// for `poll_ready`. (On a rendezvous ring: one that no receiver has taken.)
    ///
    /// Example: [`Sender::into_sink`].
    pub fn into_inner(mut self) -> (Sender<T, K>, Vec<T::Received>) {
        self.finish();
        let sender = self.sender.take().expect("only this takes it");
        (sender, std::mem::take(&mut self.unsent).into())
    }

    fn finish(&mut self) {
        if let Some(sender) = &mut self.sender {
            if !sender.take_back_offer() {
                self.unsent.pop_front();
            }
            give_up(sender, &mut self.has_waited);
        }
    }

    /// Sends what waits in the sink.
    fn poll_unsent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        while let (Some(sender), Some(message)) = (&mut self.sender, self.unsent.front()) {
            let sent = sender.poll_send(&T::as_sent(message), &mut self.has_waited, context);
            let sent = ready!(sent);
            self.unsent.pop_front();
            if let Err(error) = sent {
                return Poll::Ready(Err(outcome::send(error, ())));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Message + ?Sized, K: Kind> Sink<T::Received> for SendSink<T, K> {
    type Error = SendError<()>;

    fn poll_ready(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(context))?;
        let Some(sender) = &mut this.sender else {
            return Poll::Ready(Ok(()));
        };
        if sender.giving.is_some() {
            return Poll::Ready(Ok(())); // it is offered when the sink is flushed
        }
        let ready = poll_claim(&mut Readiness(sender), &mut this.has_waited, context);
        ready.map_err(|error| outcome::send(error, ()))
    }

    fn start_send(self: Pin<&mut Self>, message: T::Received) -> Result<(), Self::Error> {
        let this = self.get_mut();
        let Some(sender) = &mut this.sender else {
            return Ok(());
        };
        if sender.giving.is_some() || !this.unsent.is_empty() {
            this.unsent.push_back(message);
            return Ok(());
        }
        match sender.try_send(T::as_sent(&message)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(SendError::Closed(())),
            // `Disconnected`: it may wait for a peer, as the ring's maker chose.
            Err(TrySendError::Full(_) | TrySendError::Held(..) | TrySendError::Disconnected(_)) => {
                this.unsent.push_back(message);
                Ok(())
            }
            Err(TrySendError::Removed(_)) => Err(SendError::Removed(())),
            Err(TrySendError::Failed(_, failure)) => Err(SendError::Failed((), failure)),
        }
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_unsent(context)
    }

    fn poll_close(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_unsent(context)
    }
}

impl<T: Message + ?Sized, K: Kind> Drop for SendSink<T, K> {
    fn drop(&mut self) {
        self.finish();
    }
}

// By hand: derived, they would ask for `K: Debug` and `T: Debug`.
impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for RecvStream<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RecvStream").field(&self.receiver).finish()
    }
}

impl<T: Message + ?Sized, K: Kind> std::fmt::Debug for SendSink<T, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SendSink").field(&self.sender).finish()
    }
}
