//! The report: tables of what a run found, for a terminal and as BENCHMARKS.md.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::contestants;
use crate::findings::{Findings, Row};
use crate::pictures;
use crate::targets::{Comparison, Side, Verdict, comparisons, is_ours, prices, targets};
use memring_harness::contestant::Home;
use memring_harness::spread::{Cores, Spread};
use memring_harness::task::{CROWD, Quantity, Rest, Wait, Way};

const TEMPLATE: &str = include_str!("../template.md");
/// The versions of all crates.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The rivals' packages.
const PACKAGES: [&str; 18] = [
    "crossbeam-channel",
    "crossbeam-queue",
    "disruptor",
    "flume",
    "gil",
    "heapless",
    "iceoryx2",
    "ipc-channel",
    "ipmpsc",
    "kanal",
    "parking_lot",
    "ringbuf",
    "ringfire",
    "rtrb",
    "shmem-ipc",
    "tarpc",
    "thingbuf",
    "tokio",
];

/// How many times as fast memring is: of a time, the inverse ratio.
const FASTER: &str = "memring ÷ rival";

/// Where the targets stand.
const LAB: &str = "docs/lab.md";
/// What the table of targets stands between.
const MARKS: [&str; 2] = ["<!-- targets -->", "<!-- end of targets -->"];

