//! The sources as the other tests read them: files, words, modules and paths.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `directory`, relative to it, with its text.
pub fn sources(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
                found.push((name.to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "no source below {directory:?}");
    found.sort();
    found
}

pub fn is_test(file: &str) -> bool {
    file.contains("tests") || file.contains("models") || file.ends_with("testing.rs")
}

/// The module that a file holds: `ring/multi/sender.rs` is `ring::multi::sender`.
pub fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let names = path.split('/').filter(|name| *name != "mod");
    let names: Vec<String> = names.map(String::from).collect();
    match names.as_slice() {
        [root] if root == "lib" || root == "main" => Vec::new(),
        _ => names,
    }
}

/// Names, `::` and single signs, without comments and what is in quotation marks.
pub fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = text.get(at) {
        let next = text.get(at + 1).copied().unwrap_or(' ');
        let name_to = |from: usize| {
            let length = text[from..].iter().take_while(|c| is_name(**c)).count();
            from + length
        };
        match c {
            '/' if next == '/' => {
                at += text[at..].iter().take_while(|c| **c != '\n').count();
            }
            '/' if next == '*' => {
                let end = text[at..].windows(2).position(|pair| pair == ['*', '/']);
                at = end.map_or(text.len(), |end| at + end + 2);
            }
            '"' => at = quote_end(&text, at + 1),
            // `'a'`, `'\n'`, or a lifetime.
            '\'' if next == '\\' => {
                let end = text[at + 3..].iter().position(|c| *c == '\'');
                at = end.map_or(text.len(), |end| at + 3 + end + 1);
            }
            '\'' if text.get(at + 2) == Some(&'\'') => at += 3,
            '\'' => at = name_to(at + 1),
            'r' if raw_end(&text, at).is_some() => at = raw_end(&text, at).unwrap(),
            ':' if next == ':' => {
                found.push("::".into());
                at += 2;
            }
            c if is_name(c) => {
                let end = name_to(at);
                found.push(text[at..end].iter().collect());
                at = end;
            }
            c => {
                if !c.is_whitespace() {
                    found.push(c.into());
                }
                at += 1;
            }
        }
    }
    found
}

