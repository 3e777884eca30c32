//! One poll of what a future, a stream or a sink does, on rings of both sorts.

use std::task::{Context, Poll, ready};

use super::claim::{give_up, poll_claim};
use crate::channel::outcome;
use crate::channel::receiver::{Opened, Receiver};
use crate::channel::sender::Sender;
use crate::channel::waiting::WaitError;
use crate::error::RecvError;
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> Receiver<T, K> {
    /// Takes a message, if one is there.
    pub(in crate::channel) fn poll_open(
        &mut self,
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<Opened, WaitError>> {
        match self.taking.is_some() {
            true => self.poll_take(has_waited, context),
            false => poll_claim(self, has_waited, context),
        }
    }

    /// Takes a message, if one is there, and acknowledges it.
    pub(in crate::channel) fn poll_recv(
        &mut self,
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<T::Received, WaitError>> {
        let opened = ready!(self.poll_open(has_waited, context));
        Poll::Ready(opened.map(|opened| match self.taking.is_some() {
            true => self.acknowledge_handover(opened, T::decode),
            false => {
                let view = self.view;
                self.acknowledge(&view, opened, T::decode)
            }
        }))
    }

    /// Takes a message, if one is there, and acknowledges it. Else the context's waker is
    /// woken when one may be there; [`Receiver::stop_polling`] has to follow.
    pub(crate) fn poll_recv_once(
        &mut self,
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<T::Received, RecvError>> {
        self.poll_recv(has_waited, context)
            .map(|received| received.map_err(outcome::recv))
    }

    /// Has no waker woken any more, and passes on a wake-up that it may have had.
    pub(crate) fn stop_polling(&mut self, has_waited: &mut bool) {
        give_up(self, has_waited);
    }
}

impl<T: Message + ?Sized, K: Kind> Sender<T, K> {
    /// Sends `message`, if there is room; to a rendezvous ring, offers it, and looks whether
    /// a receiver has acknowledged it.
    pub(in crate::channel) fn poll_send(
        &mut self,
        message: &T::Sent<'_>,
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), WaitError>> {
        if self.giving.is_some() {
            return self.poll_hand_over(T::encode(message), has_waited, context);
        }
        let position = ready!(poll_claim(self, has_waited, context))?;
        let view = self.view;
        Poll::Ready(match self.write(&view, position, message) {
            true => Ok(()),
            false => Err(self.closed()),
        })
    }

    /// Whether every receiver that this sender saw has gone. Else the context's waker is
    /// woken when that may be so; [`Sender::stop_polling`] has to follow.
    ///
    /// The waker waits where senders wait for room: what wakes it may have been meant for one
    /// of them, so each call passes that on (W3).
    pub(crate) fn poll_disconnected(
        &mut self,
        has_waited: &mut bool,
        context: &mut Context<'_>,
    ) -> bool {
        self.stop_polling(has_waited);
        if !self.connection.has_fast_paths() {
            return false; // other calls find out why
        }
        // W2: register, and look again before the thread sleeps for us.
        let word = self.connection.register();
        if self.connection.have_peers_gone() {
            return true;
        }
        *has_waited = true;
        if self
            .connection
            .wait_for_wake(word, context.waker())
            .is_err()
        {
            context.waker().wake_by_ref(); // no thread: the runtime polls instead
        }
        false
    }

    /// Has no waker woken any more, and passes on a wake-up that it may have had.
    pub(crate) fn stop_polling(&mut self, has_waited: &mut bool) {
        give_up(self, has_waited);
    }
}
