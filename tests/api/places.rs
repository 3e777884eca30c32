//! One sender, one receiver: in lines and dense, of every size of message, a ring holds exactly as
//! many as were asked for. The other kinds round up.

use std::fmt::Debug;

use bytemuck::Pod;
use memring::{
    Kind, Layout, Message, Mpmc, Mpsc, Receiver, RecvError, Ring, RingError, Sender, Spmc, Spsc,
    TryRecvError, TrySendError,
};
use memring_testkit::homes::directory;
use memring_testkit::text::says;

const CAPACITIES: [usize; 5] = [1, 3, 7, 10, 1000];

/// At the begin, and a few messages before a position wraps or loses its highest bit.
const STARTS: [u64; 4] = [0, u64::MAX - 20, (1 << 63) - 20, 1 << 48];

trait Plain: Pod + PartialEq + Debug + for<'m> Message<Sent<'m> = Self, Received = Self> {}

impl<T: Pod + PartialEq + Debug + for<'m> Message<Sent<'m> = T, Received = T>> Plain for T {}

fn numbered<T: Plain>(number: u64) -> T {
    let mut message = T::zeroed();
    for (at, byte) in bytemuck::bytes_of_mut(&mut message).iter_mut().enumerate() {
        *byte = (number.wrapping_mul(37) + at as u64 * 11 + 1) as u8;
    }
    message
}

/// Sends in one way or another until the ring is full; the number after the last one.
fn fill<T: Plain>(tx: &mut Sender<T, Spsc>, from: u64, way: u64) -> u64 {
    let mut next = from;
    match way % 4 {
        0 => {
            while tx.try_send(numbered(next)).is_ok() {
                next += 1;
            }
        }
        1 => {
            let all: Vec<T> = (from..from + 2 * tx.capacity() as u64 + 1)
                .map(numbered)
                .collect();
            next += tx.try_send_slice(&all).unwrap_err().sent as u64;
        }
        2 => next += tx.try_send_batch((from..).map(numbered)).unwrap_err().sent as u64,
        _ => {
            while tx.free() > 0 {
                // Given up: the position is the next one's.
                drop(tx.try_reserve().unwrap());
                let mut grant = tx.try_reserve().unwrap();
                grant.write(numbered(next)).unwrap();
                grant.commit().unwrap();
                next += 1;
            }
            assert!(tx.try_reserve().is_err());
        }
    }
    next
}

/// Receives in one way or another what is there, which begins with the message `from`.
fn drain<T: Plain>(rx: &mut Receiver<T, Spsc>, from: u64, way: u64) -> u64 {
    let mut next = from;
    let mut some = Vec::new();
    loop {
        match way % 4 {
            0 => some.extend(rx.try_recv()),
            1 => drop(rx.try_recv_batch(&mut some, 5)),
            2 => drop(rx.try_recv_batch(&mut some, usize::MAX)),
            _ => {
                if let Ok(batch) = rx.try_lease_batch(9) {
                    some.extend(batch.iter().map(|leased| leased.read()));
                    batch.release();
                }
            }
        }
        if some.is_empty() {
            return next;
        }
        for message in some.drain(..) {
            assert_eq!(message, numbered(next), "message {next}");
            next += 1;
        }
    }
}

