//! Two types never share a name.

use std::collections::BTreeMap;

use super::source::{is_identifier, root, sources, tokens};

/// The types that a text defines. The types of traits and impls are none of these.
fn types(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut found = Vec::new();
    // Of each open brace, whether it is that of a trait or an impl.
    let mut open: Vec<bool> = Vec::new();
    let mut header = false;
    for at in 0..tokens.len() {
        let name = token(at + 1);
        let defines = is_identifier(name) && token(at.wrapping_sub(1)) != ".";
        match token(at) {
            "impl" if ["{", "}", ";", "]", "", "unsafe"].contains(&token(at.wrapping_sub(1))) => {
                header = true;
            }
            "trait" if defines => {
                header = true;
                found.push(name.into());
            }
            "struct" | "enum" | "union" if defines => found.push(name.into()),
            "type" if defines && open.last() != Some(&true) => found.push(name.into()),
            "{" => open.push(std::mem::take(&mut header)),
            "}" => drop(open.pop()),
            ";" => header = false,
            _ => {}
        }
    }
    found
}

/// Names that several types have, and where.
fn shared(sources: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources {
        for name in types(text) {
            places.entry(name).or_default().push(file.clone());
        }
    }
    let places = places.into_iter();
    places
        .filter(|(_, files)| files.len() > 1 && !are_backends(files))
        .collect()
}

/// Parts of the library of which a build has one.
const BACKENDS: [&str; 3] = ["sys/linux/", "sys/portable/", "sys/windows/"];

/// Whether each of the files is of another backend. (The part of `sys/portable` that is of Unix is
/// not in a build with `sys/windows`, and what is in every build of it is in `sys/portable` alone:
/// the compiler would find two of one name there.)
fn are_backends(files: &[String]) -> bool {
    let of = |backend: &&str| files.iter().filter(|it| it.starts_with(*backend)).count();
    let counts = BACKENDS.each_ref().map(of);
    counts.iter().all(|count| *count <= 1) && counts.iter().sum::<usize>() == files.len()
}

#[test]
fn two_types_never_share_a_name() {
    let sources = sources(&root().join("src"));
    let count: usize = sources.iter().map(|(_, text)| types(text).len()).sum();
    assert!(count > 100, "{count}: the search finds nothing");
    let shared = shared(&sources);
    assert!(shared.is_empty(), "{shared:#?}");
}

#[test]
fn shared_names_would_be_seen() {
    for text in [
        "struct A;",
        "pub(crate) enum A {}",
        "pub trait A {}",
        "type A<'a> = B<'a>;",
        "union A {}",
        "fn f() { struct A; }",
        "impl B for C { fn f() { struct A; } }",
        "impl X { type A = u8; } mod m { type A = u8; }",
    ] {
        assert_eq!(
            types(text).iter().filter(|name| *name == "A").count(),
            1,
            "{text}"
        );
        let files = [
            ("a.rs".into(), text.into()),
            ("b.rs".into(), "struct A(u8);".into()),
        ];
        assert_eq!(shared(&files).len(), 1, "{text}");
    }
    for text in [
        "impl X for Y { type A = u8; }",
        "trait X { type A: Copy; }",
        "use b::A;",
        "pub use b::A;",
        "// struct A",
        "\"struct A\"",
        "impl<T: X> Y<T> { type A = u8; }",
    ] {
        let types = types(text);
        assert!(!types.contains(&"A".into()), "{text}");
    }
}

#[test]
fn backends_are_told_from_other_files() {
    for (files, expected) in [
        (["sys/linux/a.rs", "sys/portable/a.rs"], true),
        (["sys/portable/a.rs", "sys/windows/b.rs"], true),
        (["sys/portable/a.rs", "sys/portable/b.rs"], false),
        (["sys/posix/a.rs", "sys/windows/a.rs"], false),
        (["sys/linux/a.rs", "shm/a.rs"], false),
    ] {
        assert_eq!(
            are_backends(&files.map(String::from)),
            expected,
            "{files:?}"
        );
    }
}
