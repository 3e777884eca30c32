//! Numbers for people.

/// Nanoseconds, in a unit that suits.
pub fn time(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} us", three(ns as f64 / 1e3)),
        _ => format!("{} ms", three(ns as f64 / 1e6)),
    }
}

/// A rate in millions a second.
pub fn millions(rate: f64) -> String {
    three(rate / 1e6)
}

/// To about three digits.
pub fn three(x: f64) -> String {
    if !x.is_finite() {
        "-".to_owned()
    } else if x >= 100.0 {
        format!("{x:.0}")
    } else if x >= 10.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.2}")
    }
}

/// A rate in bytes a second.
pub fn volume(bytes: f64) -> String {
    match bytes {
        b if b >= 1e9 => format!("{} GB/s", three(b / 1e9)),
        b => format!("{} MB/s", three(b / 1e6)),
    }
}

/// 1234567 as 1,234,567.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text of others with its control characters written out: one line, that does not move the
/// cursor.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Columns of a line of text.
const COLUMNS: usize = 80;

/// The text in lines for a terminal.
pub fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > COLUMNS {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(time(204), "204 ns");
        assert_eq!(time(72_140), "72.1 us");
        assert_eq!(time(12_000_000), "12.0 ms");
        assert_eq!(three(225.4), "225");
        assert_eq!(three(1.056), "1.06");
        assert_eq!(three(f64::NAN), "-");
    }

    #[test]
    fn lines_are_no_longer_than_a_terminal() {
        assert_eq!(wrapped(""), "");
        assert_eq!(wrapped("a  b"), "a b");
        let long = wrapped(&"word ".repeat(40));
        assert!(long.lines().all(|line| line.len() <= COLUMNS), "{long}");
        assert_eq!(long.split_whitespace().count(), 40);
        // As many as fit.
        assert_eq!(long.lines().next().map(str::len), Some(79));
    }
}
