//! A run of the operations under callgrind, and what it counted.

use std::collections::HashMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What one function did in a run.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Instructions of the function and of all that it called.
    pub instructions: u64,
    /// Calls that it made itself.
    pub calls: u64,
}

/// All functions of a run, by name.
pub struct Run(HashMap<String, Cost>);

/// Runs `messages` messages through every operation.
pub fn run(wake: &str, messages: usize) -> Result<Run> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--compress-strings=no"])
        .arg("--callgrind-out-file=/dev/stdout")
        .arg(std::env::current_exe()?)
        .args(["--run", wake, &messages.to_string()])
        .output()
        .context("cannot start valgrind: is it installed? (apt-get install valgrind)")?;
    ensure!(
        output.status.success(),
        "under callgrind: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&String::from_utf8(output.stdout)?)
}

/// Reads callgrind's profile: `fn=` begins what a function did, `cfn=` and
/// `calls=` tell a call that it made, and the line after that what it cost.
fn parse(profile: &str) -> Result<Run> {
    let mut costs = HashMap::<String, Cost>::new();
    let (mut caller, mut callee) = ("", "");
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = name;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if let Some(calls) = line.strip_prefix("calls=") {
            costs.entry(caller.into()).or_default().calls += field(calls, 0)?;
            let cost = lines.next().context("a call without a cost")?;
            costs.entry(callee.into()).or_default().instructions += field(cost, 1)?;
        }
    }
    Ok(Run(costs))
}

fn field(line: &str, index: usize) -> Result<u64> {
    let field = line.split_whitespace().nth(index);
    field
        .and_then(|field| field.parse().ok())
        .with_context(|| format!("callgrind's line {line:?}"))
}

impl Run {
    /// What one of the operations cost.
    pub fn of(&self, ring: &str, operation: &str) -> Result<Cost> {
        let name = format!("{}::{ring}::{operation}", crate::operations::PATH);
        let cost = self.0.get(&name).copied();
        cost.with_context(|| format!("callgrind saw no {name}: was it merged with another?"))
    }
}
