//! `docs/moving.md` shows programs that run: `benches/rivals/tests/moving.rs` runs them.

use std::fs;

use super::source::root;

/// Where users come from: the heading, and the program.
const FROM: [(&str, &str); 4] = [
    ("crossbeam-channel", "moving_from_crossbeam_channel"),
    ("rtrb", "moving_from_rtrb"),
    ("tokio's mpsc", "moving_from_tokio_mpsc"),
    ("iceoryx2", "moving_from_iceoryx2"),
];

/// A function of a program, from its first line to the brace that ends it.
fn function<'t>(code: &'t str, name: &str) -> &'t str {
    let starts = [format!("\nfn {name}() "), format!("\nasync fn {name}() ")];
    let start = starts.iter().find_map(|start| code.find(start));
    let code = &code[start.expect("the function") + 1..];
    &code[..code.find("\n}\n").expect("its end") + 3]
}

/// The blocks of Rust of a text.
fn blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```rust\n").skip(1);
    blocks
        .map(|block| block.split_once("```").expect("an end of the block").0)
        .collect()
}

#[test]
fn the_document_on_moving_shows_programs_word_for_word() {
    let document = fs::read_to_string(root().join("docs/moving.md")).expect("docs/moving.md");
    for (from, program) in FROM {
        let file = format!("benches/rivals/examples/{program}.rs");
        let code = fs::read_to_string(root().join(&file)).expect("the program");
        let (_, section) = document
            .split_once(&format!("\n## From {from}\n"))
            .unwrap_or_else(|| panic!("no section on {from}"));
        let section = section.split("\n## ").next().unwrap_or("");
        let shown = [function(&code, "before"), function(&code, "after")];
        assert_eq!(blocks(section), shown, "docs/moving.md and {file} differ");
        assert!(
            section.contains(&format!("(../{file})")),
            "a link to {file}"
        );
    }
}
