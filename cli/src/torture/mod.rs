//! `memring torture`: does the contract hold on this machine when processes are killed?
//!
//! `plan` says which processes are struck and how, out of the numbers of `random`; `processes`
//! holds and strikes them, `storm` lets that go on over a ring and brings it to rest. `peer` is the
//! life of a process, `send` and `receive` what it does, `load` the messages. `ledger` is the memory
//! in which all is written down, `account` how, and `check` holds the contract against it. `home`
//! is where it lies, `report` what it came to.

mod account;
mod check;
mod context;
mod held;
mod home;
mod ledger;
mod load;
mod order;
mod peer;
mod plan;
mod processes;
mod random;
mod receive;
mod report;
mod send;
mod storm;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args as ClapArgs;
use memring::{Layout, OnDeath, RingKind};

use crate::progress;
use crate::standard;
use crate::usage::Usage;
use home::Home;
use load::Size;
use order::Sabotage;
use plan::{Plan, Terms};
use report::Report;
use storm::Weather;

/// Processes of one side, at most.
const MOST: u64 = 60;

const AFTER_HELP: &str = "\
Starts senders and receivers on a ring, kills and stops them at random, starts
others in their place, and checks every message. One kind of ring after the
other; the kills are divided among them. One sender and one receiver (spsc) have
two rows: in lines, with messages of 8 bytes, and dense.

What happens:
  SIGKILL at any moment: at full speed, while stopped, while attaching, several
  at once, at the end all of them. SIGSTOP for up to a quarter of a second.
  Messages are sent and received by all calls there are: one by one, without
  waiting, in batches, in place. Slots are abandoned, messages given back,
  endpoints detached and attached again.

The contract that is checked:
  What a send returned Ok for is received; what was never begun is not. Each
  byte is as it was sent. A message that is not marked as given back comes once,
  and in the order of its sender; else each time with a higher mark; never again
  once it is acknowledged. A receiver that is killed in recv may take along what
  that call acknowledged. What --on-death discard drops is counted, one too many
  for each kill at most. No process loses what it holds while it is stopped:
  where no receiver is killed, nothing is lost or redelivered. No process hangs.
  When all are dead, the next process finds what was sent, no entries of dead
  members, and all of the room.

The table:
  SENT      messages for which the send returned Ok
  RECEIVED  messages received, each counted once
  CUT       messages whose sending was cut short by a kill
  AGAIN     times that a message was given back, by its holder or at its death
  LOST      messages dropped, as the ring counted them (--on-death discard)
  DEAD      messages that killed receivers took along in recv
  GAP       the longest time from a kill to the next receipt; shown, not judged

The schedule follows from the seed, the numbers of processes and the kills.
What the machine does with it does not: the same seed may end differently.

Exit status:
  0  the contract held
  1  it did not: one line on standard error names the first breach, and the
     directory where ring, ledger and schedule are kept; or another error
  2  the command line is wrong

Examples:
  memring torture
  memring torture --kills 10000 --seed 7
  memring torture --kind mpmc --on-death discard --message 4096
  memring torture --kind spsc --layout lines --capacity 10
  memring torture --kind spsc --seed 7 --schedule";

/// Kill processes at random and see whether the crash contract holds here
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Kill so many processes in all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    kills: u64,

    /// Repeat the schedule of this seed [default: another each time; it is printed]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// Use this kind of ring only: spsc, mpsc, spmc or mpmc; may be repeated [default: all four]
    #[arg(long, value_name = "KIND", hide_possible_values = true)]
    kind: Vec<RingKind>,

    /// Run so many sending processes, where the kind has several
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u64).range(1..=MOST))]
    senders: u64,

    /// Run so many receiving processes, likewise
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u64).range(1..=MOST))]
    receivers: u64,

    /// Make the ring hold so many messages: exactly with one sender and one receiver, else rounded
    /// up to a power of two
    #[arg(long, value_name = "N", default_value_t = 64)]
    capacity: usize,

    /// Lay the messages of spsc out so, in lines or dense [default: half of the kills for each].
    /// In lines they have 8 bytes
    #[arg(long, value_name = "LAYOUT", value_parser = parse_layout)]
    layout: Option<Layout>,

    /// Send messages of mixed lengths, or of 8, 64, 256, 1024 or 4096 bytes
    #[arg(long, value_name = "SIZE", default_value_t = Size::Mixed)]
    message: Size,

    /// What to do with messages that a receiver held when it died: redeliver or discard
    #[arg(
        long,
        value_name = "WHAT",
        default_value_t = OnDeath::Redeliver
    )]
    on_death: OnDeath,

    /// Print one JSON document on standard output; times in nanoseconds
    #[arg(long)]
    json: bool,

    /// Print the schedule, and start no process
    #[arg(long)]
    schedule: bool,

    /// Make the run's directory in this one [default: /dev/shm]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Let a sender break the contract, to see that it is found
    #[arg(long, hide = true)]
    sabotage: Option<Sabotage>,

    /// Seconds after which a process counts as hanging
    #[arg(long = "hang-timeout", hide = true, default_value_t = 30)]
    hang_after: u64,
}

