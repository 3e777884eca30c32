//! What the shape of the source promises: imports run downwards, `unsafe` is in
//! a handful of files and argued for, files stay short, lints stay on.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the crate by floor. A module uses only those on lower floors;
/// a half floor orders neighbours.
const FLOORS: [(&str, u32); 14] = [
    ("primitive", 0),
    ("error", 0),
    ("message", 0),
    ("layout", 10),
    ("os", 10),
    ("failpoints", 11),
    ("ring", 20),
    ("wait", 20),
    ("kind", 21), // names the sides of `ring`
    ("segment", 30),
    ("participant", 31), // who is attached to a segment
    ("inspect", 32),     // looks at segments and participants
    ("channel", 40),
    ("lib", 60),
];

/// Where `unsafe` may be, and where it is: `docs/trust.md` lists those of the
/// library by what they need it for.
const UNSAFE_FILES: [&str; 22] = [
    // The library.
    "src/channel/grant.rs",
    "src/channel/lease.rs",
    "src/os/file.rs",
    "src/os/fork.rs",
    "src/os/lock.rs",
    "src/os/map.rs",
    "src/os/signal.rs",
    "src/ring/memory.rs",
    "src/ring/payload.rs",
    "src/segment/mod.rs",
    // Its unit tests.
    "src/os/fork/tests.rs",
    "src/os/lock/tests.rs",
    "src/os/testing.rs",
    // Others.
    "benches/rivals/src/contestants/iceoryx.rs",
    "benches/rivals/src/contestants/ipc.rs",
    "benches/rivals/src/contestants/kernel.rs",
    "benches/rivals/src/contestants/memring.rs",
    "benches/rivals/src/contestants/spsc.rs",
    "examples/market_data.rs",
    "testkit/src/sys.rs",
    "testkit/src/words.rs",
    "tests/api/in_place.rs",
];

/// Where the invariants are that arguments for `unsafe` cite.
const INVARIANTS: [&str; 2] = ["docs/protocol.md", "docs/trust.md"];

/// Where the sources are.
const DIRECTORIES: [&str; 7] = [
    "src", "cli", "tests", "testkit", "examples", "benches", "fuzz",
];

/// Lines of the longest file.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `directory`, relative to it, with its text.
fn sources(directory: &Path) -> Vec<(String, String)> {
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

/// The text without comments.
fn code(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        code += line.split("//").next().unwrap_or("");
        code.push('\n');
    }
    code
}

fn floor(module: &str) -> Option<u32> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, floor)| *floor)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first names after `crate::`, or after so many `super::` that they lead
/// there; also those in braces.
fn first_names(code: &str, depth: usize) -> Vec<String> {
    let up = "super::".repeat(depth);
    let mut names = Vec::new();
    for prefix in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            if code[..at].ends_with(|c| is_name(c) || c == '$' || c == ':') {
                continue; // a part of a longer path
            }
            let rest = &code[at + prefix.len()..];
            let Some(group) = rest.strip_prefix('{') else {
                names.push(rest.chars().take_while(|c| is_name(*c)).collect());
                continue;
            };
            let mut nested = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => nested += 1,
                    '}' if nested == 0 => break,
                    '}' => nested -= 1,
                    ',' if nested == 0 => names.push(std::mem::take(&mut name)),
                    c if nested == 0 => name.push(c),
                    _ => {}
                }
            }
            names.push(name);
        }
    }
    let first = |name: String| name.split("::").next().unwrap_or("").trim().to_string();
    names.into_iter().map(first).collect()
}

/// The imports of a file of the crate that do not run downwards.
fn upward_imports(file: &str, text: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let module = path.split('/').next().unwrap();
    let Some(own) = floor(module) else {
        return vec![format!("{file}: {module} has no floor")];
    };
    let depth = path.split('/').count();
    let mut wrong = Vec::new();
    for name in first_names(&code(text), depth) {
        let below = floor(&name).is_some_and(|there| there < own);
        // `super::*` of a nested module, and the like, lead nowhere above.
        let nothing = name.is_empty() || (floor(&name).is_none() && !is_module_like(&name, text));
        if name != module && !below && !nothing {
            wrong.push(format!("{file} uses {name}"));
        }
    }
    wrong
}

/// Is `crate::name` in the code? (`super::name` may mean a nested module.)
fn is_module_like(name: &str, text: &str) -> bool {
    code(text).contains(&format!("crate::{name}"))
}

