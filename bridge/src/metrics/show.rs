//! Figures on the terminal, or as lines for a program.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Status;

/// How figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A line of JSON each second, on standard output.
    Json,
    /// A line that changes, on a terminal; otherwise nothing.
    Progress,
    /// Nothing.
    Nothing,
}

/// Shows figures, in a thread of its own, until `stop`.
pub fn show(how: Show, status: Arc<Status>, stop: Arc<AtomicBool>) {
    let is_shown = match how {
        Show::Json => true,
        Show::Progress => std::io::stderr().is_terminal(),
        Show::Nothing => false,
    };
    if !is_shown {
        return;
    }
    let shown = std::thread::Builder::new().name("status".into());
    let shown = shown.spawn(move || match how {
        Show::Json => lines(&status, &stop),
        _ => bar(&status, &stop),
    });
    if let Err(error) = shown {
        tracing::warn!(%error, "cannot show figures");
    }
}

fn lines(status: &Status, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_secs(1));
        if writeln!(std::io::stdout(), "{}", status.json()).is_err() {
            return; // nobody reads
        }
    }
}

fn bar(status: &Status, stop: &AtomicBool) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let mut last = 0.0;
    while !stop.load(Ordering::Relaxed) {
        let figures = status.get();
        let value = |name| {
            let found = figures.iter().find(|figure| figure.name == name);
            found.map_or(0.0, |figure| figure.value)
        };
        let messages = value("messages");
        bar.set_message(format!(
            "{messages} messages, {:.0} a second; {} peers, {} uncertain",
            (messages - last) * 2.0,
            value("peers"),
            value("uncertain")
        ));
        last = messages;
        bar.tick();
        std::thread::sleep(Duration::from_millis(500));
    }
    bar.finish_and_clear();
}
