//! What memring is to reach, and whether a run found it so.

use crate::findings::{Findings, Row};
use memring_harness::contestant::Home;
use memring_harness::spread::{Cores, Spread};
use memring_harness::task::{CROWD, Quantity, Rest, Wait, Way};

/// What is there only to show what a fence costs.
const FENCE: &str = "memring-fence";

/// Whose figures are memring's own.
pub fn is_ours(row: &Row) -> bool {
    let name = row.contestant.as_str();
    name == "memring" || (name.starts_with("memring-") && name != FENCE)
}

/// Who is there to measure by, not to be compared with.
fn is_gauge(row: &Row) -> bool {
    matches!(
        row.contestant.as_str(),
        "floor" | "vyukov" | "futex" | "copy" | "ring-pair" | "ring-pair-many" | FENCE
    )
}

/// Whether a row is a rival's.
pub fn is_rival(row: &Row) -> bool {
    !is_ours(row) && !is_gauge(row)
}

/// Whether it was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Met,
    /// No.
    Missed,
    /// The run did not measure what tells.
    Unknown,
}

/// One target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Of what.
    pub what: String,
    /// The bound.
    pub wanted: String,
    /// What the run found.
    pub found: String,
    /// Whether that is within the bound.
    pub verdict: Verdict,
}

/// A side of a comparison: who, and its median.
pub type Side<'a> = Option<(&'a str, f64)>;

/// A run, looked at on some cores.
struct View<'a> {
    findings: &'a Findings,
    cores: Cores,
}

impl<'a> View<'a> {
    /// The best of those that a filter lets through.
    fn best(&self, quantity: Quantity, wanted: impl Fn(&Row) -> bool) -> Side<'a> {
        let ranking = self.findings.ranking(quantity, self.cores);
        let mut wanted = ranking.into_iter().filter(|(row, _)| wanted(row));
        wanted
            .next()
            .map(|(row, Spread { median, .. })| (row.contestant.as_str(), median))
    }

    fn of(&self, name: &str, quantity: Quantity) -> Side<'a> {
        self.best(quantity, |row| row.contestant == name)
    }

    fn ours(&self, quantity: Quantity) -> Side<'a> {
        self.best(quantity, is_ours)
    }

    fn rival(&self, quantity: Quantity) -> Side<'a> {
        self.best(quantity, is_rival)
    }

    fn between(&self, quantity: Quantity) -> Side<'a> {
        self.best(quantity, |row| is_rival(row) && row.home == Home::Processes)
    }

    fn in_process(&self, quantity: Quantity) -> Side<'a> {
        self.best(quantity, |row| is_rival(row) && row.home == Home::Threads)
    }
}

/// The bound of a ratio.
#[derive(Clone, Copy)]
enum Bound {
    Least(f64),
    Most(f64),
}

fn compare(what: &str, ours: Side<'_>, theirs: Side<'_>, bound: Bound, of: &str) -> Target {
    let wanted = match bound {
        Bound::Least(bound) => format!("at least {bound:.2} of {of}"),
        Bound::Most(bound) => format!("at most {bound:.2} of {of}"),
    };
    let what = what.to_owned();
    let (Some((our_name, ours)), Some((their_name, theirs))) = (ours, theirs) else {
        return Target {
            what,
            wanted,
            found: "not measured".into(),
            verdict: Verdict::Unknown,
        };
    };
    let ratio = ours / theirs;
    let met = match bound {
        Bound::Least(bound) => ratio >= bound,
        Bound::Most(bound) => ratio <= bound,
    };
    Target {
        what,
        wanted,
        found: format!("{ratio:.2} ({our_name} to {their_name})"),
        verdict: if met { Verdict::Met } else { Verdict::Missed },
    }
}

