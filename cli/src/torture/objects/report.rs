//! What a storm over an object came to.

use std::io::{self, Write};

use serde::Serialize;

use crate::format::{grouped, time};
use crate::torture::report::Row;
use crate::torture::target::ObjectKind;

/// One object, when the contract has held.
#[derive(Debug, Serialize)]
pub struct ObjectRow {
    /// Which.
    pub object: ObjectKind,
    /// Processes killed.
    pub kills: u64,
    /// Processes stopped and resumed.
    pub stops: u64,
    /// Changes of the value; tokens put in; times that a permit was held.
    pub changes: u64,
    /// Looks at the value; tokens taken out; times that all permits were held.
    pub looks: u64,
    /// Times that a process was told of a dead holder.
    pub found: u64,
    /// Nanoseconds from a kill to the next change or look, at most, while no process was stopped.
    #[serde(rename = "longest_gap")]
    pub longest: u64,
}

impl Row for ObjectRow {
    fn head(out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:9} {:>6} {:>6} {:>14} {:>14} {:>8} {:>8}",
            "OBJECT", "KILLS", "STOPS", "CHANGES", "LOOKS", "POISONED", "GAP"
        )
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:9} {:>6} {:>6} {:>14} {:>14} {:>8} {:>8}",
            self.object.to_string(),
            grouped(self.kills),
            grouped(self.stops),
            grouped(self.changes),
            grouped(self.looks),
            grouped(self.found),
            time(self.longest),
        )
    }

    fn kills(&self) -> u64 {
        self.kills
    }

    fn done(rows: &[Self]) -> String {
        let changes = rows.iter().map(|row| row.changes).sum();
        format!("{} changes", grouped(changes))
    }
}
