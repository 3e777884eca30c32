//! Endpoints that wait, over loom's memory: the real decisions about the end of a ring
//! ([`end`]), and the real loop that looks and sleeps ([`block`]).

use super::*;
use crate::members::{Presence, Scan};
use crate::ring::Arity;
use crate::ring::end::{self, Check, Conclude, Conclusion, End};
use crate::sys::atomic::fence;
use crate::wait::models::Futex;
use crate::wait::{Operation, Park, Poll, WaitStrategy, WaitWord, block};

/// Has every waiting endpoint look again.
pub(super) fn wake_all(memory: &LoomMemory, park: &Futex) {
    for side in [Side::Sender, Side::Receiver] {
        WaitWord(memory.wait_word(side)).notify_all(park);
    }
}

/// `membarrier` in each form, modelled as a fence.
pub(super) fn barrier() {
    fence(Ordering::SeqCst);
}

/// Closes a ring at which endpoints may be asleep.
pub(super) fn close(memory: &LoomMemory, park: &Futex) {
    end::close(memory, barrier, || wake_all(memory, park));
}

/// What an endpoint does, as those of `channel` do it.
pub(super) trait Verb {
    type Output;
    const SIDE: Side;
    /// Claims, and does what is to be done with what it has claimed.
    fn attempt(&mut self, memory: &LoomMemory) -> Result<Self::Output, ClaimError>;
    fn is_peer_quiescent(&mut self, memory: &LoomMemory, end: End) -> bool;
    fn leaves_work(&self, memory: &LoomMemory) -> bool;
}

/// Sends a message.
pub(super) struct Send<'s, S>(pub &'s mut S, pub u64);

impl<S: SendSide> Verb for Send<'_, S> {
    type Output = ();
    const SIDE: Side = Side::Sender;

    fn attempt(&mut self, memory: &LoomMemory) -> Result<(), ClaimError> {
        send(memory, self.0, self.1)
    }

    fn is_peer_quiescent(&mut self, _memory: &LoomMemory, _end: End) -> bool {
        true
    }

    fn leaves_work(&self, memory: &LoomMemory) -> bool {
        self.0.has_room(memory)
    }
}

/// Receives a message from senders `S`.
pub(super) struct Receive<'s, R: Arity, S: Arity>(pub &'s mut R::Receiver<S>);

impl<R: Arity, S: Arity> Verb for Receive<'_, R, S> {
    type Output = u64;
    const SIDE: Side = Side::Receiver;

    fn attempt(&mut self, memory: &LoomMemory) -> Result<u64, ClaimError> {
        receive(memory, self.0).map(|(message, _)| message)
    }

    fn is_peer_quiescent(&mut self, memory: &LoomMemory, end: End) -> bool {
        let is_quiescent = S::Sender::<R>::is_quiescent(memory);
        is_quiescent && (end != End::Closed || self.0.fix_end(memory))
    }

    fn leaves_work(&self, memory: &LoomMemory) -> bool {
        self.0.has_message(memory) || end::is_closed(memory)
    }
}

/// The members on the other side of a ring.
pub(super) trait Peers {
    fn presence(&mut self) -> (u64, Presence);
    fn scan_all(&mut self) -> Scan;
}

/// A peer that stays, whatever happens.
pub(super) struct Staying;

impl Peers for Staying {
    fn presence(&mut self) -> (u64, Presence) {
        (1, Presence::Present)
    }

    fn scan_all(&mut self) -> Scan {
        Scan::Complete
    }
}

/// What becomes of the endpoint that closes the ring.
#[derive(Clone, Copy)]
pub(super) enum Closer {
    /// It makes sure of all sends, and wakes.
    IsAlive,
    /// It dies before: that is left to the one that looks, at once, for there is no time here.
    IsDead,
}

/// What an endpoint keeps from one operation to the next.
pub(super) struct ModelConnection<'a, P> {
    memory: &'a LoomMemory,
    park: &'a Futex,
    is_alone: bool,
    registered: bool,
    concluded: Option<End>,
    closer: Closer,
    peers: P,
}

impl<'a> ModelConnection<'a, Staying> {
    /// That of the one endpoint on its side.
    pub(super) fn alone(memory: &'a LoomMemory, park: &'a Futex) -> Self {
        ModelConnection::with_peers(memory, park, Staying)
    }

    /// That of one of many on its side.
    pub(super) fn one_of_many(memory: &'a LoomMemory, park: &'a Futex) -> Self {
        ModelConnection {
            is_alone: false,
            ..ModelConnection::alone(memory, park)
        }
    }
}

impl<'a, P: Peers> ModelConnection<'a, P> {
    /// That of the one endpoint on its side, with peers that come and go.
    pub(super) fn with_peers(memory: &'a LoomMemory, park: &'a Futex, peers: P) -> Self {
        ModelConnection {
            memory,
            park,
            is_alone: true,
            registered: false,
            concluded: None,
            closer: Closer::IsAlive,
            peers,
        }
    }

