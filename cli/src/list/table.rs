//! The table for people.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::row::{Blocker, RingState, Row, SharedState, State, User};
use crate::format::printable;

/// Columns behind the name, and whether figures stand there, which are aligned to the right.
const COLUMNS: [(&str, bool); 11] = [
    ("KIND", false),
    ("MESSAGE", true),
    ("CAPACITY", true),
    ("LENGTH", true),
    ("SENDERS", true),
    ("RECEIVERS", true),
    ("STATE", false),
    ("SIZE", true),
    ("LAYOUT", false),
    ("POLICY", false),
    ("SCHEMA", false),
];

/// Between two columns.
const GAP: &str = "  ";

/// Names are cut to as little as this before lines are.
const LEAST_NAME: usize = 12;

type Cells = [String; COLUMNS.len()];

/// The cells behind a name, or what is wrong.
type Known = Result<Cells, String>;

/// Print it; no wider than `width`, if there is one, but for the processes, which are what was
/// asked for.
pub fn print(
    out: &mut impl Write,
    rows: &[Row],
    width: Option<usize>,
    with_processes: bool,
) -> io::Result<()> {
    let lines: Vec<(String, Known)> = rows.iter().map(line).collect();
    let mut widths = COLUMNS.map(|(heading, _)| heading.width());
    for cells in lines.iter().filter_map(|(_, known)| known.as_ref().ok()) {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.width().max(*width);
        }
    }
    let names = lines.iter().map(|(name, _)| name.width()).max();
    let mut names = names.unwrap_or(0).max("NAME".width());
    if let Some(width) = width {
        let rest: usize = widths.iter().map(|width| GAP.len() + width).sum();
        names = names.min(width.saturating_sub(rest).max(LEAST_NAME));
    }
    let table = Table {
        names,
        widths,
        width,
    };
    let headings = COLUMNS.map(|(heading, _)| heading.to_owned());
    table.write(out, "NAME", &Ok(headings))?;
    for ((name, known), row) in lines.iter().zip(rows) {
        table.write(out, name, known)?;
        if with_processes {
            for line in processes(&row.state) {
                writeln!(out, "  {line}")?;
            }
        }
    }
    Ok(())
}

struct Table {
    names: usize,
    widths: [usize; COLUMNS.len()],
    /// That of the terminal.
    width: Option<usize>,
}

impl Table {
    fn write(&self, out: &mut impl Write, name: &str, known: &Known) -> io::Result<()> {
        let mut text = padded(&cut(name, self.names), self.names, false);
        match known {
            Ok(cells) => {
                for ((cell, width), (_, right)) in cells.iter().zip(self.widths).zip(COLUMNS) {
                    text += GAP;
                    text += &padded(cell, width, right);
                }
            }
            Err(error) => {
                text += GAP;
                text += &padded("-", self.widths[0], false);
                text += GAP;
                text += error;
            }
        }
        let text = text.trim_end();
        match self.width {
            Some(width) => writeln!(out, "{}", cut(text, width)),
            None => writeln!(out, "{text}"),
        }
    }
}

/// The text in at least so many columns of a terminal.
fn padded(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    match right {
        true => blanks + text,
        false => text.to_owned() + &blanks,
    }
}

/// The text in at most so many columns of a terminal.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| match left.checked_sub(c.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let mut shown: String = text.chars().take_while(fits).collect();
    shown.push('…');
    shown
}

fn line(row: &Row) -> (String, Known) {
    // A name may move the cursor, or worse.
    let name = printable(&row.name);
    match &row.state {
        State::Ring(ring) => (name, Ok(of_ring(ring))),
        State::Shared(shared) => (name, Ok(of_shared(shared))),
        State::Bad { error } => (name, Err(printable(error))),
    }
}

