//! The same of a reader-writer lock (RW1 to RW13).
//!
//! What a process does is a word of letters, one for each visit: `r` reads, `t` reads and,
//! inside, reads once more; `w` writes; `d` writes, and stays as a reader; `R` and `W` do so
//! only if they need not wait; `s` scans for the dead. Of `c` and `x` the call to read or to
//! write is run as a whole, where nobody dies, so that it ends; of `C` and `X` with a deadline
//! that has passed. Of the others each step of the loop that waits is a stage of its own.

mod scenario;
mod script;

use super::{HALF, STUCK, TWO_INSIDE, sound, sound_within, unsound};
use scenario::{RwLeftOut, RwScenario};

fn of(plans: &[&'static str]) -> RwScenario {
    RwScenario::new(plans)
}

fn noticed(rule: RwLeftOut, scenario: RwScenario, how: &str) {
    unsound(scenario.without(rule), how);
}

#[test]
fn nobody_dies() {
    sound(of(&["ww", "rr"]));
    sound(of(&["w", "r", "r"]));
    sound(of(&["w", "w", "r"]));
}

#[test]
fn a_reader_reads_again() {
    sound(of(&["ww", "t"]));
    sound(of(&["w", "t", "r"]));
}

#[test]
fn a_writer_stays_as_a_reader() {
    sound(of(&["d", "w"]));
    sound(of(&["d", "r", "w"]));
}

#[test]
fn threads_share_a_cell() {
    sound(of(&["w", "r", "r"]).threads());
    sound(of(&["w", "r", "w"]).threads());
    sound(of(&["w", "r", "r"]).threads().kills(1));
    sound(of(&["w", "r", "w"]).threads().kills(1));
}

#[test]
fn some_do_not_wait() {
    sound(of(&["w", "R", "W"]));
    sound(of(&["w", "R"]).kills(1).successors());
    sound(of(&["w", "W"]).kills(1).successors());
    sound(of(&["r", "W"]).kills(1).successors());
}

#[test]
fn whole_calls() {
    sound(of(&["x", "cc"]));
    sound(of(&["x", "x"]));
    sound(of(&["x", "r", "r"]));
}

#[test]
fn a_deadline_has_passed() {
    sound(of(&["w", "C"]).kills(1).successors());
    sound(of(&["w", "X"]).kills(1).successors());
    sound(of(&["r", "X"]).kills(1).successors());
}

#[test]
fn one_scans() {
    sound(of(&["w", "r", "s"]).kills(1));
    sound(of(&["w", "w", "s"]).kills(1));
    sound(of(&["w", "s"]).kills(2).successors());
}

#[test]
fn one_gives_up() {
    sound(of(&["w", "r", "r"]).giving_up(0));
    sound(of(&["w", "w", "r"]).giving_up(1));
    sound(of(&["w", "w", "r"]).giving_up(2));
    sound(of(&["w", "r"]).giving_up(0).kills(1).successors());
}

#[test]
fn some_die() {
    sound(of(&["ww", "rr"]).kills(2));
    sound(of(&["w", "w"]).kills(2).leaving_poison());
    sound(of(&["w", "r", "r"]).kills(1));
    sound(of(&["w", "w", "r"]).kills(1));
    sound(of(&["d", "w"]).kills(2));
}

#[test]
fn the_dead_have_successors() {
    sound(of(&["w", "r"]).kills(2).successors());
    sound(of(&["w", "w"]).kills(1).successors());
    sound(of(&["d", "w"]).kills(1).successors());
    sound(of(&["w", "t"]).kills(1).successors());
    sound(of(&["w", "r"]).kills(1).successors().cell_first());
}

#[test]
fn the_first_of_three_has_a_successor() {
    sound(of(&["w", "r", "r"]).first_dies());
    sound(of(&["r", "w", "r"]).first_dies());
}

#[test]
fn two_of_three_die() {
    sound(of(&["w", "r", "r"]).kills(2));
}

/// So many states at most, where it takes minutes.
const LARGE: usize = 30_000_000;

#[test]
#[ignore = "takes half a minute"]
fn larger_ones() {
    sound(of(&["w", "r", "X"]));
    sound(of(&["w", "w", "r"]).kills(1).leaving_poison());
    sound(of(&["r", "d", "w"]).threads().kills(1));
    sound(of(&["w", "W", "R"]).kills(1));
    sound(of(&["w", "w", "r"]).kills(2).giving_up(1));
    sound(of(&["w", "w"]).kills(2).successors());
    sound(of(&["w", "w", "r"]).first_dies());
    sound(of(&["w", "t", "w"]).kills(2));
    sound(of(&["d", "t", "w"]).kills(2));
    sound(of(&["w", "X", "C"]).kills(2));
}

#[test]
#[ignore = "takes minutes"]
fn a_dead_reader_of_three_has_a_successor() {
    sound_within(LARGE, of(&["w", "r", "r"]).kills(1).successors());
}

#[test]
#[ignore = "takes minutes"]
fn a_dead_writer_of_three_has_a_successor() {
    sound_within(LARGE, of(&["w", "w", "r"]).kills(1).successors());
}

#[test]
#[ignore = "takes minutes"]
fn a_dead_writer_that_reads_has_a_successor() {
    sound_within(LARGE, of(&["d", "w", "r"]).kills(1).successors());
}

#[test]
fn rules_of_counting() {
    noticed(RwLeftOut::CellFirst, of(&["w", "r"]), TWO_INSIDE); // RW1
    noticed(RwLeftOut::TurnBackEvent, of(&["w", "r"]), STUCK); // RW2
    noticed(RwLeftOut::Recursion, of(&["w", "t"]), STUCK); // RW3
    let threads = of(&["w", "r", "r"]).threads();
    noticed(RwLeftOut::TurnsBack, threads, TWO_INSIDE); // RW3
    noticed(RwLeftOut::Look, of(&["w", "r"]), TWO_INSIDE); // RW5
    noticed(RwLeftOut::UnlockEvent, of(&["w", "r"]), STUCK); // RW4
    noticed(RwLeftOut::EventFirst, of(&["w", "r"]), STUCK); // RW6
    noticed(RwLeftOut::WakeAll, of(&["w", "r", "r"]), STUCK); // RW9
    noticed(RwLeftOut::CellBeforeWord, of(&["d", "w"]), TWO_INSIDE); // RW13
}

#[test]
fn rules_of_death() {
    noticed(RwLeftOut::ProbeAgain, of(&["w", "r"]).kills(1), STUCK); // RW7
    let three = of(&["w", "w", "r"]).kills(1);
    noticed(RwLeftOut::LookAgain, three, TWO_INSIDE); // RW10
    noticed(RwLeftOut::FreeForAll, of(&["w", "r"]).kills(1), STUCK); // RW11
    let successors = || of(&["w", "r"]).kills(1).successors();
    noticed(RwLeftOut::ClearCell, successors(), TWO_INSIDE); // RW3, RW12
    noticed(RwLeftOut::ClearedEvent, of(&["r", "w"]).first_dies(), STUCK); // RW12
    noticed(
        RwLeftOut::WakeFreed,
        of(&["w", "r", "r"]).first_dies(),
        STUCK,
    ); // RW11
    noticed(RwLeftOut::Recover, of(&["w"]).kills(1).successors(), STUCK); // RW12
}

#[test]
fn rules_of_poison() {
    noticed(RwLeftOut::Inside, of(&["w", "w"]).kills(1), HALF); // RW8
    const FALSE_ALARM: &str = "poisoned, and none died inside";
    let scenario = of(&["w", "w", "r"]).kills(1);
    noticed(RwLeftOut::PoisonIfInside, scenario, FALSE_ALARM); // RW10
    let leaving = of(&["w", "w", "r"]).kills(1).leaving_poison();
    noticed(RwLeftOut::KeepPoison, leaving, HALF); // RW9, L12
}