/// Three digits, whatever the size.
fn digits(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A figure with its unit.
pub fn figure(quantity: Quantity, value: f64) -> String {
    match (quantity.is_rate(), value) {
        (true, value) => format!("{} M/s", digits(value / 1e6)),
        (false, value) if value >= 1e6 => format!("{} ms", digits(value / 1e6)),
        (false, value) if value >= 1e4 => format!("{} us", digits(value / 1e3)),
        (false, value) if value >= 100.0 => format!("{value:.0} ns"),
        (false, value) => format!("{} ns", digits(value)),
    }
}

/// What a quantity is, for people.
fn title(quantity: Quantity) -> String {
    match quantity {
        Quantity::Spsc(size, Way::Single) => format!("One to one, {size} B, one message a call"),
        Quantity::Spsc(size, Way::Batch) => format!("One to one, {size} B, batches of 32"),
        Quantity::Spsc(size, Way::InPlace) => format!("One to one, {size} B, in place"),
        Quantity::Mpmc(senders, receivers) => {
            format!("{senders} senders, {receivers} receivers, 8 B")
        }
        Quantity::Trip(size, Wait::Spin) => format!("Round trip, {size} B, by polling"),
        Quantity::Trip(size, Wait::Park) => format!("Round trip, {size} B, polling, then sleeping"),
        Quantity::Trip(size, Wait::Sleep) => format!("Round trip, {size} B, by sleeping"),
        Quantity::Sleep(1) => "Round trip, 8 B, by sleeping, both on one CPU".into(),
        Quantity::Sleep(_) => "Round trip, 8 B, by sleeping".into(),
        Quantity::Wake => "Waking a receiver that sleeps".into(),
        Quantity::Idle => "Processor time of a receiver that waits".into(),
        Quantity::Attach => "Opening and attaching".into(),
        Quantity::Select(queues, Rest::Ready) => {
            format!("Receiving from a set of {queues}, messages at hand")
        }
        Quantity::Select(queues, Rest::Asleep) => {
            format!("Round trip to a set of {queues}, asleep")
        }
        Quantity::Async(Rest::Ready) => "Round trip by futures, messages at hand".into(),
        Quantity::Async(Rest::Asleep) => "Round trip by futures, asleep".into(),
        Quantity::AsyncIdle => format!("Processor time a second of {CROWD} futures that wait"),
        Quantity::Lock(1) => "Locking and unlocking, by one".into(),
        Quantity::Lock(workers) => format!("Locking and unlocking, by {workers} at once"),
        Quantity::Load => "Reading a shared value of 64 B".into(),
        Quantity::Call(size, Wait::Spin) => format!("Call, {size} B each way, by polling"),
        Quantity::Call(size, Wait::Park) => {
            format!("Call, {size} B each way, polling, then sleeping")
        }
        Quantity::Call(size, Wait::Sleep) => format!("Call, {size} B each way, by sleeping"),
        Quantity::Calls(clients, servers) => {
            format!("Calls of {clients} clients to {servers} servers, 8 B")
        }
    }
}

/// In a table.
pub fn home(home: Home) -> char {
    match home {
        Home::Threads => 't',
        Home::Processes => 'p',
    }
}

/// Lines of one quantity: name, home, median, least, most, ratio to memring, rounds.
fn lines(findings: &Findings, quantity: Quantity, cores: Cores) -> Vec<[String; 7]> {
    let ranking = findings.ranking(quantity, cores);
    let ours = ranking.iter().find(|(row, _)| is_ours(row));
    let ours = ours.map(|(_, spread)| spread.median);
    let line = |(row, spread): &(&Row, Spread)| {
        let ratio = ours.map(|ours| match quantity.is_rate() {
            true => ours / spread.median,
            false => spread.median / ours,
        });
        [
            row.contestant.clone(),
            home(row.home).into(),
            figure(quantity, spread.median),
            figure(quantity, spread.min),
            figure(quantity, spread.max),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
            spread.count.to_string(),
        ]
    };
    ranking.iter().map(line).collect()
}

/// For a terminal.
pub fn plain(findings: &Findings) -> String {
    let mut out = String::new();
    for quantity in Quantity::all() {
        for cores in Cores::ALL {
            let lines = lines(findings, quantity, cores);
            if lines.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n{quantity}, {}", cores.describe());
            for [name, home, median, min, max, ratio, count] in lines {
                let _ = writeln!(
                    out,
                    "  {name:18} {home} {median:>10}  {min:>10} .. {max:>10}  x{ratio:<6} ({count})"
                );
            }
        }
    }
    let _ = writeln!(
        out,
        "\n{} rounds in {:.0} s",
        findings.rounds, findings.seconds
    );
    for row in findings.rows.iter().filter(|row| row.failure.is_some()) {
        let failure = row.failure.as_deref().unwrap_or_default();
        let _ = writeln!(out, "failed: {failure}");
    }
    out
}

fn table(head: &[&str], lines: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut out = format!("| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    for line in lines {
        let _ = write!(out, "\n| {} |", line.join(" | "));
    }
    out
}

fn machine(findings: &Findings) -> String {
    let machine = &findings.machine;
    let cores = findings.main_cores();
    let looks = findings.rows.iter().flat_map(|row| &row.samples);
    let looks = looks.filter(|sample| sample.cores() == cores);
    let mut floors: Vec<f64> = looks.flat_map(|sample| sample.floor).collect();
    floors.sort_by(f64::total_cmp);
    let middle = floors.get(floors.len() / 2).copied().unwrap_or(f64::NAN);
    let whole: usize = findings.rows.iter().map(|row| row.samples.len()).sum();
    let kind = if machine.is_virtual {
        "a virtual machine"
    } else {
        "no virtual machine"
    };
    let added = findings.added.iter().map(|run| {
        let quantities = run
            .quantities
            .iter()
            .map(|quantity| format!("`{quantity}`"));
        format!(
            "\n\nOf a later run, `memring-rivals {}`, rounds: {}, minutes: {:.0}: {}.",
            run.command,
            run.rounds,
            (run.seconds / 60.0).max(1.0),
            quantities.collect::<Vec<_>>().join(", "),
        )
    });
    let added: String = added.collect();
    format!(
        "The run: `memring-rivals {}`, rounds: {}, minutes: {:.0}, on CPUs {:?} of {} of\n\
         {kind}; {}; Linux {}; {}.\n\
         {} of {whole} measurements were taken {}; these count below.\n\
         The floor there, between measurements: {middle:.0} ns.{added}",
        findings.command,
        findings.rounds,
        (findings.seconds / 60.0).max(1.0),
        machine.used,
        machine.cpus,
        machine.processor,
        machine.kernel,
        machine.rustc,
        findings.count(cores),
        cores.describe(),
    )
}

/// What a quantity's table stands below.
#[derive(PartialEq)]
enum Section {
    Figures,
    Sets,
    Futures,
    Locks,
    Calls,
}

fn section(quantity: Quantity) -> Section {
    match quantity {
        Quantity::Select(..) => Section::Sets,
        Quantity::Async(_) | Quantity::AsyncIdle => Section::Futures,
        Quantity::Lock(_) | Quantity::Load => Section::Locks,
        Quantity::Call(..) | Quantity::Calls(..) => Section::Calls,
        _ => Section::Figures,
    }
}

fn tables(findings: &Findings, part: Section) -> String {
    let mut out = Vec::new();
    let all = Quantity::all().into_iter();
    for quantity in all.filter(|quantity| section(*quantity) == part) {
        let lines = lines(findings, quantity, findings.main_cores());
        if lines.is_empty() {
            continue;
        }
        let head = ["", "", "median", "least", "most", FASTER];
        let lines = lines.into_iter().map(|line| line[..6].to_vec());
        let (title, table) = (title(quantity), table(&head, lines));
        out.push(format!("### {title}\n\n`--measure {quantity}`\n\n{table}"));
    }
    match out.is_empty() {
        true => "Not measured.".into(),
        false => out.join("\n\n"),
    }
}

/// Name, figure and ratio of a rival.
fn beside(comparison: &Comparison<'_>, rival: Side<'_>) -> [String; 2] {
    let Some((name, value)) = rival else {
        return ["-".into(), "-".into()];
    };
    [
        format!("{name} {}", figure(comparison.quantity, value)),
        format!("{:.2}", comparison.speed(value)),
    ]
}

/// Memring beside the best of both sorts of rivals.
fn overview(findings: &Findings, cores: Cores) -> String {
    let lines = comparisons(findings, cores).into_iter().map(|comparison| {
        let (name, value) = comparison.ours;
        let ours = format!("{name} {}", figure(comparison.quantity, value));
        let between = beside(&comparison, comparison.between);
        let within = beside(&comparison, comparison.within);
        let mut line = vec![title(comparison.quantity), ours];
        line.extend(between.into_iter().chain(within));
        line
    });
    let head = [
        "",
        "memring",
        "best rival between processes",
        FASTER,
        "best in one process",
        FASTER,
    ];
    table(&head, lines)
}

/// The other cores that some of the run fell on.
fn elsewhere(findings: &Findings) -> String {
    let main = findings.main_cores();
    let others = Cores::ALL.into_iter().filter(|cores| *cores != main);
    let others = others.filter(|cores| !comparisons(findings, *cores).is_empty());
    let parts = others.map(|cores| {
        let count = findings.count(cores);
        let table = overview(findings, cores);
        format!(
            "{count} measurements were taken {}:\n\n{table}",
            cores.describe()
        )
    });
    let parts: Vec<_> = parts.collect();
    match parts.is_empty() {
        true => "All of this run fell on the cores above.".into(),
        false => parts.join("\n\n"),
    }
}

/// The targets, on all cores that the run fell on.
fn verdicts(findings: &Findings) -> String {
    let measured = Cores::ALL
        .into_iter()
        .filter(|cores| !comparisons(findings, *cores).is_empty());
    let parts = measured.map(|cores| {
        let lines = targets(findings, cores).into_iter().map(|target| {
            let verdict = match target.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "**missed**",
                Verdict::Unknown => "not measured",
            };
            vec![target.what, target.wanted, target.found, verdict.into()]
        });
        let table = table(&["", "wanted", "found", ""], lines);
        format!(
            "Of {} measurements {}:\n\n{table}",
            findings.count(cores),
            cores.describe()
        )
    });
    parts.collect::<Vec<_>>().join("\n\n")
}

