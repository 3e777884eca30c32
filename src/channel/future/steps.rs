//! One poll of what a future, a stream or a sink does, on rings of both sorts.

use std::task::{Context, Poll, ready};

use super::claim::poll_claim;
use crate::channel::receiver::{Opened, Receiver};
use crate::channel::sender::Sender;
use crate::channel::waiting::WaitError;
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
}
