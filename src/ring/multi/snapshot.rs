//! The private state of the sides of many as plain numbers, for tests that stop
//! an endpoint and go on with it later.

use core::marker::PhantomData;

use super::{MultiReceiver, MultiSender};
use crate::members::MemberId;
use crate::ring::tests::explore::{Saved, Snapshot, saved};

impl<R> Snapshot for MultiSender<R> {
    fn save(&self) -> Saved {
        saved([self.me.0.into(), self.next, self.done])
    }

    fn load([me, next, done, ..]: Saved) -> Self {
        MultiSender {
            me: MemberId(me as u16),
            next,
            missed: next, // decides nothing but what is fetched ahead
            done,
            receivers: PhantomData,
        }
    }
}

impl<S> Snapshot for MultiReceiver<S> {
    fn save(&self) -> Saved {
        let looked = u64::from(self.requeues.is_some());
        let requeues = self.requeues.unwrap_or(0);
        let is_behind = u64::from(self.is_behind);
        let me = self.me.0.into();
        let hint_dirty = u64::from(self.hint_dirty);
        saved([me, looked, requeues, self.next, is_behind, hint_dirty])
    }

    fn load([me, looked, requeues, next, is_behind, hint_dirty, ..]: Saved) -> Self {
        MultiReceiver {
            me: MemberId(me as u16),
            next,
            missed: next, // decides nothing but what is fetched ahead
            is_behind: is_behind != 0,
            hint_dirty: hint_dirty != 0,
            requeues: (looked != 0).then_some(requeues),
            senders: PhantomData,
        }
    }
}
