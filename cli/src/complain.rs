//! Complaints, on standard error.

use std::io::{self, Write};

/// One line on standard error. A closed standard error is no failure of ours.
pub fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "memring: {message}");
}
