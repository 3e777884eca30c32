//! Complaints, on standard error.

use std::io::{self, Write};

use crate::format::printable;

/// One line on standard error, whatever is in the names and texts of others that it quotes. A
/// closed standard error is no failure of ours.
pub fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "memring: {}", printable(message));
}

/// An error with its causes, each said once: the text of many errors ends with that of their
/// cause.
pub fn words(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let words = cause.to_string();
        if text.is_empty() {
            text = words;
        } else if !text.ends_with(&words) {
            text += ": ";
            text += &words;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use memring::RingError;

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
        let error = RingError::Os {
            action: "open",
            path: Some("/a".into()),
            source: system(),
        };
        let error = anyhow!(error).context("cannot open the lock");
        let expected = format!("cannot open the lock: cannot open /a: {}", system());
        assert_eq!(words(&error), expected);
    }
}
