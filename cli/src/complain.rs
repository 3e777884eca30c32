//! Complaints, on standard error.

use std::io::{self, Write};

use crate::format::printable;

/// One line on standard error, whatever is in the names and texts of others that it quotes. A
/// closed standard error is no failure of ours.
pub fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "memring: {}", printable(message));
}

/// An error and what caused it. What an error says of its cause is not said again.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text += ": ";
        }
        text += &cause;
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use memring::RingError;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let refused = || io::Error::from_raw_os_error(13);
        let text = refused().to_string();
        let error = RingError::Os {
            action: "open",
            path: Some("/a".into()),
            source: refused(),
        };
        let error = anyhow!(error).context("cannot open the lock");
        let expected = format!("cannot open the lock: cannot open /a: {text}");
        assert_eq!(told(&error), expected);
        let error = anyhow!(refused()).context("cannot write");
        assert_eq!(told(&error), format!("cannot write: {text}"));
    }
}
