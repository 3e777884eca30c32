//! `memring bench`: how fast rings are between processes on this machine.
//!
//! `plan` says what is measured, `processes` holds the child processes that measure, `control` is
//! what they are told and answer, and `runner` is what they do; `link` is what a contender must be
//! able to do, `rings`, `streams` and `floor` are the contenders; `check` is the message and its
//! verification; `findings` is what was measured, `report` what it adds up to, as tables, `words` as
//! a sentence, and `page` as charts; `output` is the files that those go to.

mod check;
mod contenders;
mod control;
mod findings;
mod floor;
mod link;
mod output;
mod page;
mod plan;
mod processes;
mod report;
mod rings;
mod runner;
mod streams;
mod words;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;

use check::Total;
use control::{Interval, Outcome, Role, Task};
use findings::{Findings, Sample, Trips, Where};
use memring_testkit::placement::{Placement, Topology};
use output::Output;
use plan::{Cell, FLOOR, Measure, Scale, plan};
use processes::Processes;
use report::{Report, RoundTrip, Throughput};

use crate::progress;
use crate::standard;
use crate::usage::Usage;

/// Milliseconds of a short look at the floor.
const SHORT_LOOK: u64 = 5;

const AFTER_HELP: &str = "\
Prints where the processes run and the cache-line floor between the two CPUs,
then throughput and round trips, what the columns are, and what it comes to in
words. Takes about half a minute; if standard error is no terminal, with a line
there for each round.

What is measured:
  Sender and receiver are processes of their own, each pinned to a CPU.
  Throughput is counted where messages are received. 'batch 1' is one call and
  one publication a message at both ends; for a pipe or a socket, one system
  call. A round trip is one message there and one back, timed one by one; the
  clock is read while the message is under way. The floor is a round trip of
  nothing but one cache line each way: no ring can be faster. The contenders
  take turns, round by round: what disturbs the machine disturbs all of them.

  On a virtual machine two CPUs can be two cores at one moment and two threads
  of one core at the next. So the floor is looked at between measurements, and
  only what fell between two looks that showed two cores is counted; if there
  is none, all is counted. Some of what was left out is measured again.

  The receiver of a message verifies every word of it, and that each message
  arrived exactly once. A mismatch ends the run with status 1.

Figures that mislead:
  Two CPUs may be hyper-threads of one core: the floor shows it, being below
  75 ns then. On a virtual machine, waking a process that sleeps takes mostly
  the hypervisor's time. Other work on the two CPUs disturbs everything.

Exit status:
  0  measured, no mismatch
  1  a mismatch, or an error
  2  the command line is wrong

Examples:
  memring bench
  memring bench --full --json > bench.json
  memring bench --html bench.html
  memring bench --cpus 2,4
  memring bench --senders 8 --receivers 8";

/// Measure rings between processes on this machine, beside a pipe and a Unix socket
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Measure more, and for minutes: all sizes for all kinds, several senders and receivers
    #[arg(long, conflicts_with = "quick")]
    full: bool,

    /// Measure for a few seconds only, to see that all works: the figures are rough
    #[arg(long)]
    quick: bool,

    /// Print one JSON document on standard output; rates in messages a second, times in nanoseconds
    #[arg(long)]
    json: bool,

    /// Write a page with charts and tables to this file, for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the charts to this file, as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Run on these CPUs: sender, receiver, sender, ... [default: distinct cores first]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    cpus: Vec<usize>,

    /// Measure 2, 4, ... up to N sending processes as well, with 8-byte messages [with --full: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    senders: Option<u16>,

    /// Measure so many receiving processes, likewise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    receivers: Option<u16>,
}