/// The lab notes with the targets of this run.
fn lab_notes(text: &str, findings: &Findings) -> Result<String> {
    let [begin, end] = MARKS;
    let parts = text.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("{LAB} has no {begin} … {end}"))?;
    let verdicts = verdicts(findings);
    Ok(format!("{before}{begin}\n{verdicts}\n\n{end}{after}"))
}

fn contestants() -> String {
    let lines = contestants::ALL.iter().map(|contestant| {
        let home = match contestant.home() {
            Home::Threads => "threads",
            Home::Processes => "processes",
        };
        vec![
            contestant.name().into(),
            home.into(),
            contestant.how().into(),
        ]
    });
    let table = table(&["", "between", "driven by"], lines);
    let versions = PACKAGES.map(|package| format!("{package} {}", version(package)));
    format!("{table}\n\nVersions: {}.", versions.join(", "))
}

/// The version of a package that this workspace is built with.
fn version(package: &str) -> &'static str {
    let begin = format!("name = \"{package}\"\nversion = \"");
    // Of several versions, the newest stands last, and is the one that is used here.
    let found = LOCK.rsplit_once(&begin).map(|(_, rest)| rest);
    found.and_then(|rest| rest.split('"').next()).unwrap_or("?")
}

/// The whole document.
fn document(findings: &Findings) -> Result<String> {
    let prices = prices(findings)
        .into_iter()
        .map(|(what, quantity, ratio)| vec![what.into(), title(quantity), format!("{ratio:.2}")]);
    let parts = [
        ("{machine}", machine(findings)),
        ("{overview}", overview(findings, findings.main_cores())),
        ("{tables}", tables(findings, Section::Figures)),
        ("{sets}", tables(findings, Section::Sets)),
        ("{futures}", tables(findings, Section::Futures)),
        ("{locks}", tables(findings, Section::Locks)),
        ("{calls}", tables(findings, Section::Calls)),
        ("{prices}", table(&["", "where", "ratio"], prices)),
        ("{elsewhere}", elsewhere(findings)),
        ("{contestants}", contestants()),
    ];
    let mut text = TEMPLATE.to_owned();
    for (place, part) in parts {
        if !text.contains(place) {
            bail!("the template has no place for {place}");
        }
        text = text.replace(place, &part);
    }
    Ok(text)
}

/// Write BENCHMARKS.md and its pictures below `root`, and the targets into the lab notes.
pub fn write(findings: &Findings, root: &Path) -> Result<()> {
    let pictures = root.join("docs/img");
    fs::create_dir_all(&pictures).context("cannot make a place for the pictures")?;
    pictures::draw(findings, &pictures)?;
    let lab = root.join(LAB);
    let notes = match fs::read_to_string(&lab) {
        Err(error) if error.kind() == ErrorKind::NotFound => MARKS.join("\n"),
        read => read.with_context(|| format!("cannot read {lab:?}"))?,
    };
    let notes = lab_notes(&notes, findings)?;
    fs::write(&lab, notes).with_context(|| format!("cannot write {lab:?}"))?;
    let path = root.join("BENCHMARKS.md");
    fs::write(&path, document(findings)?).with_context(|| format!("cannot write {path:?}"))
}
