//! The private state of the two as plain numbers, for tests that stop an endpoint and go
//! on with it later.

use super::{SpscReceiver, SpscSender};
use crate::ring::tests::explore::{Saved, Snapshot, saved};
use crate::wait::backoff::Pace;

impl Snapshot for SpscSender {
    fn save(&self) -> Saved {
        saved([self.next, self.limit, self.room])
    }

    fn load([next, limit, room, ..]: Saved) -> Self {
        SpscSender { next, limit, room }
    }
}

impl Snapshot for SpscReceiver {
    fn save(&self) -> Saved {
        [
            self.next,
            self.known,
            self.full,
            self.done,
            self.credited,
            self.credit_interval,
            self.marked,
            u64::from(self.end.is_some()),
            self.end.unwrap_or(0),
            u64::from(self.is_careful),
            self.max_deliveries.into(),
        ]
    }

    fn load(saved: Saved) -> Self {
        let [
            next,
            known,
            full,
            done,
            credited,
            credit_interval,
            marked,
            rest @ ..,
        ] = saved;
        let [is_ended, end, is_careful, max_deliveries] = rest;
        SpscReceiver {
            next,
            known,
            full,
            done,
            credited,
            credit_interval,
            marked,
            end: (is_ended != 0).then_some(end),
            is_careful: is_careful != 0,
            max_deliveries: max_deliveries as u8,
            has_dropped: false, // asked by the floor above, which is not explored
            pace: Pace::new(next), // decides nothing but how long a wait is
        }
    }
}