    /// The endpoint that closed the ring has died before it made sure of all sends.
    pub(super) fn after_closer(self) -> Self {
        ModelConnection {
            closer: Closer::IsDead,
            ..self
        }
    }

    /// Waits until it is done, and has the other side look.
    pub(super) fn wait<V: Verb>(&mut self, verb: V) -> Result<V::Output, End> {
        let result = block(&mut self.endpoint(verb), WaitStrategy::Park.spins(), None);
        if result.is_ok() {
            self.notify(V::SIDE.other());
        }
        result
    }

    /// Has one endpoint of `side` look again, if it sleeps.
    pub(super) fn notify(&self, side: Side) {
        WaitWord(self.memory.wait_word(side)).notify_one(self.memory.fences(), self.park);
    }

    /// Looks once, in full.
    pub(super) fn check<V: Verb>(&mut self, verb: V) -> Poll<V::Output, End> {
        Operation::check(&mut self.endpoint(verb))
    }

    fn endpoint<V: Verb>(&mut self, verb: V) -> Endpoint<'_, 'a, V, P> {
        Endpoint {
            connection: self,
            verb,
        }
    }
}

/// One operation of an endpoint, tried until it succeeds or the ring has ended.
struct Endpoint<'c, 'a, V, P> {
    connection: &'c mut ModelConnection<'a, P>,
    verb: V,
}

impl<V: Verb, P: Peers> Conclude for Endpoint<'_, '_, V, P> {
    type Output = V::Output;

    fn fence(&mut self, end: End) -> bool {
        let ModelConnection { memory, closer, .. } = &*self.connection;
        let unfenced = || match closer {
            Closer::IsAlive => false,
            Closer::IsDead => end::fence_closed(*memory, barrier) | true,
        };
        end::fence_end(*memory, end, barrier, unfenced)
    }

    fn scan_all(&mut self) -> Scan {
        self.connection.peers.scan_all()
    }

    fn attempt(&mut self) -> Result<V::Output, ClaimError> {
        self.verb.attempt(self.connection.memory)
    }

    fn is_quiescent(&mut self, end: End) -> bool {
        self.verb.is_peer_quiescent(self.connection.memory, end)
    }

    fn end_in_sight(&mut self) -> Option<End> {
        let peers = &mut self.connection.peers;
        end::end_in_sight(self.connection.memory, || peers.presence())
    }
}

impl<V: Verb, P: Peers> Check for Endpoint<'_, '_, V, P> {
    type Failure = Infallible;
    const SENDS: bool = matches!(V::SIDE, Side::Sender);

    fn go_on(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn concluded(&mut self) -> &mut Option<End> {
        &mut self.connection.concluded
    }

    fn light(&mut self) {
        self.connection.memory.fences().light();
    }

    fn wake_all(&mut self) {
        wake_all(self.connection.memory, self.connection.park);
    }
}

impl<V: Verb, P: Peers> Operation for Endpoint<'_, '_, V, P> {
    type Output = V::Output;
    type Error = End;
    type Park = Futex;

    fn look(&mut self) -> Option<V::Output> {
        unreachable!("parks at once")
    }

    fn check(&mut self) -> Poll<V::Output, End> {
        let Ok(conclusion) = end::check(self);
        match conclusion {
            Conclusion::Found(output) => Poll::Ready(output),
            Conclusion::NotYet(_) | Conclusion::Contended => Poll::Pending,
            Conclusion::Ended(end) => Poll::Ended(end),
            Conclusion::Corrupted(found) => panic!("impossible: {found:?}"),
        }
    }

    fn register(&mut self) -> u32 {
        let connection = &mut *self.connection;
        let word = WaitWord(connection.memory.wait_word(V::SIDE));
        word.register(
            connection.park,
            connection.is_alone,
            &mut connection.registered,
        )
    }

    fn reclaim(&mut self) -> bool {
        false
    }

    fn is_blocked(&mut self) -> bool {
        false
    }

    fn sleep(&mut self, registered: u32, (): ()) -> bool {
        let ModelConnection { memory, park, .. } = &*self.connection;
        park.sleep(memory.wait_word(V::SIDE), registered, ())
    }

    fn after_sleep(&mut self) {}

    fn pass_on(&mut self) {
        let connection = &*self.connection;
        if !connection.is_alone && self.verb.leaves_work(connection.memory) {
            connection.notify(V::SIDE);
        }
    }

    fn timed_out(&mut self) -> End {
        unreachable!("there is no deadline")
    }

    fn park(&mut self) -> Futex {
        self.connection.park.clone()
    }
}
