//! `memring list`: what is in the default directory.

use std::io::{self, BufWriter, Write};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use memring::sync::SharedInspection;
use memring::{Inspection, MessageKind, Peer};
use serde::Serialize;

use crate::format::printable;
use crate::standard;
use crate::what::What;

const AFTER_HELP: &str = "\
Columns: the name; the kind; bytes of a message (a fixed size, or 'up to' for
byte messages); how they lie in memory ('lines' or 'dense' with one sender and
one receiver, else '-'); messages that fit, and messages waiting; senders and
receivers that are attached and alive; 'in use' if some process has the ring open, else
'idle'; 'closed' if it was closed; bytes of memory.

A 'service' is told by its requests: its senders are clients, and its receivers
servers. 'replies' are the answers to one client.

Of locks and other shared objects: the bytes of the value, or how many objects
are in a group; in the state how many handles are open, the process that holds
a lock, and 'poisoned', if the last holder died and nobody has repaired the value.

With --json: an array with one object for each. A file that is nothing of ours
has an 'error' instead of the rest.

Exit status:
  0  done
  1  the directory cannot be read
  2  the command line is wrong

Examples:
  memring list
  memring list --json | jq -r '.[] | select(.in_use == false) | .name'";

/// List the rings, services, locks and other shared objects of the default directory
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
    let entries = memring::list()?.into_iter();
    let rows: Vec<Row> = entries.filter_map(Row::new).collect();
    print(&rows, args.json).context("cannot write standard output")
}

fn print(rows: &[Row], json: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, rows).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if !rows.is_empty() {
        table(&mut out, rows)?;
    }
    out.flush()
}

/// One file, as `--json` prints it.
#[derive(Serialize)]
struct Row {
    name: String,
    path: String,
    #[serde(flatten)]
    state: State,
}

#[derive(Serialize)]
#[serde(untagged)]
enum State {
    Ring(RingState),
    Shared(SharedState),
    Bad { error: String },
}

#[derive(Serialize)]
struct RingState {
    /// That of the ring, or "service", or "replies".
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
}

#[derive(Serialize)]
struct SharedState {
    /// That of the only object, or "group".
    kind: &'static str,
    parts: Vec<PartState>,
    /// Open in processes that are alive.
    handles: usize,
    max_handles: usize,
    in_use: bool,
    size: u64,
}

#[derive(Serialize)]
struct PartState {
    /// Empty, if it is the only object.
    name: String,
    kind: &'static str,
    value_size: usize,
    /// The process that holds it.
    holder: Option<u32>,
    poisoned: bool,
}

impl Row {
    /// `None`: it has gone since the directory was read.
    fn new(entry: memring::ListEntry) -> Option<Row> {
        let state = match What::of(&entry.path, entry.ring) {
            Ok(What::Ring(ring)) => State::Ring(RingState::new(&ring, ring.kind.to_string())),
            Ok(What::Service(ring, limit)) => State::Ring(RingState {
                message_size: limit,
                ..RingState::new(&ring, "service".into())
            }),
            Ok(What::Replies(ring)) => State::Ring(RingState::new(&ring, "replies".into())),
            Ok(What::Shared(shared)) => State::Shared(SharedState::new(shared)),
            Err(memring::RingError::NotFound { .. }) => return None,
            Err(error) => State::Bad {
                error: error.to_string(),
            },
        };
        Some(Row {
            name: entry.name,
            path: entry.path.display().to_string(),
            state,
        })
    }
}

fn alive(peers: &[Peer]) -> usize {
    peers.iter().filter(|peer| peer.alive).count()
}

