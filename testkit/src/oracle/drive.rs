//! Carries calls out on a real ring of whatever kind and message.

use std::time::{Duration, Instant};

use memring::{
    AttachError, Grant, Kind, Lease, LeaseBatch, Receiver, Ring, SendBatchError, SendError,
    SendTimeoutError, Sender, TrySendBatchError, TrySendError,
};

use super::answer::{Answer, Delivery, Figures, Refusal};
use super::chunks::Chunk;
use super::message::{Payload, Unsent};
use super::step::{Call, Guard, MAX_ENDPOINTS, Step, Verb};
use super::watch::Watch;
use super::world::World;
use crate::kinds::Cloning;

/// The endpoints that one process has on a ring, each in its slot.
pub struct Endpoints<P: Payload, K: Kind> {
    ring: Ring<P::Message, K>,
    senders: [Option<Sender<P::Message, K>>; MAX_ENDPOINTS],
    receivers: [Option<Receiver<P::Message, K>>; MAX_ENDPOINTS],
}

impl<P: Payload, K: Cloning> Endpoints<P, K> {
    /// None yet.
    pub fn new(ring: Ring<P::Message, K>) -> Self {
        Endpoints {
            ring,
            senders: Default::default(),
            receivers: Default::default(),
        }
    }

    fn sender(&mut self, slot: u8) -> &mut Sender<P::Message, K> {
        self.senders[usize::from(slot)].as_mut().expect("a sender")
    }

    fn receiver(&mut self, slot: u8) -> &mut Receiver<P::Message, K> {
        let slot = &mut self.receivers[usize::from(slot)];
        slot.as_mut().expect("a receiver")
    }

    fn send(&mut self, who: u8, value: &P::Owned, verb: Verb) -> Answer {
        let (end, message) = (self.sender(who), P::borrow(value));
        let result = match verb {
            Verb::Try => end.try_send(message).map_err(|error| {
                let refusal = Refusal::from(&error);
                (refusal, TrySendError::into_message(error))
            }),
            Verb::Block => end.send(message).map_err(|error| {
                let refusal = Refusal::from(&error);
                (refusal, SendError::into_message(error))
            }),
            Verb::Timeout | Verb::Deadline => match verb {
                Verb::Timeout => end.send_timeout(message, Duration::ZERO),
                _ => end.send_deadline(message, Instant::now()),
            }
            .map_err(|error| {
                let refusal = Refusal::from(&error);
                (refusal, SendTimeoutError::into_message(error))
            }),
        };
        match result {
            Ok(()) => Answer::sent(1),
            Err((refusal, message)) => returned::<P>(0, refusal, message),
        }
    }

    fn send_batch(&mut self, who: u8, first: u64, count: u8, verb: Verb) -> Answer {
        let values: Vec<P::Owned> = (0..count.into()).map(|n| P::make(first + n)).collect();
        let messages = values.iter().map(P::borrow);
        let end = self.sender(who);
        let result = match verb {
            Verb::Block => end.send_batch(messages).map_err(|error| {
                let SendBatchError { sent, cause, .. } = error;
                (sent, Refusal::from(&cause), cause.into_message())
            }),
            _ => end.try_send_batch(messages).map_err(|error| {
                let TrySendBatchError { sent, cause, .. } = error;
                (sent, Refusal::from(&cause), cause.into_message())
            }),
        };
        match result {
            Ok(sent) => Answer::sent(sent),
            Err((sent, refusal, message)) => returned::<P>(sent, refusal, message),
        }
    }

    fn reserve(&mut self, who: u8, number: u64, verb: Verb, guard: Guard) -> Answer {
        let end = self.sender(who);
        let result = match verb {
            Verb::Try => end.try_reserve().map_err(|error| (&error).into()),
            Verb::Block => end.reserve().map_err(|error| (&error).into()),
            Verb::Timeout => {
                let result = end.reserve_timeout(Duration::ZERO);
                result.map_err(|error| (&error).into())
            }
            Verb::Deadline => {
                let result = end.reserve_deadline(Instant::now());
                result.map_err(|error| (&error).into())
            }
        };
        match result {
            Ok(grant) => finish_grant::<P, K>(grant, number, guard),
            Err(refusal) => Answer::Sent {
                count: 0,
                refusal: Some(refusal),
                returned: None,
            },
        }
    }

    fn receive(&mut self, who: u8, verb: Verb) -> Answer {
        let end = self.receiver(who);
        let result = match verb {
            Verb::Try => end.try_recv().map_err(Refusal::from),
            Verb::Block => end.recv().map_err(Refusal::from),
            Verb::Timeout => end.recv_timeout(Duration::ZERO).map_err(Refusal::from),
            Verb::Deadline => end.recv_deadline(Instant::now()).map_err(Refusal::from),
        };
        match result {
            Ok(message) => copies::<P>(&[message], None),
            Err(refusal) => Answer::nothing(refusal),
        }
    }

