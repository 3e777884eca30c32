//! A handle that has met the impossible refuses all work from then on, with the
//! same error each time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use memring::{AttachError, Corruption, Failure, Mpmc, Ring, RingError, SendError, TrySendError};

use memring_testkit::forks::ran_in_own_process;
use memring_testkit::format::SLOTS;

use crate::place::Place;

type Numbers = Ring<u64, Mpmc>;

/// Where the slots begin, as `docs/format.md` has it.

#[test]
fn every_later_call_returns_the_error_that_the_first_returned() {
    if ran_in_own_process() {
        return;
    }
    let place = Place::empty();
    let name = place.name();
    let ring = Numbers::create(name, 2).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    // A descriptor to pass on, which is not passed on later.
    ring.share_fd().unwrap();
    // What no sequence of operations leaves: the slot is two laps behind.
    let file = File::options().write(true).open(name).unwrap();
    let word = (u64::MAX - 1) << 16;
    file.write_all_at(&word.to_ne_bytes(), SLOTS).unwrap();
    let TrySendError::Failed(7, failure) = tx.try_send(7).unwrap_err() else {
        panic!("sent over invalid values");
    };
    let Failure::Corrupted(Corruption {
        position: 0, found, ..
    }) = failure
    else {
        panic!("{failure:?}");
    };
    assert_eq!(found, word);

    // Mended, it is refused all the same.
    file.write_all_at(&0u64.to_ne_bytes(), SLOTS).unwrap();
    let soon = || Instant::now() + Duration::from_millis(1);
    let short = Duration::from_millis(1);
    let texts = [
        tx.try_send(1).unwrap_err().to_string(),
        tx.send(1).unwrap_err().to_string(),
        tx.send_timeout(1, short).unwrap_err().to_string(),
        tx.send_deadline(1, soon()).unwrap_err().to_string(),
        tx.try_reserve().unwrap_err().to_string(),
        tx.reserve().unwrap_err().to_string(),
        tx.close().unwrap_err().to_string(),
        tx.clone().send(1).unwrap_err().to_string(),
        rx.try_recv().unwrap_err().to_string(),
        rx.recv().unwrap_err().to_string(),
        rx.recv_timeout(short).unwrap_err().to_string(),
        rx.recv_deadline(soon()).unwrap_err().to_string(),
        rx.try_recv_batch(&mut Vec::new(), 2)
            .unwrap_err()
            .to_string(),
        rx.recv_batch(&mut Vec::new(), 2).unwrap_err().to_string(),
        rx.try_lease().unwrap_err().to_string(),
        rx.lease().unwrap_err().to_string(),
        rx.lease_timeout(short).unwrap_err().to_string(),
        rx.lease_deadline(soon()).unwrap_err().to_string(),
        rx.close().unwrap_err().to_string(),
        rx.clone().try_recv().unwrap_err().to_string(),
        ring.close().unwrap_err().to_string(),
    ];
    for text in texts {
        assert_eq!(text, failure.to_string());
    }
    let cause = tx.send_batch([1, 2]).unwrap_err();
    assert_eq!(
        (cause.sent, cause.cause),
        (0, SendError::Failed(1, failure))
    );
    for attached in [ring.sender().map(drop), ring.receiver().map(drop)] {
        assert!(matches!(attached, Err(AttachError::Failed(found)) if found == failure));
    }
    assert!(matches!(ring.share_fd(), Err(RingError::Failed(found)) if found == failure));

    // Another handle has met nothing yet, and makes no use of what is left.
    let other = Numbers::open(name).unwrap();
    other.sender().unwrap().send(8).unwrap();
    assert_eq!(other.receiver().unwrap().recv(), Ok(8));
    drop((tx, rx, ring));
    other.sender().unwrap().send(9).unwrap();
    assert_eq!(other.receiver().unwrap().recv(), Ok(9));
}
