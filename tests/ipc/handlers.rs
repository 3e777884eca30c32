//! Calls that do not wait, in a signal handler: it may have interrupted its thread anywhere, in
//! an attach or a detach too, so there may be no lock that they wait for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use memring::{Mpmc, Receiver, Ring, Sender, TryRecvError, TrySendError};
use memring_testkit::children::Args;
use memring_testkit::homes::{Home, RING};
use memring_testkit::sys;

/// Signals that the child takes.
const SIGNALS: u64 = 1000;

/// What the handler has.
type Endpoints = (Sender<u64, Mpmc>, Receiver<u64, Mpmc>);

/// What the handler works with. Only ever locked by it, and once by those who put it there.
static ENDPOINTS: Mutex<Option<Endpoints>> = Mutex::new(None);
static HANDLED: AtomicU64 = AtomicU64::new(0);

fn handler() {
    if let Ok(mut endpoints) = ENDPOINTS.try_lock()
        && let Some((tx, rx)) = &mut *endpoints
    {
        // Behind a claim that is not finished, in the slow path each time, to the full.
        loop {
            match tx.try_send(0) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Held(..)) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        // The first one of this sender: it allocates nothing.
        match tx.try_reserve().map(|grant| grant.commit()) {
            Ok(Ok(())) | Err(TrySendError::Full(_) | TrySendError::Held(..)) => {}
            other => panic!("{other:?}"),
        }
        match rx.try_recv() {
            Ok(_) | Err(TryRecvError::Empty | TryRecvError::Held(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
        HANDLED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Attaches and detaches without end, on the same handle as the endpoints of the handler.
pub fn handled(_args: &Args) {
    let ring = Ring::<u64, Mpmc>::open(RING).expect("open the ring");
    let endpoints = (
        ring.sender().expect("attach a sender"),
        ring.receiver().expect("attach a receiver"),
    );
    *ENDPOINTS.lock().expect("no handler runs yet") = Some(endpoints);
    sys::handle_every_millisecond(handler).expect("set the timer");
    while HANDLED.load(Ordering::Relaxed) < SIGNALS {
        drop((
            ring.sender().expect("attach"),
            ring.receiver().expect("attach"),
        ));
        // The registry of descriptors is locked as well.
        drop(Ring::<u64, Mpmc>::open(RING).expect("open it again"));
    }
}

#[test]
fn a_signal_handler_sends_and_receives_while_its_thread_attaches_and_detaches() {
    let home = Home::new();
    let ring = Ring::<u64, Mpmc>::create(home.ring(), 4).expect("make a ring");
    let mut tx = ring.sender().expect("attach a sender");
    let grant = tx.reserve().expect("reserve");
    home.spawn("handled", &[]).finish();
    drop(grant);
}
