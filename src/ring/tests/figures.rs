//! The figures that a ring of one sender and one receiver tells of itself.

use super::*;
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
