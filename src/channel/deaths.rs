//! A ring, for those who learn of a death before the ring's members do.

use std::any::Any;
use std::sync::{Arc, Weak};

use super::ring::Ring;
use super::segment::Segment;
use crate::error::Side;
use crate::members::Recover;
use crate::message::Message;
use crate::ring::kind::Kind;

/// Looks for dead members of one side of a ring. It does not keep the ring open.
pub(crate) struct DeathWatch {
    segment: Weak<Segment>,
    side: Side,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survivors {
    /// Members of the side are attached, and alive.
    Some,
    /// None is, or the ring is not open here any more.
    None,
}

impl DeathWatch {
    /// Probes all members, recovers what the dead among them held, and wakes the sleepers of
    /// both sides, futures and sets too.
    pub(crate) fn scan(&self) -> Survivors {
        let Some(segment) = self.segment.upgrade() else {
            return Survivors::None;
        };
        // In a forked child, or poisoned: waiters find out why by themselves.
        if segment.region.check().is_err() {
            return Survivors::None;
        }
        let members = segment.members();
        let _ = members.scan(&mut 0, usize::MAX);
        let survivors = members.list(self.side.role());
        match survivors.iter().any(|member| member.alive) {
            true => Survivors::Some,
            false => {
                segment.wake_all();
                Survivors::None
            }
        }
    }
}

impl<T: Message + ?Sized, K: Kind> Ring<T, K> {
    /// Looks for dead members of `side`.
    pub(crate) fn death_watch(&self, side: Side) -> DeathWatch {
        DeathWatch {
            segment: Arc::downgrade(self.segment()),
            side,
        }
    }

    /// Keeps `companion` until the last handle and endpoint of this opening of the ring is
    /// gone. The first one only.
    pub(crate) fn keep(&self, companion: Arc<dyn Any + Send + Sync>) {
        let _ = self.segment().companion.set(companion);
    }
}
