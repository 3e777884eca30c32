//! The verbs, each carried out on the ring and on the model.

use std::mem;

use memring::{
    AttachError, Failure, Kind, Message, Receiver, Ring, Sender, TryRecvError, TrySendError,
};

use super::Guard;
use super::model::{LIMIT, Model, Numbered, Under, bytes_of};

/// The most endpoints on a side of many.
const ENDPOINTS: usize = 3;

/// A ring, its endpoints, and what they must answer.
pub struct Machine<T: Message + ?Sized, K: Kind> {
    pub ring: Ring<T, K>,
    pub senders: Vec<Sender<T, K>>,
    pub receivers: Vec<Receiver<T, K>>,
    pub attempts: u8,
    pub model: Model,
}

fn pick<E>(endpoints: &mut [E], who: u8) -> Option<&mut E> {
    let index = usize::from(who).checked_rem(endpoints.len())?;
    endpoints.get_mut(index)
}

impl<T: Numbered + ?Sized, K: Kind> Machine<T, K> {
    pub fn check(&self) {
        let stats = self.ring.stats();
        let model = &self.model;
        assert_eq!((stats.lost, stats.closed), (model.lost, model.closed));
        assert_eq!(stats.redelivered, model.redelivered);
        assert_eq!(stats.senders.len(), self.senders.len());
        assert_eq!(stats.receivers.len(), self.receivers.len());
        assert!(stats.len <= stats.capacity);
        assert!(model.queue.len() + model.back.len() <= stats.capacity);
        let is_empty = model.queue.is_empty() && model.back.is_empty();
        for receiver in &self.receivers {
            assert!(receiver.is_empty() || !is_empty);
        }
    }

    /// In the end everything that is under way comes out.
    pub fn drain(&mut self) {
        self.close();
        if self.receivers.is_empty() {
            self.attach_receiver();
        }
        while !self.model.queue.is_empty() || !self.model.back.is_empty() {
            self.receive(0);
        }
        assert_eq!(
            self.receivers[0].try_recv().map(T::number),
            Err(TryRecvError::Closed)
        );
        self.check();
    }

    pub fn close(&mut self) {
        self.ring.close().expect("a live ring");
        self.model.closed = true;
    }

    pub fn attach_sender(&mut self) {
        if K::KIND.has_many_senders() && self.senders.len() == ENDPOINTS {
            return;
        }
        match self.ring.sender() {
            Ok(sender) => self.senders.push(sender),
            Err(AttachError::Occupied { .. }) => {
                assert!(!K::KIND.has_many_senders() && self.senders.len() == 1);
            }
            Err(error) => panic!("{error}"),
        }
        self.model.had_sender = true;
    }

    pub fn attach_receiver(&mut self) {
        if K::KIND.has_many_receivers() && self.receivers.len() == ENDPOINTS {
            return;
        }
        match self.ring.receiver() {
            Ok(receiver) => self.receivers.push(receiver),
            Err(AttachError::Occupied { .. }) => {
                assert!(!K::KIND.has_many_receivers() && self.receivers.len() == 1);
            }
            Err(error) => panic!("{error}"),
        }
        self.model.had_receiver = true;
    }

