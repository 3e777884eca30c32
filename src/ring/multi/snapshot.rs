//! The private state of the sides of many as plain numbers, for tests that stop
//! an endpoint and go on with it later.

use core::marker::PhantomData;

use super::{MultiReceiver, MultiSender, Owner};
use crate::ring::tests::explore::{Saved, Snapshot};

impl<R> Snapshot for MultiSender<R> {
    fn save(&self) -> Saved {
        [self.me.0.into(), 0, 0, 0, 0, 0]
    }

    fn load([me, ..]: Saved) -> Self {
        MultiSender {
            me: Owner(me as u16),
            receivers: PhantomData,
        }
    }
}

impl<S> Snapshot for MultiReceiver<S> {
    fn save(&self) -> Saved {
        let looked = u64::from(self.requeues.is_some());
        let requeues = self.requeues.unwrap_or(0);
        [self.me.0.into(), looked, requeues, 0, 0, 0]
    }

    fn load([me, looked, requeues, ..]: Saved) -> Self {
        MultiReceiver {
            me: Owner(me as u16),
            requeues: (looked != 0).then_some(requeues),
            senders: PhantomData,
        }
    }
}
