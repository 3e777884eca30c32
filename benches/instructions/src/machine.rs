//! What the machine code of an operation refers to.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Parts of the names of what panics: of `core::panicking`, of the failures of
/// `unwrap`, `expect`, and of an index.
const PANICS: [&str; 4] = ["panic", "_failed", "slice_index", "slice::index"];

/// What in the functions of these rings and operations can panic, or cannot be
/// told: a call through a register may lead anywhere.
pub fn panics(functions: &[(&str, &str)]) -> Result<Vec<String>> {
    let (listing, relocations) = (objdump("-d")?, objdump("-R")?);
    let through = pointers(&relocations, &listing);
    let mut found = Vec::new();
    for (ring, operation) in functions {
        let name = format!("{}::{ring}::{operation}", crate::operations::PATH);
        let head = format!("<{name}>:");
        let mut code = (listing.lines().skip_while(|line| !line.ends_with(&head)))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .peekable();
        ensure!(code.peek().is_some(), "objdump shows no {name}");
        let targets: HashSet<&str> = code.filter_map(|line| target(line, &through)).collect();
        let wrong =
            |target: &&&str| **target == UNKNOWN || PANICS.iter().any(|p| target.contains(p));
        let wrong = targets.iter().filter(wrong);
        found.extend(wrong.map(|target| format!("{ring} {operation} can come to {target}")));
    }
    found.sort();
    Ok(found)
}

const UNKNOWN: &str = "a call to what objdump does not tell";

/// What a line of the listing refers to, if to anything: in
/// `call 53610 <name>`, `jmp 4b302 <name+0x12>`, `lea 8(%rip),%rax # 4b3 <name>`, or
/// through a pointer, `call *8(%rip) # aef20 <name+0x230>`.
fn target<'l>(line: &'l str, through: &HashMap<&str, &'l str>) -> Option<&'l str> {
    let indirect = line.contains("call") && line.contains('*');
    let Some((before, name)) = line.split_once('<') else {
        return indirect.then_some(UNKNOWN);
    };
    if indirect {
        let pointer = before.split_whitespace().last()?;
        return Some(through.get(pointer).copied().unwrap_or(UNKNOWN));
    }
    name.strip_suffix('>')
}

/// The functions that the linker's pointers point to, by the addresses of the
/// pointers.
fn pointers<'l>(relocations: &'l str, listing: &'l str) -> HashMap<&'l str, &'l str> {
    let trimmed = |address: &'l str| address.trim_start_matches('0');
    let heads = listing.lines().filter_map(|line| line.strip_suffix(">:"));
    let functions: HashMap<&str, &str> = heads
        .filter_map(|head| head.split_once(" <"))
        .map(|(address, name)| (trimmed(address), name))
        .collect();
    let pointer = |line: &'l str| {
        let (address, what) = line.split_once(' ')?;
        // `*ABS*+0x…` for what is in this program, or the name of what is not.
        let what = what.split_whitespace().last()?;
        let name = match what.split_once("*ABS*+0x") {
            Some((_, function)) => functions.get(trimmed(function)).copied()?,
            None => what,
        };
        Some((trimmed(address), name))
    };
    relocations.lines().filter_map(pointer).collect()
}

/// This program, seen by `objdump`.
fn objdump(what: &str) -> Result<String> {
    let output = Command::new("objdump")
        .args([what, "-C", "--no-show-raw-insn"])
        .arg(std::env::current_exe()?)
        .output()
        .context("cannot start objdump: is it installed? (apt-get install binutils)")?;
    ensure!(output.status.success(), "objdump: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
