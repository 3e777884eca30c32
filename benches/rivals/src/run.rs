//! A run: everything in turns, round by round, with the floor before and after each.

use std::env;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memring_testkit::placement::Placement;

use crate::Args;
use crate::contestants;
use crate::findings::{Findings, Row, Sample};
use crate::machine::Machine;
use crate::pictures;
use crate::report;
use memring_harness::board::TIMEOUT;
use memring_harness::contestant::{Contestant, Home};
use memring_harness::floor::quick_trip;
use memring_harness::measure::{Figure, measure, processes};
use memring_harness::output::Output;
use memring_harness::task::{Quantity, Task};
use memring_harness::times::PERCENTILES;
use memring_harness::workers::Workers;

/// The hidden command by which a process becomes a worker.
pub const WORK: &str = "work";

/// A look at the floor.
const QUICK_TRIP: Duration = Duration::from_millis(3);

/// A directory in shared memory that goes with this value.
struct Place {
    path: PathBuf,
    count: u64,
}

impl Place {
    fn make() -> Result<Self> {
        let path = PathBuf::from(format!("/dev/shm/memring-rivals-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Place { path, count: 0 })
    }

    /// Measures once, by processes and in a directory of its own: a rival may leave something.
    fn measure(&mut self, contestant: &dyn Contestant, mut task: Task) -> Result<Figure> {
        self.count += 1;
        task.place = self.path.join(self.count.to_string());
        fs::create_dir(&task.place)?;
        let (quantity, place) = (task.quantity, task.place.clone());
        let workers = Workers::start(processes(contestant, quantity), WORK, TIMEOUT);
        let figure = workers.and_then(|mut workers| measure(contestant, task, &mut workers));
        let _ = fs::remove_dir_all(&place);
        figure.with_context(|| format!("{}, {quantity}", contestant.name()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn chosen(names: &[String], name: &str) -> bool {
    let begins = |part: &String| {
        let rest = name.strip_prefix(part.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    names.is_empty() || names.iter().any(begins)
}

/// Run `memring-rivals`.
pub fn run(args: &Args) -> Result<()> {
    // What cannot be written, need not be measured.
    let html = args.html.as_deref().map(Output::open).transpose()?;
    if let Some((first, later)) = args.from.split_first() {
        let mut findings = read(first)?;
        for path in later {
            let added = findings.add(read(path)?);
            added.with_context(|| format!("cannot add {}", path.display()))?;
        }
        return show(args, &findings, html);
    }
    let mut cells: Vec<(&dyn Contestant, Row)> = Vec::new();
    for quantity in Quantity::all() {
        for &contestant in contestants::ALL {
            let wanted = chosen(&args.measure, &quantity.to_string());
            if wanted && chosen(&args.only, contestant.name()) && contestant.does(quantity) {
                cells.push((contestant, row(contestant, quantity)));
            }
        }
    }
    if cells.is_empty() {
        bail!("nobody of these names takes part in that; see --list");
    }
    if args.list {
        list();
        return Ok(());
    }
    let placement = Placement::choose(&args.cpus)?;
    let rounds = args.rounds.unwrap_or(if args.quick { 3 } else { 7 });
    let mut place = Place::make()?;
    let begun = Instant::now();
    let mut floor = quick_trip(&placement.cpus, QUICK_TRIP)?;
    for round in 0..rounds {
        for (contestant, row) in &mut cells {
            if row.failure.is_some() {
                continue;
            }
            let quantity = row.quantity;
            let millis = millis(args, quantity);
            if round >= quantity.most_rounds() {
                continue;
            }
            let cpus = &placement.cpus;
            let mut task = Task::new(contestant.name(), quantity, millis, quantity.cpus(cpus));
            task.most = args.messages;
            let found = place.measure(*contestant, task);
            let before = std::mem::replace(&mut floor, quick_trip(cpus, QUICK_TRIP)?);
            match found {
                Ok(Figure { value, times, .. }) => row.samples.push(Sample {
                    value,
                    times: times.map_or(Vec::new(), |it| PERCENTILES.map(|at| it.at(at)).into()),
                    floor: [before, floor],
                }),
                Err(error) => {
                    eprintln!("memring-rivals: {error:#}");
                    row.failure = Some(format!("{error:#}"));
                }
            }
        }
    }
    let findings = Findings {
        machine: Machine::of(&placement.cpus),
        command: env::args().skip(1).collect::<Vec<_>>().join(" "),
        rounds,
        millis: usual(args),
        idle_millis: idle(args),
        seconds: begun.elapsed().as_secs_f64(),
        rows: cells.into_iter().map(|(_, row)| row).collect(),
        added: Vec::new(),
    };
    if let Some(path) = &args.json {
        serde_json::to_writer_pretty(BufWriter::new(File::create(path)?), &findings)?;
    }
    show(args, &findings, html)?;
    if findings.rows.iter().any(|row| row.failure.is_some()) {
        bail!("not everything could be measured");
    }
    Ok(())
}

/// What an earlier run found.
fn read(path: &Path) -> Result<Findings> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let read = serde_json::from_reader(BufReader::new(file));
    read.with_context(|| format!("{} is of no run", path.display()))
}

/// Print the tables, and write the report if it is asked for.
fn show(args: &Args, findings: &Findings, html: Option<Output>) -> Result<()> {
    print!("{}", report::plain(findings));
    if let Some(html) = html {
        html.write(&pictures::page(findings).html())?;
    }
    match args.report {
        true => report::write(findings, &args.out),
        false => Ok(()),
    }
}

/// Milliseconds of most measurements.
fn usual(args: &Args) -> u64 {
    args.millis.unwrap_or(if args.quick { 30 } else { 100 })
}

/// Milliseconds for which receivers wait for nothing.
fn idle(args: &Args) -> u64 {
    if args.quick { 1_000 } else { 10_000 }
}

fn row(contestant: &dyn Contestant, quantity: Quantity) -> Row {
    Row {
        contestant: contestant.name().to_owned(),
        home: contestant.home(),
        how: contestant.how().to_owned(),
        quantity,
        samples: Vec::new(),
        failure: None,
    }
}

fn millis(args: &Args, quantity: Quantity) -> u64 {
    let usual = usual(args);
    match quantity {
        Quantity::Idle | Quantity::AsyncIdle => idle(args),
        Quantity::Attach => usual / 4,
        _ => usual,
    }
}

fn list() {
    for contestant in contestants::ALL {
        let home = match contestant.home() {
            Home::Threads => "threads",
            Home::Processes => "processes",
        };
        println!("{} ({home}): {}", contestant.name(), contestant.how());
        let quantities = Quantity::all().into_iter();
        let done = quantities.filter(|quantity| contestant.does(*quantity));
        let names: Vec<String> = done.map(|quantity| quantity.to_string()).collect();
        println!("    {}", names.join(" "));
    }
}
