//! The charts of a run: pictures of the report, and a page.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use memring_testkit::page::{Chapter, Chart, Figures, Form, Page, Series, Unit};

use crate::findings::{Findings, Row};
use crate::report::figure;
use crate::targets::{is_ours, is_rival};
use memring_harness::spread::{Cores, Spread};
use memring_harness::task::{Quantity, Wait, Way};
use memring_harness::times::PERCENTILES;

/// Sizes of messages.
const SIZES: [usize; 9] = [8, 16, 24, 32, 56, 64, 256, 1024, 4096];
/// Numbers of senders and receivers.
const SIDES: [(usize, usize); 5] = [(1, 1), (2, 2), (4, 4), (1, 4), (4, 1)];

/// Draw all of them into this directory.
pub fn draw(findings: &Findings, directory: &Path) -> Result<()> {
    for (name, chapter) in chapters(findings) {
        let path = directory.join(name).with_extension("svg");
        let written = fs::write(&path, chapter.chart.file());
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// All of them on a page.
pub fn page(findings: &Findings) -> Page {
    let machine = &findings.machine;
    Page {
        title: "memring beside its rivals".into(),
        lead: vec![format!(
            "Measured in turns within one run of {} rounds, {:.0} s, on {} with Linux {}; what \
             counts was measured {}. Ours are first in each chart; the tables have all, the best \
             first, and t for threads of one process, p for processes.",
            findings.rounds,
            findings.seconds,
            machine.processor,
            machine.kernel,
            findings.main_cores().describe()
        )],
        chapters: chapters(findings).map(|(_, chapter)| chapter).into(),
    }
}

fn chapters(findings: &Findings) -> [(&'static str, Chapter); 3] {
    [
        ("throughput", throughput(findings)),
        ("round_trips", round_trips(findings)),
        ("mpmc", mpmc(findings)),
    ]
}

/// Everybody's figures of several quantities, one for each label: ours first, then the best of
/// the first quantity that they take part in.
fn over(findings: &Findings, quantities: &[Quantity]) -> (Vec<Series>, Figures, Cores) {
    let cores = findings.main_cores();
    let mut series: Vec<Series> = Vec::new();
    let mut table = Figures {
        head: ["", "what", "median", "least", "most"]
            .map(str::to_owned)
            .into(),
        rows: Vec::new(),
    };
    for (at, &quantity) in quantities.iter().enumerate() {
        let ranking = findings.ranking(quantity, cores);
        let compared = |(row, _): &(&Row, Spread)| is_ours(row) || is_rival(row);
        for (row, spread) in ranking.into_iter().filter(compared) {
            let known = series.iter().position(|it| it.name == row.contestant);
            let index = known.unwrap_or_else(|| {
                series.push(Series {
                    name: row.contestant.clone(),
                    values: vec![None; quantities.len()],
                });
                series.len() - 1
            });
            series[index].values[at] = Some(spread.median);
            let figures = [spread.median, spread.min, spread.max];
            let mut cells = vec![
                format!("{} ({})", row.contestant, crate::report::home(row.home)),
                quantity.to_string(),
            ];
            cells.extend(figures.map(|value| figure(quantity, value)));
            table.rows.push(cells);
        }
    }
    series.sort_by_key(|series| !series.name.starts_with("memring"));
    (series, table, cores)
}

fn throughput(findings: &Findings) -> Chapter {
    let quantities = SIZES.map(|size| Quantity::Spsc(size, Way::Single));
    let (series, table, cores) = over(findings, &quantities);
    Chapter {
        note: format!(
            "One sender, one receiver, one message a call, {}. Higher is faster; each line of the \
             grid is a multiple of the one below it.",
            cores.describe()
        ),
        chart: Chart {
            title: "Throughput over the size of messages".into(),
            across: "bytes of a message".into(),
            labels: SIZES.map(|size| size.to_string()).into(),
            unit: Unit::Millions,
            form: Form::Lines,
            series,
        },
        table,
    }
}

/// A row's times by percentile: of each the median over the rounds.
fn percentiles(findings: &Findings, row: &Row) -> Vec<Option<f64>> {
    let cores = findings.main_cores();
    let samples = || row.samples.iter().filter(|sample| sample.cores() == cores);
    let at = |index: usize| {
        let mut times: Vec<f64> = samples()
            .filter_map(|sample| sample.times.get(index).copied())
            .collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    };
    (0..PERCENTILES.len()).map(at).collect()
}

fn round_trips(findings: &Findings) -> Chapter {
    let quantity = Quantity::Trip(8, Wait::Spin);
    let cores = findings.main_cores();
    let names = PERCENTILES.map(|percentile| format!("{percentile} %"));
    // The worst of all is the scheduler's doing, and would flatten the rest.
    let shown = PERCENTILES.len() - 1;
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for (row, _) in findings.ranking(quantity, cores) {
        let times = percentiles(findings, row);
        let cell = |time: &Option<f64>| time.map_or("-".into(), |time| figure(quantity, time));
        let mut cells = vec![format!(
            "{} ({})",
            row.contestant,
            crate::report::home(row.home)
        )];
        cells.extend(times.iter().map(cell));
        rows.push(cells);
        series.push(Series {
            name: row.contestant.clone(),
            values: times.into_iter().take(shown).collect(),
        });
    }
    let mut head = vec![String::new()];
    head.extend(names.clone());
    Chapter {
        note: format!(
            "One message of 8 bytes there and one back, by polling, {}. Of a hundred round trips, so \
             many take no longer. Lower is faster.",
            cores.describe()
        ),
        chart: Chart {
            title: "Round trips of 8 bytes".into(),
            across: "of all round trips, so many take no longer".into(),
            labels: names[..shown].to_vec(),
            unit: Unit::Nanoseconds,
            form: Form::Lines,
            series,
        },
        table: Figures { head, rows },
    }
}

fn mpmc(findings: &Findings) -> Chapter {
    let quantities = SIDES.map(|(senders, receivers)| Quantity::Mpmc(senders, receivers));
    let (series, table, cores) = over(findings, &quantities);
    Chapter {
        note: format!(
            "Messages of 8 bytes, one a call, all senders and receivers together, {}. Higher is \
             faster.",
            cores.describe()
        ),
        chart: Chart {
            title: "Several senders and receivers".into(),
            across: "senders × receivers".into(),
            labels: SIDES
                .map(|(senders, receivers)| format!("{senders} × {receivers}"))
                .into(),
            unit: Unit::Millions,
            form: Form::Bars,
            series,
        },
        table,
    }
}
