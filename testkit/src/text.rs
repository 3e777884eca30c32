//! What errors say, and saying something from a test.

use std::fmt::Display;
use std::io::Write;

/// Checks that the text of `error` is one line with every word of `words` in it.
#[track_caller]
pub fn says(error: &impl Display, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(!text.contains('\n'), "more than a line: {text}");
}

/// Prints a line past the test harness, which would keep what `eprintln` prints.
pub fn print(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Says that a test, or a part of it, is not done here, and why.
pub fn skipped(why: impl Display) {
    print(format_args!("skipped: {why}"));
}
