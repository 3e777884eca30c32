//! Each verb of both ends, over the four kinds and rendezvous rings of each, in every sort of
//! memory. With the feature `portable` the same is asked of the other backend.
//!
//! The verbs are in two tables ([`sending`], [`receiving`]). What is asked of them is here:
//! that messages pass, in order, and what each says at a limit, at an end, when it is
//! cancelled, and where it has no meaning.

mod places;
mod receiving;
mod said;
mod sending;

use std::thread;
use std::time::Duration;

use memring::{Canceller, Kind, Receiver, Sender};
use memring_testkit::time::LONG;

use places::{Anonymous, Ends, Heap, Named, Place};
use receiving::{Peeking, ReceivingVerb};
use said::Said;
use sending::SendingVerb;

/// How a verb waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Not at all.
    Not,
    /// As long as it takes, in a call.
    Forever,
    /// For so long, in a call.
    Limited,
    /// By a waker, or in a set: there is no call to be cancelled.
    Otherwise,
}

/// How many messages a ring of the tests holds, if any.
const CAPACITY: usize = 4;
/// Time enough for a wait to be over.
const SHORT: Duration = Duration::from_millis(5);
/// Messages of one verb, in runs of three.
const MESSAGES: u64 = 12;

/// Sends what the verb is given; tries again, if it does not wait.
fn send_all<K: Kind>(
    verb: &SendingVerb<K>,
    tx: &mut Sender<u64, K>,
    messages: &[u64],
) -> Result<(), Said> {
    let mut left = messages;
    loop {
        match (verb.send)(tx, left, LONG) {
            Ok(sent) if sent >= left.len() => return Ok(()),
            Ok(sent) => left = &left[sent..],
            Err(Said::NotYet) if verb.waits == Waits::Not => thread::yield_now(),
            Err(said) => return Err(said),
        }
    }
}

/// Receives at least one message, as `send_all` sends.
fn receive_some<K: Kind>(
    verb: &ReceivingVerb<K>,
    rx: &mut Receiver<u64, K>,
    messages: &mut Vec<u64>,
) -> Result<(), Said> {
    loop {
        match (verb.receive)(rx, messages, LONG) {
            Err(Said::NotYet) if verb.waits == Waits::Not => thread::yield_now(),
            other => return other,
        }
    }
}

/// Passes messages from one verb to another, in order.
fn pass<K: Kind>(
    ends: &mut Ends<K>,
    sending: &SendingVerb<K>,
    receiving: &ReceivingVerb<K>,
    first: u64,
) {
    let numbers: Vec<u64> = (first..first + MESSAGES).collect();
    let (tx, rx) = (&mut ends.tx, &mut ends.rx);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for run in numbers.chunks(3) {
                assert_eq!(send_all(sending, tx, run), Ok(()), "{}", sending.name);
            }
        });
        let mut received = Vec::new();
        while received.len() < numbers.len() {
            let got = receive_some(receiving, rx, &mut received);
            assert_eq!(got, Ok(()), "{}", receiving.name);
        }
        if K::KIND.has_many_receivers() && receiving.gives_back() {
            received.sort_unstable();
        }
        assert_eq!(
            received, numbers,
            "from {} to {}",
            sending.name, receiving.name
        );
        sender.join().expect("the sender's thread");
    });
}

fn messages_pass<P: Place, K: Peeking>(capacity: usize) {
    let mut ends = P::ends::<K>(capacity);
    let (sends, receives) = (sending::verbs::<K>(), receiving::verbs::<K>());
    let mut first = 0;
    for sending in sends.iter().filter(|verb| verb.can(capacity)) {
        pass(&mut ends, sending, &receives[0], first);
        first += MESSAGES;
    }
    for receiving in receives.iter().filter(|verb| verb.can(capacity)) {
        pass(&mut ends, &sends[0], receiving, first);
        first += MESSAGES;
    }
    assert_eq!(ends.tx.stats().lost, 0);
}