fn is_test(file: &str) -> bool {
    file.contains("tests") || file.contains("models") || file.ends_with("testing.rs")
}

#[test]
fn imports_run_downwards() {
    for (file, text) in sources(&root().join("src")) {
        if file == "lib.rs" || is_test(&file) {
            continue;
        }
        let wrong = upward_imports(&file, &text);
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn upward_imports_would_be_seen() {
    for (file, text) in [
        ("error.rs", "use crate::layout::MAX;"),
        ("error.rs", "#[error(\"{}\", crate::layout::MAX)]"),
        (
            "ring/multi.rs",
            "use crate::{\n    primitive::fence,\n    segment::{Terms, open},\n};",
        ),
        ("ring/mod.rs", "use super::wait::Event;"),
        ("ring/multi.rs", "use super::super::channel::Ring;"),
        ("os/lock.rs", "use crate::Ring;"),
        ("segment/mod.rs", "use crate::participant;"),
        ("wait/event.rs", "use crate::ring::Stall;"),
        ("novel.rs", ""),
    ] {
        assert_eq!(upward_imports(file, text).len(), 1, "{file}: {text}");
    }
    for (file, text) in [
        ("error.rs", "// see crate::layout"),
        ("participant.rs", "use crate::segment::Segment;"),
        (
            "ring/multi.rs",
            "use super::single::X; use crate::layout::{Cell, Bell};",
        ),
        ("kind.rs", "mod inner { use super::Arity; }"),
        ("ring/single.rs", "use crate::ring::Stall;"),
    ] {
        assert_eq!(upward_imports(file, text), [""; 0], "{file}: {text}");
    }
}

/// Lines of the code on which something unsafe begins.
fn unsafe_lines(text: &str) -> Vec<usize> {
    let begins = |line: &str| {
        let line = line.split("//").next().unwrap_or("");
        ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"]
            .iter()
            .any(|start| line.contains(start))
            || line.trim_end().ends_with("unsafe")
    };
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| begins(line))
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn unsafe_is_in_a_handful_of_files() {
    let mut seen = Vec::new();
    for directory in DIRECTORIES {
        for (file, text) in sources(&root().join(directory)) {
            let file = format!("{directory}/{file}");
            // In quotation marks here, and nowhere else.
            if !unsafe_lines(&text).is_empty() && file != "tests/house/structure.rs" {
                let listed = UNSAFE_FILES.contains(&file.as_str());
                assert!(listed, "{file} has unsafe code, and is not listed");
                seen.push(file);
            }
        }
    }
    for file in UNSAFE_FILES {
        let has = seen.iter().any(|seen| seen == file);
        assert!(has, "{file} is listed, and has no unsafe code");
    }
    let trust = fs::read_to_string(root().join("docs/trust.md")).unwrap();
    for file in UNSAFE_FILES {
        let library = file.starts_with("src") && !is_test(file);
        assert!(
            !library || trust.contains(&format!("`{file}`")),
            "docs/trust.md does not list {file}"
        );
    }
}

/// Files of the library that allow what the manifest denies.
#[test]
fn unsafe_is_allowed_where_it_is() {
    for (file, text) in sources(&root().join("src")) {
        let allows = code(&text).contains("allow(unsafe_code");
        let listed = UNSAFE_FILES.contains(&format!("src/{file}").as_str());
        assert!(listed || !allows, "{file} allows unsafe code");
    }
}

/// A word such as `V1` or `O12`.
fn is_number(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|c| c.is_ascii_uppercase())
        && word.len() > 1
        && chars.all(|c| c.is_ascii_digit())
}

/// The invariants that are written down: `**V1.** ...`.
fn invariants() -> Vec<String> {
    let mut found = Vec::new();
    for document in INVARIANTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for line in text.lines() {
            let number = line
                .strip_prefix("**")
                .and_then(|line| line.split_once(".**"));
            found.extend(
                number
                    .map(|(number, _)| number.to_string())
                    .filter(|it| is_number(it)),
            );
        }
    }
    found
}

/// The arguments of a file, each with its line: from `SAFETY:` to the end of the
/// comment.
fn arguments(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let comment = line.trim().strip_prefix("//");
        match comment {
            Some(comment) if comment.contains("SAFETY:") => {
                found.push((at + 1, comment.into()));
                inside = true;
            }
            Some(comment) if inside => found.last_mut().unwrap().1 += comment,
            _ => inside = false,
        }
    }
    found
}

