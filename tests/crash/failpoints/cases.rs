//! One death or stop at one point, and how a child is told of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memring::Kind;
use memring::failpoints::{self, Act, Failpoint};

/// What to do when which point is reached for the how manieth time, and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(pub Vec<(Failpoint, u64, Act)>);

impl Plan {
    pub fn of(point: Failpoint, nth: u64, act: Act) -> Plan {
        Plan(vec![(point, nth, act)])
    }

    /// From now on this process follows it.
    pub fn arm(&self) {
        failpoints::arm(&self.0);
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (point, nth, act) in &self.0 {
            write!(f, "{point:?} {nth} {act:?};")?;
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Plan, String> {
        let step = |step: &str| {
            let words: Vec<&str> = step.split(' ').collect();
            let [point, nth, act] = words[..] else {
                return Err(format!("expected point, number and act, found {step}"));
            };
            let named = |one: &&Failpoint| format!("{one:?}") == point;
            let point = Failpoint::ALL.iter().find(named);
            let point = *point.ok_or_else(|| format!("no point {step}"))?;
            let nth = nth.parse().map_err(|error| format!("{step}: {error}"))?;
            let acts = [Act::Kill, Act::Stop].into_iter();
            let act = acts.into_iter().find(|one| format!("{one:?}") == act);
            Ok((point, nth, act.ok_or_else(|| format!("no act {step}"))?))
        };
        text.split_terminator(';')
            .map(step)
            .collect::<Result<_, _>>()
            .map(Plan)
    }
}

/// How many cases run at once: most of the time they sleep.
const AT_ONCE: usize = 5;

/// Runs all cases, several at once, and tells of the one that fails. What `run`
/// returns is how long the others took to go on; the longest is told.
pub fn run_all<C: fmt::Debug + Sync>(name: &str, cases: &[C], run: impl Fn(&C) -> Duration + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut longest = Duration::ZERO;
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            match catch_unwind(AssertUnwindSafe(|| run(case))) {
                Ok(time) => longest = longest.max(time),
                Err(panic) => {
                    eprintln!("failed: {name}: {case:?}");
                    next.store(cases.len(), Ordering::Relaxed);
                    resume_unwind(panic);
                }
            }
        }
        longest
    };
    let longest = std::thread::scope(|threads| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| threads.spawn(work)).collect();
        let all = all.into_iter().map(|one| one.join());
        // All of them first, then the one that failed.
        let all: Vec<_> = all.collect();
        all.into_iter()
            .map(|one| one.unwrap_or_else(|panic| resume_unwind(panic)))
            .max()
    });
    let longest = longest.unwrap_or_default();
    let told = if longest.is_zero() {
        String::new()
    } else {
        format!(", the others went on within {longest:?}")
    };
    println!("{name}: {} cases{told}", cases.len());
}

/// How a kind and a program are told of.
pub fn title<K: Kind>(what: impl fmt::Debug) -> String {
    format!("{}, {what:?}", K::KIND)
}
