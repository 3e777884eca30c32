//! The algorithms of a side of one and of a side of many.

use super::multi::{MultiReceiver, MultiSender};
use super::side::{Multiplicity, ReceiveSide, SendSide};
use super::single::{SingleReceiver, SingleSender};

/// One side of a kind: at most one endpoint, or many. Its algorithm depends on the
/// other side too.
pub trait Arity: Multiplicity {
    type Sender<R: Arity>: SendSide;
    type Receiver<S: Arity>: ReceiveSide;
}

/// At most one endpoint attached at a time.
pub enum Single {}
/// Any number of endpoints.
pub enum Multi {}

impl Multiplicity for Single {
    const MULTI: bool = false;
}

impl Multiplicity for Multi {
    const MULTI: bool = true;
}

impl Arity for Single {
    type Sender<R: Arity> = SingleSender<R>;
    type Receiver<S: Arity> = SingleReceiver<S>;
}

impl Arity for Multi {
    type Sender<R: Arity> = MultiSender<R>;
    type Receiver<S: Arity> = MultiReceiver<S>;
}