/// Lines of arguments that cite no invariant, or one that is not written down.
fn without_ground(text: &str, known: &[String]) -> Vec<usize> {
    let wrong = |argument: &str| {
        let words = argument.split(|c: char| !c.is_ascii_alphanumeric());
        let mut cited = words.filter(|word| is_number(word)).peekable();
        cited.peek().is_none() || !cited.all(|word| known.iter().any(|one| one == word))
    };
    let arguments = arguments(text).into_iter();
    let wrong = arguments.filter(|(_, argument)| wrong(argument));
    wrong.map(|(at, _)| at).collect()
}

#[test]
fn every_argument_of_the_library_cites_an_invariant() {
    let known = invariants();
    for number in ["V1", "V2", "V3", "S1"] {
        assert!(known.iter().any(|one| one == number), "{number} is gone");
    }
    for (at, one) in known.iter().enumerate() {
        assert!(!known[..at].contains(one), "{one} is written down twice");
    }
    for (file, text) in sources(&root().join("src")) {
        if !is_test(&file) {
            let wrong = without_ground(&text, &known);
            assert!(wrong.is_empty(), "{file}: lines {wrong:?}");
        }
    }
}

#[test]
fn arguments_without_ground_would_be_seen() {
    let known = ["V1", "O2"].map(String::from);
    for (text, wrong) in [
        ("// SAFETY: V1: so.\n", &[][..]),
        ("// SAFETY: so and\n// so, by O2.\nunsafe {}\n", &[]),
        ("x(); // SAFETY: V1\n", &[]),
        ("// SAFETY: so.\nunsafe {}\n// V1 says so.\n", &[1]),
        ("\n// SAFETY: V2: so.\n", &[2]),
        ("// SAFETY: V1, and V9.\n", &[1]),
        ("// SAFETY: as PV1 and AtomicU32.\n", &[1]),
    ] {
        assert_eq!(without_ground(text, &known), wrong, "{text}");
    }
}

/// Unsafe blocks and impls without an argument before them.
fn unargued(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let without = |at: &usize| {
        let block = lines[*at].contains("unsafe {") || lines[*at].contains("unsafe impl");
        let before = lines[at.saturating_sub(12)..*at].iter().rev();
        // Up to the statement before, or the end of another item.
        let mut near = before.take_while(|line| !line.trim().is_empty() && line.trim() != "}");
        block && !near.any(|line| line.contains("SAFETY:"))
    };
    let wrong = unsafe_lines(text).into_iter().filter(without);
    wrong.map(|at| at + 1).collect()
}

#[test]
fn every_unsafe_block_is_argued_for() {
    let mut argued = 0;
    for directory in DIRECTORIES.map(|name| root().join(name)) {
        for (file, text) in sources(&directory) {
            let wrong = unargued(&text);
            assert!(
                wrong.is_empty() || file == "house/structure.rs",
                "{file}: {wrong:?}"
            );
            argued += unsafe_lines(&text).len();
        }
    }
    assert!(argued > 20, "{argued}: the search finds nothing");
}

#[test]
fn missing_arguments_would_be_seen() {
    let bare = "fn f() {\n    unsafe { g() }\n}\nunsafe impl Send for X {}\n";
    assert_eq!(unargued(bare), [2, 4]);
    let argued = "// SAFETY: so.\nunsafe impl Send for X {}\n\n// SAFETY: so.\nlet x =\n    unsafe { g() };\n";
    assert_eq!(unargued(argued), [0; 0]);
    let stale = "// SAFETY: so.\nunsafe impl Send for X {}\n\nunsafe impl Sync for X {}\n";
    assert_eq!(unargued(stale), [4]);
}

#[test]
fn files_stay_short() {
    for directory in DIRECTORIES {
        for (file, text) in sources(&root().join(directory)) {
            let lines = text.lines().count();
            assert!(
                lines <= LONGEST,
                "{directory}/{file} has {lines} lines, expected at most {LONGEST}"
            );
        }
    }
}

#[test]
fn lints_stay_on() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for lint in [
        "missing_docs = \"warn\"",
        "unsafe_code = \"deny\"",
        "unsafe_op_in_unsafe_fn = \"deny\"",
        "undocumented_unsafe_blocks = \"deny\"",
        "missing_safety_doc = \"deny\"",
        "incompatible_msrv = \"deny\"",
    ] {
        assert!(manifest.lines().any(|line| line == lint), "missing: {lint}");
    }
    for package in ["Cargo.toml", "cli/Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(package)).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{package}");
    }
}
