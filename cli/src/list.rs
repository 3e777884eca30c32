//! `memring list`: the rings of the default directory.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use clap::Args as ClapArgs;
use memring::{Inspection, ListEntry, MessageKind};
use serde::Serialize;

use crate::standard;

const AFTER_HELP: &str = "\
Columns: the name; the kind; bytes of a message (a fixed size, or 'up to' for
byte messages); how they lie in memory ('lines' or 'dense' with one sender and
one receiver, else '-'); messages that fit, and messages waiting; senders and
receivers that are attached and alive; 'in use' if some process has the ring open, else
'idle'; 'closed' if it was closed; bytes of memory.

With --json: an array with one object a ring. A file that is no valid ring has
an 'error' instead of the rest.

Exit status:
  0  done
  1  the directory cannot be read
  2  the command line is wrong

Examples:
  memring list
  memring list --json | jq -r '.[] | select(.in_use == false) | .name'";

/// List the rings of the default directory
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// Run `memring list`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_output()?;
    let rings = memring::list()?;
    let rows: Vec<Row> = rings.iter().map(Row::new).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        serde_json::to_writer_pretty(&mut out, &rows).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if !rows.is_empty() {
        table(&mut out, &rows)?;
    }
    out.flush()?;
    Ok(())
}

/// One ring, as `--json` prints it.
#[derive(Serialize)]
struct Row {
    name: String,
    path: String,
    #[serde(flatten)]
    ring: State,
}

#[derive(Serialize)]
#[serde(untagged)]
enum State {
    Ring {
        kind: String,
        /// "typed" or "bytes".
        message: &'static str,
        message_size: usize,
        layout: Option<String>,
        capacity: usize,
        length: usize,
        senders: usize,
        receivers: usize,
        sent: u64,
        received: u64,
        lost: u64,
        redelivered: u64,
        in_use: bool,
        closed: bool,
        size: u64,
    },
    Bad {
        error: String,
    },
}

impl Row {
    fn new(listed: &ListEntry) -> Self {
        Row {
            name: listed.name.clone(),
            path: listed.path.display().to_string(),
            ring: match &listed.ring {
                Ok(ring) => State::new(ring),
                Err(error) => State::Bad {
                    error: error.to_string(),
                },
            },
        }
    }
}

impl State {
    fn new(ring: &Inspection) -> Self {
        let (message, message_size) = match ring.message {
            MessageKind::Typed { size, .. } => ("typed", size),
            MessageKind::Bytes { limit } => ("bytes", limit),
        };
        let alive = |peers: &[memring::Peer]| peers.iter().filter(|peer| peer.alive).count();
        State::Ring {
            kind: ring.kind.to_string(),
            message,
            message_size,
            layout: ring.layout.map(|layout| layout.to_string()),
            capacity: ring.capacity,
            length: ring.stats.len,
            senders: alive(&ring.stats.senders),
            receivers: alive(&ring.stats.receivers),
            sent: ring.stats.sent,
            received: ring.stats.received,
            lost: ring.stats.lost,
            redelivered: ring.stats.redelivered,
            in_use: ring.in_use,
            closed: ring.closed,
            size: ring.file_size,
        }
    }
}

fn table(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    // A name may move the cursor, or worse.
    let names = rows.iter().map(|row| printable(&row.name));
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count()).max();
    let width = width.unwrap_or(0).max(4);
    writeln!(
        out,
        "{:width$}  KIND  {:>12}  LAYOUT  CAPACITY    LENGTH  SENDERS  RECEIVERS  {:<14}  {:>9}",
        "NAME", "MESSAGE", "STATE", "SIZE"
    )?;
    for (row, name) in rows.iter().zip(names) {
        write!(out, "{name:width$}  ")?;
        match &row.ring {
            State::Bad { error } => writeln!(out, "-     {error}")?,
            State::Ring {
                kind,
                message,
                message_size,
                layout,
                capacity,
                length,
                senders,
                receivers,
                in_use,
                closed,
                size,
                ..
            } => {
                let message = match *message {
                    "bytes" => format!("up to {}", bytes(*message_size as u64)),
                    _ => bytes(*message_size as u64),
                };
                let state = match (in_use, closed) {
                    (true, false) => "in use",
                    (false, false) => "idle",
                    (true, true) => "in use, closed",
                    (false, true) => "idle, closed",
                };
                writeln!(
                    out,
                    "{kind}  {message:>12}  {:<6}  {capacity:>8}  {length:>8}  {senders:>7}  \
                     {receivers:>9}  {state:<14}  {:>9}",
                    layout.as_deref().unwrap_or("-"),
                    bytes(*size)
                )?;
            }
        }
    }
    Ok(())
}

/// A name with its control characters written out.
fn printable(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// A number of bytes for people: exact below 1 K, else to one decimal.
fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        _ if n < 1 << 20 => scaled(n, 10, "KiB"),
        _ if n < 1 << 30 => scaled(n, 20, "MiB"),
        _ => scaled(n, 30, "GiB"),
    }
}

fn scaled(n: u64, shift: u32, unit: &str) -> String {
    let unit_size = 1_u64 << shift;
    if n.is_multiple_of(unit_size) {
        format!("{} {unit}", n >> shift)
    } else {
        format!("{:.1} {unit}", n as f64 / unit_size as f64)
    }
}
