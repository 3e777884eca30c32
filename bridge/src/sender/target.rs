//! What a sending end knows of a target.

use std::time::Duration;

use super::SILENT_AFTER;
use crate::packet::Hello;

/// Before a round trip is measured.
const FIRST_TIME_OUT: Duration = Duration::from_millis(500);
const MIN_TIME_OUT: Duration = Duration::from_millis(50);
const MAX_TIME_OUT: Duration = Duration::from_secs(4);
/// What the target has, and has no room for yet, is sent again after this long.
const PAUSE_OF_HELD: Duration = Duration::from_secs(2);
/// A target, and the run of the bridge that puts into it.
#[derive(Debug)]
pub(super) struct Target {
    session: u64,
    stamp: u64,
    credit: u64,
    heard: Duration,
    gone: bool,
    /// Smoothed, and its variation.
    round_trip: Option<(Duration, Duration)>,
    /// Bytes that are sent, or about to be, and not acknowledged.
    pub(super) under_way: usize,
}

impl Target {
    pub(super) fn new(now: Duration, hello: &Hello) -> Target {
        Target {
            session: hello.session,
            stamp: hello.stamp,
            credit: hello.credit,
            heard: now,
            gone: false,
            round_trip: None,
            under_way: 0,
        }
    }

    /// Something of it has come. Whether its bridge has been started again, or something
    /// comes late from a run before: then it seems so twice, and something is sent again.
    pub(super) fn hear(&mut self, now: Duration, session: u64, stamp: u64, credit: u64) -> bool {
        let started_again = session != self.session;
        if started_again {
            self.session = session;
            self.stamp = 0;
        }
        self.heard = now;
        self.gone = false;
        if stamp >= self.stamp {
            self.stamp = stamp;
            self.credit = credit;
        }
        started_again
    }

    pub(super) fn on_gone(&mut self, session: u64) {
        self.gone |= self.session == session;
    }

    pub(super) fn is_of(&self, session: u64) -> bool {
        self.session == session
    }

    pub(super) fn silent_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.heard)
    }

    pub(super) fn is_there(&self, now: Duration) -> bool {
        !self.gone && self.silent_for(now) < SILENT_AFTER
    }

    /// How much credit is left, if `size` bytes more may be under way. One packet may,
    /// whatever its size, if there is credit at all.
    pub(super) fn room(&self, size: usize) -> Option<u64> {
        let left = self.credit.saturating_sub(self.under_way as u64);
        let fits = left >= size as u64 || self.under_way == 0;
        (self.credit > 0 && fits).then_some(left)
    }

    pub(super) fn measure(&mut self, sample: Duration) {
        self.round_trip = Some(match self.round_trip {
            None => (sample, sample / 2),
            Some((smooth, variation)) => (
                (smooth * 7 + sample) / 8,
                (variation * 3 + smooth.abs_diff(sample)) / 4,
            ),
        });
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|(smooth, _)| smooth)
    }

    /// How long to wait for an acknowledgement of what was sent so often before.
    pub(super) fn time_out(&self, sent: u32) -> Duration {
        let once = self
            .round_trip
            .map_or(FIRST_TIME_OUT, |(smooth, variation)| smooth + variation * 4);
        let once = once.clamp(MIN_TIME_OUT, MAX_TIME_OUT);
        once.saturating_mul(1 << sent.min(10)).min(MAX_TIME_OUT)
    }

    pub(super) fn pause_of_held(&self) -> Duration {
        PAUSE_OF_HELD
    }
}