fn holds_exactly<T: Plain>(layout: Layout, capacity: usize, start: u64) {
    let builder = Ring::<T, Spsc>::builder().capacity(capacity).layout(layout);
    let ring = builder.start_position(start).anonymous().unwrap();
    let is_lines = layout != Layout::Dense && size_of::<T>() <= 56;
    let expected = [Layout::Dense, Layout::Lines][usize::from(is_lines)];
    assert_eq!((ring.layout(), ring.capacity()), (Some(expected), capacity));
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut next = 0;
    for lap in 0..8 {
        assert_eq!((tx.free(), rx.slots(), ring.len()), (capacity, 0, 0));
        let end = fill(&mut tx, next, lap);
        assert_eq!((end - next) as usize, capacity, "lap {lap}");
        assert_eq!((tx.free(), rx.slots(), ring.len()), (0, capacity, capacity));
        assert!(matches!(
            tx.try_send(numbered(0)),
            Err(TrySendError::Full(_))
        ));
        assert_eq!(drain(&mut rx, next, lap / 2), end, "lap {lap}");
        next = end;
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        // The next lap begins at another place.
        for _ in 0..1 + lap % 3 {
            tx.try_send(numbered(next)).unwrap();
            assert_eq!(rx.try_recv(), Ok(numbered(next)));
            next += 1;
        }
        assert_eq!((ring.stats().sent, ring.stats().received), (next, next));
        if lap % 3 == 2 {
            // Successors go on where they were, with a message in the ring.
            tx.try_send(numbered(next)).unwrap();
            drop((tx, rx));
            (tx, rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
            assert_eq!((tx.free(), rx.slots()), (capacity - 1, 1));
            if capacity > 1 {
                tx.try_send(numbered(next + 1)).unwrap();
            }
            next = drain(&mut rx, next, 0);
        }
    }
    // The end is after the last one, wherever positions are.
    let end = fill(&mut tx, next, 0);
    ring.close().unwrap();
    assert!(matches!(
        tx.try_send(numbered(0)),
        Err(TrySendError::Closed(_))
    ));
    assert_eq!(drain(&mut rx, next, 0), end);
    assert_eq!(rx.recv(), Err(RecvError::Closed));
}

fn of_size<T: Plain>() {
    for start in STARTS {
        for capacity in CAPACITIES {
            holds_exactly::<T>(Layout::Auto, capacity, start);
            holds_exactly::<T>(Layout::Dense, capacity, start);
        }
    }
    let lines = Ring::<T, Spsc>::builder().layout(Layout::Lines).anonymous();
    if size_of::<T>() <= 56 {
        assert_eq!(lines.unwrap().layout(), Some(Layout::Lines));
        return;
    }
    let error = lines.unwrap_err();
    assert!(
        matches!(error, RingError::InvalidOption { .. }),
        "{error:?}"
    );
    says(
        &error,
        &["layout", "lines", "`dense` or `auto`", "up to 56 bytes"],
    );
}

macro_rules! sizes {
    ($($name:ident: $message:ty,)+) => {$(
        #[test]
        fn $name() {
            of_size::<$message>();
        }
    )+};
}

sizes! {
    exactly_of_1_byte: u8,
    exactly_of_2_bytes: u16,
    exactly_of_3_bytes: [u8; 3],
    exactly_of_4_bytes: u32,
    exactly_of_8_bytes: u64,
    exactly_of_12_bytes: [u32; 3],
    exactly_of_16_bytes: [u64; 2],
    exactly_of_24_bytes: [u64; 3],
    exactly_of_40_bytes: [u64; 5],
    exactly_of_56_bytes: [u64; 7],
    exactly_of_64_bytes: [u64; 8],
    exactly_of_100_bytes: [u32; 25],
    exactly_of_4096_bytes: [u64; 512],
}

fn bytes(number: usize, limit: usize) -> Vec<u8> {
    // The longest, none, and what is between them.
    let length = match number % 3 {
        0 => limit,
        1 => 0,
        _ => number * 13 % (limit + 1),
    };
    (0..length).map(|at| (number * 7 + at) as u8).collect()
}

fn bytes_exactly(limit: usize, layout: Layout, capacity: usize) {
    let builder = Ring::<[u8], Spsc>::builder().message_limit(limit);
    let builder = builder.capacity(capacity).layout(layout);
    let ring = builder.start_position(u64::MAX - 9).anonymous().unwrap();
    // Beside its length, in whole words.
    let is_lines = layout == Layout::Auto && limit <= 48;
    let expected = [Layout::Dense, Layout::Lines][usize::from(is_lines)];
    assert_eq!((ring.layout(), ring.capacity()), (Some(expected), capacity));
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let mut next = 0;
    for lap in 0..6 {
        for number in next..next + capacity {
            tx.try_send(&bytes(number, limit)).unwrap();
        }
        assert_eq!(tx.try_send(&[]), Err(TrySendError::Full(())));
        for number in next..next + capacity {
            let expected = bytes(number, limit);
            match (number + lap) % 3 {
                0 => assert_eq!(rx.try_recv().unwrap(), expected),
                1 => {
                    let lease = rx.try_lease().unwrap();
                    assert_eq!((lease.len(), lease.read()), (expected.len(), expected));
                    lease.release();
                }
                _ => {
                    let mut some = Vec::new();
                    assert_eq!(rx.try_recv_batch(&mut some, 1), Ok(1));
                    assert_eq!(some, [expected]);
                }
            }
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        next += capacity;
    }
}

#[test]
fn exactly_of_bytes() {
    for limit in [0, 1, 8, 40, 48, 49, 1000] {
        for capacity in CAPACITIES {
            bytes_exactly(limit, Layout::Auto, capacity);
            bytes_exactly(limit, Layout::Dense, capacity);
        }
    }
    for limit in [49, 1000] {
        let builder = Ring::<[u8], Spsc>::builder().message_limit(limit);
        let error = builder.layout(Layout::Lines).anonymous().unwrap_err();
        says(&error, &["layout", "`dense` or `auto`", "up to 48 bytes"]);
    }
}

/// What was asked for and what a ring has, by every way to have one.
fn rounded<K: Kind>(asked: usize, capacity: usize) {
    let place = directory();
    let path = place.path().join("ring");
    let name = path.to_str().unwrap();
    let ring = Ring::<u64, K>::create(name, asked).unwrap();
    assert_eq!(
        (ring.capacity(), ring.stats().capacity),
        (capacity, capacity)
    );
    assert_eq!(memring::inspect(name).unwrap().capacity, capacity);
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let error = tx.try_send_batch(0..).unwrap_err();
    assert_eq!((error.sent, rx.slots()), (capacity, capacity));
    assert_eq!(rx.try_recv_batch(&mut Vec::new(), 9999), Ok(capacity));
    for same in [asked, capacity] {
        let again = Ring::<u64, K>::open_or_create(name, same).unwrap();
        assert!(again.same_channel(&ring));
    }
    let error = Ring::<u64, K>::open_or_create(name, capacity + 1).unwrap_err();
    let expected = match K::KIND {
        memring::RingKind::Spsc => capacity + 1,
        _ => 2 * capacity,
    };
    says(&error, &[&expected.to_string(), &capacity.to_string()]);
}

#[test]
fn capacities_are_rounded_up_where_a_side_has_many() {
    for (asked, power) in [(1, 1), (3, 4), (7, 8), (10, 16), (64, 64), (1000, 1024)] {
        rounded::<Spsc>(asked, asked);
        rounded::<Mpsc>(asked, power);
        rounded::<Spmc>(asked, power);
        rounded::<Mpmc>(asked, power);
    }
}

#[test]
#[cfg_attr(feature = "portable", ignore = "it passes a descriptor")]
fn only_one_sender_and_one_receiver_have_a_layout() {
    for layout in [Layout::Auto, Layout::Lines, Layout::Dense] {
        let builder = Ring::<[u64; 8], Mpmc>::builder().layout(layout);
        assert_eq!(builder.anonymous().unwrap().layout(), None);
    }
    // A ring that stands keeps that of its maker.
    let dense = Ring::<u64, Spsc>::builder().layout(Layout::Dense);
    let dense = dense.anonymous().unwrap();
    let builder = Ring::<u64, Spsc>::builder().layout(Layout::Lines);
    let again = builder.from_fd(dense.share_fd().unwrap()).unwrap();
    assert_eq!(again.layout(), Some(Layout::Dense));
}

/// A grant that comes too late says so, and nothing was sent.
#[test]
fn a_grant_at_a_ring_that_ends_is_not_sent() {
    for layout in [Layout::Lines, Layout::Dense] {
        let place = directory();
        let path = place.path().join("ring");
        let name = path.to_str().unwrap();
        let builder = Ring::<u64, Spsc>::builder().capacity(3).layout(layout);
        for removed in [false, true] {
            let ring = builder.clone().create(name).unwrap();
            let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
            tx.send(1).unwrap();
            let mut grant = tx.reserve().unwrap();
            grant.write(2).unwrap();
            let expected = match removed {
                false => {
                    ring.close().unwrap();
                    memring::remove(name).unwrap();
                    (memring::SendError::Closed(()), RecvError::Closed)
                }
                true => {
                    memring::remove(name).unwrap();
                    (memring::SendError::Removed(()), RecvError::Removed)
                }
            };
            // The receiver is at the end before the sender is.
            assert_eq!((rx.recv(), rx.recv()), (Ok(1), Err(expected.1)));
            assert_eq!(grant.commit(), Err(expected.0));
            assert_eq!((rx.recv(), rx.slots()), (Err(expected.1), 0));
            assert_eq!((ring.len(), ring.stats().sent), (0, 1));
        }
    }
}

/// The other way round: the sender is told first, and what it published is received.
#[test]
fn a_grant_that_ends_the_ring_itself_is_received() {
    for layout in [Layout::Lines, Layout::Dense] {
        let builder = Ring::<u64, Spsc>::builder().capacity(3).layout(layout);
        let ring = builder.anonymous().unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let mut grant = tx.reserve().unwrap();
        grant.write(2).unwrap();
        ring.close().unwrap();
        assert_eq!(grant.commit(), Ok(()));
        assert_eq!(tx.try_send(3), Err(TrySendError::Closed(3)));
        assert_eq!((rx.recv(), rx.recv()), (Ok(2), Err(RecvError::Closed)));
    }
}

/// Messages of no bytes are counted, and keep their alignment in place.
#[test]
fn messages_without_bytes() {
    for layout in [Layout::Lines, Layout::Dense] {
        let ring = Ring::<[u64; 0], Spsc>::builder().layout(layout).capacity(5);
        let ring = ring.anonymous().unwrap();
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        for _ in 0..3 {
            for _ in 0..5 {
                let mut grant = tx.try_reserve().unwrap();
                assert!(grant.as_mut_ptr().cast::<[u64; 0]>().is_aligned());
                grant.commit().unwrap();
            }
            assert_eq!(tx.try_send([]), Err(TrySendError::Full([])));
            for _ in 0..5 {
                let lease = rx.try_lease().unwrap();
                assert!(lease.as_ptr().cast::<[u64; 0]>().is_aligned());
                lease.release();
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }
}
