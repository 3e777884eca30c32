//! The private state of the single sides as plain numbers, for tests that stop
//! an endpoint and go on with it later.

use super::{SingleReceiver, SingleSender};
use crate::ring::tests::explore::{Saved, Snapshot, saved};

impl Snapshot for SingleSender {
    fn save(&self) -> Saved {
        saved([self.next])
    }

    fn load([next, ..]: Saved) -> Self {
        SingleSender { next }
    }
}

impl Snapshot for SingleReceiver {
    fn save(&self) -> Saved {
        let interval = self.credit_interval;
        saved([self.next, self.done, self.credited, interval])
    }

    fn load([next, done, credited, credit_interval, ..]: Saved) -> Self {
        SingleReceiver {
            next,
            done,
            credited,
            credit_interval,
        }
    }
}