    fn receive_batch(&mut self, who: u8, max: u8, verb: Verb) -> Answer {
        // What is in the vector stays there.
        let (before, max) = (P::make(0), max.into());
        let mut messages = vec![before.clone()];
        let end = self.receiver(who);
        let result = match verb {
            Verb::Block => end.recv_batch(&mut messages, max).map_err(Refusal::from),
            _ => (end.try_recv_batch(&mut messages, max)).map_err(Refusal::from),
        };
        assert_eq!(messages[0], before);
        assert_eq!(messages.len() - 1, *result.as_ref().unwrap_or(&0));
        match result {
            Ok(_) => copies::<P>(&messages[1..], None),
            Err(refusal) => Answer::nothing(refusal),
        }
    }

    fn lease(&mut self, who: u8, verb: Verb, guard: Guard) -> Answer {
        let end = self.receiver(who);
        let result = match verb {
            Verb::Try => end.try_lease().map_err(Refusal::from),
            Verb::Block => end.lease().map_err(Refusal::from),
            Verb::Timeout => end.lease_timeout(Duration::ZERO).map_err(Refusal::from),
            Verb::Deadline => end.lease_deadline(Instant::now()).map_err(Refusal::from),
        };
        match result {
            Ok(lease) => finish_lease::<P, K>(lease, guard),
            Err(refusal) => Answer::nothing(refusal),
        }
    }

    fn lease_batch(&mut self, who: u8, max: u8, first: u8, verb: Verb, guard: Guard) -> Answer {
        let (end, max) = (self.receiver(who), max.into());
        let result = match verb {
            Verb::Block => end.lease_batch(max).map_err(Refusal::from),
            _ => end.try_lease_batch(max).map_err(Refusal::from),
        };
        match result {
            Ok(batch) => finish_batch::<P, K>(batch, first, guard),
            Err(refusal) => Answer::nothing(refusal),
        }
    }

    /// The other half of what an iterator says of its end.
    fn iterate(&mut self, who: u8, max: u8, verb: Verb) -> Answer {
        let end = self.receiver(who);
        match verb {
            Verb::Block => iterated::<P, _>(end.iter(), max),
            _ => iterated::<P, _>(end.try_iter(), max),
        }
    }
}

/// Up to `max` messages, and the error that came instead of the next.
fn iterated<P: Payload, E: Into<Refusal>>(
    mut items: impl Iterator<Item = Result<P::Owned, E>>,
    max: u8,
) -> Answer {
    let mut messages = Vec::new();
    while messages.len() < max.into() {
        match items.next() {
            Some(Ok(message)) => messages.push(message),
            Some(Err(error)) => {
                // `Held`, which is told apart from the end of `try_iter`; not by the oracle.
                let refusal = Some(error.into()).filter(|refusal| *refusal != Refusal::NotNow);
                return copies::<P>(&messages, refusal);
            }
            None => {
                assert!(items.next().is_none(), "an iterator goes on after its end");
                break;
            }
        }
    }
    copies::<P>(&messages, None)
}

impl<P: Payload, K: Cloning> World for Endpoints<P, K> {
    fn carry_out(&mut self, call: &Call) -> Answer {
        let Call { slot, number, .. } = *call;
        let _watch = Watch::on(*call);
        match call.step {
            Step::AttachSender { .. } => {
                attached(self.ring.sender(), &mut self.senders[usize::from(slot)])
            }
            Step::AttachReceiver { .. } => {
                attached(self.ring.receiver(), &mut self.receivers[usize::from(slot)])
            }
            Step::CloneSender { who } => {
                let clone = K::clone_sender(self.sender(who));
                self.senders[usize::from(slot)] = Some(clone.expect("a kind with many senders"));
                Answer::Done
            }
            Step::CloneReceiver { who } => {
                let clone = K::clone_receiver(self.receiver(who));
                self.receivers[usize::from(slot)] =
                    Some(clone.expect("a kind with many receivers"));
                Answer::Done
            }
            Step::DropSender { who } => {
                self.senders[usize::from(who)] = None;
                Answer::Done
            }
            Step::DropReceiver { who } => {
                self.receivers[usize::from(who)] = None;
                Answer::Done
            }
            Step::Send { who, verb } => self.send(who, &P::make(number), verb),
            Step::SendBatch { who, count, verb } => self.send_batch(who, number, count, verb),
            Step::SendTooLong { who, more, verb } => {
                let message = P::too_long(more).expect("a byte message");
                self.send(who, &message, verb)
            }
            Step::Reserve { who, verb, guard } => self.reserve(who, number, verb, guard),
            Step::Receive { who, verb } => self.receive(who, verb),
            Step::ReceiveBatch { who, max, verb } => self.receive_batch(who, max, verb),
            Step::Lease { who, verb, guard } => self.lease(who, verb, guard),
            Step::LeaseBatch {
                who,
                max,
                first,
                verb,
                guard,
            } => self.lease_batch(who, max, first, verb, guard),
            Step::ReserveChunk {
                who,
                most,
                first,
                verb,
                guard,
            } => {
                let chunk = Chunk {
                    most,
                    first,
                    verb,
                    guard,
                };
                P::reserve_chunk(self.sender(who), chunk, number).expect("typed messages")
            }
            Step::LeaseChunk {
                who,
                max: most,
                first,
                verb,
                guard,
            } => {
                let chunk = Chunk {
                    most,
                    first,
                    verb,
                    guard,
                };
                P::lease_chunk(self.receiver(who), chunk).expect("typed messages")
            }
            Step::Iterate { who, max, verb } => self.iterate(who, max, verb),
            Step::IsEmpty { who } => Answer::Empty(self.receiver(who).is_empty()),
            Step::Close { .. } => {
                self.ring.close().expect("a sound ring");
                Answer::Done
            }
        }
    }

