//! The names of the project are the field's standard terms: the words that they replaced are
//! gone from code, documents and command line.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::source::root;

/// Words that are not used, and what to say instead.
///
/// A word is a whole word, or a whole part of an identifier (`heir` is in `next_heir` and in
/// `NextHeir`); upper case and lower case are the same. Several words are a phrase, also over
/// the end of a line of comment. One that begins with `_` is looked for at the end of
/// identifiers only.
const WORDS: &[(&str, &str)] = &[
    // Names.
    ("_quickly", "try_…_fast, fast path"),
    ("_slowly", "slow path"),
    ("patience", "max_probes, …_TIMEOUT, Retry"),
    ("impatience", "timeout"),
    ("bell", "wait word"),
    ("bells", "wait words"),
    ("glance", "cheap check"),
    ("glances", "cheap checks"),
    ("earnest", "full check"),
    ("promising", "may_have_room"),
    ("milestone", "publishes_hint"),
    ("untold", "hint_dirty"),
    ("heir", "successor"),
    ("heirs", "successors"),
    ("bury", "reap"),
    ("buries", "reaps"),
    ("buried", "reaped"),
    ("patrol", "scan"),
    ("patrols", "scans"),
    ("patrolled", "scanned"),
    ("patrolling", "scanning"),
    ("sweep", "recovery, or scan"),
    ("sweeps", "recoveries"),
    ("swept", "recovered"),
    ("repairer", "a process that recovers"),
    ("repairers", "processes that recover"),
    ("obstacle", "blocker"),
    ("obstacles", "blockers"),
    ("participant", "member"),
    ("participants", "members"),
    ("haul", "RecvBatch"),
    ("muster", "config"),
    ("crew", "processes"),
    ("desk", "context"),
    ("errand", "op"),
    ("errands", "ops"),
    // Prose.
    ("whoever", "the noun: a process, an endpoint, a member"),
    ("anew", "again"),
    ("nonsense", "invalid value, arbitrary bytes"),
    ("the living", "members that are alive, peers, survivors"),
    ("dead hands", "what a dead member held"),
    ("living hands", "what a member that is alive holds"),
    ("somebody's hands", "what an endpoint holds"),
    ("vain", "to no effect, unsuccessful, finds nothing"),
    ("kin", "and the like"),
    ("affair", "private, a mistake of, the business of"),
    ("begin of", "beginning of"),
    ("he", "it, or the name of it"),
    ("him", "it, or the name of it"),
    ("his", "its, or of what"),
    ("one upon another", "one after the other"),
    ("as ever", "as always"),
    ("kernel's word", "as the kernel reports"),
    ("caller's word", "the caller's promise"),
    ("hand to hand", "directly to a receiver"),
    ("was had", "was taken"),
    ("simply had", "taken as usual"),
    ("be had", "the system gives, is free"),
    ("will do", "is enough, fits"),
    ("amid", "during"),
    ("midst", "in the middle of"),
    ("shall", "will, is to"),
    ("hence", "which is why"),
    ("worked off", "done"),
    ("be it", "whether, if only"),
    ("know better", "are right"),
    ("mean harm", "hostile"),
    ("means harm", "hostile"),
    // Places that have moved.
    ("src/os", "src/sys"),
    ("src/segment", "src/shm, src/channel/segment.rs"),
    ("segment/mod.rs", "src/channel/segment.rs"),
    ("participant.rs", "src/members"),
    ("inspect.rs", "src/admin.rs"),
    ("position.rs", "src/ring/slot.rs"),
    ("primitive.rs", "src/sys/atomic.rs"),
    ("tests/points", "tests/crash/failpoints"),
    ("tests/corners", "tests/crash/edge_cases"),
    ("tests/doors", "tests/access/access_control"),
    ("tests/mismatch", "tests/access/open_errors"),
    ("benches/kit", "testkit"),
    ("benches/peers", "benches/rivals"),
    ("benches/counts", "benches/instructions"),
    ("memring-bench-kit", "memring-testkit"),
    ("memring-peers", "memring-rivals"),
    ("memring-counts", "memring-instructions"),
];

/// Where a word may stand nevertheless: file, word, why.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// What is searched: directories and single files.
const SEARCHED: &[&str] = &[
    "src",
    "cli",
    "docs",
    "examples",
    "tests",
    "bridge",
    "testkit",
    "benches",
    "fuzz",
    "README.md",
    "CHANGELOG.md",
    "BENCHMARKS.md",
    "Cargo.toml",
];

/// Endings of the files that are searched.
const ENDINGS: &[&str] = &["rs", "md", "py", "toml"];

/// The names of files with these words in them, and of directories with nothing of ours.
const SKIPPED: &[&str] = &["words.rs", "target", "corpus", "artifacts"];

/// A word of a text.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    line: usize,
    text: String,
    /// It is not the first part of its identifier.
    joined: bool,
    /// What stands before it can be within a phrase, or a path.
    follows: bool,
}

