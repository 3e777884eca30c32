//! Counts the instructions that a message costs, operation by operation, and
//! fails when one costs more than a tenth more than was recorded.
//!
//! Unlike a time, such a count is the same on a busy machine and on a quiet one.
//! It is taken by callgrind, twice: the difference between a run of many messages
//! and a run of few, divided by the difference in messages, leaves out the start.
//!
//! For the paths that must hold none, it also fails at a call that was executed,
//! and at a panic that the machine code could come to.
//!
//! `cargo run --release -p memring-instructions` compares, `-- --record` records again.
//! It needs `valgrind`, and `objdump` of `binutils`.

mod callgrind;
mod figures;
mod machine;
mod operations;

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use figures::{Figure, Figures};
use memring::Wakeups;

/// Messages of the two runs.
const FEW: usize = 1024;
const MANY: usize = 3072;
const _: () = assert!(MANY <= operations::MOST && (MANY - FEW).is_multiple_of(operations::BATCH));

/// Whether endpoints may sleep, in the order of [`Figure::instructions`].
const WAKES: [(&str, Wakeups); 2] = [("spin", Wakeups::SpinOnly), ("blocking", Wakeups::Blocking)];

/// The paths of a message without a call and without a panic.
const BARE: [(&str, &str); 4] = [
    ("spsc_8", "try_send"),
    ("spsc_8", "try_recv"),
    ("spsc_56", "try_send"),
    ("spsc_56", "try_recv"),
];

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return compare(),
        ["--record"] => count()?.record()?,
        // What callgrind watches.
        ["--run", wake, messages] => {
            let known = WAKES.iter().find(|(name, _)| *name == wake);
            let (_, wake) = known.context("spin or blocking")?;
            operations::run(*wake, messages.parse()?)?;
        }
        _ => bail!("expected no argument, or --record"),
    }
    Ok(ExitCode::SUCCESS)
}

fn compare() -> Result<ExitCode> {
    let counted = count()?;
    let recorded = Figures::recorded()?;
    counted.print_beside(&recorded);
    let grown = counted.grown_from(&recorded);
    let mut forbidden = counted.calls();
    forbidden.extend(machine::panics(&BARE)?);
    for line in grown.iter().chain(&forbidden) {
        println!("FAILED: {line}");
    }
    if !grown.is_empty() {
        println!("If that is meant, record it, and say why in the commit:");
        println!("    cargo run --release -p memring-instructions -- --record");
    }
    if !(grown.is_empty() && forbidden.is_empty()) {
        return Ok(ExitCode::FAILURE);
    }
    println!("No operation has grown by more than a tenth.");
    println!("No call and no panic where none may be.");
    Ok(ExitCode::SUCCESS)
}

/// Counts every operation of every kind.
fn count() -> Result<Figures> {
    ensure!(
        !cfg!(debug_assertions),
        "a debug build says nothing: cargo run --release -p memring-instructions"
    );
    let mut runs = Vec::new();
    for (wake, _) in WAKES {
        runs.push((callgrind::run(wake, FEW)?, callgrind::run(wake, MANY)?));
    }
    let per_message = |few: u64, many: u64| (many - few) as f64 / (MANY - FEW) as f64;
    let mut figures = Figures::default();
    for ring in operations::RINGS {
        for operation in operations::NAMES {
            let mut figure = Figure::default();
            for (at, (few, many)) in runs.iter().enumerate() {
                let (few, many) = (few.of(ring, operation)?, many.of(ring, operation)?);
                figure.instructions[at] = per_message(few.instructions, many.instructions);
                figure.calls[at] = per_message(few.calls, many.calls);
            }
            figures.insert(ring, operation, figure);
        }
    }
    Ok(figures)
}
