//! Errors: what holds of all of them, how they turn into each other, what they answer.

use std::error::Error;
use std::io::{self, ErrorKind};

use memring::{
    AttachError, Corruption, Failure, Mismatch, ReadyTimeoutError, RecvError, RecvTimeoutError,
    Ring, RingError, SendBatchError, SendBatchTimeoutError, SendError, SendTimeoutError, Spsc,
    TryReadyError, TryRecvError, TrySendBatchError, TrySendError, UnknownName, WaitForPeerError,
    Warning,
};

/// `?` takes each of them into `Box<dyn Error + Send + Sync>`.
#[test]
fn all_errors_own_what_they_say() {
    fn owns<E: Error + Send + Sync + 'static>() {}
    owns::<AttachError>();
    owns::<Corruption>();
    owns::<Failure>();
    owns::<Mismatch>();
    owns::<RecvError>();
    owns::<RecvTimeoutError>();
    owns::<RingError>();
    owns::<TryRecvError>();
    owns::<UnknownName>();
    owns::<WaitForPeerError>();
    owns::<ReadyTimeoutError>();
    owns::<TryReadyError>();
    owns::<Warning>();
    // Of typed messages, and of bytes.
    owns::<SendError<[u64; 9]>>();
    owns::<SendError<()>>();
    owns::<SendTimeoutError<[u64; 9]>>();
    owns::<SendTimeoutError<()>>();
    owns::<TrySendError<[u64; 9]>>();
    owns::<TrySendError<()>>();
    owns::<SendBatchError<[u64; 9]>>();
    owns::<SendBatchError<()>>();
    owns::<SendBatchTimeoutError<[u64; 9]>>();
    owns::<TrySendBatchError<[u64; 9]>>();
}

/// None that is missing above: the errors that the crate exports.
#[test]
fn the_list_of_errors_is_whole() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let exports = std::fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let list = std::fs::read_to_string(root.join("tests/api/errors.rs")).unwrap();
    let start = exports.find("pub use error::{").unwrap();
    let exports = &exports[start..];
    let exports = &exports[exports.find('{').unwrap() + 1..exports.find('}').unwrap()];
    let names: Vec<&str> = exports.split(',').map(str::trim).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names.iter().filter(|name| !name.is_empty()) {
        let is_error = !["Holder", "Side"].contains(name);
        let listed = [format!("owns::<{name}>"), format!("owns::<{name}<()>>")];
        let generic = format!("owns::<{name}<[u64; 9]>>");
        let found = listed.iter().chain([&generic]).any(|it| list.contains(it));
        assert_eq!(found, is_error, "{name}");
    }
}

#[test]
fn question_marks_of_a_byte_ring() {
    fn all() -> Result<(), Box<dyn Error + Send + Sync>> {
        let ring = Ring::<[u8], Spsc>::anonymous(8)?;
        let mut tx = ring.sender()?;
        let line = String::from("of this function");
        tx.send(line.as_bytes())?;
        tx.try_send(line.as_bytes())?;
        tx.send_timeout(line.as_bytes(), std::time::Duration::ZERO)?;
        tx.send_batch([line.as_bytes()])?;
        tx.try_send_batch([line.as_bytes()])?;
        tx.send_batch_timeout([line.as_bytes()], std::time::Duration::ZERO)?;
        tx.send_ref(line.as_bytes())?;
        ring.close()?;
        tx.send(line.as_bytes())?;
        Ok(())
    }
    assert_eq!(all().unwrap_err().to_string(), "the ring is closed");
}

#[test]
fn narrow_errors_widen() {
    let forked = Failure::Forked;
    for (narrow, wide, timed) in [
        (
            RecvError::Closed,
            TryRecvError::Closed,
            RecvTimeoutError::Closed,
        ),
        (
            RecvError::Disconnected,
            TryRecvError::Disconnected,
            RecvTimeoutError::Disconnected,
        ),
        (
            RecvError::Removed,
            TryRecvError::Removed,
            RecvTimeoutError::Removed,
        ),
        (
            RecvError::Failed(forked),
            TryRecvError::Failed(forked),
            RecvTimeoutError::Failed(forked),
        ),
    ] {
        assert_eq!(TryRecvError::from(narrow), wide);
        assert_eq!(RecvTimeoutError::from(narrow), timed);
        assert_eq!(narrow.to_string(), wide.to_string());
        assert_eq!(narrow.to_string(), timed.to_string());
    }
    for (narrow, wide, timed) in [
        (
            SendError::Closed(7),
            TrySendError::Closed(7),
            SendTimeoutError::Closed(7),
        ),
        (
            SendError::Disconnected(7),
            TrySendError::Disconnected(7),
            SendTimeoutError::Disconnected(7),
        ),
        (
            SendError::Removed(7),
            TrySendError::Removed(7),
            SendTimeoutError::Removed(7),
        ),
        (
            SendError::Failed(7, forked),
            TrySendError::Failed(7, forked),
            SendTimeoutError::Failed(7, forked),
        ),
    ] {
        assert_eq!(TrySendError::from(narrow), wide);
        assert_eq!(SendTimeoutError::from(narrow), timed);
        assert_eq!(narrow.to_string(), wide.to_string());
        assert_eq!(narrow.to_string(), timed.to_string());
    }
}

/// The kind, and the line, which is the error's own.
fn becomes<E: Into<io::Error> + ToString>(error: E, kind: ErrorKind) {
    let said = error.to_string();
    let error = error.into();
    assert_eq!((error.kind(), error.to_string()), (kind, said));
}

