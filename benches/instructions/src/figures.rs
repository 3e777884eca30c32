//! The figures, counted and recorded.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{BARE, WAKES};

/// How much a figure may exceed the recorded one.
const GROWTH: f64 = 1.1;

const HEAD: &str = "\
# Instructions for each message, by ring and size of message in bytes, and by
# operation, in rings of spinners and in rings whose endpoints may sleep. Counted
# and compared by `cargo run --release -p memring-instructions`, written by the same with
# `-- --record`.
";

/// Of one operation, for each message.
#[derive(Clone, Copy, Default)]
pub struct Figure {
    /// In the order of [`WAKES`].
    pub instructions: [f64; WAKES.len()],
    pub calls: [f64; WAKES.len()],
}

/// All operations of all rings.
#[derive(Default)]
pub struct Figures(BTreeMap<(String, String), Figure>);

impl Figures {
    pub fn insert(&mut self, ring: &str, operation: &str, figure: Figure) {
        self.0.insert((ring.into(), operation.into()), figure);
    }

    fn file() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recorded.txt")
    }

    /// Those of the file.
    pub fn recorded() -> Result<Figures> {
        let path = Figures::file();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path:?}"))?;
        let mut figures = Figures::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let wrong = || format!("{path:?}: {line:?}");
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [ring, operation, numbers @ ..] = fields.as_slice() else {
                anyhow::bail!(wrong());
            };
            let numbers: Result<Vec<f64>, _> = numbers.iter().map(|n| n.parse()).collect();
            let numbers = numbers.with_context(wrong)?;
            let figure = Figure {
                instructions: numbers.try_into().ok().with_context(wrong)?,
                ..Figure::default()
            };
            figures.insert(ring, operation, figure);
        }
        Ok(figures)
    }

    /// Writes the file.
    pub fn record(&self) -> Result<()> {
        let mut text = HEAD.to_string();
        for ((ring, operation), figure) in &self.0 {
            let [spin, blocking] = figure.instructions;
            text += &format!("{ring:8} {operation:15} {spin:7.2} {blocking:7.2}\n");
        }
        fs::write(Figures::file(), text)?;
        println!("Recorded in {:?}.", Figures::file());
        Ok(())
    }

    /// Prints these beside others.
    pub fn print_beside(&self, recorded: &Figures) {
        println!("Instructions for each message (and how many of them are calls)\n");
        print!("{:24}", "");
        for (wake, _) in WAKES {
            print!("{wake:>9} recorded  change  calls");
        }
        println!();
        for (key, figure) in &self.0 {
            print!("{:8} {:15}", key.0, key.1);
            for at in 0..WAKES.len() {
                let (counted, calls) = (figure.instructions[at], figure.calls[at]);
                let was = recorded.0.get(key).map(|figure| figure.instructions[at]);
                let was = was.unwrap_or(f64::NAN);
                let change = (counted / was - 1.0) * 100.0;
                print!("{counted:9.1} {was:8.1} {change:+6.1}% {calls:6.2}");
            }
            println!();
        }
        println!();
    }

    /// What has grown too much since, or is not there to compare with.
    pub fn grown_from(&self, recorded: &Figures) -> Vec<String> {
        let mut wrong = Vec::new();
        for (key @ (ring, operation), figure) in &self.0 {
            let Some(was) = recorded.0.get(key) else {
                wrong.push(format!("{ring} {operation} was never recorded"));
                continue;
            };
            for (at, (wake, _)) in WAKES.iter().enumerate() {
                let (now, was) = (figure.instructions[at], was.instructions[at]);
                if now > was * GROWTH {
                    wrong.push(format!(
                        "{ring} {operation} ({wake}) takes {now:.1} instructions, more than a \
                         tenth over the {was:.1} recorded"
                    ));
                }
            }
        }
        let gone = recorded.0.keys().filter(|key| !self.0.contains_key(key));
        wrong.extend(gone.map(|key| format!("{} {} is recorded, and is not there", key.0, key.1)));
        wrong
    }

    /// The calls where none may be.
    pub fn calls(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((ring, operation), figure) in &self.0 {
            let bare = BARE.contains(&(ring.as_str(), operation.as_str()));
            for (at, (wake, _)) in WAKES.iter().enumerate() {
                let calls = figure.calls[at];
                if bare && calls != 0.0 {
                    wrong.push(format!(
                        "{ring} {operation} ({wake}) makes {calls:.2} calls for each message"
                    ));
                }
            }
        }
        wrong
    }
}