fn of_ring(ring: &RingState) -> Cells {
    let message = match ring.message {
        "bytes" => format!("up to {}", bytes(ring.message_size as u64)),
        _ => bytes(ring.message_size as u64),
    };
    let mut state = match ring.in_use {
        true => "in use".to_owned(),
        false => "idle".to_owned(),
    };
    if ring.closed {
        state += ", closed";
    }
    let (senders, receivers) = sides(ring);
    for (side, blocker) in [
        (senders, &ring.senders_blocked_by),
        (receivers, &ring.receivers_blocked_by),
    ] {
        if let Some(Blocker { pid, .. }) = blocker {
            state += &format!(", {side} blocked by {pid}");
        }
    }
    [
        ring.kind.clone(),
        message,
        ring.capacity.to_string(),
        ring.length.to_string(),
        ring.senders.to_string(),
        ring.receivers.to_string(),
        state,
        bytes(ring.size),
        or_none(ring.layout.as_deref()),
        ring.policy.clone(),
        or_none(ring.schema.as_deref()),
    ]
}

/// What the two sides are called.
fn sides(ring: &RingState) -> (&'static str, &'static str) {
    match ring.kind.as_str() {
        "service" => ("clients", "servers"),
        _ => ("senders", "receivers"),
    }
}

fn of_shared(shared: &SharedState) -> Cells {
    let message = match &shared.parts[..] {
        [only] if shared.kind != "group" => match only.value_size {
            0 => "-".into(),
            size => bytes(size as u64),
        },
        parts => format!("{} objects", parts.len()),
    };
    let mut state = match shared.in_use {
        true => format!("in use by {}", shared.handles),
        false => "idle".into(),
    };
    for part in &shared.parts {
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
    let none = || or_none(None);
    [
        shared.kind.to_owned(),
        message,
        none(),
        none(),
        none(),
        none(),
        state,
        bytes(shared.size),
        none(),
        none(),
        or_none(shared.schema.as_deref()),
    ]
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

/// Who uses it: a line for each side.
fn processes(state: &State) -> Vec<String> {
    match state {
        State::Ring(ring) => {
            let (senders, receivers) = sides(ring);
            vec![
                users(senders, &ring.sender_processes),
                users(receivers, &ring.receiver_processes),
            ]
        }
        State::Shared(shared) => vec![users("handles", &shared.handle_processes)],
        State::Bad { .. } => Vec::new(),
    }
}

fn users(what: &str, users: &[User]) -> String {
    let mut text = format!("{what}:");
    for user in users {
        text += &match user.alive {
            true => format!(" {}", user.pid),
            false => format!(" {} (dead)", user.pid),
        };
    }
    if users.is_empty() {
        text += " none";
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_a_terminal() {
        assert_eq!(padded("環", 4, false), "環  ");
        assert_eq!(padded("環", 4, true), "  環");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        // The second would be cut in two.
        assert_eq!(cut("環環環", 4), "環…");
        assert_eq!(cut("環環環", 5), "環環…");
        assert_eq!(cut("e\u{301}e\u{301}e", 2), "e\u{301}…");
    }

    #[test]
    fn names_are_cut_before_lines_are() {
        let bad = |name: &str| Row {
            name: name.into(),
            path: String::new(),
            state: State::Bad {
                error: "is nothing of ours, whatever else it may be".into(),
            },
        };
        let rows = [bad("環環環環環環環環環環環環"), bad("a")];
        let print = |width| {
            let mut text = Vec::new();
            super::print(&mut text, &rows, width, false).expect("memory takes all");
            String::from_utf8(text).expect("text")
        };
        let wide = print(None);
        assert!(wide.contains("whatever else it may be\n"), "{wide}");
        let narrow = print(Some(40));
        for line in narrow.lines() {
            assert!(line.width() <= 40, "{line:?}");
        }
        assert!(
            narrow.contains("環環環環環…   -     is nothing"),
            "{narrow}"
        );
        assert!(
            narrow.contains("\na             -     is nothing"),
            "{narrow}"
        );
    }
}
