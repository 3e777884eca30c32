//! What a run found: as one value, which `--json` prints as it is, and as tables for people.

use std::io::{self, Write};

use serde::Serialize;

use super::contestants::{PIPE, Waits, label};
use super::findings::{Findings, Trips, Where};
use super::plan::Scale;
use crate::format::{grouped, millions, three, time, volume, wrapped};
use memring_harness::task::{self, BATCH, Quantity, Way};
use memring_testkit::placement::{ONE_CORE, Placement, Topology};

/// What the columns are.
const LEGEND: &str = "\
batch: messages a call. median, min, max: of the rounds, in million messages a
second. x pipe: times the rate of a pipe. p50, p99: half, or 99 of 100 round
trips, take no longer. x floor: times the round trip of one cache line, which
nothing can beat. Spin polls; Park sleeps; SpinThenPark polls, then sleeps.";

/// All that a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// The scale of the run.
    pub scale: Scale,
    /// How often everything was measured.
    pub rounds: usize,
    /// Where the processes ran.
    pub placement: Placement,
    /// A pair of cache lines bounced between the first two processes, before the run.
    pub floor_before: Trips,
    /// And after it.
    pub floor_after: Trips,
    /// What is counted: measurements during which the CPUs were there.
    pub cores: Where,
    /// Measurements made.
    pub measurements: usize,
    /// How many of them are not counted.
    pub left_out: usize,
    /// Messages a second.
    pub throughput: Vec<Throughput>,
    /// Round trips.
    pub round_trip: Vec<RoundTrip>,
    /// Messages verified by their receivers; a mismatch would have ended the run.
    pub messages_checked: u64,
    /// How long the run took.
    pub seconds: f64,
}

/// Messages a second of one contender.
#[derive(Debug, Serialize)]
pub struct Throughput {
    /// What was measured.
    pub contender: String,
    /// The ring's wait strategy.
    pub wait: Option<Waits>,
    /// Bytes of a message.
    pub size: usize,
    /// Messages a call.
    pub batch: usize,
    /// Sending processes.
    pub senders: usize,
    /// Receiving processes.
    pub receivers: usize,
    /// Measurements that count; if 0, all do, wherever the CPUs were.
    pub counted: usize,
    /// Messages a second: the median of the rounds.
    pub median: f64,
    /// The slowest round.
    pub min: f64,
    /// The fastest round.
    pub max: f64,
}

/// Round trips of one contender.
#[derive(Debug, Serialize)]
pub struct RoundTrip {
    /// What was measured.
    pub contender: String,
    /// The ring's wait strategy.
    pub wait: Option<Waits>,
    /// Bytes of a message.
    pub size: usize,
    /// Measurements that count; if 0, all do, wherever the CPUs were.
    pub counted: usize,
    /// The times, all rounds together.
    #[serde(flatten)]
    pub trips: Trips,
    /// The median beside the floor's in the same rounds.
    pub per_floor: f64,
}

impl Throughput {
    /// Whether it is of one sending and one receiving process.
    pub fn is_alone(&self) -> bool {
        self.senders == 1 && self.receivers == 1
    }

    /// Sum up what was found there.
    pub fn of(findings: &Findings, place: Where) -> Self {
        let cell = findings.cell;
        let batch = match cell.quantity {
            Quantity::Spsc(_, Way::Batch) => BATCH,
            _ => 1,
        };
        let (senders, receivers) = cell.quantity.ends();
        let rates = findings.rates(place);
        Throughput {
            contender: label(cell.contestant).into(),
            wait: Waits::of(cell.contestant, cell.quantity.wait()),
            size: cell.quantity.size(),
            batch,
            senders,
            receivers,
            counted: findings.count(place),
            median: rates.median,
            min: rates.min,
            max: rates.max,
        }
    }
}

impl RoundTrip {
    /// Sum up what was found there, beside this floor.
    pub fn of(findings: &Findings, place: Where, floor: u64) -> Self {
        let (cell, trips) = (findings.cell, findings.trips(place));
        RoundTrip {
            contender: label(cell.contestant).into(),
            wait: Waits::of(cell.contestant, cell.quantity.wait()),
            size: cell.quantity.size(),
            counted: findings.count(place),
            per_floor: match trips.trips {
                0 => f64::NAN,
                _ => trips.p50 as f64 / floor.max(1) as f64,
            },
            trips,
        }
    }
}

