//! What comes between the look and the announcement is seen by the look that follows.

use std::task::{Context, Poll, Waker};

use super::claim::poll_claim;
use crate::channel::descriptor::rearm;
use crate::channel::endpoint::EndpointConnection;
use crate::channel::receiver::{Opened, Receiver};
use crate::channel::select::ReadyEndpoint;
use crate::channel::sender::Sender;
use crate::channel::waiting::WaitingEndpoint;
use crate::ring::ClaimError;
use crate::ring::end::End;
use crate::{Ring, Spsc};

/// A receiver of a message that is sent after its first full check, when no waiter is
/// announced: nothing wakes.
struct Late {
    receiver: Receiver<u64, Spsc>,
    sender: Sender<u64, Spsc>,
    is_sent: bool,
}

impl Late {
    fn new() -> Late {
        let ring = Ring::<u64, Spsc>::anonymous(2).unwrap();
        let (sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
        receiver.connection.put_scans_off();
        Late {
            receiver,
            sender,
            is_sent: false,
        }
    }

    fn send_after<R>(&mut self, result: Result<R, ClaimError>) -> Result<R, ClaimError> {
        if result.is_err() && !std::mem::replace(&mut self.is_sent, true) {
            self.sender.try_send(5).unwrap();
        }
        result
    }
}

impl WaitingEndpoint for Late {
    type Claimed = Opened;
    const SENDS: bool = false;

    fn connection(&mut self) -> &mut EndpointConnection {
        self.receiver.connection()
    }

    fn try_fast(&mut self) -> Option<Opened> {
        None
    }

    fn try_slow(&mut self) -> Result<Opened, ClaimError> {
        let claimed = self.receiver.try_slow();
        self.send_after(claimed)
    }

    fn is_peer_quiescent(&mut self, end: End) -> bool {
        self.receiver.is_peer_quiescent(end)
    }

    fn leaves_work(&self) -> bool {
        self.receiver.leaves_work()
    }
}

impl ReadyEndpoint for Late {
    fn may_be_ready(&mut self) -> bool {
        false
    }

    fn probe(&mut self) -> Result<(), ClaimError> {
        let probed = self.receiver.probe();
        self.send_after(probed)
    }

    fn connection_ref(&self) -> &EndpointConnection {
        self.receiver.connection_ref()
    }
}

#[test]
fn a_future_checks_again() {
    let mut late = Late::new();
    let mut context = Context::from_waker(Waker::noop());
    let polled = poll_claim(&mut late, &mut false, &mut context);
    assert!(matches!(polled, Poll::Ready(Ok(_))), "it waits");
    assert!(late.is_sent);
}

#[test]
fn a_descriptor_is_armed_with_a_look() {
    let mut late = Late::new();
    assert_eq!(rearm(&mut late).ok(), Some(true), "it waits");
    assert!(late.is_sent);
}
