//! Rings and endpoints may be seen after a panic: no panic leaves one half changed. Callers'
//! code runs within calls only as the iterator or the closure of a batch or a chunk, outside
//! of all operations; and as an idle strategy, while nothing is claimed, or a rendezvous is
//! under way, which is taken back. Guards that are dropped roll back.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::{IntoIter, Receiver, Ring, Sender};
use crate::message::Message;
use crate::ring::kind::Kind;

impl<T: Message + ?Sized, K: Kind> UnwindSafe for Ring<T, K> {}
impl<T: Message + ?Sized, K: Kind> RefUnwindSafe for Ring<T, K> {}

impl<T: Message + ?Sized, K: Kind> UnwindSafe for Sender<T, K> {}
impl<T: Message + ?Sized, K: Kind> RefUnwindSafe for Sender<T, K> {}

impl<T: Message + ?Sized, K: Kind> UnwindSafe for Receiver<T, K> {}
impl<T: Message + ?Sized, K: Kind> RefUnwindSafe for Receiver<T, K> {}

impl<T: Message + ?Sized, K: Kind> UnwindSafe for IntoIter<T, K> {}
impl<T: Message + ?Sized, K: Kind> RefUnwindSafe for IntoIter<T, K> {}
