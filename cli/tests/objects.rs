//! `memring list` and `memring remove`, of what is no ring.

use memring::rpc::Service;
use memring::sync::{Counter, Group, LockError, Mutex, RwLock, Semaphore};
use memring_testkit::commands::Place;
use serde_json::{Value, json};

fn place() -> Place {
    Place::of(env!("CARGO_BIN_EXE_memring"))
}

#[test]
fn list_tells_locks_groups_and_services() {
    let place = place();
    let at = |name: &str| place.rings().join(name);
    let mutex = Mutex::create(at("a-mutex"), 1_u64).expect("a mutex");
    let held = mutex.lock().map_err(LockError::without_guard);
    let held = held.expect("the lock");
    let lock = RwLock::create(at("b-lock"), [0_u8; 2048]).expect("a lock");
    let written = lock.write().map_err(LockError::without_guard);
    let written = written.expect("the lock");
    let group = Group::builder().mutex("total", 0_u32).condvar("changed");
    let group = group.create(at("c-group")).expect("a group");
    drop(Semaphore::create(at("d-permits"), 3).expect("a semaphore"));
    drop(Counter::create(at("e-count"), 0_i64).expect("a counter"));
    let service = Service::<u64, u64>::open_or_create(at("f-squares")).expect("a service");
    let server = service.server().expect("a server");
    let client = service.client().expect("a client");

    let pid = std::process::id();
    let objects = place.list();
    let kinds: Vec<_> = objects.iter().map(|it| &it["kind"]).collect();
    let expected = [
        "mutex",
        "reader-writer lock",
        "group",
        "semaphore",
        "counter",
        "service",
        "replies",
    ];
    assert_eq!(kinds, expected.map(Value::from).each_ref());
    let parts = |index: usize| &objects[index]["parts"];
    let part = |name: &str, kind: &str, size: u64, holder: Value| {
        json!({
            "name": name, "kind": kind, "value_size": size, "holder": holder, "poisoned": false,
        })
    };
    assert_eq!(parts(0), &json!([part("", "mutex", 8, pid.into())]));
    let lock_part = part("", "reader-writer lock", 2048, pid.into());
    assert_eq!(parts(1), &json!([lock_part]));
    assert_eq!(
        parts(2),
        &json!([
            part("total", "mutex", 4, Value::Null),
            part("changed", "condition variable", 0, Value::Null)
        ])
    );
    assert_eq!(
        (&objects[0]["handles"], &objects[3]["handles"]),
        (&1.into(), &0.into())
    );
    assert_eq!(
        (&objects[0]["in_use"], &objects[3]["in_use"]),
        (&true.into(), &false.into())
    );
    let service_row = &objects[5];
    let ends = (&service_row["senders"], &service_row["receivers"]);
    assert_eq!(ends, (&1.into(), &1.into()));
    assert_eq!(service_row["message_size"], 8);

    let table = place.run(&["list"]).succeeded();
    let lines: Vec<_> = table.text().lines().collect();
    let held_by = format!("held by {pid}");
    for (line, words) in [
        (lines[1], &["mutex", " 8 B ", "in use by 1", &held_by][..]),
        (lines[2], &["reader-writer lock", "2 KiB", &held_by]),
        (lines[3], &["group", "2 objects", "in use by 1 "]),
        (lines[4], &["semaphore", "idle"]),
        (lines[5], &["counter", "8 B", "idle"]),
        (lines[6], &["service", "up to 8 B", "in use"]),
        (lines[7], &["f-squares.reply-", "replies", "in use"]),
    ] {
        for word in words {
            assert!(line.contains(word), "no {word:?} in {line:?}");
        }
    }
    // Below each heading of a column of words begins a word.
    for heading in ["KIND", "STATE", "LAYOUT", "POLICY", "SCHEMA"] {
        let at = lines[0].find(heading).expect("the heading");
        for line in &lines {
            let (before, cell) = line.split_at(at);
            assert!(before.ends_with("  ") && !cell.starts_with(' '), "{line:?}");
        }
    }

    // In use, they stay, and say who uses them.
    for (name, word) in [
        ("a-mutex", "1 handles"),
        ("c-group", "1 handles"),
        ("f-squares", "1 servers and 1 clients"),
    ] {
        place
            .run(&["remove", name])
            .failed(&[name, "in use", word, "--force"]);
    }
    drop((held, written, group, server, client));
    drop((mutex, lock, service));
    let names: Vec<_> = objects
        .iter()
        .take(6)
        .map(|it| it["name"].as_str())
        .collect();
    let names: Option<Vec<_>> = names.into_iter().collect();
    let names = names.expect("names");
    place.run(&[&["remove"][..], &names].concat()).succeeded();
    assert!(place.list().is_empty());
}

#[test]
fn damaged_objects_are_told_and_removed_by_force() {
    use std::os::unix::fs::FileExt;
    let place = place();
    let at = |name: &str| place.rings().join(name);
    drop(Mutex::create(at("m"), 1_u64).expect("a mutex"));
    drop(Service::<[u8], [u8]>::open_or_create(at("s")).expect("a service"));
    // In the directory of parts, and in the header of a ring.
    for (name, offset) in [("m", 0x5000 + 32), ("s", 88)] {
        let file = std::fs::File::options().write(true).open(at(name));
        let written = file.expect("open").write_all_at(&[0xee], offset);
        written.expect("write");
    }
    for object in place.list() {
        assert!(object["error"].is_string(), "{object}");
    }
    for name in ["m", "s"] {
        place.run(&["remove", name]).failed(&[name, "--force"]);
        place.run(&["remove", "--force", name]).succeeded();
    }
    assert!(place.list().is_empty());
}
