//! A run: everything in turns, round by round, with the floor before and after each.

use std::fs::File;
use std::io::BufWriter;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use memring_bench_kit::placement::{ONE_CORE, Placement};
use serde::{Deserialize, Serialize};

use crate::Args;
use crate::contestant::{Contestant, Home};
use crate::driver::{Figure, Place, measure};
use crate::rivals::{self, glance};
use crate::task::Quantity;

/// A look at the floor.
const GLANCE: Duration = Duration::from_millis(3);

/// Everything that was found of one contestant and one quantity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Who.
    pub contestant: String,
    /// Threads or processes.
    pub home: Home,
    /// By which calls.
    pub how: String,
    /// What.
    pub quantity: Quantity,
    /// Round by round.
    pub samples: Vec<Sample>,
    /// Why there are none, or fewer.
    pub failure: Option<String>,
}

/// One measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Messages a second, or nanoseconds.
    pub value: f64,
    /// Of times: the percentiles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<f64>,
    /// The floor before and after, in nanoseconds.
    pub floor: [f64; 2],
}

/// Where both CPUs were during a measurement, by the floor before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// Two.
    Two,
    /// One: they were hyper-threads of it.
    One,
    /// It changed meanwhile.
    Mixed,
}

impl Sample {
    /// Where it was taken.
    pub fn cores(&self) -> Cores {
        match self.floor.map(|floor| floor >= ONE_CORE as f64) {
            [true, true] => Cores::Two,
            [false, false] => Cores::One,
            _ => Cores::Mixed,
        }
    }
}

/// Median, least and most of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// How many they are.
    pub count: usize,
}

impl Row {
    /// What came of the measurements on two cores, or on one.
    pub fn spread(&self, cores: Cores) -> Option<Spread> {
        let samples = self.samples.iter().filter(|sample| sample.cores() == cores);
        let mut values: Vec<f64> = samples.map(|sample| sample.value).collect();
        values.sort_by(f64::total_cmp);
        Some(Spread {
            median: *values.get(values.len() / 2)?,
            min: *values.first()?,
            max: *values.last()?,
            count: values.len(),
        })
    }
}

/// All that a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// Rounds that were asked for.
    pub rounds: usize,
    /// Seconds that it took.
    pub seconds: f64,
    /// By contestant and quantity.
    pub rows: Vec<Row>,
}

fn chosen(names: &[String], name: &str) -> bool {
    let begins = |part: &String| {
        let rest = name.strip_prefix(part.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    names.is_empty() || names.iter().any(begins)
}

/// Run `memring-peers`.
pub fn run(args: &Args) -> Result<()> {
    let mut cells: Vec<(&dyn Contestant, Row)> = Vec::new();
    for quantity in Quantity::all() {
        for &contestant in rivals::ALL {
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
    let mut floor = glance(&placement.cpus, GLANCE)?;
    for round in 0..rounds {
        for (contestant, row) in &mut cells {
            if row.failure.is_some() {
                continue;
            }
            let quantity = row.quantity;
            let millis = millis(args, quantity);
            if quantity == Quantity::Idle && round > 0 {
                continue; // long, and always the same
            }
            let cpus = &placement.cpus;
            let found = measure(
                *contestant,
                quantity,
                millis,
                args.messages,
                cpus,
                &mut place,
            );
            let before = std::mem::replace(&mut floor, glance(cpus, GLANCE)?);
            match found {
                Ok(Figure { value, times }) => row.samples.push(Sample {
                    value,
                    times,
                    floor: [before, floor],
                }),
                Err(error) => {
                    eprintln!("memring-peers: {error:#}");
                    row.failure = Some(format!("{error:#}"));
                }
            }
        }
    }
    let findings = Findings {
        rounds,
        seconds: begun.elapsed().as_secs_f64(),
        rows: cells.into_iter().map(|(_, row)| row).collect(),
    };
    if let Some(path) = &args.json {
        serde_json::to_writer_pretty(BufWriter::new(File::create(path)?), &findings)?;
    }
    print(&findings);
    if findings.rows.iter().any(|row| row.failure.is_some()) {
        bail!("not everything could be measured");
    }
    Ok(())
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
    let usual = args.millis.unwrap_or(if args.quick { 30 } else { 100 });
    match quantity {
        Quantity::Idle => 100 * usual,
        Quantity::Attach => usual / 4,
        _ => usual,
    }
}

fn list() {
    for contestant in rivals::ALL {
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

/// A plain table for each quantity.
fn print(findings: &Findings) {
    let mut floors: Vec<f64> = Vec::new();
    for row in &findings.rows {
        floors.extend(row.samples.iter().map(|sample| sample.floor[1]));
    }
    floors.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (floors.first(), floors.last()) {
        let median = floors[floors.len() / 2];
        println!("floor between measurements: {median:.0} ns ({least:.0} .. {most:.0})");
    }
    for quantity in Quantity::all() {
        for cores in [Cores::Two, Cores::One] {
            let rows = findings.rows.iter().filter(|row| row.quantity == quantity);
            let spreads = rows.filter_map(|row| Some((row, row.spread(cores)?)));
            let mut spreads: Vec<(&Row, Spread)> = spreads.collect();
            spreads.sort_by(|(_, a), (_, b)| match quantity.is_rate() {
                true => b.median.total_cmp(&a.median),
                false => a.median.total_cmp(&b.median),
            });
            if spreads.is_empty() {
                continue;
            }
            let (unit, scale) = match quantity.is_rate() {
                true => ("million/s", 1e6),
                false => ("ns", 1.0),
            };
            let place = if cores == Cores::One {
                ", on siblings of one core"
            } else {
                ""
            };
            println!("\n{quantity} [{unit}]{place}");
            for (row, spread) in spreads {
                let home = if row.home == Home::Threads { 't' } else { 'p' };
                let [median, min, max] = [spread.median, spread.min, spread.max].map(|v| v / scale);
                let (name, count) = (&row.contestant, spread.count);
                println!("  {name:20} {home} {median:10.2}  {min:10.2} .. {max:10.2}  ({count})");
            }
        }
    }
    println!("\n{} rounds in {:.0} s", findings.rounds, findings.seconds);
}
