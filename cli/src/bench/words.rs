//! What a run found, in a sentence or two.

use super::contestants::{PIPE, SPSC};
use super::report::Report;
use crate::format::{millions, three, time};

impl Report {
    /// What most people want to know.
    pub fn in_words(&self) -> String {
        let rate = |name: &str| {
            let mut rows = self.throughput.iter();
            let row = rows.find(|row| {
                row.contender == name && row.is_alone() && row.size == 8 && row.batch == 1
            });
            row.map(|row| row.median)
        };
        let trip = |name: &str| {
            let rows = self.round_trip.iter();
            let rows = rows.filter(|row| row.contender == name && row.size == 8);
            let rows = rows.filter(|row| row.trips.trips > 0);
            // Of a ring, by the strategy that waits for the shortest.
            rows.map(|row| (row.trips.p50, row.per_floor))
                .min_by_key(|trip| trip.0)
        };
        let mut text = String::new();
        if let (Some(ours), Some(theirs)) = (rate(SPSC), rate(PIPE)) {
            text += &format!(
                "A ring of one sender and one receiver passes {} million messages of 8 bytes a \
                 second from process to process, one by one: {} times as many as a pipe.",
                millions(ours),
                three(ours / theirs)
            );
        }
        if let (Some((ours, per_floor)), Some((theirs, _))) = (trip(SPSC), trip(PIPE)) {
            text += &format!(
                " A message there and one back take {}, which is {} times the floor; through \
                 pipes they take {}.",
                time(ours),
                three(per_floor),
                time(theirs)
            );
        }
        text
    }
}
