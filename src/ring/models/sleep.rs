//! Sleeping at a ring: the handshake of `wait` over real endpoints. There is
//! no cap of a sleep here, so a wake-up that is lost is a deadlock.

use super::*;
use crate::ring::single::{SingleReceiver, SingleSender};
use crate::ring::{Arity, Multi, Single};
use crate::wait::models::{Futex, explore, spawn};
use crate::wait::{Park, WaitWord};

/// Attempts until success, asleep in between, as `channel::waiting` does.
fn blocking<T>(
    memory: &LoomMemory,
    park: &Futex,
    bell: Bell,
    stands: &mut bool,
    mut attempt: impl FnMut() -> Result<T, ClaimError>,
) -> T {
    loop {
        if let Ok(result) = attempt() {
            return result;
        }
        let announced = WaitWord(memory.bell(bell)).register(park, true, stands);
        if let Ok(result) = attempt() {
            return result;
        }
        park.sleep(memory.bell(bell), announced, ());
    }
}

fn send_asleep(
    memory: &LoomMemory,
    park: &Futex,
    stands: &mut bool,
    side: &mut impl SendSide,
    message: u64,
) {
    blocking(memory, park, Bell::Senders, stands, || {
        send(memory, side, message)
    });
    WaitWord(memory.bell(Bell::Receivers)).notify_one(memory.fences(), park);
}

fn receive_asleep(
    memory: &LoomMemory,
    park: &Futex,
    stands: &mut bool,
    side: &mut impl ReceiveSide,
) -> u64 {
    let (message, _) = blocking(memory, park, Bell::Receivers, stands, || {
        receive(memory, side)
    });
    WaitWord(memory.bell(Bell::Senders)).notify_one(memory.fences(), park);
    message
}

fn stream<S: Arity, R: Arity>(name: &str, messages: &'static [u64], bound: Option<usize>) {
    explore(name, bound, move || {
        let twice = if S::MULTI || R::MULTI {
            SlotWords
        } else {
            Nothing
        };
        let memory = LoomMemory::new(1, 0, Fences::Full, twice);
        let park = Arc::new(Futex::default());
        let mut sending = sender::<S::Sender<R>>(&*memory, 1);
        let mut receiving = receiver::<R::Receiver<S>>(&*memory, 512);
        let sender = {
            let (memory, park) = (Arc::clone(&memory), Arc::clone(&park));
            spawn(move || {
                let mut stands = false;
                for message in messages {
                    send_asleep(&memory, &park, &mut stands, &mut sending, *message);
                }
            })
        };
        let mut stands = false;
        for message in messages {
            let received = receive_asleep(&memory, &park, &mut stands, &mut receiving);
            assert_eq!(received, *message);
        }
        sender.join();
    });
}

/// Both sleep, on one slot, until two messages are through. Three preemptions.
///
/// Seen to fail: no fence in `notify_one`; no barrier in `prepare`.
#[test]
fn models_asleep_on_an_empty_or_full_ring() {
    stream::<Single, Single>("asleep, spsc", &[11, 12], Some(3));
    stream::<Multi, Multi>("asleep, mpmc", &[11, 12], Some(3));
}

/// Eight slots, so that credit lags: the receiver has taken a message and says
/// so only in `done`. Then it goes away. Exhaustive.
///
/// Seen to fail: `find_room` that looks at credit only; no fence in
/// `notify_one`.
#[test]
fn models_asleep_on_a_full_ring_with_lazy_credit() {
    explore("asleep, lazy credit", None, || {
        let memory = LoomMemory::new(8, 0, Fences::Full, SlotWords);
        let park = Arc::new(Futex::default());
        let mut sending = sender::<SingleSender<Single>>(&*memory, 1);
        let mut receiving = receiver::<SingleReceiver<Single>>(&*memory, 512);
        for message in 0..8 {
            assert_eq!(send(&*memory, &mut sending, message), Ok(()));
        }
        let sender = {
            let (memory, park) = (Arc::clone(&memory), Arc::clone(&park));
            spawn(move || send_asleep(&memory, &park, &mut false, &mut sending, 8))
        };
        assert_eq!(
            receive_asleep(&memory, &park, &mut false, &mut receiving),
            0
        );
        sender.join();
        assert_eq!(memory.cell(Cell::Credit).load(Ordering::Relaxed), 0);
    });
}
