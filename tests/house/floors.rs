//! Imports run downwards: which module may use which.

use super::source::{is_identifier, is_test, module_of, names_in, root, sources, tokens};

/// The modules of the crate by floor. A module uses only those on lower floors.
const FLOORS: [(&str, u32); 15] = [
    ("error", 0),
    ("message", 0),
    ("events", 10),
    ("sys", 10),
    ("members", 20),
    ("wait", 20),
    ("shm", 30),
    ("ring", 40),
    ("channel", 50),
    // Beside `channel`: neither uses the other.
    ("sync", 50),
    ("uds", 55),
    ("rpc", 55),
    ("admin", 60),
    // Documentation.
    ("guide", 60),
    ("lib", 70),
];

/// What knows no ring.
const BELOW_THE_RING: [&str; 4] = ["sys", "members", "wait", "shm"];

/// What the error types that everybody returns are called.
const ERRORS_WITH_RING: [&str; 1] = ["RingError"];

/// What knows no operating system: of `sys` it may use what stands below that.
const WITHOUT_SYSTEM: [&str; 4] = ["members", "wait", "ring", "sync/word"];
const BELOW_THE_SYSTEM: [&str; 2] = ["atomic", "failpoints"];

/// The files there that sleep, and that have a thread sleep.
const SLEEPS: [&str; 3] = ["wait/parker.rs", "wait/waker.rs", "wait/waker/registry.rs"];

fn floor(module: &str) -> Option<u32> {
    let found = FLOORS.iter().find(|(name, _)| *name == module);
    found.map(|(_, floor)| *floor)
}

/// The imports of a file of the crate that do not run downwards.
fn upward_imports(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file).first().cloned().unwrap_or("lib".into());
    let Some(own) = floor(&module) else {
        return vec![format!("{file}: {module} has no floor")];
    };
    let mut wrong = Vec::new();
    // A macro's `$crate` is what its users see, not an import.
    for path in names_in(
        file,
        &text
            .replace("$crate::", "")
            .replace("crate::schema!", "schema!"),
    )
    .paths
    {
        let name = path.names.first().map_or("lib", String::as_str);
        let system = name == "sys"
            && WITHOUT_SYSTEM
                .iter()
                .any(|one| file.starts_with(&format!("{one}/")))
            && !SLEEPS.contains(&file)
            && path
                .names
                .get(1)
                .is_none_or(|it| !BELOW_THE_SYSTEM.contains(&it.as_str()));
        let below = floor(name).is_some_and(|there| there < own);
        if (name != module && !below) || system {
            wrong.push(format!("{file} uses {}", path.names.join("::")));
        }
    }
    wrong
}

#[test]
fn imports_run_downwards() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&root().join("src")) {
        if file != "lib.rs" && !is_test(&file) {
            wrong.extend(upward_imports(&file, &text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn upward_imports_would_be_seen() {
    for (file, text) in [
        ("error.rs", "use crate::shm::layout::MAX;"),
        ("error.rs", "#[error(\"{}\", crate::shm::MAX)]"),
        (
            "ring/multi.rs",
            "use crate::{\n    sys::atomic::fence,\n    channel::{Ring},\n};",
        ),
        ("ring/mod.rs", "use super::channel::Ring;"),
        ("ring/multi.rs", "use super::super::channel::Ring;"),
        ("sys/linux/lock.rs", "use crate::Ring;"),
        ("shm/mod.rs", "use crate::ring;"),
        ("wait/word.rs", "use crate::ring::ClaimError;"),
        ("wait/word.rs", "use crate::members::MemberId;"),
        ("wait/word.rs", "use crate::sys::futex;"),
        ("members/reap.rs", "use crate::sys::{atomic::fence, lock};"),
        ("members/reap.rs", "use crate::shm::Region;"),
        ("ring/end.rs", "fn f() { crate::sys::clock::now() }"),
        ("channel/stats.rs", "use crate::admin::list;"),
        ("channel/stats.rs", "use crate::sync::Mutex;"),
        ("sync/shared.rs", "use crate::channel::Ring;"),
        ("sync/word/lock.rs", "use crate::sys::clock::now;"),
        ("channel/stats.rs", "use crate::rpc::Service;"),
        ("rpc/client.rs", "use crate::admin::list;"),
        ("novel.rs", ""),
    ] {
        assert_eq!(upward_imports(file, text).len(), 1, "{file}: {text}");
    }
    for (file, text) in [
        ("error.rs", "// see crate::shm"),
        ("error/opening.rs", "use super::Failure;"),
        ("admin.rs", "use crate::channel::Segment;"),
        ("rpc/client.rs", "use crate::channel::Ring;"),
        (
            "ring/multi.rs",
            "use super::single::X; use crate::shm::layout::{Cell, WORD};",
        ),
        ("ring/kind.rs", "mod sealed { use super::Arity; }"),
        ("ring/single.rs", "use crate::ring::ClaimError;"),
        ("wait/parker.rs", "use crate::sys::{futex, membarrier};"),
        ("members/reap.rs", "use crate::sys::failpoints::failpoint;"),
        ("shm/layout.rs", "use crate::members::IDS;"),
    ] {
        assert_eq!(upward_imports(file, text), [""; 0], "{file}: {text}");
    }
}

/// Names in the code with the word ring in them.
fn names_of_the_ring(text: &str) -> Vec<String> {
    let is_of_it = |name: &String| {
        let chars: Vec<char> = name.chars().collect();
        let mut word = String::new();
        let mut words = Vec::new();
        for (at, c) in chars.iter().enumerate() {
            let begins = c.is_uppercase() && at > 0 && chars[at - 1].is_lowercase();
            if begins || *c == '_' {
                words.push(std::mem::take(&mut word));
            }
            if *c != '_' {
                word.extend(c.to_lowercase());
            }
        }
        words.push(word);
        let is_word = words.iter().any(|word| word == "ring" || word == "rings");
        is_word && !ERRORS_WITH_RING.contains(&name.as_str())
    };
    let tokens = tokens(text).into_iter();
    tokens
        .filter(|token| is_identifier(token))
        .filter(is_of_it)
        .collect()
}

#[test]
fn nothing_below_the_ring_names_it() {
    for floor in BELOW_THE_RING {
        for (file, text) in sources(&root().join("src").join(floor)) {
            if !is_test(&file) {
                let names = names_of_the_ring(&text);
                assert!(names.is_empty(), "{floor}/{file}: {names:?}");
            }
        }
    }
}

#[test]
fn names_of_the_ring_would_be_seen() {
    for name in [
        "crate::ring",
        "Ring",
        "RingBuilder",
        "HeapRing",
        "RING",
        "of_rings",
    ] {
        assert_eq!(names_of_the_ring(&format!("x({name});")).len(), 1, "{name}");
    }
    for text in [
        "// a ring",
        "\"ring\"",
        "RingError",
        "String",
        "wiring",
        "ringing()",
    ] {
        assert_eq!(names_of_the_ring(text), [""; 0], "{text}");
    }
}
