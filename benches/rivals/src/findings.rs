//! What a run found, and what it adds up to.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use memring_harness::contestant::Home;
use memring_harness::spread::{Cores, Spread};
use memring_harness::task::Quantity;

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

impl Sample {
    /// Where it was taken.
    pub fn cores(&self) -> Cores {
        Cores::between(self.floor)
    }
}

impl Row {
    /// What came of the measurements on two cores, or on one.
    pub fn spread(&self, cores: Cores) -> Option<Spread> {
        let samples = self.samples.iter().filter(|sample| sample.cores() == cores);
        Spread::of(samples.map(|sample| sample.value))
    }
}

/// All that a run found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// Where.
    pub machine: Machine,
    /// The options.
    pub command: String,
    /// Milliseconds of most measurements.
    pub millis: u64,
    /// Milliseconds for which a receiver waited for nothing.
    pub idle_millis: u64,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// Seconds that it took.
    pub seconds: f64,
    /// By contestant and quantity.
    pub rows: Vec<Row>,
    /// Later runs, of some quantities only, whose rows are among these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Added>,
}

/// A later run that was put to an earlier one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Added {
    /// The options.
    pub command: String,
    /// Rounds that were asked for.
    pub rounds: usize,
    /// Seconds that it took.
    pub seconds: f64,
    /// What it measured.
    pub quantities: Vec<Quantity>,
}

impl Findings {
    /// Put a later run of the same machine to this one. What it measured takes the place of what
    /// was found of the same quantities: figures of two runs are not compared.
    pub fn add(&mut self, later: Findings) -> Result<()> {
        ensure!(
            self.machine == later.machine && self.idle_millis == later.idle_millis,
            "the runs are of different machines, or waited idly for different times"
        );
        let mut quantities: Vec<_> = later.rows.iter().map(|row| row.quantity).collect();
        quantities.dedup();
        self.rows.retain(|row| !quantities.contains(&row.quantity));
        self.rows.extend(later.rows);
        self.added.push(Added {
            command: later.command,
            rounds: later.rounds,
            seconds: later.seconds,
            quantities,
        });
        self.added.extend(later.added);
        Ok(())
    }

    /// Where most of it was measured.
    pub fn main_cores(&self) -> Cores {
        let samples = || self.rows.iter().flat_map(|row| &row.samples);
        let count = |cores: Cores| samples().filter(|sample| sample.cores() == cores).count();
        let most = Cores::ALL.into_iter().max_by_key(|cores| count(*cores));
        most.unwrap_or(Cores::Far)
    }

    /// How many measurements were taken there.
    pub fn count(&self, cores: Cores) -> usize {
        let samples = self.rows.iter().flat_map(|row| &row.samples);
        samples.filter(|sample| sample.cores() == cores).count()
    }

    /// Everybody's figures of one quantity, the best first.
    pub fn ranking(&self, quantity: Quantity, cores: Cores) -> Vec<(&Row, Spread)> {
        let rows = self.rows.iter().filter(|row| row.quantity == quantity);
        let mut ranking: Vec<_> = rows
            .filter_map(|row| Some((row, row.spread(cores)?)))
            .collect();
        ranking.sort_by(|(_, a), (_, b)| match quantity.is_rate() {
            true => b.median.total_cmp(&a.median),
            false => a.median.total_cmp(&b.median),
        });
        ranking
    }
}
