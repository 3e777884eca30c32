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
        let interval = self.credit_interval;
        [self.next, self.done, self.credited, interval, 0, 0]
    }

    fn load([next, done, credited, credit_interval, ..]: Saved) -> Self {
        SingleReceiver {
            next,
            done,
            credited,
            credit_interval,
            senders: PhantomData,
        }
    }
}
