//! Samples of rings of one sender and one receiver, as `docs/format.md` has them: lines with
//! one, two, three and seven messages, and dense messages.

use bytemuck::Pod;
use memring::{
    FenceMode, Layout, Message, OnDeath, RecvError, Ring, RingBuilder, Spsc, TryRecvError,
    TrySendError, Wakeups,
};
use memring_testkit::format::FORMAT;

use super::samples::Sample;

/// A sample, and what is in it.
pub struct Case {
    pub name: &'static str,
    pub make: fn(&str),
    use_it: fn(&Case, &Sample),
    pub capacity: usize,
    layout: Layout,
    pub file_size: u64,
    /// Lines, or places, as the reader tells them.
    pub places: &'static str,
    pub sent: u64,
    pub received: u64,
    pub redelivered: u64,
    /// The words of the lines.
    pub words: Vec<u64>,
    /// Position, redeliveries and bytes of each message that is in the ring.
    pub left: Vec<(u64, u8, Vec<u8>)>,
}

fn builder<T: Message + ?Sized>(capacity: usize) -> RingBuilder<T, Spsc> {
    let ring = Ring::<T, Spsc>::builder().capacity(capacity);
    ring.fence_mode(FenceMode::Fence)
}

fn message<const N: usize>(number: u64) -> [u64; N] {
    [number * 0x1111; N]
}

fn send<const N: usize>(ring: &Ring<[u64; N], Spsc>, numbers: std::ops::RangeInclusive<u64>)
where
    [u64; N]: Pod,
{
    let mut tx = ring.sender().unwrap();
    for number in numbers {
        tx.send(message(number)).unwrap();
    }
}

fn receive<T: Message + ?Sized>(ring: &Ring<T, Spsc>, count: usize) {
    let mut rx = ring.receiver().unwrap();
    for _ in 0..count {
        rx.recv().unwrap();
    }
}

/// Seven a line: the second lap begins in a line that is not taken whole yet.
fn make_sevens(name: &str) {
    let ring = builder::<[u64; 1]>(10).create(name).unwrap();
    send(&ring, 1..=10);
    receive(&ring, 5);
    send(&ring, 11..=15);
}

/// Three a line: the positions wrap, and the start is at a place without a message.
fn make_threes(name: &str) {
    let ring = builder::<[u64; 2]>(5).start_position(0u64.wrapping_sub(9));
    let ring = ring.create(name).unwrap();
    send(&ring, 1..=5);
    receive(&ring, 3);
    send(&ring, 6..=8);
}

/// Two a line: given back twice, once and never.
fn make_twos(name: &str) {
    let ring = builder::<[u64; 3]>(3).max_deliveries(3);
    let ring = ring.create(name).unwrap();
    send(&ring, 1..=3);
    let mut rx = ring.receiver().unwrap();
    rx.lease_batch(2).unwrap().requeue();
    rx.lease().unwrap().requeue();
}

/// One in half a line.
fn make_ones(name: &str) {
    let ring = builder::<[u64; 4]>(3).on_receiver_death(OnDeath::Discard);
    let ring = ring.create(name).unwrap();
    send(&ring, 1..=3);
    receive(&ring, 1);
    send(&ring, 4..=4);
}

/// Closed, received, and found to be at its end, which is fixed.
fn make_ended(name: &str) {
    let ring = builder::<[u64; 7]>(2).wakeups(Wakeups::SpinOnly);
    let ring = ring.create(name).unwrap();
    send(&ring, 1..=2);
    ring.close().unwrap();
    receive(&ring, 2);
    assert_eq!(ring.receiver().unwrap().recv(), Err(RecvError::Closed));
}

fn make_byte_lines(name: &str) {
    let ring = builder::<[u8]>(4).message_limit(8).create(name).unwrap();
    let mut tx = ring.sender().unwrap();
    for text in ["one", "", "at most "] {
        tx.send(text.as_bytes()).unwrap();
    }
    receive(&ring, 1);
    tx.send(b"four").unwrap();
    tx.send(b"5").unwrap();
}

/// Larger than a line has room for. One is given back, received, and another lies in its
/// place, whose attempts are still those of the one before: not valid. One more is given back.
fn make_dense(name: &str) {
    let ring = builder::<[u64; 8]>(3).create(name).unwrap();
    send(&ring, 1..=3);
    ring.receiver().unwrap().lease().unwrap().requeue();
    receive(&ring, 2);
    send(&ring, 4..=5);
    ring.receiver().unwrap().lease().unwrap().requeue();
}

