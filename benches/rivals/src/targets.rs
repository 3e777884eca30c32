//! What memring is to reach, and whether a run found it so.

use crate::contestant::Home;
use crate::findings::{Cores, Findings, Row, Spread};
use crate::task::{Quantity, Wait, Way};

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
        "floor" | "vyukov" | "futex" | FENCE
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
type Side<'a> = Option<(&'a str, f64)>;

/// A run, looked at on the cores where most of it was.
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

    fn in_process(&self, quantity: Quantity) -> Side<'a> {
        self.best(quantity, |row| is_rival(row) && row.home == Home::Threads)
    }
}

/// The bound of a ratio.
#[derive(Clone, Copy)]
enum Bound {
    Least(f64),
    Most(f64),
    Below(f64),
    Above(f64),
}

fn compare(what: &str, ours: Side<'_>, theirs: Side<'_>, bound: Bound, of: &str) -> Target {
    let wanted = match bound {
        Bound::Least(bound) => format!("at least {bound:.2} of {of}"),
        Bound::Most(bound) => format!("at most {bound:.2} of {of}"),
        Bound::Below(bound) => format!("below {bound:.2} of {of}"),
        Bound::Above(bound) => format!("above {bound:.2} of {of}"),
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
        Bound::Below(bound) => ratio < bound,
        Bound::Above(bound) => ratio > bound,
    };
    Target {
        what,
        wanted,
        found: format!("{ratio:.2} ({our_name} to {their_name})"),
        verdict: if met { Verdict::Met } else { Verdict::Missed },
    }
}

/// All targets, as this run found them.
pub fn targets(findings: &Findings) -> Vec<Target> {
    use Bound::{Above, Below, Least, Most};
    let cores = findings.main_cores();
    let view = View { findings, cores };
    let spsc = |size, way| Quantity::Spsc(size, way);
    let trip = |size| Quantity::Trip(size, Wait::Spin);
    let floor = view.of("floor", trip(8));
    let mut all = Vec::new();
    let mut add = |what: &str, ours, theirs, bound, of: &str| {
        all.push(compare(what, ours, theirs, bound, of));
    };
    for size in [8, 56] {
        let what = format!("round trip of {size} B by polling");
        add(&what, view.ours(trip(size)), floor, Most(1.10), "the floor");
    }
    let what = "round trip of 64 B by polling";
    let ours = view.ours(trip(64));
    add(what, ours, floor, Most(1.30), "the floor");
    add(
        what,
        ours,
        view.rival(trip(64)),
        Below(1.0),
        "the best peer",
    );

    let single = spsc(8, Way::Single);
    let (what, ours) = ("SPSC, 8 B, one a call", view.ours(single));
    add(what, ours, view.of("rtrb", single), Least(3.0), "rtrb");
    add(
        what,
        ours,
        view.of("ringfire", single),
        Least(2.0),
        "ringfire",
    );
    let best = view.in_process(single);
    add(what, ours, best, Least(1.3), "the best in-process peer");
    let batch = spsc(8, Way::Batch);
    let (ours, best) = (view.ours(batch), view.in_process(batch));
    add(
        "SPSC, 8 B, batches of 32",
        ours,
        best,
        Least(0.95),
        "the best in-process peer",
    );
    for (size, called) in [(64, "64 B"), (1024, "1 KiB")] {
        for (way, how) in [(Way::Single, "one a call"), (Way::Batch, "batches of 32")] {
            let quantity = spsc(size, way);
            let what = format!("SPSC, {called}, {how}");
            add(
                &what,
                view.ours(quantity),
                view.rival(quantity),
                Least(1.0),
                "the best peer",
            );
        }
    }
    let copied = [Way::Single, Way::Batch].map(|way| view.rival(spsc(1024, way)));
    let best = copied
        .into_iter()
        .flatten()
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let ours = view.ours(spsc(1024, Way::InPlace));
    add(
        "SPSC, 1 KiB, in place",
        ours,
        best,
        Above(1.0),
        "the best peer that copies",
    );

    for ends in [1, 2, 4] {
        let quantity = Quantity::Mpmc(ends, ends);
        let what = format!("MPMC {ends}x{ends}, 8 B");
        let ours = view.ours(quantity);
        add(
            &what,
            ours,
            view.rival(quantity),
            Least(1.2),
            "the best peer",
        );
        let what = format!("crash safety, MPMC {ends}x{ends}, 8 B");
        let ours = view.of("memring-mpmc-spin", quantity);
        add(
            &what,
            ours,
            view.of("vyukov", quantity),
            Least(1.0),
            "Vyukov's queue",
        );
    }
    let what = "`Blocking` with nobody asleep, SPSC, 8 B";
    let (ours, free) = (view.of("memring", single), view.of("memring-spin", single));
    add(what, ours, free, Least(0.9), "`SpinOnly`");
    for (cpus, called) in [(2, "two CPUs"), (1, "one CPU")] {
        let what = format!("round trip through sleep on {called}");
        let quantity = Quantity::Sleep(cpus);
        let floor = view.of("futex", quantity);
        add(
            &what,
            view.ours(quantity),
            floor,
            Most(1.05),
            "the raw futex",
        );
    }
    all.push(idle(findings));
    all
}

/// A sleeping endpoint's processor time. It does not depend on where the CPUs are.
fn idle(findings: &Findings) -> Target {
    let rows = findings.rows.iter();
    let mut ours = rows.filter(|row| is_ours(row) && row.quantity == Quantity::Idle);
    let spent = ours.next().and_then(|row| row.samples.first());
    let seconds = findings.idle_millis as f64 / 1e3;
    let per_ten = spent.map(|sample| sample.value / 1e6 / seconds * 10.0);
    Target {
        what: "a sleeping endpoint".into(),
        wanted: "below 1 ms of CPU in 10 s".into(),
        found: per_ten.map_or("not measured".into(), |millis| {
            format!("{millis:.2} ms (from {seconds:.0} s)")
        }),
        verdict: match per_ten {
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

/// Where a rival is better: by what factor, the worst first.
pub fn losses(findings: &Findings, cores: Cores) -> Vec<Loss<'_>> {
    let view = View { findings, cores };
    let mut losses = Vec::new();
    for quantity in Quantity::all() {
        if let (Some(ours), Some(theirs)) = (view.ours(quantity), view.rival(quantity)) {
            let factor = match quantity.is_rate() {
                true => theirs.1 / ours.1,
                false => ours.1 / theirs.1,
            };
            if factor > 1.0 {
                losses.push(Loss {
                    quantity,
                    ours,
                    theirs,
                    factor,
                });
            }
        }
    }
    losses.sort_by(|a, b| b.factor.total_cmp(&a.factor));
    losses
}

/// A quantity in which a rival is better.
pub struct Loss<'a> {
    /// Which.
    pub quantity: Quantity,
    /// The best of ours.
    pub ours: (&'a str, f64),
    /// The best rival.
    pub theirs: (&'a str, f64),
    /// By how much.
    pub factor: f64,
}

#[cfg(test)]
mod tests;