/// All targets, as this run found them on these cores.
pub fn targets(findings: &Findings, cores: Cores) -> Vec<Target> {
    use Bound::{Least, Most};
    let view = View { findings, cores };
    let spsc = |size, way| Quantity::Spsc(size, way);
    let trip = |size| Quantity::Trip(size, Wait::Spin);
    let mut all = Vec::new();
    let mut add = |what: &str, ours, theirs, bound, of: &str| {
        all.push(compare(what, ours, theirs, bound, of));
    };

    let floor = view.of("floor", trip(8));
    for (size, most) in [(8, 1.10), (56, 1.35)] {
        let what = format!("round trip of {size} B by polling");
        add(&what, view.ours(trip(size)), floor, Most(most), "the floor");
    }
    let (ours, best) = (view.ours(trip(64)), view.rival(trip(64)));
    let what = "round trip of 64 B by polling";
    add(what, ours, best, Most(1.0), "the best peer");

    let single = spsc(8, Way::Single);
    let (what, ours) = ("SPSC, 8 B, one a call", view.ours(single));
    let least = if cores == Cores::Far { 0.9 } else { 0.85 };
    let best = view.in_process(single);
    add(what, ours, best, Least(least), "the best in one process");
    let ringfire = view.of("ringfire", single);
    add(what, ours, ringfire, Least(1.5), "ringfire");
    let batch = spsc(8, Way::Batch);
    let (what, ours) = ("SPSC, 8 B, batches of 32", view.ours(batch));
    for (name, least) in [("gil", 0.65), ("rtrb", 1.3)] {
        add(what, ours, view.of(name, batch), Least(least), name);
    }
    for (size, way, how, least) in [
        (16, Way::Single, "one a call", 1.0),
        (16, Way::Batch, "batches of 32", 0.9),
        (24, Way::Single, "one a call", 1.0),
        (24, Way::Batch, "batches of 32", 0.9),
        (32, Way::Single, "one a call", 1.0),
        (32, Way::Batch, "batches of 32", 0.9),
        (56, Way::Single, "one a call", 1.5),
        (56, Way::Batch, "batches of 32", 1.3),
        (64, Way::Single, "one a call", 1.0),
        (64, Way::Batch, "batches of 32", 1.8),
        (256, Way::Single, "one a call", 1.3),
        (256, Way::Batch, "batches of 32", 1.3),
        (1024, Way::InPlace, "in place", 0.95),
        (4096, Way::InPlace, "in place", 0.95),
    ] {
        let (what, quantity) = (format!("SPSC, {size} B, {how}"), spsc(size, way));
        let (ours, best) = (view.ours(quantity), view.rival(quantity));
        add(&what, ours, best, Least(least), "the best peer");
    }
    let copied = [Way::Single, Way::Batch].map(|way| view.rival(spsc(256, way)));
    let best = copied
        .into_iter()
        .flatten()
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let ours = view.ours(spsc(256, Way::InPlace));
    let of = "the best peer that copies";
    add("SPSC, 256 B, in place", ours, best, Least(2.0), of);

    for (senders, receivers) in [(1, 1), (2, 2), (4, 4), (4, 1), (1, 4)] {
        let quantity = Quantity::Mpmc(senders, receivers);
        let what = format!("MPMC {senders}x{receivers}, 8 B");
        let (ours, best) = (view.ours(quantity), view.rival(quantity));
        add(&what, ours, best, Least(1.2), "the best peer");
    }
    let what = "`Blocking` with nobody asleep, SPSC, 8 B";
    let (ours, free) = (view.of("memring", single), view.of("memring-spin", single));
    add(what, ours, free, Least(0.95), "`SpinOnly`");
    for (cpus, called) in [(2, "two CPUs"), (1, "one CPU")] {
        let what = format!("round trip through sleep on {called}");
        let quantity = Quantity::Sleep(cpus);
        let (ours, raw) = (view.ours(quantity), view.of("futex", quantity));
        add(&what, ours, raw, Most(1.05), "the raw futex");
    }
    let (ours, theirs) = (
        view.ours(Quantity::Attach),
        view.of("ipmpsc", Quantity::Attach),
    );
    let what = "opening and attaching";
    add(what, ours, theirs, Most(2.0), "ipmpsc");
    // Of ends that sleep at once: whether one that spins meanwhile falls asleep is chance.
    let asleep = |queues| {
        view.of(
            "memring-select-park",
            Quantity::Select(queues, Rest::Asleep),
        )
    };
    let what = "round trip to a set of 8, asleep";
    add(what, asleep(8), asleep(1), Most(2.0), "a set of 1");
    let ready = Quantity::Select(64, Rest::Ready);
    let what = "receiving from a set of 64, messages at hand";
    let (ours, best) = (view.ours(ready), view.in_process(ready));
    add(what, ours, best, Least(0.25), "the best in one process");
    let lock = |workers| (view.ours(Quantity::Lock(workers)), Quantity::Lock(workers));
    let (ours, quantity) = lock(1);
    let what = "locking and unlocking, by one";
    let theirs = view.of("parking_lot-mutex", quantity);
    add(what, ours, theirs, Most(1.1), "parking_lot");
    let robust = view.of("pthread-robust", quantity);
    add(what, ours, robust, Most(0.5), "the robust pthread mutex");
    for workers in [2, 4] {
        let (ours, quantity) = lock(workers);
        let what = format!("locking and unlocking, by {workers}");
        let theirs = view.of("parking_lot-mutex", quantity);
        add(&what, ours, theirs, Least(0.9), "parking_lot");
        let robust = view.of("pthread-robust", quantity);
        add(&what, ours, robust, Least(2.0), "the robust pthread mutex");
    }
    let (what, copy) = (
        "reading a `Latest` of 64 B",
        view.of("copy", Quantity::Load),
    );
    let ours = view.of("memring-latest", Quantity::Load);
    add(what, ours, copy, Most(1.5), "a plain copy");
    for wait in [Wait::Spin, Wait::Park] {
        for size in [8, 64, 4096] {
            let quantity = Quantity::Call(size, wait);
            let how = if wait == Wait::Spin {
                "polling"
            } else {
                "then sleeping"
            };
            let what = format!("call, {size} B, {how}");
            let (ours, pair) = (view.ours(quantity), view.of("ring-pair", quantity));
            add(&what, ours, pair, Most(1.25), "a pair of rings");
        }
    }
    let milli = |value: f64| value / 1e6;
    let seconds = findings.idle_millis as f64 / 1e3;
    all.push(idle(
        findings,
        Quantity::Idle,
        ["a sleeping endpoint", "in 10 s"],
        |nanos| milli(nanos) / seconds * 10.0,
    ));
    let what = format!("{CROWD} futures that wait");
    all.push(idle(
        findings,
        Quantity::AsyncIdle,
        [&what, "a second"],
        milli,
    ));
    all
}

