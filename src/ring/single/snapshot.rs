//! The private state of the single sides as plain numbers, for tests that stop
//! an endpoint and go on with it later.

use core::marker::PhantomData;

use super::{SingleReceiver, SingleSender};
use crate::ring::tests::explore::{Saved, Snapshot};

impl<R> Snapshot for SingleSender<R> {
    fn save(&self) -> Saved {
        [self.next, self.limit, 0, 0, 0, 0]
    }

    fn load([next, limit, ..]: Saved) -> Self {
        SingleSender {
            next,
            limit,
            receivers: PhantomData,
        }
    }
}

impl<S> Snapshot for SingleReceiver<S> {
    fn save(&self) -> Saved {
        let made_room = u64::from(self.made_room);
        [
            self.next,
            self.done,
            self.claimed,
            made_room,
            self.credited,
            self.stride,
        ]
    }

    fn load([next, done, claimed, made_room, credited, stride]: Saved) -> Self {
        SingleReceiver {
            next,
            done,
            claimed,
            made_room: made_room != 0,
            credited,
            stride,
            senders: PhantomData,
        }
    }
}