/// A ring that is full, or has no receiver that waits; and one that is empty.
fn limits_are_kept<P: Place, K: Peeking>(capacity: usize) {
    let mut ends = P::ends::<K>(capacity);
    let late = |waits| match waits {
        Waits::Not => Some(Said::NotYet),
        Waits::Limited => Some(Said::Timeout),
        Waits::Forever | Waits::Otherwise => None,
    };
    for verb in receiving::verbs::<K>() {
        if let Some(late) = late(verb.waits).filter(|_| verb.can(capacity)) {
            let got = (verb.receive)(&mut ends.rx, &mut Vec::new(), SHORT);
            assert_eq!(got, Err(late), "{}", verb.name);
        }
    }
    ends.fill(capacity);
    for verb in sending::verbs::<K>() {
        if let Some(late) = late(verb.waits).filter(|_| verb.can(capacity)) {
            let got = (verb.send)(&mut ends.tx, &[7], SHORT);
            assert_eq!(got, Err(late), "{}", verb.name);
        }
    }
    assert_eq!(ends.drain(), capacity);
}

fn every_verb<K: Peeking>(
    ends: &mut Ends<K>,
    capacity: usize,
    expected: impl Fn(Waits) -> Option<Said>,
) {
    for verb in sending::verbs::<K>() {
        if let Some(expected) = expected(verb.waits).filter(|_| verb.can(capacity)) {
            let got = (verb.send)(&mut ends.tx, &[7], LONG);
            assert_eq!(got, Err(expected), "{}", verb.name);
        }
    }
    for verb in receiving::verbs::<K>() {
        if let Some(expected) = expected(verb.waits).filter(|_| verb.can(capacity)) {
            let got = (verb.receive)(&mut ends.rx, &mut Vec::new(), LONG);
            assert_eq!(got, Err(expected), "{}", verb.name);
        }
    }
}

fn a_closed_ring_is_closed<P: Place, K: Peeking>(capacity: usize) {
    let mut ends = P::ends::<K>(capacity);
    ends.tx.close().expect("close the ring");
    every_verb(&mut ends, capacity, |_| Some(Said::Closed));
}

fn peers_that_have_gone_are_missed<P: Place, K: Peeking>(capacity: usize) {
    for verb in sending::verbs::<K>() {
        if verb.can(capacity) {
            let mut ends = P::ends::<K>(capacity);
            ends.fill(capacity);
            drop(ends.rx);
            let got = (verb.send)(&mut ends.tx, &[7], LONG);
            assert_eq!(got, Err(Said::Disconnected), "{}", verb.name);
        }
    }
    for verb in receiving::verbs::<K>() {
        if verb.can(capacity) {
            let mut ends = P::ends::<K>(capacity);
            drop(ends.tx);
            let got = (verb.receive)(&mut ends.rx, &mut Vec::new(), LONG);
            assert_eq!(got, Err(Said::Disconnected), "{}", verb.name);
        }
    }
}

fn calls_are_cancelled<P: Place, K: Peeking>(capacity: usize) {
    let mut ends = P::ends::<K>(capacity);
    ends.fill(capacity);
    let cancellers = [ends.tx.canceller(), ends.rx.canceller()];
    cancellers.iter().for_each(Canceller::cancel);
    let expected = |waits| {
        let waits_in_a_call = matches!(waits, Waits::Forever | Waits::Limited);
        waits_in_a_call.then_some(Said::Cancelled)
    };
    for verb in sending::verbs::<K>() {
        if let Some(expected) = expected(verb.waits).filter(|_| verb.can(capacity)) {
            let got = (verb.send)(&mut ends.tx, &[7], LONG);
            assert_eq!(got, Err(expected), "{}", verb.name);
        }
    }
    assert_eq!(ends.drain(), capacity);
    for verb in receiving::verbs::<K>() {
        if let Some(expected) = expected(verb.waits).filter(|_| verb.can(capacity)) {
            let got = (verb.receive)(&mut ends.rx, &mut Vec::new(), LONG);
            assert_eq!(got, Err(expected), "{}", verb.name);
        }
    }
    // And none is, once they are reset.
    cancellers.iter().for_each(Canceller::reset);
    pass(
        &mut ends,
        &sending::verbs()[0],
        &receiving::verbs()[0],
        1000,
    );
}