/// Dense by choice, and of a size that is no multiple of anything.
fn make_fives(name: &str) {
    let ring = builder::<[u8; 5]>(3).layout(Layout::Dense);
    let ring = ring.create(name).unwrap();
    let mut tx = ring.sender().unwrap();
    for number in 1..=3 {
        tx.send([number; 5]).unwrap();
    }
    receive(&ring, 1);
    tx.send([4; 5]).unwrap();
}

fn make_dense_bytes(name: &str) {
    let ring = builder::<[u8]>(5).message_limit(100).create(name).unwrap();
    let mut tx = ring.sender().unwrap();
    for length in [1, 100, 33] {
        tx.send(&vec![length; length.into()]).unwrap();
    }
    receive(&ring, 1);
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let before_wrap = |back: u64| 0u64.wrapping_sub(back);
    vec![
        Case {
            name: "sevens",
            make: make_sevens,
            use_it: use_typed::<[u64; 1]>,
            capacity: 10,
            layout: Layout::Lines,
            file_size: 0x5000 + 2 * 64 + 16,
            places: "lines, 2 of 7",
            sent: 15,
            received: 5,
            redelivered: 0,
            words: vec![17, 15],
            left: [5, 6, 8, 9, 10, 11, 12, 13, 14, 16]
                .into_iter()
                .zip(6..)
                .map(|(at, number)| (at, 0, bytes(message::<1>(number))))
                .collect(),
        },
        Case {
            name: "threes",
            make: make_threes,
            use_it: use_typed::<[u64; 2]>,
            capacity: 5,
            layout: Layout::Lines,
            file_size: 0x5000 + 2 * 64 + 8,
            places: "lines, 2 of 3",
            sent: 8,
            received: 3,
            redelivered: 0,
            words: vec![2, before_wrap(1)],
            left: [before_wrap(4), before_wrap(3), before_wrap(2), 0, 1]
                .into_iter()
                .zip(4..)
                .map(|(at, number)| (at, 0, bytes(message::<2>(number))))
                .collect(),
        },
        Case {
            name: "twos",
            make: make_twos,
            use_it: use_typed::<[u64; 3]>,
            capacity: 3,
            layout: Layout::Lines,
            file_size: 0x5000 + 2 * 64 + 8,
            places: "lines, 2 of 2",
            sent: 3,
            received: 0,
            redelivered: 3,
            words: vec![2, 3],
            left: [(0, 2), (1, 1), (2, 0)]
                .into_iter()
                .zip(1..)
                .map(|((at, given_back), number)| (at, given_back, bytes(message::<3>(number))))
                .collect(),
        },
        Case {
            name: "ones",
            make: make_ones,
            use_it: use_typed::<[u64; 4]>,
            capacity: 3,
            layout: Layout::Lines,
            file_size: 0x5000 + 4 * 64 + 8,
            places: "lines, 4 of 1",
            sent: 4,
            received: 1,
            redelivered: 0,
            words: vec![1, 3, 5, 7],
            left: [(2, 2), (4, 3), (6, 4)]
                .map(|(at, number)| (at, 0, bytes(message::<4>(number))))
                .to_vec(),
        },
        Case {
            name: "ended",
            make: make_ended,
            use_it: use_ended,
            capacity: 2,
            layout: Layout::Lines,
            file_size: 0x5000 + 2 * 64 + 8,
            places: "lines, 2 of 1",
            sent: 2,
            received: 2,
            redelivered: 0,
            words: vec![1, 2],
            left: vec![],
        },
        Case {
            name: "byte_lines",
            make: make_byte_lines,
            use_it: use_bytes,
            capacity: 4,
            layout: Layout::Lines,
            file_size: 0x5000 + 2 * 64 + 8,
            places: "lines, 2 of 3",
            sent: 5,
            received: 1,
            redelivered: 0,
            words: vec![3, 6],
            left: [(1, ""), (2, "at most "), (4, "four"), (5, "5")]
                .map(|(at, text)| (at, 0, text.into()))
                .to_vec(),
        },
        Case {
            name: "dense",
            make: make_dense,
            use_it: use_typed::<[u64; 8]>,
            capacity: 3,
            layout: Layout::Dense,
            file_size: 0x5000 + 4 * 64 + 8,
            places: "dense, 4 places of 64 bytes",
            sent: 5,
            received: 2,
            redelivered: 2,
            words: vec![],
            left: [(2, 1), (3, 0), (4, 0)]
                .into_iter()
                .zip(3..)
                .map(|((at, given_back), number)| (at, given_back, bytes(message::<8>(number))))
                .collect(),
        },
        Case {
            name: "fives",
            make: make_fives,
            use_it: use_typed::<[u8; 5]>,
            capacity: 3,
            layout: Layout::Dense,
            file_size: 0x5000 + 24 + 8,
            places: "dense, 4 places of 5 bytes",
            sent: 4,
            received: 1,
            redelivered: 0,
            words: vec![],
            left: [1, 2, 3].map(|at| (at, 0, vec![at as u8 + 1; 5])).to_vec(),
        },
        Case {
            name: "dense_bytes",
            make: make_dense_bytes,
            use_it: use_bytes,
            capacity: 5,
            layout: Layout::Dense,
            file_size: 0x5000 + 8 * 112 + 8,
            places: "dense, 8 places of 112 bytes",
            sent: 3,
            received: 1,
            redelivered: 0,
            words: vec![],
            left: vec![(1, 0, vec![100; 100]), (2, 0, vec![33; 33])],
        },
    ]
}

