//! What a look from outside tells of shared objects.

use memring::sync::{Counter, Group, Mutex, RwLock, Semaphore, inspect};
use memring::{Mismatch, Ring, RingError, Spsc};
use memring_testkit::homes::Home;

use super::Twins;

/// Starts a child that holds the object of this name by this role.
macro_rules! holder {
    ($home:ident, $board:ident, $role:literal, $name:ident, $($more:expr),*) => {{
        let child = $home.spawn($role, &[("name", &$name), $($more),*]);
        $board.wait(0, 1);
        child
    }};
}

#[test]
fn a_look_tells_the_holder_of_a_mutex_and_its_death() {
    let home = Home::new();
    let board = home.board("board", 16);
    let name = home.named("twins");
    let mutex = Mutex::create(&name, Twins::default()).expect("a mutex");
    let look = || {
        let seen = inspect(&name).expect("look");
        assert!(!seen.is_group() && seen.in_use);
        let part = &seen.parts[0];
        assert_eq!((part.kind, part.size), ("mutex", 16));
        let alive = seen.handles.iter().filter(|handle| handle.alive).count();
        (part.holder.map(|holder| holder.pid), part.poisoned, alive)
    };
    assert_eq!(look(), (None, false, 1));
    let child = holder!(home, board, "lock holder", name, ("lets go", &false));
    let (holder, poisoned, alive) = look();
    assert_eq!((holder, poisoned, alive), (Some(child.pid()), false, 2));
    child.kill();
    // It is said before any other has noticed: a look changes nothing.
    assert_eq!(look(), (None, true, 1));
    assert!(!mutex.is_poisoned());
    drop(mutex.lock().expect_err("its holder died"));
    assert_eq!(look(), (None, true, 1));
    mutex.clear_poison();
    assert_eq!(look(), (None, false, 1));
    drop(mutex);
    assert!(!inspect(&name).expect("look").in_use);
}

#[test]
fn a_look_tells_the_writer_of_a_lock_and_its_death() {
    let home = Home::new();
    let board = home.board("board", 16);
    let name = home.named("lock");
    let lock = RwLock::create(&name, Twins::default()).expect("a lock");
    let look = || {
        let part = inspect(&name).expect("look").parts.remove(0);
        assert_eq!(part.kind, "reader-writer lock");
        (part.holder.map(|holder| holder.pid), part.poisoned)
    };
    {
        // Readers hold it together, and are not told.
        let _reader = lock.read().expect("free");
        assert_eq!(look(), (None, false));
    }
    let child = holder!(home, board, "guard holder", name, ("writes", &true));
    assert_eq!(look(), (Some(child.pid()), false));
    child.kill();
    assert_eq!(look(), (None, true));
}

#[test]
fn a_look_tells_what_is_in_a_group() {
    let home = Home::new();
    let name = home.named("group");
    let builder = Group::builder().mutex("total", 0_u32).condvar("changed");
    let group = builder.schema(7).max_handles(5).create(&name);
    let _group = group.expect("a group");
    let seen = inspect(&name).expect("look");
    assert!(seen.is_group());
    assert_eq!((seen.schema, seen.max_handles), (7, 5));
    assert_eq!(seen.file_size % 4096, 0);
    let parts = seen.parts.iter();
    let parts: Vec<_> = parts
        .map(|it| (it.name.as_str(), it.kind, it.size))
        .collect();
    let expected = [("total", "mutex", 4), ("changed", "condition variable", 0)];
    assert_eq!(parts, expected);

    let alone = home.named("alone");
    drop(Group::builder().counter("only", 1_i64).create(&alone));
    assert!(inspect(&alone).expect("look").is_group());
    let (count, permits) = (home.named("count"), home.named("permits"));
    drop(Counter::create(&count, 1_u64).expect("a counter"));
    drop(Semaphore::create(&permits, 2).expect("a semaphore"));
    for (name, kind) in [(count, "counter"), (permits, "semaphore")] {
        let seen = inspect(&name).expect("look");
        assert!(!seen.is_group() && !seen.in_use);
        assert_eq!((seen.parts[0].kind, seen.parts[0].poisoned), (kind, false));
    }
}

#[test]
fn what_is_no_shared_object_is_an_error() {
    let home = Home::new();
    let ring = home.named("ring");
    drop(Ring::<u64, Spsc>::create(&ring, 4).expect("a ring"));
    let wrong = |error| match error {
        RingError::Mismatch { mismatch, .. } => mismatch,
        error => panic!("{error}"),
    };
    let refused = inspect(&ring).map(drop).map_err(wrong);
    assert!(
        matches!(refused, Err(Mismatch::Object { found: 1, .. })),
        "{refused:?}"
    );
    let missing = inspect(home.named("missing"));
    assert!(matches!(missing, Err(RingError::NotFound { .. })));
    // As the other way round.
    let mutex = home.named("mutex");
    drop(Mutex::create(&mutex, 0_u64).expect("a mutex"));
    let refused = memring::inspect(&mutex).map(drop).map_err(wrong);
    assert!(
        matches!(refused, Err(Mismatch::Object { found: 2, .. })),
        "{refused:?}"
    );
}
