//! Each public method is shown by an example, which runs as a doctest.

use std::collections::HashMap;

use super::source::{is_name, is_test, root, sources};

/// The files, and directories, with methods that users call.
const PUBLIC: &[&str] = &[
    "admin.rs",
    "channel",
    "error",
    "members/peer.rs",
    "message",
    "ring/kind.rs",
    "ring/options.rs",
    "rpc",
    "sync",
    "uds",
    "wait/idle.rs",
    "wait/strategy.rs",
];

/// What `select!` becomes, which users do not call.
const HIDDEN: &[&str] = &[
    "channel/select/arms.rs",
    "channel/select/wait.rs",
    "uds/socket/select.rs",
];

/// A public type or function, with its docs.
struct Item {
    place: String,
    /// The type of a method, or the name of a type; empty for a free function.
    owner: String,
    /// Empty for a type.
    function: String,
    docs: String,
}

/// The items of a file whose docs are shown to users.
fn items(file: &str, text: &str) -> Vec<Item> {
    let mut found = Vec::new();
    let (mut owner, mut docs) = (String::new(), String::new());
    let (mut in_attribute, mut hidden) = (false, false);
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let code = line.trim();
        if let Some(doc) = code.strip_prefix("///") {
            docs.push_str(doc);
            docs.push('\n');
            continue;
        }
        if in_attribute || code.starts_with("#[") {
            hidden |= code.contains("doc(hidden)") || code.contains("cfg(test)");
            in_attribute = !code
                .split("//")
                .next()
                .is_some_and(|it| it.trim().ends_with(']'));
            continue;
        }
        if hidden && code.starts_with("mod ") && code.ends_with('{') {
            break; // tests
        }
        if code.starts_with("impl") {
            let mut header = code.to_string();
            while !header.contains('{') {
                let Some((_, more)) = lines.next() else { break };
                header.push(' ');
                header.push_str(more.trim());
            }
            owner = implemented(&header);
        } else if let Some((word, name)) = declared(code) {
            let is_type = word != "fn";
            let of_type = if is_type {
                name.to_string()
            } else if line.starts_with(' ') {
                owner.clone()
            } else {
                String::new()
            };
            if !hidden && !docs.is_empty() {
                found.push(Item {
                    place: format!("{file}:{}", at + 1),
                    owner: of_type,
                    function: if is_type {
                        String::new()
                    } else {
                        name.to_string()
                    },
                    docs: docs.clone(),
                });
            }
        }
        docs.clear();
        hidden = false;
    }
    found
}

/// `pub const unsafe fn name(`: `fn`, `name`.
fn declared(code: &str) -> Option<(&str, &str)> {
    let mut words = code.strip_prefix("pub ")?.split(' ');
    let word = words.find(|word| !["const", "unsafe", "async"].contains(word))?;
    let name = words.next()?;
    let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
    let is_ours = ["fn", "struct", "enum", "trait"].contains(&word) && end > 0;
    is_ours.then_some((word, &name[..end]))
}

/// The type of `impl<A> Trait for path::Type<A> where … {`: `Type`.
fn implemented(header: &str) -> String {
    let header = header.split(" where ").next().unwrap_or(header);
    let mut depth = 0;
    let mut plain = String::new();
    for c in header.trim_start_matches("impl").chars() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    let after_for = words.iter().position(|word| *word == "for");
    let of_type = words.get(after_for.map_or(0, |at| at + 1)).unwrap_or(&"");
    of_type.rsplit("::").next().unwrap_or("").to_string()
}

/// The code within docs.
fn code_of(docs: &str) -> String {
    docs.split("```").skip(1).step_by(2).collect()
}

/// Whether the code calls a function of this name.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        !before.ends_with(is_name) && (after.starts_with('(') || after.starts_with("::<"))
    })
}

/// `try_recv_timeout`: `recv`.
fn verb(name: &str) -> &str {
    let verb = name.strip_prefix("try_").unwrap_or(name);
    let verb = verb.strip_suffix("_timeout").unwrap_or(verb);
    verb.strip_suffix("_deadline").unwrap_or(verb)
}

