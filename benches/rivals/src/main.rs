//! Measures memring and its rivals in one run: between processes where a rival can cross them,
//! between threads where it cannot.
//!
//! The engine is `memring-harness`: what is measured, and how, of contestants between processes.
//! `threads` are those between threads, `sets`, `futures`, `locks` and `calls` what else is measured
//! of some; `contestants` are all of them. `run` measures everything in turns; `findings` is what
//! came of it, `targets` what was wanted, `report` and `pictures` show it.

mod calls;
mod contestants;
mod findings;
mod foreign;
mod futures;
mod locks;
mod machine;
mod pictures;
mod report;
mod run;
mod sets;
mod targets;
mod threads;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use memring_harness::workers;

/// Measure memring and its rivals in one run
#[derive(Parser)]
#[command(name = "memring-rivals", version, max_term_width = 80)]
pub struct Args {
    /// Two minutes at most: fewer rounds, shorter measurements
    #[arg(long)]
    quick: bool,

    /// Only these contestants: names, or what names begin with up to a '-'
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// Only these quantities, likewise
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    measure: Vec<String>,

    /// Rounds, in each of which everything is measured once [default: 7, quick: 3]
    #[arg(long)]
    rounds: Option<usize>,

    /// Milliseconds of one measurement [default: 100, quick: 30]
    #[arg(long)]
    millis: Option<u64>,

    /// Messages after which a measurement ends sooner
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    messages: u64,

    /// CPUs to run on [default: distinct cores first]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    cpus: Vec<usize>,

    /// Write what was measured to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write a page with charts and tables to this file, from what was measured
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write BENCHMARKS.md and its pictures, from what was measured
    #[arg(long)]
    report: bool,

    /// Where the report goes
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), hide_default_value = true)]
    out: PathBuf,

    /// Measure nothing: take what earlier runs wrote by --json; where several
    /// measured the same quantity, the last one counts
    #[arg(long, value_name = "FILES", value_delimiter = ',')]
    from: Vec<PathBuf>,

    /// Print who takes part in what, and do nothing else
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let done = match env::args().nth(1) {
        Some(first) if first == run::WORK => workers::serve(contestants::named),
        _ => run::run(&Args::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memring-rivals: {error:#}");
            ExitCode::FAILURE
        }
    }
}
