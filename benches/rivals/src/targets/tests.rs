//! What makes a target met or missed.

use super::*;
use crate::findings::Sample;
use crate::machine::Machine;

fn row(contestant: &str, quantity: Quantity, value: f64) -> Row {
    Row {
        contestant: contestant.into(),
        home: Home::Processes,
        how: String::new(),
        quantity,
        samples: vec![Sample {
            value,
            times: Vec::new(),
            floor: [250.0; 2],
        }],
        failure: None,
    }
}

fn findings(rows: Vec<Row>) -> Findings {
    Findings {
        machine: Machine::of(&[0, 1]),
        command: String::new(),
        millis: 100,
        idle_millis: 10_000,
        rounds: 1,
        seconds: 1.0,
        rows,
        added: Vec::new(),
    }
}

fn verdict(rows: &[(&str, Quantity, f64)], what: &str, wanted: &str) -> Verdict {
    let rows = rows.iter();
    let findings = findings(
        rows.map(|(who, what, value)| row(who, *what, *value))
            .collect(),
    );
    let targets = targets(&findings, Cores::Far);
    let mut found = targets
        .iter()
        .filter(|target| target.what == what && target.wanted.contains(wanted));
    let target = found.next().expect("there is such a target");
    assert!(found.next().is_none(), "{what} {wanted} is not one target");
    target.verdict
}

#[test]
fn a_missed_target_is_marked_as_missed() {
    let single = Quantity::Spsc(8, Way::Single);
    let what = "SPSC, 8 B, one a call";
    let rates = |ours| [("memring", single, ours), ("ringfire", single, 100.0)];
    assert_eq!(verdict(&rates(149.0), what, "ringfire"), Verdict::Missed);
    assert_eq!(verdict(&rates(151.0), what, "ringfire"), Verdict::Met);
    assert_eq!(
        verdict(&rates(151.0), what, "one process"),
        Verdict::Unknown
    );
}

#[test]
fn times_are_missed_above_and_not_below() {
    let trip = Quantity::Trip(8, Wait::Spin);
    let what = "round trip of 8 B by polling";
    let times = |ours| [("memring-spin", trip, ours), ("floor", trip, 200.0)];
    assert_eq!(verdict(&times(221.0), what, "floor"), Verdict::Missed);
    assert_eq!(verdict(&times(219.0), what, "floor"), Verdict::Met);
}

#[test]
fn processor_time_asleep_is_that_of_ten_seconds() {
    let spent = |nanos| [("memring-park", Quantity::Idle, nanos)];
    let (what, wanted) = ("a sleeping endpoint", "1 ms");
    assert_eq!(verdict(&spent(1.1e6), what, wanted), Verdict::Missed);
    assert_eq!(verdict(&spent(0.9e6), what, wanted), Verdict::Met);
}

#[test]
fn processor_time_of_many_futures_is_that_of_a_second() {
    let spent = |nanos| [("memring-async", Quantity::AsyncIdle, nanos)];
    let (what, wanted) = ("1000 futures that wait", "1 ms");
    assert_eq!(verdict(&spent(1.1e6), what, wanted), Verdict::Missed);
    assert_eq!(verdict(&spent(0.9e6), what, wanted), Verdict::Met);
}

#[test]
fn a_later_run_takes_the_place_of_what_it_measured() {
    let (ready, trip) = (Quantity::Async(Rest::Ready), Quantity::Trip(8, Wait::Spin));
    let mut all = findings(vec![
        row("memring", trip, 150.0),
        row("memring-async", ready, 50.0),
        row("tokio-mpsc", ready, 60.0),
    ]);
    let later = findings(vec![row("memring-async", ready, 40.0)]);
    all.add(later.clone()).expect("the machine is the same");
    let names = all
        .rows
        .iter()
        .map(|row| (row.contestant.as_str(), row.samples[0].value));
    let wanted = [("memring", 150.0), ("memring-async", 40.0)];
    assert_eq!(names.collect::<Vec<_>>(), wanted);
    assert_eq!(all.added[0].quantities, [ready]);
    let mut elsewhere = later;
    elsewhere.machine.cpus += 1;
    assert!(all.add(elsewhere).is_err());
}

#[test]
fn speed_is_above_one_where_memring_is_faster() {
    let batch = Quantity::Spsc(8, Way::Batch);
    let trip = Quantity::Trip(8, Wait::Spin);
    let mut rows = vec![
        row("memring", batch, 150.0),
        row("ringfire", batch, 100.0),
        row("memring", trip, 150.0),
        row("ringfire", trip, 300.0),
        row("gil", trip, 75.0),
    ];
    rows[4].home = Home::Threads;
    let findings = findings(rows);
    let found = comparisons(&findings, Cores::Far);
    let speeds = found.iter().map(|found| {
        let speed = |theirs: Side<'_>| theirs.map(|(_, figure)| found.speed(figure));
        (found.quantity, speed(found.between), speed(found.within))
    });
    let speeds: Vec<_> = speeds.collect();
    let wanted = [(batch, Some(1.5), None), (trip, Some(2.0), Some(0.5))];
    assert_eq!(speeds, wanted);
    assert!(comparisons(&findings, Cores::Near).is_empty());
}
