//! `memring list`: what is in the default directory, or under some names.
//!
//! `row` is what is known of each, as `--json` prints it; `table` is that for people.

mod row;
mod table;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args as ClapArgs;
use memring::RingError;
use terminal_size::terminal_size_of;

use crate::complain::{complain, words};
use crate::standard;
use crate::usage::{Usage, is_usage};
use row::Row;

const AFTER_HELP: &str = "\
Columns: the name; the kind; bytes of a message (a fixed size, or 'up to' for
byte messages); messages that fit, and messages waiting; senders and receivers
that are attached and alive; 'in use' if some process has the ring open, else
'idle'; 'closed' if it was closed; bytes of memory; how messages lie there
('lines' or 'dense' with one sender and one receiver, else '-'); the policy for
messages that a receiver held when it died; the schema, a tag that programs
agree on ('-': none).

'senders blocked by 17' in the state: process 17 holds what the senders need
next. That may last for an instant only. If it stays, the process is slow or
stopped.

A 'service' is the ring of its requests: its senders are clients, and its
receivers are servers. 'replies' are the answers to one client.

For locks and other shared objects, the columns have the bytes of the value, or
the number of objects in a group. The state has the number of open handles, the
process that holds a lock, and 'poisoned' if the last holder died and the value
was not repaired.

On a terminal, names and lines that are too long are cut, and end with an
ellipsis.

With --json: an array with one object for each, with all that is known. A file
that is nothing of ours has an 'error' instead of the rest.

Exit status:
  0  done
  1  the directory cannot be read, or one of the names is of nothing of ours
  2  the command line is wrong

Examples:
  memring list
  memring list --pids jobs
  memring list --json | jq -r '.[] | select(.in_use == false) | .name'";

/// List the rings, services, locks and other shared objects that there are
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// List these: names in the default directory, or paths with '/' [default: all in the default
    /// directory]
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Print below each one the processes that use it
    #[arg(long, conflicts_with = "json")]
    pids: bool,

    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// Run `memring list`.
pub fn run(args: &Args) -> Result<()> {
    standard::check_output()?;
    let (rows, missing) = match args.names.is_empty() {
        true => (all()?, Missing::default()),
        false => these(&args.names),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    print(args, &rows, &mut out).context("cannot write standard output")?;
    missing.check(args.names.len())
}

fn print(args: &Args, rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    if args.json {
        serde_json::to_writer_pretty(&mut *out, rows)?;
        writeln!(out)?;
    } else if !rows.is_empty() {
        let stdout = io::stdout();
        let width = terminal_size_of(&stdout).filter(|_| stdout.is_terminal());
        let width = width.map(|(width, _)| usize::from(width.0));
        table::print(out, rows, width, args.pids)?;
    }
    out.flush()
}

/// All of the default directory.
fn all() -> Result<Vec<Row>> {
    let entries = memring::list()?.into_iter();
    let rows = entries.filter_map(|entry| {
        match Row::new(entry.name.clone(), &entry.path, entry.ring) {
            // It has gone since the directory was read.
            Err(RingError::NotFound { .. }) => None,
            Err(error) => Some(Row::bad(entry.name, &entry.path, &error)),
            Ok(row) => Some(row),
        }
    });
    Ok(rows.collect())
}

/// The names that were asked for, of which there is nothing.
#[derive(Default)]
struct Missing {
    count: usize,
    /// What is said if it is the only name.
    last: Option<anyhow::Error>,
    /// Some cannot be names at all.
    is_usage: bool,
}

/// What stands under these names.
fn these(names: &[String]) -> (Vec<Row>, Missing) {
    let mut missing = Missing::default();
    let mut rows = Vec::new();
    for name in names {
        let looked = memring::inspect(name);
        match Row::new(name.clone(), Path::new(name), looked) {
            Ok(row) => rows.push(row),
            Err(error) => {
                let error = not_listed(error);
                missing.count += 1;
                missing.is_usage |= is_usage(&error);
                if let Some(before) = missing.last.replace(error) {
                    complain(&words(&before));
                }
            }
        }
    }
    (rows, missing)
}

fn not_listed(error: RingError) -> anyhow::Error {
    match &error {
        RingError::NotFound { path } => anyhow!(
            "nothing at {}: memring list without names tells what there is",
            path.display()
        ),
        _ => error.into(),
    }
}

impl Missing {
    /// An error, if there are any.
    fn check(self, names: usize) -> Result<()> {
        let Missing {
            count,
            last: Some(last),
            is_usage,
        } = self
        else {
            return Ok(());
        };
        if names == 1 {
            return Err(last);
        }
        complain(&words(&last));
        let text = format!("{count} of {names} not listed");
        match is_usage {
            true => Err(Usage(text).into()),
            false => bail!(text),
        }
    }
}
