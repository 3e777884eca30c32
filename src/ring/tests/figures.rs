//! The figures that a ring of one sender and one receiver tells of itself.

use super::*;
use crate::ring::Single;
use crate::ring::kind::RingKind;
use crate::ring::progress::{messages_left, progress};

impl<S: Arity, R: Arity> CheckedRing<S, R> {
    /// With one endpoint on either side, at rest, all figures are exact.
    pub(super) fn check_figures(&self) {
        let view = &self.view();
        let all = self.entries.len();
        let there = self.entries.values().filter(|entry| entry.at == At::Ring);
        assert_eq!(
            self.senders[0].side.count_room(view),
            self.capacity as usize - all
        );
        assert_eq!(self.receivers[0].side.count_messages(view), there.count());
        let progress = progress(view, RingKind::Spsc, self.start);
        let received = self.tail - all as u64;
        assert_eq!(
            (progress.sent, progress.received, progress.len),
            (self.tail, received, all)
        );
        assert_eq!(messages_left(view, RingKind::Spsc, false), all);
    }
}

/// `done` was looked at, and a lap later what was sent: the ring was full all the time.
#[test]
fn a_ring_that_went_on_between_two_looks_is_not_empty() {
    for shape in super::shapes::ONE_TO_ONE {
        let terms = RedeliveryPolicy {
            redeliver: true,
            max_deliveries: 8,
        };
        let mut world = CheckedRing::<Single, Single>::shaped(shape, 3, 0, terms);
        for _ in 0..6 {
            assert!(world.claim(0));
            world.publish(0);
            if world.tail <= 3 {
                world.take(0, 1, false);
                world.release(0);
            }
        }
        let len =
            |world: &CheckedRing<Single, Single>| progress(&world.view(), RingKind::Spsc, 0).len;
        assert_eq!(len(&world), 3);
        world.set_cell(Cell::Done, 0);
        assert_eq!(len(&world), 3);
        world.set_cell(Cell::Done, world.positions.position(9));
        assert_eq!(len(&world), 0);
    }
}
