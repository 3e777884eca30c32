//! `memring bench`: how fast rings are between processes on this machine.
//!
//! It is a plan for the engine `memring-harness`, on which `memring-rivals` stands too. `contestants`
//! are measured, as `plan` says; `findings` is what was measured, `report` what it adds up to, as
//! tables, `words` as a sentence, and `page` as charts.

mod contestants;
mod findings;
mod page;
mod plan;
mod report;
mod words;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use memring_harness::floor::quick_trip;
use memring_harness::measure::{Figure, measure};
use memring_harness::output::Output;
use memring_harness::task::Task;
use memring_harness::workers::{self, Workers};
use memring_testkit::placement::Placement;

use contestants::label;
use findings::{Findings, Trips, Where};
use plan::{Cell, Scale, plan};
use report::{Report, RoundTrip, Throughput};

use crate::progress;
use crate::standard;
use crate::usage::Usage;

/// The hidden command by which a process becomes a worker.
const WORK: &str = "bench-peer";
/// A look at the floor.
const LOOK: Duration = Duration::from_millis(5);
/// A worker that has not answered this long after it should have is stuck. Far longer than any
/// machine needs, however busy.
const TIMEOUT: Duration = Duration::from_secs(15);

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
    workers::serve(contestants::named)
}

fn measure_all(scale: Scale, most: (u16, u16), placement: Placement) -> Result<Report> {
    let start = Instant::now();
    let mut findings: Vec<Findings> = plan(scale, most).into_iter().map(Findings::new).collect();
    let processes = findings.iter().map(|it| it.cell.quantity.workers());
    let mut bench = Bench {
        workers: Workers::start(processes.max().unwrap_or_default(), WORK, TIMEOUT)?,
        cpus: placement.cpus.clone(),
        scale,
        checked: 0,
    };
    let steps = scale.rounds() * findings.len();
    let progress = progress::bar("measuring", steps as u64);
    let floor_before = bench.floor()?;
    let mut floor = bench.look()?;
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
    let floor = findings.iter().find(|findings| findings.cell.is_floor());
    let floor = floor.map_or(floor_before.p50, |floor| floor.trips(wanted).p50);
    let (trips, rates): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|findings| findings.cell.quantity.is_trip());
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
    workers: Workers,
    cpus: Vec<usize>,
    scale: Scale,
    checked: u64,
}

impl Bench {
    /// The floor, measured as thoroughly as everything else.
    fn floor(&mut self) -> Result<Trips> {
        let figure = self.figure(Cell::FLOOR)?;
        let times = figure.times.context("the floor was not timed")?;
        Ok(Trips::of(&times))
    }

    /// A short look at the floor. It says whether the two CPUs are two cores now.
    fn look(&self) -> Result<f64> {
        quick_trip(&self.cpus, LOOK)
    }

    /// Measure one cell once more. `before` is the floor just before, the result the one after.
    fn measure(&mut self, findings: &mut Findings, before: f64) -> Result<f64> {
        let Cell {
            contestant,
            quantity,
        } = findings.cell;
        let figure = self
            .figure(findings.cell)
            .with_context(|| format!("{}, {} B", label(contestant), quantity.size()))?;
        let after = self.look()?;
        findings.enter(Where::between([before, after]), figure);
        Ok(after)
    }

    fn figure(&mut self, cell: Cell) -> Result<Figure> {
        let millis = self.scale.millis(cell.quantity);
        let cpus = cell.cpus(&self.cpus);
        let task = Task::new(cell.contestant.name(), cell.quantity, millis, cpus);
        let figure = measure(cell.contestant, task, &mut self.workers)?;
        self.checked += figure.checked;
        Ok(figure)
    }
}
