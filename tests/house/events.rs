//! The events of the feature `tracing` are those that the crate's documentation lists.

use std::fs;

use super::source::root;

/// An event: its message, its level and its fields but `ring`, as in a row of the table.
fn in_code(call: &str) -> String {
    let words = call.split_whitespace().collect::<Vec<_>>().join(" ");
    let (level, rest) = words.split_once(',').expect("a level");
    let (_, rest) = rest.split_once('{').expect("fields");
    let (fields, rest) = rest.split_once('}').expect("the end of the fields");
    let message = rest.split('"').nth(1).expect("a message");
    let fields: Vec<_> = fields
        .split(',')
        .filter_map(|field| field.split_once('='))
        .map(|(name, _)| format!("`{}`", name.trim()))
        .collect();
    let (level, fields) = (level.trim(), fields.join(", "));
    format!("| {message} | {level} | {fields} |")
}

/// The events of `src/events.rs`.
fn all_in_code(source: &str) -> Vec<String> {
    let (_, functions) = source.split_once("pub(crate) fn").expect("functions");
    functions.split("event!(").skip(1).map(in_code).collect()
}

#[test]
fn the_documentation_lists_the_events() {
    let read = |path| fs::read_to_string(root().join(path)).expect(path);
    let events = all_in_code(&read("src/events.rs"));
    assert!(events.len() >= 6, "{events:?}");
    let documentation = read("src/lib.rs");
    let (_, section) = documentation.split_once("//! # Events\n").expect("section");
    let (section, _) = section.split_once("//! # ").expect("its end");
    let rows: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with("| ") && !line.starts_with("| event |"))
        .collect();
    for (event, row) in events.iter().zip(&rows) {
        assert!(row.starts_with(event), "{event} is not: {row}");
    }
    assert_eq!(rows.len(), events.len());
}