/// What the docs link to: of [`A::b`], [`b`](B::b) and [`A`], the type and the function.
fn links<'d>(docs: &'d str, owner: &'d str) -> Vec<(&'d str, &'d str)> {
    let mut found = Vec::new();
    for part in docs.split(['[', '(']).skip(1) {
        let end = part.find([']', ')']).unwrap_or(0);
        let path = part[..end].trim_matches('`').trim_end_matches("()");
        let (before, last) = path.rsplit_once("::").unwrap_or(("", path));
        let of_type = before.rsplit("::").next().unwrap_or("");
        let of_type = if of_type == "Self" { owner } else { of_type };
        found.push((of_type, last));
        found.push((last, ""));
        found.push(("", last));
    }
    found
}

/// The functions that no example shows. One that has an example in its docs is shown. So is
/// one that an example calls in the docs of its type, or in docs that its own docs link to;
/// it is enough if that calls its verb: `recv` for `try_recv_timeout`.
fn not_shown(items: &[Item]) -> Vec<String> {
    let mut examples: HashMap<(&str, &str), String> = HashMap::new();
    for item in items {
        let key = (item.owner.as_str(), item.function.as_str());
        *examples.entry(key).or_default() += &code_of(&item.docs);
    }
    let shown = |item: &&Item| {
        let mut places = links(&item.docs, &item.owner);
        places.push((&item.owner, ""));
        let mut codes = places.iter().filter_map(|place| examples.get(place));
        item.docs.contains("```")
            || codes.any(|code| calls(code, &item.function) || calls(code, verb(&item.function)))
    };
    let functions = items.iter().filter(|item| !item.function.is_empty());
    let missing = functions.filter(|item| !shown(item));
    missing
        .map(|item| format!("{}: {}::{}", item.place, item.owner, item.function))
        .collect()
}

#[test]
fn examples_show_each_public_method() {
    let mut all = Vec::new();
    for (file, text) in sources(&root().join("src")) {
        let within = |place: &&str| {
            file.strip_prefix(*place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
        };
        let is_public = PUBLIC.iter().any(within) && !HIDDEN.contains(&file.as_str());
        if is_public && !is_test(&file) {
            all.extend(items(&file, &text));
        }
    }
    let functions = all.iter().filter(|item| !item.function.is_empty()).count();
    assert!(functions > 400, "{functions}: the search finds nothing");
    let missing = not_shown(&all);
    assert!(
        missing.is_empty(),
        "no example shows {} of {functions}; give them one, or a link to a method or type with \
         an example that calls them:\n{}",
        missing.len(),
        missing.join("\n")
    );
}

#[test]
fn a_method_without_an_example_is_found() {
    let sample = "
/// A box.
///
/// ```
/// Box::new().weigh();
/// ```
#[must_use = \"a box\"]
pub struct Box<T> {
impl<T: Clone> Box<T>
where
    T: for<'a> Into<&'a u8>,
{
    /// Makes one.
    pub fn new() -> Self {
    /// What it weighs.
    #[inline]
    pub const fn weigh(&self) -> u64 {
    /// As [`Box::weigh`], later.
    pub fn try_weigh_timeout(&self) -> u64 {
    /// Opens it.
    pub fn open(&self) {
    /// As [`open`](Self::open).
    pub fn try_open(&self) {
    /// As [`Box::new`].
    #[doc(hidden)]
    pub fn internal(&self) {
    /// ```
    /// stir(1)
    /// ```
    pub async fn stir(&self) {
    /// As [`stir`](Box::stir).
    pub fn stir_deadline(&self) {
}
/// As [`Box`].
pub fn weigh() {
/// Alone.
pub fn alone() {
";
    let missing = not_shown(&items("a.rs", sample));
    let missing: Vec<&str> = missing
        .iter()
        .map(|it| &it[it.find(' ').unwrap() + 1..])
        .collect();
    assert_eq!(missing, ["Box::open", "Box::try_open", "::alone"]);
}