/// The processor time of what waits, in milliseconds. It does not depend on where the CPUs are.
fn idle(
    findings: &Findings,
    quantity: Quantity,
    [what, span]: [&str; 2],
    millis: impl Fn(f64) -> f64,
) -> Target {
    let rows = findings.rows.iter();
    let mut ours = rows.filter(|row| is_ours(row) && row.quantity == quantity);
    let samples = ours.next().map_or(&[][..], |row| &row.samples);
    let mut spent: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
    spent.sort_by(f64::total_cmp);
    let spent = spent.get(spent.len() / 2).copied().map(millis);
    let seconds = findings.idle_millis as f64 / 1e3;
    Target {
        what: what.into(),
        wanted: format!("below 1 ms of CPU {span}"),
        found: spent.map_or("not measured".into(), |millis| {
            format!("{millis:.2} ms (from {seconds:.0} s)")
        }),
        verdict: match spent {
            None => Verdict::Unknown,
            Some(millis) if millis < 1.0 => Verdict::Met,
            Some(_) => Verdict::Missed,
        },
    }
}

/// What one thing costs over another, as (what, where, ratio).
pub fn prices(findings: &Findings) -> Vec<(&'static str, Quantity, f64)> {
    let cores = findings.main_cores();
    let view = View { findings, cores };
    let streams = [(8, Way::Single), (64, Way::Single), (8, Way::Batch)];
    let streams = streams.map(|(size, way)| Quantity::Spsc(size, way));
    let crowds = [1, 2, 4].map(|ends| Quantity::Mpmc(ends, ends));
    let (safety, both) = (
        "crash safety over Vyukov's queue",
        "that and sleepers over it",
    );
    let asked = [
        (
            "`Blocking` over `SpinOnly`",
            "memring",
            "memring-spin",
            streams,
        ),
        ("`FenceMode::Fence` over `Auto`", FENCE, "memring", streams),
        (safety, "memring-mpmc-spin", "vyukov", crowds),
        (both, "memring-mpmc", "vyukov", crowds),
    ];
    let mut prices = Vec::new();
    for (what, ours, theirs, quantities) in asked {
        for quantity in quantities {
            let sides = (view.of(ours, quantity), view.of(theirs, quantity));
            if let (Some((_, ours)), Some((_, theirs))) = sides {
                prices.push((what, quantity, ours / theirs));
            }
        }
    }
    prices
}

/// One quantity: the best of memring beside the best rivals.
pub struct Comparison<'a> {
    /// Which.
    pub quantity: Quantity,
    /// The best of ours.
    pub ours: (&'a str, f64),
    /// The best rival between processes, if any was measured.
    pub between: Side<'a>,
    /// The best rival between threads of one process.
    pub within: Side<'a>,
}

impl Comparison<'_> {
    /// How many times as fast as `theirs` memring is.
    pub fn speed(&self, theirs: f64) -> f64 {
        match self.quantity.is_rate() {
            true => self.ours.1 / theirs,
            false => theirs / self.ours.1,
        }
    }
}

/// Every quantity that was measured on these cores of memring and of a rival.
pub fn comparisons(findings: &Findings, cores: Cores) -> Vec<Comparison<'_>> {
    let view = View { findings, cores };
    let compared = |quantity| {
        let comparison = Comparison {
            quantity,
            ours: view.ours(quantity)?,
            between: view.between(quantity),
            within: view.in_process(quantity),
        };
        let has_rival = comparison.between.is_some() || comparison.within.is_some();
        has_rival.then_some(comparison)
    };
    Quantity::all().into_iter().filter_map(compared).collect()
}

#[cfg(test)]
mod tests;
