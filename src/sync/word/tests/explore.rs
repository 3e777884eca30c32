//! Every interleaving of a few processes at one lock, killed at every step: the real code,
//! run one shared access at a time (see `sys::atomic::watched`), with sequential
//! consistency. And each rule, left out, is noticed.
//!
//! Two words that a holder changes one after the other tell whether it was alone, and
//! whether the next one was told of what a dead one left. A sleep ends by time only if a member
//! is dead or has died meanwhile: else a wake-up that is lost leaves a state from which no end
//! is reached.

mod engine;
mod rwlock;
mod script;

use engine::script::WordScript;
use engine::{WordReport, explore};
use script::{LeftOut, LockScenario};

/// So many states at most, or the test has grown out of its time.
const LIMIT: usize = 3_000_000;

fn sound(scenario: impl WordScript) {
    sound_within(LIMIT, scenario);
}

fn sound_within(limit: usize, scenario: impl WordScript) {
    let WordReport {
        states,
        finals,
        failure,
    } = explore(&scenario, limit);
    println!("{scenario:?}: {states} states, {finals} final ones");
    assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    assert!(finals > 0);
}

/// It is found that a rule is left out.
fn unsound(scenario: impl WordScript, how: &str) {
    let report = explore(&scenario, LIMIT);
    let failure = report.failure;
    let failure = failure.unwrap_or_else(|| panic!("{scenario:?}: nothing was noticed"));
    assert!(failure.starts_with(how), "{scenario:?}: {failure}");
}

fn noticed(rule: LeftOut, scenario: LockScenario, how: &str) {
    unsound(scenario.without(rule), how);
}

fn of(visits: &[u8]) -> LockScenario {
    LockScenario::new(visits)
}

#[test]
fn nobody_dies() {
    sound(of(&[2, 2]));
    sound(of(&[1, 1, 1]));
    sound(of(&[1, 1, 1]).giving_up(2));
}

#[test]
fn some_die() {
    sound(of(&[2, 1]).kills(2));
    sound(of(&[2, 1]).kills(1).leaving_poison());
    sound(of(&[1, 1, 1]).kills(1));
}

#[test]
fn the_dead_have_successors() {
    sound(of(&[1, 1]).kills(2).successors());
    sound(of(&[1, 1]).kills(1).successors().leaving_poison());
}

#[test]
#[ignore = "takes a minute"]
fn one_dead_of_three_has_a_successor() {
    sound(of(&[1, 1, 1]).kills(1).successors());
}

const TWO_INSIDE: &str = "two inside";
const HALF: &str = "half changed";
const STUCK: &str = "no end";

#[test]
fn rules_of_waking() {
    noticed(LeftOut::Wake, of(&[1, 1]), STUCK); // L2
    noticed(LeftOut::Mark, of(&[1, 1]), STUCK); // L3
    noticed(LeftOut::MarkAfterSleep, of(&[1, 1, 1]), STUCK); // L4
    noticed(LeftOut::PassOn, of(&[2, 1, 1]).giving_up(2), STUCK); // L10
}

#[test]
fn rules_of_death() {
    noticed(LeftOut::ProbeAgain, of(&[1, 1]).kills(1), STUCK); // L5
    noticed(LeftOut::TakeOver, of(&[1, 1]).kills(1), STUCK); // L6
    let successors = || of(&[1, 1]).kills(1).successors();
    noticed(LeftOut::ExactWord, successors(), TWO_INSIDE); // L6
    let three = of(&[1, 1, 1]).kills(1).successors();
    noticed(LeftOut::Count, three, TWO_INSIDE); // L7
    noticed(LeftOut::Recover, of(&[1]).kills(1).successors(), STUCK); // L8
    // Its word was loaded before it was freed: what the id holds by then is not the dead one's.
    noticed(LeftOut::ProbeFirst, successors(), TWO_INSIDE); // L6, L7
}

#[test]
fn rules_of_poison() {
    noticed(LeftOut::PoisonTakenOver, of(&[1, 1]).kills(1), HALF); // L6
    noticed(
        LeftOut::PoisonRecovered,
        of(&[1]).kills(1).successors(),
        HALF,
    ); // L8
    let leaving = of(&[1, 2]).kills(1).leaving_poison();
    noticed(LeftOut::KeepPoison, leaving, HALF); // L2, L12
}