/// Run `memring bench`.
pub fn run(args: &Args) -> Result<()> {
    let scale = match (args.quick, args.full) {
        (true, _) => Scale::Quick,
        (_, true) => Scale::Full,
        _ => Scale::Default,
    };
    let crowd = if args.full { 2 } else { 1 };
    let most = (
        args.senders.unwrap_or(crowd),
        args.receivers.unwrap_or(crowd),
    );
    standard::check_output()?;
    let placement = Placement::choose(&args.cpus);
    let placement = match args.cpus.is_empty() {
        true => placement?,
        false => placement.map_err(|error| Usage(format!("--cpus: {error:#}")))?,
    };
    // What cannot be written, need not be measured.
    let html = args.html.as_deref().map(Output::open).transpose()?;
    let svg = args.svg.as_deref().map(Output::open).transpose()?;
    let report = measure_all(scale, most, placement)?;
    // The files first: a reader of standard output may go away.
    if let Some(html) = html {
        html.write(&page::page(&report).html())?;
    }
    if let Some(svg) = svg {
        svg.write(&page::page(&report).svg())?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    print(args, &report, &mut out).context("cannot write standard output")
}

fn print(args: &Args, report: &Report, out: &mut impl Write) -> io::Result<()> {
    if args.json {
        serde_json::to_writer_pretty(&mut *out, report)?;
        writeln!(out)?;
    } else {
        report.print(out)?;
    }
    out.flush()
}

/// Run the hidden `memring bench-peer`.
pub fn peer() -> Result<()> {
    runner::serve()
}

fn measure_all(scale: Scale, most: (u16, u16), placement: Placement) -> Result<Report> {
    let start = Instant::now();
    let mut findings: Vec<Findings> = plan(scale, most).into_iter().map(Findings::new).collect();
    // Senders are the even members, receivers the odd ones.
    let processes = 2 * usize::from(most.0.max(most.1));
    let mut bench = Bench {
        processes: Processes::start(processes, &placement.cpus)?,
        scale,
        one_cpu: placement.topology == Topology::OneCpu,
        checked: 0,
    };
    let steps = scale.rounds() * findings.len();
    let progress = progress::bar("measuring", steps as u64);
    let floor_before = bench.floor()?;
    let mut floor = bench.short_look()?;
    let begun = Instant::now();
    for round in 1..=scale.rounds() {
        progress::tell(&format!(
            "bench: round {round} of {}, {} measurements",
            scale.rounds(),
            findings.len()
        ));
        for findings in &mut findings {
            floor = bench.measure(findings, floor)?;
            progress.inc(1);
        }
    }
    let spent = begun.elapsed();
    // What is wanted is figures of two cores, if the machine ever gives two.
    let whole: Vec<Where> = findings.iter().flat_map(Findings::places).collect();
    let wanted = match whole.contains(&Where::TwoCores) {
        true => Where::TwoCores,
        false => Where::OneCore,
    };
    let lacking = |findings: &Findings| findings.count(wanted) < scale.rounds();
    let end = Instant::now() + spent.mul_f64(scale.again());
    let mut places = whole.len();
    while findings.iter().any(lacking) && Instant::now() < end {
        for findings in findings.iter_mut().filter(|findings| lacking(findings)) {
            floor = bench.measure(findings, floor)?;
            places += 1;
        }
    }
    let floor_after = bench.floor()?;
    progress.finish_and_clear();

    let kept: usize = findings.iter().map(|findings| findings.count(wanted)).sum();
    let floor = findings.iter().find(|findings| findings.cell == FLOOR);
    let floor = floor.map_or(floor_before.p50, |floor| floor.trips(wanted).p50);
    let (trips, rates): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|findings| findings.cell.measure == Measure::RoundTrip);
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        scale,
        rounds: scale.rounds(),
        placement,
        floor_before,
        floor_after,
        cores: wanted,
        measurements: places,
        left_out: places - kept,
        throughput: rates
            .into_iter()
            .map(|rates| Throughput::of(rates, wanted))
            .collect(),
        round_trip: trips
            .into_iter()
            .map(|trips| RoundTrip::of(trips, wanted, floor))
            .collect(),
        messages_checked: bench.checked,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// A run under way.
struct Bench {
    processes: Processes,
    scale: Scale,
    one_cpu: bool,
    checked: u64,
}

impl Bench {
    /// The floor, measured as thoroughly as everything else.
    fn floor(&mut self) -> Result<Trips> {
        let mut floor = Findings::new(FLOOR);
        floor.enter(
            Where::TwoCores,
            self.sample(FLOOR, self.scale.millis(FLOOR.measure))?,
        );
        Ok(floor.trips(Where::TwoCores))
    }

    /// A short look at the floor: its median. It says whether the two CPUs are two cores now.
    fn short_look(&mut self) -> Result<u64> {
        if self.one_cpu {
            return Ok(u64::MAX);
        }
        let mut floor = Findings::new(FLOOR);
        floor.enter(Where::TwoCores, self.sample(FLOOR, SHORT_LOOK)?);
        Ok(floor.trips(Where::TwoCores).p50)
    }

    /// Measure one cell once more. `before` is the floor just before, the result the one after.
    fn measure(&mut self, findings: &mut Findings, before: u64) -> Result<u64> {
        let cell = findings.cell;
        let sample = self
            .sample(cell, self.scale.millis(cell.measure))
            .with_context(|| format!("{}, {} B", cell.contender, cell.size.bytes()))?;
        let after = self.short_look()?;
        findings.enter(Where::between(before, after), sample);
        Ok(after)
    }

    fn sample(&mut self, cell: Cell, millis: u64) -> Result<Sample> {
        let Cell {
            contender,
            size,
            measure,
        } = cell;
        let task = |role| Task {
            contender,
            size,
            role,
            millis,
        };
        let mut work = Vec::new();
        let [tx, rx] = contenders::make(contender, size)?;
        match measure {
            Measure::RoundTrip => {
                let [back_tx, back_rx] = contenders::make(contender, size)?;
                work.push((0, task(Role::Ping), vec![tx, back_rx]));
                work.push((1, task(Role::Echo), vec![back_tx, rx]));
            }
            Measure::Throughput {
                batch,
                senders,
                receivers,
            } => {
                for sender in 0..senders {
                    let role = Role::Send { sender, batch };
                    work.push((2 * usize::from(sender), task(role), vec![tx.try_clone()?]));
                }
                for receiver in 0..receivers {
                    let role = Role::Receive { senders, batch };
                    work.push((
                        2 * usize::from(receiver) + 1,
                        task(role),
                        vec![rx.try_clone()?],
                    ));
                }
                // A stream ends when its last sending end is closed: keep none here.
                drop((tx, rx));
            }
        }
        let mut sent = Total::default();
        let mut received = Total::default();
        let mut interval = Interval::default();
        let mut sample = None;
        for (index, outcome) in self.processes.run(work)?.into_iter().enumerate() {
            match outcome {
                // Senders come first, in the order of their numbers.
                Outcome::Sent(count) => sent = sent.plus(Total::sent(index as u16, count)),
                Outcome::Received(total, timed) => {
                    received = received.plus(total);
                    interval = interval.and(timed);
                }
                Outcome::Pinged(times, total) => {
                    sent = total;
                    self.checked += total.count;
                    sample = Some(Sample::Trips(times));
                }
                Outcome::Echoed(total) => received = total,
            }
        }
        if sent != received {
            let same = match sent.count == received.count {
                true => ", not the same ones",
                false => "",
            };
            bail!(
                "mismatch: {} messages were sent, {} received{same}",
                sent.count,
                received.count
            );
        }
        self.checked += received.count;
        match sample {
            Some(trips) => Ok(trips),
            None => interval
                .rate()
                .map(Sample::Rate)
                .context("too few messages came to be timed"),
        }
    }
}
