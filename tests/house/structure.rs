//! What the shape of the source promises: `unsafe` is in a handful of files and argued
//! for, files stay short, lints stay on.

use std::fs;

use super::source::{is_test, root, sources};

/// Where `unsafe` may be, and where it is: `docs/trust.md` lists those of the
/// library by what they need it for.
const UNSAFE_FILES: [&str; 48] = [
    // The library.
    "src/channel/chunk/grants.rs",
    "src/channel/chunk/leases.rs",
    "src/channel/grant.rs",
    "src/channel/lease.rs",
    "src/channel/lease/message.rs",
    "src/channel/segment.rs",
    "src/ring/memory.rs",
    "src/ring/memory/fetch.rs",
    "src/ring/memory/handover.rs",
    "src/ring/payload.rs",
    "src/shm/region.rs",
    "src/sys/linux/credentials.rs",
    "src/sys/linux/file.rs",
    "src/sync/memory.rs",
    "src/sync/mutex.rs",
    "src/sync/once.rs",
    "src/sync/part.rs",
    "src/sync/rwlock/guards.rs",
    "src/sys/linux/fork.rs",
    "src/sys/linux/futex/half.rs",
    "src/sys/linux/map.rs",
    "src/sys/linux/socket/room.rs",
    "src/sys/per_process.rs",
    "src/sys/portable/fork.rs",
    "src/sys/portable/map.rs",
    "src/sys/portable/pages.rs",
    "src/sys/posix/atfork.rs",
    "src/sys/posix/fcntl.rs",
    "src/sys/posix/signal.rs",
    "src/sys/windows/file.rs",
    "src/sys/windows/pages.rs",
    "src/sys/windows/range_lock.rs",
    // Its unit tests.
    "src/ring/tests/heap.rs",
    "src/sys/linux/fork/tests.rs",
    "src/sys/linux/lock/tests.rs",
    // Others.
    "benches/harness/src/rings.rs",
    "benches/rivals/src/contestants/iceoryx.rs",
    "benches/rivals/src/contestants/ipc.rs",
    "benches/rivals/src/contestants/kernel.rs",
    "benches/rivals/src/contestants/locks.rs",
    "benches/rivals/src/contestants/spsc.rs",
    "cli/src/standard.rs",
    "examples/market_data.rs",
    "testkit/src/sys.rs",
    "testkit/src/words.rs",
    "tests/api/chunks.rs",
    "tests/api/in_place.rs",
    "tests/portable/waits.rs",
];

/// Where the invariants are that arguments for `unsafe` cite.
const INVARIANTS: [&str; 3] = [
    "docs/protocol.md",
    "docs/protocol-one-to-one.md",
    "docs/trust.md",
];

/// Where the sources are.
const DIRECTORIES: [&str; 8] = [
    "src", "bridge", "cli", "tests", "testkit", "examples", "benches", "fuzz",
];

/// Lines of the longest file.
const LONGEST: usize = 500;

/// The text without comments.
fn code(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        code += line.split("//").next().unwrap_or("");
        code.push('\n');
    }
    code
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
    for number in ["V1", "V2", "V3", "V6", "V7"] {
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
