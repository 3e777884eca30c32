//! No circle of imports between the files of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Names, is_test, module_of, names_in, root, sources};

/// The crates that are looked at.
const CRATES: [&str; 4] = ["src", "cli/src", "testkit/src", "benches/harness/src"];

type Files = BTreeMap<Vec<String>, (String, Names)>;

/// The file that defines what a path names; re-exports on the way are followed.
fn defining<'f>(files: &'f Files, path: &[String]) -> Option<&'f str> {
    let mut path = path.to_vec();
    // A re-export may lead to another; a wrong one must not lead round for ever.
    for _ in 0..16 {
        let longest = (0..=path.len())
            .rev()
            .find(|to| files.contains_key(&path[..*to]))?;
        let (file, names) = &files[&path[..longest]];
        let rest = path.get(longest);
        let passed = rest.and_then(|name| {
            let is_it = |one: &&super::source::CodePath| one.imported.as_ref() == Some(name);
            names.paths.iter().find(is_it)
        });
        match passed {
            Some(passed) if passed.names != path => {
                let mut next = passed.names.clone();
                next.extend_from_slice(&path[longest + 1..]);
                path = next;
            }
            _ => return Some(file),
        }
    }
    None
}

/// Which file uses which. A name that is only passed on is not used.
fn edges(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let ours = sources.iter().filter(|(file, _)| !is_test(file));
    let files: Files = ours
        .map(|(file, text)| (module_of(file), (file.clone(), names_in(file, text))))
        .collect();
    let mut edges = BTreeMap::new();
    for (file, names) in files.values() {
        let used = |name: &String| names.used.contains(name);
        let paths = names.paths.iter();
        let real = paths.filter(|path| !path.public || path.imported.as_ref().is_some_and(used));
        let there = real.filter_map(|path| defining(&files, &path.names));
        let there = there.filter(|there| *there != file).map(String::from);
        edges.insert(file.clone(), there.collect());
    }
    edges
}

/// Files that use one another in a circle, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        file: &String,
        edges: &BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(from) = path.iter().position(|one| one == file) {
            return Some(path[from..].to_vec());
        }
        if done.contains(file) {
            return None;
        }
        path.push(file.clone());
        let next = edges.get(file).into_iter().flatten();
        let found = next
            .into_iter()
            .find_map(|next| visit(next, edges, path, done));
        path.pop();
        done.insert(file.clone());
        found
    }
    let mut done = BTreeSet::new();
    let mut files = edges.keys();
    files.find_map(|file| visit(file, edges, &mut Vec::new(), &mut done))
}

#[test]
fn no_circle_of_imports() {
    for name in CRATES {
        let edges = edges(&sources(&root().join(name)));
        let count: usize = edges.values().map(BTreeSet::len).sum();
        assert!(
            count > 20,
            "{name}: {count} imports: the search finds nothing"
        );
        if let Some(circle) = circle(&edges) {
            panic!("{name}: files use one another in a circle: {circle:?}");
        }
    }
}

#[test]
fn circles_would_be_seen() {
    let found = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect();
        circle(&edges(&files)).unwrap_or_default()
    };
    let top = (
        "a/mod.rs",
        "mod b; mod c; pub use b::B; pub(crate) use c::*; pub use c::C;",
    );
    for (b, c) in [
        ("use super::c::C;", "use super::b::B;"),
        ("use super::C;", "use crate::a::B;"),
        ("use super::C as D;", "fn f() { super::b::g() }"),
        (
            "use crate::a::{self, C};",
            "mod inner { use super::super::B; }",
        ),
        ("use crate::C;", "use crate::a::b;"),
    ] {
        let root = ("lib.rs", "mod a; pub use a::C;");
        let files = [root, top, ("a/b.rs", b), ("a/c.rs", c)];
        assert_eq!(found(&files), ["a/b.rs", "a/c.rs"], "{b} {c}");
    }
    let body = ("a/mod.rs", "mod b; pub use b::B; fn f() -> B {}");
    assert_eq!(
        found(&[body, ("a/b.rs", "use super::f;")]),
        ["a/b.rs", "a/mod.rs"]
    );
    let body = ("a/mod.rs", "mod b; fn f() { b::g() }");
    assert_eq!(
        found(&[body, ("a/b.rs", "use super::f;")]),
        ["a/b.rs", "a/mod.rs"]
    );
    for (b, c) in [
        ("use super::C;", ""),
        ("use super::C;", "// use super::B;"),
        ("use super::C;", "mod inner { use super::*; }"),
        ("use super::C;", "fn f() -> std::io::B {}"),
    ] {
        assert_eq!(
            found(&[top, ("a/b.rs", b), ("a/c.rs", c)]),
            [""; 0],
            "{b} {c}"
        );
    }
}
