//! Storms, one after the other, and what they came to.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use indicatif::ProgressBar;

use super::home::Home;
use super::plan::{Plan, Terms};
use super::report::{Report, Row};
use crate::progress;

/// A storm over one ring or object.
pub trait Storm: std::fmt::Debug {
    /// What it comes to.
    type Row: Row;

    /// The schedule's terms.
    fn terms(&self) -> &Terms;

    /// Let it rage in this directory. The inner error is a breach, and where in the schedule it
    /// was.
    fn rage(&self, dir: &Path, progress: &ProgressBar) -> Result<Result<Self::Row>>;
}

/// How to run storms.
pub struct RunOptions<'o> {
    /// Of all of them.
    pub seed: u64,
    /// One JSON document.
    pub json: bool,
    /// The schedule only.
    pub schedule: bool,
    /// Where the run's directory is made.
    pub dir: Option<&'o Path>,
    /// The first lines for people.
    pub title: String,
}

/// Run them all, or up to the first breach.
pub fn run<S: Storm>(storms: &[S], options: &RunOptions<'_>) -> Result<()> {
    let begun = Instant::now();
    let mut out = BufWriter::new(io::stdout().lock());
    if options.schedule {
        for storm in storms {
            write_schedule(&mut out, storm.terms())?;
        }
        out.flush()?;
        return Ok(());
    }
    if !options.json {
        writeln!(out, "{}\n", options.title)?;
        S::Row::head(&mut out)?;
        out.flush()?;
    }
    let mut home = Home::create(options.dir)?;
    let kills = storms.iter().map(|storm| storm.terms().kills).sum();
    let progress = progress::bar("killing", kills);
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        seed: options.seed,
        kinds: Vec::new(),
        held: true,
        breach: None,
        evidence: None,
        seconds: 0.0,
    };
    for storm in storms {
        match storm.rage(home.dir(), &progress)? {
            Ok(row) => {
                if !options.json {
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
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if report.held {
        report.verdict(&mut out)?;
    }
    out.flush()?;
    match (report.breach, report.evidence) {
        (Some(breach), Some(evidence)) => Err(anyhow!(
            "the contract did not hold: {breach}; the evidence is kept in {evidence}, the seed is \
             {}",
            options.seed
        )),
        _ => Ok(()),
    }
}

fn write_schedule(out: &mut impl Write, terms: &Terms) -> io::Result<()> {
    let mut plan = Plan::new(*terms);
    for (place, traffic) in plan.processes.iter().enumerate() {
        let name = terms.name(place);
        writeln!(out, "{} begin: {name} {traffic}", terms.target)?;
    }
    plan.try_for_each(|bout| {
        let mut lines = bout.lines(terms);
        lines.try_for_each(|line| writeln!(out, "{line}"))
    })
}

/// Keep what there is beside ring and ledger: what happened, and the schedule.
fn keep(home: &mut Home, storm: &impl Storm, breach: &str) -> Result<String> {
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
        write_schedule(&mut schedule, storm.terms())?;
        schedule.flush()
    };
    write(&dir).with_context(cannot)?;
    Ok(dir.display().to_string())
}