/// The words of a text, those of identifiers one by one, in lower case.
fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut word = String::new();
        let mut joined = false;
        let mut follows = true;
        let mut before = ' ';
        for c in line.chars().chain([' ']) {
            let is_part = c.is_alphanumeric();
            // `NextHeir`: a part begins.
            let begins = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
            if (!is_part || begins) && !word.is_empty() {
                let text = std::mem::take(&mut word);
                found.push(Word {
                    line: at + 1,
                    text,
                    joined,
                    follows,
                });
                joined = c == '_' || begins;
                follows = true;
            } else if !is_part {
                joined = joined && c == '_';
            }
            if is_part {
                word.extend(c.to_lowercase());
            } else {
                follows &= c.is_whitespace() || "/.-'!#*".contains(c);
            }
            before = c;
        }
    }
    found
}

/// The lines of a text at which a word of `WORDS` begins: the number in `WORDS`, the line.
fn uses(text: &str) -> Vec<(usize, usize)> {
    let text = words(text);
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, word) in text.iter().enumerate() {
        places.entry(&word.text).or_default().push(at);
    }
    let mut found = Vec::new();
    for (number, (unused, _)) in WORDS.iter().enumerate() {
        let suffix = unused.starts_with('_');
        let phrase = words(unused);
        let (first, rest) = phrase.split_first().expect("a word");
        for &at in places.get(first.text.as_str()).into_iter().flatten() {
            let same = rest.iter().enumerate().all(|(after, word)| {
                let there = text.get(at + 1 + after);
                there.is_some_and(|it| it.text == word.text && it.follows && !it.joined)
            });
            if same && (!suffix || text[at].joined) {
                found.push((number, text[at].line));
            }
        }
    }
    found.sort_by_key(|(_, line)| *line);
    found
}

/// The files below `path`, or that file, with their texts.
fn read_all(path: &Path, found: &mut Vec<(String, String)>) {
    let name = path.file_name().and_then(|name| name.to_str());
    if name.is_none_or(|name| SKIPPED.contains(&name)) {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory of ours") {
            read_all(&entry.expect("an entry").path(), found);
        }
    } else if path
        .extension()
        .is_some_and(|ending| ENDINGS.iter().any(|one| ending == *one))
    {
        let file = path.strip_prefix(root()).expect("a file of ours");
        let text = fs::read_to_string(path).expect("a text");
        found.push((file.display().to_string(), text));
    }
}

#[test]
fn words_of_before_are_gone() {
    let mut files = Vec::new();
    for path in SEARCHED.iter().map(|path| root().join(path)) {
        // A package holds less than the repository.
        if path.exists() {
            read_all(&path, &mut files);
        }
    }
    assert!(
        files.len() > 20,
        "{}: the search finds nothing",
        files.len()
    );
    files.sort();
    let mut wrong = Vec::new();
    let mut needed = vec![false; ALLOWED.len()];
    for (file, text) in &files {
        // Line 0: the file's own name.
        let named = uses(file).into_iter().map(|(number, _)| (number, 0));
        for (number, line) in named.chain(uses(text)) {
            let (word, instead) = WORDS[number];
            let allowed = ALLOWED
                .iter()
                .position(|one| (one.0, one.1) == (file, word));
            match allowed {
                Some(at) => needed[at] = true,
                None => wrong.push(format!("{file}:{line}: {word:?}; say: {instead}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for ((file, word, why), needed) in ALLOWED.iter().zip(needed) {
        let is_here = files.iter().any(|(one, _)| one == file);
        assert!(
            needed || !is_here,
            "{word:?} is allowed in {file} ({why}), and not there"
        );
    }
}

#[test]
fn a_planted_word_is_found() {
    let lines = |text| -> Vec<(&str, usize)> {
        let found = uses(text).into_iter();
        found
            .map(|(number, line)| (WORDS[number].0, line))
            .collect()
    };
    for (text, word, line) in [
        ("the heir of it", "heir", 1),
        ("\nfn next_heir() {}", "heir", 2),
        ("struct NextHeir;", "heir", 1),
        ("const PATIENCE: u64 = 1;", "patience", 1),
        ("fn send_quickly() {}", "_quickly", 1),
        ("/// What is in dead\n/// hands is lost.", "dead hands", 1),
        ("a job in somebody's hands", "somebody's hands", 1),
        ("[x](tests/doors/main.rs)", "tests/doors", 1),
        ("memring-peers = 1", "memring-peers", 1),
        ("Whoever reads this", "whoever", 1),
    ] {
        assert_eq!(lines(text), [(word, line)], "{text}");
    }
    for text in [
        "",
        "their own",
        "a line is found quickly",
        "a message is read slowly",
        "hands over a message",
        "newly",
        "label bellow",
        "dead: hands",
    ] {
        assert_eq!(lines(text), [], "{text}");
    }
}

#[test]
fn every_word_of_the_list_is_found() {
    for (number, (word, _)) in WORDS.iter().enumerate() {
        let text = match word.strip_prefix('_') {
            Some(suffix) => format!("fn look_{suffix}()"),
            None => format!("say {word} here"),
        };
        let found = uses(&text);
        assert!(found.contains(&(number, 1)), "{word}");
    }
}
