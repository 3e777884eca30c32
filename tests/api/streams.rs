//! Grants and leases as streams of bytes, and copies of leases.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use memring::{Kind, Ring};
use memring_testkit::for_each_kind;

fn a_grant_is_written_to<K: Kind>() {
    const LIMIT: usize = 100;
    let ring = Ring::<[u8], K>::builder().capacity(4).message_limit(LIMIT);
    let ring = ring.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    // In pieces of every size, at every offset.
    for piece in 1..20 {
        let bytes: Vec<u8> = (piece..).take(LIMIT).collect();
        let mut grant = tx.reserve().unwrap();
        for part in bytes.chunks(piece.into()) {
            grant.write_all(part).unwrap();
        }
        assert_eq!(io::Write::write(&mut grant, b"too many").unwrap(), 0);
        let error = grant.write_all(b"too many").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        grant.flush().unwrap();
        grant.commit().unwrap();
        assert_eq!(rx.recv().unwrap(), bytes);
    }
    // After other ways to write.
    let mut grant = tx.reserve().unwrap();
    grant.write(b"a whole message").unwrap();
    write!(grant, ", {}", 1).unwrap();
    grant.commit().unwrap();
    assert_eq!(rx.recv().unwrap(), b"a whole message, 1");
    let mut grant = tx.reserve().unwrap();
    grant.write(b"a whole message").unwrap();
    grant.set_len(7).unwrap();
    write!(grant, " one").unwrap();
    grant.write(b"").unwrap();
    write!(grant, "again").unwrap();
    grant.commit().unwrap();
    assert_eq!(rx.recv().unwrap(), b"again");
    // Partly taken.
    let mut grant = tx.reserve().unwrap();
    grant.set_len(LIMIT - 2).unwrap();
    assert_eq!(io::Write::write(&mut grant, b"three").unwrap(), 2);
    grant.commit().unwrap();
    assert_eq!(&rx.recv().unwrap()[LIMIT - 2..], b"th");
}

fn a_lease_is_read_from<K: Kind>() {
    const LENGTH: usize = 20_000;
    let ring = Ring::<[u8], K>::builder().capacity(2).message_limit(LENGTH);
    let ring = ring.anonymous().unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    let bytes: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    for piece in [1, 3, 8, 1000, LENGTH, LENGTH + 1] {
        tx.send(&bytes).unwrap();
        let lease = rx.lease().unwrap();
        let (mut reader, mut found) = (lease.reader(), Vec::new());
        let mut part = vec![0; piece];
        while let read @ 1.. = reader.read(&mut part).unwrap() {
            found.extend_from_slice(&part[..read]);
            assert_eq!(reader.remaining(), LENGTH - found.len());
        }
        assert_eq!(found, bytes);
        // Both ways, in turn.
        let (mut reader, mut found) = (lease.reader(), Vec::new());
        while reader.remaining() > 0 {
            let read = reader.read(&mut part).unwrap();
            found.extend_from_slice(&part[..read]);
            let buffered = reader.fill_buf().unwrap();
            let used = buffered.len().min(piece);
            found.extend_from_slice(&buffered[..used]);
            reader.consume(used);
        }
        assert_eq!(found, bytes);
        reader.consume(usize::MAX / 2);
        assert!(reader.fill_buf().unwrap().is_empty());
        lease.release();
    }
    tx.send(b"one\ntwo\n\nfour").unwrap();
    let lease = rx.lease().unwrap();
    let lines: Vec<String> = lease.reader().lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["one", "two", "", "four"]);
    lease.release();
    tx.send(b"").unwrap();
    assert_eq!(rx.lease().unwrap().reader().read(&mut [0; 3]).unwrap(), 0);
}

fn a_snapshot_is_read_like_a_reference<K: Kind>() {
    let ring = Ring::<[u64; 3], K>::anonymous(4).unwrap();
    let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
    tx.send_batch([[1, 2, 3], [4, 5, 6]]).unwrap();
    let snapshot = rx.lease().unwrap().snapshot();
    assert_eq!((snapshot[1], snapshot.iter().sum::<u64>()), (2, 6));
    assert!(!snapshot.is_redelivered());
    snapshot.requeue();
    assert_eq!(rx.slots(), 2);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let snapshot = rx.lease().unwrap().snapshot();
        let redelivered = snapshot.is_redelivered();
        seen.push((snapshot.release(), redelivered));
    }
    seen.sort_unstable();
    assert_eq!(seen, [([1, 2, 3], true), ([4, 5, 6], false)]);
    assert!(rx.is_empty());
    tx.send([7; 3]).unwrap();
    rx.lease().unwrap().snapshot().into_lease().release();
    assert!(rx.is_empty());
}

for_each_kind!(
    a_grant_is_written_to,
    a_lease_is_read_from,
    a_snapshot_is_read_like_a_reference,
);