fn bytes<T: Pod>(message: T) -> Vec<u8> {
    bytemuck::bytes_of(&message).to_vec()
}

fn use_typed<T: Pod + Send>(case: &Case, sample: &Sample) {
    let size = size_of::<T>();
    go_on::<T>(case, sample, size, bytemuck::pod_read_unaligned, bytes);
}

fn use_bytes(case: &Case, sample: &Sample) {
    go_on::<[u8]>(case, sample, 8, |bytes| bytes, |message| message);
}

/// Opens the sample, receives what is in it, and uses the ring for some laps.
fn go_on<T: Message + ?Sized>(
    case: &Case,
    sample: &Sample,
    size: usize,
    sent: impl for<'b> Fn(&'b [u8]) -> T::Sent<'b>,
    received: impl Fn(T::Received) -> Vec<u8>,
) {
    let Some(ring) = sample.open::<T, Spsc>(FORMAT, 0) else {
        return;
    };
    has_what_it_should(case, sample, &ring);
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(tx.free(), case.capacity - case.left.len(), "{}", case.name);
    for (position, redeliveries, bytes) in &case.left {
        let lease = rx.try_lease().unwrap();
        let name = format!("{} at {position}", case.name);
        assert_eq!(received(lease.read()), *bytes, "{name}");
        assert_eq!(lease.redeliveries(), *redeliveries, "{name}");
        lease.release();
    }
    assert!(
        matches!(rx.try_recv(), Err(TryRecvError::Empty)),
        "{}",
        case.name
    );
    for lap in 0..4 {
        let messages = (0..case.capacity).map(|at| vec![(lap * 16 + at) as u8; size]);
        let messages: Vec<_> = messages.collect();
        for message in &messages {
            assert!(tx.try_send(sent(message)).is_ok(), "{}", case.name);
        }
        let full = tx.try_send(sent(&messages[0]));
        assert!(matches!(full, Err(TrySendError::Full(_))), "{}", case.name);
        for message in messages {
            let got = rx.try_recv().ok().map(&received);
            assert_eq!(got, Some(message), "{}", case.name);
        }
    }
}

fn use_ended(case: &Case, sample: &Sample) {
    let Some(ring) = sample.open::<[u64; 7], Spsc>(FORMAT, 0) else {
        return;
    };
    has_what_it_should(case, sample, &ring);
    assert!(ring.is_closed());
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    assert!(tx.try_send([1; 7]).unwrap_err().is_closed());
}

fn has_what_it_should<T: Message + ?Sized>(case: &Case, sample: &Sample, ring: &Ring<T, Spsc>) {
    let seen = memring::inspect(sample.name()).unwrap();
    let stats = &seen.stats;
    assert_eq!(
        (seen.capacity, seen.file_size, ring.layout()),
        (case.capacity, case.file_size, Some(case.layout)),
        "{}",
        case.name
    );
    assert_eq!(
        (stats.sent, stats.received, stats.len, stats.redelivered),
        (case.sent, case.received, case.left.len(), case.redelivered),
        "{}",
        case.name
    );
}

#[test]
fn one_to_one_open_for_ever() {
    for case in cases() {
        let sample = Sample::of(case.name, FORMAT);
        (case.use_it)(&case, &sample);
    }
}
