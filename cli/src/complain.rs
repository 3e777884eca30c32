//! Complaints, on standard error.

use std::io::{self, Write};

/// One line on standard error. A closed standard error is no failure of ours.
pub fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "memring: {message}");
}

/// An error with its causes, each said once: the text of many errors ends with that of their
/// cause.
pub fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let words = cause.to_string();
        if text.is_empty() {
            text = words;
        } else if !text.contains(&words) {
            text += ": ";
            text += &words;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let system = || io::Error::from_raw_os_error(2);
        let plain = anyhow!(system()).context("cannot open it");
        assert_eq!(words(&plain), format!("cannot open it: {}", system()));
        let told = format!("cannot open it: {}", system());
        let told = anyhow!(system()).context(told).context("no ring");
        assert_eq!(
            words(&told),
            format!("no ring: cannot open it: {}", system())
        );
    }
}
