//! A type of 1 MiB, on a stack of a quarter of that.

use std::thread;

use memring::{Kind, Ring};
use memring_testkit::for_each_kind;

const MIB: usize = 1 << 20;
const STACK: usize = 256 << 10;

type Block = [[u64; 4096]; 32];

/// A block on the heap, which was never anywhere else.
fn block(first: u64) -> Vec<u64> {
    (first..).take(MIB / 8).collect()
}

fn as_block(words: &mut [u64]) -> &mut Block {
    bytemuck::from_bytes_mut(bytemuck::cast_slice_mut(words))
}

fn every_verb_by_reference<K: Kind>() {
    assert_eq!(size_of::<Block>(), MIB);
    let ring = Ring::<Block, K>::anonymous(2).unwrap();
    let thread = thread::Builder::new().stack_size(STACK);
    let run = move || {
        let (mut tx, mut rx) = (ring.sender().unwrap(), ring.receiver().unwrap());
        let (mut first, mut second) = (block(1), block(2));
        let mut found = vec![0; MIB / 8];
        let found = as_block(&mut found);
        tx.send_ref(as_block(&mut first)).unwrap();
        let mut grant = tx.reserve().unwrap();
        grant.write_ref(as_block(&mut second)).unwrap();
        grant.commit().unwrap();
        assert!(tx.try_send_ref(as_block(&mut first)).unwrap_err().is_full());
        assert_eq!(rx.recv_into(found).unwrap(), MIB);
        assert_eq!(found, as_block(&mut first));
        let lease = rx.lease().unwrap();
        assert_eq!(lease.read_into(found), MIB);
        assert_eq!(found, as_block(&mut second));
        lease.release();
        assert!(rx.try_recv_into(found).unwrap_err().is_empty());
        assert_eq!(
            found,
            as_block(&mut second),
            "changed by a call that failed"
        );
    };
    thread.spawn(run).unwrap().join().unwrap();
}

for_each_kind!(every_verb_by_reference);
