//! Links between the documents lead somewhere.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::root;

/// Directories with nothing of ours, and what becomes a document elsewhere.
const SKIPPED: [&str; 4] = ["target", "corpus", "artifacts", "template.md"];

/// The documents below `directory`.
fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with('.') || SKIPPED.contains(&name) {
            continue;
        }
        if path.is_dir() {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Where the links of a text lead, with their lines. What is fenced is code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for rest in line.split("](").skip(1) {
            let link = rest.split([')', ' ']).next().unwrap_or("");
            found.push((at + 1, link.to_string()));
        }
        // `[label]: target`
        let target = line
            .strip_prefix('[')
            .and_then(|line| line.split_once("]: "));
        found.extend(target.map(|(_, target)| (at + 1, target.trim().to_string())));
    }
    found
}

/// The anchors of a document, as GitHub makes them of headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The links of a document that lead nowhere.
fn dangling(document: &Path, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (line, link) in links(text) {
        if link.contains("://") || link.starts_with("mailto:") || link.is_empty() {
            continue;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let there = match file {
            "" => document.to_path_buf(),
            file => document.parent().unwrap().join(file),
        };
        let known = |text: String| anchors(&text).iter().any(|one| one == anchor);
        let leads = there.exists()
            && (anchor.is_empty()
                || there.extension().is_none_or(|ending| ending != "md")
                || fs::read_to_string(&there).is_ok_and(known));
        if !leads {
            wrong.push(format!("{}:{line}: {link}", document.display()));
        }
    }
    wrong
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    documents(&root(), &mut found);
    assert!(found.len() > 3, "{found:?}");
    let mut wrong = Vec::new();
    for document in found {
        wrong.extend(dangling(&document, &fs::read_to_string(&document).unwrap()));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn dangling_links_would_be_seen() {
    let readme = root().join("README.md");
    for text in [
        "[x](docs/none.md)",
        "see [x](docs/protocol.md) and\n[y](none)",
        "[x]: docs/none.md",
        "[x](docs/protocol.md#no-such-heading)",
    ] {
        assert_eq!(dangling(&readme, text).len(), 1, "{text}");
    }
    for text in [
        "[x](docs/protocol.md)",
        "[x](https://example.org/none)",
        "`[x]`",
        "```\n[x](none)\n```",
        "[x](docs)",
    ] {
        assert_eq!(dangling(&readme, text), [""; 0], "{text}");
    }
}
