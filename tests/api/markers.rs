//! Types with a kind for a parameter derive what they like.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{RefUnwindSafe, UnwindSafe};

use memring::{
    Grant, IntoIter, Iter, Kind, Lease, LeaseBatch, LeaseIter, LeaseSnapshot, LeasedMessage,
    Message, Receiver, Ring, RingBuilder, SendBatchError, SendBatchTimeoutError, SendError,
    SendTimeoutError, Sender, TryIter, TrySendBatchError, TrySendError,
};
use memring_testkit::for_each_kind;

#[derive(Clone, Debug)]
#[allow(dead_code)] // shown only
struct Mine<K: Kind>(Ring<u64, K>, RingBuilder<[u8], K>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Marked<K: Kind>(u8, std::marker::PhantomData<K>);

/// No kind and no message is asked for more than its own bound.
#[allow(dead_code)]
fn all_show_themselves<'r, T: Message + ?Sized + 'r, K: Kind, M>() {
    fn shows<D: Debug>() {}
    shows::<Ring<T, K>>();
    shows::<RingBuilder<T, K>>();
    shows::<Sender<T, K>>();
    shows::<Receiver<T, K>>();
    shows::<Iter<'r, T, K>>();
    shows::<TryIter<'r, T, K>>();
    shows::<Grant<'r, T, K>>();
    shows::<Lease<'r, T, K>>();
    shows::<LeaseBatch<'r, T, K>>();
    shows::<LeaseIter<'r, T, K>>();
    shows::<LeasedMessage<'r, T>>();
    shows::<LeaseSnapshot<'r, T, K>>();
    shows::<SendError<M>>();
    shows::<SendTimeoutError<M>>();
    shows::<TrySendError<M>>();
    shows::<SendBatchError<M>>();
    shows::<SendBatchTimeoutError<M>>();
    shows::<TrySendBatchError<M>>();
}

fn derives<K: Kind>() {
    fn is<V: Copy + Debug + Ord + Hash>(_: V) {}
    let marked = Marked(1, std::marker::PhantomData::<K>);
    is(marked);
    assert!(HashSet::from([marked]).contains(&marked));
    let mine = Mine(Ring::<u64, K>::anonymous(2).unwrap(), Ring::builder());
    let shown = format!("{:?}", mine.clone());
    for word in ["Mine", "Ring", "capacity: 2", "max_deliveries: 8"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(shown.contains(&format!("{:?}", K::KIND)), "{shown}");
}

for_each_kind!(derives);

/// `Send`, `Sync` and `Unpin` as far as they are sound, and no call leaves an object in a state
/// that must not be seen after a panic: as of crossbeam-channel, whatever the kind.
#[allow(dead_code)]
fn all_go_to_other_threads<K: Kind>() {
    fn goes<G: Send + Sync + Unpin>() {}
    fn survives<S: UnwindSafe + RefUnwindSafe>() {}
    macro_rules! both {
        ($($one:ty),* $(,)?) => { $(goes::<$one>(); survives::<$one>();)* };
    }
    both!(Ring<u64, K>, RingBuilder<u64, K>, Sender<u64, K>, Receiver<u64, K>, IntoIter<u64, K>);
    both!(Ring<[u8], K>, Sender<[u8], K>, Receiver<[u8], K>);
    goes::<Iter<'static, u64, K>>();
    goes::<TryIter<'static, u64, K>>();
    goes::<Grant<'static, u64, K>>();
    goes::<Lease<'static, u64, K>>();
    goes::<LeaseBatch<'static, u64, K>>();
    goes::<LeaseSnapshot<'static, u64, K>>();
}
