//! What a storm came to, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::check::Figures;
use crate::format::{grouped, time};

/// What one storm came to, when the contract has held.
pub trait Row: Serialize + Sized {
    /// The head of the table.
    fn head(out: &mut impl Write) -> io::Result<()>;

    /// A line of the table.
    fn print(&self, out: &mut impl Write) -> io::Result<()>;

    /// Processes killed.
    fn kills(&self) -> u64;

    /// What all of them have done.
    fn done(rows: &[Self]) -> String;
}

/// One kind of ring.
#[derive(Debug, Serialize)]
pub struct RingRow {
    /// The ring's kind.
    pub kind: String,
    /// How messages lay in memory, where that is a choice.
    pub layout: Option<String>,
    /// Processes killed.
    pub kills: u64,
    /// Processes stopped and resumed.
    pub stops: u64,
    /// Nanoseconds from a kill to the next receipt, at most, while no process was stopped.
    #[serde(rename = "longest_gap")]
    pub longest: u64,
    /// Messages.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The whole run.
#[derive(Debug, Serialize)]
pub struct Report<R> {
    /// Of this command.
    pub version: &'static str,
    /// With which the schedule can be repeated.
    pub seed: u64,
    /// The kinds of rings, or the objects, that held.
    pub kinds: Vec<R>,
    /// Whether all did.
    pub held: bool,
    /// The first breach.
    pub breach: Option<String>,
    /// Where the evidence of it is.
    pub evidence: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Row for RingRow {
    fn head(out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:4} {:>6} {:>6} {:>12} {:>12} {:>6} {:>7} {:>5} {:>5} {:>8}",
            "KIND", "KILLS", "STOPS", "SENT", "RECEIVED", "CUT", "AGAIN", "LOST", "DEAD", "GAP"
        )
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Figures {
            sent,
            received,
            cut_short,
            redelivered,
            lost,
            taken_along,
        } = self.figures;
        writeln!(
            out,
            "{:4} {:>6} {:>6} {:>12} {:>12} {cut_short:>6} {redelivered:>7} {lost:>5} \
             {taken_along:>5} {:>8}",
            self.kind,
            grouped(self.kills),
            grouped(self.stops),
            grouped(sent),
            grouped(received),
            time(self.longest),
        )
    }

    fn kills(&self) -> u64 {
        self.kills
    }

    fn done(rows: &[Self]) -> String {
        let received = rows.iter().map(|row| row.figures.received).sum();
        format!("{} messages", grouped(received))
    }
}

impl<R: Row> Report<R> {
    /// The last lines.
    pub fn verdict(&self, out: &mut impl Write) -> io::Result<()> {
        let kills = self.kinds.iter().map(R::kills).sum();
        writeln!(
            out,
            "\nThe contract held: {} kills, {}, {:.0} s.",
            grouped(kills),
            R::done(&self.kinds),
            self.seconds
        )
    }
}