/// What has no meaning on a rendezvous ring says so.
fn what_needs_a_place_says_so<P: Place, K: Peeking>(capacity: usize) {
    if capacity > 0 {
        return;
    }
    let mut ends = P::ends::<K>(capacity);
    for verb in sending::verbs::<K>() {
        if !verb.can(capacity) {
            let got = (verb.send)(&mut ends.tx, &[7], LONG);
            assert_eq!(got, Err(Said::NotForRendezvous), "{}", verb.name);
        }
    }
    for verb in receiving::verbs::<K>() {
        if !verb.can(capacity) {
            let got = (verb.receive)(&mut ends.rx, &mut Vec::new(), LONG);
            assert_eq!(got, Err(Said::NotForRendezvous), "{}", verb.name);
        }
    }
}

fn questions_are_answered<P: Place, K: Kind>(capacity: usize) {
    let mut ends = P::ends::<K>(capacity);
    assert_eq!(
        (ends.tx.capacity(), ends.rx.capacity()),
        (capacity, capacity)
    );
    assert_eq!((ends.tx.len(), ends.rx.len()), (0, 0));
    assert!(ends.tx.is_empty() && ends.rx.is_empty());
    assert_eq!(ends.tx.is_full(), capacity == 0);
    assert_eq!((ends.tx.peers().len(), ends.rx.peers().len()), (1, 1));
    assert!(!ends.tx.is_disconnected() && !ends.rx.is_disconnected());
    assert_eq!(ends.tx.wait_for_peer(LONG), Ok(()));
    assert_eq!(ends.rx.wait_for_peer(LONG), Ok(()));
    ends.fill(capacity);
    assert_eq!((ends.tx.len(), ends.rx.slots()), (capacity, capacity));
    assert!(ends.tx.is_full() && ends.rx.is_full());
    assert_eq!(ends.drain(), capacity);
    let Ends { tx, rx, .. } = ends;
    drop(rx);
    assert!(tx.is_disconnected() && tx.peers().is_empty());
    assert!(!tx.is_closed());
    tx.close().expect("close the ring");
    assert!(tx.is_closed() && tx.ring().is_closed());
}

/// What was removed is told to all, in rings that have a name.
fn what_is_removed_says_so<P: Place, K: Peeking>(capacity: usize) {
    let mut ends = P::ends::<K>(capacity);
    let Some(name) = ends.name() else {
        return;
    };
    memring::remove(name).expect("remove the ring");
    every_verb(&mut ends, capacity, |_| Some(Said::Removed));
}

macro_rules! conformance {
    ($($question:ident),+ $(,)?) => {
        $(
            mod $question {
                conformance!(@place $question named Named);
                conformance!(@place $question anonymous Anonymous);
                conformance!(@place $question heap Heap);
            }
        )+
    };
    (@place $question:ident $module:ident $place:ident) => {
        mod $module {
            conformance!(@kind $question $place spsc Spsc);
            conformance!(@kind $question $place mpsc Mpsc);
            conformance!(@kind $question $place spmc Spmc);
            conformance!(@kind $question $place mpmc Mpmc);
        }
    };
    (@kind $question:ident $place:ident $module:ident $kind:ident) => {
        mod $module {
            use super::super::super as suite;

            #[test]
            fn buffered() {
                suite::$question::<suite::$place, memring::$kind>(suite::CAPACITY);
            }

            #[test]
            fn rendezvous() {
                suite::$question::<suite::$place, memring::$kind>(0);
            }
        }
    };
}

conformance! {
    messages_pass,
    limits_are_kept,
    a_closed_ring_is_closed,
    peers_that_have_gone_are_missed,
    calls_are_cancelled,
    what_needs_a_place_says_so,
    what_is_removed_says_so,
    questions_are_answered,
}

/// The tables have no verb twice.
#[test]
fn every_verb_has_a_name_of_its_own() {
    fn check<K: Peeking>() {
        let (sends, receives) = (sending::verbs::<K>(), receiving::verbs::<K>());
        let sends = sends.iter().map(|verb| verb.name);
        let mut all: Vec<_> = sends.chain(receives.iter().map(|verb| verb.name)).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
    check::<memring::Spsc>();
    check::<memring::Mpmc>();
}