impl Report {
    /// The report for people.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        self.print_placement(out)?;
        self.print_throughput(out)?;
        self.print_round_trips(out)?;
        let counted = self.throughput.iter().map(|row| row.counted);
        if counted
            .chain(self.round_trip.iter().map(|row| row.counted))
            .any(|counted| counted == 0)
        {
            writeln!(
                out,
                "\n  *  no measurement fell where it should have: all are counted"
            )?;
        }
        writeln!(
            out,
            "\n{} messages, every one checked; no mismatch. {} interleaved rounds in {:.0} s.",
            grouped(self.messages_checked),
            self.rounds,
            self.seconds
        )?;
        writeln!(out, "\n{LEGEND}\n\n{}", wrapped(&self.in_words()))
    }

    fn print_placement(&self, out: &mut impl Write) -> io::Result<()> {
        let cpus = &self.placement.cpus;
        let topology = self.placement.topology;
        match cpus[..] {
            [a, b, ..] if a != b => {
                writeln!(out, "CPUs {a} and {b}; by /sys: {}", topology.describe())?;
            }
            _ => writeln!(
                out,
                "One CPU for all processes: they take turns, and the figures show the scheduler."
            )?,
        }
        let (before, after) = (&self.floor_before, &self.floor_after);
        if let Some(load) = self.placement.load.filter(|load| *load > 0.5) {
            writeln!(
                out,
                "Load average {load} before the run: other work disturbs the figures."
            )?;
        }
        write!(
            out,
            "Cache-line floor, round trip: {} before, {} after",
            time(before.p50),
            time(after.p50)
        )?;
        writeln!(out, "{}", verdict(topology, before.p50.max(after.p50)))?;
        if self.left_out > 0 {
            let (counted, others) = match self.cores {
                Where::TwoCores => ("two cores", "were on one physical core, or moved"),
                _ => ("one physical core", "moved"),
            };
            writeln!(
                out,
                "By the floor between them, the CPUs {others} during {}\n\
                 of {} measurements (a virtual machine does this); the rest, on {counted},\n\
                 count.",
                self.left_out, self.measurements
            )?;
        }
        Ok(())
    }

    fn print_throughput(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "\nThroughput, one sending and one receiving process, in million messages a second\n\
             (rings of {} messages, at most {} KiB of them; SpinThenPark)",
            task::SLOTS,
            task::BYTES >> 10
        )?;
        writeln!(
            out,
            "\n  {:>6}  {:>5}  {:<14} {:>7}  {:>16}  {:>9} {:>7}",
            "size", "batch", "", "median", "min .. max", "bytes/s", "x pipe"
        )?;
        let alone = |row: &&Throughput| row.is_alone();
        let mut group = None;
        for row in self.throughput.iter().filter(alone) {
            let same = (row.size, row.batch);
            let (size, batch) = match group == Some(same) {
                true => (String::new(), String::new()),
                false => (format!("{} B", row.size), row.batch.to_string()),
            };
            group = Some(same);
            let pipe = self
                .throughput
                .iter()
                .find(|other| other.contender == PIPE && (other.size, other.batch) == same);
            let ratio = pipe.map_or(f64::NAN, |pipe| row.median / pipe.median);
            writeln!(
                out,
                "  {size:>6}  {batch:>5}  {:<14} {:>7}  {:>16}  {:>9} {:>7}",
                marked(&row.contender, row.counted),
                millions(row.median),
                format!("{} .. {}", millions(row.min), millions(row.max)),
                volume(row.median * row.size as f64),
                three(ratio)
            )?;
        }
        let crowds: Vec<_> = self.throughput.iter().filter(|row| !alone(row)).collect();
        if !crowds.is_empty() {
            writeln!(
                out,
                "\n  several processes, 8 B, one message a call\n  {:<29} {:>7}  {:>16}",
                "senders x receivers", "median", "min .. max"
            )?;
        }
        for row in crowds {
            writeln!(
                out,
                "  {:<29} {:>7}  {:>16}",
                marked(
                    &format!("{} {} x {}", row.contender, row.senders, row.receivers),
                    row.counted
                ),
                millions(row.median),
                format!("{} .. {}", millions(row.min), millions(row.max))
            )?;
        }
        Ok(())
    }

    fn print_round_trips(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "\nRound trip, through one channel each way\n\n  {:<31} {:>7} {:>7} {:>7} {:>7} {:>7} {:>6}",
            "", "p50", "p90", "p99", "p99.9", "max", "x floor"
        )?;
        for row in &self.round_trip {
            let wait = row.wait.map_or_else(String::new, |wait| format!(" {wait}"));
            let name = format!("{}{wait}, {} B", row.contender, row.size);
            let [p50, p90, p99, p999, max] = row.trips.shown();
            writeln!(
                out,
                "  {:<31} {p50:>7} {p90:>7} {p99:>7} {p999:>7} {max:>7} {:>6}",
                marked(&name, row.counted),
                three(row.per_floor)
            )?;
        }
        Ok(())
    }
}

/// The name, with a mark if nothing was measured where it should have been.
fn marked(name: &str, counted: usize) -> String {
    match counted {
        0 => format!("{name} *"),
        _ => name.to_owned(),
    }
}

/// What the floor says about the two CPUs.
fn verdict(topology: Topology, floor: u64) -> &'static str {
    match topology {
        Topology::OneCpu => "",
        Topology::Siblings if floor < ONE_CORE => {
            ": one physical core (hyper-thread siblings).\n\
             Figures between cores are higher in latency and lower in throughput."
        }
        _ if floor < ONE_CORE => {
            ": one physical core (hyper-thread siblings),\n\
             whatever /sys says. Figures between cores are higher in latency and lower in \
             throughput."
        }
        Topology::Siblings => ": distinct cores,\nwhatever /sys says.",
        _ => ": distinct cores.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_overrules_sys() {
        assert!(verdict(Topology::OneSocket, 40).contains("one physical core"));
        assert!(verdict(Topology::OneSocket, 40).contains("whatever"));
        assert!(verdict(Topology::OneSocket, 204).contains("distinct cores"));
        assert!(verdict(Topology::Siblings, 204).contains("whatever"));
    }
}