/// Run `memring torture`.
pub fn run(args: &Args) -> Result<()> {
    let begun = Instant::now();
    let seed = args.seed.unwrap_or_else(any_seed);
    standard::check_output()?;
    let storms = args.storms(seed)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.schedule {
        for storm in &storms {
            write_schedule(&mut out, &storm.terms)?;
        }
        out.flush()?;
        return Ok(());
    }
    if !args.json {
        writeln!(
            out,
            "seed {seed}, {} kills, rings of {} messages of {}",
            args.kills,
            args.capacity,
            args.message.describe()
        )?;
        writeln!(
            out,
            "senders: {}, receivers: {}; 1 where the kind has one\n",
            args.senders, args.receivers
        )?;
        report::head(&mut out)?;
        out.flush()?;
    }
    let mut home = Home::create(args.dir.as_deref())?;
    let progress = progress::bar("killing", args.kills);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        seed,
        kinds: Vec::new(),
        held: true,
        breach: None,
        evidence: None,
        seconds: 0.0,
    };
    for storm in &storms {
        match storm::rage(storm, home.dir(), &progress)? {
            Ok(row) => {
                if !args.json {
                    progress.suspend(|| row.print(&mut out).and_then(|()| out.flush()))?;
                }
                report.kinds.push(row);
                home.clear()?;
            }
            Err(error) => {
                let breach = format!("{error:#}");
                let evidence = keep(&mut home, storm, &breach)?;
                report.held = false;
                report.breach = Some(breach);
                report.evidence = Some(evidence);
                break;
            }
        }
    }
    progress.finish_and_clear();
    report.seconds = begun.elapsed().as_secs_f64();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if report.held {
        report.verdict(&mut out)?;
    }
    out.flush()?;
    match (report.breach, report.evidence) {
        (Some(breach), Some(evidence)) => Err(anyhow!(
            "the contract did not hold: {breach}; the evidence is kept in {evidence}, the seed is \
             {seed}"
        )),
        _ => Ok(()),
    }
}

/// Run the hidden `memring torture-peer`.
pub fn peer(order: &str) -> Result<()> {
    peer::serve(order)
}

impl Args {
    /// In which layouts a kind is tried.
    fn layouts(&self, kind: RingKind) -> Vec<Layout> {
        match (kind, self.layout) {
            (RingKind::Spsc, None) => vec![Layout::Lines, Layout::Dense],
            (RingKind::Spsc, Some(layout)) => vec![layout],
            _ => vec![Layout::Auto],
        }
    }

    fn storm(&self, terms: Terms, layout: Layout) -> Weather {
        let capacity = match terms.kind {
            RingKind::Spsc => Some(self.capacity),
            _ => self.capacity.checked_next_power_of_two(),
        };
        Weather {
            terms,
            size: match layout {
                Layout::Lines => Size::Typed(8),
                _ => self.message,
            },
            layout,
            capacity: capacity.unwrap_or(self.capacity),
            on_death: self.on_death,
            hang_after: Duration::from_secs(self.hang_after),
            sabotage: self.sabotage,
        }
    }

    /// The storms, one after the other.
    fn storms(&self, seed: u64) -> Result<Vec<Weather>> {
        let mut kinds = self.kind.clone();
        if kinds.is_empty() {
            kinds.extend(RingKind::ALL);
        }
        let count = kinds.len() as u64;
        let side = |many, most: u64| if many { most as usize } else { 1 };
        let mut storms = Vec::new();
        let mut least = 0;
        for (index, kind) in kinds.into_iter().enumerate() {
            let kills = self.kills / count + u64::from((index as u64) < self.kills % count);
            let layouts = self.layouts(kind);
            for (index, layout) in layouts.iter().enumerate() {
                let share = layouts.len() as u64;
                let terms = Terms {
                    kind,
                    // Each layout has a schedule of its own.
                    seed: seed ^ (index as u64) << 48,
                    kills: kills / share + u64::from((index as u64) < kills % share),
                    senders: side(kind.has_many_senders(), self.senders),
                    receivers: side(kind.has_many_receivers(), self.receivers),
                };
                least = least.max(terms.places() as u64 * share * count);
                storms.push(self.storm(terms, *layout));
            }
        }
        if self.capacity == 0 {
            let expected = "--capacity 0: a storm needs a ring that holds messages, 1 or more";
            return Err(Usage(expected.into()).into());
        }
        if self.kills < least {
            return Err(Usage(format!(
                "--kills {}: expected {least} at least, for each kind ends with the death of all \
                 its processes at once",
                self.kills
            ))
            .into());
        }
        Ok(storms)
    }
}

/// Not `auto`: a storm is to say which it was.
fn parse_layout(text: &str) -> Result<Layout, String> {
    match text.parse() {
        Ok(Layout::Auto) | Err(_) => Err("expected lines or dense".to_owned()),
        Ok(layout) => Ok(layout),
    }
}

fn write_schedule(out: &mut impl Write, terms: &Terms) -> io::Result<()> {
    let mut plan = Plan::new(*terms);
    for (place, traffic) in plan.processes.iter().enumerate() {
        let name = plan::name(terms.senders, place);
        writeln!(out, "{} begin: {name} {traffic}", terms.kind)?;
    }
    plan.try_for_each(|bout| {
        let mut lines = bout.lines(terms);
        lines.try_for_each(|line| writeln!(out, "{line}"))
    })
}

/// Keep what there is beside ring and ledger: what happened, and the schedule.
fn keep(home: &mut Home, storm: &Weather, breach: &str) -> Result<String> {
    let dir = home.keep().to_path_buf();
    let cannot = || {
        format!(
            "cannot write the evidence of: {breach}; to {}",
            dir.display()
        )
    };
    let write = |dir: &Path| -> io::Result<()> {
        fs::write(dir.join("breach"), format!("{breach}\n\n{storm:#?}\n"))?;
        let mut schedule = BufWriter::new(fs::File::create(dir.join("schedule"))?);
        write_schedule(&mut schedule, &storm.terms)?;
        schedule.flush()
    };
    write(&dir).with_context(cannot)?;
    Ok(dir.display().to_string())
}

/// Short enough to be typed.
fn any_seed() -> u64 {
    RandomState::new().hash_one(0) >> 32
}
