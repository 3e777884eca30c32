//! A run's figures as charts, each with its table.

use memring_testkit::page::{Chapter, Chart, Figures, Form, Page, Series, Unit};

use super::contestants::{SPSC, Waits};
use super::plan::SIZES;
use super::report::{Report, RoundTrip, Throughput};
use crate::format::{grouped, millions, three, time, volume};

/// All of it.
pub fn page(report: &Report) -> Page {
    let cpus = report.placement.cpus.iter().take(2);
    let cpus: Vec<String> = cpus.map(usize::to_string).collect();
    let mut chapters = vec![over_size(report), small(report), round_trips(report)];
    chapters.extend(many(report));
    Page {
        title: "memring bench: rings between two processes".into(),
        lead: vec![
            report.in_words(),
            format!(
                "Sender and receiver are processes of their own, on CPUs {}. A message from one CPU \
                 to the other and back takes {} at least: the cache-line floor. {} messages were \
                 sent, and every one checked; memring {}, {} rounds in {:.0} s.",
                cpus.join(" and "),
                time(report.floor_before.p50),
                grouped(report.messages_checked),
                report.version,
                report.rounds,
                report.seconds
            ),
        ],
        chapters,
    }
}

fn rate_head() -> Vec<String> {
    let head = ["", "median, M/s", "slowest", "fastest", "bytes"];
    head.map(str::to_owned).into()
}

fn rate_cells(name: String, row: &Throughput) -> Vec<String> {
    vec![
        name,
        millions(row.median),
        millions(row.min),
        millions(row.max),
        volume(row.median * row.size as f64),
    ]
}

/// The names of the contenders of some rows, each once.
fn names<'a>(rows: impl Iterator<Item = &'a Throughput>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        if !names.contains(&row.contender) {
            names.push(row.contender.clone());
        }
    }
    names
}

/// Messages of all sizes, one by one. A contender that was measured with the smallest alone is
/// none of these.
fn over_size(report: &Report) -> Chapter {
    let rows = || {
        report
            .throughput
            .iter()
            .filter(|row| row.is_alone() && row.batch == 1)
    };
    let value = |name: &str, size: usize| {
        let row = rows().find(|row| row.contender == name && row.size == size);
        row.map(|row| row.median)
    };
    let series = names(rows()).into_iter().map(|name| Series {
        values: SIZES.map(|size| value(&name, size)).into(),
        name,
    });
    let of_several = |series: &Series| series.values.iter().flatten().count() > 1;
    let table = rows().map(|row| rate_cells(format!("{}, {} B", row.contender, row.size), row));
    Chapter {
        note:
            "One call for each message, from one process to another. Higher is faster; each line \
               of the grid is a multiple of the one below it."
                .into(),
        chart: Chart {
            title: "Throughput over the size of messages".into(),
            across: "bytes of a message".into(),
            labels: SIZES.map(|size| size.to_string()).into(),
            unit: Unit::Millions,
            form: Form::Lines,
            series: series.filter(of_several).collect(),
        },
        table: Figures {
            head: rate_head(),
            rows: table.collect(),
        },
    }
}

/// Messages of 8 bytes, one by one and in batches.
fn small(report: &Report) -> Chapter {
    let all = || report.throughput.iter();
    let rows = || all().filter(|row| row.is_alone() && row.size == 8);
    let labels = names(rows());
    let mut batches: Vec<usize> = rows().map(|row| row.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    let series = batches.into_iter().map(|batch| Series {
        name: match batch {
            1 => "one a call".into(),
            _ => format!("{batch} a call"),
        },
        values: labels
            .iter()
            .map(|name| {
                let row = rows().find(|row| row.contender == *name && row.batch == batch);
                row.map(|row| row.median)
            })
            .collect(),
    });
    let table =
        rows().map(|row| rate_cells(format!("{}, {} a call", row.contender, row.batch), row));
    Chapter {
        note: "From one process to another. Higher is faster.".into(),
        chart: Chart {
            title: "Messages of 8 bytes, one by one and in batches".into(),
            across: "".into(),
            series: series.collect(),
            labels: labels.iter().map(|name| short(name)).collect(),
            unit: Unit::Millions,
            form: Form::Bars,
        },
        table: Figures {
            head: rate_head(),
            rows: table.collect(),
        },
    }
}

/// A name that fits below a bar.
fn short(name: &str) -> String {
    name.trim_start_matches("memring ")
        .trim_start_matches("unix ")
        .into()
}

/// Rings with several processes on a side, if there were any.
fn many(report: &Report) -> Option<Chapter> {
    let rows = || report.throughput.iter().filter(|row| !row.is_alone());
    let sides = |row: &Throughput| format!("{} × {}", row.senders, row.receivers);
    let mut labels: Vec<String> = rows().map(sides).collect();
    labels.sort();
    labels.dedup();
    let series = names(rows()).into_iter().map(|name| Series {
        values: labels
            .iter()
            .map(|label| {
                let row = rows().find(|row| row.contender == name && sides(row) == *label);
                row.map(|row| row.median)
            })
            .collect(),
        name,
    });
    let series: Vec<Series> = series.collect();
    let table = rows().map(|row| rate_cells(format!("{}, {}", row.contender, sides(row)), row));
    (!labels.is_empty()).then(|| Chapter {
        note: "Messages of 8 bytes, one a call, all processes together. Higher is faster.".into(),
        chart: Chart {
            title: "Several senders and receivers".into(),
            across: "senders × receivers".into(),
            labels: labels.clone(),
            unit: Unit::Millions,
            form: Form::Bars,
            series,
        },
        table: Figures {
            head: rate_head(),
            rows: table.collect(),
        },
    })
}

/// Whether a chart has room for it: of the rings the simplest kind stands for all.
fn is_drawn(row: &RoundTrip) -> bool {
    row.trips.trips > 0 && row.size == 8 && (row.wait.is_none() || row.contender == SPSC)
}

fn round_trips(report: &Report) -> Chapter {
    let name = |row: &RoundTrip| match row.wait {
        Some(wait) => format!("{}, {}", short(&row.contender), wait_in_words(wait)),
        None => row.contender.clone(),
    };
    let rows = || report.round_trip.iter();
    let series = rows().filter(|row| is_drawn(row)).map(|row| {
        let trips = &row.trips;
        let times = [trips.p50, trips.p90, trips.p99, trips.p999];
        Series {
            name: name(row),
            values: times.map(|time| Some(time as f64)).into(),
        }
    });
    let table = rows().map(|row| {
        let mut cells = vec![format!("{}, {} B", name(row), row.size)];
        cells.extend(row.trips.shown());
        cells.push(three(row.per_floor));
        cells
    });
    let head = ["", "p50", "p90", "p99", "p99.9", "longest", "× floor"];
    Chapter {
        note:
            "One message there and one back, through a ring each way. p99: of a hundred, 99 take \
               no longer. Lower is faster; each line of the grid is a multiple of the one below it."
                .into(),
        chart: Chart {
            title: "Round trips of 8 bytes".into(),
            across: "of all round trips, so many take no longer".into(),
            labels: ["50 %", "90 %", "99 %", "99.9 %"].map(str::to_owned).into(),
            unit: Unit::Nanoseconds,
            form: Form::Lines,
            series: series.collect(),
        },
        table: Figures {
            head: head.map(str::to_owned).into(),
            rows: table.collect(),
        },
    }
}

fn wait_in_words(wait: Waits) -> &'static str {
    match wait {
        Waits::Spin => "spins",
        Waits::SpinThenPark => "spins, sleeps",
        Waits::Park => "sleeps",
    }
}
