//! Options of the builder, good ones and bad ones.

use std::os::unix::fs::PermissionsExt;

use memring::{FenceMode, Mpmc, Ring, RingError, Spsc};
use memring_testkit::forks::{NOBODY, become_user, is_root, ran_in_own_process};
use memring_testkit::homes::directory;
use memring_testkit::text::{says, skipped};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

fn invalid(error: RingError, words: &[&str]) {
    assert!(
        matches!(error, RingError::InvalidOption { .. }),
        "{error:?}"
    );
    says(&error, &["invalid", "expected", "found"]);
    says(&error, words);
}

#[test]
fn capacities() {
    for capacity in [(1 << 31) + 1, 1 << 32, usize::MAX] {
        for error in [
            Ring::<u64, Spsc>::anonymous(capacity).unwrap_err(),
            Ring::<u64, Mpmc>::anonymous(capacity).unwrap_err(),
        ] {
            invalid(error, &["capacity", "0 to 2147483648"]);
        }
    }
    // Rounded up, where one side has many.
    for (asked, capacity) in [
        (1, 1),
        (2, 2),
        (3, 4),
        (5, 8),
        (1000, 1024),
        (1 << 20, 1 << 20),
    ] {
        let ring = Ring::<u64, Mpmc>::anonymous(asked).unwrap();
        assert_eq!(ring.capacity(), capacity);
        let (mut sender, mut receiver) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let count = capacity as u64;
        assert_eq!(sender.try_send_batch(0..count).unwrap(), capacity);
        assert!(sender.try_send(0).is_err());
        let mut got = Vec::new();
        assert_eq!(receiver.try_recv_batch(&mut got, usize::MAX), Ok(capacity));
        assert!(got.into_iter().eq(0..count));
    }
}

#[test]
fn attempts() {
    for attempts in [0, 16, 255] {
        let error = Ring::<u64, Spsc>::builder()
            .max_deliveries(attempts)
            .anonymous()
            .unwrap_err();
        invalid(
            error,
            &["limit of deliveries", "1 to 15", &attempts.to_string()],
        );
    }
    for attempts in [1, 15] {
        Ring::<u64, Spsc>::builder()
            .max_deliveries(attempts)
            .anonymous()
            .unwrap();
    }
}

#[test]
fn modes() {
    if ran_in_own_process() {
        return;
    }
    umask(Mode::RWXG | Mode::RWXO);
    let place = directory();
    let path = place.path().join("ring");
    let name = path.to_str().unwrap();
    for mode in [0o1000, 0o4600, 0o100600, u32::MAX] {
        let error = Ring::<u64, Spsc>::builder()
            .mode(mode)
            .create(name)
            .unwrap_err();
        invalid(error, &["mode", "up to 0777", &format!("{mode:o}")]);
    }
    for mode in [0o600, 0o640, 0o666, 0o777] {
        Ring::<u64, Spsc>::builder()
            .mode(mode)
            .create(name)
            .unwrap();
        let found = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{found:o}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn limits_of_bytes() {
    for limit in [0, 1, 7, 8, 9, 1000] {
        let ring = Ring::<[u8], Spsc>::builder()
            .capacity(2)
            .message_limit(limit);
        let ring = ring.anonymous().unwrap();
        assert_eq!(ring.message_size(), limit);
        let message = vec![5; limit];
        ring.sender().unwrap().send(&message).unwrap();
        assert_eq!(ring.receiver().unwrap().recv().unwrap(), message);
    }
    assert_eq!(
        Ring::<[u8], Spsc>::anonymous(1).unwrap().message_size(),
        1024
    );
    for limit in [usize::MAX, usize::MAX - 70, isize::MAX as usize] {
        let ring = Ring::<[u8], Spsc>::builder()
            .capacity(2)
            .message_limit(limit);
        invalid(ring.anonymous().unwrap_err(), &[]);
    }
}

#[test]
fn more_than_there_is() {
    // 4 TiB: refused before any of it is taken.
    let big = || {
        Ring::<[u8], Spsc>::builder()
            .capacity(1)
            .message_limit(1 << 42)
    };
    let name = format!("/dev/shm/memring-test-{}", std::process::id());
    for error in [
        big().anonymous().unwrap_err(),
        big().create(&name).unwrap_err(),
    ] {
        assert!(matches!(error, RingError::NoSpace { .. }), "{error:?}");
        says(
            &error,
            &["no space", "4398046", "free some", "smaller capacity"],
        );
    }
    assert!(!std::path::Path::new(&name).exists());
}

#[test]
fn wishes_are_no_orders() {
    let ring = Ring::<u64, Mpmc>::builder().capacity(64);
    let ring = ring
        .huge_pages(true)
        .prefault(true)
        .lock_memory(true)
        .anonymous()
        .unwrap();
    for warning in ring.warnings() {
        says(warning, &["not granted"]);
    }
    ring.sender().unwrap().send(1).unwrap();
    assert_eq!(ring.receiver().unwrap().recv(), Ok(1));
    let plain = Ring::<u64, Mpmc>::anonymous(64).unwrap();
    assert!(plain.warnings().is_empty());
}

#[test]
fn a_lock_that_is_not_granted_is_told() {
    if !is_root() {
        return skipped("only the superuser can become another user");
    }
    if ran_in_own_process() {
        return;
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Memlock, none).unwrap();
    become_user(NOBODY);
    let ring = Ring::<u64, Spsc>::builder().capacity(4).lock_memory(true);
    let ring = ring.anonymous().unwrap();
    assert_eq!(ring.warnings().len(), 1);
    assert_eq!(ring.warnings()[0].what, "memory lock");
    says(&ring.warnings()[0], &["memory lock not granted"]);
    ring.sender().unwrap().send(1).unwrap();
}

#[test]
#[cfg_attr(feature = "portable", ignore = "there is no membarrier")]
fn every_barrier_works() {
    for barrier in [FenceMode::Auto, FenceMode::Membarrier, FenceMode::Fence] {
        let ring = Ring::<u64, Mpmc>::builder()
            .fence_mode(barrier)
            .anonymous()
            .unwrap();
        ring.sender().unwrap().send(1).unwrap();
        assert_eq!(ring.receiver().unwrap().recv(), Ok(1));
    }
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn what_a_ring_is_was_fixed_by_its_maker() {
    let ring = Ring::<[u8], Spsc>::builder()
        .capacity(4)
        .message_limit(10)
        .schema(3);
    let ring = ring.anonymous().unwrap();
    let fd = ring.share_fd().unwrap();
    let other = Ring::<[u8], Spsc>::builder()
        .capacity(64)
        .message_limit(99)
        .schema(3);
    let other = other.from_fd(fd).unwrap();
    assert_eq!((other.capacity(), other.message_size()), (4, 10));
}