/// Without `Debug`, `Send` or `Sync`: the message stays behind.
struct Odd(#[allow(dead_code)] *const u8);

#[test]
fn errors_of_endpoints_become_those_of_io() {
    use ErrorKind::{BrokenPipe, InvalidInput, TimedOut, UnexpectedEof, Unsupported, WouldBlock};
    let odd = || Odd(std::ptr::null());
    let too_long = Failure::TooLong {
        length: 2,
        limit: 1,
    };
    becomes(too_long, InvalidInput);
    becomes(Failure::Forked, Unsupported);
    becomes(TryRecvError::Empty, WouldBlock);
    becomes(TryRecvError::Closed, UnexpectedEof);
    becomes(RecvError::Closed, UnexpectedEof);
    becomes(RecvError::Disconnected, BrokenPipe);
    becomes(RecvError::Failed(Failure::Forked), Unsupported);
    becomes(RecvTimeoutError::Timeout(None), TimedOut);
    becomes(RecvTimeoutError::Closed, UnexpectedEof);
    becomes(RecvTimeoutError::Removed, BrokenPipe);
    becomes(WaitForPeerError::Timeout, TimedOut);
    becomes(WaitForPeerError::Closed, BrokenPipe);
    becomes(TrySendError::Full(odd()), WouldBlock);
    becomes(TrySendError::Closed(odd()), BrokenPipe);
    becomes(SendError::Disconnected(odd()), BrokenPipe);
    becomes(SendError::Failed(odd(), too_long), InvalidInput);
    becomes(SendTimeoutError::Timeout(odd(), None), TimedOut);
    becomes(SendTimeoutError::Closed(odd()), BrokenPipe);
    let ring = Ring::<u64, Spsc>::anonymous(2).unwrap();
    let mut tx = ring.sender().unwrap();
    becomes(tx.try_send_batch(0..9).unwrap_err(), WouldBlock);
    becomes(ring.sender().unwrap_err(), ErrorKind::ResourceBusy);
    ring.close().unwrap();
    becomes(tx.send_batch(0..9).unwrap_err(), BrokenPipe);
    let late = tx.send_batch_timeout(0..9, std::time::Duration::ZERO);
    becomes(late.unwrap_err(), BrokenPipe);
}

#[test]
fn errors_of_rings_become_those_of_io() {
    use ErrorKind::{AlreadyExists, InvalidData, InvalidInput, NotFound, StorageFull};
    let place = memring_testkit::homes::directory();
    let path = place.path().join("ring");
    let name = path.to_str().unwrap();
    becomes(Ring::<u64, Spsc>::open(name).unwrap_err(), NotFound);
    becomes(Ring::<u64, Spsc>::create("", 4).unwrap_err(), InvalidInput);
    becomes(
        Ring::<u64, Spsc>::create(name, 0).unwrap_err(),
        InvalidInput,
    );
    Ring::<u64, Spsc>::create(name, 4).unwrap();
    becomes(
        Ring::<u64, Spsc>::create(name, 4).unwrap_err(),
        AlreadyExists,
    );
    becomes(Ring::<u32, Spsc>::open(name).unwrap_err(), InvalidData);
    let huge = Ring::<[u8], Spsc>::builder()
        .capacity(1)
        .message_limit(1 << 42);
    becomes(huge.anonymous().unwrap_err(), StorageFull);
    becomes(
        "sspc".parse::<memring::RingKind>().unwrap_err(),
        InvalidInput,
    );
    // With the source of a refused call.
    let error = Ring::<u64, Spsc>::from_fd(std::fs::File::open("/").unwrap()).unwrap_err();
    let error = io::Error::from(error);
    assert!(error.get_ref().unwrap().is::<RingError>());
}

/// Each question is answered by its variant and by no other.
#[test]
fn questions() {
    macro_rules! answers {
        ($($error:expr => [$($question:ident),*] of [$($asked:ident),*]),* $(,)?) => {
            $({
                let error = $error;
                let yes = [$(stringify!($question)),*];
                $(assert_eq!(error.$asked(), yes.contains(&stringify!($asked)), "{error:?}");)*
            })*
        };
    }
    answers!(
        TryRecvError::Empty => [is_empty] of [is_empty, is_held, is_closed, is_disconnected, is_removed],
        TryRecvError::Closed => [is_closed] of [is_empty, is_held, is_closed, is_disconnected, is_removed],
        TryRecvError::Disconnected => [is_disconnected] of [is_empty, is_held, is_closed, is_disconnected],
        TryRecvError::Removed => [is_removed] of [is_empty, is_held, is_closed, is_removed],
        RecvError::Closed => [is_closed] of [is_closed, is_disconnected, is_removed],
        RecvTimeoutError::Timeout(None) => [is_timeout] of [is_timeout, is_held, is_closed, is_disconnected],
        RecvTimeoutError::Removed => [is_removed] of [is_timeout, is_held, is_closed, is_removed],
        TrySendError::Full(1) => [is_full] of [is_full, is_held, is_closed, is_disconnected, is_removed],
        TrySendError::Disconnected(1) => [is_disconnected] of [is_full, is_held, is_closed, is_disconnected],
        SendError::Removed(1) => [is_removed] of [is_closed, is_disconnected, is_removed],
        SendTimeoutError::Timeout(1, None) => [is_timeout] of [is_timeout, is_held, is_closed, is_disconnected],
        SendTimeoutError::Closed(1) => [is_closed] of [is_timeout, is_held, is_closed, is_removed],
    );
    // A holder, of a lease that is in the way.
    let ring = Ring::<u64, memring::Spmc>::anonymous(1).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send(1).unwrap();
    let lease = rx.lease().unwrap();
    let error = tx
        .send_timeout(2, std::time::Duration::from_millis(1))
        .unwrap_err();
    assert!(error.is_timeout() && error.is_held());
    assert_eq!(error.holder().unwrap().pid, std::process::id());
    drop(lease);
    assert_eq!(RecvTimeoutError::Timeout(None).holder(), None);
}
