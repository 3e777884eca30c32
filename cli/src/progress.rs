//! What is being done, on standard error: a bar, if that is a terminal, else lines.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `what`, of so many steps.
pub fn bar(what: &str, steps: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = format!("{what} [{{bar:50}}] {{percent:>3}}%, {{eta}} left");
    let bar = ProgressBar::new(steps);
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// A line about what is done now, where no bar tells it.
pub fn tell(what: &str) {
    if !io::stderr().is_terminal() {
        // A closed standard error is no failure of ours.
        let _ = writeln!(io::stderr(), "memring {what}");
    }
}