fn quote_end(text: &[char], mut at: usize) -> usize {
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// The end of a raw string that begins at `at`, if one does.
fn raw_end(text: &[char], at: usize) -> Option<usize> {
    let signs = text[at + 1..].iter().take_while(|c| **c == '#').count();
    let begin = at + 1 + signs;
    (text.get(begin) == Some(&'"')).then(|| {
        let mut end = vec!['"'];
        end.resize(1 + signs, '#');
        let found = text[begin + 1..]
            .windows(end.len())
            .position(|it| it == end);
        found.map_or(text.len(), |found| begin + 1 + found + end.len())
    })
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub fn is_identifier(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// A path of the code that begins at the root of the crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePath {
    pub names: Vec<String>,
    /// The name that a `use` gives it; none for a path in the middle of code.
    pub imported: Option<String>,
    /// It is passed on: `pub use`.
    pub public: bool,
}

/// What a file names.
pub struct Names {
    pub paths: Vec<CodePath>,
    /// Names in the code itself, outside of `use`.
    pub used: Vec<String>,
}

/// The paths of a file that lead somewhere in its crate. Modules in braces are followed.
pub fn names_in(file: &str, text: &str) -> Names {
    let tokens = tokens(text);
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut module = module_of(file);
    let children: Vec<&str> = (0..tokens.len())
        .filter(|at| token(*at) == "mod" && token(at + 2) == ";")
        .map(|at| token(at + 1))
        .collect();
    let own = module.len();
    let mut open: Vec<bool> = Vec::new();
    let (mut paths, mut used) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        match token(at) {
            "mod" if token(at + 2) == "{" => {
                module.push(token(at + 1).into());
                open.push(true);
                at += 3;
                continue;
            }
            "{" => open.push(false),
            "}" if open.pop() == Some(true) => drop(module.pop()),
            "mod" if token(at + 2) == ";" => {
                at += 3;
                continue;
            }
            // `pub(in crate::channel)` uses nothing.
            "in" if token(at.wrapping_sub(2)) == "pub" => {
                let rest = tokens[at..].iter();
                at += rest.take_while(|token| *token != ")").count();
                continue;
            }
            "use" if is_identifier(token(at + 1)) || token(at + 1) == "{" => {
                // `impl Trait + use<>` is none.
                let public = ["pub", ")"].contains(&token(at.wrapping_sub(1)));
                at = read_tree(&tokens, at + 1, &Vec::new(), &mut |names, name| {
                    if let Some(names) = absolute(names, &module, own, &children) {
                        paths.push(CodePath {
                            names,
                            imported: Some(name),
                            public,
                        });
                    }
                });
                continue;
            }
            name if is_identifier(name) && token(at.wrapping_sub(1)) != "::" => {
                let mut names = vec![name.to_string()];
                while token(at + 1) == "::" && is_identifier(token(at + 2)) {
                    at += 2;
                    names.push(token(at).into());
                }
                used.push(names[0].clone());
                // One name is a variable, or the `super` of `pub(super)`.
                if names.len() == 1 {
                    names.clear();
                }
                if let Some(names) = absolute(names, &module, own, &children) {
                    paths.push(CodePath {
                        names,
                        imported: None,
                        public: false,
                    });
                }
            }
            _ => {}
        }
        at += 1;
    }
    Names { paths, used }
}

/// Reads what stands after `use`, or between its braces. Gives each path with its last
/// name; returns where it ends.
fn read_tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    give: &mut impl FnMut(Vec<String>, String),
) -> usize {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    let mut names = before.to_vec();
    loop {
        match token(at) {
            "::" => {}
            "{" => {
                at += 1;
                while !["}", ""].contains(&token(at)) {
                    at = read_tree(tokens, at, &names, give);
                    if token(at) == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => {
                give(names, token(at + 1).into());
                return at + 2;
            }
            "self" if !before.is_empty() => {}
            name if is_identifier(name) || name == "*" => names.push(name.into()),
            _ => {
                if names.last().is_some_and(|name| name == "*") {
                    names.pop();
                    give(names, "*".into());
                } else if let Some(last) = names.last().cloned() {
                    give(names, last);
                }
                return at;
            }
        }
        at += 1;
    }
}

/// The path from the root of the crate, if it leads anywhere in it.
fn absolute(
    names: Vec<String>,
    module: &[String],
    own: usize,
    children: &[&str],
) -> Option<Vec<String>> {
    let first = names.first()?.as_str();
    let (mut base, from) = match first {
        "crate" => (Vec::new(), 1),
        "self" if names.len() > 1 => (module.to_vec(), 1),
        "super" => {
            let up = names.iter().take_while(|name| *name == "super").count();
            (module[..module.len().checked_sub(up)?].to_vec(), up)
        }
        child if children.contains(&child) => (module[..own].to_vec(), 0),
        _ => return None,
    };
    base.extend_from_slice(&names[from..]);
    Some(base)
}

#[test]
fn paths_are_read() {
    let read = |file, text| -> Vec<String> {
        let paths = names_in(file, text).paths.into_iter();
        paths.map(|path| path.names.join("::")).collect()
    };
    for (file, text, paths) in [
        ("ring/mod.rs", "mod a; pub use a::B;", &["ring::a::B"][..]),
        (
            "ring/a.rs",
            "use super::{b::{self, C}, D as E};",
            &["ring::b", "ring::b::C", "ring::D"],
        ),
        ("ring/a.rs", "mod in_it { use super::*; }", &["ring::a"]),
        (
            "ring/a.rs",
            "fn f() -> crate::c::D { super::g(\"crate::x\") } // crate::y",
            &["c::D", "ring::g"],
        ),
        ("ring/a/b.rs", "use super::super::c;", &["ring::c"]),
        (
            "a.rs",
            "let x = ['{', '\\'']; r#\"crate::b \" { \"#; mod b {} super::c::<'x>()",
            &["c"],
        ),
        (
            "a.rs",
            "fn f() -> impl Fn() + use<> { std::io::stdin() }",
            &[],
        ),
        ("main.rs", "mod b; fn main() { b::run() }", &["b::run"]),
    ] {
        assert_eq!(read(file, text), paths, "{text}");
    }
}