impl RingState {
    fn new(ring: &Inspection, kind: String) -> RingState {
        let (message, message_size) = match ring.message {
            MessageKind::Typed { size, .. } => ("typed", size),
            MessageKind::Bytes { limit } => ("bytes", limit),
        };
        RingState {
            kind,
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

    fn cells(&self) -> Cells {
        let message = match self.message {
            "bytes" => format!("up to {}", bytes(self.message_size as u64)),
            _ => bytes(self.message_size as u64),
        };
        let state = match (self.in_use, self.closed) {
            (true, false) => "in use",
            (false, false) => "idle",
            (true, true) => "in use, closed",
            (false, true) => "idle, closed",
        };
        Cells {
            kind: self.kind.clone(),
            message,
            layout: self.layout.clone().unwrap_or("-".into()),
            counts: [self.capacity, self.length, self.senders, self.receivers].map(Some),
            state: state.into(),
            size: bytes(self.size),
        }
    }
}

impl SharedState {
    fn new(shared: SharedInspection) -> SharedState {
        let kind = match &shared.parts[..] {
            [only] if !shared.is_group() => only.kind,
            _ => "group",
        };
        let parts = shared.parts.into_iter().map(|part| PartState {
            name: part.name,
            kind: part.kind,
            value_size: part.size,
            holder: part.holder.map(|holder| holder.pid),
            poisoned: part.poisoned,
        });
        SharedState {
            kind,
            parts: parts.collect(),
            handles: alive(&shared.handles),
            max_handles: shared.max_handles,
            in_use: shared.in_use,
            size: shared.file_size,
        }
    }

    fn cells(&self) -> Cells {
        let message = match &self.parts[..] {
            [only] if self.kind != "group" => match only.value_size {
                0 => "-".into(),
                size => bytes(size as u64),
            },
            parts => format!("{} objects", parts.len()),
        };
        let mut state = match self.in_use {
            true => format!("in use by {}", self.handles),
            false => "idle".into(),
        };
        for part in &self.parts {
            let name = match part.name.as_str() {
                "" => String::new(),
                name => format!("{} ", printable(name)),
            };
            if let Some(holder) = part.holder {
                state += &format!(", {name}held by {holder}");
            }
            if part.poisoned {
                state += &format!(", {name}poisoned");
            }
        }
        Cells {
            kind: self.kind.into(),
            message,
            layout: "-".into(),
            counts: [None; 4],
            state,
            size: bytes(self.size),
        }
    }
}

/// What a line of the table has behind the name.
struct Cells {
    kind: String,
    message: String,
    layout: String,
    /// Capacity, length, senders, receivers.
    counts: [Option<usize>; 4],
    state: String,
    size: String,
}

impl State {
    fn cells(&self) -> Result<Cells, &str> {
        match self {
            State::Ring(ring) => Ok(ring.cells()),
            State::Shared(shared) => Ok(shared.cells()),
            State::Bad { error } => Err(error),
        }
    }
}

fn table(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    // A name may move the cursor, or worse.
    let lines = rows
        .iter()
        .map(|row| (printable(&row.name), row.state.cells()));
    let lines: Vec<_> = lines.collect();
    let width = |heading: &str, text: &dyn Fn(&Cells) -> usize| {
        let cells = lines.iter().filter_map(|(_, cells)| cells.as_ref().ok());
        cells.map(text).max().unwrap_or(0).max(heading.len())
    };
    let names = lines.iter().map(|(name, _)| name.chars().count()).max();
    let names = names.unwrap_or(0).max("NAME".len());
    let kinds = width("KIND", &|cells| cells.kind.len());
    let states = width("in use, closed", &|cells| cells.state.chars().count());
    writeln!(
        out,
        "{:names$}  {:kinds$}  {:>12}  LAYOUT  CAPACITY    LENGTH  SENDERS  RECEIVERS  \
         {:<states$}  {:>9}",
        "NAME", "KIND", "MESSAGE", "STATE", "SIZE"
    )?;
    for (name, cells) in &lines {
        write!(out, "{name:names$}  ")?;
        match cells {
            Err(error) => writeln!(out, "{:kinds$}  {}", "-", printable(error))?,
            Ok(cells) => {
                let count = |count: Option<usize>| count.map_or("-".into(), |it| it.to_string());
                let [capacity, length, senders, receivers] = cells.counts.map(count);
                let Cells {
                    kind,
                    message,
                    layout,
                    state,
                    size,
                    ..
                } = cells;
                writeln!(
                    out,
                    "{kind:kinds$}  {message:>12}  {layout:<6}  {capacity:>8}  {length:>8}  \
                     {senders:>7}  {receivers:>9}  {state:<states$}  {size:>9}"
                )?;
            }
        }
    }
    Ok(())
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