    fn figures(&self) -> Figures {
        Figures::of(&self.ring)
    }
}

fn attached<E>(result: Result<E, AttachError>, slot: &mut Option<E>) -> Answer {
    match result {
        Ok(endpoint) => {
            *slot = Some(endpoint);
            Answer::Done
        }
        Err(AttachError::Occupied { side, holder }) => Answer::Occupied { side, holder },
        Err(error) => panic!("{error}"),
    }
}

fn returned<P: Payload>(count: usize, refusal: Refusal, unsent: Unsent<P>) -> Answer {
    Answer::Sent {
        count,
        refusal: Some(refusal),
        returned: P::returned(unsent).as_ref().map(P::fingerprint),
    }
}

fn copies<P: Payload>(messages: &[P::Owned], refusal: Option<Refusal>) -> Answer {
    let delivery = |message: &P::Owned| Delivery {
        message: P::fingerprint(message),
        redeliveries: None,
    };
    Answer::Received {
        messages: messages.iter().map(delivery).collect(),
        refusal,
    }
}

fn finish_grant<P: Payload, K: Kind>(
    mut grant: Grant<'_, P::Message, K>,
    number: u64,
    guard: Guard,
) -> Answer {
    if let Some(limit) = P::LIMIT {
        assert_eq!(grant.limit(), limit);
    }
    let message = P::make(number);
    grant.write(P::borrow(&message)).expect("it fits");
    match guard {
        Guard::Finish => {
            grant.commit().expect("a sound ring");
            return Answer::sent(1);
        }
        Guard::Drop | Guard::Requeue => drop(grant),
        Guard::Forget => std::mem::forget(grant),
    }
    Answer::sent(0)
}

fn finish_lease<P: Payload, K: Kind>(lease: Lease<'_, P::Message, K>, guard: Guard) -> Answer {
    let message = Delivery::of(&lease.message(), P::fingerprint);
    assert_eq!(message.redeliveries, Some(lease.redeliveries()));
    assert_eq!(P::fingerprint(&lease.read()), message.message);
    match guard {
        Guard::Finish => lease.release(),
        Guard::Drop => drop(lease),
        Guard::Forget => std::mem::forget(lease),
        Guard::Requeue => lease.requeue(),
    }
    Answer::Received {
        messages: vec![message],
        refusal: None,
    }
}

fn finish_batch<P: Payload, K: Kind>(
    mut batch: LeaseBatch<'_, P::Message, K>,
    first: u8,
    guard: Guard,
) -> Answer {
    let deliveries = |batch: &LeaseBatch<'_, P::Message, K>| -> Vec<Delivery> {
        let leased = batch.iter();
        leased
            .map(|one| Delivery::of(&one, P::fingerprint))
            .collect()
    };
    let messages = deliveries(&batch);
    assert_eq!(batch.len(), messages.len());
    assert!(batch.get(messages.len()).is_none());
    batch.release_first(first.into());
    let released = messages.len().min(first.into());
    assert_eq!(deliveries(&batch), messages[released..]);
    match guard {
        Guard::Finish => batch.release(),
        Guard::Drop => drop(batch),
        Guard::Forget => std::mem::forget(batch),
        Guard::Requeue => batch.requeue(),
    }
    Answer::Received {
        messages,
        refusal: None,
    }
}