    pub fn send(&mut self, who: u8) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let id = self.model.next;
        let answer = sender.try_send(T::sent(id, &bytes_of(id))).map_err(reason);
        match answer {
            Ok(()) => self.sent(1),
            Err(reason) => self
                .model
                .refused(reason, self.ring.capacity(), self.receivers.len()),
        }
    }

    pub fn send_batch(&mut self, who: u8, count: u8) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let ids = self.model.next..self.model.next + u64::from(count);
        let bytes: Vec<Vec<u8>> = ids.clone().map(bytes_of).collect();
        let messages = ids.zip(&bytes).map(|(id, bytes)| T::sent(id, bytes));
        match sender.try_send_batch(messages) {
            Ok(sent) => {
                assert_eq!(sent, usize::from(count));
                self.sent(sent as u64);
            }
            Err(error) => {
                assert!(error.sent < count.into());
                let reason = reason(error.cause);
                self.sent(error.sent as u64);
                self.model
                    .refused(reason, self.ring.capacity(), self.receivers.len());
            }
        }
    }

    pub fn send_too_long(&mut self, who: u8) {
        if !T::VARIES {
            return;
        }
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let (length, limit) = (LIMIT + 1, LIMIT);
        let answer = sender.try_send(T::sent(0, &[0; LIMIT + 1])).map_err(reason);
        let failure = Failure::TooLong { length, limit };
        assert_eq!(answer, Err(TrySendError::Failed((), failure)));
    }

    pub fn grant(&mut self, who: u8, guard: &Guard) {
        let Some(sender) = pick(&mut self.senders, who) else {
            return;
        };
        let id = self.model.next;
        let mut grant = match sender.try_reserve() {
            Ok(grant) => grant,
            Err(error) => {
                return self
                    .model
                    .refused(error, self.ring.capacity(), self.receivers.len());
            }
        };
        let bytes = bytes_of(id);
        grant
            .write(T::sent(id, &bytes))
            .expect("a message that fits");
        match guard {
            Guard::Finish => {
                grant.commit().expect("a live ring");
                self.sent(1);
            }
            Guard::Drop | Guard::Requeue => {
                drop(grant);
                self.model.crowded |= K::KIND.has_many_senders();
            }
            Guard::Forget => {
                mem::forget(grant);
                self.model.crowded |= K::KIND.has_many_senders();
                // Taken back by the next call, or by the drop.
                self.send(who);
            }
        }
    }

    fn sent(&mut self, count: u64) {
        assert!(count == 0 || !self.model.closed);
        for _ in 0..count {
            let id = self.model.next;
            self.model.queue.push_back(Under { id, attempt: 0 });
            self.model.next += 1;
        }
    }

    pub fn receive(&mut self, who: u8) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        match receiver.try_recv() {
            Ok(message) => {
                self.take(T::number(message), None);
            }
            Err(error) => self.model.nothing(error, self.senders.len()),
        }
    }

    pub fn receive_batch(&mut self, who: u8, max: u8) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        let mut messages = Vec::new();
        match receiver.try_recv_batch(&mut messages, max.into()) {
            Ok(count) => {
                assert_eq!(messages.len(), count);
                assert!(count <= max.into() && (count > 0 || max == 0));
                for message in messages {
                    self.take(T::number(message), None);
                }
            }
            Err(error) => {
                assert!(max > 0);
                self.model.nothing(error, self.senders.len());
            }
        }
    }

    pub fn lease(&mut self, who: u8, max: u8, guard: &Guard) {
        let Some(receiver) = pick(&mut self.receivers, who) else {
            return;
        };
        let leases = match receiver.try_lease_batch(max.into()) {
            Ok(leases) => leases,
            Err(error) => return self.model.nothing(error, self.senders.len()),
        };
        assert!(leases.len() <= usize::from(max).max(1));
        let seen: Vec<(u64, u8)> = leases
            .iter()
            .map(|leased| (T::number(leased.read()), leased.redeliveries()))
            .collect();
        match guard {
            Guard::Finish => leases.release(),
            Guard::Drop => drop(leases),
            Guard::Forget => mem::forget(leases),
            Guard::Requeue => leases.requeue(),
        }
        let taken: Vec<Under> = seen
            .into_iter()
            .map(|(id, attempt)| self.take(id, Some(attempt)))
            .collect();
        match guard {
            Guard::Finish | Guard::Drop => {}
            Guard::Requeue => self.give_back(taken),
            Guard::Forget => {
                // Taken back by the next call on that endpoint.
                self.give_back(taken);
                self.receive(who);
            }
        }
    }

    /// This message was received: it was its turn.
    fn take(&mut self, id: u64, attempt: Option<u8>) -> Under {
        let model = &mut self.model;
        let found = match model.back.iter().position(|under| under.id == id) {
            Some(index) => model.back.swap_remove(index),
            None => {
                let under = model.queue.pop_front().expect("a message");
                assert_eq!(under.id, id);
                under
            }
        };
        assert!(attempt.is_none_or(|attempt| attempt == found.attempt));
        found
    }

    fn give_back(&mut self, taken: Vec<Under>) {
        let model = &mut self.model;
        for mut under in taken.into_iter().rev() {
            model.crowded = true;
            under.attempt += 1;
            if under.attempt >= self.attempts {
                model.lost += 1;
                continue;
            }
            model.redelivered += 1;
            if K::KIND.has_many_receivers() {
                model.back.push(under);
            } else {
                model.queue.push_front(under);
            }
        }
    }
}

/// Why, without the message.
fn reason<M>(error: TrySendError<M>) -> TrySendError<()> {
    match error {
        TrySendError::Full(_) => TrySendError::Full(()),
        TrySendError::Closed(_) => TrySendError::Closed(()),
        TrySendError::Disconnected(_) => TrySendError::Disconnected(()),
        TrySendError::Failed(_, failure) => TrySendError::Failed((), failure),
    }
}
